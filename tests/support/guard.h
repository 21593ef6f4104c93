/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h -- puts test input flush against memory that can't be read.
 *
 * A parser that reads one byte beyond its input, or one before it, crashes there and then, in
 * any build: with a sanitizer or without.
 *
 * Memory   One mapping per guard, from sl_guard_open() to sl_guard_close().
 * Limits   Inputs up to SL_GUARD_MAX bytes, one at a time.
 */
#ifndef SL_TESTS_GUARD_H
#define SL_TESTS_GUARD_H

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"

enum { SL_GUARD_MAX = 65536 };

struct sl_guard {
    char *map; /* an unreadable page, the room, an unreadable page */
    size_t page;
    size_t room;
};

static inline void sl_guard_open(struct sl_guard *guard)
{
    guard->page = (size_t)sysconf(_SC_PAGESIZE);
    guard->room = (SL_GUARD_MAX + guard->page - 1) / guard->page * guard->page;

    void *map =
        mmap(NULL, guard->room + 2 * guard->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert(map != MAP_FAILED);
    guard->map = map;

    int failed = mprotect(guard->map + guard->page, guard->room, PROT_READ | PROT_WRITE);

    assert(failed == 0);
}

static inline void sl_guard_close(struct sl_guard *guard)
{
    int failed = munmap(guard->map, guard->room + 2 * guard->page);

    assert(failed == 0);
    guard->map = NULL;
}

static inline struct sl_bytes sl_guard_place(char *at, struct sl_bytes bytes)
{
    if (bytes.len > 0)
        memcpy(at, bytes.at, bytes.len);
    return (struct sl_bytes){.at = at, .len = bytes.len};
}

/* A copy whose end lies at the unreadable page. Valid until the next copy. */
static inline struct sl_bytes sl_guard_at_end(struct sl_guard *guard, struct sl_bytes bytes)
{
    assert(bytes.len <= SL_GUARD_MAX);
    return sl_guard_place(guard->map + guard->page + guard->room - bytes.len, bytes);
}

/* A copy whose start lies at the unreadable page. Valid until the next copy. */
static inline struct sl_bytes sl_guard_at_start(struct sl_guard *guard, struct sl_bytes bytes)
{
    assert(bytes.len <= SL_GUARD_MAX);
    return sl_guard_place(guard->map + guard->page, bytes);
}

#endif
