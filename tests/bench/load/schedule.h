/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h -- how many readings each session sends, and with `--rate` when.
 *
 * Event number n of a worker's schedule is a record of session n mod count. Times are fixed once
 * the measurement begins: evenly spread, and shaken by less than the gap between two.
 *
 * Threads  The worker's.
 */
#ifndef BENCH_LOAD_SCHEDULE_H
#define BENCH_LOAD_SCHEDULE_H

#include "session.h"

/* What of `all` the sessions first to first + count - 1 of `sessions` get; nothing is left over. */
uint64_t schedule_share(uint64_t all, uint64_t first, uint64_t count, uint64_t sessions);

/* Sets what an open session may send, and the times of its readings. */
void schedule_charge(struct session *session);

/* Begins the schedule, once sessions are charged. */
void schedule_make(struct worker *worker);

/* Has the sessions whose time has come send. */
void schedule_follow(struct worker *worker);

/* When this event is due. */
int64_t schedule_due_ns(const struct worker *worker, uint64_t event);

#endif
