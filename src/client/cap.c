/* SPDX-License-Identifier: Apache-2.0 */
/* cap.c -- what a full spool gives up; see cap.h. */
#include "client/cap.h"

#include <string.h>

enum { LOOK_MS = 1000 };

static enum sl_status drop(struct sl_cap *cap, struct sl_spool *spool, int64_t count,
                           const char *reason)
{
    struct sl_spool_state before;
    struct sl_spool_state after;
    int64_t last = 0;

    spool->functions->state(spool, &before);
    enum sl_status status = spool->functions->drop(spool, count, reason, &last);
    if (status == SL_OK && last > 0) {
        spool->functions->state(spool, &after);
        cap->dropped = last;
        cap->count += before.readings - after.readings;
        cap->reason = reason;
    }
    return status;
}

enum sl_status sl_cap_make_room(struct sl_cap *cap, struct sl_spool *spool, bool *full)
{
    struct sl_spool_state state;

    *full = false;
    if (cap->max_readings == 0)
        return SL_OK;
    spool->functions->state(spool, &state);
    int64_t over = state.readings + 1 - cap->max_readings;
    if (over <= 0)
        return SL_OK;
    if (cap->drops)
        return drop(cap, spool, over, SL_GAP_SPOOL_FULL);
    *full = true;
    return SL_LIMIT;
}

struct ages {
    int64_t oldest_us; /* what was taken before is too old */
    int64_t count;
};

/* Readings come oldest first, but for those that got their times elsewhere: up to the first young
   one. */
static int count_old(void *ctx, const struct sl_spool_item *item)
{
    struct ages *ages = ctx;

    if (item->reason)
        return 0;
    if (item->time_us == INT64_MIN || item->time_us >= ages->oldest_us)
        return 1;
    ages->count++;
    return 0;
}

enum sl_status sl_cap_check_ages(struct sl_cap *cap, struct sl_spool *spool, int64_t now_us,
                                 int64_t now_ms)
{
    struct ages ages = {.oldest_us = now_us - cap->max_age_ms * 1000};

    if (cap->max_age_ms == 0 || (cap->looked_ms > 0 && now_ms - cap->looked_ms < LOOK_MS))
        return SL_OK;
    cap->looked_ms = now_ms;
    enum sl_status status = spool->functions->read(spool, 0, count_old, &ages);
    if (status != SL_OK || ages.count == 0)
        return status;
    return drop(cap, spool, ages.count, SL_GAP_TOO_OLD);
}

bool sl_cap_reason_valid(const char *reason)
{
    size_t len = strlen(reason);
    return len >= 1 && len <= SL_SPOOL_REASON_MAX &&
           strspn(reason, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}
