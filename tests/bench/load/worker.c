/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c -- see worker.h. */
#include "worker.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "session.h"

enum {
    EVENTS = 256,
    HANDSHAKES_MAX = 64, /* under way at once, in all threads, until all sessions are open */
    TICK_MS = 1000,
    STALL_S = 60,
    MILLISECOND_NS = 1000000
};

/* How much of the past the readings of a session that sends all that it can were taken in. */
static const int64_t YEAR_US = INT64_C(31536000) * 1000000;

/* --- the schedule */

/* A number from 0 to 1 that is always the same for this event, and looks like chance. */
static double shake(uint64_t event)
{
    event *= UINT64_C(0x9e3779b97f4a7c15);
    event ^= event >> 29;
    event *= UINT64_C(0xbf58476d1ce4e5b9);
    return (double)(event >> 40) / (double)(UINT64_C(1) << 24);
}

int64_t worker_due_ns(const struct worker *worker, uint64_t event)
{
    return worker->plan->begin_ns + (int64_t)(((double)event + shake(event)) * worker->gap_ns);
}

static void arm(struct worker *worker)
{
    int64_t due_ns = worker_due_ns(worker, worker->event);
    const struct itimerspec at = {
        .it_value = {.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS}};

    (void)timerfd_settime(worker->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Gives the sessions whose time has come something to send. */
static void follow_schedule(struct worker *worker)
{
    int64_t now = now_ns();

    if (worker->event >= worker->events)
        return;
    while (worker->event < worker->events && worker_due_ns(worker, worker->event) <= now) {
        struct session *session = &worker->sessions[worker->event % worker->count];

        worker->event++;
        if (session->left == 0)
            continue;
        session->due++;
        session_pump(session);
    }
    if (worker->event < worker->events)
        arm(worker);
}

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
        follow_schedule(worker);
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
}

/* What of `all` the sessions first to first + count - 1 of `sessions` have; sums are exact. */
static uint64_t share(uint64_t all, uint64_t first, uint64_t count, uint64_t sessions)
{
    return all / sessions * count +
           (first + count < all % sessions ? first + count : all % sessions) -
           (first < all % sessions ? first : all % sessions);
}

static void make_schedule(struct worker *worker)
{
    const struct plan *plan = worker->plan;
    uint64_t most = 0;

    worker->gap_ns = (double)plan->batch * (double)SECOND_NS / (double)plan->rate *
                     (double)plan->sessions / (double)worker->count;
    for (size_t i = 0; i < worker->count; i++)
        if (worker->sessions[i].left > most)
            most = worker->sessions[i].left;
    worker->event = 0;
    worker->events = most == UINT64_MAX ? UINT64_MAX
                                        : (most + (uint64_t)plan->batch - 1) /
                                              (uint64_t)plan->batch * worker->count;
    arm(worker);
}

/* Sets what a session may send, and the times of its readings. */
static void charge(struct session *session)
{
    const struct plan *plan = session->worker->plan;
    uint64_t sessions = (uint64_t)plan->sessions;

    session->left = plan->readings > 0
                        ? share((uint64_t)plan->readings, session->talk.number, 1, sessions)
                        : UINT64_MAX;
    if (plan->rate > 0) {
        session->event = (uint64_t)(session - session->worker->sessions);
        session->talk.step_us = (int64_t)(1e6 * (double)plan->sessions / (double)plan->rate);
    } else {
        session->talk.step_us = 1000000;
        session->talk.time_us = sl_clock_wall_us() - YEAR_US;
    }
    if (plan->idle && plan->rate == 0)
        session->left = 0;
}

/* Begins with `connects` connections; as many again begin as end, until there were enough. */
static void begin_connecting(struct worker *worker)
{
    const struct plan *plan = worker->plan;
    struct session *first = worker->sessions;

    worker->tally.handshakes = 0;
    worker->tally.resumed = 0;
    worker->tally.latency = (struct histogram){.count = 0};
    worker->connects = share((uint64_t)plan->connects, first->talk.number, worker->count,
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
        charge(session);
        if (plan->rate == 0)
            worker_ready(worker, session);
    }
    if (plan->rate > 0)
        make_schedule(worker);
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
    return true;
}

void worker_free(struct worker *worker)
{
    for (size_t i = 0; worker->sessions != NULL && i < worker->count; i++)
        session_clear(&worker->sessions[i]);
    free(worker->sessions);
    free(worker->input);
    free(worker->record);
    (void)close(worker->epoll);
    (void)close(worker->timer);
}
