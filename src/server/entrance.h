/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entrance.h -- a stranger's way in: the handshake, admission, and what is said to those who stay
 * out.
 *
 * Threads  The handshake worker's, but for sl_entrance_take_rule().
 */
#ifndef SL_SERVER_ENTRANCE_H
#define SL_SERVER_ENTRANCE_H

#include "server/connection.h"

/*
 * State HANDSHAKE: goes on with it. An admitted connection is handed to an I/O worker, in whose
 * thread it lives from then on: the caller must not touch it after this call.
 */
void sl_entrance_step(struct sl_connection *connection);

/* The handshake's time is up. */
void sl_entrance_late(struct sl_connection *connection);

/*
 * What `trust` (whose reference is taken over) lets this sensor do.
 */
void sl_entrance_take_rule(struct sl_connection *connection, struct sl_trust *trust);

#endif
