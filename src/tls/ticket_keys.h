/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket_keys.h -- the keys that seal a server's session tickets, and how they change.
 *
 * Two keys: tickets are sealed under the newest and opened under both. Every `max_age` the newest
 * becomes the older one, so a ticket can be opened for as long as it may be used, and a key is
 * gone for good after twice that time.
 *
 * Sealing is AES-256-GCM with a random nonce (NIST SP 800-38D, section 8.2.2: 2^32 tickets a key).
 * Whoever has the keys can make tickets for any sensor, and read what TLS 1.2 sessions that were
 * resumed or resumable sent. So they live in memory, unless the operator names a file for them.
 *
 * Memory   Made by sl_ticket_keys_new(), freed by sl_ticket_keys_free() after the last session.
 * Threads  seal and open from any thread; turn from one.
 */
#ifndef SL_TLS_TICKET_KEYS_H
#define SL_TLS_TICKET_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "sensorlink/status.h"

struct sl_ticket_keys;

/* What sealing adds to a ticket: the key's name, nonce and tag. */
enum { SL_SEAL_SIZE = 8 + 12 + 16 };

/*
 * `max_age_us`: how long after the authentication with a certificate a session may be resumed.
 * `path`: where the keys survive a restart, mode 0600, made if it isn't there; null: nowhere. It is
 * borrowed.
 *
 * SL_OK         `*keys` is the caller's.
 * SL_BAD_INPUT  The file isn't one of ours, or others made it or can read it: one sentence is in
 *               `error`;
 * SL_IO         likewise, where it can't be read or written, or there is no randomness.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_ticket_keys_new(int64_t max_age_us, const char *path,
                                              struct sl_ticket_keys **keys, char *error,
                                              size_t error_size);
void sl_ticket_keys_free(struct sl_ticket_keys *keys); /* null is allowed */

/* Would sl_ticket_keys_new() take this file, or make it? Statuses as there; nothing is written. */
SL_MUST_USE enum sl_status sl_ticket_keys_check(const char *path, char *error, size_t error_size);

int64_t sl_ticket_keys_max_age_us(const struct sl_ticket_keys *keys);

/*
 * Changes the keys where it's time; call it once a minute or so, `now_us` is the wall clock.
 * SL_OK, or SL_IO: the keys are as they should be, but not on disk; `error` has one sentence.
 */
SL_MUST_USE enum sl_status sl_ticket_keys_turn(struct sl_ticket_keys *keys, int64_t now_us,
                                               char *error, size_t error_size);

/*
 * Seals `len` bytes into `out`, which has room for len + SL_SEAL_SIZE; or opens them in place:
 * `*len` bytes at `bytes` become `*len` bytes at `bytes`. SL_OK; SL_DENIED: not sealed by us, or
 * the library failed.
 */
SL_MUST_USE enum sl_status sl_ticket_keys_seal(struct sl_ticket_keys *keys, const uint8_t *plain,
                                               size_t len, uint8_t *out);
SL_MUST_USE enum sl_status sl_ticket_keys_open(struct sl_ticket_keys *keys, uint8_t *bytes,
                                               size_t *len);

#endif
