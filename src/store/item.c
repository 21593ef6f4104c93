/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item.c -- reads the one shape of JSON that block.c writes: [[time,"name",value,"unit"],...].
 *
 * White space between its parts is taken as well, so that a store whose text went through another
 * JSON tool still reads.
 */
#include "store/item.h"

#include <string.h>

#include "base/clock.h"

struct cursor {
    const char *at;
    const char *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

static void skip_blank(struct cursor *cursor)
{
    while (cursor->at < cursor->end && is_blank(*cursor->at))
        cursor->at++;
}

/* Steps over `c` where it is what comes next. */
static bool take(struct cursor *cursor, char c)
{
    skip_blank(cursor);
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static struct sl_bytes take_number(struct cursor *cursor)
{
    struct sl_bytes number = {.at = NULL, .len = 0};

    skip_blank(cursor);
    number.at = cursor->at;
    while (cursor->at < cursor->end && is_of_number(*cursor->at))
        cursor->at++;
    number.len = (size_t)(cursor->at - number.at);
    return number;
}

static bool take_time(struct cursor *cursor, int64_t *time_us)
{
    skip_blank(cursor);
    if (cursor->end - cursor->at >= 4 && memcmp(cursor->at, "null", 4) == 0) {
        cursor->at += 4;
        *time_us = SL_TIME_NONE;
        return true;
    }

    struct sl_bytes rest = {cursor->at, (size_t)(cursor->end - cursor->at)};

    /* To sl_time_take_unix() a `-` is "no time", which JSON writes as null. */
    if (rest.len == 0 || rest.at[0] == '-' || sl_time_take_unix(&rest, time_us) != SL_OK)
        return false;
    cursor->at = rest.at;
    return true;
}

/* What an escape stands for, or -1. Of \u only what block.c needs it for: control characters. */
static int take_escape(struct cursor *cursor)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";

    if (cursor->at == cursor->end)
        return -1;

    char c = *cursor->at++;
    const char *known = c == '\0' ? NULL : strchr(from, c);

    if (known != NULL)
        return (unsigned char)to[known - from];
    if (c != 'u' || cursor->end - cursor->at < 4)
        return -1;

    int code = 0;

    for (int i = 0; i < 4; i++) {
        int digit = sl_hex_digit(*cursor->at++);

        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code < 0x80 ? code : -1;
}

/* Reads a string; `plain` (`size` bytes) is used only where it has escapes. */
static bool take_string(struct cursor *cursor, char *plain, size_t size, struct sl_bytes *string)
{
    size_t len = 0;

    if (!take(cursor, '"'))
        return false;
    const char *start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '"' && *cursor->at != '\\')
        cursor->at++;
    if (cursor->at < cursor->end && *cursor->at == '"') {
        *string = (struct sl_bytes){start, (size_t)(cursor->at++ - start)};
        return string->len <= size;
    }

    cursor->at = start;
    while (cursor->at < cursor->end && len < size) {
        int c = (unsigned char)*cursor->at++;

        if (c == '\\')
            c = take_escape(cursor);
        if (c < 0)
            return false;
        plain[len++] = (char)c;
        if (cursor->at < cursor->end && *cursor->at == '"') {
            cursor->at++;
            *string = (struct sl_bytes){plain, len};
            return true;
        }
    }
    return false;
}

static bool take_item(struct cursor *cursor, struct sl_item *item)
{
    item->unit = (struct sl_bytes){.at = "", .len = 0};
    if (!take(cursor, '[') || !take_time(cursor, &item->time_us) || !take(cursor, ',') ||
        !take_string(cursor, item->plain_name, sizeof item->plain_name, &item->name) ||
        !take(cursor, ','))
        return false;
    item->value = take_number(cursor);
    if (item->value.len == 0 || item->name.len == 0)
        return false;
    if (take(cursor, ',') &&
        !take_string(cursor, item->plain_unit, sizeof item->plain_unit, &item->unit))
        return false;
    return take(cursor, ']');
}

enum sl_status sl_item_next(struct sl_bytes text, size_t *at, struct sl_item *item)
{
    struct cursor cursor = {.at = text.at + *at, .end = text.at + text.len};
    bool first = *at == 0;

    if (first && !take(&cursor, '['))
        return SL_BAD_INPUT;
    if (take(&cursor, ']')) {
        skip_blank(&cursor);
        return cursor.at == cursor.end ? SL_CLOSED : SL_BAD_INPUT;
    }
    if (!first && !take(&cursor, ','))
        return SL_BAD_INPUT;
    if (!take_item(&cursor, item))
        return SL_BAD_INPUT;
    *at = (size_t)(cursor.at - text.at);
    return SL_OK;
}
