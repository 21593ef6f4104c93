/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dial.h -- from a host's name to a TLS session with it: look up, connect, handshake, each
 * address in turn, without blocking.
 *
 *   start -> step until it is neither SL_WANT_READ nor SL_WANT_WRITE -> [session in use] -> clear
 *
 * An address that fails is followed by the next one, but for a server that refuses our
 * certificate: it is the same sensor at each of its addresses.
 *
 * Memory   The owner has struct sl_dial in place for as long as its session is used.
 * Limits   SL_CLIENT_ADDRESSES_MAX addresses; connect_ms for each of them.
 * Threads  One at a time.
 */
#ifndef SL_CLIENT_DIAL_H
#define SL_CLIENT_DIAL_H

#include "client/backoff.h"
#include "net/socket.h"
#include "sensorlink/sensorlink.h"
#include "tls/session.h"

enum { SL_FAILURE_REASON_SIZE = 49, SL_FAILURE_TEXT_SIZE = 960 };

/* Why a try failed or a session ended. */
struct sl_failure {
    enum sl_pause_cause cause;
    int64_t retry_ms; /* the server's wish, with SL_PAUSE_BYE */
    char reason[SL_FAILURE_REASON_SIZE];
    char text[SL_FAILURE_TEXT_SIZE];
};

/* Fills `*failure`; the text is made by printf's rules. */
void sl_failure_set(struct sl_failure *failure, enum sl_pause_cause cause, const char *reason,
                    const char *format, ...) SL_PRINTF(4, 5);

/* Takes reason and text from what the TLS session says. */
void sl_failure_set_tls(struct sl_failure *failure, enum sl_pause_cause cause,
                        const struct sl_refusal *refusal);

enum sl_dial_state {
    SL_DIAL_IDLE,
    SL_DIAL_RESOLVING,
    SL_DIAL_CONNECTING,
    SL_DIAL_HANDSHAKING,
    SL_DIAL_READY /* `session` may be used */
};

struct sl_dial {
    /* Set by the owner before the first start. */
    const char *host;
    uint16_t port;
    int64_t connect_ms;
    struct sl_trust *trust;
    struct sl_resumption *resumption; /* the last session with this host; null: none is kept */
    enum sl_status (*resolve)(void *ctx, const char *host, struct sl_client_addresses *addresses);
    void *ctx;

    enum sl_dial_state state;
    struct sl_client_addresses addresses;
    size_t next;         /* the address to try after this one */
    int64_t deadline_ms; /* for the address that is being tried, or the next look at the resolver */
    struct sl_socket socket;
    struct sl_session *session;
    char server[SL_ADDRESS_TEXT_SIZE]; /* the address that is being tried, with its port */
    struct sl_failure failure;         /* valid after a status that is a failure */
};

/* Begins with looking the host up; state must be IDLE. */
void sl_dial_start(struct sl_dial *dial);

/*
 * Goes on; `now_ms` is the monotonic clock.
 * SL_OK     READY: the server is verified (but may still refuse us).
 * SL_WANT_READ, SL_WANT_WRITE  Wait for socket.fd (-1 while looking up) or deadline_ms.
 * SL_IO     No address works: `failure` says why; the dial is IDLE.
 * SL_NOMEM  Likewise.
 */
SL_MUST_USE enum sl_status sl_dial_step(struct sl_dial *dial, int64_t now_ms);

/* Frees the session and closes the socket, whatever the state; it is IDLE then. */
void sl_dial_clear(struct sl_dial *dial);

#endif
