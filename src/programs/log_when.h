/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_when.h -- times as people write them on a command line.
 *
 * Threads  Pure functions.
 */
#ifndef SL_PROGRAMS_LOG_WHEN_H
#define SL_PROGRAMS_LOG_WHEN_H

#include "base/clock.h"

/*
 * Reads `text` as a time: Unix seconds (`1764000000.25`), ISO 8601 (`2026-11-23`,
 * `2026-11-23T03:09Z`), `now`, or a time ago (`1h`, `-90s`, `2d`; units s, m, h, d, w) counted from
 * `now_us`.
 * SL_OK         `*time_us` is set.
 * SL_BAD_INPUT  It is none of these.
 */
SL_MUST_USE enum sl_status sl_when_parse(const char *text, int64_t now_us, int64_t *time_us);

#endif
