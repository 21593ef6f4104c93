/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format.c -- tables, CSV and JSON.
 */
#include "store/format.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "wire/reading.h"

enum { CELL_SIZE = 1024 };

enum sl_status sl_format_find(const char *name, enum sl_format *format)
{
    static const char *const names[] = {[SL_FORMAT_TABLE] = "table",
                                        [SL_FORMAT_CSV] = "csv",
                                        [SL_FORMAT_JSON] = "json",
                                        [SL_FORMAT_SENML] = "senml",
                                        [SL_FORMAT_INFLUX] = "influx"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *format = (enum sl_format)i;
            return SL_OK;
        }
    }
    return SL_BAD_INPUT;
}

enum sl_status sl_format_check(FILE *out)
{
    if (!ferror(out))
        return SL_OK;
    return errno == EPIPE ? SL_CUT : SL_IO;
}

enum sl_status sl_format_flush(FILE *out)
{
    if (fflush(out) == 0)
        return sl_format_check(out);
    return errno == EPIPE ? SL_CUT : SL_IO;
}

void sl_format_bytes(FILE *out, struct sl_bytes bytes)
{
    if (bytes.len > 0)
        (void)fwrite(bytes.at, 1, bytes.len, out);
}

/* RFC 8259, section 7. What needs no escape is written in one piece. */
void sl_format_json_string(FILE *out, struct sl_bytes text)
{
    size_t from = 0;

    (void)putc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        sl_format_bytes(out, (struct sl_bytes){text.at + from, i - from});
        from = i;
        if (c < 0x20) {
            (void)fprintf(out, "\\u%04x", c);
            from++;
        } else {
            (void)putc('\\', out);
        }
    }
    sl_format_bytes(out, (struct sl_bytes){text.at + from, text.len - from});
    (void)putc('"', out);
}

struct sl_bytes sl_format_integer(int64_t number, char room[static SL_INTEGER_SIZE])
{
    uint64_t distance = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t sign = number < 0;

    room[0] = '-';
    return (struct sl_bytes){room, sign + sl_digits_print(distance, room + sign)};
}

/* A cell that isn't text as text, in `room`. */
static struct sl_bytes cell_text(const struct sl_column *column, const struct sl_cell *cell,
                                 bool people, char room[static CELL_SIZE])
{
    switch (column->kind) {
    case SL_CELL_INTEGER:
        return sl_format_integer(cell->number, room);
    case SL_CELL_TIME:
        if (cell->number == SL_TIME_NONE)
            return sl_bytes_of("");
        return (struct sl_bytes){room, people ? sl_time_print_iso(cell->number, room)
                                              : sl_time_print_unix(cell->number, room)};
    case SL_CELL_TEXT:
    case SL_CELL_NUMBER:
        break;
    }
    return cell->text;
}

/* Bytes that don't continue a UTF-8 sequence are what takes a place on the terminal. */
static int width_of(struct sl_bytes text)
{
    int width = 0;

    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return width;
}

static void put_blanks(FILE *out, int count)
{
    static const char blanks[] = "                                ";
    const int most = sizeof blanks - 1;

    for (; count > 0; count -= most)
        sl_format_bytes(out, (struct sl_bytes){blanks, (size_t)(count < most ? count : most)});
}

static void put_aligned(struct sl_rows *rows, size_t at, struct sl_bytes text)
{
    bool right =
        rows->columns[at].kind == SL_CELL_NUMBER || rows->columns[at].kind == SL_CELL_INTEGER;
    int width = width_of(text);

    if (width > rows->widths[at])
        rows->widths[at] = width;
    if (at > 0)
        put_blanks(rows->out, 2);
    if (right)
        put_blanks(rows->out, rows->widths[at] - width);
    sl_format_bytes(rows->out, text);
    if (!right && at + 1 < rows->count)
        put_blanks(rows->out, rows->widths[at] - width);
}

static void table_head(struct sl_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        rows->widths[i] = rows->columns[i].width;
    if (rows->bold)
        (void)fputs("\033[1m", rows->out);
    for (size_t i = 0; i < rows->count; i++)
        put_aligned(rows, i, sl_bytes_of(rows->columns[i].name));
    (void)fputs(rows->bold ? "\033[0m\n" : "\n", rows->out);
}

/* A terminal must not be ruled by what stands in a file, whoever wrote it. */
static void table_row(struct sl_rows *rows, const struct sl_cell *cells)
{
    char room[CELL_SIZE];

    /* The head waits for the first row, so that an empty store gets a sentence and no head. */
    if (rows->written == 0)
        table_head(rows);
    for (size_t i = 0; i < rows->count; i++) {
        struct sl_bytes text = cell_text(&rows->columns[i], &cells[i], true, room);

        if (!sl_text_is_clean(text))
            text = sl_bytes_of(sl_log_clean(text, room, sizeof room));
        bool left_out = i + 1 == rows->count && rows->columns[i].kind == SL_CELL_TEXT;

        put_aligned(rows, i, text.len > 0 || left_out ? text : sl_bytes_of("-"));
    }
    (void)putc('\n', rows->out);
}

static bool needs_quotes(char c)
{
    return c == ',' || c == '"' || c == '\r' || c == '\n';
}

/*
 * RFC 4180, section 2: quotes around what holds a comma, a quote or a line's end, and quotes
 * doubled.
 */
static void put_csv(FILE *out, struct sl_bytes text)
{
    size_t plain = 0;

    while (plain < text.len && !needs_quotes(text.at[plain]))
        plain++;
    if (plain == text.len) {
        sl_format_bytes(out, text);
        return;
    }
    (void)putc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"')
            (void)putc('"', out);
        (void)putc(text.at[i], out);
    }
    (void)putc('"', out);
}

static void csv_head(struct sl_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        (void)fprintf(rows->out, "%s%s", i > 0 ? "," : "", rows->columns[i].name);
    (void)putc('\n', rows->out);
}

static void csv_row(struct sl_rows *rows, const struct sl_cell *cells)
{
    char room[CELL_SIZE];

    for (size_t i = 0; i < rows->count; i++) {
        if (i > 0)
            (void)putc(',', rows->out);
        put_csv(rows->out, cell_text(&rows->columns[i], &cells[i], false, room));
    }
    (void)putc('\n', rows->out);
}

static void json_row(struct sl_rows *rows, const struct sl_cell *cells)
{
    char room[CELL_SIZE];

    if (!rows->lines && rows->written > 0)
        (void)fputs(",\n", rows->out);
    for (size_t i = 0; i < rows->count; i++) {
        struct sl_bytes text = cell_text(&rows->columns[i], &cells[i], false, room);

        (void)fputs(i > 0 ? ",\"" : "{\"", rows->out);
        (void)fputs(rows->columns[i].name, rows->out);
        (void)fputs("\":", rows->out);
        if (text.len == 0)
            (void)fputs("null", rows->out);
        else if (rows->columns[i].kind == SL_CELL_TEXT)
            sl_format_json_string(rows->out, text);
        else
            sl_format_bytes(rows->out, text);
    }
    (void)fputs(rows->lines ? "}\n" : "}", rows->out);
}

enum sl_status sl_rows_begin(struct sl_rows *rows)
{
    assert(rows->count <= SL_COLUMNS_MAX && rows->format <= SL_FORMAT_JSON);
    rows->written = 0;
    if (rows->format == SL_FORMAT_CSV)
        csv_head(rows);
    else if (rows->format == SL_FORMAT_JSON && !rows->lines)
        (void)putc('[', rows->out);
    return sl_format_check(rows->out);
}

enum sl_status sl_rows_add(struct sl_rows *rows, const struct sl_cell *cells)
{
    if (rows->format == SL_FORMAT_TABLE)
        table_row(rows, cells);
    else if (rows->format == SL_FORMAT_CSV)
        csv_row(rows, cells);
    else
        json_row(rows, cells);
    rows->written++;
    return sl_format_check(rows->out);
}

enum sl_status sl_rows_end(struct sl_rows *rows)
{
    if (rows->format == SL_FORMAT_JSON && !rows->lines)
        (void)fputs("]\n", rows->out);
    return sl_format_check(rows->out);
}
