/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_sync.c -- what the disk alone takes to keep something for good.
 *
 *   bench_sync FILE RATE SECONDS
 *
 * Appends 4 KiB to FILE and calls fdatasync(), RATE times a second or as often as it gets done, one
 * after the other, for SECONDS. Prints one JSON object: how many, and the times of both calls
 * together in microseconds. That is the least that a store can do before it acknowledges.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "load/histogram.h"

enum { BLOCK = 4096 };

#define NS_A_SECOND INT64_C(1000000000)

static int64_t now_ns(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_A_SECOND + now.tv_nsec;
}

static void sleep_until(int64_t when_ns)
{
    struct timespec when = {.tv_sec = when_ns / NS_A_SECOND, .tv_nsec = when_ns % NS_A_SECOND};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
        continue;
}

/* False where the disk refuses. */
static bool measure(int file, double rate, double seconds, struct histogram *times)
{
    static const char block[BLOCK];
    int64_t begin = now_ns();
    int64_t end = begin + (int64_t)(seconds * (double)NS_A_SECOND);

    for (;;) {
        int64_t due = begin + (int64_t)((double)times->count / rate * (double)NS_A_SECOND);
        int64_t from;

        if (due >= end || now_ns() >= end)
            return true;
        sleep_until(due);
        from = now_ns();
        if (write(file, block, BLOCK) != BLOCK || fdatasync(file) != 0)
            return false;
        histogram_add(times, now_ns() - from);
    }
}

static double share_us(const struct histogram *times, double share)
{
    return (double)histogram_share(times, share) / 1000;
}

int main(int argc, char **argv)
{
    static struct histogram times;
    double rate = argc == 4 ? strtod(argv[2], NULL) : 0;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    int file;

    if (rate <= 0 || seconds <= 0) {
        (void)fprintf(stderr, "usage: bench_sync FILE RATE SECONDS\n");
        return EX_USAGE;
    }
    file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || !measure(file, rate, seconds, &times)) {
        perror(argv[1]);
        return EX_IOERR;
    }
    (void)close(file);
    (void)printf("{\"syncs\": %" PRIu64 ", \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, "
                 "\"p999\": %.1f, \"max\": %.1f}}\n",
                 times.count, share_us(&times, 0.5), share_us(&times, 0.99),
                 share_us(&times, 0.999), (double)times.most_ns / 1000);
    return 0;
}
