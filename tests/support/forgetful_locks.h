/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forgetful_locks.h -- the locks of a forgetful disk's files, as SQLite means them: on a file, and
 * in the shared memory of a write-ahead log's index. They keep connections of one process apart.
 *
 * Memory   Parts of other structs; all zeros is "no lock".
 * Threads  One at a time: the disk's lock is held.
 */
#ifndef SL_TESTS_SUPPORT_FORGETFUL_LOCKS_H
#define SL_TESTS_SUPPORT_FORGETFUL_LOCKS_H

#include <stdbool.h>

#include <sqlite3.h>

struct sl_forgetful_held;

/* Of a file. */
struct sl_forgetful_locks {
    int users;                             /* handles with a lock on the file */
    const struct sl_forgetful_held *owner; /* the one whose lock keeps all others out */
    int shared[SQLITE_SHM_NLOCK];
    bool exclusive[SQLITE_SHM_NLOCK];
};

/* Of a handle. */
struct sl_forgetful_held {
    int level;                  /* SQLITE_LOCK_NONE and so on */
    unsigned shared, exclusive; /* those in shared memory, as bits */
};

/* SQLITE_OK, or SQLITE_BUSY where others keep us out. */
int sl_forgetful_lock_file(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held,
                           int level);
void sl_forgetful_unlock_file(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held,
                              int level);

/* xShmLock with its `flags`; `bits` are the locks that are meant. */
int sl_forgetful_lock_shm(struct sl_forgetful_locks *locks, struct sl_forgetful_held *held,
                          unsigned bits, int flags);

#endif
