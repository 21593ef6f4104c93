/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c -- see worker.h. */
#include "server/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "server/connection.h"

enum { TICK_MS = 100, HANDSHAKES_NICE = 10 };

struct sl_worker {
    struct sl_shared *shared;
    enum sl_worker_kind kind;
    struct sl_loop *loop;
    struct sl_inbox *inbox;
    struct sl_timer *tick;  /* runs while there are connections */
    struct sl_timer *again; /* runs when a turn is due without an event */
    struct sl_queue adopted;
    struct sl_queue answers;
    atomic_bool room;
    atomic_bool superseded;
    atomic_bool review;
    atomic_bool draining;
    atomic_size_t load;
    bool drained; /* connections were told */
    int64_t drain_deadline_ms;
    struct sl_connection *connections;
    struct sl_connection *agains;
    struct sl_connection *gone;
    pthread_t thread;
};

static void unlink_connection(struct sl_worker *worker, struct sl_connection *connection)
{
    *connection->place = connection->next;
    if (connection->next != NULL)
        connection->next->place = connection->place;
    (void)atomic_fetch_sub(&worker->load, 1);
    for (struct sl_connection **at = &worker->agains; *at != NULL; at = &(*at)->next_again)
        if (*at == connection) {
            *at = connection->next_again;
            break;
        }
    connection->again = false;
}

static void take_adopted(struct sl_worker *worker)
{
    struct sl_queue_item *item = sl_queue_take(&worker->adopted);

    while (item != NULL) {
        struct sl_connection *connection = (struct sl_connection *)item;

        item = item->next;
        connection->next = worker->connections;
        connection->place = &worker->connections;
        if (connection->next != NULL)
            connection->next->place = &connection->next;
        worker->connections = connection;
        sl_connection_adopted(connection, worker);
        if (worker->drained)
            sl_connection_drain(connection);
    }
}

static void take_answers(struct sl_worker *worker)
{
    struct sl_queue_item *item = sl_queue_take(&worker->answers);

    while (item != NULL) {
        struct sl_batch *batch = (struct sl_batch *)item;

        item = item->next;
        sl_connection_answer(batch->owner, batch);
    }
}

/* The queue has room: whoever was refused tries again. */
static void retry(struct sl_worker *worker)
{
    struct sl_connection *next;

    for (struct sl_connection *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        if (at->no_room)
            sl_connection_turn(at);
    }
}

static void yield_streams(struct sl_worker *worker)
{
    struct sl_connection *next;

    for (struct sl_connection *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        sl_connection_yield(at);
    }
}

static void review(struct sl_worker *worker)
{
    struct sl_connection *next;

    for (struct sl_connection *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        sl_connection_review(at);
    }
}

static void drain(struct sl_worker *worker)
{
    struct sl_connection *next;

    worker->drained = true;
    worker->drain_deadline_ms = sl_loop_now_ms(worker->loop) + worker->shared->limits.drain_ms;
    for (struct sl_connection *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        sl_connection_drain(at);
    }
}

/* At the end of each callback: frees what went, and ends the loop after the last goodbye. */
static void settle(struct sl_worker *worker)
{
    while (worker->gone != NULL) {
        struct sl_connection *connection = worker->gone;

        worker->gone = connection->next;
        sl_connection_free(connection);
    }
    if (worker->drained && worker->connections == NULL)
        sl_loop_stop(worker->loop);
}

static void on_wake(void *ctx)
{
    struct sl_worker *worker = ctx;

    take_adopted(worker);
    take_answers(worker);
    if (atomic_exchange(&worker->room, false))
        retry(worker);
    if (atomic_exchange(&worker->superseded, false))
        yield_streams(worker);
    if (atomic_exchange(&worker->review, false))
        review(worker);
    if (atomic_load(&worker->draining) && !worker->drained)
        drain(worker);
    if (worker->connections != NULL)
        sl_timer_start(worker->tick, TICK_MS);
    settle(worker);
}

static void on_tick(void *ctx)
{
    struct sl_worker *worker = ctx;
    int64_t now_ms = sl_loop_now_ms(worker->loop);
    bool late = worker->drained && now_ms >= worker->drain_deadline_ms;
    struct sl_connection *next;

    for (struct sl_connection *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        sl_connection_tick(at, late ? INT64_MAX : now_ms);
    }
    if (worker->connections != NULL)
        sl_timer_start(worker->tick, TICK_MS);
    settle(worker);
}

static void on_again(void *ctx)
{
    struct sl_worker *worker = ctx;
    struct sl_connection *due = worker->agains;

    worker->agains = NULL;
    while (due != NULL) {
        struct sl_connection *connection = due;

        due = due->next_again;
        connection->again = false;
        sl_connection_turn(connection);
    }
    settle(worker);
}

static void *run(void *argument)
{
    struct sl_worker *worker = argument;

    /* On Linux 0 is this thread, not the process. Where it can't be had, it works all the same. */
    if (worker->kind == SL_WORKER_HANDSHAKES)
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + HANDSHAKES_NICE);
    sl_loop_run(worker->loop);
    return NULL;
}

static enum sl_status set_up(struct sl_worker *worker)
{
    enum sl_status status = sl_loop_new(&worker->loop);

    if (status == SL_OK)
        status = sl_inbox_new(worker->loop, on_wake, worker, &worker->inbox);
    if (status == SL_OK)
        status = sl_timer_new(worker->loop, on_tick, worker, &worker->tick);
    if (status == SL_OK)
        status = sl_timer_new(worker->loop, on_again, worker, &worker->again);
    if (status == SL_OK && pthread_create(&worker->thread, NULL, run, worker) != 0)
        status = SL_IO;
    return status;
}

enum sl_status sl_worker_start(struct sl_shared *shared, enum sl_worker_kind kind,
                               struct sl_worker **worker)
{
    struct sl_worker *made = calloc(1, sizeof *made);
    enum sl_status status;

    if (made == NULL)
        return SL_NOMEM;
    made->shared = shared;
    made->kind = kind;
    /* What can be in these queues is bounded by the door and by one batch a connection. */
    status = sl_queue_init(&made->adopted, SIZE_MAX);
    if (status != SL_OK) {
        free(made);
        return status;
    }
    status = sl_queue_init(&made->answers, SIZE_MAX);
    if (status != SL_OK) {
        sl_queue_clear(&made->adopted);
        free(made);
        return status;
    }
    status = set_up(made);
    if (status != SL_OK) {
        sl_worker_free(made);
        return status;
    }
    *worker = made;
    return SL_OK;
}

enum sl_status sl_worker_adopt(struct sl_worker *worker, struct sl_connection *connection)
{
    enum sl_status status;

    /* Counted before it's there, because the worker may count it off at once. */
    (void)atomic_fetch_add(&worker->load, 1);
    status = sl_queue_push(&worker->adopted, &connection->queued);
    if (status == SL_OK)
        sl_inbox_wake(worker->inbox);
    else
        (void)atomic_fetch_sub(&worker->load, 1);
    return status;
}

void sl_worker_answer(struct sl_worker *worker, struct sl_batch *batch)
{
    /* Never full and never closed before the committer has stopped, so it can't fail. */
    if (sl_queue_push(&worker->answers, &batch->queued) == SL_OK)
        sl_inbox_wake(worker->inbox);
}

void sl_worker_room(struct sl_worker *worker)
{
    if (!atomic_exchange(&worker->room, true))
        sl_inbox_wake(worker->inbox);
}

void sl_worker_superseded(struct sl_worker *worker)
{
    if (!atomic_exchange(&worker->superseded, true))
        sl_inbox_wake(worker->inbox);
}

void sl_worker_review(struct sl_worker *worker)
{
    if (!atomic_exchange(&worker->review, true))
        sl_inbox_wake(worker->inbox);
}

void sl_worker_drain(struct sl_worker *worker)
{
    atomic_store(&worker->draining, true);
    sl_inbox_wake(worker->inbox);
}

void sl_worker_join(struct sl_worker *worker)
{
    (void)pthread_join(worker->thread, NULL);
}

static void free_queued(struct sl_worker *worker)
{
    struct sl_queue_item *item = sl_queue_take(&worker->adopted);

    while (item != NULL) {
        struct sl_connection *connection = (struct sl_connection *)item;

        item = item->next;
        sl_connection_free(connection);
    }
    item = sl_queue_take(&worker->answers);
    while (item != NULL) {
        struct sl_batch *batch = (struct sl_batch *)item;

        item = item->next;
        sl_batch_free(batch);
    }
}

void sl_worker_free(struct sl_worker *worker)
{
    if (worker == NULL)
        return;
    free_queued(worker);
    sl_loop_free(worker->loop);
    sl_queue_clear(&worker->adopted);
    sl_queue_clear(&worker->answers);
    free(worker);
}

size_t sl_worker_load(const struct sl_worker *worker)
{
    return atomic_load(&worker->load);
}

struct sl_loop *sl_worker_loop(struct sl_worker *worker)
{
    return worker->loop;
}

void sl_worker_again(struct sl_worker *worker, struct sl_connection *connection)
{
    if (connection->again)
        return;
    connection->again = true;
    connection->next_again = worker->agains;
    worker->agains = connection;
    sl_timer_start(worker->again, 0);
}

void sl_worker_gone(struct sl_worker *worker, struct sl_connection *connection)
{
    unlink_connection(worker, connection);
    connection->next = worker->gone;
    worker->gone = connection;
    /* An event of a single connection doesn't settle by itself. */
    sl_timer_start(worker->again, 0);
}

void sl_worker_move(struct sl_worker *worker, struct sl_connection *connection)
{
    unlink_connection(worker, connection);
}
