/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_load -- thousands of sensors in a few threads, to see what a server can do.
 *
 *   bench_load --connect HOST:PORT[,HOST:PORT...] --cafile F --certs DIR [OPTION]...
 *
 * Opens `--sessions` sessions, spread over `--threads` threads, the servers given, the pairs
 * NAME.crt and NAME.key in DIR, and the source addresses; then measures; then closes them; then
 * prints one JSON object, in one line.
 *
 * What is said (`--mode`)
 *   link    sensorlink/1: `stream`, and after `welcome` readings with numbers and times. Default.
 *   plain   the tutorial's lines to sensorlink-server, without ALPN: `temperature: 21.53 Cel`
 *   raw     the tutorial's lines to other servers: `temperature: 21.53`
 *   syslog  RFC 5424 in the framing of RFC 5425
 *   mqtt    MQTT 3.1.1, QoS 1, a message a reading
 * In link and mqtt readings are acknowledged, and a session has at most `--window` records (mqtt:
 * messages) under way. In the others nothing is answered: a session is done once the server has
 * ended it in answer to our goodbye, and when the readings are in its file is for the caller to
 * find out.
 * Temperature, humidity and pressure take turns, with values that wander as real ones do.
 *
 * How much
 *   Without `--rate` each session sends as fast as its window and the network take it (a closed
 *   loop), records of `--batch` readings, a second apart in the sensor's time: as after an outage.
 *   `--readings N` in all, the same number from each session, or one more; or for `--seconds S`.
 *   With `--rate` readings are due at times that are fixed beforehand, one session after the other,
 *   shaken a little (an open loop). Latency then counts from when a record was due, not from when
 *   it was sent: a server that holds us up must not make its figures better by that ("coordinated
 *   omission"). `lag_us` says how late they were sent, by whosever fault; `unsent` how many were
 *   due at the end and not sent.
 *   `--idle` opens the sessions, prints `open N`, and keeps them until standard input ends, with
 *   `--rate` reporting.
 *   `--connects N` sends no readings: N times in all connect, TLS, greeting, goodbye, with
 *   `--sessions` of them under way at once, each always with the same stream; latency is that of
 *   one, until the server's greeting (or the end of the handshake where there is none). With
 *   `--resume` each of those under way has made a session first, which isn't counted, and resumes
 *   it.
 *   Otherwise at most 64 handshakes are under way at once, and none is in what is measured; with
 *   `--resume` sessions of one thread with the same certificate resume the one before them, so that
 *   thousands are soon open.
 *   `--hold` prints `open N` once all are open (with `--connects`: before the first that counts),
 *   and waits for a line on standard input before it measures.
 *
 * What is printed
 *   {"readings": sent, "acknowledged": ..., "seconds": from the first until all was answered,
 *    "rate": acknowledged (or sent, where nothing is) a second, "cpu_seconds": our own,
 *    "peer_cpu_seconds": of the processes named by `--pid`, "unsent": ...,
 *    "latency_us": {"p50": ..., "p99": ..., "p999": ..., "max": ...}, "lag_us": {the same},
 *    "sessions": opened, "handshakes": ..., "resumed": ..., "failed": ...}
 *   Percentiles are null where nothing was measured. Latency is from the write of a record, with
 *   `--rate` from when it was due, until the acknowledgement of its last reading. CPU times are
 *   those of the measured time only. A session that the server ended or refused has failed; the
 *   first says why on standard error.
 *
 * Exit code 0; 1 where a session failed; as in sysexits.h where there is nothing to print.
 *
 * Memory   About 40 KB a session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "worker.h"

enum { DESCRIPTORS_MORE = 128 };

/* Root may raise the limit beyond what is allowed to others. */
static void raise_limit(rlim_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* What the processes named have used of the processor so far. Without one of them, no sum is. */
static int64_t peer_cpu_ns(struct plan *plan)
{
    int64_t sum = 0;

    for (size_t i = 0; i < plan->pid_count; i++) {
        struct timespec used = {0, 0};
        clockid_t clock;

        if (clock_getcpuclockid(plan->pids[i], &clock) != 0 || clock_gettime(clock, &used) != 0) {
            (void)fprintf(stderr, "bench_load: --pid %d: no such process\n", plan->pids[i]);
            plan->pid_count = 0;
        }
        sum += used.tv_sec * SECOND_NS + used.tv_nsec;
    }
    return sum;
}

static void meet(struct plan *plan)
{
    (void)pthread_barrier_wait(&plan->barrier);
}

/* Says how many sessions are open, then waits for this byte of standard input, or for its end. */
static void hold(uint64_t open, char wanted)
{
    char byte = '\0';

    (void)printf("open %llu\n", (unsigned long long)open);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0 && byte != wanted)
        continue;
}

static void stop(const struct plan *plan)
{
    const uint64_t one = 1;

    (void)!write(plan->stop_fd, &one, sizeof one);
}

static void join(struct tally *sum, const struct tally *tally)
{
    sum->sent += tally->sent;
    sum->acknowledged += tally->acknowledged;
    sum->unsent += tally->unsent;
    sum->open += tally->open;
    sum->handshakes += tally->handshakes;
    sum->resumed += tally->resumed;
    sum->failed += tally->failed;
    sum->cpu_ns += tally->cpu_ns;
    if (tally->end_ns > sum->end_ns)
        sum->end_ns = tally->end_ns;
    histogram_join(&sum->latency, &tally->latency);
    histogram_join(&sum->lag, &tally->lag);
}

static void print_histogram(const char *name, const struct histogram *histogram)
{
    if (histogram->count == 0) {
        (void)printf(" \"%s\": {\"p50\": null, \"p99\": null, \"p999\": null, \"max\": null},",
                     name);
        return;
    }
    (void)printf(" \"%s\": {\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f},", name,
                 (double)histogram_share(histogram, 0.5) / 1e3,
                 (double)histogram_share(histogram, 0.99) / 1e3,
                 (double)histogram_share(histogram, 0.999) / 1e3, (double)histogram->most_ns / 1e3);
}

static void print(const struct plan *plan, const struct tally *sum, int64_t peers_ns)
{
    double seconds = (double)(sum->end_ns - plan->begin_ns) / 1e9;
    uint64_t counted = plan->speech->hello == NULL ? sum->sent : sum->acknowledged;

    (void)printf("{\"readings\": %llu, \"acknowledged\": %llu, \"seconds\": %.6f, \"rate\": %.1f,"
                 " \"cpu_seconds\": %.6f, \"peer_cpu_seconds\": ",
                 (unsigned long long)sum->sent, (unsigned long long)sum->acknowledged, seconds,
                 (double)counted / seconds, (double)sum->cpu_ns / 1e9);
    if (plan->pid_count > 0)
        (void)printf("%.6f,", (double)peers_ns / 1e9);
    else
        (void)printf("null,");
    (void)printf(" \"unsent\": %llu,", (unsigned long long)sum->unsent);
    print_histogram("latency_us", &sum->latency);
    print_histogram("lag_us", &sum->lag);
    (void)printf(
        " \"sessions\": %llu, \"handshakes\": %llu, \"resumed\": %llu, \"failed\": %llu}\n",
        (unsigned long long)sum->open, (unsigned long long)sum->handshakes,
        (unsigned long long)sum->resumed, (unsigned long long)sum->failed);
}

static uint64_t open_by_all(const struct plan *plan, const struct worker *workers)
{
    uint64_t open = 0;

    for (int64_t i = 0; i < plan->threads; i++)
        open += workers[i].tally.open;
    return open;
}

/* The main thread's side of the phases; the workers have started. */
static int conduct(struct plan *plan, struct worker *workers)
{
    struct tally *sum = calloc(1, sizeof *sum);
    int64_t peers_ns;
    int code;

    meet(plan);
    if (plan->hold)
        hold(open_by_all(plan, workers), '\n');
    peers_ns = -peer_cpu_ns(plan);
    plan->begin_ns = now_ns();
    meet(plan);
    if (plan->idle) {
        hold(open_by_all(plan, workers), '\0');
        stop(plan);
    }
    meet(plan);
    peers_ns += peer_cpu_ns(plan);
    meet(plan);
    for (int64_t i = 0; i < plan->threads; i++)
        (void)pthread_join(workers[i].thread, NULL);
    if (sum == NULL)
        return EX_OSERR;
    for (int64_t i = 0; i < plan->threads; i++)
        join(sum, &workers[i].tally);
    print(plan, sum, peers_ns);
    code = sum->failed > 0 ? 1 : EX_OK;
    free(sum);
    return code;
}

static int run(struct plan *plan)
{
    struct worker *workers = calloc((size_t)plan->threads, sizeof *workers);
    size_t threads = (size_t)plan->threads;
    size_t sessions = (size_t)plan->sessions;
    size_t made = 0;
    bool good = true;
    int code = EX_OSERR;

    if (workers == NULL)
        return EX_OSERR;
    raise_limit((rlim_t)sessions + DESCRIPTORS_MORE);
    for (; good && made < threads; made++) {
        size_t first = sessions * made / threads;

        good = worker_new(&workers[made], plan, first, sessions * (made + 1) / threads - first);
    }
    /* A thread that doesn't start would be waited for at the barrier: there is no way on. */
    for (size_t i = 0; good && i < threads; i++)
        if (pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]) != 0)
            exit(EX_OSERR);
    if (good)
        code = conduct(plan, workers);
    for (size_t i = 0; i < made; i++)
        worker_free(&workers[i]);
    free(workers);
    return code;
}

int main(int argc, char **argv)
{
    struct plan *plan = malloc(sizeof *plan);
    int code = plan == NULL ? EX_OSERR : plan_make(plan, argc, argv);

    if (plan == NULL)
        return code;
    if (code == -1)
        code = run(plan);
    plan_clear(plan);
    free(plan);
    return code;
}
