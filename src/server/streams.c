/* SPDX-License-Identifier: Apache-2.0 */
/* streams.c -- see streams.h. */
#include "server/streams.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/worker.h"

enum { BUCKETS = 4096 };

struct entry {
    struct entry *next;
    int64_t stream_id;
    int64_t opening;
    struct sl_connection *connection;
};

struct sl_streams {
    pthread_mutex_t lock;
    struct entry *buckets[BUCKETS];
};

enum sl_status sl_streams_new(struct sl_streams **streams)
{
    struct sl_streams *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return SL_NOMEM;
    }
    *streams = made;
    return SL_OK;
}

void sl_streams_free(struct sl_streams *streams)
{
    if (streams == NULL)
        return;
    (void)pthread_mutex_destroy(&streams->lock);
    free(streams);
}

static struct entry **find(struct sl_streams *streams, int64_t stream_id)
{
    struct entry **at = &streams->buckets[(uint64_t)stream_id % BUCKETS];

    while (*at != NULL && (*at)->stream_id != stream_id)
        at = &(*at)->next;
    return at;
}

/* The lock is held, so the older connection, which leaves under it, is still there to be marked. */
static enum sl_status take_locked(struct sl_streams *streams, int64_t stream_id, int64_t opening,
                                  struct sl_connection *connection)
{
    struct entry **at = find(streams, stream_id);
    struct entry *entry = *at;

    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL)
            return SL_NOMEM;
        entry->stream_id = stream_id;
        *at = entry;
    } else {
        bool newer = opening > entry->opening;
        struct sl_connection *older = newer ? entry->connection : connection;

        if (!atomic_exchange(&older->superseded, true))
            sl_worker_superseded(older->worker, older);
        if (!newer)
            return SL_OK;
    }
    entry->opening = opening;
    entry->connection = connection;
    return SL_OK;
}

enum sl_status sl_streams_take(struct sl_streams *streams, int64_t stream_id, int64_t opening,
                               struct sl_connection *connection)
{
    enum sl_status status;

    (void)pthread_mutex_lock(&streams->lock);
    status = take_locked(streams, stream_id, opening, connection);
    (void)pthread_mutex_unlock(&streams->lock);
    return status;
}

void sl_streams_leave(struct sl_streams *streams, struct sl_connection *connection)
{
    struct entry **at;

    if (connection->stream_id == 0)
        return;
    (void)pthread_mutex_lock(&streams->lock);
    at = find(streams, connection->stream_id);
    if (*at != NULL && (*at)->connection == connection) {
        struct entry *gone = *at;

        *at = gone->next;
        free(gone);
    }
    (void)pthread_mutex_unlock(&streams->lock);
}
