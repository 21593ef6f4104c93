/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead.h -- what a server received of a peer and the TLS library hasn't taken yet.
 *
 * The library asks for a record's head, then for its body, and so twice a record. Here the system
 * is asked once for as much as there is.
 *
 * Memory   Start with `{0}`; it holds up to SL_AHEAD_MAX bytes while there is something to take,
 *          and nothing after sl_ahead_clear().
 * Threads  As for the session.
 */
#ifndef SL_TLS_AHEAD_H
#define SL_TLS_AHEAD_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/transport.h"

/* A little less than what malloc() takes from the system each time (server/memory.h). */
enum { SL_AHEAD_MAX = 15 * 1024 };

struct sl_ahead {
    struct sl_buffer bytes;
    size_t taken; /* of them */
    bool drained; /* the transport had less than it was asked for */
};

/*
 * Takes up to `cap` bytes; where none are left, asks the transport for up to `most`, at most
 * SL_AHEAD_MAX.
 *
 * `trusting`: where the transport had less than it was asked for at the last look, it isn't asked
 * again but presumed empty, once. Only for an owner that is told when there is more.
 * SL_OK: `*len` is 1 to `cap`. SL_WANT_READ, SL_NOMEM, and what the transport says.
 */
SL_MUST_USE enum sl_status sl_ahead_take(struct sl_ahead *ahead, struct sl_transport *transport,
                                         size_t most, bool trusting, unsigned char *to, size_t cap,
                                         size_t *len);

/* Forgets what is left and frees the memory. */
void sl_ahead_clear(struct sl_ahead *ahead);

#endif
