/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wheel.h -- whose time is up: a ring of slots, each a tenth of a second, that goes round in 51 s.
 *
 * Who has thousands of connections can't look at each of them all the time. Here putting one in,
 * moving it and taking it out costs the same few steps however many there are, and who isn't due
 * costs nothing until the ring comes round.
 *
 * A member may come out early, because its time lies beyond one turn of the ring or became later
 * since: its owner looks whether anything is due and puts it in again. Turned once a
 * slot, it comes out two slots late at most.
 *
 * Memory   struct sl_wheel is the caller's; its members too (base/list.h).
 * Threads  One.
 */
#ifndef SL_SERVER_WHEEL_H
#define SL_SERVER_WHEEL_H

#include <stdint.h>

#include "base/list.h"

enum { SL_WHEEL_SLOT_MS = 100, SL_WHEEL_SLOTS = 512 };

struct sl_wheel {
    int64_t slot; /* the next to be emptied, counted from the clock's beginning */
    struct sl_listed *slots[SL_WHEEL_SLOTS];
};

/* An empty wheel. Times are of one clock that never goes back. */
void sl_wheel_init(struct sl_wheel *wheel, int64_t now_ms);

/* The member is due at `at_ms`, which may be over already; it's moved where it was in. */
void sl_wheel_put(struct sl_wheel *wheel, struct sl_listed *member, void *owner, int64_t at_ms);

/*
 * Takes everybody out whose slot is over, into `due`, which must be empty. Call it about once a
 * slot.
 */
void sl_wheel_turn(struct sl_wheel *wheel, int64_t now_ms, struct sl_listed **due);

#endif
