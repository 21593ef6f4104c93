/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h -- the report of sensorlink-client --check: everything that a client with these options
 * would use, looked at without changing or making anything and without running a command.
 *
 * Memory   Nothing is kept.
 * Threads  One, before any client: it starts the TLS library.
 */
#ifndef SL_CLIENT_CHECK_H
#define SL_CLIENT_CHECK_H

#include <stdbool.h>

#include "base/checklist.h"
#include "client/sample.h"
#include "sensorlink/sensorlink.h"

struct sl_client_check {
    const struct sl_client_config *link; /* host, port, files, times; all of them given */
    const char *spool;                   /* its file */
    const char *floor_file;              /* --clock-floor; null: none */
    const struct sl_sample *samples;     /* --read and --exec */
    size_t sample_count;
    const char *const *messages; /* --message */
    size_t message_count;
    bool online; /* also connect, once (probe.h) */
};

/* Adds a point for each thing looked at. */
void sl_client_check(const struct sl_client_check *check, struct sl_checklist *list);

#endif
