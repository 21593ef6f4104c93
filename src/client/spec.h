/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec.h -- what people write to say where readings come from: --read, --exec and lines of --stdin.
 *
 * Memory   Views into the text given.
 * Threads  Pure functions.
 */
#ifndef SL_CLIENT_SPEC_H
#define SL_CLIENT_SPEC_H

#include "wire/reading.h"

/* `NAME[:UNIT]=WHAT`; a name and a unit that a reading may have. */
struct sl_spec {
    struct sl_bytes name;
    struct sl_bytes unit;  /* empty: none */
    struct sl_bytes what;  /* the path or the command */
    struct sl_bytes scale; /* --read's factor; empty: none */
};

/*
 * Reads `NAME[:UNIT]=PATH[*SCALE]` (scaled) or `NAME[:UNIT]=COMMAND`. A `*` that no number follows
 * belongs to the path.
 * SL_OK         `*spec` points into `text`.
 * SL_BAD_INPUT  `*wrong` is what is wrong with it (static).
 */
SL_MUST_USE enum sl_status sl_spec_parse(const char *text, bool scaled, struct sl_spec *spec,
                                         const char **wrong);

/*
 * Reads a line of --stdin: `[time ]name: value[ unit]`, and with `name` also `[time ]value[ unit]`.
 * The time is Unix seconds, ISO 8601 (a blank may stand for the T), or `-` for "no clock".
 *
 * SL_OK         `out` has `name: value[ unit]`, unchecked, of `*len` bytes. `*time_us` is set where
 *               the line has a time, else it is left alone.
 * SL_BAD_INPUT  `*wrong` is what is wrong with it (static).
 */
SL_MUST_USE enum sl_status sl_spec_parse_line(struct sl_bytes line, const char *name,
                                              int64_t *time_us, char *out, size_t size, size_t *len,
                                              const char **wrong);

#endif
