/* SPDX-License-Identifier: Apache-2.0 */
/*
 * committer.h -- the one thread that writes the store: one transaction for everything that waits.
 *
 * While a commit waits for the disk, the next batches gather in the queue, so the busier the server
 * is, the more readings share one sync. An answer leaves only after the commit. Where the store
 * fails, every batch of the transaction is answered with SL_IO and nothing of it is on disk; the
 * next ones try again, so the server goes on by itself when the disk does.
 *
 * Memory   Owns the store from start to stop.
 * Limits   The queue's count of batches; a full queue refuses, which is the back-pressure.
 * Threads  sl_committer_submit() from any thread; start and stop from one.
 */
#ifndef SL_SERVER_COMMITTER_H
#define SL_SERVER_COMMITTER_H

#include "base/log.h"
#include "server/batch.h"
#include "store/store.h"

struct sl_committer;

/*
 * What the committer calls in its own thread: `answered` gives each batch back, `committed` says
 * after each transaction that all of it is answered and that there is room in the queue again.
 */
struct sl_committer_hooks {
    void *ctx;
    void (*answered)(void *ctx, struct sl_batch *batch);
    void (*committed)(void *ctx);
};

/* Starts the thread; owns `store` on SL_OK. SL_NOMEM, SL_IO (no thread). */
SL_MUST_USE enum sl_status sl_committer_start(struct sl_store *store, size_t queue_limit,
                                              struct sl_log *log, struct sl_committer_hooks hooks,
                                              struct sl_committer **committer);

/*
 * SL_OK: it's under way. SL_LIMIT: the queue is full; SL_CLOSED: stopping. Then it's still the
 * caller's.
 */
SL_MUST_USE enum sl_status sl_committer_submit(struct sl_committer *committer,
                                               struct sl_batch *batch);

/*
 * Commits what is queued, answers it, ends the thread, closes the store, frees. Null is allowed.
 * SL_IO where the last transaction failed: something received isn't stored.
 */
enum sl_status sl_committer_stop(struct sl_committer *committer);

#endif
