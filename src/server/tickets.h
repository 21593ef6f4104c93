/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tickets.h -- a server's ticket keys, changed in time.
 *
 * Memory   Made by sl_tickets_start(), freed by sl_tickets_stop() after the last connection.
 * Threads  The loop's; the keys themselves are for all (tls/ticket_keys.h).
 */
#ifndef SL_SERVER_TICKETS_H
#define SL_SERVER_TICKETS_H

#include "base/log.h"
#include "net/loop.h"
#include "tls/ticket_keys.h"

struct sl_tickets;

/*
 * `max_age_ms` 0: no tickets, and `*tickets` is null. `path` null: the keys live in memory only.
 * Statuses as for sl_ticket_keys_new(), with `error`.
 */
SL_MUST_USE enum sl_status sl_tickets_start(struct sl_loop *loop, struct sl_log *log,
                                            int64_t max_age_ms, const char *path,
                                            struct sl_tickets **tickets, char *error,
                                            size_t error_size);

/* The keys; null where there are no tickets, `tickets` null included. */
struct sl_ticket_keys *sl_tickets_keys(const struct sl_tickets *tickets);

void sl_tickets_stop(struct sl_tickets *tickets); /* null is allowed */

#endif
