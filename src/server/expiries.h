/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expiries.h -- says in the log what of the server's trust runs out: before it does, once a day,
 * and when it has.
 *
 * Memory   Made by sl_expiries_new(), freed by sl_expiries_free().
 * Threads  The main loop's.
 */
#ifndef SL_SERVER_EXPIRIES_H
#define SL_SERVER_EXPIRIES_H

#include "net/loop.h"
#include "server/shared.h"

struct sl_expiries;

/* `files` is borrowed. From now on it looks at today's trust each second. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_expiries_new(struct sl_loop *loop, struct sl_shared *shared,
                                           const struct sl_trust_files *files,
                                           struct sl_expiries **expiries);

/* The trust is new: says everything that has to be said of it. */
void sl_expiries_tell(struct sl_expiries *expiries);

void sl_expiries_free(struct sl_expiries *expiries); /* null is allowed */

#endif
