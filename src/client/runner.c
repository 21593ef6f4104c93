/* SPDX-License-Identifier: Apache-2.0 */
/* runner.c -- a client in an event loop; see runner.h. */
#include "client/runner.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/floor.h"
#include "client/ending.h"
#include "client/floor_file.h"
#include "client/lookup.h"
#include "client/pending.h"
#include "client/progress.h"

enum {
    RETRY_MS = 1000,     /* the spool failed: try again */
    FAREWELL_MS = 2000,  /* for the last acknowledgements after a signal */
    OFFSET_US = 1000000, /* clocks that differ by less aren't worth a line */
    TEXT_SIZE = 1024
};

struct sl_runner {
    struct sl_loop *loop;
    struct sl_log *log;
    struct sl_client *client;
    struct sl_lookup *lookup;
    struct sl_progress progress;
    struct sl_source *source; /* null before it is set */
    struct sl_watch *watch;   /* on watched_fd */
    int watched_fd;
    struct sl_timer *step_timer;
    bool step_is_next;          /* it is set for the loop's next turn */
    struct sl_timer *end_timer; /* --timeout, then the farewell */
    struct sl_signal *signals[3];
    int64_t timeout_ms;
    enum sl_runner_echo echo;
    struct sl_pending pending;
    bool spool_fails;
    bool source_waits; /* was told SL_LIMIT */
    bool full_told;    /* that the spool is full, since the last connection */
    bool drops_told;   /* that readings are given up, likewise */
    bool drops;        /* a full spool gives up its oldest readings */
    int64_t max_readings;
    struct sl_floor_file floor;

    bool ended;   /* the source */
    bool leaving; /* a signal came */
    struct sl_ending ending;
    int exit_code; /* -1 while running */
    char error[TEXT_SIZE];
};

int64_t sl_runner_now_us(const struct sl_runner *runner)
{
    int64_t now_us = sl_clock_wall_us();
    return sl_floor_is_above(sl_client_clock_floor_us(runner->client), now_us) ? SL_TIME_NONE
                                                                               : now_us;
}

const char *sl_runner_error(const struct sl_runner *runner)
{
    return runner->error;
}

/* One line for people; the progress line makes way for it. */
static void say(struct sl_runner *runner, enum sl_log_level level, const char *format,
                va_list arguments)
{
    char text[TEXT_SIZE];
    (void)vsnprintf(text, sizeof(text), format, arguments);
    if (!sl_log_shows(runner->log, level))
        return;
    sl_progress_hide(&runner->progress);
    sl_log_line(runner->log, level, "%s", text);
}

void sl_runner_tell(struct sl_runner *runner, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(runner, SL_LOG_STORY, format, arguments);
    va_end(arguments);
}

void sl_runner_warn(struct sl_runner *runner, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(runner, SL_LOG_WARNING, format, arguments);
    va_end(arguments);
}

void sl_runner_reject(struct sl_runner *runner, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(runner, SL_LOG_WARNING, format, arguments);
    va_end(arguments);
    runner->ending.rejected++;
}

void sl_runner_no_reading(struct sl_runner *runner)
{
    runner->ending.no_readings++;
}

/* How many numbers, gaps' too, the server has to be told of. */
static int64_t untold(const struct sl_runner *runner)
{
    struct sl_client_progress progress;
    sl_client_progress(runner->client, &progress);
    return progress.submitted - progress.acknowledged + sl_pending_left(&runner->pending);
}

/* How many readings are on disk and wait for the server. */
static int64_t kept(const struct sl_runner *runner)
{
    struct sl_client_progress progress;
    sl_client_progress(runner->client, &progress);
    return progress.kept - (int64_t)runner->pending.submitted;
}

static void leave(struct sl_runner *runner, int exit_code)
{
    if (runner->exit_code < 0)
        runner->exit_code = exit_code;
    sl_loop_stop(runner->loop);
}

/* Readings that wait stay in the spool; those that never reached it are lost, and that is said. */
static void leave_waiting(struct sl_runner *runner, const char *why)
{
    struct sl_rest rest = {.kept = kept(runner),
                           .lost = sl_pending_left(&runner->pending),
                           .input = runner->source_waits && !runner->ended};
    leave(runner, sl_ending_tell_rest(&runner->ending, runner, &rest, why, runner->ended));
}

static void leave_if_done(struct sl_runner *runner)
{
    const char *why = runner->ended ? "no more data" : "leaving";
    struct sl_client_progress progress;

    if (runner->exit_code >= 0 || !(runner->ended || runner->leaving))
        return;
    if (untold(runner) > 0) {
        if (runner->ending.misfit && runner->ended) /* waiting changes nothing */
            leave_waiting(runner, why);
        return;
    }
    sl_client_progress(runner->client, &progress);
    leave(runner,
          sl_ending_tell_done(&runner->ending, runner, progress.acknowledged, why, runner->ended));
}

static void write_floor(struct sl_runner *runner)
{
    sl_floor_file_keep(&runner->floor, runner, sl_client_clock_floor_us(runner->client),
                       sl_loop_now_ms(runner->loop));
}

/* Says how far this machine's clock is from the server's, where people would notice. */
static void tell_offset(struct sl_runner *runner, int64_t offset_us)
{
    double offset_s = (double)offset_us / 1e6;

    if (offset_us <= -OFFSET_US || offset_us >= OFFSET_US)
        sl_runner_warn(runner, "this machine's clock is %.1f s %s the server's",
                       offset_s < 0 ? -offset_s : offset_s, offset_s < 0 ? "ahead of" : "behind");
}

static void connected(struct sl_runner *runner, const struct sl_client_event *event)
{
    runner->ending.refused = false;
    runner->ending.misfit = false;
    runner->full_told = false;
    runner->drops_told = false;
    sl_runner_tell(runner, "connected to %s as %s (%s, %s%s)%s", event->server, event->name,
                   event->protocol, event->suite, event->resumed ? ", resumed" : "",
                   event->reason[0] ? " with a renewed certificate" : "");
    tell_offset(runner, event->offset_us);
    write_floor(runner);
    int64_t left = kept(runner);
    if (left > 1)
        sl_runner_tell(runner, "%" PRId64 " readings wait to be sent", left);
}

static void disconnected(struct sl_runner *runner, const struct sl_client_event *event)
{
    runner->ending.refused = event->refused;
    double pause_s = (double)event->retry_ms / 1000;
    if (event->refused)
        sl_runner_warn(runner, "not welcome: %s [%s]; asking again in %.0f s", event->text,
                       event->reason, pause_s);
    else
        sl_runner_warn(runner, "no connection: %s [%s]; trying again in %.1f s", event->text,
                       event->reason, pause_s);
}

static void on_event(void *ctx, const struct sl_client_event *event)
{
    struct sl_runner *runner = ctx;

    switch (event->kind) {
    case SL_CLIENT_CONNECTED:
        connected(runner, event);
        break;
    case SL_CLIENT_ACKNOWLEDGED:
        if (runner->echo >= SL_RUNNER_ECHO_ANSWERS && !sl_progress_shown(&runner->progress))
            sl_log_line(runner->log, SL_LOG_READING, "acknowledged up to %" PRId64, event->seq);
        break;
    case SL_CLIENT_REFUSED:
        sl_runner_warn(runner, "the server can't log reading %" PRId64 ": %s [%s]", event->seq,
                       event->text, event->reason);
        sl_ending_count_refused(&runner->ending, event->seq);
        break;
    case SL_CLIENT_DISCONNECTED:
        disconnected(runner, event);
        break;
    case SL_CLIENT_FAULT:
        sl_runner_warn(runner, "%s [%s]", event->text, event->reason);
        if (strcmp(event->reason, "spool-of-another-sensor") == 0)
            runner->ending.misfit = true;
        break;
    case SL_CLIENT_DROPPED: /* each time would be a line for each reading */
        runner->ending.given_up += event->count;
        if (!runner->drops_told)
            sl_runner_warn(runner, "%s, and the server is told of the gap [%s]", event->text,
                           event->reason);
        runner->drops_told = true;
        break;
    }
}

/* Gives the client what waits in memory; true where that was all of it. */
static bool submit_pending(struct sl_runner *runner)
{
    struct sl_pending *pending = &runner->pending;
    enum sl_status status = sl_pending_submit(pending, runner->client, SL_GAP_NOT_KEPT);

    for (; status == SL_BAD_INPUT && pending->submitted < pending->count;
         status = sl_pending_submit(pending, runner->client, SL_GAP_NOT_KEPT)) {
        const struct sl_pending_reading *bad = &pending->at[pending->submitted];
        sl_runner_reject(runner, "'%.*s' is not a reading: %s", (int)bad->len, bad->text,
                         sl_client_error(runner->client));
        sl_pending_reject(pending);
    }
    return status == SL_OK;
}

/* Says what the spool's failure or recovery means, once. */
static void note_spool(struct sl_runner *runner, bool fails)
{
    if (fails && !runner->spool_fails)
        sl_runner_warn(runner,
                       runner->drops ? "%s; new readings wait in memory until it works again"
                                     : "%s; nothing more is taken until it works again",
                       sl_client_error(runner->client));
    if (!fails && runner->spool_fails)
        sl_runner_warn(runner, "the spool works again");
    runner->spool_fails = fails;
}

/* One step of the client; returns in how many milliseconds the next one is due. */
static int64_t step_client(struct sl_runner *runner)
{
    struct sl_client_progress progress;

    if (runner->spool_fails || runner->ended || runner->leaving || runner->source_waits)
        sl_client_commit_now(runner->client);
    bool all = submit_pending(runner);
    enum sl_status status = sl_client_step(runner->client);
    sl_client_progress(runner->client, &progress);
    if (status != SL_OK || progress.uncommitted == 0)
        sl_pending_settle(&runner->pending, status == SL_OK);
    if (status == SL_OK && all && runner->pending.missed > 0) {
        sl_runner_warn(runner,
                       "%" PRId64 " readings couldn't be kept; the server is told of the gap "
                       "[" SL_GAP_NOT_KEPT "]",
                       runner->pending.missed);
        runner->ending.given_up += runner->pending.missed;
        runner->pending.missed = 0;
    }
    note_spool(runner, status != SL_OK || !all);

    int64_t due_ms = sl_client_deadline_ms(runner->client);
    return runner->spool_fails && due_ms > RETRY_MS ? RETRY_MS : due_ms;
}

static void step(struct sl_runner *runner);

static void on_ready(void *ctx, bool readable, bool writable)
{
    (void)readable;
    (void)writable;
    step(ctx);
}

static void on_timer(void *ctx)
{
    step(ctx);
}

/* Watches the client's descriptor for what it waits for now. */
static void watch_again(struct sl_runner *runner)
{
    int fd = sl_client_fd(runner->client);
    int wants = sl_client_wants(runner->client);

    if (fd != runner->watched_fd) {
        sl_watch_close(runner->watch);
        runner->watch = NULL;
        runner->watched_fd = -1;
    }
    if (fd < 0)
        return;
    bool readable = wants & SL_CLIENT_READABLE, writable = wants & SL_CLIENT_WRITABLE;
    enum sl_status status = SL_OK;
    if (!runner->watch)
        status = sl_watch_new(runner->loop, fd, on_ready, runner, &runner->watch);
    if (status == SL_OK) {
        runner->watched_fd = fd;
        status = sl_watch_set(runner->watch, readable, writable);
    }
    if (status != SL_OK) {
        sl_runner_warn(runner, "the connection can't be watched (%s)", sl_status_name(status));
        leave(runner, EX_OSERR);
    }
}

/* True where the spool holds as many readings as it may, and the source has to wait for that. */
static bool is_full(const struct sl_runner *runner)
{
    struct sl_client_progress progress;

    if (runner->drops || runner->max_readings == 0)
        return false;
    sl_client_progress(runner->client, &progress);
    return progress.kept >= runner->max_readings;
}

/* True where a source that was held back may go on, if only to be counted. */
static bool has_room(const struct sl_runner *runner)
{
    bool taken = runner->pending.count == 0 || (runner->spool_fails && runner->drops);
    return taken && !is_full(runner);
}

/* Lets a source that was held back go on. */
static void resume_source(struct sl_runner *runner)
{
    runner->source_waits = false;
    if (runner->ended || runner->leaving)
        return;
    sl_timer_stop(runner->end_timer); /* there was room in time */
    if (runner->source)
        runner->source->resume(runner->source);
}

/* For each reading, so it had better cost nothing. */
static void step_next(struct sl_runner *runner)
{
    if (!runner->step_is_next)
        sl_timer_start(runner->step_timer, 0);
    runner->step_is_next = true;
}

static void step(struct sl_runner *runner)
{
    runner->step_is_next = false;
    if (runner->ended && untold(runner) == 0) { /* nothing to connect for */
        leave_if_done(runner);
        return;
    }
    /* The step may close the descriptor and open another one of the same number. */
    if (runner->watch && sl_watch_set(runner->watch, false, false) != SL_OK)
        leave(runner, EX_OSERR);
    int64_t due_ms = step_client(runner);
    watch_again(runner);
    sl_timer_start(runner->step_timer, due_ms);

    struct sl_client_progress progress;
    sl_client_progress(runner->client, &progress);
    sl_progress_show(&runner->progress, &progress, sl_loop_now_ms(runner->loop));
    if (sl_floor_file_is_due(&runner->floor, sl_loop_now_ms(runner->loop)))
        write_floor(runner);
    leave_if_done(runner);
    if (runner->source_waits && has_room(runner) && runner->exit_code < 0)
        resume_source(runner);
}

/* Says once that the source is held back; no line for a moment's wait while a backlog drains. */
static void tell_full(struct sl_runner *runner)
{
    struct sl_client_progress progress;

    sl_client_progress(runner->client, &progress);
    if (runner->full_told || progress.connected)
        return;
    runner->full_told = true;
    sl_runner_warn(runner,
                   "the spool is full with %" PRId64
                   " readings: nothing more is taken until the server has some of them",
                   runner->max_readings);
}

/* Holds the source back, for as long as it may take at most. */
static enum sl_status hold_back(struct sl_runner *runner)
{
    if (!runner->source_waits && runner->timeout_ms > 0 && !runner->leaving)
        sl_timer_start(runner->end_timer, runner->timeout_ms);
    if (!runner->source_waits && !runner->spool_fails)
        step_next(runner); /* commits, whatever --spool-sync says */
    runner->source_waits = true;
    return SL_LIMIT;
}

enum sl_status sl_runner_take(struct sl_runner *runner, int64_t time_us, struct sl_bytes text)
{
    bool full = is_full(runner);

    if (full)
        tell_full(runner);
    if (runner->spool_fails && runner->drops && !runner->leaving &&
        (runner->pending.missed > 0 || runner->pending.count == SL_PENDING_MAX)) {
        runner->pending.missed++; /* after one that was missed, order wants all to be */
        return SL_OK;
    }
    bool waits = runner->pending.count == SL_PENDING_MAX || (runner->spool_fails && !runner->drops);
    if (full || waits || runner->leaving)
        return hold_back(runner);
    if (text.len > SL_SPOOL_TEXT_MAX) {
        (void)snprintf(runner->error, sizeof(runner->error), "it is too long");
        return SL_BAD_INPUT;
    }

    enum sl_status status = SL_OK;
    if (runner->pending.submitted == runner->pending.count)
        status = sl_client_submit_line(runner->client, time_us, text.at, text.len, NULL);
    if (status == SL_BAD_INPUT) {
        (void)snprintf(runner->error, sizeof(runner->error), "%s", sl_client_error(runner->client));
        return SL_BAD_INPUT;
    }
    sl_pending_add(&runner->pending, time_us, text);
    if (status == SL_OK) {
        runner->pending.submitted = runner->pending.count;
    } else if (!runner->spool_fails) {
        note_spool(runner, true);
        sl_timer_start(runner->step_timer, RETRY_MS);
        runner->step_is_next = false;
    }
    if (runner->echo == SL_RUNNER_ECHO_ALL)
        sl_log_line(runner->log, SL_LOG_READING, "%.*s", (int)text.len, text.at);
    if (!runner->spool_fails) /* else the retry is due in its time, however many readings come */
        step_next(runner);
    return SL_OK;
}

static void on_end(void *ctx)
{
    struct sl_runner *runner = ctx;

    leave_waiting(runner, runner->leaving ? "leaving" : "no acknowledgement in time");
}

void sl_runner_ended(struct sl_runner *runner)
{
    if (runner->ended)
        return;
    runner->ended = true;
    if (runner->timeout_ms > 0 && !runner->leaving)
        sl_timer_start(runner->end_timer, runner->timeout_ms);
    sl_timer_start(runner->step_timer, 0); /* perhaps everything is acknowledged already */
}

static void on_signal(void *ctx, int signum)
{
    struct sl_runner *runner = ctx;

    if (signum == SIGHUP) { /* perhaps with a renewed certificate: don't wait any longer */
        sl_client_reload(runner->client);
        sl_client_retry_now(runner->client);
        step(runner);
        return;
    }
    if (runner->leaving) { /* asked twice: at once */
        leave_waiting(runner, "leaving at once");
        return;
    }
    runner->leaving = true;
    if (runner->source)
        runner->source->stop(runner->source);
    step(runner); /* commits */
    struct sl_client_progress now;
    sl_client_progress(runner->client, &now);
    if (runner->exit_code < 0)
        sl_timer_start(runner->end_timer, now.connected ? FAREWELL_MS : 0);
}

static enum sl_status make_parts(struct sl_runner *runner)
{
    static const int signums[] = {SIGTERM, SIGINT, SIGHUP};

    enum sl_status status = sl_pending_init(&runner->pending);
    if (status == SL_OK)
        status = sl_timer_new(runner->loop, on_timer, runner, &runner->step_timer);
    if (status == SL_OK)
        status = sl_timer_new(runner->loop, on_end, runner, &runner->end_timer);
    if (status == SL_OK)
        status = sl_lookup_new(runner->loop, on_timer, runner, &runner->lookup);
    for (size_t i = 0; status == SL_OK && i < 3; i++)
        status = sl_signal_new(runner->loop, signums[i], on_signal, runner, &runner->signals[i]);
    return status;
}

static enum sl_status resolve(void *ctx, const char *host, struct sl_client_addresses *addresses)
{
    struct sl_runner *runner = ctx;
    return sl_lookup_ask(runner->lookup, host, addresses);
}

enum sl_status sl_runner_new(struct sl_loop *loop, const struct sl_runner_config *config,
                             struct sl_runner **runner, char *error, size_t error_size)
{
    struct sl_runner *made = calloc(1, sizeof(*made));
    if (!made) {
        (void)snprintf(error, error_size, "out of memory");
        return SL_NOMEM;
    }
    made->loop = loop;
    made->log = config->log;
    made->timeout_ms = config->timeout_ms;
    made->floor.path = config->floor_file;
    made->drops = config->client.spool_full == SL_CLIENT_DROP_OLDEST;
    made->max_readings = config->client.spool_max_readings;
    made->echo = config->echo;
    made->watched_fd = -1;
    made->exit_code = -1;
    sl_progress_init(&made->progress, !config->quiet);

    enum sl_status status = make_parts(made);
    if (status != SL_OK) {
        (void)snprintf(error, error_size, "the event loop can't be set up: %s",
                       sl_status_name(status));
    } else {
        struct sl_client_config client = config->client;
        client.resolve = resolve;
        client.on_event = on_event;
        client.ctx = made;
        status = sl_client_open(&client, &made->client, error, error_size);
    }
    if (status != SL_OK) {
        sl_runner_free(made);
        return status;
    }
    *runner = made;
    return SL_OK;
}

void sl_runner_set_source(struct sl_runner *runner, struct sl_source *source)
{
    assert(!runner->source);
    runner->source = source;
}

int sl_runner_run(struct sl_runner *runner)
{
    sl_timer_start(runner->step_timer, 0);
    while (runner->exit_code < 0)
        sl_loop_run(runner->loop);
    sl_progress_hide(&runner->progress);
    if (runner->floor.written_ms > 0)
        write_floor(runner);
    return runner->exit_code;
}

void sl_runner_free(struct sl_runner *runner)
{
    if (!runner)
        return;
    if (runner->source)
        runner->source->free(runner->source);
    sl_watch_close(runner->watch);
    sl_timer_close(runner->step_timer);
    sl_timer_close(runner->end_timer);
    for (size_t i = 0; i < sizeof(runner->signals) / sizeof(runner->signals[0]); i++)
        sl_signal_close(runner->signals[i]);
    sl_client_close(runner->client);
    sl_lookup_free(runner->lookup);
    sl_pending_clear(&runner->pending);
    free(runner);
}
