/* SPDX-License-Identifier: Apache-2.0 */
/*
 * door.h -- counts who is in: connections, connections of one address, and handshakes under way, of
 * which one address may have a quarter (8 at least). The cheap refusals come first, before a
 * stranger has cost more than an accept().
 *
 * Memory   A small entry for each address that is in.
 * Limits   Those given to sl_door_new().
 * Threads  Any thread.
 */
#ifndef SL_SERVER_DOOR_H
#define SL_SERVER_DOOR_H

#include "net/address.h"

struct sl_door;

struct sl_door_limits {
    int64_t connections;
    int64_t per_address;
    int64_t handshakes;
};

SL_MUST_USE enum sl_status sl_door_new(struct sl_door_limits limits, struct sl_door **door);
void sl_door_free(struct sl_door *door); /* null is allowed; nobody may be in */

/*
 * A connection comes in, with a handshake under way.
 * SL_OK     It's counted: call sl_door_authenticated() and sl_door_leave() later.
 * SL_LIMIT  `*which` names the option whose limit is reached (static storage).
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_door_enter(struct sl_door *door, const struct sl_address *address,
                                         const char **which);

/* Its handshake is no longer under way (over or failed). */
void sl_door_authenticated(struct sl_door *door, const struct sl_address *address);

/* It's gone. */
void sl_door_leave(struct sl_door *door, const struct sl_address *address);

#endif
