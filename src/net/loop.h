/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h -- one thread's event loop over libuv, with an epoll set of its own for
 * descriptors: timers, wake-ups from other threads,
 * signals.
 *
 * Closing never frees at once: a watch, timer, inbox or signal that is closed, inside its own
 * callback or elsewhere, is freed when the loop comes round, and its callback is not called again.
 *
 * Memory   Everything here is made by `new` and given back by `close` or `free`. sl_loop_free()
 *          closes what still hangs on the loop; pointers to it are dead from then on.
 * Threads  A loop and what hangs on it belong to the thread that runs it, but for sl_inbox_wake()
 *          and sl_loop_stop(), which any thread may call.
 */
#ifndef SL_NET_LOOP_H
#define SL_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "sensorlink/status.h"

struct sl_loop;
struct sl_watch;
struct sl_timer;
struct sl_inbox;
struct sl_signal;

/*
 * SL_OK     `*loop` is the caller's; free with sl_loop_free().
 * SL_IO     The system refuses (most often: no descriptors left).
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_loop_new(struct sl_loop **loop);

/*
 * Runs until sl_loop_stop(), or until nothing is left to wait for: watches that wait for
 * something, started timers, open inboxes. May be called again after it returned.
 */
void sl_loop_run(struct sl_loop *loop);

/*
 * Makes sl_loop_run() return soon; from any thread. Callbacks that are due in this turn and the
 * next still run. Where the loop isn't running, its next run returns at once.
 */
void sl_loop_stop(struct sl_loop *loop);

/* Frees the loop and closes what still hangs on it; not inside a callback. Null is allowed. */
void sl_loop_free(struct sl_loop *loop);

/*
 * The loop's idea of now: milliseconds of the clock of sl_clock_monotonic_ms(), taken once a turn.
 * Timers count from it.
 */
int64_t sl_loop_now_ms(const struct sl_loop *loop);

/*
 * What `fd` is ready for. Errors count as both, so that the owner's read or write meets the error;
 * a hang-up counts as what was asked for. An owner that neither reads nor closes is called again.
 */
typedef void sl_watch_fn(void *ctx, bool readable, bool writable);

/*
 * For watching a descriptor, which should be non-blocking; nothing is watched before
 * sl_watch_set(). The descriptor stays the caller's: close the watch first, then the descriptor.
 *
 * SL_OK     `*watch` is the caller's; give it back with sl_watch_close().
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_watch_new(struct sl_loop *loop, int fd, sl_watch_fn *ready, void *ctx,
                                        struct sl_watch **watch);

/*
 * Sets what to wait for; neither is allowed, costs nothing and can't fail.
 *
 * SL_IO     The descriptor can't be watched (a regular file, a closed one, one that another watch
 *           of this loop waits for).
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_watch_set(struct sl_watch *watch, bool readable, bool writable);

/* Null is allowed; the descriptor stays open. */
void sl_watch_close(struct sl_watch *watch);

/* A timer fires once; it may be started again, in its callback too. */
typedef void sl_timer_fn(void *ctx);

/* SL_OK, or SL_NOMEM. The timer is the caller's; give it back with sl_timer_close(). */
SL_MUST_USE enum sl_status sl_timer_new(struct sl_loop *loop, sl_timer_fn *fire, void *ctx,
                                        struct sl_timer **timer);

/*
 * Fires in `in_ms` milliseconds; moves the timer where it was started already. 0 (or less) fires
 * in the next turn, after other descriptors and timers had theirs.
 */
void sl_timer_start(struct sl_timer *timer, int64_t in_ms);
void sl_timer_stop(struct sl_timer *timer);
void sl_timer_close(struct sl_timer *timer); /* null is allowed */

/*
 * Runs in the loop's thread after a wake. Several wakes before it make one call, and what the
 * waking threads wrote before their wakes is seen by it.
 */
typedef void sl_inbox_fn(void *ctx);

/* Statuses as for sl_loop_new(). An open inbox keeps sl_loop_run() from returning. */
SL_MUST_USE enum sl_status sl_inbox_new(struct sl_loop *loop, sl_inbox_fn *wake, void *ctx,
                                        struct sl_inbox **inbox);

/* From any thread, until the inbox is closed. */
void sl_inbox_wake(struct sl_inbox *inbox);

/* Other threads must have stopped waking it. Null is allowed. */
void sl_inbox_close(struct sl_inbox *inbox);

typedef void sl_signal_fn(void *ctx, int signum);

/*
 * Calls back in the loop's thread when the process gets `signum`, instead of what the signal would
 * have done. Signals alone don't keep sl_loop_run() from returning.
 *
 * SL_OK     `*signal` is the caller's; give it back with sl_signal_close().
 * SL_IO     No such signal, or it can't be caught.
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_signal_new(struct sl_loop *loop, int signum, sl_signal_fn *arrived,
                                         void *ctx, struct sl_signal **signal);
void sl_signal_close(struct sl_signal *signal); /* null is allowed */

#endif
