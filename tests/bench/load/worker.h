/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h -- a thread with its share of the sessions and one epoll.
 *
 * It has three phases, each of which is over when no session is `counted` any more: opening all,
 * measuring, closing all. Between them all workers and the main thread meet at the plan's barrier:
 *
 *   workers  open all |      | measure |      | close all
 *   main              | look |         | look |
 *
 * Memory   Made by worker_new(), given back by worker_free().
 * Threads  A worker's sessions and tally are its thread's; the main thread reads them at a barrier.
 */
#ifndef BENCH_LOAD_WORKER_H
#define BENCH_LOAD_WORKER_H

#include "histogram.h"
#include "plan.h"

enum { INPUT_SIZE = 32768 };

enum phase { PHASE_OPEN, PHASE_MEASURE, PHASE_CLOSE };

/* What was measured. */
struct tally {
    uint64_t sent, acknowledged; /* readings */
    uint64_t unsent;             /* readings whose time had come, at the end */
    uint64_t open, handshakes, resumed, failed;
    int64_t end_ns;
    int64_t cpu_ns;
    struct histogram latency;
    struct histogram lag; /* how late a reading was sent, of its time; part of the latency */
};

struct session;

struct worker {
    struct plan *plan;
    pthread_t thread;
    int epoll;
    int timer;
    struct session *sessions;
    size_t count;
    size_t next;      /* to be opened */
    size_t under_way; /* handshakes */
    size_t busy;      /* sessions that are counted */
    enum phase phase;
    bool stopped;        /* nothing new begins */
    uint64_t connects;   /* left to begin */
    int64_t progress_ns; /* when something came last */

    /* See schedule.h. */
    uint64_t event;  /* the next one */
    uint64_t events; /* how many there are */
    double gap_ns;

    /* Sessions that have something to do, whatever their sockets say. */
    struct session *ready;
    struct session **ready_end;

    /* What was received of the one session at work, and isn't decrypted. */
    char *input;
    size_t input_at, input_len;
    bool hangup;  /* its connection ends */
    bool drained; /* its socket has nothing more, for sure */

    char *record;
    struct sl_resumption **resumptions; /* see make_resumptions() */
    size_t resumptions_count;
    struct tally tally;
};

/* Sessions `first` and so on, `count` of all. False where there is no memory or no descriptor. */
bool worker_new(struct worker *worker, struct plan *plan, size_t first, size_t count);
void worker_free(struct worker *worker);

/* The thread; `ctx` is the worker. */
void *worker_run(void *ctx);

/* For session.c. */
void worker_ready(struct worker *worker, struct session *session);

#endif
