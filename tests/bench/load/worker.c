/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c -- see worker.h. */
#include "worker.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "schedule.h"

enum {
    EVENTS = 256,
    HANDSHAKES_MAX = 64, /* under way at once, in all threads, until all sessions are open */
    TICK_MS = 1000,
    STALL_S = 60,
    MILLISECOND_NS = 1000000
};

/* --- the loop */

void worker_ready(struct worker *worker, struct session *session)
{
    if (session->is_ready)
        return;
    session->is_ready = true;
    session->next_ready = NULL;
    *worker->ready_end = session;
    worker->ready_end = &session->next_ready;
}

static void run_ready(struct worker *worker)
{
    struct session *session = worker->ready;

    worker->ready = NULL;
    worker->ready_end = &worker->ready;
    while (session != NULL) {
        struct session *next = session->next_ready;

        session->is_ready = false;
        if (session->state == STATE_NONE)
            session_start(session);
        else
            session_pump(session);
        session = next;
    }
}

/* Nothing new begins; what is under way may come to its end. */
static void stop(struct worker *worker)
{
    worker->stopped = true;
    worker->connects = 0;
    worker->events = 0;
    for (size_t i = 0; i < worker->count; i++) {
        struct session *session = &worker->sessions[i];

        worker->tally.unsent += session->due * (uint64_t)worker->plan->batch;
        session->left = 0;
        session->due = 0;
        session_pump(session);
    }
}

/* Who doesn't answer for so long never will. */
static void give_up(struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++)
        if (worker->sessions[i].counted)
            session_fail(&worker->sessions[i], "nothing came for 60 s");
}

/* The time by which the measurement is over, whatever happens. */
static int64_t end_ns(const struct worker *worker)
{
    const struct plan *plan = worker->plan;

    if (worker->phase != PHASE_MEASURE || worker->stopped || plan->milliseconds == 0)
        return INT64_MAX;
    return plan->begin_ns + plan->milliseconds * MILLISECOND_NS;
}

static int wait_ms(const struct worker *worker)
{
    int64_t left_ns = end_ns(worker) - now_ns();

    if (worker->ready != NULL || left_ns <= 0)
        return 0;
    return left_ns / MILLISECOND_NS < TICK_MS ? (int)(left_ns / MILLISECOND_NS) + 1 : TICK_MS;
}

static void take_event(struct worker *worker, const struct epoll_event *event)
{
    struct session *session = event->data.ptr;

    if (event->data.ptr == &worker->timer)
        return;
    if (event->data.ptr == &worker->plan->stop_fd)
        stop(worker);
    else if (session->state != STATE_NONE)
        session_step(session, event->events);
}

static void turn(struct worker *worker)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(worker->epoll, events, EVENTS, wait_ms(worker));
    bool waits = worker->phase == PHASE_MEASURE && worker->event < worker->events;

    if (count > 0 || waits)
        worker->progress_ns = now_ns();
    for (int i = 0; i < count; i++)
        take_event(worker, &events[i]);
    if (worker->phase == PHASE_MEASURE)
        schedule_follow(worker);
    run_ready(worker);
    if (now_ns() >= end_ns(worker))
        stop(worker);
    if (worker->busy > 0 && now_ns() - worker->progress_ns > STALL_S * SECOND_NS)
        give_up(worker);
}

/* --- the phases */

static void begin_phase(struct worker *worker, enum phase phase)
{
    worker->phase = phase;
    worker->busy = 0;
    worker->progress_ns = now_ns();
}

static void count_in(struct worker *worker, struct session *session)
{
    session->counted = true;
    worker->busy++;
}

static void open_all(struct worker *worker)
{
    size_t limit = HANDSHAKES_MAX / (size_t)worker->plan->threads;

    begin_phase(worker, PHASE_OPEN);
    /* Who only connects has nothing to open, but for a session to come back with. */
    if (worker->plan->connects > 0 && !worker->plan->resume)
        return;
    for (size_t i = 0; i < worker->count; i++)
        count_in(worker, &worker->sessions[i]);
    while (worker->busy > 0) {
        while (worker->next < worker->count && worker->under_way < (limit == 0 ? 1 : limit))
            session_start(&worker->sessions[worker->next++]);
        turn(worker);
    }
    for (size_t i = 0; i < worker->count; i++)
        worker->tally.open += worker->sessions[i].state == STATE_OPEN;
    if (worker->plan->connects > 0)
        worker->tally.open = worker->tally.handshakes;
}

/* Begins with `connects` connections; as many again begin as end, until there were enough. */
static void begin_connecting(struct worker *worker)
{
    const struct plan *plan = worker->plan;
    struct session *first = worker->sessions;

    worker->tally.handshakes = 0;
    worker->tally.resumed = 0;
    worker->tally.latency = (struct histogram){.count = 0};
    worker->connects = schedule_share((uint64_t)plan->connects, first->talk.number, worker->count,
                                      (uint64_t)plan->sessions);
    for (size_t i = 0; i < worker->count && worker->connects > 0; i++) {
        worker->connects--;
        count_in(worker, &worker->sessions[i]);
        worker_ready(worker, &worker->sessions[i]);
    }
}

static void begin_sending(struct worker *worker)
{
    const struct plan *plan = worker->plan;

    for (size_t i = 0; i < worker->count; i++) {
        struct session *session = &worker->sessions[i];

        if (session->state != STATE_OPEN)
            continue;
        count_in(worker, session);
        schedule_charge(session);
        if (plan->rate == 0)
            worker_ready(worker, session);
    }
    if (plan->rate > 0)
        schedule_make(worker);
}

static int64_t cpu_ns(void)
{
    struct timespec used = {0, 0};

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * SECOND_NS + used.tv_nsec;
}

static void measure(struct worker *worker)
{
    struct epoll_event watch = {.events = EPOLLIN | EPOLLET, .data.ptr = &worker->plan->stop_fd};
    bool holds = worker->plan->idle;

    worker->tally.cpu_ns = -cpu_ns();
    begin_phase(worker, PHASE_MEASURE);
    (void)epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->plan->stop_fd, &watch);
    if (worker->plan->connects > 0)
        begin_connecting(worker);
    else
        begin_sending(worker);
    while (worker->busy > 0 || (holds && !worker->stopped))
        turn(worker);
    worker->tally.end_ns = now_ns();
    worker->tally.cpu_ns += cpu_ns();
    for (size_t i = 0; i < worker->count; i++) {
        worker->tally.sent += worker->sessions[i].talk.sent;
        worker->tally.acknowledged += worker->sessions[i].talk.acknowledged;
    }
}

static void close_all(struct worker *worker)
{
    begin_phase(worker, PHASE_CLOSE);
    for (size_t i = 0; i < worker->count; i++) {
        if (worker->sessions[i].state != STATE_OPEN)
            continue;
        count_in(worker, &worker->sessions[i]);
        session_finish(&worker->sessions[i]);
    }
    while (worker->busy > 0)
        turn(worker);
}

static void meet(struct worker *worker)
{
    (void)pthread_barrier_wait(&worker->plan->barrier);
    (void)pthread_barrier_wait(&worker->plan->barrier);
}

void *worker_run(void *ctx)
{
    struct worker *worker = ctx;

    open_all(worker);
    meet(worker);
    measure(worker);
    meet(worker);
    close_all(worker);
    return NULL;
}

/* --- memory */

/*
 * Who only connects has one of its own. Otherwise sessions with one certificate share one, so that
 * thousands are soon open.
 */
static bool make_resumptions(struct worker *worker)
{
    const struct plan *plan = worker->plan;
    size_t wanted = plan->connects > 0 ? worker->count : plan->trusts.count;

    if (!plan->resume)
        return true;
    worker->resumptions = calloc(wanted, sizeof(struct sl_resumption *));
    if (worker->resumptions == NULL)
        return false;
    for (; worker->resumptions_count < wanted; worker->resumptions_count++) {
        worker->resumptions[worker->resumptions_count] = sl_resumption_new();
        if (worker->resumptions[worker->resumptions_count] == NULL)
            return false;
    }
    for (size_t i = 0; i < worker->count; i++)
        worker->sessions[i].resumption =
            worker->resumptions[plan->connects > 0 ? i : worker->sessions[i].talk.number % wanted];
    return true;
}

bool worker_new(struct worker *worker, struct plan *plan, size_t first, size_t count)
{
    struct epoll_event watch = {.events = EPOLLIN | EPOLLET, .data.ptr = &worker->timer};

    *worker = (struct worker){.plan = plan, .count = count, .ready_end = &worker->ready};
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    worker->sessions = calloc(count, sizeof *worker->sessions);
    worker->input = malloc(INPUT_SIZE);
    worker->record = malloc((size_t)plan->batch * LINE_SPACE);
    if (worker->sessions == NULL || worker->input == NULL || worker->record == NULL ||
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->timer, &watch) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!session_init(&worker->sessions[i], worker, (unsigned)(first + i)))
            return false;
    return make_resumptions(worker);
}

void worker_free(struct worker *worker)
{
    for (size_t i = 0; worker->sessions != NULL && i < worker->count; i++)
        session_clear(&worker->sessions[i]);
    for (size_t i = 0; i < worker->resumptions_count; i++)
        sl_resumption_free(worker->resumptions[i]);
    free(worker->resumptions);
    free(worker->sessions);
    free(worker->input);
    free(worker->record);
    (void)close(worker->epoll);
    (void)close(worker->timer);
}
