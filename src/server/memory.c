/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c -- see memory.h. */
#include "server/memory.h"

#include <malloc.h>
#include <stdlib.h>

enum {
    LARGE = 16384, /* bytes: the buffers are a little more, and hardly anything else is */
    MAPPINGS_MAX = 60000,
    FREE_MAX = 2 * SL_MEMORY_KEPT /* what malloc() holds free before it gives all of that back */
};

/* At the end of the heap, where what is freed is joined with it again. */
static void keep_room(void)
{
    void *volatile room; /* or the compiler finds that nobody uses it */

    (void)mallopt(M_MMAP_THRESHOLD, FREE_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, FREE_MAX);
    room = malloc(SL_MEMORY_KEPT);
    free(room);
}

void sl_memory_prepare(void)
{
    /* Each can be refused, and then the server is only larger or slower. */
    keep_room();
    (void)mallopt(M_MMAP_THRESHOLD, LARGE);
    (void)mallopt(M_MMAP_MAX, MAPPINGS_MAX);
    /* Nothing more is asked for in advance: glibc would lay a buffer there before it maps one. */
    (void)mallopt(M_TOP_PAD, 0);
}
