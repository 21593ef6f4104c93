/* SPDX-License-Identifier: Apache-2.0 */
/* tickets.c -- see tickets.h. */
#include "server/tickets.h"

#include <stdlib.h>

#include "base/clock.h"

enum { TURN_MS = 60000, ERROR_SIZE = 512 };

struct sl_tickets {
    struct sl_ticket_keys *keys;
    struct sl_timer *timer;
    struct sl_log *log;
};

/* A file that can't be written costs a full handshake of each sensor after a restart, no more. */
static void on_turn(void *ctx)
{
    struct sl_tickets *tickets = ctx;
    char error[ERROR_SIZE];

    if (sl_ticket_keys_turn(tickets->keys, sl_clock_wall_us(), error, sizeof error) != SL_OK)
        sl_log_line(tickets->log, SL_LOG_ERROR, "ticket keys are changed, but not kept: %s", error);
    sl_timer_start(tickets->timer, TURN_MS);
}

enum sl_status sl_tickets_start(struct sl_loop *loop, struct sl_log *log, int64_t max_age_ms,
                                const char *path, struct sl_tickets **tickets, char *error,
                                size_t error_size)
{
    struct sl_tickets *made;
    enum sl_status status;

    *tickets = NULL;
    if (max_age_ms == 0)
        return SL_OK;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return SL_NOMEM;
    made->log = log;
    status = sl_ticket_keys_new(max_age_ms * 1000, path, &made->keys, error, error_size);
    if (status == SL_OK)
        status = sl_timer_new(loop, on_turn, made, &made->timer);
    if (status != SL_OK) {
        sl_tickets_stop(made);
        return status;
    }
    sl_timer_start(made->timer, TURN_MS);
    *tickets = made;
    return SL_OK;
}

struct sl_ticket_keys *sl_tickets_keys(const struct sl_tickets *tickets)
{
    return tickets == NULL ? NULL : tickets->keys;
}

void sl_tickets_stop(struct sl_tickets *tickets)
{
    if (tickets == NULL)
        return;
    sl_timer_close(tickets->timer);
    sl_ticket_keys_free(tickets->keys);
    free(tickets);
}
