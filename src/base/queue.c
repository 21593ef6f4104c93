/* SPDX-License-Identifier: Apache-2.0 */
/* queue.c -- a bounded queue between threads; see queue.h. */
#include "base/queue.h"

enum sl_status sl_queue_init(struct sl_queue *queue, size_t limit)
{
    *queue = (struct sl_queue){.limit = limit};
    queue->end = &queue->first;
    if (pthread_mutex_init(&queue->lock, NULL) != 0)
        return SL_NOMEM;
    if (pthread_cond_init(&queue->filled, NULL) != 0) {
        (void)pthread_mutex_destroy(&queue->lock);
        return SL_NOMEM;
    }
    return SL_OK;
}

void sl_queue_clear(struct sl_queue *queue)
{
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_mutex_destroy(&queue->lock);
}

enum sl_status sl_queue_push(struct sl_queue *queue, struct sl_queue_item *item)
{
    enum sl_status status = SL_OK;
    bool wake = false;

    (void)pthread_mutex_lock(&queue->lock);
    if (queue->closed) {
        status = SL_CLOSED;
    } else if (queue->count == queue->limit) {
        status = SL_LIMIT;
    } else {
        item->next = NULL;
        *queue->end = item;
        queue->end = &item->next;
        queue->count++;
        wake = queue->waiting;
        queue->waiting = false;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    /* Not under the lock, which is the first thing that who wakes wants. */
    if (wake)
        (void)pthread_cond_signal(&queue->filled);
    return status;
}

/* Takes everything; the lock is held. */
static struct sl_queue_item *take_locked(struct sl_queue *queue)
{
    struct sl_queue_item *items = queue->first;

    queue->first = NULL;
    queue->end = &queue->first;
    queue->count = 0;
    return items;
}

struct sl_queue_item *sl_queue_take(struct sl_queue *queue)
{
    struct sl_queue_item *items;

    (void)pthread_mutex_lock(&queue->lock);
    items = take_locked(queue);
    (void)pthread_mutex_unlock(&queue->lock);
    return items;
}

struct sl_queue_item *sl_queue_wait(struct sl_queue *queue)
{
    struct sl_queue_item *items;

    (void)pthread_mutex_lock(&queue->lock);
    while (queue->first == NULL && !queue->closed) {
        queue->waiting = true;
        (void)pthread_cond_wait(&queue->filled, &queue->lock);
    }
    items = take_locked(queue);
    (void)pthread_mutex_unlock(&queue->lock);
    return items;
}

void sl_queue_close(struct sl_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->filled);
    (void)pthread_mutex_unlock(&queue->lock);
}
