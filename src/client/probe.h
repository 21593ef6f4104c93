/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h -- one connection to the server, to see whether this sensor would be admitted: the part
 * of --check that goes over the network.
 *
 * It is the library's own connection, with a spool in which there is nothing and whose stream is
 * SL_STREAM_CHECK: the server answers `welcome` to it and keeps nothing of it, and a client of this
 * sensor that runs meanwhile isn't disturbed. Less wouldn't do: in TLS 1.3 a handshake that went
 * well here says nothing about what the server thinks of us, and only `welcome` has its clock.
 * The server's log shows the session, without a reading.
 *
 * What it can't see: whether the server's disk takes readings, and a sensor known there whose name
 * differs in upper and lower case only. It tells nobody's secret and sends no reading.
 *
 * Memory   Nothing is kept.
 * Limits   connect_ms for each address, and as much for the answer; a name service may take longer.
 * Threads  The caller's; it waits.
 */
#ifndef SL_CLIENT_PROBE_H
#define SL_CLIENT_PROBE_H

#include "base/checklist.h"
#include "sensorlink/sensorlink.h"

/*
 * Tries once; its points go to `list`. What of `config` is about spools and events is left aside.
 */
void sl_probe_server(const struct sl_client_config *config, struct sl_checklist *list);

#endif
