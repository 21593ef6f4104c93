/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c -- see lines.h. */
#include "lines.h"

#include <stdio.h>
#include <time.h>

enum { MICROS = 1000000, DAY_S = 86400 };

struct kind {
    const char *name;
    const char *unit;
    int hundredths, least, most, step;
};

/* The same numbers in every run: a simple generator (xorshift) from a fixed start. */
static uint32_t draw(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void wander(struct kind *kind, uint32_t *state)
{
    int next = kind->hundredths + (int)(draw(state) % (2U * (uint32_t)kind->step + 1)) - kind->step;

    if (next >= kind->least && next <= kind->most)
        kind->hundredths = next;
}

static void print_line(struct line *line, const struct kind *kind)
{
    int len = snprintf(line->text, LINE_TEXT, "%s: %d.%02d", kind->name, kind->hundredths / 100,
                       kind->hundredths % 100);

    while (line->text[len - 1] == '0')
        len--;
    if (line->text[len - 1] == '.')
        len--;
    line->bare_len = (uint8_t)len;
    line->len =
        (uint8_t)(len + snprintf(line->text + len, LINE_TEXT - (size_t)len, " %s", kind->unit));
}

void lines_fill(struct lines *lines)
{
    struct kind kinds[] = {{"temperature", "Cel", 2153, 1500, 2900, 4},
                           {"humidity", "%RH", 4850, 3000, 7000, 12},
                           {"pressure", "hPa", 101325, 98000, 104000, 3}};
    uint32_t state = 2463534242U;

    for (size_t i = 0; i < LINES_COUNT; i++) {
        wander(&kinds[i % 3], &state);
        print_line(&lines->at[i], &kinds[i % 3]);
    }
}

void digits_set(struct digits *digits, uint64_t value)
{
    char text[DIGITS_MAX + 1] = "";

    digits->len = (uint8_t)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    memcpy(digits->text, text, DIGITS_MAX);
}

void digits_step(struct digits *digits)
{
    unsigned at = digits->len;

    while (at > 0 && digits->text[at - 1] == '9')
        digits->text[--at] = '0';
    if (at > 0) {
        digits->text[at - 1]++;
    } else {
        digits->text[0] = '1';
        digits->text[digits->len++] = '0';
    }
}

/* `count` pairs of digits, zeros before. */
static char *put_pairs(char *out, uint32_t value, unsigned count)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    for (unsigned i = count; i > 0; i--) {
        memcpy(out + 2 * (size_t)(i - 1), pairs + 2 * (size_t)(value % 100), 2);
        value /= 100;
    }
    return out + 2 * (size_t)count;
}

char *put_unix(char *out, int64_t time_us)
{
    out = put_pairs(out, (uint32_t)(time_us / MICROS), 5);
    *out++ = '.';
    return put_pairs(out, (uint32_t)(time_us % MICROS), 3);
}

char *put_iso(char *out, int64_t time_us)
{
    time_t seconds = (time_t)(time_us / MICROS);
    struct tm day;
    uint32_t rest = (uint32_t)(seconds % DAY_S);

    (void)gmtime_r(&seconds, &day);
    out = put_pairs(out, (uint32_t)day.tm_year + 1900, 2);
    *out++ = '-';
    out = put_pairs(out, (uint32_t)day.tm_mon + 1, 1);
    *out++ = '-';
    out = put_pairs(out, (uint32_t)day.tm_mday, 1);
    *out++ = 'T';
    out = put_pairs(out, rest / 3600, 1);
    *out++ = ':';
    out = put_pairs(out, rest / 60 % 60, 1);
    *out++ = ':';
    out = put_pairs(out, rest % 60, 1);
    *out++ = '.';
    out = put_pairs(out, (uint32_t)(time_us % MICROS), 3);
    *out++ = 'Z';
    return out;
}
