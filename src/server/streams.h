/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams.h -- who has which stream open: a newer session of a stream takes it over from an older
 * one, which is most often a dead connection that nobody has noticed yet.
 *
 * Memory   One small entry for each open stream.
 * Threads  Any thread. The older connection is only marked here, and its worker woken; it ends
 *          itself.
 */
#ifndef SL_SERVER_STREAMS_H
#define SL_SERVER_STREAMS_H

#include "server/connection.h"

struct sl_streams;

SL_MUST_USE enum sl_status sl_streams_new(struct sl_streams **streams);
void sl_streams_free(struct sl_streams *streams); /* null is allowed; none may be open */

/*
 * `connection` has `stream_id` open, by the store's opening number `opening`. Whoever of two has
 * the lower number is marked (connection->superseded) and its worker is told. SL_OK or SL_NOMEM.
 */
SL_MUST_USE enum sl_status sl_streams_take(struct sl_streams *streams, int64_t stream_id,
                                           int64_t opening, struct sl_connection *connection);

/* The connection is about to go; nothing happens where it has no stream, or no longer. */
void sl_streams_leave(struct sl_streams *streams, struct sl_connection *connection);

#endif
