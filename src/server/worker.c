/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c -- see worker.h. */
#include "server/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "server/connection.h"
#include "server/wheel.h"

enum {
    HANDSHAKES_NICE = 10,
    CLOCK_SET_MS = 1000,
    PORTION = 64 /* connections that are looked at in one go: others have readings meanwhile */
};

struct sl_worker {
    struct sl_shared *shared;
    enum sl_worker_kind kind;
    struct sl_loop *loop;
    struct sl_inbox *inbox;
    struct sl_timer *tick; /* runs while there are connections */
    bool ticking;
    struct sl_timer *again; /* runs when a turn is due without an event */
    struct sl_queue adopted;
    struct sl_queue answers;
    struct sl_queue superseded;
    atomic_bool answered;   /* answers were given that it wasn't woken for */
    atomic_bool wants_room; /* somebody waits for room in the committer's queue */
    atomic_bool room;
    atomic_bool review;
    atomic_bool draining;
    atomic_size_t load;
    bool drained; /* connections were told */
    int64_t drain_deadline_ms;
    int64_t clock_ahead_ms;        /* the wall clock of the monotonic one, at the last tick */
    struct sl_listed *connections; /* all of them, but for these: */
    struct sl_listed *unseen;      /* to be looked at, because trust or the clock has changed */
    struct sl_listed *agains;      /* a turn is due without an event */
    struct sl_listed *waiting;     /* for room in the committer's queue */
    struct sl_listed *gone;
    struct sl_wheel wheel; /* whose time is up when */
    struct sl_batch_spares spares;
    pthread_t thread;
};

static void unlink_connection(struct sl_worker *worker, struct sl_connection *connection)
{
    sl_list_leave(&connection->listed);
    sl_list_leave(&connection->again);
    sl_list_leave(&connection->waiting);
    sl_list_leave(&connection->timed);
    (void)atomic_fetch_sub(&worker->load, 1);
}

static void take_adopted(struct sl_worker *worker)
{
    struct sl_queue_item *item = sl_queue_take(&worker->adopted);

    while (item != NULL) {
        struct sl_connection *connection = (struct sl_connection *)item;

        item = item->next;
        sl_list_put(&worker->connections, &connection->listed, connection);
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

/* The queue has room: whoever was refused tries again, and waits again where it's full again. */
static void retry(struct sl_worker *worker)
{
    struct sl_listed *due;
    struct sl_connection *connection;

    atomic_store(&worker->wants_room, false);
    sl_list_move(&worker->waiting, &due);
    while ((connection = sl_list_take(&due)) != NULL)
        sl_connection_turn(connection);
}

static void yield_streams(struct sl_worker *worker)
{
    struct sl_queue_item *item = sl_queue_take(&worker->superseded);

    while (item != NULL) {
        struct sl_connection *connection = (struct sl_connection *)item;

        item = item->next;
        sl_connection_yield(connection);
    }
}

/* Moves all members of a list to the front of another. */
static void add_all(struct sl_listed **to, struct sl_listed **from)
{
    struct sl_connection *connection;

    while ((connection = sl_list_take(from)) != NULL)
        sl_list_put(to, &connection->listed, connection);
}

/* Looks at the next few of those that have to be looked at. */
static void look_on(struct sl_worker *worker)
{
    int64_t now_ms = sl_loop_now_ms(worker->loop);
    struct sl_connection *connection;

    for (int i = 0; i < PORTION && (connection = sl_list_take(&worker->unseen)) != NULL; i++) {
        sl_list_put(&worker->connections, &connection->listed, connection);
        sl_connection_review(connection);
        sl_connection_tick(connection, now_ms);
    }
    if (worker->unseen != NULL)
        sl_timer_start(worker->again, 0);
}

/* Trust or the clock has changed, which may concern anybody. */
static void look_at_all(struct sl_worker *worker)
{
    add_all(&worker->unseen, &worker->connections);
    look_on(worker);
}

static void drain(struct sl_worker *worker)
{
    struct sl_listed *next;

    add_all(&worker->connections, &worker->unseen);
    worker->drained = true;
    worker->drain_deadline_ms = sl_loop_now_ms(worker->loop) + worker->shared->limits.drain_ms;
    for (struct sl_listed *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        sl_connection_drain(at->owner);
    }
}

static bool is_empty(const struct sl_worker *worker)
{
    return worker->connections == NULL && worker->unseen == NULL;
}

/* At the end of each callback: frees what went, and ends the loop after the last goodbye. */
static void settle(struct sl_worker *worker)
{
    struct sl_connection *connection;

    /* Who is gone has left its stream, so it isn't queued any more after this. */
    if (worker->gone != NULL)
        yield_streams(worker);
    while ((connection = sl_list_take(&worker->gone)) != NULL)
        sl_connection_free(connection);
    if (worker->drained && is_empty(worker))
        sl_loop_stop(worker->loop);
}

static void tick_on(struct sl_worker *worker)
{
    if (worker->ticking || is_empty(worker))
        return;
    worker->ticking = true;
    sl_timer_start(worker->tick, SL_WHEEL_SLOT_MS);
}

static void on_wake(void *ctx)
{
    struct sl_worker *worker = ctx;

    take_adopted(worker);
    take_answers(worker);
    if (atomic_exchange(&worker->room, false))
        retry(worker);
    yield_streams(worker);
    if (atomic_exchange(&worker->review, false))
        look_at_all(worker);
    if (atomic_load(&worker->draining) && !worker->drained)
        drain(worker);
    tick_on(worker);
    settle(worker);
}

/* Certificates end by the wall clock: where that was set ahead, anybody's may have ended. */
static bool clock_was_set(struct sl_worker *worker, int64_t now_ms)
{
    int64_t before_ms = worker->clock_ahead_ms;

    worker->clock_ahead_ms = sl_clock_wall_us() / 1000 - now_ms;
    return worker->clock_ahead_ms - before_ms >= CLOCK_SET_MS;
}

/* The time for goodbyes is up. */
static void cut_off(struct sl_worker *worker)
{
    struct sl_listed *next;

    for (struct sl_listed *at = worker->connections; at != NULL; at = next) {
        next = at->next;
        sl_connection_tick(at->owner, INT64_MAX);
    }
}

static void on_tick(void *ctx)
{
    struct sl_worker *worker = ctx;
    int64_t now_ms = sl_loop_now_ms(worker->loop);
    struct sl_listed *due = NULL;
    struct sl_connection *connection;

    worker->ticking = false;
    if (worker->drained && now_ms >= worker->drain_deadline_ms)
        cut_off(worker);
    else if (clock_was_set(worker, now_ms))
        look_at_all(worker);
    sl_wheel_turn(&worker->wheel, now_ms, &due);
    while ((connection = sl_list_take(&due)) != NULL)
        sl_connection_tick(connection, now_ms);
    tick_on(worker);
    settle(worker);
}

static void on_again(void *ctx)
{
    struct sl_worker *worker = ctx;
    struct sl_listed *due;
    struct sl_connection *connection;

    sl_list_move(&worker->agains, &due);
    while ((connection = sl_list_take(&due)) != NULL)
        sl_connection_turn(connection);
    if (worker->unseen != NULL)
        look_on(worker);
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
    sl_wheel_init(&worker->wheel, sl_clock_monotonic_ms());
    worker->clock_ahead_ms = sl_clock_wall_us() / 1000 - sl_clock_monotonic_ms();
    if (status == SL_OK && pthread_create(&worker->thread, NULL, run, worker) != 0)
        status = SL_IO;
    return status;
}

/* What can be in these queues is bounded by the door and by one batch a connection. */
static enum sl_status init_queues(struct sl_worker *worker)
{
    struct sl_queue *const queues[] = {&worker->adopted, &worker->answers, &worker->superseded};

    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        enum sl_status status = sl_queue_init(queues[i], SIZE_MAX);

        if (status == SL_OK)
            continue;
        while (i > 0)
            sl_queue_clear(queues[--i]);
        return status;
    }
    return SL_OK;
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
    status = init_queues(made);
    if (status != SL_OK) {
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
        atomic_store(&worker->answered, true);
}

void sl_worker_committed(struct sl_worker *worker)
{
    bool answered = atomic_exchange(&worker->answered, false);
    bool room = atomic_load(&worker->wants_room) && !atomic_exchange(&worker->room, true);

    if (answered || room)
        sl_inbox_wake(worker->inbox);
}

void sl_worker_wait_for_room(struct sl_worker *worker, struct sl_connection *connection)
{
    if (sl_listed(&connection->waiting))
        return;
    sl_list_put(&worker->waiting, &connection->waiting, connection);
    /* Room that came before this was known is found by one more try. */
    if (!atomic_exchange(&worker->wants_room, true))
        sl_worker_again(worker, connection);
}

void sl_worker_superseded(struct sl_worker *worker, struct sl_connection *connection)
{
    /* Never full, never closed. */
    if (sl_queue_push(&worker->superseded, &connection->queued) == SL_OK)
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
    sl_batch_spares_clear(&worker->spares);
    sl_loop_free(worker->loop);
    sl_queue_clear(&worker->adopted);
    sl_queue_clear(&worker->answers);
    sl_queue_clear(&worker->superseded);
    free(worker);
}

size_t sl_worker_load(const struct sl_worker *worker)
{
    return atomic_load(&worker->load);
}

struct sl_batch_spares *sl_worker_spares(struct sl_worker *worker)
{
    return &worker->spares;
}

struct sl_loop *sl_worker_loop(struct sl_worker *worker)
{
    return worker->loop;
}

void sl_worker_again(struct sl_worker *worker, struct sl_connection *connection)
{
    if (sl_listed(&connection->again))
        return;
    sl_list_put(&worker->agains, &connection->again, connection);
    sl_timer_start(worker->again, 0);
}

void sl_worker_appoint(struct sl_worker *worker, struct sl_connection *connection, int64_t at_ms)
{
    sl_wheel_put(&worker->wheel, &connection->timed, connection, at_ms);
}

void sl_worker_gone(struct sl_worker *worker, struct sl_connection *connection)
{
    unlink_connection(worker, connection);
    sl_list_put(&worker->gone, &connection->listed, connection);
    /* An event of a single connection doesn't settle by itself. */
    sl_timer_start(worker->again, 0);
}

void sl_worker_move(struct sl_worker *worker, struct sl_connection *connection)
{
    unlink_connection(worker, connection);
}
