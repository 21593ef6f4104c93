/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h -- readings as text, printed beforehand: what differs from one to the next, a number
 * and a time, is put before them by hand, because printf would cost more than all the rest.
 *
 * Temperature, humidity and pressure take turns. Their values wander as real ones do, with two
 * decimals at most and in the short form that sensorlink's client sends.
 *
 * Threads  A pool is immutable once filled. Digits belong to one session.
 */
#ifndef BENCH_LOAD_LINES_H
#define BENCH_LOAD_LINES_H

#include <stdint.h>
#include <string.h>

/* LINE_SPACE: the longest line of any speech, and what copies of fixed size write too far. */
enum { LINES_COUNT = 3 * 341, LINE_SPACE = 192, LINE_TEXT = 30, DIGITS_MAX = 20 };

struct line {
    char text[LINE_TEXT]; /* `temperature: 21.53 Cel` */
    uint8_t len;
    uint8_t bare_len; /* without the unit */
};

struct lines {
    struct line at[LINES_COUNT];
};

void lines_fill(struct lines *lines);

/* A number that counts up, as text. */
struct digits {
    char text[DIGITS_MAX];
    uint8_t len;
};

void digits_set(struct digits *digits, uint64_t value);
void digits_step(struct digits *digits);

/* All of these write at `out`, up to 32 bytes too far, and return the end of what counts. */

static inline char *put_digits(char *out, const struct digits *digits)
{
    memcpy(out, digits->text, DIGITS_MAX);
    return out + digits->len;
}

static inline char *put_line(char *out, const struct line *line)
{
    memcpy(out, line->text, LINE_TEXT);
    return out + line->len;
}

/* Unix seconds with six decimals. */
char *put_unix(char *out, int64_t time_us);

/* `2026-11-23T03:09:01.000312Z` */
char *put_iso(char *out, int64_t time_us);

#endif
