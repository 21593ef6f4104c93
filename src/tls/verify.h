/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h -- what is added to the library's verification of a chain, and what its findings are
 * called.
 *
 * The library builds the chain, checks signatures, dates and usage, and asks here about each
 * certificate. We only ever add faults, never take one away:
 *   - a certificate above the leaf must be a configured CA, byte for byte. The library takes some
 *     leaves for CAs (a `CA:FALSE,pathlen:1` one, fixed in 3.6.7), and nobody needs unconfigured
 *     ones here;
 *   - the leaf's key must be EC. The profile allows RSA for the CAs' sake, and the library then
 *     takes an RSA sensor in any version of TLS, and an RSA server in TLS 1.3;
 *   - a server reached by an address must carry this address (2.28 compares DNS names only);
 *   - a server must have alternative names, for a CN is no name of a host (RFC 9525, section 2),
 *     and an extended key usage for servers.
 *
 * Threads  As for the session that holds it.
 */
#ifndef SL_TLS_VERIFY_H
#define SL_TLS_VERIFY_H

#include "tls/compat.h"
#include "tls/reason.h"
#include "tls/trust.h"

struct sl_verify {
    const struct sl_trust *trust;
    uint8_t address[16]; /* of the server, where it's reached by an address */
    size_t address_len;  /* 0, 4 or 16 */
    bool seen; /* a leaf was verified; the library's own later checks may still refuse it */
    uint8_t
        issuer[SL_FINGERPRINT_SIZE]; /* fingerprint of the CA above the leaf; zero without one */
    int64_t proved_us;               /* when, by the wall clock */
    bool keeps_leaf;                 /* in: keep a copy of the leaf, for a ticket */
    uint8_t *leaf;                   /* its DER; null without one. sl_verify_clear() frees it */
    size_t leaf_len;
    bool foreign_ca;           /* the chain goes through a certificate that isn't configured */
    char facts[SL_FACTS_SIZE]; /* of the leaf */
};

/* The library's callback (mbedtls_ssl_set_verify()); `ctx` is a struct sl_verify. */
int sl_verify_certificate(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/* Frees the copy of the leaf. */
void sl_verify_clear(struct sl_verify *verify);

/*
 * What the library's result flags mean; SL_REASON_NONE for 0 and for "not verified" (0xffffffff).
 */
enum sl_reason sl_verify_reason(const struct sl_verify *verify, uint32_t flags);

#endif
