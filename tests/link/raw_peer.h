/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw_peer.h -- the other side of a session, straight on the TLS library: it can do what our own
 * sessions never do (no certificate, a wrong one, no ALPN, an old version, renegotiation, empty
 * records).
 *
 * Memory   The caller owns struct raw_peer: open, then close.
 * Threads  One.
 */
#ifndef SL_TESTS_LINK_RAW_PEER_H
#define SL_TESTS_LINK_RAW_PEER_H

#include "base/transport.h"
#include "tls/compat.h"

enum raw_version { RAW_ANY, RAW_TLS11, RAW_TLS12, RAW_TLS13 };

struct raw_options {
    bool server;          /* which end it plays */
    const char *name;     /* its certificate, of tests/support/certificates.py; null: none */
    bool alpn;            /* offers or takes sensorlink/1 */
    const char *protocol; /* or this one */
    enum raw_version version;
    bool renegotiation;
    bool forgets_usage; /* sends its certificate although that isn't meant for this side */
    const int *suites;  /* null: ours */
};

struct raw_peer {
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_x509_crt own;
    mbedtls_pk_context key;
    struct sl_random *random;
    struct sl_transport transport;
    const char *alpn[2];
    int code; /* of the last step: 0 done, or the library's code */
};

/* Versions that the library can speak, for loops; ends with RAW_ANY. */
const enum raw_version *raw_versions(void);

/* Lets a configuration that nobody uses yet speak this version only. */
void raw_limit_version(mbedtls_ssl_config *config, enum raw_version version);

/* It takes every certificate of the other side: the judge under test is the other side. */
void raw_open(struct raw_peer *raw, const struct raw_options *options,
              struct sl_transport transport);
void raw_close(struct raw_peer *raw);

/*
 * Before the handshake: offer, in TLS 1.2, the ticket that `owner` got in its session, as somebody
 * can who saw it on the wire, without the secret that belongs to it.
 */
void raw_offer_seen_ticket(struct raw_peer *raw, struct raw_peer *owner);

/* Goes on with the handshake; returns and keeps the library's code. */
int raw_handshake(struct raw_peer *raw);

#endif
