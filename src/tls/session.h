/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h -- one TLS session over a transport, never blocking.
 *
 *   new -> handshake (until SL_OK) -> [server: sl_admission_decide()] -> read, write, flush ->
 *   close -> free
 *
 * What is written is encrypted into a buffer of the session and sent by flush, so that many small
 * writes make one send and a write never has to be repeated. A server receives many records at
 * once. Reading reports SL_WANT_READ only when the transport has nothing more or, at a server, had
 * less than it was asked for: a level-triggered loop may rely on it.
 *
 * Memory   Made by new, freed by sl_session_free(). About 37 KiB (TLS 1.2) to 43 KiB (TLS 1.3) in
 *          the library, plus what waits to be sent, and SL_AHEAD_MAX bytes while there is more
 *          to read.
 * Limits   SL_SESSION_OUT_MAX bytes wait to be sent, beyond that write says SL_WANT_WRITE. Before
 *          the handshake is over a server reads `budget` bytes of a peer and no more.
 * Threads  One thread at a time; it may be handed to another thread between calls.
 */
#ifndef SL_TLS_SESSION_H
#define SL_TLS_SESSION_H

#include "base/bytes.h"
#include "base/transport.h"
#include "tls/reason.h"
#include "tls/resumption.h"
#include "tls/ticket_keys.h"
#include "tls/trust.h"

enum { SL_SESSION_OUT_MAX = 65536, SL_SESSION_RECORD_MAX = 16383 };

struct sl_session;

/*
 * A server's session. `budget`: bytes read of the peer's hello, at least 1024; and then three
 * quarters of it before the handshake is over.
 * SL_OK or SL_NOMEM. It holds a reference of `trust`; `transport.ctx` must outlive it.
 */
SL_MUST_USE enum sl_status sl_session_new_server(struct sl_trust *trust,
                                                 struct sl_transport transport, size_t budget,
                                                 struct sl_session **session);

/*
 * A sensor's session with the server `host`, a name or a numeric address, which the server's
 * certificate must carry (RFC 6125; for addresses a SAN iPAddress entry). It offers the ALPN
 * protocol `sensorlink/1`. SL_OK, SL_NOMEM, or SL_BAD_INPUT where `host` is empty or too long.
 */
SL_MUST_USE enum sl_status sl_session_new_client(struct sl_trust *trust,
                                                 struct sl_transport transport, const char *host,
                                                 struct sl_session **session);

/*
 * Before a server's handshake: give and take session tickets under these keys, which must outlive
 * the session; null: don't.
 */
void sl_session_offer_tickets(struct sl_session *session, struct sl_ticket_keys *keys);

/*
 * Before a client's handshake: use the session that `resumption` holds where it fits, and hold this
 * one in it. It must outlive the session; null: don't.
 */
void sl_session_resume(struct sl_session *session, struct sl_resumption *resumption);

/* Wipes and frees; sends nothing. Null is allowed. */
void sl_session_free(struct sl_session *session);

/*
 * Goes on with the handshake; flushes by itself.
 * SL_OK          Over. At the server the peer's certificate verified, but nobody is admitted yet;
 *                at the sensor the server is verified, but it may still refuse us: wait for
 *                `welcome`.
 * SL_WANT_READ, SL_WANT_WRITE
 * SL_DENIED      Refused by us or by the peer; SL_CUT: the connection ended; SL_LIMIT: over the
 *                budget, or too many certificates; SL_IO, SL_NOMEM. sl_session_refusal() says why.
 *                An alert may wait: flush, then close.
 */
SL_MUST_USE enum sl_status sl_session_handshake(struct sl_session *session);

/*
 * Reads decrypted bytes.
 * SL_OK         `*len` is 1 to `cap`.
 * SL_WANT_READ  Nothing there now; see above.
 * SL_WANT_WRITE Something must be flushed first.
 * SL_CLOSED     The peer said goodbye (close_notify). SL_CUT: it ended without.
 * SL_IO         The session is broken; sl_session_refusal() says how. SL_NOMEM likewise.
 */
SL_MUST_USE enum sl_status sl_session_read(struct sl_session *session, char *bytes, size_t cap,
                                           size_t *len);

/*
 * Encrypts up to SL_SESSION_RECORD_MAX bytes into the session's buffer: one call, one record.
 * SL_OK          `*taken` is 1 to bytes.len. Call flush before you wait.
 * SL_WANT_WRITE  Too much waits to be sent; nothing was taken.
 * SL_IO, SL_NOMEM  The session is broken.
 */
SL_MUST_USE enum sl_status sl_session_write(struct sl_session *session, struct sl_bytes bytes,
                                            size_t *taken);

/* Sends what waits. SL_OK: nothing waits any more. SL_WANT_WRITE: some does. SL_CUT, SL_IO. */
SL_MUST_USE enum sl_status sl_session_flush(struct sl_session *session);

/* Bytes that wait to be sent. */
size_t sl_session_waiting(const struct sl_session *session);

/*
 * Says goodbye (close_notify) after a handshake that is over, and flushes. Statuses as for flush;
 * call once.
 */
SL_MUST_USE enum sl_status sl_session_close(struct sl_session *session);

/* True where both sides agreed on `sensorlink/1`; false means plain lines. After the handshake. */
bool sl_session_acknowledged(const struct sl_session *session);

/* "TLSv1.2" and "TLS-ECDHE-ECDSA-WITH-AES-128-CCM". After the handshake; never null. */
const char *sl_session_protocol(const struct sl_session *session);
const char *sl_session_suite(const struct sl_session *session);

/* True where no certificate was asked for, because an earlier session was resumed. */
bool sl_session_resumed(const struct sl_session *session);

/* True where the peer could resume this session at a server that has our ticket keys. */
bool sl_session_resumable(const struct sl_session *session);

/* Why the last call failed; reason SL_REASON_NONE where none did. Lives as long as the session. */
const struct sl_refusal *sl_session_refusal(const struct sl_session *session);

/* True where the handshake is over and nothing failed since. */
bool sl_session_established(const struct sl_session *session);

/* True while not a single byte has come from the peer. */
bool sl_session_silent(const struct sl_session *session);

/*
 * For the tls room only: whose session it is, by its certificate, or by that in the ticket where it
 * was resumed. Null where neither is known.
 */
struct mbedtls_x509_crt;
const struct mbedtls_x509_crt *sl_session_peer_certificate(const struct sl_session *session);
struct sl_trust *sl_session_trust(const struct sl_session *session);
const uint8_t *sl_session_peer_issuer(const struct sl_session *session);

#endif
