/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h -- a thread with an event loop and the connections that belong to it.
 *
 * There are two kinds: handshake workers, where strangers are until they are admitted or refused,
 * and I/O workers, for sensors that are in. A connection belongs to one worker at a time; it comes
 * in through the worker's queue, and so do the committer's answers and
 * word of who is superseded.
 *
 * Threads  adopt, answer, committed, superseded, review, drain: from any thread. The rest from the
 *          worker's own.
 */
#ifndef SL_SERVER_WORKER_H
#define SL_SERVER_WORKER_H

#include "net/loop.h"
#include "server/shared.h"

struct sl_connection;

enum sl_worker_kind { SL_WORKER_IO, SL_WORKER_HANDSHAKES };

/*
 * Starts the thread. One for handshakes gets the processor after everybody else, as far as the
 * system can do that for a thread: strangers wait for sensors. SL_OK, SL_NOMEM, SL_IO.
 */
SL_MUST_USE enum sl_status sl_worker_start(struct sl_shared *shared, enum sl_worker_kind kind,
                                           struct sl_worker **worker);

/* Gives it a connection to own. SL_CLOSED: it's draining; the connection is still the caller's. */
SL_MUST_USE enum sl_status sl_worker_adopt(struct sl_worker *worker,
                                           struct sl_connection *connection);

/* Gives a batch back to the connection that waits for it; sl_worker_committed() wakes that. */
void sl_worker_answer(struct sl_worker *worker, struct sl_batch *batch);

/*
 * A transaction is over: wakes the worker once for all its answers, and because the committer's
 * queue has room again.
 */
void sl_worker_committed(struct sl_worker *worker);

/* This one of its connections was marked as superseded, which happens once to a connection. */
void sl_worker_superseded(struct sl_worker *worker, struct sl_connection *connection);

/* Trust has changed: it reviews its connections. */
void sl_worker_review(struct sl_worker *worker);

/* Ends its connections in order and then its thread; after the limit's drain_ms in disorder. */
void sl_worker_drain(struct sl_worker *worker);

/* Waits for the thread's end. */
void sl_worker_join(struct sl_worker *worker);

/* Frees; after join and after the committer stopped. Null is allowed. */
void sl_worker_free(struct sl_worker *worker);

/* How many connections belong to it now. */
size_t sl_worker_load(const struct sl_worker *worker);

/*
 * For connections: the loop; memory for their batches; a call of sl_connection_turn() in the loop's
 * next turn; the same when the committer's queue, which was full, may have room; and one of
 * sl_connection_tick() at a time of the monotonic clock, or earlier, in place of the time asked for
 * before.
 */
struct sl_loop *sl_worker_loop(struct sl_worker *worker);
struct sl_batch_spares *sl_worker_spares(struct sl_worker *worker);
void sl_worker_again(struct sl_worker *worker, struct sl_connection *connection);
void sl_worker_wait_for_room(struct sl_worker *worker, struct sl_connection *connection);
void sl_worker_appoint(struct sl_worker *worker, struct sl_connection *connection, int64_t at_ms);

/*
 * For connections: it's gone (freed by the worker at the end of this turn), or another worker takes
 * it.
 */
void sl_worker_gone(struct sl_worker *worker, struct sl_connection *connection);
void sl_worker_move(struct sl_worker *worker, struct sl_connection *connection);

#endif
