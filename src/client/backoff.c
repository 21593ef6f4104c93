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
    backoff->failures = 0;
    backoff->silent = 0;
}

void sl_backoff_welcomed(struct sl_backoff *backoff)
{
    backoff->silent = 0;
}

/* 0 to `ceiling`. The remainder favours small numbers by less than one in a billion here. */
static int64_t draw(int64_t ceiling, uint64_t random)
{
    return (int64_t)(random % ((uint64_t)ceiling + 1));
}

/* min_ms doubled `doublings` times, max_ms at most. */
static int64_t ceiling_after(const struct sl_backoff *backoff, unsigned doublings)
{
    int64_t ceiling = backoff->min_ms;
    for (unsigned i = 0; i < doublings && ceiling < backoff->max_ms; i++)
        ceiling = ceiling > backoff->max_ms / 2 ? backoff->max_ms : ceiling * 2;
    return ceiling;
}

bool sl_backoff_is_refusal(const struct sl_backoff *backoff, enum sl_pause_cause cause)
{
    return cause == SL_PAUSE_REFUSED ||
           (cause == SL_PAUSE_SILENT && backoff->silent + 1 >= SL_SILENT_IS_REFUSED);
}

int64_t sl_backoff_pause(struct sl_backoff *backoff, enum sl_pause_cause cause, int64_t retry_ms,
                         uint64_t random)
{
    int64_t ceiling = ceiling_after(backoff, backoff->failures);

    if (backoff->failures < UINT32_MAX)
        backoff->failures++;
    backoff->silent = cause == SL_PAUSE_SILENT ? backoff->silent + 1 : 0;
    if (backoff->silent >= SL_SILENT_IS_REFUSED) {
        backoff->silent = SL_SILENT_IS_REFUSED; /* stays so, and can't overflow */
        cause = SL_PAUSE_REFUSED;
    }

    if (cause == SL_PAUSE_REFUSED || cause == SL_PAUSE_FAULT) {
        int64_t half = backoff->refused_ms / 2;
        return half + draw(backoff->refused_ms - half, random);
    }
    if (cause == SL_PAUSE_BYE)
        return retry_ms + draw(ceiling, random);
    return draw(ceiling, random);
}
