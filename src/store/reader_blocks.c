/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_blocks.c -- gives the readings that a filter takes, of the blocks that may hold them
 * (reader_range.h).
 */
#include "store/item.h"
#include "store/reader_range.h"

/* One call of sl_reader_readings(). */
struct search {
    struct sl_range range;
    enum sl_status (*each)(void *ctx, const struct sl_logged *logged);
    void *ctx;
    int64_t skip; /* matching readings of the first block that aren't asked for */
};

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
static enum sl_status walk_block(struct search *search, const struct sl_range_block *block,
                                 bool give, int64_t *count)
{
    struct sl_logged logged = {.seq = block->first,
                               .received_us = block->received_us,
                               .sensor = block->sensor,
                               .stream = block->stream};
    struct sl_item item;
    size_t at = 0;
    enum sl_status status = SL_OK;

    *count = 0;
    while (status == SL_OK) {
        status = sl_item_next(block->readings, &at, &item);
        if (status == SL_BAD_INPUT)
            return sl_reader_damaged(search->range.reader, "block", block->key);
        if (status != SL_OK)
            break;
        logged.time_us = item.time_us;
        logged.name = item.name;
        logged.value = item.value;
        logged.unit = item.unit;
        if (matches(search->range.filter, &logged) && ++*count > search->skip && give) {
            status = search->each(search->ctx, &logged);
            if (status != SL_OK)
                return status;
        }
        logged.seq++;
    }
    return status == SL_CLOSED ? SL_OK : status;
}

/*
 * Goes through what the range was turned to, backwards, until `wanted` more readings are found, and
 * takes them off `wanted`. SL_OK: they are; `*key` is the block of the first one. SL_CLOSED: there
 * aren't as many.
 */
static enum sl_status count_back(struct search *search, int64_t *wanted, int64_t *key)
{
    struct sl_bytes portion;
    struct sl_range_block block;
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        status = sl_range_next(&search->range, &portion);
        while (status == SL_OK && sl_range_take(&portion, &block)) {
            int64_t count = 0;

            status = walk_block(search, &block, false, &count);
            *wanted -= count;
            *key = block.key;
            if (status == SL_OK && *wanted <= 0)
                return SL_OK;
        }
    }
    return status;
}

/*
 * Makes the range begin with the block of the first of the `last` newest readings. They are in the
 * sensor's newest block, or not far before it where the sensor reports often; only then is the
 * index asked, which knows of no order of storing.
 */
static enum sl_status go_back(struct search *search, int64_t last)
{
    struct sl_range *range = &search->range;
    int64_t after = range->after;
    int64_t end = range->newest > after ? range->newest : after;
    int64_t few = range->reader->limits.recent;
    int64_t recent = end - after > few ? end - few : after;
    int64_t key = 0;

    sl_range_turn(range, true, recent, end);

    enum sl_status status = count_back(search, &last, &key);

    if (status == SL_CLOSED) {
        sl_range_turn(range, true, after, recent);
        status = count_back(search, &last, &key);
    }
    sl_range_turn(range, false, status == SL_OK ? key - 1 : after, end);
    search->skip = status == SL_OK ? -last : 0;
    return status == SL_CLOSED ? SL_OK : status;
}

/* A callback may answer SL_CLOSED as well: that is handed on, and the range's own end is not. */
static enum sl_status go_forward(struct search *search)
{
    struct sl_bytes portion;
    struct sl_range_block block;
    enum sl_status status = sl_range_next(&search->range, &portion);

    while (status == SL_OK) {
        while (sl_range_take(&portion, &block)) {
            int64_t count = 0;

            status = walk_block(search, &block, true, &count);
            if (status != SL_OK)
                return status;
            search->skip = 0;
        }
        status = sl_range_next(&search->range, &portion);
    }
    return status == SL_CLOSED ? SL_OK : status;
}

enum sl_status sl_reader_readings(struct sl_reader *reader, const struct sl_reader_filter *filter,
                                  int64_t last,
                                  enum sl_status (*each)(void *ctx, const struct sl_logged *logged),
                                  void *ctx)
{
    struct search search = {
        .range = {.reader = reader, .filter = filter, .after = reader->position},
        .each = each,
        .ctx = ctx};
    enum sl_status status = sl_range_begin(&search.range);
    int64_t end = search.range.end;

    if (status == SL_OK && last != 0 && last != SL_READER_ALL)
        status = go_back(&search, last);
    if (status == SL_OK && last != 0)
        status = go_forward(&search);
    if (status == SL_OK)
        reader->position = end;
    sl_range_end(&search.range);
    return status;
}

void sl_reader_rewind(struct sl_reader *reader)
{
    reader->position = 0;
}
