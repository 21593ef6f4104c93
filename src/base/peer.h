/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h -- the sensor that a session has proven, as the rest of the server sees it.
 *
 * There is no function here that makes a peer, on purpose. Only tls/admission.c does, for a
 * session whose handshake is complete and which was admitted. sl_store_append() demands one:
 * that is why nobody's readings can't be logged.
 *
 * Memory   Opaque and immutable; counted references.
 * Threads  Any thread may hold and read a peer.
 */
#ifndef SL_BASE_PEER_H
#define SL_BASE_PEER_H

#include <stdint.h>

struct sl_peer;

/*
 * The sensor's name from its certificate: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`. Lives as long as the
 * peer.
 */
const char *sl_peer_name(const struct sl_peer *peer);

/* When the peer's certificate is no longer good, in microseconds since 1970 UTC. */
int64_t sl_peer_expires_us(const struct sl_peer *peer);

/* One more holder; returns `peer`. */
struct sl_peer *sl_peer_ref(struct sl_peer *peer);

/* One holder fewer; the last one frees it. Null is allowed. */
void sl_peer_unref(struct sl_peer *peer);

#endif
