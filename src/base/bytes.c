/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.c -- views and growing buffers.
 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST_BUFFER = 256 };

struct sl_bytes sl_bytes_of(const char *text)
{
    return (struct sl_bytes){.at = text, .len = strlen(text)};
}

/* Two digits a step, because a division waits for the one before. */
void sl_digits_put(uint64_t number, size_t count, char *out)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";

    for (; count >= 2; number /= 100) {
        count -= 2;
        memcpy(out + count, pairs + number % 100 * 2, 2);
    }
    if (count > 0)
        *out = (char)('0' + number % 10);
}

size_t sl_digits_print(uint64_t number, char out[static SL_DIGITS_MAX])
{
    size_t count = 1;

    for (uint64_t power = 10; count < SL_DIGITS_MAX && number >= power; power *= 10)
        count++;
    sl_digits_put(number, count, out);
    return count;
}

int sl_hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)((at - digits) % 16);
}

bool sl_bytes_equal(struct sl_bytes a, struct sl_bytes b)
{
    /* memcmp() must not be given a null pointer, not even for no bytes (C11, 7.24.1). */
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

enum sl_status sl_buffer_reserve(struct sl_buffer *buffer, size_t more, size_t limit)
{
    if (buffer->len > limit || more > limit - buffer->len)
        return SL_LIMIT;

    size_t need = buffer->len + more;

    if (need <= buffer->cap)
        return SL_OK;

    /* Doubling keeps appending linear; the limit is never overstepped by it. */
    size_t cap = buffer->cap < SMALLEST_BUFFER ? SMALLEST_BUFFER : buffer->cap;

    while (cap < need)
        cap = cap > limit / 2 ? limit : cap * 2;
    if (cap > limit)
        cap = limit;

    char *grown = realloc(buffer->at, cap);

    if (grown == NULL)
        return SL_NOMEM;
    buffer->at = grown;
    buffer->cap = cap;
    return SL_OK;
}

enum sl_status sl_buffer_add(struct sl_buffer *buffer, struct sl_bytes bytes, size_t limit)
{
    enum sl_status status = sl_buffer_reserve(buffer, bytes.len, limit);

    if (status != SL_OK || bytes.len == 0)
        return status;
    memcpy(buffer->at + buffer->len, bytes.at, bytes.len);
    buffer->len += bytes.len;
    return SL_OK;
}

/* The terminating zero of vsnprintf() needs a byte beyond the text, but isn't counted as text. */
static enum sl_status print(struct sl_buffer *buffer, size_t limit, const char *format,
                            va_list measure, va_list args)
{
    int length = vsnprintf(NULL, 0, format, measure);

    if (length < 0)
        return SL_NOMEM;

    size_t len = (size_t)length;

    if (buffer->len > limit || len > limit - buffer->len)
        return SL_LIMIT;

    enum sl_status status =
        sl_buffer_reserve(buffer, len + 1, limit < SIZE_MAX ? limit + 1 : limit);

    if (status != SL_OK)
        return status;
    (void)vsnprintf(buffer->at + buffer->len, len + 1, format, args);
    buffer->len += len;
    return SL_OK;
}

enum sl_status sl_buffer_print(struct sl_buffer *buffer, size_t limit, const char *format, ...)
{
    va_list measure;
    va_list args;

    va_start(measure, format);
    va_start(args, format);
    enum sl_status status = print(buffer, limit, format, measure, args);
    va_end(args);
    va_end(measure);
    return status;
}

void sl_buffer_drop(struct sl_buffer *buffer, size_t count)
{
    if (count >= buffer->len) {
        buffer->len = 0;
        return;
    }
    memmove(buffer->at, buffer->at + count, buffer->len - count);
    buffer->len -= count;
}

void sl_buffer_clear(struct sl_buffer *buffer)
{
    free(buffer->at);
    *buffer = (struct sl_buffer){0};
}
