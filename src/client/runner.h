/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.h -- runs one client in an event loop for a program: takes readings from a source, drives
 * the link, tells the story, and knows when it's time to leave and with which exit code.
 *
 * A reading that was taken stays in memory until the spool has committed it. While the spool can't
 * (a full disk), nothing more is taken, it is said once, and tried again every second.
 *
 * Memory   Made by sl_runner_new(). About 2 MB: room for 4,096 readings that aren't committed yet.
 * Threads  The loop's.
 */
#ifndef SL_CLIENT_RUNNER_H
#define SL_CLIENT_RUNNER_H

#include <stdbool.h>

#include "base/log.h"
#include "net/loop.h"
#include "sensorlink/sensorlink.h"
#include "wire/reading.h"

struct sl_runner;

/*
 * While the spool's disk fails, the runner holds what it was given in memory and tries again. Then
 * it depends on client.spool_full: with SL_CLIENT_BLOCK the source has to wait; else what comes
 * when the memory is full is counted, and becomes a gap once the disk works (SL_GAP_NOT_KEPT). A
 * crash before that loses the count: those numbers were never given out.
 */
#define SL_GAP_NOT_KEPT "not-kept"

/* What a runner does with the source that feeds it; a source's own struct begins with this. */
struct sl_source {
    void (*resume)(struct sl_source *source); /* there is room again after SL_LIMIT */
    void (*stop)(struct sl_source *source);   /* take no more readings, call nothing; once */
    void (*free)(struct sl_source *source);   /* null is never passed */
};

/* What the log shows of readings that go well. */
enum sl_runner_echo {
    SL_RUNNER_ECHO_NOTHING,
    SL_RUNNER_ECHO_ANSWERS, /* acknowledgements */
    SL_RUNNER_ECHO_ALL      /* each reading too */
};

struct sl_runner_config {
    struct sl_client_config client; /* resolve, on_event and ctx are the runner's */
    struct sl_log *log;
    int64_t timeout_ms;     /* for the last acknowledgement after the source's end, and for room
                               where the source is held back; 0: no limit */
    const char *floor_file; /* where the floor under the clock is kept; null: nowhere */
    bool quiet;             /* nothing but what needs a person */
    enum sl_runner_echo echo;
};

/*
 * SL_OK  `*runner` is the caller's, owns config->client.spool, and borrows loop and log.
 * Others as sl_client_open(), with `error`; SL_IO where the loop can't hold it.
 */
SL_MUST_USE enum sl_status sl_runner_new(struct sl_loop *loop,
                                         const struct sl_runner_config *config,
                                         struct sl_runner **runner, char *error, size_t error_size);

/* Who feeds it; the runner frees it. */
void sl_runner_set_source(struct sl_runner *runner, struct sl_source *source);

/*
 * Takes `name: value[ unit]`, 400 bytes at most. `time_us` as in sl_client_submit_line().
 * SL_OK         It will be on disk soon, and sent. Where the spool may drop readings and its disk
 *               fails for long, it may also be one that becomes a gap.
 * SL_BAD_INPUT  Not a reading; sl_runner_error() says why.
 * SL_LIMIT      Not now: the source's `resume` is called when there is room.
 */
SL_MUST_USE enum sl_status sl_runner_take(struct sl_runner *runner, int64_t time_us,
                                          struct sl_bytes text);
const char *sl_runner_error(const struct sl_runner *runner);

/* Something of the input couldn't be taken and is lost: said, counted, and in the exit code. */
void sl_runner_reject(struct sl_runner *runner, const char *format, ...) SL_PRINTF(2, 3);

/* One sentence of the story, which --quiet leaves out. */
void sl_runner_tell(struct sl_runner *runner, const char *format, ...) SL_PRINTF(2, 3);

/* A round of a source gave no reading: counted, and in the exit code of a source that ends. */
void sl_runner_no_reading(struct sl_runner *runner);

/* Something that passes, such as a sensor that doesn't answer: said only. */
void sl_runner_warn(struct sl_runner *runner, const char *format, ...) SL_PRINTF(2, 3);

/* The time to give a reading taken now: SL_TIME_NONE where the clock can't be right (floor.h). */
int64_t sl_runner_now_us(const struct sl_runner *runner);

/* No more readings will come: leave when all are acknowledged. */
void sl_runner_ended(struct sl_runner *runner);

/* Runs the loop until it's time to leave; the exit code (sysexits.h). */
int sl_runner_run(struct sl_runner *runner);

/* Closes the link and the source. Null is allowed. */
void sl_runner_free(struct sl_runner *runner);

#endif
