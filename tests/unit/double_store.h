/* SPDX-License-Identifier: Apache-2.0 */
/*
 * double_store.h -- a store that does as it's told, for tests of the committer: it fails and holds
 * up when they say so, counts, and notices calls that store.h forbids.
 */
#ifndef SL_TESTS_DOUBLE_STORE_H
#define SL_TESTS_DOUBLE_STORE_H

#include "cases.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/peer.h"
#include "store/engine.h"

enum { STREAM_KEY = 77 };

#define STREAM "0123456789abcdef0123456789abcdef"

struct double_store {
    struct sl_store store; /* first: functions cast back */
    pthread_mutex_t lock;  /* guards `holding` and wakes who waits for it */
    pthread_cond_t changed;
    bool holding; /* commits wait while this is true */
    atomic_bool begin_fails;
    atomic_bool append_fails;
    atomic_bool commit_fails;
    atomic_llong conflict_at; /* appends of this first number are conflicts */
    atomic_llong diverged_at; /* comparisons of this number find another reading */
    atomic_int begins;
    atomic_int appends;
    atomic_int commits; /* that worked */
    atomic_int clocks;
    atomic_llong offset_us; /* of the last of them */
    atomic_int rollbacks;
    atomic_bool open; /* a transaction is */
    bool *closed;
    atomic_bool misused; /* called in an order that store.h forbids */
};

static struct double_store *real(struct sl_store *store)
{
    return (struct double_store *)store;
}

static enum sl_status double_begin(struct sl_store *store)
{
    if (atomic_exchange(&real(store)->open, true))
        atomic_store(&real(store)->misused, true);
    atomic_fetch_add(&real(store)->begins, 1);
    return atomic_load(&real(store)->begin_fails) ? SL_IO : SL_OK;
}

static enum sl_status double_commit(struct sl_store *store)
{
    struct double_store *self = real(store);

    (void)pthread_mutex_lock(&self->lock);
    while (self->holding)
        (void)pthread_cond_wait(&self->changed, &self->lock);
    (void)pthread_mutex_unlock(&self->lock);
    if (atomic_load(&self->commit_fails))
        return SL_LIMIT;
    atomic_fetch_add(&self->commits, 1);
    if (!atomic_exchange(&self->open, false))
        atomic_store(&self->misused, true);
    return SL_OK;
}

static void double_rollback(struct sl_store *store)
{
    atomic_fetch_add(&real(store)->rollbacks, 1);
    atomic_store(&real(store)->open, false);
}

static enum sl_status double_stream(struct sl_store *store, const struct sl_peer *peer,
                                    const char *stream, int64_t now_us, struct sl_store_stream *out)
{
    (void)now_us;
    if (strcmp(sl_peer_name(peer), "attic") != 0 || strcmp(stream, STREAM) != 0)
        atomic_store(&real(store)->misused, true);
    *out = (struct sl_store_stream){.id = STREAM_KEY, .last = 5};
    return SL_OK;
}

static enum sl_status double_clock(struct sl_store *store, const char *sensor, int64_t now_us,
                                   int64_t offset_us)
{
    struct double_store *self = real(store);

    (void)now_us;
    if (strcmp(sensor, "attic") != 0 || !atomic_load(&self->open))
        atomic_store(&self->misused, true);
    atomic_fetch_add(&self->clocks, 1);
    atomic_store(&self->offset_us, offset_us);
    return SL_OK;
}

static enum sl_status double_append(struct sl_store *store, const char *sensor, int64_t stream,
                                    int64_t received_us, const struct sl_block *block,
                                    int64_t *last)
{
    struct double_store *self = real(store);

    (void)sensor;
    (void)received_us;
    atomic_fetch_add(&self->appends, 1);
    if (!atomic_load(&self->open) || stream != STREAM_KEY)
        atomic_store(&self->misused, true);
    if (atomic_load(&self->append_fails))
        return SL_IO;
    if (block->first == atomic_load(&self->conflict_at))
        return SL_DENIED;
    *last = block->first + block->count - 1;
    return SL_OK;
}

static enum sl_status double_gap(struct sl_store *store, const char *sensor, int64_t stream,
                                 int64_t received_us, int64_t first, int64_t last,
                                 struct sl_bytes reason)
{
    (void)sensor;
    (void)stream;
    (void)received_us;
    (void)first;
    (void)last;
    if (!sl_bytes_equal(reason, sl_bytes_of("forgotten")))
        atomic_store(&real(store)->misused, true);
    return SL_OK;
}

static enum sl_status double_compare(struct sl_store *store, const char *sensor, int64_t stream,
                                     int64_t seq, const struct sl_block *block)
{
    (void)sensor;
    (void)stream;
    (void)block;
    return seq == atomic_load(&real(store)->diverged_at) ? SL_DENIED : SL_OK;
}

static const char *double_error(const struct sl_store *store)
{
    (void)store;
    return "the disk is on fire";
}

static void double_close(struct sl_store *store)
{
    struct double_store *self = real(store);

    *self->closed = true;
    (void)pthread_cond_destroy(&self->changed);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

static const struct sl_store_functions double_functions = {
    .begin = double_begin,
    .commit = double_commit,
    .rollback = double_rollback,
    .stream = double_stream,
    .clock = double_clock,
    .append = double_append,
    .gap = double_gap,
    .compare = double_compare,
    .error = double_error,
    .close = double_close,
};

static struct double_store *double_new(bool *closed)
{
    struct double_store *made = calloc(1, sizeof *made);

    assert_non_null(made);
    made->store.functions = &double_functions;
    made->closed = closed;
    assert_int_equal(pthread_mutex_init(&made->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&made->changed, NULL), 0);
    return made;
}

static void hold(struct double_store *store, bool holding)
{
    (void)pthread_mutex_lock(&store->lock);
    store->holding = holding;
    (void)pthread_cond_broadcast(&store->changed);
    (void)pthread_mutex_unlock(&store->lock);
}

#endif
