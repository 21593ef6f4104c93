/* SPDX-License-Identifier: Apache-2.0 */
/* committer.c -- group commit; see committer.h. */
#include "server/committer.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct sl_committer {
    struct sl_store *store;
    struct sl_log *log;
    struct sl_queue queue;
    struct sl_committer_hooks hooks;
    pthread_t thread;
    int64_t openings; /* streams opened so far: the later of two sessions has the higher number */
    bool failing; /* the last transaction failed: said once when it begins and once when it ends */
};

static enum sl_status store_item(struct sl_committer *committer, struct sl_batch *batch,
                                 struct sl_batch_item *item, int64_t now_us)
{
    if (item->proof_seq != 0) {
        enum sl_status status = sl_store_compare(committer->store, batch->peer, batch->stream_id,
                                                 item->proof_seq, &item->block);

        batch->diverged = status == SL_DENIED;
        return status;
    }
    if (item->gap_last != 0) {
        enum sl_status status =
            sl_store_gap(committer->store, batch->peer, batch->stream_id, now_us, item->gap_first,
                         item->gap_last, sl_bytes_of(item->gap_reason));

        if (status == SL_OK)
            batch->last = item->gap_last;
        return status;
    }
    return sl_store_append(committer->store, batch->peer, batch->stream_id, now_us, &item->block,
                           &batch->last);
}

static enum sl_status store_batch(struct sl_committer *committer, struct sl_batch *batch,
                                  int64_t now_us)
{
    enum sl_status status = SL_OK;

    if (batch->opens) {
        struct sl_store_stream stream;

        status = sl_store_stream(committer->store, batch->peer, batch->stream, now_us, &stream);
        if (status == SL_OK) {
            batch->stream_id = stream.id;
            batch->last = stream.last;
            batch->opening = ++committer->openings;
        }
        return status;
    }
    for (size_t i = 0; i < batch->count && status == SL_OK; i++)
        status = store_item(committer, batch, &batch->items[i], now_us);
    if (status == SL_OK && batch->clocked)
        status = sl_store_clock(committer->store, batch->peer, now_us, batch->offset_us);
    return status;
}

/*
 * One transaction. A conflict of one batch (SL_DENIED) doesn't disturb the others; anything else
 * ends it.
 */
static enum sl_status store_all(struct sl_committer *committer, struct sl_queue_item *items)
{
    int64_t now_us = sl_clock_wall_us();
    enum sl_status status = sl_store_begin(committer->store);

    for (struct sl_queue_item *item = items; item != NULL && status == SL_OK; item = item->next) {
        struct sl_batch *batch = (struct sl_batch *)item;

        batch->status = store_batch(committer, batch, now_us);
        if (batch->status != SL_OK && batch->status != SL_DENIED)
            status = batch->status;
    }
    if (status == SL_OK)
        status = sl_store_commit(committer->store);
    return status;
}

static void report(struct sl_committer *committer, enum sl_status status)
{
    if (status != SL_OK && !committer->failing)
        sl_log_line(committer->log, SL_LOG_ERROR,
                    "the store fails: %s; nothing is acknowledged until it works again",
                    sl_store_error(committer->store));
    if (status == SL_OK && committer->failing)
        sl_log_line(committer->log, SL_LOG_WARNING, "the store works again");
    committer->failing = status != SL_OK;
}

static void *run(void *argument)
{
    struct sl_committer *committer = argument;
    struct sl_queue_item *items;

    while ((items = sl_queue_wait(&committer->queue)) != NULL) {
        enum sl_status status = store_all(committer, items);

        report(committer, status);
        if (status != SL_OK)
            sl_store_rollback(committer->store);
        while (items != NULL) {
            struct sl_batch *batch = (struct sl_batch *)items;

            items = items->next; /* The batch is the worker's once it's answered. */
            if (status != SL_OK)
                batch->status = SL_IO;
            committer->hooks.answered(committer->hooks.ctx, batch);
        }
        committer->hooks.committed(committer->hooks.ctx);
    }
    return NULL;
}

enum sl_status sl_committer_start(struct sl_store *store, size_t queue_limit, struct sl_log *log,
                                  struct sl_committer_hooks hooks, struct sl_committer **committer)
{
    struct sl_committer *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    made->store = store;
    made->log = log;
    made->hooks = hooks;
    if (sl_queue_init(&made->queue, queue_limit) != SL_OK) {
        free(made);
        return SL_NOMEM;
    }
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        sl_queue_clear(&made->queue);
        free(made);
        return SL_IO;
    }
    *committer = made;
    return SL_OK;
}

enum sl_status sl_committer_submit(struct sl_committer *committer, struct sl_batch *batch)
{
    return sl_queue_push(&committer->queue, &batch->queued);
}

enum sl_status sl_committer_stop(struct sl_committer *committer)
{
    bool failing;

    if (committer == NULL)
        return SL_OK;
    sl_queue_close(&committer->queue);
    (void)pthread_join(committer->thread, NULL);
    failing = committer->failing;
    sl_queue_clear(&committer->queue);
    sl_store_close(committer->store);
    free(committer);
    return failing ? SL_IO : SL_OK;
}
