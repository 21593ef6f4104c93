/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c -- see schedule.h. */
#include "schedule.h"

#include <sys/timerfd.h>

#include "base/clock.h"

/* How much of the past the readings of a session that sends all that it can were taken in. */
static const int64_t YEAR_US = INT64_C(31536000) * 1000000;

/* A number from 0 to 1 that is always the same for this event, and looks like chance. */
static double shake(uint64_t event)
{
    event *= UINT64_C(0x9e3779b97f4a7c15);
    event ^= event >> 29;
    event *= UINT64_C(0xbf58476d1ce4e5b9);
    return (double)(event >> 40) / (double)(UINT64_C(1) << 24);
}

int64_t schedule_due_ns(const struct worker *worker, uint64_t event)
{
    return worker->plan->begin_ns + (int64_t)(((double)event + shake(event)) * worker->gap_ns);
}

static void arm(struct worker *worker)
{
    int64_t due_ns = schedule_due_ns(worker, worker->event);
    const struct itimerspec at = {
        .it_value = {.tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS}};

    (void)timerfd_settime(worker->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* Gives the sessions whose time has come something to send. */
void schedule_follow(struct worker *worker)
{
    int64_t now = now_ns();

    if (worker->event >= worker->events)
        return;
    while (worker->event < worker->events && schedule_due_ns(worker, worker->event) <= now) {
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

uint64_t schedule_share(uint64_t all, uint64_t first, uint64_t count, uint64_t sessions)
{
    return all / sessions * count +
           (first + count < all % sessions ? first + count : all % sessions) -
           (first < all % sessions ? first : all % sessions);
}

void schedule_make(struct worker *worker)
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

void schedule_charge(struct session *session)
{
    const struct plan *plan = session->worker->plan;
    uint64_t sessions = (uint64_t)plan->sessions;

    session->left = plan->readings > 0 ? schedule_share((uint64_t)plan->readings,
                                                        session->talk.number, 1, sessions)
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
