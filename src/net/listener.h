/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.h -- accepts TCP connections on one address.
 *
 * `[::]` takes both families, and IPv4 alone where the machine has no IPv6.
 *
 * Limits   A turn of the loop accepts a bounded number, so that connections that are in already
 *          are served in between. When the process runs out of descriptors, the listener closes
 *          the connections that it can't hand on (it keeps one descriptor in reserve for that),
 *          waits a little and goes on; otherwise they would wait for an answer that never comes.
 * Threads  Belongs to the loop's thread.
 */
#ifndef SL_NET_LISTENER_H
#define SL_NET_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "net/loop.h"

struct sl_listener;

/*
 * A connection came; the callback owns `fd` (non-blocking, close-on-exec, tuned as socket.h has
 * it). `peer` is valid during the call. The callback may close the listener.
 */
typedef void sl_listener_fn(void *ctx, int fd, const struct sl_address *peer);

/*
 * Listens. SO_REUSEADDR is set, so that a restart needn't wait for old connections to be forgotten.
 * Port 0 takes a free one; sl_listener_address() says which.
 *
 * SL_OK     `*listener` is the caller's; give it back with sl_listener_close().
 * SL_IO     `error` has one sentence that names the address and says what to do.
 * SL_NOMEM  No memory; `error` says so.
 */
SL_MUST_USE enum sl_status sl_listener_open(struct sl_loop *loop, const struct sl_address *address,
                                            sl_listener_fn *accepted, void *ctx,
                                            struct sl_listener **listener, char *error,
                                            size_t error_size);

/*
 * Whether it could be listened on now, without listening; nobody who connects or listens notices.
 *
 * SL_OK     Yes.
 * SL_LIMIT  Another program listens there; `error` as below.
 * SL_IO     No; `error` has one sentence that names the address and says what to do.
 */
SL_MUST_USE enum sl_status sl_listener_try(const struct sl_address *address, char *error,
                                           size_t error_size);

/* What it really listens on, with the port that it has. Valid until it is closed. */
const struct sl_address *sl_listener_address(const struct sl_listener *listener);

/* How many connections were closed for want of descriptors. */
uint64_t sl_listener_turned_away(const struct sl_listener *listener);

/* Stops listening; connections that were not accepted yet are reset. Null is allowed. */
void sl_listener_close(struct sl_listener *listener);

#endif
