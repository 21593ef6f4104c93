/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c -- clocks, and times as text.
 *
 * The calendar is computed here and not by gmtime() and timegm(), because time_t still has 32
 * bits on some sensors. Proleptic Gregorian, as ISO 8601 has it; no leap seconds, as POSIX has it.
 */
#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    US_PER_S = 1000000,
    S_PER_DAY = 86400,
    DAYS_PER_ERA = 146097, /* 400 years, after which the calendar repeats */
    EPOCH_DAY = 719468     /* days from 0000-03-01 to 1970-01-01 */
};

/* 9999-12-31T23:59:59, the last second that four digits of a year can say. */
#define LAST_SECOND INT64_C(253402300799)

struct date {
    int64_t year;
    int64_t month; /* 1 to 12 */
    int64_t day;   /* 1 to 31 */
};

int64_t sl_clock_wall_us(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);

    assert(failed == 0);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t sl_clock_monotonic_ms(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);

    assert(failed == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t sl_clock_processor_us(void)
{
    struct timespec used;
    int failed = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);

    assert(failed == 0);
    return (int64_t)used.tv_sec * US_PER_S + used.tv_nsec / 1000;
}

/* Division that rounds down, so that times before 1970 fall on the right day. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/*
 * Years are counted from March, so that the leap day is the last day of a year, and the months'
 * lengths from there on are 153 days in five (31, 30, 31, 30, 31).
 */
static int64_t day_of_date(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + day_of_era - EPOCH_DAY;
}

static struct date date_of_day(int64_t day)
{
    int64_t shifted = day + EPOCH_DAY;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct date date = {.year = era * 400 + year_of_era,
                        .month = month < 10 ? month + 3 : month - 9,
                        .day = day_of_year - (153 * month + 2) / 5 + 1};

    if (date.month <= 2)
        date.year++;
    return date;
}

/* What snprintf() answered, as a length: the sizes here are such that it always fits. */
static size_t printed(int length)
{
    assert(length > 0 && length < SL_TIME_TEXT_SIZE);
    return (size_t)length;
}

static size_t print_none(char text[static SL_TIME_TEXT_SIZE])
{
    text[0] = '-';
    text[1] = '\0';
    return 1;
}

size_t sl_time_print_unix(int64_t time_us, char text[static SL_TIME_TEXT_SIZE])
{
    if (time_us == SL_TIME_NONE)
        return print_none(text);

    uint64_t us = time_us < 0 ? 0 - (uint64_t)time_us : (uint64_t)time_us;
    uint64_t fraction = us % US_PER_S;
    size_t len = 0;

    if (time_us < 0)
        text[len++] = '-';
    len += sl_digits_print(us / US_PER_S, text + len);
    if (fraction != 0) {
        text[len++] = '.';
        sl_digits_put(fraction, 6, text + len);
        for (len += 6; text[len - 1] == '0'; len--)
            continue;
    }
    text[len] = '\0';
    return len;
}

/* A year of four digits, or as printf() has it, where a sign is one of the four. */
static size_t print_year(int64_t year, char text[static SL_TIME_TEXT_SIZE])
{
    if (year < 0 || year > 9999)
        return printed(snprintf(text, SL_TIME_TEXT_SIZE, "%04" PRId64, year));
    sl_digits_put((uint64_t)year, 4, text);
    return 4;
}

static char *put_part(char *out, char before, int64_t number, size_t digits)
{
    *out++ = before;
    sl_digits_put((uint64_t)number, digits, out);
    return out + digits;
}

size_t sl_time_print_iso(int64_t time_us, char text[static SL_TIME_TEXT_SIZE])
{
    if (time_us == SL_TIME_NONE)
        return print_none(text);

    int64_t seconds = floor_div(time_us, US_PER_S);
    int64_t ms = (time_us % US_PER_S + US_PER_S) % US_PER_S / 1000;
    int64_t day = floor_div(seconds, S_PER_DAY);
    int64_t rest = seconds - day * S_PER_DAY;
    struct date date = date_of_day(day);
    char *out = text + print_year(date.year, text);

    out = put_part(out, '-', date.month, 2);
    out = put_part(out, '-', date.day, 2);
    out = put_part(out, 'T', rest / 3600, 2);
    out = put_part(out, ':', rest / 60 % 60, 2);
    out = put_part(out, ':', rest % 60, 2);
    out = put_part(out, '.', ms, 3);
    *out++ = 'Z';
    *out = '\0';
    return (size_t)(out - text);
}

/* Takes `least` to `most` digits off the front of `text`; false where there aren't so many. */
static bool take_digits(struct sl_bytes *text, size_t least, size_t most, int64_t *value)
{
    const char *at = text->at;
    size_t end = text->len < most ? text->len : most;
    size_t count = 0;
    unsigned digit; /* above 9 where it's none */
    uint64_t number = 0;

    for (; count < end && (digit = (unsigned)at[count] - '0') <= 9; count++)
        number = number * 10 + digit;
    if (count < least)
        return false;
    *value = (int64_t)number;
    text->at += count;
    text->len -= count;
    return true;
}

static bool take_char(struct sl_bytes *text, char a)
{
    if (text->len == 0 || text->at[0] != a)
        return false;
    text->at++;
    text->len--;
    return true;
}

/* Takes 1 to `most` digits of a second's fraction, as microseconds; after the sixth none counts. */
static bool take_fraction(struct sl_bytes *text, size_t most, int64_t *us)
{
    static const int64_t worth[] = {0, 100000, 10000, 1000, 100, 10, 1};
    size_t len = text->len;

    if (!take_digits(text, 1, most, us))
        return false;

    size_t digits = len - text->len;

    for (; digits > 6; digits--)
        *us /= 10;
    *us *= worth[digits];
    return true;
}

enum sl_status sl_time_take_unix(struct sl_bytes *text, int64_t *time_us)
{
    int64_t seconds = 0;
    int64_t us = 0;

    if (take_char(text, '-')) {
        *time_us = SL_TIME_NONE;
        return SL_OK;
    }
    if (!take_digits(text, 1, 12, &seconds) || seconds > LAST_SECOND)
        return SL_BAD_INPUT;
    if (take_char(text, '.') && !take_fraction(text, 6, &us))
        return SL_BAD_INPUT;
    *time_us = seconds * US_PER_S + us;
    return SL_OK;
}

enum sl_status sl_time_parse_unix(struct sl_bytes text, int64_t *time_us)
{
    enum sl_status status = sl_time_take_unix(&text, time_us);

    return text.len == 0 ? status : SL_BAD_INPUT;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(struct sl_bytes *text, int64_t *seconds)
{
    struct date date;

    if (!take_digits(text, 4, 4, &date.year) || !take_char(text, '-') ||
        !take_digits(text, 2, 2, &date.month) || !take_char(text, '-') ||
        !take_digits(text, 2, 2, &date.day))
        return false;
    if (date.month < 1 || date.month > 12 || date.day < 1 ||
        date.day > days_in_month(date.year, date.month))
        return false;
    *seconds = day_of_date(date) * S_PER_DAY;
    return true;
}

static bool take_time_of_day(struct sl_bytes *text, int64_t *seconds, int64_t *us)
{
    int64_t hour;
    int64_t minute;
    int64_t second;

    if (!take_digits(text, 2, 2, &hour) || !take_char(text, ':') ||
        !take_digits(text, 2, 2, &minute) || !take_char(text, ':') ||
        !take_digits(text, 2, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return !take_char(text, '.') || take_fraction(text, 12, us);
}

/* What stands between date and time. */
static bool take_separator(struct sl_bytes *text)
{
    return take_char(text, 'T') || take_char(text, 't') || take_char(text, ' ');
}

/* The zone as seconds east of UTC; nothing is UTC. */
static bool take_zone(struct sl_bytes *text, int64_t *east)
{
    int64_t hours;
    int64_t minutes;

    *east = 0;
    if (text->len == 0 || take_char(text, 'Z') || take_char(text, 'z'))
        return true;

    bool west = take_char(text, '-');

    if (!west && !take_char(text, '+'))
        return false;
    if (!take_digits(text, 2, 2, &hours) || !take_char(text, ':') ||
        !take_digits(text, 2, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *east = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

enum sl_status sl_time_parse_iso(struct sl_bytes text, int64_t *time_us)
{
    int64_t date = 0;
    int64_t clock = 0;
    int64_t us = 0;
    int64_t east = 0;

    if (!take_date(&text, &date))
        return SL_BAD_INPUT;
    if (text.len > 0 && (!take_separator(&text) || !take_time_of_day(&text, &clock, &us) ||
                         !take_zone(&text, &east) || text.len > 0))
        return SL_BAD_INPUT;

    int64_t seconds = date + clock - east;

    if (seconds < 0 || seconds > LAST_SECOND)
        return SL_BAD_INPUT;
    *time_us = seconds * US_PER_S + us;
    return SL_OK;
}
