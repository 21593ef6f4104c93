/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_verify.c -- does the store hold what it acknowledged? For each stream the numbers 1..last
 * must be covered by blocks and gaps, each once, and each block must hold as many readings as it
 * says.
 *
 * Streams and gaps are read in one snapshot, and the newest block's key with them. Every block up
 * to that is then looked at in the order of storing, which is that of its stream's numbers, and a
 * portion at a time, so that the server can empty its write-ahead log meanwhile.
 */
#include <stdlib.h>

#include "store/item.h"
#include "store/reader_range.h"

struct gap {
    int64_t first;
    int64_t last;
};

/* A stream under way. */
struct stream {
    int64_t key;
    int64_t covered; /* 1..covered is accounted for */
    size_t gap;      /* its next one, */
    size_t gaps_end; /* and where those of the next stream begin */
    struct sl_verified found;
};

struct check {
    struct sl_range range;
    struct sl_buffer streams; /* struct stream, by key */
    struct sl_buffer gaps;    /* struct gap, by stream and first number */
    enum sl_status (*each)(void *ctx, const struct sl_verified *verified);
    void *ctx;
};

static struct stream *streams_of(const struct check *check)
{
    return (struct stream *)(void *)check->streams.at;
}

static size_t count_of(const struct check *check)
{
    return check->streams.len / sizeof(struct stream);
}

static int compare_keys(const void *key, const void *stream)
{
    int64_t a = *(const int64_t *)key;
    int64_t b = ((const struct stream *)stream)->key;

    return (a > b) - (a < b);
}

/* The stream of this key; null where it isn't asked for. */
static struct stream *find_stream(const struct check *check, int64_t key)
{
    if (check->streams.len == 0)
        return NULL;
    return bsearch(&key, check->streams.at, count_of(check), sizeof(struct stream), compare_keys);
}

static enum sl_status load_streams(struct check *check)
{
    static const char query[] = "SELECT t.id, t.last FROM streams t JOIN sensors s"
                                " ON s.id = t.sensor WHERE ?1 IS NULL OR s.name = ?1 ORDER BY t.id";
    struct sl_reader *reader = check->range.reader;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = sl_reader_prepare(reader, query, &statement);

    if (status == SL_OK && sqlite3_bind_text(statement, 1, check->range.filter->sensor, -1,
                                             SQLITE_STATIC) != SQLITE_OK)
        status = sl_reader_fail(reader);
    while (status == SL_OK) {
        status = sl_reader_step(reader, statement);
        if (status != SL_OK)
            break;

        struct stream stream = {.key = sqlite3_column_int64(statement, 0),
                                .found = {.last = sqlite3_column_int64(statement, 1)}};

        status = sl_buffer_add(
            &check->streams, (struct sl_bytes){(const char *)&stream, sizeof stream}, SIZE_MAX / 2);
    }
    (void)sqlite3_finalize(statement);
    return status == SL_CLOSED ? SL_OK : status;
}

static enum sl_status add_gap(struct check *check, struct stream *stream, struct gap gap)
{
    size_t at = check->gaps.len / sizeof gap;

    if (stream->gaps_end == 0)
        stream->gap = at;
    stream->gaps_end = at + 1;
    return sl_buffer_add(&check->gaps, (struct sl_bytes){(const char *)&gap, sizeof gap},
                         SIZE_MAX / 2);
}

static enum sl_status load_gaps(struct check *check)
{
    static const char query[] = "SELECT stream, first, last FROM gaps ORDER BY stream, first";
    struct sl_reader *reader = check->range.reader;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = sl_reader_prepare(reader, query, &statement);

    while (status == SL_OK) {
        status = sl_reader_step(reader, statement);
        if (status != SL_OK)
            break;

        struct stream *stream = find_stream(check, sqlite3_column_int64(statement, 0));

        if (stream != NULL)
            status = add_gap(check, stream,
                             (struct gap){.first = sqlite3_column_int64(statement, 1),
                                          .last = sqlite3_column_int64(statement, 2)});
    }
    (void)sqlite3_finalize(statement);
    return status == SL_CLOSED ? SL_OK : status;
}

static enum sl_status load(struct check *check)
{
    enum sl_status status = sl_range_begin(&check->range);

    if (status == SL_OK)
        status = load_streams(check);
    if (status == SL_OK)
        status = load_gaps(check);
    return status;
}

static void miss(struct sl_verified *found, int64_t first, int64_t last)
{
    if (found->missing == 0)
        found->missing_first = first;
    found->missing += last - first + 1;
}

/* Takes a block or a gap into account. The schema sees to it that 1 <= first <= last. */
static void take_numbers(struct stream *stream, int64_t first, int64_t last)
{
    struct sl_verified *found = &stream->found;

    if (first <= stream->covered || last > found->last)
        found->twice++;
    if (first > stream->covered && first - 1 > stream->covered)
        miss(found, stream->covered + 1, first - 1);
    if (last > stream->covered)
        stream->covered = last;
}

/* Takes the gaps that begin before this number. */
static void take_gaps(const struct check *check, struct stream *stream, int64_t before)
{
    const struct gap *gaps = (const struct gap *)(const void *)check->gaps.at;

    for (; stream->gap < stream->gaps_end && gaps[stream->gap].first < before; stream->gap++) {
        const struct gap *gap = &gaps[stream->gap];

        stream->found.gaps += gap->last - gap->first + 1;
        take_numbers(stream, gap->first, gap->last);
    }
}

/* True where the text has as many readings as the block counts. */
static bool is_sound(const struct sl_range_block *block)
{
    struct sl_item item;
    size_t at = 0;
    int64_t count = 0;
    enum sl_status status = sl_item_next(block->readings, &at, &item);

    for (; status == SL_OK; count++)
        status = sl_item_next(block->readings, &at, &item);
    return status == SL_CLOSED && count == block->last - block->first + 1;
}

static void take_block(const struct check *check, const struct sl_range_block *block)
{
    struct stream *stream = find_stream(check, block->stream_key);

    if (stream == NULL)
        return;
    take_gaps(check, stream, block->first);
    stream->found.readings += block->last - block->first + 1;
    stream->found.damaged += !is_sound(block);
    take_numbers(stream, block->first, block->last);
}

static enum sl_status take_blocks(struct check *check)
{
    struct sl_bytes portion;
    struct sl_range_block block;
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        status = sl_range_next(&check->range, &portion);
        while (status == SL_OK && sl_range_take(&portion, &block))
            take_block(check, &block);
    }
    return status == SL_CLOSED ? SL_OK : status;
}

/* Reads the names of a stream and its sensor; they are valid until the next call. */
static enum sl_status name_stream(struct sl_reader *reader, sqlite3_stmt *statement,
                                  struct stream *stream)
{
    enum sl_status status = sqlite3_bind_int64(statement, 1, stream->key) == SQLITE_OK
                                ? sl_reader_step(reader, statement)
                                : sl_reader_fail(reader);

    for (int i = 0; i < 2 && status == SL_OK; i++)
        status = sl_reader_keep(reader, statement, i, i);
    (void)sqlite3_reset(statement);
    stream->found.sensor = sl_reader_kept(reader, 0);
    stream->found.stream = sl_reader_kept(reader, 1);
    return status == SL_CLOSED ? sl_reader_damaged(reader, "stream", stream->key) : status;
}

static enum sl_status give_streams(struct check *check)
{
    static const char query[] = "SELECT s.name, t.stream FROM streams t"
                                " JOIN sensors s ON s.id = t.sensor WHERE t.id = ?1";
    struct sl_reader *reader = check->range.reader;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = sl_reader_prepare(reader, query, &statement);

    for (size_t i = 0; i < count_of(check) && status == SL_OK; i++) {
        struct stream *stream = &streams_of(check)[i];

        take_gaps(check, stream, INT64_MAX);
        if (stream->covered < stream->found.last)
            miss(&stream->found, stream->covered + 1, stream->found.last);
        status = name_stream(reader, statement, stream);
        if (status == SL_OK)
            status = check->each(check->ctx, &stream->found);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

enum sl_status sl_reader_verify(struct sl_reader *reader, const struct sl_reader_filter *filter,
                                enum sl_status (*each)(void *ctx,
                                                       const struct sl_verified *verified),
                                void *ctx)
{
    struct sl_reader_filter wanted = {
        .sensor = filter->sensor, .since_us = SL_TIME_NONE, .until_us = SL_TIME_NONE};
    struct check check = {.range = {.reader = reader, .filter = &wanted}, .each = each, .ctx = ctx};
    enum sl_status status = sl_reader_begin(reader);

    if (status == SL_OK)
        status = sl_reader_end(reader, load(&check));
    if (status == SL_OK)
        status = take_blocks(&check);
    if (status == SL_OK)
        status = give_streams(&check);
    sl_range_end(&check.range);
    sl_buffer_clear(&check.streams);
    sl_buffer_clear(&check.gaps);
    return status;
}
