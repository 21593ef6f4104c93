/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h -- hands items from many threads to one, in order, with a bound.
 *
 * A full queue says so at once and the giver stops taking in more: this is where back-pressure
 * begins. The taker gets everything that waits in one go, which is what makes a group commit a
 * group.
 *
 * Memory   Items are the callers' and carry their own link; the queue allocates nothing. An item is
 *          in one queue at a time.
 * Limits   The count given at init.
 * Threads  Any thread pushes; one thread takes.
 */
#ifndef SL_BASE_QUEUE_H
#define SL_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "sensorlink/status.h"

/* The first member of what is queued. */
struct sl_queue_item {
    struct sl_queue_item *next;
};

struct sl_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct sl_queue_item *first;
    struct sl_queue_item **end;
    size_t count;
    size_t limit;
    bool closed;
    bool waiting; /* the taker sleeps, and nobody has woken it yet */
};

/* An empty queue for at most `limit` items. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_queue_init(struct sl_queue *queue, size_t limit);

/* Frees what init made; no thread may use it any more. */
void sl_queue_clear(struct sl_queue *queue);

/*
 * Appends an item.
 * SL_OK      The queue has it.
 * SL_LIMIT   Full; the item is still the caller's.
 * SL_CLOSED  sl_queue_close() was called; likewise.
 */
SL_MUST_USE enum sl_status sl_queue_push(struct sl_queue *queue, struct sl_queue_item *item);

/* Takes all that is there, linked in order; null where there is nothing. Never waits. */
struct sl_queue_item *sl_queue_take(struct sl_queue *queue);

/* The same, but waits for an item; null only once the queue is closed and empty. */
struct sl_queue_item *sl_queue_wait(struct sl_queue *queue);

/* Takes no more items; what is in it can still be taken, and a waiting taker wakes. */
void sl_queue_close(struct sl_queue *queue);

#endif
