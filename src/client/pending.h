/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending.h -- the readings that a source gave and the spool hasn't committed yet.
 *
 * Until a commit says so, a reading isn't safe, and where the spool's disk fails it has to be given
 * to the spool again. When there is no room here either, readings are only counted: they become a
 * gap after those that are here.
 *
 * Memory   The caller owns struct sl_pending; its entries are one block of about 2 MB.
 * Limits   SL_PENDING_MAX readings.
 * Threads  The loop's.
 */
#ifndef SL_CLIENT_PENDING_H
#define SL_CLIENT_PENDING_H

#include <stdbool.h>

#include "base/bytes.h"
#include "sensorlink/sensorlink.h"

enum { SL_PENDING_MAX = 4096 }; /* readings between two commits */

struct sl_pending_reading {
    int64_t time_us;
    size_t len;
    char text[SL_SPOOL_TEXT_MAX];
};

struct sl_pending {
    struct sl_pending_reading *at;
    size_t count;
    size_t submitted; /* of them the first so many are in the spool's open transaction */
    int64_t missed;   /* came when there was no room here */
};

/* SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_pending_init(struct sl_pending *pending);
void sl_pending_clear(struct sl_pending *pending);

/* How many readings aren't on disk. */
int64_t sl_pending_left(const struct sl_pending *pending);

/* Adds one of at most SL_SPOOL_TEXT_MAX bytes; there must be room. */
void sl_pending_add(struct sl_pending *pending, int64_t time_us, struct sl_bytes text);

/*
 * Gives the client what isn't submitted yet, and after it the gap of what was missed, for `reason`.
 * SL_OK         All of it is submitted.
 * SL_BAD_INPUT  The first that isn't submitted is no reading: take it out and call again.
 * Others        The client's.
 */
SL_MUST_USE enum sl_status sl_pending_submit(struct sl_pending *pending, struct sl_client *client,
                                             const char *reason);

/* Takes out the first that isn't submitted. */
void sl_pending_reject(struct sl_pending *pending);

/* What was submitted is on disk (true), or has to be submitted again. */
void sl_pending_settle(struct sl_pending *pending, bool kept);

#endif
