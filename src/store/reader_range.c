/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_range.c -- finds blocks, in one of two ways. Either all blocks of the range are gone
 * through, and SQLite reads no text of those that don't match; or the index by sensor and time
 * lists the keys of those that match, and each is looked up. The second is worth it where few of
 * many match.
 *
 * While a statement runs, the server can't empty its write-ahead log. So none goes through more
 * than a slice of blocks, however few of them match, and one that lists keys goes through the
 * index's entries of what is asked for and no others.
 */
#include "store/reader_range.h"

#include <stdlib.h>
#include <string.h>

#include "store/block.h"

enum {
    PORTION_BYTES = 262144,
    PORTION_ROWS_FIRST = 1, /* who wants the last value shall not wait for a thousand */
    PORTION_ROWS_MAX = 65536,
    LOOKUP_COST = 8 /* looking a block up, in blocks that are passed over */
};

/* Stands before a block's texts in the portion. */
struct head {
    int64_t key;
    int64_t stream_key;
    int64_t first;
    int64_t last;
    int64_t received_us;
    size_t readings;
    size_t sensor;
    size_t stream;
};

enum { TEXTS = 3, FIRST_TEXT = 5 };

/*
 * Blocks by their keys, or by those in a table of keys. `+` keeps SQLite from an index: this is
 * for going through all of a range.
 */
#define BLOCKS(from, key)                                                                          \
    "SELECT b.id, b.stream, b.first, b.last, b.received, b.readings, s.name, t.stream FROM " from  \
    " CROSS JOIN sensors s ON s.id = b.sensor CROSS JOIN streams t ON t.id = b.stream"             \
    " WHERE " key " > ?1 AND " key " <= ?2 AND +b.sensor BETWEEN ?3 AND ?4"                        \
    " AND +b.newest >= ?5 AND b.oldest < ?6 ORDER BY " key
#define ALL BLOCKS("blocks b", "b.id")
#define LISTED BLOCKS("temp.listed k CROSS JOIN blocks b ON b.id = k.id", "k.id")

/*
 * CROSS JOIN keeps SQLite from going through all blocks: each sensor is one range of the index. ?8
 * is for a LIMIT.
 */
#define MATCHING                                                                                   \
    " FROM sensors s CROSS JOIN blocks b ON b.sensor = s.id"                                       \
    " WHERE b.id > ?1 AND b.id <= ?2 AND s.id BETWEEN ?3 AND ?4"                                   \
    " AND b.newest >= ?5 AND b.oldest < ?6 AND b.newest <= ?7"
#define LIST "INSERT INTO temp.listed SELECT b.id" MATCHING

/* Binds parameters from the first one on. */
static enum sl_status bind(struct sl_reader *reader, sqlite3_stmt *statement,
                           const int64_t *numbers, int count)
{
    for (int i = 0; i < count; i++)
        if (sqlite3_bind_int64(statement, i + 1, numbers[i]) != SQLITE_OK)
            return sl_reader_fail(reader);
    return SL_OK;
}

/* Prepares a query with as many of the parameters as it has. */
static enum sl_status prepare(const struct sl_range *range, const char *query,
                              sqlite3_stmt **statement)
{
    const struct sl_reader_filter *filter = range->filter;
    /* SL_TIME_NONE is the least number of all: "since the beginning" as it is. */
    int64_t until = filter->until_us == SL_TIME_NONE ? INT64_MAX : filter->until_us;
    int64_t newest = until > INT64_MAX - SL_BLOCK_SPAN_US ? INT64_MAX : until + SL_BLOCK_SPAN_US;
    const int64_t numbers[] = {
        range->after,     range->end, range->sensors, range->sensors_end,
        filter->since_us, until,      newest,         range->reader->limits.keys};
    enum sl_status status = sl_reader_prepare(range->reader, query, statement);

    if (status == SL_OK)
        status = bind(range->reader, *statement, numbers, sqlite3_bind_parameter_count(*statement));
    return status;
}

/* True where the index is worth asking. */
static bool is_narrow(const struct sl_range *range)
{
    const struct sl_reader_filter *filter = range->filter;

    return !range->dense && range->end - range->after > range->reader->limits.recent &&
           (filter->sensor != NULL || filter->since_us != SL_TIME_NONE ||
            filter->until_us != SL_TIME_NONE);
}

/*
 * Asks how many blocks match and where they lie. Where they lie close together, as a day of all
 * sensors does, they are gone through from the first to the last.
 */
static enum sl_status weigh(struct sl_range *range)
{
    sqlite3_stmt *statement = NULL;
    enum sl_status status =
        prepare(range, "SELECT count(*), min(b.id), max(b.id)" MATCHING, &statement);

    if (status == SL_OK)
        status = sl_reader_step(range->reader, statement);
    if (status == SL_OK) {
        range->after = sqlite3_column_int64(statement, 1) - 1;
        range->end = sqlite3_column_int64(statement, 2);
        range->dense =
            (range->end - range->after) / LOOKUP_COST < sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

/* Lists keys in the reader's temporary table, which is in memory and gives them in order. */
static enum sl_status list_keys(struct sl_range *range)
{
    static const char empty[] = "CREATE TEMP TABLE IF NOT EXISTS listed(id INTEGER PRIMARY KEY);"
                                "DELETE FROM temp.listed";
    static const char any[] = LIST " LIMIT ?8";
    static const char *const next[] = {LIST " ORDER BY b.id LIMIT ?8",
                                       LIST " ORDER BY b.id DESC LIMIT ?8"};
    sqlite3 *db = range->reader->db;
    sqlite3_stmt *statement = NULL;
    enum sl_status status =
        sqlite3_exec(db, empty, NULL, NULL, NULL) == SQLITE_OK
            ? prepare(range, range->many ? next[range->backwards] : any, &statement)
            : sl_reader_fail(range->reader);

    if (status == SL_OK)
        status = sl_reader_step(range->reader, statement);
    range->listed = status == SL_CLOSED ? sqlite3_changes(db) : 0;
    (void)sqlite3_finalize(statement);
    return status == SL_CLOSED ? SL_OK : status;
}

/*
 * Lists keys where that is the way to go, and else nothing. If there are more than the list takes,
 * it isn't of those that come next, and the way is chosen anew: each further list takes as many
 * steps through the index as the first one.
 */
static enum sl_status find_keys(struct sl_range *range)
{
    enum sl_status status = SL_OK;

    if (!is_narrow(range))
        return SL_OK;
    status = list_keys(range);
    if (status == SL_OK && !range->many && range->listed == range->reader->limits.keys) {
        range->many = true;
        range->listed = 0;
        status = weigh(range);
        if (status == SL_OK && !range->dense)
            status = list_keys(range);
    }
    if (status == SL_OK && range->listed == 0 && !range->dense)
        range->after = range->end;
    return status;
}

/* Puts a statement's row at the end of the portion, and steps over it. */
static enum sl_status keep_block(struct sl_range *range, sqlite3_stmt *statement)
{
    struct sl_buffer *portion = &range->reader->portion;
    struct sl_bytes texts[TEXTS];
    size_t size = sizeof(struct head);

    for (int i = 0; i < TEXTS; i++) {
        texts[i].at = (const char *)sqlite3_column_text(statement, FIRST_TEXT + i);
        texts[i].len = (size_t)sqlite3_column_bytes(statement, FIRST_TEXT + i);
        if (texts[i].at == NULL)
            return sqlite3_column_type(statement, FIRST_TEXT + i) != SQLITE_NULL
                       ? SL_NOMEM
                       : sl_reader_damaged(range->reader, "block",
                                           sqlite3_column_int64(statement, 0));
        size += texts[i].len;
    }

    struct head head = {.key = sqlite3_column_int64(statement, 0),
                        .stream_key = sqlite3_column_int64(statement, 1),
                        .first = sqlite3_column_int64(statement, 2),
                        .last = sqlite3_column_int64(statement, 3),
                        .received_us = sqlite3_column_int64(statement, 4),
                        .readings = texts[0].len,
                        .sensor = texts[1].len,
                        .stream = texts[2].len};
    enum sl_status status = sl_buffer_reserve(portion, size, SIZE_MAX / 2);

    if (status != SL_OK)
        return status;
    memcpy(portion->at + portion->len, &head, sizeof head);
    portion->len += sizeof head;
    for (int i = 0; i < TEXTS; i++) {
        memcpy(portion->at + portion->len, texts[i].at, texts[i].len);
        portion->len += texts[i].len;
    }
    if (range->backwards)
        range->end = head.key - 1;
    else
        range->after = head.key;
    return SL_OK;
}

static bool has_room(const struct sl_range *range, int64_t rows)
{
    return rows < range->rows && range->reader->portion.len < PORTION_BYTES;
}

/* Steps over what was gone through without filling the portion. */
static void pass(struct sl_range *range, int64_t after, int64_t end)
{
    if (range->listed == range->reader->limits.keys)
        range->listed = 0; /* and there may be more */
    else if (range->listed > 0)
        range->after = range->end;
    else if (range->backwards)
        range->end = after;
    else
        range->after = end;
}

/* Reads of what is listed, or of the next slice, what goes into the portion. */
static enum sl_status read_blocks(struct sl_range *range, sqlite3_stmt *statement)
{
    int64_t slice = range->reader->limits.slice;
    bool more = range->listed == 0 && range->end - range->after > slice;
    int64_t after = more && range->backwards ? range->end - slice : range->after;
    int64_t end = more && !range->backwards ? range->after + slice : range->end;
    enum sl_status status = bind(range->reader, statement, (int64_t[]){after, end}, 2);

    for (int64_t rows = 0; status == SL_OK && has_room(range, rows); rows++) {
        status = sl_reader_step(range->reader, statement);
        if (status == SL_OK)
            status = keep_block(range, statement);
    }
    (void)sqlite3_reset(statement);
    if (status != SL_CLOSED)
        return status;
    pass(range, after, end);
    return SL_OK;
}

/* Chooses the way and reads. */
static enum sl_status read_more(struct sl_range *range)
{
    static const char *const queries[2][2] = {{ALL, ALL " DESC"}, {LISTED, LISTED " DESC"}};
    enum sl_status status = range->listed > 0 ? SL_OK : find_keys(range);

    if (status != SL_OK || range->after >= range->end)
        return status;

    bool listed = range->listed > 0;
    sqlite3_stmt **statement = &range->statements[listed][range->backwards];

    if (*statement == NULL)
        status = prepare(range, queries[listed][range->backwards], statement);
    return status == SL_OK ? read_blocks(range, *statement) : status;
}

/* Finds the newest block of all, the filter's sensor, and the newest block of that. */
static enum sl_status find_ends(struct sl_range *range)
{
    static const char query[] = "SELECT (SELECT ifnull(max(id), 0) FROM blocks), s.id,"
                                " (SELECT ifnull(max(tail), 0) FROM streams WHERE sensor = s.id)"
                                " FROM (SELECT 1) LEFT JOIN sensors s ON s.name = ?1";
    const char *sensor = range->filter->sensor;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = sl_reader_prepare(range->reader, query, &statement);

    if (status == SL_OK && sqlite3_bind_text(statement, 1, sensor, -1, SQLITE_STATIC) != SQLITE_OK)
        status = sl_reader_fail(range->reader);
    if (status == SL_OK)
        status = sl_reader_step(range->reader, statement);
    if (status == SL_OK) {
        range->end = sqlite3_column_int64(statement, 0);
        range->sensors = sensor != NULL ? sqlite3_column_int64(statement, 1) : 0;
        range->sensors_end = sensor != NULL ? range->sensors : INT64_MAX;
        range->newest = sensor != NULL ? sqlite3_column_int64(statement, 2) : range->end;
    }
    (void)sqlite3_finalize(statement);
    return status;
}

enum sl_status sl_range_begin(struct sl_range *range)
{
    sl_range_turn(range, false, range->after, 0);
    return find_ends(range);
}

void sl_range_turn(struct sl_range *range, bool backwards, int64_t after, int64_t end)
{
    range->backwards = backwards;
    range->after = after;
    range->end = end;
    range->many = range->dense = false;
    range->listed = 0;
    range->rows = backwards ? PORTION_ROWS_FIRST : PORTION_ROWS_MAX;
}

enum sl_status sl_range_next(struct sl_range *range, struct sl_bytes *portion)
{
    struct sl_buffer *read = &range->reader->portion;
    enum sl_status status = SL_OK;

    read->len = 0;
    while (status == SL_OK && read->len == 0) {
        if (range->after >= range->end || range->sensors_end == 0)
            return SL_CLOSED;
        status = read_more(range);
    }
    if (range->rows < PORTION_ROWS_MAX)
        range->rows *= 4;
    *portion = (struct sl_bytes){read->at, read->len};
    return status;
}

bool sl_range_take(struct sl_bytes *portion, struct sl_range_block *block)
{
    struct head head;

    if (portion->len == 0)
        return false;
    memcpy(&head, portion->at, sizeof head);

    const char *text = portion->at + sizeof head;

    *block = (struct sl_range_block){
        .key = head.key,
        .stream_key = head.stream_key,
        .first = head.first,
        .last = head.last,
        .received_us = head.received_us,
        .readings = {text, head.readings},
        .sensor = {text + head.readings, head.sensor},
        .stream = {text + head.readings + head.sensor, head.stream},
    };
    text += head.readings + head.sensor + head.stream;
    portion->len -= (size_t)(text - portion->at);
    portion->at = text;
    return true;
}

void sl_range_end(struct sl_range *range)
{
    for (int i = 0; i < 4; i++)
        (void)sqlite3_finalize(range->statements[i / 2][i % 2]);
}
