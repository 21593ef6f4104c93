/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.c -- builds a block's JSON text. Every reading passes here, so nothing on this way formats
 * with printf or allocates for each reading.
 */
#include "store/block.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

enum {
    /* A unit's byte can become \u00XX; the rest is separators and quotes. */
    ITEM_MAX = SL_TIME_TEXT_SIZE + SL_NAME_MAX + SL_VALUE_SIZE + 6 * SL_UNIT_BYTES_MAX + 16
};

_Static_assert((int)ITEM_MAX < (int)SL_BLOCK_LIMIT_MIN, "an empty block must take every reading");

static char *put_bytes(char *out, const char *from, size_t len)
{
    memcpy(out, from, len);
    return out + len;
}

/* Unix seconds with as many decimals as needed; JSON has no other word for "no time" than null. */
static char *put_time(char *out, const struct sl_reading *reading)
{
    struct sl_bytes sent = reading->time;

    if (reading->time_us == SL_TIME_NONE)
        return put_bytes(out, "null", 4);
    /* Nearly all come in the form that they are stored in: no zero at either end. */
    if (sent.len > 0 && sent.at[0] != '0' && sent.at[sent.len - 1] != '0')
        return put_bytes(out, sent.at, sent.len);
    return out + sl_time_print_unix(reading->time_us, out);
}

/*
 * RFC 8259, section 7: what must be escaped in a string. Everything else of UTF-8 stands for
 * itself.
 */
static char *put_string(char *out, struct sl_bytes text)
{
    static const char hex[] = "0123456789abcdef";

    *out++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20) {
            out = put_bytes(out, "\\u00", 4);
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
            continue;
        }
        if (c == '"' || c == '\\')
            *out++ = '\\';
        *out++ = (char)c;
    }
    *out++ = '"';
    return out;
}

/* Writes up to ITEM_MAX bytes. */
static char *put_item(char *out, const struct sl_reading *reading)
{
    *out++ = '[';
    out = put_time(out, reading);
    out = put_bytes(out, ",\"", 2);
    out = put_bytes(out, reading->name.at, reading->name.len);
    out = put_bytes(out, "\",", 2);
    out += sl_value_canonical(reading->value, out);
    if (reading->unit.len > 0) {
        *out++ = ',';
        out = put_string(out, reading->unit);
    }
    *out++ = ']';
    return out;
}

/* True where the reading's time leaves `oldest_us` and `newest_us` true for the whole block. */
static bool time_fits(const struct sl_block *block, int64_t time_us)
{
    if (time_us == SL_TIME_NONE || block->oldest_us == SL_TIME_NONE)
        return time_us == block->oldest_us;
    /* As unsigned numbers, because a difference of two int64_t may not fit into one. */
    uint64_t span = SL_BLOCK_SPAN_US;
    return (time_us <= block->oldest_us ||
            (uint64_t)time_us - (uint64_t)block->oldest_us <= span) &&
           (time_us >= block->newest_us || (uint64_t)block->newest_us - (uint64_t)time_us <= span);
}

enum sl_status sl_block_add(struct sl_block *block, const struct sl_reading *reading, size_t limit)
{
    struct sl_buffer *text = &block->text;
    bool first = block->count == 0;

    assert(reading->name.len >= 1 && reading->name.len <= SL_NAME_MAX);
    assert(reading->unit.len <= SL_UNIT_BYTES_MAX);
    assert(limit >= SL_BLOCK_LIMIT_MIN);
    if (!first && !time_fits(block, reading->time_us))
        return SL_LIMIT;

    /* It's printed where it shall stay, so only then it shows whether it's within the limit. */
    enum sl_status status = sl_buffer_reserve(text, ITEM_MAX + 2, limit + ITEM_MAX + 2);
    if (status != SL_OK)
        return status;

    /* The text is a closed array after each reading: the next one takes the place of its ']'. */
    char *from = text->at + (first ? 0 : text->len - 1);
    char *out = from;

    *out++ = first ? '[' : ',';
    out = put_item(out, reading);
    *out++ = ']';
    if ((size_t)(out - text->at) > limit) {
        *from = ']';
        return SL_LIMIT;
    }
    text->len = (size_t)(out - text->at);
    if (first || reading->time_us < block->oldest_us)
        block->oldest_us = reading->time_us;
    if (first || reading->time_us > block->newest_us)
        block->newest_us = reading->time_us;
    block->count++;
    return SL_OK;
}

struct sl_bytes sl_block_text(const struct sl_block *block)
{
    assert(block->count > 0);
    return (struct sl_bytes){block->text.at, block->text.len};
}

void sl_block_reset(struct sl_block *block)
{
    struct sl_buffer text = block->text;

    text.len = 0;
    *block = (struct sl_block){.text = text};
}

void sl_block_clear(struct sl_block *block)
{
    sl_buffer_clear(&block->text);
    *block = (struct sl_block){0};
}
