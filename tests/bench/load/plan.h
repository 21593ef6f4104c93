/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.h -- what the command line asks for, and what all threads share.
 *
 * Memory   Made by plan_make(), given back by plan_clear().
 * Threads  Immutable while workers run, but for what is atomic and `begin_ns` (see worker.h).
 */
#ifndef BENCH_LOAD_PLAN_H
#define BENCH_LOAD_PLAN_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "net/address.h"
#include "speech.h"
#include "trusts.h"

enum { NAME_SIZE = 256, SERVERS_MAX = 16, PIDS_MAX = 16 };

#define SECOND_NS INT64_C(1000000000)

struct plan {
    /* As given. */
    const char *connect, *ca, *certs, *mode, *name, *pids_text;
    int64_t sessions, threads, sources, batch, window, readings, milliseconds, rate, connects;
    bool idle, hold, resume, help;

    /* What that means. */
    const struct speech *speech;
    struct sl_address servers[SERVERS_MAX];
    size_t server_count;
    char server_name[NAME_SIZE];
    struct trusts trusts;
    struct lines lines;
    int pids[PIDS_MAX];
    size_t pid_count;

    /* Shared by the threads. */
    pthread_barrier_t barrier; /* the workers and the main thread */
    int stop_fd;               /* readable once it is time to end */
    int64_t begin_ns;          /* of the measurement */
    atomic_flag complained;
};

/* Reads the command line and loads the certificates. An exit code; -1: go on. */
int plan_make(struct plan *plan, int argc, char **argv);

void plan_clear(struct plan *plan);

/* Says what went wrong with a session; only the first time, because thousands may. */
void plan_complain(struct plan *plan, unsigned session, const char *fault);

/* Nanoseconds of the monotonic clock. */
static inline int64_t now_ns(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

#endif
