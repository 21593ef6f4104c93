/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h -- sl_client_config's `resolve`, done off the loop by net/resolve.h.
 *
 * Memory   Made by new, freed by free, also while a look-up is under way.
 * Threads  The loop's.
 */
#ifndef SL_CLIENT_LOOKUP_H
#define SL_CLIENT_LOOKUP_H

#include "net/loop.h"
#include "sensorlink/sensorlink.h"

struct sl_lookup;

/* An answer came: step the client. */
typedef void sl_lookup_fn(void *ctx);

/* SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_lookup_new(struct sl_loop *loop, sl_lookup_fn *answered, void *ctx,
                                         struct sl_lookup **lookup);

/* As sl_client_config.resolve. */
SL_MUST_USE enum sl_status sl_lookup_ask(struct sl_lookup *lookup, const char *host,
                                         struct sl_client_addresses *addresses);

/* Null is allowed. */
void sl_lookup_free(struct sl_lookup *lookup);

#endif
