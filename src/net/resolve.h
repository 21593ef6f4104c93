/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.h -- looks a host name up without holding the loop.
 *
 * Each look-up has a thread of its own, which is left behind when it is cancelled and ends when the
 * name service answers or gives up. libuv's pool would do the same work, but the program then waits
 * for its threads when it exits, half a minute where the name service is silent.
 *
 * Threads  Belongs to the loop's thread.
 */
#ifndef SL_NET_RESOLVE_H
#define SL_NET_RESOLVE_H

#include "net/address.h"
#include "net/loop.h"

struct sl_resolve;

/*
 * Called once, in a later turn; the look-up is given back before it, its pointer is dead. Statuses
 * as for sl_addresses_resolve(). On SL_OK the callback owns the list: it copies `*addresses` and
 * clears the copy some day. On others `error` is one sentence, valid during the call.
 */
typedef void sl_resolve_fn(void *ctx, enum sl_status status, struct sl_addresses *addresses,
                           const char *error);

/*
 * SL_OK     Started; `*resolve` is for sl_resolve_cancel() and dead once `done` was called.
 * SL_IO     No thread or descriptor can be had.
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_resolve_start(struct sl_loop *loop, const char *host, uint16_t port,
                                            sl_resolve_fn *done, void *ctx,
                                            struct sl_resolve **resolve);

/* The callback is not called any more. Returns at once. Null is allowed. */
void sl_resolve_cancel(struct sl_resolve *resolve);

#endif
