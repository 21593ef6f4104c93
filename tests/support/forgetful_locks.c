/* SPDX-License-Identifier: Apache-2.0 */
/* forgetful_locks.c -- see forgetful_locks.h. */
#include "support/forgetful_locks.h"

#include <stddef.h>

static void set_level(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held, int level)
{
    locks->users += (level > SQLITE_LOCK_NONE) - (held->level > SQLITE_LOCK_NONE);
    if (level == SQLITE_LOCK_EXCLUSIVE)
        locks->owner = held;
    else if (locks->owner == held)
        locks->owner = NULL;
    held->level = level;
}

int sl_forgetful_lock_file(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held,
                           int level)
{
    bool others = locks->users > (held->level > SQLITE_LOCK_NONE);

    if ((locks->owner && locks->owner != held) || (level == SQLITE_LOCK_EXCLUSIVE && others))
        return SQLITE_BUSY;
    if (level > held->level)
        set_level(locks, held, level);
    return SQLITE_OK;
}

void sl_forgetful_unlock_file(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held,
                              int level)
{
    if (level < held->level)
        set_level(locks, held, level);
}

static void release(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held, unsigned bits)
{
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if ((held->shared & bits) >> i & 1)
            locks->shared[i]--;
        if ((held->exclusive & bits) >> i & 1)
            locks->exclusive[i] = false;
    }
    held->shared &= ~bits;
    held->exclusive &= ~bits;
}

static int acquire(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held, unsigned bits,
                   bool exclusive)
{
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
        if (bits >> i & 1 && (locks->exclusive[i] || (exclusive && locks->shared[i] > 0)))
            return SQLITE_BUSY;
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if ((bits >> i & 1) == 0)
            continue;
        locks->shared[i] += !exclusive;
        locks->exclusive[i] = exclusive;
    }
    *(exclusive ? &held->exclusive : &held->shared) |= bits;
    return SQLITE_OK;
}

int sl_forgetful_lock_shm(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held,
                          unsigned bits, int flags)
{
    if (flags & SQLITE_SHM_UNLOCK)
        release(locks, held, bits);
    else if ((bits & ~(held->shared | held->exclusive)) != 0)
        return acquire(locks, held, bits, (flags & SQLITE_SHM_EXCLUSIVE) != 0);
    return SQLITE_OK;
}
