/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust.h -- what one side of a link believes in: its own certificate and key, the CAs, the revoked
 * certificates, and the TLS policy, as one immutable snapshot with counted references.
 *
 * Sessions hold the snapshot that they began under. A new snapshot is built whole and checked whole
 * before anybody sees it, so trust is never half changed.
 *
 * The policy is the same for every version of the library (docs/protocol.md): TLS 1.2 and, where
 * the library has it, 1.3; ECDHE with x25519 and P-256; ECDSA leaf keys; AEAD suites; the peer's
 * certificate always required; no renegotiation; resumption only with tickets of ours (ticket.h).
 *
 * Memory   Made by sl_trust_load(); freed with the last reference. About 50 KiB and the files'
 *          contents.
 * Limits   CRLs as large as memory; chains end at a configured CA, one step from the leaf.
 * Threads  Immutable: any thread may use and reference it.
 */
#ifndef SL_TLS_TRUST_H
#define SL_TLS_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensorlink/status.h"
#include "tls/allow.h"
#include "wire/message.h"

struct sl_trust;

enum sl_role { SL_ROLE_SENSOR, SL_ROLE_SERVER };

/* PEM files. */
struct sl_trust_files {
    const char *ca;       /* CAs that may vouch for the peer; each must be a CA certificate */
    const char *cert;     /* own certificate, leaf first */
    const char *key;      /* own private key: EC P-256 or P-384, not readable by others */
    const char *crl;      /* revocation lists of those CAs; null: none (server only) */
    const char *allow;    /* the sensors that may come in (allow.h); null: all (server only) */
    bool crl_required;    /* each CA must have a list */
    int64_t crl_grace_ms; /* how long a list holds after its next update is due */
};

/*
 * Reads and checks everything: the key matches the certificate and isn't readable by others, the
 * own certificate is for this role, in date and signed by a CA of the bundle, CRLs are signed by
 * those CAs and in date, and there are as many as required.
 *
 * SL_OK         `*trust` has one reference, the caller's.
 * SL_BAD_INPUT  `error` has one sentence: which file, what is wrong, what to do.
 * SL_IO         The library can't work on this machine (no randomness, another version loaded than
 *               compiled for).
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_trust_load(enum sl_role role, const struct sl_trust_files *files,
                                         struct sl_trust **trust, char *error, size_t error_size);

/*
 * May `trust`, loaded from `files`, take the place of `old`? Not with an older revocation list, or
 * without one that is in force. SL_BAD_INPUT: `error` has one sentence. SL_NOMEM: no memory.
 */
SL_MUST_USE enum sl_status sl_trust_follows(const struct sl_trust *trust,
                                            const struct sl_trust *old,
                                            const struct sl_trust_files *files, char *error,
                                            size_t error_size);

struct sl_trust *sl_trust_ref(struct sl_trust *trust);
void sl_trust_unref(struct sl_trust *trust); /* null is allowed */

enum sl_role sl_trust_role(const struct sl_trust *trust);

/* The sensor's name in the own certificate, as a server reads it; false where it has none. */
bool sl_trust_own_name(const struct sl_trust *trust, char name[static SL_SENSOR_NAME_MAX + 1]);

/* When the own certificate ends, in microseconds since 1970: the first moment it isn't good. */
int64_t sl_trust_own_end_us(const struct sl_trust *trust);

/* "Mbed TLS 3.6.6 (TLS 1.2, TLS 1.3)" of the library loaded now. Prints into `text`; returns it. */
const char *sl_tls_version(char *text, size_t size);

/* The list of sensors that may come in; null where all may. Lives as long as the trust. */
const struct sl_allow *sl_trust_allow(const struct sl_trust *trust);

/* For the tls room only: the library's types stay behind these. */
struct mbedtls_ssl_config;
struct mbedtls_x509_crt;
/* A fingerprint over the CAs and the own certificate: equal where a peer is judged by the same. */
const uint8_t *sl_trust_print(const struct sl_trust *trust);
const struct mbedtls_ssl_config *sl_trust_config(const struct sl_trust *trust);
const struct mbedtls_x509_crt *sl_trust_cas(const struct sl_trust *trust);
bool sl_trust_has_ca(const struct sl_trust *trust, const struct mbedtls_x509_crt *certificate);
/* One that hasn't ended at `now_us`: with a ticket nobody else looks. */
bool sl_trust_has_ca_print(const struct sl_trust *trust,
                           const uint8_t fingerprint[static SL_FINGERPRINT_SIZE], int64_t now_us);
bool sl_trust_revoked(const struct sl_trust *trust, const struct mbedtls_x509_crt *certificate);
struct sl_revocation;
const struct sl_revocation *sl_trust_revocation(const struct sl_trust *trust);
const struct mbedtls_x509_crt *sl_trust_own(const struct sl_trust *trust);

#endif
