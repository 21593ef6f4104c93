/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format_reading.c -- readings as rows, SenML records and InfluxDB points.
 */
#include "store/format_reading.h"

#include <string.h>

static const struct sl_column table_columns[] = {
    {"time", SL_CELL_TIME, 24},   {"sensor", SL_CELL_TEXT, 10}, {"name", SL_CELL_TEXT, 12},
    {"value", SL_CELL_NUMBER, 8}, {"unit", SL_CELL_TEXT, 4},    {"seq", SL_CELL_INTEGER, 5},
};

static const struct sl_column columns[] = {
    {"received", SL_CELL_TIME, 0}, {"time", SL_CELL_TIME, 0},    {"sensor", SL_CELL_TEXT, 0},
    {"name", SL_CELL_TEXT, 0},     {"value", SL_CELL_NUMBER, 0}, {"unit", SL_CELL_TEXT, 0},
    {"stream", SL_CELL_TEXT, 0},   {"seq", SL_CELL_INTEGER, 0},
};

static int64_t best_time(const struct sl_logged *logged)
{
    return logged->time_us == SL_TIME_NONE ? logged->received_us : logged->time_us;
}

static enum sl_status add_table(struct sl_reading_writer *writer, const struct sl_logged *logged)
{
    const struct sl_cell cells[] = {{.number = best_time(logged)}, {.text = logged->sensor},
                                    {.text = logged->name},        {.text = logged->value},
                                    {.text = logged->unit},        {.number = logged->seq}};

    return sl_rows_add(&writer->rows, cells);
}

static enum sl_status add_row(struct sl_reading_writer *writer, const struct sl_logged *logged)
{
    const struct sl_cell cells[] = {{.number = logged->received_us}, {.number = logged->time_us},
                                    {.text = logged->sensor},        {.text = logged->name},
                                    {.text = logged->value},         {.text = logged->unit},
                                    {.text = logged->stream},        {.number = logged->seq}};

    return sl_rows_add(&writer->rows, cells);
}

/*
 * RFC 8428, section 4.5.3: below 2^28 a time is relative to now. A sensor whose clock stood in the
 * 1970s is given the time received instead.
 */
static int64_t senml_time(const struct sl_logged *logged)
{
    int64_t time = best_time(logged);

    return time < (INT64_C(1) << 28) * 1000000 ? logged->received_us : time;
}

/*
 * RFC 8428: `bn` holds until it is given anew, so it stands once for each run of one sensor's
 * readings.
 */
static void put_base_name(struct sl_reading_writer *writer, struct sl_bytes sensor)
{
    FILE *out = writer->rows.out;
    struct sl_bytes known = {.at = writer->sensor, .len = writer->sensor_len};

    if (!writer->rows.lines && writer->rows.written > 0 && sl_bytes_equal(known, sensor))
        return;
    (void)fputs("\"bn\":\"urn:sensor:", out);
    sl_format_bytes(out, sensor);
    (void)fputs(":\",", out);
    writer->sensor_len = 0;
    if (sensor.len <= sizeof writer->sensor) {
        memcpy(writer->sensor, sensor.at, sensor.len);
        writer->sensor_len = sensor.len;
    }
}

/* Names of sensors and readings consist of what RFC 8428, section 4.5.1, allows in a name. */
static enum sl_status add_senml(struct sl_reading_writer *writer, const struct sl_logged *logged)
{
    char time[SL_TIME_TEXT_SIZE];
    struct sl_rows *rows = &writer->rows;

    if (rows->lines || rows->written == 0)
        (void)fputs("[{", rows->out);
    else
        (void)fputs(",\n{", rows->out);
    put_base_name(writer, logged->sensor);
    (void)fputs("\"n\":\"", rows->out);
    sl_format_bytes(rows->out, logged->name);
    (void)putc('"', rows->out);
    if (logged->unit.len > 0) {
        (void)fputs(",\"u\":", rows->out);
        sl_format_json_string(rows->out, logged->unit);
    }
    (void)fputs(",\"v\":", rows->out);
    sl_format_bytes(rows->out, logged->value);
    (void)sl_time_print_unix(senml_time(logged), time);
    (void)fputs(",\"t\":", rows->out);
    (void)fputs(time, rows->out);
    (void)fputs(rows->lines ? "}]\n" : "}", rows->out);
    rows->written++;
    return sl_format_check(rows->out);
}

static void put_tag(FILE *out, struct sl_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr(", =", text.at[i], 3) != NULL)
            (void)putc('\\', out);
        (void)putc(text.at[i], out);
    }
}

/*
 * A unit that ends in a backslash is left out: line protocol has no way to write one before the
 * blank that ends the tags. Nanoseconds are the microseconds with three zeros, which never
 * overflows.
 */
static enum sl_status add_influx(struct sl_reading_writer *writer, const struct sl_logged *logged)
{
    FILE *out = writer->rows.out;
    int64_t time = best_time(logged);
    char room[SL_INTEGER_SIZE];

    put_tag(out, logged->name);
    (void)fputs(",sensor=", out);
    put_tag(out, logged->sensor);
    if (logged->unit.len > 0 && logged->unit.at[logged->unit.len - 1] != '\\') {
        (void)fputs(",unit=", out);
        put_tag(out, logged->unit);
    }
    (void)fputs(" value=", out);
    sl_format_bytes(out, logged->value);
    (void)putc(' ', out);
    sl_format_bytes(out, sl_format_integer(time, room));
    (void)fputs(time == 0 ? "\n" : "000\n", out);
    writer->rows.written++;
    return sl_format_check(out);
}

enum sl_status sl_reading_writer_begin(struct sl_reading_writer *writer, FILE *out,
                                       enum sl_format format, bool following, bool bold)
{
    bool table = format == SL_FORMAT_TABLE;

    *writer = (struct sl_reading_writer){
        .rows = {.out = out,
                 .format = format,
                 .columns = table ? table_columns : columns,
                 .count = table ? sizeof table_columns / sizeof table_columns[0]
                                : sizeof columns / sizeof columns[0],
                 .lines = following,
                 .bold = bold}};
    return format <= SL_FORMAT_JSON ? sl_rows_begin(&writer->rows) : SL_OK;
}

enum sl_status sl_reading_writer_add(struct sl_reading_writer *writer,
                                     const struct sl_logged *logged)
{
    switch (writer->rows.format) {
    case SL_FORMAT_TABLE:
        return add_table(writer, logged);
    case SL_FORMAT_SENML:
        return add_senml(writer, logged);
    case SL_FORMAT_INFLUX:
        return add_influx(writer, logged);
    case SL_FORMAT_CSV:
    case SL_FORMAT_JSON:
        break;
    }
    return add_row(writer, logged);
}

enum sl_status sl_reading_writer_end(struct sl_reading_writer *writer)
{
    struct sl_rows *rows = &writer->rows;

    if (rows->format <= SL_FORMAT_JSON)
        return sl_rows_end(rows);
    if (rows->format == SL_FORMAT_SENML && !rows->lines)
        (void)fputs(rows->written == 0 ? "[]\n" : "]\n", rows->out);
    return sl_format_check(rows->out);
}
