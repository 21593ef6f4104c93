/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_commands.c -- the commands of sensorlink-log.
 *
 * A command that finds nothing says so on the terminal or in the log of whoever runs it (standard
 * error), and is a success: an empty store is not a fault. But verify is asked for a verdict, and
 * there is none on a sensor that the store doesn't know.
 */
#include "programs/log_commands.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "programs/log_plot.h"
#include "store/format_reading.h"

enum { POLL_MS = 200 };

#define DAY_US INT64_C(86400000000)

/* One command under way. */
struct run {
    struct sl_log_request *request;
    struct sl_rows rows;
    struct sl_reading_writer writer;
    int64_t seen; /* rows or readings given */
    bool enough;  /* tail: the count is reached */
    bool sound;   /* verify: no stream was anything but complete */
};

static void say_nothing_found(const struct sl_log_request *request, const char *what)
{
    const char *of = request->filter.sensor != NULL ? " of sensor " : "";
    const char *sensor = request->filter.sensor != NULL ? request->filter.sensor : "";
    bool narrow = request->filter.name != NULL || request->filter.unit != NULL ||
                  request->filter.since_us != SL_TIME_NONE ||
                  request->filter.until_us != SL_TIME_NONE;

    (void)fprintf(
        stderr, narrow ? "no %s%s%s with this name and unit and in this time\n" : "no %s%s%s yet\n",
        what, of, sensor);
}

static struct sl_rows rows_of(const struct sl_log_request *request, const struct sl_column *columns,
                              size_t count)
{
    return (struct sl_rows){.out = request->out,
                            .format = request->format,
                            .columns = columns,
                            .count = count,
                            .bold = request->terminal};
}

/* Ends a list, and flushes it so that a full disk is seen here. */
static enum sl_status finish_rows(struct run *run, enum sl_status status, const char *what)
{
    if (status == SL_OK)
        status = sl_rows_end(&run->rows);
    if (status == SL_OK)
        status = sl_format_flush(run->request->out);
    if (status == SL_OK && run->seen == 0)
        say_nothing_found(run->request, what);
    return status;
}

/* Days until the certificate's end, rounded down: -1 on the day after it. Empty: not known. */
static struct sl_bytes days_left(int64_t cert_until_us, char text[static SL_TIME_TEXT_SIZE])
{
    if (cert_until_us < 0)
        return sl_bytes_of("");

    int64_t left_us = cert_until_us - sl_clock_wall_us();
    int64_t days = left_us / DAY_US - (left_us % DAY_US < 0);

    (void)snprintf(text, SL_TIME_TEXT_SIZE, "%" PRId64, days);
    return sl_bytes_of(text);
}

/* A clock's offset in seconds; for people with its sign and unit. Empty: not known. */
static struct sl_bytes offset(int64_t offset_us, bool people, char text[static SL_TIME_TEXT_SIZE])
{
    if (offset_us == SL_TIME_NONE)
        return sl_bytes_of("");
    if (people)
        (void)snprintf(text, SL_TIME_TEXT_SIZE, "%+.3f s", (double)offset_us / 1e6);
    else
        (void)sl_time_print_unix(offset_us, text);
    return sl_bytes_of(text);
}

static enum sl_status give_sensor(void *ctx, const struct sl_logged_sensor *sensor)
{
    struct run *run = ctx;
    char days[SL_TIME_TEXT_SIZE];
    char ahead[SL_TIME_TEXT_SIZE];
    bool people = run->rows.format == SL_FORMAT_TABLE;
    const struct sl_cell cells[] = {{.text = sensor->name},
                                    {.number = sensor->readings},
                                    {.number = sensor->streams},
                                    {.number = sensor->first_seen_us},
                                    {.number = sensor->last_seen_us},
                                    {.text = days_left(sensor->cert_until_us, days)},
                                    {.text = offset(sensor->clock_offset_us, people, ahead)}};

    run->seen++;
    return sl_rows_add(&run->rows, cells);
}

static enum sl_status list_sensors(struct sl_log_request *request, int *result)
{
    static const struct sl_column columns[] = {
        {"sensor", SL_CELL_TEXT, 12},    {"readings", SL_CELL_INTEGER, 0},
        {"streams", SL_CELL_INTEGER, 0}, {"first_seen", SL_CELL_TIME, 24},
        {"last_seen", SL_CELL_TIME, 24}, {"cert_days", SL_CELL_NUMBER, 0},
        {"clock", SL_CELL_NUMBER, 12}};
    struct run run = {.request = request,
                      .rows = rows_of(request, columns, sizeof columns / sizeof columns[0])};
    enum sl_status status = sl_rows_begin(&run.rows);

    *result = 0;
    if (status == SL_OK)
        status = sl_reader_sensors(request->reader, &request->filter, give_sensor, &run);
    return finish_rows(&run, status, "sensors");
}

static enum sl_status give_gap(void *ctx, const struct sl_logged_gap *gap)
{
    struct run *run = ctx;
    const struct sl_cell cells[] = {{.number = gap->received_us}, {.text = gap->sensor},
                                    {.text = gap->stream},        {.number = gap->first},
                                    {.number = gap->last},        {.text = gap->reason}};

    run->seen++;
    return sl_rows_add(&run->rows, cells);
}

static enum sl_status list_gaps(struct sl_log_request *request, int *result)
{
    static const struct sl_column columns[] = {
        {"received", SL_CELL_TIME, 24}, {"sensor", SL_CELL_TEXT, 10}, {"stream", SL_CELL_TEXT, 6},
        {"first", SL_CELL_INTEGER, 0},  {"last", SL_CELL_INTEGER, 0}, {"reason", SL_CELL_TEXT, 0}};
    struct run run = {.request = request,
                      .rows = rows_of(request, columns, sizeof columns / sizeof columns[0])};
    enum sl_status status = sl_rows_begin(&run.rows);

    *result = 0;
    if (status == SL_OK)
        status = sl_reader_gaps(request->reader, &request->filter, give_gap, &run);
    return finish_rows(&run, status, "gaps");
}

static enum sl_status give_reading(void *ctx, const struct sl_logged *logged)
{
    struct run *run = ctx;

    run->seen++;
    return sl_reading_writer_add(&run->writer, logged);
}

static enum sl_status list_readings(struct sl_log_request *request, int *result)
{
    struct run run = {.request = request};
    enum sl_status status = sl_reading_writer_begin(&run.writer, request->out, request->format,
                                                    false, request->terminal);

    *result = 0;
    if (status == SL_OK)
        status = sl_reader_readings(request->reader, &request->filter, request->last, give_reading,
                                    &run);
    if (status == SL_OK)
        status = sl_reading_writer_end(&run.writer);
    if (status == SL_OK)
        status = sl_format_flush(request->out);
    if (status == SL_OK && run.seen == 0)
        say_nothing_found(request, "readings");
    return status;
}

/* The status that stops the reader is no fault of the store: run->enough tells it from one. */
static enum sl_status give_new_reading(void *ctx, const struct sl_logged *logged)
{
    struct run *run = ctx;
    enum sl_status status = give_reading(ctx, logged);

    if (status != SL_OK || run->request->count == 0 || run->seen < run->request->count)
        return status;
    run->enough = true;
    return SL_CLOSED;
}

/*
 * Waits a moment for more, or for the end of whoever reads our output: poll() on the output answers
 * at once when a pipe loses its reader, and otherwise not before its time.
 */
static enum sl_status wait_a_moment(FILE *out)
{
    struct pollfd end = {.fd = fileno(out), .events = 0};

    /* An interrupted wait is a short one. */
    if (poll(&end, 1, POLL_MS) == 1 && (end.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0)
        return SL_CUT;
    return SL_OK;
}

static enum sl_status follow(struct run *run)
{
    struct sl_log_request *request = run->request;
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        bool changed = false;

        status = sl_reader_changed(request->reader, &changed);
        if (status == SL_OK && changed)
            status = sl_reader_readings(request->reader, &request->filter, SL_READER_ALL,
                                        give_new_reading, run);
        if (status == SL_OK && changed)
            status = sl_format_flush(request->out);
        if (status == SL_OK)
            status = wait_a_moment(request->out);
    }
    return run->enough ? sl_format_flush(request->out) : status;
}

static enum sl_status tail(struct sl_log_request *request, int *result)
{
    struct run run = {.request = request};
    enum sl_status status = sl_reading_writer_begin(&run.writer, request->out, request->format,
                                                    true, request->terminal);

    *result = 0;
    if (status == SL_OK)
        status = sl_reader_readings(request->reader, &request->filter, request->last, give_reading,
                                    &run);
    if (status == SL_OK)
        status = sl_format_flush(request->out);
    if (status == SL_OK && run.seen == 0 && request->terminal)
        (void)fprintf(stderr, "no readings yet; waiting\n");
    run.seen = 0;
    return status == SL_OK ? follow(&run) : status;
}

/* One line a stream: who, which, how far, and "complete" or everything that is wrong. */
static enum sl_status give_verified(void *ctx, const struct sl_verified *verified)
{
    struct run *run = ctx;
    FILE *out = run->request->out;
    bool sound = verified->missing == 0 && verified->twice == 0 && verified->damaged == 0;

    run->seen++;
    run->sound = run->sound && sound;
    sl_format_bytes(out, verified->sensor);
    (void)putc(' ', out);
    sl_format_bytes(out, verified->stream);
    if (verified->last == 0)
        (void)fprintf(out, " empty");
    else
        (void)fprintf(out, " 1..%lld", (long long)verified->last);
    (void)fprintf(out, ": %lld readings, %lld in gaps", (long long)verified->readings,
                  (long long)verified->gaps);
    if (sound)
        (void)fputs(", complete", out);
    if (verified->missing > 0)
        (void)fprintf(out, ", %lld MISSING from %lld on", (long long)verified->missing,
                      (long long)verified->missing_first);
    if (verified->twice > 0)
        (void)fprintf(out, ", %lld blocks or gaps OVERLAP or go beyond",
                      (long long)verified->twice);
    if (verified->damaged > 0)
        (void)fprintf(out, ", %lld blocks DAMAGED", (long long)verified->damaged);
    (void)putc('\n', out);
    return sl_format_check(out);
}

static enum sl_status count_sensor(void *ctx, const struct sl_logged_sensor *sensor)
{
    int *count = ctx;

    (void)sensor;
    (*count)++;
    return SL_OK;
}

static enum sl_status verify(struct sl_log_request *request, int *result)
{
    struct run run = {.request = request, .sound = true};
    int known = 0;
    enum sl_status status =
        sl_reader_sensors(request->reader, &request->filter, count_sensor, &known);

    if (status == SL_OK && known == 0 && request->filter.sensor != NULL) {
        (void)fprintf(stderr, "the store knows no sensor '%s'; 'sensors' lists those it knows\n",
                      request->filter.sensor);
        *result = EX_NOINPUT;
        return SL_OK;
    }
    if (status == SL_OK)
        status = sl_reader_verify(request->reader, &request->filter, give_verified, &run);
    if (status == SL_OK)
        status = sl_format_flush(request->out);
    if (status == SL_OK && run.seen == 0)
        say_nothing_found(request, "streams");
    *result = run.sound ? 0 : 1;
    return status;
}

const struct sl_log_command *sl_log_command_find(const char *name)
{
    static const struct sl_log_command commands[] = {
        {"sensors", list_sensors, .formats = true},
        {"readings", list_readings, .formats = true, .points = true, .last = true},
        {"gaps", list_gaps, .formats = true},
        {"tail", tail, .formats = true, .points = true, .last = true},
        {"plot", sl_log_plot, .last = true},
        {"verify", verify, .formats = false},
    };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
