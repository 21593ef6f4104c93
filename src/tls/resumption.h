/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resumption.h -- what a client keeps of its last session with a server, to come back sooner.
 *
 * It is secret, stays in memory, and is bound to what the server was verified by, because a resumed
 * session checks none of it again: it is used only for the same host, with the same CAs and the
 * same own certificate, until the server's certificate ends, and a day at most after that was
 * verified.
 * The port is the caller's matter: one of these for each server.
 *
 * Memory   Made by sl_resumption_new(), freed by sl_resumption_free() after the sessions that use
 *          it. About 2 KiB once it holds a session.
 * Threads  One at a time, together with the sessions that use it.
 */
#ifndef SL_TLS_RESUMPTION_H
#define SL_TLS_RESUMPTION_H

#include "tls/compat.h"
#include "tls/trust.h"

struct sl_resumption; /* one session at a time uses it */

/* Null where there is no memory. */
struct sl_resumption *sl_resumption_new(void);
void sl_resumption_free(struct sl_resumption *resumption); /* null is allowed */

/*
 * A handshake with the session that is held failed: it is forgotten, in case that was its fault. A
 * server that is busy turns connections away without a word; `silent` says that this was such a
 * one, and then the session has a few tries.
 */
void sl_resumption_failed(struct sl_resumption *resumption, bool silent);

/*
 * Holds the session of `ssl`, which sl_resumption_use() was asked for. `proved_us`: when the server
 * was verified in it, under `trust`; 0 where it was resumed from the session held here.
 */
void sl_resumption_keep(struct sl_resumption *resumption, const mbedtls_ssl_context *ssl,
                        const struct sl_trust *trust, int64_t proved_us);

/* Gives `ssl`, which is for `host`, the session that is held where it fits; true where it did. */
bool sl_resumption_use(struct sl_resumption *resumption, mbedtls_ssl_context *ssl,
                       const struct sl_trust *trust, const char *host);

#endif
