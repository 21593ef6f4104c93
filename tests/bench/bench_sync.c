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
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, TIMES_MAX = 1000000 };

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

/* Fills `times` with nanoseconds; returns how many, or -1 where the disk refuses. */
static int measure(int file, double rate, double seconds, int64_t *times)
{
    static const char block[BLOCK];
    int64_t begin = now_ns();
    int64_t end = begin + (int64_t)(seconds * (double)NS_A_SECOND);
    int count = 0;

    while (count < TIMES_MAX) {
        int64_t due = begin + (int64_t)((double)count / rate * (double)NS_A_SECOND);
        int64_t from;

        if (due >= end || now_ns() >= end)
            break;
        sleep_until(due);
        from = now_ns();
        if (write(file, block, BLOCK) != BLOCK || fdatasync(file) != 0)
            return -1;
        times[count++] = now_ns() - from;
    }
    return count;
}

static int by_time(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static double percentile_us(const int64_t *times, int count, double part)
{
    int at = (int)((double)count * part);

    return (double)times[at < count ? at : count - 1] / 1000;
}

int main(int argc, char **argv)
{
    double rate = argc == 4 ? strtod(argv[2], NULL) : 0;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;
    int64_t *times = malloc(TIMES_MAX * sizeof(*times));
    int file, count;

    if (!times || rate <= 0 || seconds <= 0) {
        free(times);
        (void)fprintf(stderr, "usage: bench_sync FILE RATE SECONDS\n");
        return EX_USAGE;
    }
    file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    count = file < 0 ? -1 : measure(file, rate, seconds, times);
    if (count <= 0) {
        perror(argv[1]);
        free(times);
        return EX_IOERR;
    }
    (void)close(file);
    qsort(times, (size_t)count, sizeof(*times), by_time);
    (void)printf("{\"syncs\": %d, \"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, "
                 "\"max\": %.1f}}\n",
                 count, percentile_us(times, count, 0.5), percentile_us(times, count, 0.99),
                 percentile_us(times, count, 0.999), percentile_us(times, count, 1));
    free(times);
    return 0;
}
