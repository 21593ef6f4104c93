/* SPDX-License-Identifier: Apache-2.0 */
/* shared.c -- today's trust, read by all threads and changed by one; see shared.h. */
#include "server/shared.h"

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
