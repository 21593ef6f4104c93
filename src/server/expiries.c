/* SPDX-License-Identifier: Apache-2.0 */
/* expiries.c -- see expiries.h. */
#include "server/expiries.h"

#include <stdlib.h>

#include "base/clock.h"
#include "tls/expiry.h"

enum { LOOK_MS = 1000, SENTENCE_SIZE = 1024 };

struct sl_expiries {
    struct sl_shared *shared;
    const struct sl_trust_files *files;
    struct sl_timer *timer;
    int64_t looked_us; /* when it last did */
};

static void tell(const struct sl_expiries *expiries, const struct sl_expiry *expiry, int64_t now_us)
{
    int64_t warning_ms = expiries->shared->limits.expiry_warning_ms;
    bool late = sl_expiry_stage(expiry, warning_ms, now_us) != SL_EXPIRY_SOON;
    char text[SENTENCE_SIZE];

    sl_log_line(expiries->shared->log, late ? SL_LOG_ERROR : SL_LOG_WARNING, "%s",
                sl_expiry_print(expiry, expiries->files, now_us, text, sizeof text));
}

static void look(struct sl_expiries *expiries, bool all)
{
    struct sl_trust *trust = sl_shared_trust(expiries->shared);
    int64_t warning_ms = expiries->shared->limits.expiry_warning_ms;
    int64_t now_us = sl_clock_wall_us();
    struct sl_expiry expiry;

    for (size_t i = 0; sl_expiry_at(trust, i, &expiry); i++)
        if (all ? sl_expiry_stage(&expiry, warning_ms, now_us) != SL_EXPIRY_FINE
                : sl_expiry_due(&expiry, warning_ms, expiries->looked_us, now_us))
            tell(expiries, &expiry, now_us);
    expiries->looked_us = now_us;
    sl_trust_unref(trust);
}

static void on_timer(void *ctx)
{
    struct sl_expiries *expiries = ctx;

    look(expiries, false);
    sl_timer_start(expiries->timer, LOOK_MS);
}

enum sl_status sl_expiries_new(struct sl_loop *loop, struct sl_shared *shared,
                               const struct sl_trust_files *files, struct sl_expiries **expiries)
{
    struct sl_expiries *made = calloc(1, sizeof *made);
    enum sl_status status = SL_NOMEM;

    if (made != NULL)
        status = sl_timer_new(loop, on_timer, made, &made->timer);
    if (status != SL_OK) {
        free(made);
        return status;
    }
    made->shared = shared;
    made->files = files;
    made->looked_us = sl_clock_wall_us();
    sl_timer_start(made->timer, LOOK_MS);
    *expiries = made;
    return SL_OK;
}

void sl_expiries_tell(struct sl_expiries *expiries)
{
    look(expiries, true);
}

void sl_expiries_free(struct sl_expiries *expiries)
{
    if (expiries == NULL)
        return;
    sl_timer_close(expiries->timer);
    free(expiries);
}
