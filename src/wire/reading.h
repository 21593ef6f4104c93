/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading.h -- one reading: `name: value[ unit]`.
 *
 * A value stays the decimal text that the sensor sent, brought to one canonical form that is
 * also a JSON number. So no rounding ever happens between sensor and reader: `22` is `22`, and
 * 0.1 is not 0.1000000000000000055.
 *
 * Memory   A reading is a view: its parts point into the text that it was parsed from.
 * Limits   Those of the grammar below.
 * Threads  Pure functions.
 */
#ifndef SL_WIRE_READING_H
#define SL_WIRE_READING_H

#include <stdint.h>

#include "base/bytes.h"

enum {
    SL_NAME_MAX = 64, /* [A-Za-z][A-Za-z0-9_.-]{0,63} */
    SL_UNIT_MAX = 16, /* characters (Unicode code points), printable, no space */
    SL_UNIT_BYTES_MAX = 64,
    SL_VALUE_MAX = 48, /* bytes of a value as sent and in canonical form */
    SL_VALUE_SIZE = SL_VALUE_MAX + 1
};

/* Why a reading can't be taken. Each has a stable id for the protocol and one sentence. */
enum sl_flaw {
    SL_FLAW_NONE,
    SL_FLAW_NO_COLON,     /* "no-colon": there is no ':' after a name */
    SL_FLAW_NAME,         /* "bad-name" */
    SL_FLAW_NO_VALUE,     /* "no-value": nothing after the ':' */
    SL_FLAW_NOT_A_NUMBER, /* "not-a-number": `nan`, `0x10`, `1,5`, ... */
    SL_FLAW_NOT_FINITE,   /* "not-finite": `inf`, `1e999` */
    SL_FLAW_UNIT,         /* "bad-unit": too long, several words or not printable */
    SL_FLAW_NOT_TEXT      /* "not-text": a NUL or other control byte, or not UTF-8 */
};

/* The flaw's stable id, and a sentence that says what is expected. Static storage, never null. */
const char *sl_flaw_id(enum sl_flaw flaw);
const char *sl_flaw_text(enum sl_flaw flaw);

struct sl_reading {
    int64_t time_us;      /* when the sensor took it; SL_TIME_NONE where it has no clock */
    struct sl_bytes time; /* `time_us` as text, as it came; empty where it didn't come as text */
    struct sl_bytes name; /* 1 to SL_NAME_MAX bytes of [A-Za-z0-9_.-], a letter first */
    struct sl_bytes
        value;            /* a decimal number as sent; sl_value_canonical() brings it to one form */
    struct sl_bytes unit; /* empty where there is none */
};

/*
 * Reads `name: value[ unit]` (blanks around the parts are dropped, and the blank after ':' may be
 * missing; a blank is a space, a tab is a control byte). A value is
 * `[+-]digits[.digits][e[+-]digits]` where either side of the point may be empty but not both;
 * its magnitude must be below 1.8e308 as an IEEE double is.
 * `time_us` and `time` are left alone.
 *
 * SL_OK         `*reading` is set; its parts point into `text`.
 * SL_BAD_INPUT  `*flaw` says why (never SL_FLAW_NONE).
 */
SL_MUST_USE enum sl_status sl_reading_parse(struct sl_bytes text, struct sl_reading *reading,
                                            enum sl_flaw *flaw);

/* The same checks for parts that come one by one (the library's submit). Statuses as above. */
SL_MUST_USE enum sl_status sl_reading_check(const struct sl_reading *reading, enum sl_flaw *flaw);

/*
 * Prints `name: value[ unit]` with the value in canonical form, zero-terminated, without '\n'.
 * SL_OK     `*len` is the length without the zero.
 * SL_LIMIT  `size` is too small (SL_LINE_MAX always does for a valid reading).
 */
SL_MUST_USE enum sl_status sl_reading_print(const struct sl_reading *reading, char *text,
                                            size_t size, size_t *len);

/*
 * Brings a value that sl_reading_parse() took to its canonical form, which is a JSON number
 * (RFC 8259, section 6) with as few characters as the same digits need: `+022.50` gives `22.5`,
 * `.5` gives `0.5`, `-0` gives `0`, `1E+3` gives `1e3`, an exponent stays an exponent.
 * Returns its length, 1 to SL_VALUE_MAX; `out` is zero-terminated.
 */
size_t sl_value_canonical(struct sl_bytes value, char out[static SL_VALUE_SIZE]);

/*
 * The shortest decimal text that reads back as `number`, in canonical form and in any locale.
 * SL_OK         Printed; `*len` is its length.
 * SL_BAD_INPUT  NaN or infinite.
 */
SL_MUST_USE enum sl_status sl_value_print(double number, char out[static SL_VALUE_SIZE],
                                          size_t *len);

/* True for well-formed UTF-8 (RFC 3629) without control characters (U+0000-1F, 7F-9F). */
bool sl_text_is_clean(struct sl_bytes text);

#endif
