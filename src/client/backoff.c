/* SPDX-License-Identifier: Apache-2.0 */
/* backoff.c -- pauses with full jitter; see backoff.h. */
#include "client/backoff.h"

#include <assert.h>

void sl_backoff_init(struct sl_backoff *backoff, int64_t min_ms, int64_t max_ms, int64_t refused_ms)
{
    assert(min_ms >= 1 && max_ms >= min_ms && refused_ms >= 0);
    *backoff = (struct sl_backoff){.min_ms = min_ms, .max_ms = max_ms, .refused_ms = refused_ms};
}

void sl_backoff_success(struct sl_backoff *backoff)
{
    backoff->paused_ms = 0;
    backoff->silent = 0;
}

void sl_backoff_welcomed(struct sl_backoff *backoff)
{
    backoff->silent = 0;
}

/* 0 to `most`. The remainder favours small numbers by less than one in a billion here. */
static int64_t draw(int64_t most, uint64_t random)
{
    return (int64_t)(random % ((uint64_t)most + 1));
}

/* As long as there was no session so far, within the limits. */
static int64_t ceiling(const struct sl_backoff *backoff)
{
    if (backoff->paused_ms < backoff->min_ms)
        return backoff->min_ms;
    return backoff->paused_ms < backoff->max_ms ? backoff->paused_ms : backoff->max_ms;
}

bool sl_backoff_is_refusal(const struct sl_backoff *backoff, enum sl_pause_cause cause)
{
    return cause == SL_PAUSE_REFUSED ||
           (cause == SL_PAUSE_SILENT && backoff->silent + 1 >= SL_SILENT_IS_REFUSED);
}

int64_t sl_backoff_pause(struct sl_backoff *backoff, enum sl_pause_cause cause, int64_t retry_ms,
                         uint64_t random)
{
    int64_t pause_ms;

    backoff->silent = cause == SL_PAUSE_SILENT ? backoff->silent + 1 : 0;
    if (backoff->silent >= SL_SILENT_IS_REFUSED) {
        backoff->silent = SL_SILENT_IS_REFUSED; /* stays so, and can't overflow */
        cause = SL_PAUSE_REFUSED;
    }

    if (cause == SL_PAUSE_REFUSED || cause == SL_PAUSE_FAULT) {
        int64_t half = backoff->refused_ms / 2;
        return half + draw(backoff->refused_ms - half, random);
    }
    pause_ms = draw(ceiling(backoff), random);
    if (pause_ms < backoff->max_ms - backoff->paused_ms)
        backoff->paused_ms += pause_ms;
    else
        backoff->paused_ms = backoff->max_ms;
    return cause == SL_PAUSE_BYE ? retry_ms + pause_ms : pause_ms;
}
