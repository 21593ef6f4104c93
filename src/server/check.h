/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h -- the report of sensorlink-server --check: everything that a server with this
 * configuration would use, looked at without changing or making anything, also beside a server that
 * runs.
 *
 * Memory   Nothing is kept.
 * Threads  One, before any server: it starts the TLS library.
 */
#ifndef SL_SERVER_CHECK_H
#define SL_SERVER_CHECK_H

#include "base/checklist.h"
#include "server/server.h"

/*
 * Adds a point for each thing looked at. This process becomes `user` first, unless that is null, so
 * that it looks with the rights that the server would have.
 */
void sl_server_check(const struct sl_server_config *config, const char *user,
                     struct sl_checklist *list);

#endif
