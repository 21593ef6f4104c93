/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cases.h -- what tests of tables of cases share: cmocka with the headers it wants first, and
 * literals that may hold zero bytes.
 */
#ifndef SL_TESTS_CASES_H
#define SL_TESTS_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

/* A view of a string literal that may hold zeros. For initialisers as well. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        .at = (literal), .len = sizeof(literal) - 1                                                \
    }

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fails, and shows both, where the bytes aren't this text. */
static inline void assert_bytes(struct sl_bytes bytes, const char *text)
{
    if (!sl_bytes_equal(bytes, sl_bytes_of(text)))
        fail_msg("'%.*s' instead of '%s'", (int)bytes.len, bytes.at, text);
}

#endif
