/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door.h -- counts who is in: connections, connections of one address, and handshakes under way, of
 * which one address may have a quarter (8 at least). The cheap refusals come first, before a
 * stranger has cost more than an accept().
 *
 * Each address also has an account of the processor time that its strangers wasted: what went into
 * handshakes that admitted nobody. It is paid back by waiting, a twentieth of a processor at a
 * time. Who owes more than SL_DOOR_OWED_MAX_US stays outside while it's crowded, which is while a
 * sixteenth of the handshakes that may be under way are, beside its own one: so the arithmetic is
 * left for addresses that didn't waste it, and where nobody waits nobody is kept out.
 *
 * Memory   A small entry for each address that is in, and for up to SL_DOOR_DEBTORS_MAX that owe.
 * Limits   Those given to sl_door_new().
 * Threads  Any thread.
 */
#ifndef SL_SERVER_DOOR_H
#define SL_SERVER_DOOR_H

#include "net/address.h"

enum { SL_DOOR_OWED_MAX_US = 100000, SL_DOOR_PAYS_A_PART = 20, SL_DOOR_DEBTORS_MAX = 4096 };

struct sl_door;

struct sl_door_limits {
    int64_t connections;
    int64_t per_address;
    int64_t handshakes;
};

SL_MUST_USE enum sl_status sl_door_new(struct sl_door_limits limits, struct sl_door **door);
void sl_door_free(struct sl_door *door); /* null is allowed; nobody may be in */

/*
 * A connection comes in, with a handshake under way. `now_ms` here and below: of the monotonic
 * clock.
 * SL_OK     It's counted: call sl_door_handshake_ended() and sl_door_leave() later.
 * SL_LIMIT  `*which` says which limit is reached, by its option's name (static storage).
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_door_enter(struct sl_door *door, const struct sl_address *address,
                                         int64_t now_ms, const char **which);

/* While a handshake is under way: should it go no further, because its address owes too much? */
bool sl_door_keeps_out(struct sl_door *door, const struct sl_address *address, int64_t now_ms);

/*
 * Its handshake is no longer under way. `wasted_us`: processor time to be put on the address's
 * account; 0 where somebody was admitted.
 */
void sl_door_handshake_ended(struct sl_door *door, const struct sl_address *address,
                             int64_t wasted_us, int64_t now_ms);

/* It's gone. */
void sl_door_leave(struct sl_door *door, const struct sl_address *address, int64_t now_ms);

#endif
