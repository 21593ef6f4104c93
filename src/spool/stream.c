/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c -- makes and checks stream ids. */
#include "spool/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum sl_status sl_spool_stream_make(char stream[static SL_SPOOL_STREAM_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[(SL_SPOOL_STREAM_SIZE - 1) / 2];

    /* Up to 256 bytes come whole once the kernel's generator is seeded (getrandom(2)). */
    ssize_t got;
    do {
        got = getrandom(random, sizeof(random), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(random))
        return SL_IO;

    for (size_t i = 0; i < sizeof(random); i++) {
        stream[2 * i] = digits[random[i] >> 4];
        stream[2 * i + 1] = digits[random[i] & 15];
    }
    stream[2 * sizeof(random)] = '\0';
    return SL_OK;
}

bool sl_spool_stream_valid(const char *text)
{
    return strlen(text) == SL_SPOOL_STREAM_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == SL_SPOOL_STREAM_SIZE - 1;
}
