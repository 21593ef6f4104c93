/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.c -- see wheel.h. */
#include "server/wheel.h"

void sl_wheel_init(struct sl_wheel *wheel, int64_t now_ms)
{
    *wheel = (struct sl_wheel){.slot = now_ms / SL_WHEEL_SLOT_MS};
}

void sl_wheel_put(struct sl_wheel *wheel, struct sl_listed *member, void *owner, int64_t at_ms)
{
    int64_t slot = at_ms / SL_WHEEL_SLOT_MS;

    if (slot < wheel->slot)
        slot = wheel->slot;
    if (slot >= wheel->slot + SL_WHEEL_SLOTS)
        slot = wheel->slot + SL_WHEEL_SLOTS - 1;
    sl_list_leave(member);
    sl_list_put(&wheel->slots[slot % SL_WHEEL_SLOTS], member, owner);
}

void sl_wheel_turn(struct sl_wheel *wheel, int64_t now_ms, struct sl_listed **due)
{
    int64_t end = now_ms / SL_WHEEL_SLOT_MS; /* this slot isn't over */

    /* After a turn of the ring there is nobody left to find. */
    if (end - wheel->slot > SL_WHEEL_SLOTS)
        wheel->slot = end - SL_WHEEL_SLOTS;
    for (; wheel->slot < end; wheel->slot++) {
        struct sl_listed **slot = &wheel->slots[wheel->slot % SL_WHEEL_SLOTS];

        while (*slot != NULL) {
            struct sl_listed *member = *slot;

            sl_list_leave(member);
            sl_list_put(due, member, member->owner);
        }
    }
}
