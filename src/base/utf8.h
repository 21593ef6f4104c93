/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8.h -- one code point at a time out of bytes that may be anything.
 *
 * Memory   Views only. Nothing allocates.
 * Limits   Well-formed UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing
 *          above U+10FFFF.
 * Threads  Pure functions.
 */
#ifndef SL_BASE_UTF8_H
#define SL_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * The length (1 to 4) of the code point that `bytes` starts with, which `*code` receives; 0
 * where there is none: no bytes, bytes that aren't UTF-8, or a code point that is cut short.
 */
size_t sl_utf8_next(struct sl_bytes bytes, uint32_t *code);

/* True for control characters: U+0000 to 1F and U+007F to 9F. */
bool sl_utf8_is_control(uint32_t code);

/*
 * True for characters that leave a mark: no control, no blank, nothing invisible, nothing that
 * turns the direction of the text around it (which can make a line read as another one), no
 * private or unassigned-for-ever code point.
 */
bool sl_utf8_is_visible(uint32_t code);

#endif
