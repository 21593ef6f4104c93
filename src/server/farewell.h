/* SPDX-License-Identifier: Apache-2.0 */
/*
 * farewell.h -- the end of a connection: everything received is stored and acknowledged, then come
 * the last words, and then a moment in which the peer may close first.
 *
 * Threads  The connection's worker's.
 */
#ifndef SL_SERVER_FAREWELL_H
#define SL_SERVER_FAREWELL_H

#include "server/connection.h"

/*
 * Encrypts and sends the replies. SL_OK: all are out. SL_WANT_WRITE: some wait. SL_CUT: nothing can
 * be sent any more.
 */
SL_MUST_USE enum sl_status sl_farewell_send(struct sl_connection *connection);

/* State ENDING: hands on what was received, and says goodbye once it's all answered. */
void sl_farewell_prepare(struct sl_connection *connection);

/* State GOODBYE: sends what is left, then lingers. */
void sl_farewell_say(struct sl_connection *connection);

/*
 * State LINGER: the peer's last bytes are read and thrown away, because a close with unread bytes
 * would reset our goodbye.
 */
void sl_farewell_linger(struct sl_connection *connection);

#endif
