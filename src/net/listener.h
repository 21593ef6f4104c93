/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.h -- accepts TCP connections on one address.
 *
 * `[::]` takes both families. When the process runs out of descriptors, the listener closes what it
 * can't serve, waits a little and goes on (it keeps one descriptor in reserve for that).
 *
 * Threads  Belongs to the loop's thread.
 */
#ifndef SL_NET_LISTENER_H
#define SL_NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

struct sl_listener;

/* A connection came; the callback owns `fd` (non-blocking, close-on-exec). */
typedef void sl_listener_fn(void *ctx, int fd, const struct sl_address *peer);

/*
 * Listens. SO_REUSEADDR is set. Port 0 takes a free one; sl_listener_address() says which.
 * SL_IO  `error` has one sentence that names the address and what to do.
 */
SL_MUST_USE enum sl_status sl_listener_open(struct sl_loop *loop, const struct sl_address *address,
                                            sl_listener_fn *accepted, void *ctx,
                                            struct sl_listener **listener, char *error,
                                            size_t error_size);
const struct sl_address *sl_listener_address(const struct sl_listener *listener);
void sl_listener_close(struct sl_listener *listener);

#endif
