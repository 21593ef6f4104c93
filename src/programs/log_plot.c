/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_plot.c -- readings as lines of text.
 *
 * The readings are gone through twice: once to know how long and how high, once to fill the lines.
 * What is logged in between falls outside what was found first and is left out.
 */
#include "programs/log_plot.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "wire/reading.h"

enum { PLOT_ROWS = 20, PLOT_COLUMNS = 46, TIME_LEN = 19 };

struct row {
    int64_t count;
    double least;
    double greatest;
    double sum;
};

struct plot {
    struct sl_log_request *request;
    int64_t count;
    int64_t begin_us; /* first pass: of the oldest; second: of the first line */
    int64_t end_us;   /* of the newest */
    int64_t step_us;  /* a line's stretch of time */
    double least;
    double greatest;
    char series[2 * SL_NAME_MAX + SL_UNIT_BYTES_MAX + 8]; /* `sensor name [unit]` */
    struct row rows[PLOT_ROWS + 1];
};

static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static double greater(double a, double b)
{
    return a > b ? a : b;
}

static int64_t time_of(const struct sl_logged *logged)
{
    return logged->time_us == SL_TIME_NONE ? logged->received_us : logged->time_us;
}

/* A plot is for the eye: here, and nowhere else, a value becomes a double. */
static double number_of(const struct sl_logged *logged)
{
    char text[SL_VALUE_SIZE] = "";
    size_t len = logged->value.len < sizeof text - 1 ? logged->value.len : sizeof text - 1;

    memcpy(text, logged->value.at, len);
    return strtod(text, NULL);
}

static void name_series(const struct sl_logged *logged, char *series, size_t size)
{
    char sensor[SL_NAME_MAX + 1];
    char name[SL_NAME_MAX + 1];
    char unit[SL_UNIT_BYTES_MAX + 1];

    (void)snprintf(sensor, sizeof sensor, "%.*s", (int)logged->sensor.len, logged->sensor.at);
    (void)snprintf(name, sizeof name, "%.*s", (int)logged->name.len, logged->name.at);
    (void)snprintf(unit, sizeof unit, "%.*s", (int)logged->unit.len, logged->unit.at);
    (void)snprintf(series, size, unit[0] != '\0' ? "%s %s [%s]" : "%s %s%s", sensor, name, unit);
}

static enum sl_status measure(void *ctx, const struct sl_logged *logged)
{
    struct plot *plot = ctx;
    char series[sizeof plot->series];
    double number = number_of(logged);
    int64_t time = time_of(logged);

    name_series(logged, series, sizeof series);
    if (plot->count == 0) {
        memcpy(plot->series, series, sizeof series);
        plot->begin_us = plot->end_us = time;
        plot->least = plot->greatest = number;
    }
    if (strcmp(series, plot->series) != 0) {
        (void)fprintf(
            stderr,
            "sensorlink-log: a plot shows one series, and this would be %s as well as %s: "
            "choose with --sensor, --name and --unit\n",
            plot->series, series);
        return SL_DENIED;
    }
    plot->count++;
    plot->begin_us = time < plot->begin_us ? time : plot->begin_us;
    plot->end_us = time > plot->end_us ? time : plot->end_us;
    plot->least = lesser(plot->least, number);
    plot->greatest = greater(plot->greatest, number);
    return SL_OK;
}

/* A stretch that people count in, such that PLOT_ROWS of them hold everything. */
static int64_t choose_step(int64_t begin_us, int64_t end_us)
{
    static const int64_t seconds[] = {1,       2,       5,       10,      15,     30,     60,
                                      120,     300,     600,     900,     1800,   3600,   7200,
                                      10800,   21600,   43200,   86400,   172800, 604800, 1209600,
                                      2419200, 4838400, 9676800, 31536000};
    int64_t span = end_us / 1000000 - begin_us / 1000000;

    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        if (span / seconds[i] < PLOT_ROWS - 1)
            return seconds[i] * 1000000;
    return (span / (PLOT_ROWS - 1) + 1) * 1000000;
}

static enum sl_status fill(void *ctx, const struct sl_logged *logged)
{
    struct plot *plot = ctx;
    int64_t time = time_of(logged);
    double number = number_of(logged);

    if (time < plot->begin_us || time > plot->end_us)
        return SL_OK;

    struct row *row = &plot->rows[(time - plot->begin_us) / plot->step_us];

    row->least = row->count == 0 ? number : lesser(row->least, number);
    row->greatest = row->count == 0 ? number : greater(row->greatest, number);
    row->sum += number;
    row->count++;
    return SL_OK;
}

/*
 * The column of a number, 0 to PLOT_COLUMNS - 1. Halves, because greatest - least may be infinite;
 * and a mean of huge numbers may be no number at all, which is neither above 0 nor below 1.
 */
static size_t column_of(const struct plot *plot, double number)
{
    double height = plot->greatest / 2 - plot->least / 2;
    double share = height > 0 ? (number / 2 - plot->least / 2) / height : 0.5;

    if (!(share > 0))
        share = 0;
    else if (share > 1)
        share = 1;
    return (size_t)(share * (PLOT_COLUMNS - 1) + 0.5);
}

static void print_row(const struct plot *plot, int64_t time_us, const struct row *row)
{
    FILE *out = plot->request->out;
    char time[SL_TIME_TEXT_SIZE];
    char line[PLOT_COLUMNS + 1];

    (void)sl_time_print_iso(time_us, time);
    if (row->count == 0) {
        (void)fprintf(out, "%.*s\n", TIME_LEN, time);
        return;
    }

    double mean = row->sum / (double)row->count;
    size_t from = column_of(plot, row->least);
    size_t to = column_of(plot, row->greatest);

    memset(line, ' ', sizeof line);
    memset(line + from, '-', to - from + 1);
    line[column_of(plot, mean)] = 'o';
    line[to + 1] = '\0';
    (void)fprintf(out, "%.*s %11.5g  %s\n", TIME_LEN, time, mean, line);
}

static enum sl_status print_plot(const struct plot *plot)
{
    FILE *out = plot->request->out;
    int64_t last = (plot->end_us - plot->begin_us) / plot->step_us;

    (void)fprintf(out, "%s: %lld readings, a line is %lld s: o mean, - least to greatest\n",
                  plot->series, (long long)plot->count, (long long)(plot->step_us / 1000000));
    (void)fprintf(out, "%-*s %11s  %-*.6g%*.6g\n", TIME_LEN, "time (UTC)", "mean", PLOT_COLUMNS / 2,
                  plot->least, PLOT_COLUMNS / 2, plot->greatest);
    for (int64_t i = 0; i <= last; i++)
        print_row(plot, plot->begin_us + i * plot->step_us, &plot->rows[i]);
    return sl_format_flush(out);
}

enum sl_status sl_log_plot(struct sl_log_request *request, int *result)
{
    struct plot plot = {.request = request};
    enum sl_status status =
        sl_reader_readings(request->reader, &request->filter, request->last, measure, &plot);

    *result = EX_OK;
    if (status == SL_DENIED) {
        *result = EX_USAGE;
        return SL_OK;
    }
    if (status == SL_OK && plot.count == 0) {
        (void)fprintf(stderr, "no readings to plot\n");
        return SL_OK;
    }
    if (status == SL_OK) {
        plot.step_us = choose_step(plot.begin_us, plot.end_us);
        plot.begin_us -= plot.begin_us % plot.step_us;
        sl_reader_rewind(request->reader);
        status = sl_reader_readings(request->reader, &request->filter, request->last, fill, &plot);
    }
    return status == SL_OK ? print_plot(&plot) : status;
}
