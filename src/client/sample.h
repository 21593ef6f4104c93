/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.h -- one sample of a source of --read or --exec: from what a file or a command says to a
 * reading.
 *
 * Memory   The caller's buffers.
 * Threads  Pure functions, but for reading the file.
 */
#ifndef SL_CLIENT_SAMPLE_H
#define SL_CLIENT_SAMPLE_H

#include <stdbool.h>

#include "client/spec.h"

enum { SL_SAMPLE_FILE_SIZE = 4096, SL_SAMPLE_TEXT_SIZE = 512 };

/* What a sampler reads: a file or a command. */
struct sl_sample {
    struct sl_spec spec; /* points into memory of the caller's */
    bool command;        /* spec.what is a command, else a path */
};

/*
 * Reads the beginning of a file without waiting, so that a FIFO can't hold the program up.
 * SL_OK: `*len` bytes. SL_IO: errno.
 */
SL_MUST_USE enum sl_status sl_sample_read_file(const char *path,
                                               char bytes[static SL_SAMPLE_FILE_SIZE], size_t *len);

/*
 * Prints the first number of `output` as `name: value[ unit]`.
 * SL_OK         `*len` bytes in `text`, zero-terminated.
 * SL_BAD_INPUT  `*why` is what is wrong with it (static).
 */
SL_MUST_USE enum sl_status sl_sample_print(const struct sl_spec *spec, struct sl_bytes output,
                                           char text[static SL_SAMPLE_TEXT_SIZE], size_t *len,
                                           const char **why);

#endif
