/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_blocks.c -- finds the blocks that may hold what is asked for, and gives their readings.
 *
 * Keys of blocks grow in the order of storing and blocks never change, so a list of keys stays true
 * while the server goes on. Keys are listed in portions; each block is then read by itself, in a
 * transaction that ends before anybody sees a reading.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/block.h"
#include "store/item.h"
#include "store/reader_file.h"

enum { KEYS = 65536, TEXT_READINGS = 0, TEXT_SENSOR = 1, TEXT_STREAM = 2 };

/* One call of sl_reader_readings(). */
struct search {
    struct sl_reader *reader;
    const struct sl_reader_filter *filter;
    int64_t after; /* keys beyond this one, */
    int64_t end;   /* up to and with this one */
    bool by_time;  /* look them up by sensor and time instead of going through all of them */
    sqlite3_stmt *block;
    enum sl_status (*each)(void *ctx, const struct sl_logged *logged);
    void *ctx;
    int64_t skip; /* matching readings of the first block that aren't asked for */
};

static const char query_block[] =
    "SELECT b.first, b.received, b.readings, s.name, t.stream FROM blocks b"
    " JOIN sensors s ON s.id = b.sensor JOIN streams t ON t.id = b.stream WHERE b.id = ?1";

static const char query_all[] =
    "SELECT id FROM blocks WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";

static const char query_all_backwards[] =
    "SELECT id FROM blocks WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT ?3";

/*
 * CROSS JOIN keeps SQLite from going through all blocks: each sensor is one range of
 * blocks_by_time.
 */
#define BY_TIME                                                                                    \
    "SELECT b.id FROM sensors s CROSS JOIN blocks b ON b.sensor = s.id"                            \
    " WHERE (?4 IS NULL OR s.name = ?4) AND b.newest >= ?5 AND b.newest < ?7 AND b.oldest < ?6"    \
    " AND b.id > ?1 AND b.id <= ?2 ORDER BY b.id "

static const char query_by_time[] = BY_TIME "LIMIT ?3";
static const char query_by_time_backwards[] = BY_TIME "DESC LIMIT ?3";

static int bind_time(sqlite3_stmt *statement, const struct sl_reader_filter *filter)
{
    int64_t until = filter->until_us == SL_TIME_NONE ? INT64_MAX : filter->until_us;
    int64_t newest =
        until > INT64_MAX - SL_BLOCK_SPAN_US - 1 ? INT64_MAX : until + SL_BLOCK_SPAN_US + 1;
    int code = sqlite3_bind_text(statement, 4, filter->sensor, -1, SQLITE_STATIC);

    /* SL_TIME_NONE is the least number of all: "since the beginning" as it is. */
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 5, filter->since_us);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(statement, 6, until);
    return code == SQLITE_OK ? sqlite3_bind_int64(statement, 7, newest) : code;
}

/* Lists up to KEYS keys in reader->keys, upwards or downwards. */
static enum sl_status list_keys(struct search *search, bool backwards, size_t *count)
{
    static const char *const queries[2][2] = {{query_all, query_all_backwards},
                                              {query_by_time, query_by_time_backwards}};
    struct sl_reader *reader = search->reader;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = SL_OK;

    *count = 0;
    status = sl_reader_prepare(reader, queries[search->by_time][backwards], &statement);
    if (status == SL_OK && (sqlite3_bind_int64(statement, 1, search->after) != SQLITE_OK ||
                            sqlite3_bind_int64(statement, 2, search->end) != SQLITE_OK ||
                            sqlite3_bind_int64(statement, 3, KEYS) != SQLITE_OK ||
                            (search->by_time && bind_time(statement, search->filter) != SQLITE_OK)))
        status = sl_reader_fail(reader);
    while (status == SL_OK && *count < KEYS) {
        status = sl_reader_step(reader, statement);
        if (status == SL_OK)
            reader->keys[(*count)++] = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    return status == SL_CLOSED ? SL_OK : status;
}

/* Copies a block's texts. SL_CLOSED: it isn't there, or isn't of the sensor that is asked for. */
static enum sl_status load_block(struct search *search, int64_t key, struct sl_logged *logged)
{
    struct sl_reader *reader = search->reader;
    sqlite3_stmt *block = search->block;

    if (sqlite3_bind_int64(block, 1, key) != SQLITE_OK)
        return sl_reader_fail(reader);

    enum sl_status status = sl_reader_step(reader, block);

    for (int i = 0; i < SL_READER_TEXTS && status == SL_OK; i++)
        status = sl_reader_keep(reader, block, 2 + i, i);
    if (status == SL_OK) {
        const char *sensor = (const char *)sqlite3_column_text(block, 3);

        *logged = (struct sl_logged){.seq = sqlite3_column_int64(block, 0),
                                     .received_us = sqlite3_column_int64(block, 1),
                                     .sensor = sl_reader_kept(reader, TEXT_SENSOR),
                                     .stream = sl_reader_kept(reader, TEXT_STREAM)};
        if (search->filter->sensor != NULL && strcasecmp(sensor, search->filter->sensor) != 0)
            status = SL_CLOSED;
    }
    (void)sqlite3_reset(block);
    return status;
}

static bool matches(const struct sl_reader_filter *filter, const struct sl_logged *logged)
{
    int64_t time = logged->time_us == SL_TIME_NONE ? logged->received_us : logged->time_us;

    if (filter->name != NULL && !sl_bytes_equal(sl_bytes_of(filter->name), logged->name))
        return false;
    if (filter->unit != NULL && !sl_bytes_equal(sl_bytes_of(filter->unit), logged->unit))
        return false;
    return time >= filter->since_us &&
           (filter->until_us == SL_TIME_NONE || time < filter->until_us);
}

/*
 * Counts a block's matching readings and gives them, but for the first search->skip, where `give`.
 */
static enum sl_status walk_block(struct search *search, int64_t key, bool give, int64_t *count)
{
    struct sl_logged logged = {.seq = 0};
    struct sl_item item;
    size_t at = 0;
    enum sl_status status = load_block(search, key, &logged);

    *count = 0;
    while (status == SL_OK) {
        status = sl_item_next(sl_reader_kept(search->reader, TEXT_READINGS), &at, &item);
        if (status == SL_BAD_INPUT)
            return sl_reader_damaged(search->reader, "block", key);
        if (status != SL_OK)
            break;
        logged.time_us = item.time_us;
        logged.name = item.name;
        logged.value = item.value;
        logged.unit = item.unit;
        if (matches(search->filter, &logged) && ++*count > search->skip && give) {
            status = search->each(search->ctx, &logged);
            if (status != SL_OK)
                return status;
        }
        logged.seq++;
    }
    return status == SL_CLOSED ? SL_OK : status;
}

/* Goes backwards until `last` readings are found; the search then begins with their block. */
static enum sl_status go_back(struct search *search, int64_t last)
{
    int64_t end = search->end;
    int64_t found = 0;
    size_t keys = 0;
    enum sl_status status = SL_OK;

    do {
        status = list_keys(search, true, &keys);
        for (size_t i = 0; i < keys && status == SL_OK; i++) {
            int64_t count = 0;

            status = walk_block(search, search->reader->keys[i], false, &count);
            found += count;
            search->end = search->reader->keys[i] - 1;
            if (status == SL_OK && found >= last) {
                search->after = search->end;
                search->end = end;
                search->skip = found - last;
                return SL_OK;
            }
        }
    } while (status == SL_OK && keys == KEYS);
    search->end = end;
    return status;
}

static enum sl_status go_forward(struct search *search)
{
    size_t keys = 0;
    enum sl_status status = SL_OK;

    do {
        status = list_keys(search, false, &keys);
        for (size_t i = 0; i < keys && status == SL_OK; i++) {
            int64_t count = 0;

            search->after = search->reader->keys[i];
            status = walk_block(search, search->after, true, &count);
            search->skip = 0;
        }
    } while (status == SL_OK && keys == KEYS);
    return status;
}

/* The newest key now: what comes while we read is for the next call. */
static enum sl_status find_end(struct search *search)
{
    sqlite3_stmt *statement = NULL;
    enum sl_status status =
        sl_reader_prepare(search->reader, "SELECT ifnull(max(id), 0) FROM blocks", &statement);

    if (status == SL_OK)
        status = sl_reader_step(search->reader, statement);
    if (status == SL_OK)
        search->end = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return status;
}

enum sl_status sl_reader_readings(struct sl_reader *reader, const struct sl_reader_filter *filter,
                                  int64_t last,
                                  enum sl_status (*each)(void *ctx, const struct sl_logged *logged),
                                  void *ctx)
{
    bool narrow = filter->sensor != NULL || filter->since_us != SL_TIME_NONE ||
                  filter->until_us != SL_TIME_NONE;
    struct search search = {.reader = reader,
                            .filter = filter,
                            .after = reader->position,
                            /* What came since the last call is less than what the index lists. */
                            .by_time = narrow && reader->position == 0,
                            .each = each,
                            .ctx = ctx};

    if (reader->keys == NULL)
        reader->keys = malloc(KEYS * sizeof *reader->keys);
    if (reader->keys == NULL)
        return SL_NOMEM;

    enum sl_status status = sl_reader_prepare(reader, query_block, &search.block);

    if (status == SL_OK)
        status = find_end(&search);
    if (status == SL_OK && last == 0)
        search.after = search.end;
    else if (status == SL_OK && last != SL_READER_ALL)
        status = go_back(&search, last);
    if (status == SL_OK)
        status = go_forward(&search);
    if (status == SL_OK)
        reader->position = search.end;
    (void)sqlite3_finalize(search.block);
    return status;
}

void sl_reader_rewind(struct sl_reader *reader)
{
    reader->position = 0;
}
