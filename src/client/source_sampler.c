/* SPDX-License-Identifier: Apache-2.0 */
/* source_sampler.c -- readings from files and commands at a steady pace: --read and --exec. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/source.h"
#include "net/process.h"

enum { WHY_SIZE = 160 };

struct sampler;

struct probe {
    struct sampler *sampler;
    struct sl_sample sample;
    char *what;                 /* zero-terminated copy of sample.spec.what */
    struct sl_process *process; /* while the command runs */
    bool fails;                 /* said already */
};

struct sampler {
    struct sl_source source; /* first */
    struct sl_loop *loop;
    struct sl_runner *runner;
    struct sl_timer *timer;
    int64_t interval_ms;
    int64_t command_ms;
    int64_t rounds;  /* left to do; -1: for ever */
    int64_t due_ms;  /* of the round that comes next */
    int64_t dropped; /* readings that the runner had no room for */
    bool stopped;
    size_t count;
    struct probe probes[];
};

static void failed(struct probe *probe, const char *why)
{
    if (!probe->fails)
        sl_runner_warn(probe->sampler->runner, "%.*s: %s; it is tried again each time, silently",
                       (int)probe->sample.spec.name.len, probe->sample.spec.name.at, why);
    probe->fails = true;
    sl_runner_no_reading(probe->sampler->runner);
}

static void worked(struct probe *probe)
{
    if (probe->fails)
        sl_runner_warn(probe->sampler->runner, "%.*s: works again",
                       (int)probe->sample.spec.name.len, probe->sample.spec.name.at);
    probe->fails = false;
}

/* A round's reading that there is no room for is lost: the sensor will have another value then. */
static void drop(struct sampler *sampler)
{
    if (sampler->dropped++ == 0)
        sl_runner_reject(sampler->runner,
                         "the spool takes nothing now: readings of this time are lost");
}

/* Takes the first number of `output` as a reading. */
static void take(struct probe *probe, struct sl_bytes output)
{
    struct sl_runner *runner = probe->sampler->runner;
    char text[SL_SAMPLE_TEXT_SIZE];
    size_t len = 0;
    const char *why;

    if (sl_sample_print(&probe->sample.spec, output, text, &len, &why) != SL_OK) {
        failed(probe, why);
        return;
    }
    enum sl_status status =
        sl_runner_take(runner, sl_runner_now_us(runner), (struct sl_bytes){text, len});
    if (status == SL_LIMIT) {
        drop(probe->sampler);
    } else if (status != SL_OK) {
        failed(probe, sl_runner_error(runner));
    } else {
        worked(probe);
        probe->sampler->dropped = 0;
    }
}

static void read_file(struct probe *probe)
{
    char bytes[SL_SAMPLE_FILE_SIZE];
    char error[WHY_SIZE / 2];
    char why[WHY_SIZE];
    size_t len = 0;

    if (sl_sample_read_file(probe->what, bytes, &len) == SL_OK) {
        take(probe, (struct sl_bytes){bytes, len});
        return;
    }
    (void)snprintf(why, sizeof(why), "%.*s: %s", WHY_SIZE / 2 - 4, probe->what,
                   strerror_r(errno, error, sizeof(error)));
    failed(probe, why);
}

static bool running(const struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->count; i++)
        if (sampler->probes[i].process)
            return true;
    return false;
}

static void end_if_done(struct sampler *sampler)
{
    if (sampler->rounds == 0 && !sampler->stopped && !running(sampler)) {
        sampler->stopped = true;
        sl_runner_ended(sampler->runner);
    }
}

static void on_command_end(void *ctx, enum sl_status status, int exit_code, struct sl_bytes output)
{
    struct probe *probe = ctx;
    char why[WHY_SIZE];

    probe->process = NULL;
    if (status == SL_OK) {
        take(probe, output);
    } else if (status == SL_TIMEOUT) {
        failed(probe, "the command takes too long and was killed");
    } else {
        (void)snprintf(why, sizeof(why), "the command failed with exit code %d", exit_code);
        failed(probe, why);
    }
    end_if_done(probe->sampler);
}

static void run_command(struct probe *probe)
{
    if (probe->process) { /* still busy with the round before */
        sl_runner_no_reading(probe->sampler->runner);
        return;
    }
    if (sl_process_start(probe->sampler->loop, probe->what, probe->sampler->command_ms,
                         on_command_end, probe, &probe->process) != SL_OK) {
        probe->process = NULL;
        failed(probe, "the command can't be started");
    }
}

/* Moves to the next round's time; rounds whose time is over already are left out, not caught up. */
static void schedule(struct sampler *sampler)
{
    int64_t now_ms = sl_loop_now_ms(sampler->loop);
    sampler->due_ms += sampler->interval_ms;
    if (sampler->due_ms <= now_ms)
        sampler->due_ms +=
            (now_ms - sampler->due_ms) / sampler->interval_ms * sampler->interval_ms +
            sampler->interval_ms;
    sl_timer_start(sampler->timer, sampler->due_ms - now_ms);
}

static void on_round(void *ctx)
{
    struct sampler *sampler = ctx;

    for (size_t i = 0; i < sampler->count && !sampler->stopped; i++) {
        if (sampler->probes[i].sample.command)
            run_command(&sampler->probes[i]);
        else
            read_file(&sampler->probes[i]);
    }
    if (sampler->stopped)
        return;
    if (sampler->rounds > 0)
        sampler->rounds--;
    if (sampler->rounds != 0)
        schedule(sampler);
    end_if_done(sampler);
}

static void sampler_resume(struct sl_source *source)
{
    (void)source; /* the next round comes anyway */
}

static void sampler_stop(struct sl_source *source)
{
    struct sampler *sampler = (struct sampler *)source;
    sampler->stopped = true;
    sl_timer_stop(sampler->timer);
    for (size_t i = 0; i < sampler->count; i++) {
        sl_process_cancel(sampler->probes[i].process);
        sampler->probes[i].process = NULL;
    }
}

static void sampler_free(struct sl_source *source)
{
    struct sampler *sampler = (struct sampler *)source;
    for (size_t i = 0; i < sampler->count; i++) {
        sl_process_cancel(sampler->probes[i].process);
        free(sampler->probes[i].what);
    }
    sl_timer_close(sampler->timer);
    free(sampler);
}

enum sl_status sl_source_sampler_new(struct sl_loop *loop, struct sl_runner *runner,
                                     const struct sl_sample *samples, size_t count,
                                     int64_t interval_ms, int64_t rounds, int64_t command_ms,
                                     struct sl_source **source)
{
    struct sampler *sampler = calloc(1, sizeof(*sampler) + count * sizeof(sampler->probes[0]));
    if (!sampler)
        return SL_NOMEM;
    sampler->source = (struct sl_source){sampler_resume, sampler_stop, sampler_free};
    sampler->loop = loop;
    sampler->runner = runner;
    sampler->interval_ms = interval_ms;
    sampler->command_ms = command_ms;
    sampler->rounds = rounds > 0 ? rounds : -1;
    sampler->due_ms = sl_loop_now_ms(loop);

    enum sl_status status = sl_timer_new(loop, on_round, sampler, &sampler->timer);
    for (size_t i = 0; status == SL_OK && i < count; i++) {
        struct probe *probe = &sampler->probes[sampler->count++];
        probe->sampler = sampler;
        probe->sample = samples[i];
        probe->what = strndup(samples[i].spec.what.at, samples[i].spec.what.len);
        if (!probe->what)
            status = SL_NOMEM;
    }
    if (status != SL_OK) {
        sampler_free(&sampler->source);
        return status;
    }
    sl_timer_start(sampler->timer, 0);
    *source = &sampler->source;
    return SL_OK;
}
