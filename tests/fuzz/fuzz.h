/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h -- what fuzz targets share: a check that ends the process, and reading of the input.
 */
#ifndef SL_TESTS_FUZZ_H
#define SL_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which is how a fuzz target fails, where what must hold doesn't. */
static inline void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "doesn't hold: %s\n", what);
        abort();
    }
}

/* Takes one byte off the front of the input; 0 where it is used up. */
static inline unsigned take_byte(struct sl_bytes *in)
{
    if (in->len == 0)
        return 0;

    unsigned byte = (unsigned char)in->at[0];

    in->at++;
    in->len--;
    return byte;
}

#endif
