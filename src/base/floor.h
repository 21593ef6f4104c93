/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor.h -- whether this machine's clock can be right.
 *
 * Certificates are judged by the machine's clock. A small machine without a battery starts in 1970,
 * where every certificate is "not valid yet", or, set back on purpose, in a year in which an old
 * one is valid again. So there is a moment that the clock can't be before: this program was built
 * then, or this clock and a server's agreed on it. A day less is allowed, for clocks that differ
 * honestly. A server's time alone isn't believed: its clock may be the wrong one, and a floor in
 * the future would keep every sensor away that ever heard of it.
 *
 * Threads  Pure functions.
 */
#ifndef SL_BASE_FLOOR_H
#define SL_BASE_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

/* When this was built (midnight UTC), in microseconds since 1970; SOURCE_DATE_EPOCH sets it. */
int64_t sl_floor_built_us(void);

/* True where a clock that shows `now_us` can't be right, `floor_us` having been seen. */
bool sl_floor_is_above(int64_t floor_us, int64_t now_us);

/* The time that both clocks say is past, or INT64_MIN where they contradict each other. */
int64_t sl_floor_agreed_us(int64_t own_us, int64_t server_us);

#endif
