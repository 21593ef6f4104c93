/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_when.c -- times as people write them on a command line.
 */
#include "programs/log_when.h"

#include <string.h>

enum { DIGITS_MAX = 9 };

/* Seconds that a unit stands for; 0 for none. */
static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 604800;
    default:
        return 0;
    }
}

/* `2d`, `-2d`: so long ago. Nine digits of weeks stay far within 64 bits of microseconds. */
static enum sl_status parse_ago(const char *text, int64_t now_us, int64_t *time_us)
{
    const char *at = text[0] == '-' ? text + 1 : text;
    size_t digits = strspn(at, "0123456789");
    int64_t count = 0;

    if (digits == 0 || digits > DIGITS_MAX || strlen(at) != digits + 1)
        return SL_BAD_INPUT;
    for (size_t i = 0; i < digits; i++)
        count = count * 10 + (at[i] - '0');

    int64_t seconds = unit_seconds(at[digits]);

    if (seconds == 0)
        return SL_BAD_INPUT;
    *time_us = now_us - count * seconds * 1000000;
    return SL_OK;
}

enum sl_status sl_when_parse(const char *text, int64_t now_us, int64_t *time_us)
{
    if (strcmp(text, "now") == 0) {
        *time_us = now_us;
        return SL_OK;
    }
    /* To sl_time_parse_unix() a lone `-` is "no time", which is no answer here. */
    if (strcmp(text, "-") == 0)
        return SL_BAD_INPUT;
    if (parse_ago(text, now_us, time_us) == SL_OK)
        return SL_OK;
    if (sl_time_parse_unix(sl_bytes_of(text), time_us) == SL_OK)
        return SL_OK;
    return sl_time_parse_iso(sl_bytes_of(text), time_us);
}
