/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h -- the clocks, and times as text.
 *
 * Wall time is microseconds since 1970-01-01 UTC and can step; monotonic time is
 * milliseconds from an unnamed start and can't. Deadlines use the second.
 *
 * Threads  All functions may be called from any thread.
 */
#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

#include <stdint.h>

#include "base/bytes.h"

/* "No time": what a sensor without a trusted clock reports. */
#define SL_TIME_NONE INT64_MIN

/* Microseconds since 1970-01-01 UTC. */
int64_t sl_clock_wall_us(void);

/* Milliseconds of the monotonic clock. */
int64_t sl_clock_monotonic_ms(void);

/* Microseconds of a processor that the calling thread has used. */
int64_t sl_clock_processor_us(void);

enum { SL_TIME_TEXT_SIZE = 40 };

/*
 * Prints Unix seconds with as many decimals (up to six) as needed: `1764000000.25`.
 * SL_TIME_NONE prints `-`. `text` is zero-terminated; returns its length.
 */
size_t sl_time_print_unix(int64_t time_us, char text[static SL_TIME_TEXT_SIZE]);

/* Prints ISO 8601 in UTC with milliseconds: `2026-11-23T03:09:01.250Z`; SL_TIME_NONE prints `-`. */
size_t sl_time_print_iso(int64_t time_us, char text[static SL_TIME_TEXT_SIZE]);

/*
 * Reads Unix seconds with up to six decimals (`1764000000.25`; further digits are refused) or `-`.
 * SL_OK         `*time_us` is set (SL_TIME_NONE for `-`).
 * SL_BAD_INPUT  Anything else, and times before 1970 or after the year 9999.
 */
SL_MUST_USE enum sl_status sl_time_parse_unix(struct sl_bytes text, int64_t *time_us);

/*
 * Takes such a time off the front of `text`, as far as it goes: what follows is the caller's to
 * judge. Statuses as above.
 */
SL_MUST_USE enum sl_status sl_time_take_unix(struct sl_bytes *text, int64_t *time_us);

/*
 * Reads ISO 8601: `2026-11-23T03:09:01[.frac](Z|+hh:mm|-hh:mm)`, or a date alone (midnight UTC).
 * A space may stand for the T; without a zone UTC is taken. Statuses as above.
 */
SL_MUST_USE enum sl_status sl_time_parse_iso(struct sl_bytes text, int64_t *time_us);

#endif
