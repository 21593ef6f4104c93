/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_verify.c -- does the store hold what it acknowledged? For each stream the numbers 1..last
 * must be covered by blocks and gaps, each once, and each block must hold as many readings as it
 * says.
 *
 * All of it is read in one snapshot, and every block's text is looked at: on a large store this
 * takes a while, during which the server's write-ahead log can't be emptied.
 */
#include "store/reader_file.h"

/* In the order of numbers within a stream; streams without anything give one row of nulls. */
static const char query[] =
    "SELECT t.id, t.last, s.name, t.stream, p.first, p.last, p.block, p.sound"
    " FROM streams t JOIN sensors s ON s.id = t.sensor LEFT JOIN"
    " (SELECT stream, first, last, id AS block, CASE WHEN json_valid(readings)"
    "   THEN json_array_length(readings) = last - first + 1 ELSE 0 END AS sound FROM blocks"
    "  UNION ALL SELECT stream, first, last, 0, 1 FROM gaps) p ON p.stream = t.id"
    " WHERE ?1 IS NULL OR s.name = ?1 ORDER BY t.id, p.first";

struct check {
    struct sl_reader *reader;
    sqlite3_stmt *statement;
    int64_t stream;  /* key of the stream under way; 0 before the first */
    int64_t covered; /* 1..covered is accounted for */
    struct sl_verified found;
    enum sl_status (*each)(void *ctx, const struct sl_verified *verified);
    void *ctx;
};

static void miss(struct sl_verified *found, int64_t first, int64_t last)
{
    if (found->missing == 0)
        found->missing_first = first;
    found->missing += last - first + 1;
}

static enum sl_status end_stream(struct check *check)
{
    struct sl_verified *found = &check->found;

    if (check->stream == 0)
        return SL_OK;
    if (check->covered < found->last)
        miss(found, check->covered + 1, found->last);
    return check->each(check->ctx, found);
}

static enum sl_status begin_stream(struct check *check, int64_t stream)
{
    enum sl_status status = sl_reader_keep(check->reader, check->statement, 2, 0);

    if (status == SL_OK)
        status = sl_reader_keep(check->reader, check->statement, 3, 1);
    check->stream = stream;
    check->covered = 0;
    check->found = (struct sl_verified){.sensor = sl_reader_kept(check->reader, 0),
                                        .stream = sl_reader_kept(check->reader, 1),
                                        .last = sqlite3_column_int64(check->statement, 1)};
    return status;
}

/* Takes one block or gap into account. The schema sees to it that 1 <= first <= last. */
static void take_part(struct check *check)
{
    struct sl_verified *found = &check->found;
    int64_t first = sqlite3_column_int64(check->statement, 4);
    int64_t last = sqlite3_column_int64(check->statement, 5);
    bool block = sqlite3_column_int64(check->statement, 6) != 0;

    if (first <= check->covered || last > found->last)
        found->twice++;
    if (first > check->covered && first - 1 > check->covered)
        miss(found, check->covered + 1, first - 1);
    if (block)
        found->readings += last - first + 1;
    else
        found->gaps += last - first + 1;
    if (sqlite3_column_int64(check->statement, 7) == 0)
        found->damaged++;
    if (last > check->covered)
        check->covered = last;
}

static enum sl_status check_rows(struct check *check)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        status = sl_reader_step(check->reader, check->statement);
        if (status != SL_OK)
            break;

        int64_t stream = sqlite3_column_int64(check->statement, 0);

        if (stream != check->stream) {
            status = end_stream(check);
            if (status != SL_OK)
                return status;
            status = begin_stream(check, stream);
        }
        if (sqlite3_column_type(check->statement, 4) != SQLITE_NULL)
            take_part(check);
    }
    return status == SL_CLOSED ? end_stream(check) : status;
}

enum sl_status sl_reader_verify(struct sl_reader *reader, const struct sl_reader_filter *filter,
                                enum sl_status (*each)(void *ctx,
                                                       const struct sl_verified *verified),
                                void *ctx)
{
    struct check check = {.reader = reader, .each = each, .ctx = ctx};
    enum sl_status status = sl_reader_prepare(reader, query, &check.statement);

    if (status == SL_OK &&
        sqlite3_bind_text(check.statement, 1, filter->sensor, -1, SQLITE_STATIC) != SQLITE_OK)
        status = sl_reader_fail(reader);
    if (status == SL_OK)
        status = check_rows(&check);
    (void)sqlite3_finalize(check.statement);
    return status;
}
