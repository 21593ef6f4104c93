/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format.h -- rows of named columns as an aligned table, CSV (RFC 4180, lines end in '\n') or JSON
 * (RFC 8259).
 *
 * Rows are written as they come; a table's columns grow where a cell needs it.
 *
 * Memory   The caller owns struct sl_rows; columns are borrowed. Nothing allocates.
 * Limits   SL_COLUMNS_MAX columns.
 * Threads  One thread at a time.
 */
#ifndef SL_STORE_FORMAT_H
#define SL_STORE_FORMAT_H

#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

enum { SL_COLUMNS_MAX = 8 };

enum sl_format {
    SL_FORMAT_TABLE,
    SL_FORMAT_CSV,
    SL_FORMAT_JSON,
    SL_FORMAT_SENML,
    SL_FORMAT_INFLUX
};

enum sl_cell_kind {
    SL_CELL_TEXT,    /* cell.text; an empty one is null in JSON */
    SL_CELL_NUMBER,  /* cell.text, which is a JSON number and is written as it is */
    SL_CELL_INTEGER, /* cell.number */
    SL_CELL_TIME     /* cell.number in us, or SL_TIME_NONE; ISO 8601 in tables, else Unix seconds */
};

struct sl_column {
    const char *name;
    enum sl_cell_kind kind;
    int width; /* least width in a table */
};

struct sl_cell {
    struct sl_bytes text;
    int64_t number;
};

struct sl_rows {
    FILE *out;
    enum sl_format format; /* TABLE, CSV or JSON */
    const struct sl_column *columns;
    size_t count;
    bool lines; /* JSON: one object a line instead of an array of all */
    bool bold;  /* a table's head for a terminal */
    int64_t written;
    int widths[SL_COLUMNS_MAX];
};

/*
 * Finds a format by its name ("table", "csv", "json", "senml", "influx"); SL_BAD_INPUT: there is
 * none.
 */
SL_MUST_USE enum sl_status sl_format_find(const char *name, enum sl_format *format);

/*
 * These three return
 * SL_OK   Written, as far as the stream's buffer lets one know: sl_format_flush() at the end.
 * SL_CUT  Nobody reads the output any more.
 * SL_IO   It can't be written; errno says why.
 */
SL_MUST_USE enum sl_status sl_rows_begin(struct sl_rows *rows);
SL_MUST_USE enum sl_status sl_rows_add(struct sl_rows *rows, const struct sl_cell *cells);
SL_MUST_USE enum sl_status sl_rows_end(struct sl_rows *rows);

/*
 * What became of everything written to `out` so far, but for what is still in its buffer. Statuses
 * as above.
 */
SL_MUST_USE enum sl_status sl_format_check(FILE *out);

/* Empties the buffer first. */
SL_MUST_USE enum sl_status sl_format_flush(FILE *out);

enum { SL_INTEGER_SIZE = SL_DIGITS_MAX + 1 };

/* An integer's digits, in `room`. */
struct sl_bytes sl_format_integer(int64_t number, char room[static SL_INTEGER_SIZE]);

/* Writes bytes as they are, and as a JSON string with its quotes. */
void sl_format_bytes(FILE *out, struct sl_bytes bytes);
void sl_format_json_string(FILE *out, struct sl_bytes text);

#endif
