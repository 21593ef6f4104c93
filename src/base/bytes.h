/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h -- a view of bytes that somebody else owns, and a buffer that grows.
 *
 * Memory   struct sl_bytes owns nothing. struct sl_buffer owns its memory: init with
 *          `{0}`, release with sl_buffer_clear().
 * Limits   A buffer grows up to the limit given at each call, never beyond.
 * Threads  None of its own; one owner at a time.
 */
#ifndef SL_BASE_BYTES_H
#define SL_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensorlink/status.h"

struct sl_bytes {
    const char *at; /* not terminated by a zero; may hold any byte */
    size_t len;
};

struct sl_buffer {
    char *at;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
};

/* A view of a zero-terminated string, without its zero. */
struct sl_bytes sl_bytes_of(const char *text);

/* The digits of the greatest number. */
enum { SL_DIGITS_MAX = 20 };

/* Prints a number in decimal, without a terminating zero; returns its length. */
size_t sl_digits_print(uint64_t number, char out[static SL_DIGITS_MAX]);

/* Prints the last `count` digits of a number, with zeros in front where it has fewer. */
void sl_digits_put(uint64_t number, size_t count, char *out);

/* The value of a hex digit in either case, or -1. */
int sl_hex_digit(char c);

/* True where both hold the same bytes. */
bool sl_bytes_equal(struct sl_bytes a, struct sl_bytes b);

/*
 * Appends `bytes`.
 * SL_OK     Appended.
 * SL_LIMIT  The buffer would hold more than `limit` bytes; nothing was appended.
 * SL_NOMEM  No memory; nothing was appended.
 */
SL_MUST_USE enum sl_status sl_buffer_add(struct sl_buffer *buffer, struct sl_bytes bytes,
                                         size_t limit);

/* Appends printf-formatted text; statuses as for sl_buffer_add(). */
SL_MUST_USE enum sl_status sl_buffer_print(struct sl_buffer *buffer, size_t limit,
                                           const char *format, ...) SL_PRINTF(3, 4);

/* Makes room for `more` bytes after `len` (which stays); statuses as for sl_buffer_add(). */
SL_MUST_USE enum sl_status sl_buffer_reserve(struct sl_buffer *buffer, size_t more, size_t limit);

/* Drops the first `count` bytes (at most `len`). */
void sl_buffer_drop(struct sl_buffer *buffer, size_t count);

/* Frees the memory; the buffer is empty and can be used again. */
void sl_buffer_clear(struct sl_buffer *buffer);

#endif
