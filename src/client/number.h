/* SPDX-License-Identifier: Apache-2.0 */
/*
 * number.h -- finds the first number in whatever a file or a command says, and scales it without
 * rounding.
 *
 * Memory   Views and the caller's buffers. Nothing here allocates.
 * Threads  Pure functions.
 */
#ifndef SL_CLIENT_NUMBER_H
#define SL_CLIENT_NUMBER_H

#include <stdbool.h>

#include "wire/reading.h"

/*
 * The first decimal number: `[+-]digits[.digits][e[+-]digits]`. Digits within a word don't count
 * (`temp1`, `k10temp-pci-00c3`), nor do hexadecimal numbers (`0x1f`); a unit may follow without a
 * blank (`21.5C`). The decimal sign is a point; a comma ends a number.
 * False where there is none.
 */
bool sl_number_find(struct sl_bytes text, struct sl_bytes *number);

/* True where the whole of `text` is such a number. */
bool sl_number_is(struct sl_bytes text);

/*
 * `number` times `scale`, both as found above, as decimal text that sl_reading_parse() takes. It is
 * exact as long as the digits of both fit 18 places (`45123` times `0.001` is `45.123`), else it is
 * what IEEE doubles give.
 * SL_OK         `*len` bytes in `out`, zero-terminated.
 * SL_BAD_INPUT  The product is too large for a double.
 */
SL_MUST_USE enum sl_status sl_number_scale(struct sl_bytes number, struct sl_bytes scale,
                                           char out[static SL_VALUE_SIZE], size_t *len);

#endif
