/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_spool.c -- how long a reading takes until it is safe in a sensor's spool.
 *
 *   bench_spool FILE COUNT
 *
 * Appends COUNT readings to the spool FILE and commits each, as a sensor does that measures now and
 * then; each is forgotten when the next one comes. Prints one JSON object: how many, the times of
 * appending and committing together and the CPU time of everything, in microseconds a reading.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "load/histogram.h"
#include "sensorlink/spool.h"

#define NS_A_SECOND INT64_C(1000000000)

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * NS_A_SECOND + now.tv_nsec;
}

static enum sl_status put(struct sl_spool *spool, int64_t number, struct histogram *times)
{
    char text[64];
    int64_t seq = 0;
    int64_t from = clock_ns(CLOCK_MONOTONIC);
    int len = snprintf(text, sizeof(text), "temperature: %" PRId64 ".%02" PRId64 " Cel",
                       20 + number % 5, number % 99 + 1);

    enum sl_status status = spool->functions->append(spool, 1764000000000000 + number * 1000000,
                                                     text, (size_t)len, &seq);
    if (status == SL_OK)
        status = spool->functions->commit(spool);
    histogram_add(times, clock_ns(CLOCK_MONOTONIC) - from);
    return status == SL_OK ? spool->functions->forget(spool, seq) : status;
}

int main(int argc, char **argv)
{
    static struct histogram times;
    struct sl_spool *spool = NULL;
    char error[512] = "";
    int64_t count = argc == 3 ? strtoll(argv[2], NULL, 10) : 0;

    if (count < 1) {
        (void)fprintf(stderr, "usage: bench_spool FILE COUNT\n");
        return EX_USAGE;
    }
    enum sl_status status = sl_spool_open(argv[1], &spool, error, sizeof(error));
    int64_t spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int64_t number = 0; status == SL_OK && number < count; number++)
        status = put(spool, number, &times);
    spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - spent;
    if (status != SL_OK) {
        (void)fprintf(stderr, "bench_spool: %s\n", spool ? spool->functions->error(spool) : error);
        sl_spool_close(spool);
        return EX_IOERR;
    }
    sl_spool_close(spool);
    (void)printf("{\"readings\": %" PRId64 ", \"put_us\": {\"p50\": %.1f, \"p99\": %.1f, "
                 "\"max\": %.1f}, \"cpu_us\": %.1f}\n",
                 count, (double)histogram_share(&times, 0.5) / 1000,
                 (double)histogram_share(&times, 0.99) / 1000, (double)times.most_ns / 1000,
                 (double)spent / 1000 / (double)count);
    return 0;
}
