/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.h -- looks a host name up without holding the loop (libuv's pool of threads does).
 *
 * Threads  Belongs to the loop's thread.
 */
#ifndef SL_NET_RESOLVE_H
#define SL_NET_RESOLVE_H

#include "net/address.h"
#include "net/loop.h"

struct sl_resolve;

/* Called once, in a later turn. On SL_OK the callback owns the list. On SL_IO `error` says why. */
typedef void sl_resolve_fn(void *ctx, enum sl_status status, struct sl_addresses *addresses,
                           const char *error);

SL_MUST_USE enum sl_status sl_resolve_start(struct sl_loop *loop, const char *host, uint16_t port,
                                            sl_resolve_fn *done, void *ctx,
                                            struct sl_resolve **resolve);

/* The callback is not called any more. */
void sl_resolve_cancel(struct sl_resolve *resolve);

#endif
