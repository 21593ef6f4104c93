/* SPDX-License-Identifier: Apache-2.0 */
/* shared.c -- today's trust, read by all threads and changed by one; see shared.h. */
#include "server/shared.h"

#include "base/clock.h"

static const double TELL_RATE = 20; /* lines a second */
static const double TELL_BURST = 2000;

struct sl_trust *sl_shared_trust(struct sl_shared *shared)
{
    struct sl_trust *trust;

    (void)pthread_mutex_lock(&shared->trust_lock);
    trust = sl_trust_ref(shared->trust);
    (void)pthread_mutex_unlock(&shared->trust_lock);
    return trust;
}

void sl_shared_set_trust(struct sl_shared *shared, struct sl_trust *trust)
{
    struct sl_trust *old;

    (void)pthread_mutex_lock(&shared->trust_lock);
    old = shared->trust;
    shared->trust = trust;
    (void)pthread_mutex_unlock(&shared->trust_lock);
    sl_trust_unref(old);
}

bool sl_shared_may_tell(struct sl_shared *shared)
{
    int64_t now_ms = sl_clock_monotonic_ms();
    int64_t untold = 0;
    bool may;

    (void)pthread_mutex_lock(&shared->tell_lock);
    shared->tell_credit += TELL_RATE * (double)(now_ms - shared->tell_ms) / 1000;
    shared->tell_ms = now_ms;
    if (shared->tell_credit > TELL_BURST)
        shared->tell_credit = TELL_BURST;
    may = shared->tell_credit >= 1;
    if (may) {
        shared->tell_credit -= 1;
        untold = shared->untold;
        shared->untold = 0;
    } else {
        shared->untold++;
    }
    (void)pthread_mutex_unlock(&shared->tell_lock);
    if (untold > 0)
        sl_log_line(shared->log, SL_LOG_WARNING,
                    "%lld lines about connections and refusals were left out", (long long)untold);
    return may;
}
