/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c -- see memory.h. */
#include "server/memory.h"

#include <malloc.h>

enum {
    LARGE = 16384, /* bytes: the buffers are a little more, and hardly anything else is */
    MAPPINGS_MAX = 60000
};

void sl_memory_prepare(void)
{
    /* Each can be refused, and then the server is only larger. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
    (void)mallopt(M_MMAP_MAX, MAPPINGS_MAX);
    /* Nothing is asked for in advance: glibc would lay a buffer there before it maps one. */
    (void)mallopt(M_TOP_PAD, 0);
}
