/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revocation.h -- the set of revoked certificates, from CRLs whose signatures are checked once, at
 * load.
 *
 * The library would check a CRL's signature and walk its entries in every handshake; here a look-up
 * costs one hash.
 *
 * Memory   32 bytes an entry, and as much again for empty places. Freed by sl_revocation_clear().
 * Threads  Read-only after load.
 */
#ifndef SL_TLS_REVOCATION_H
#define SL_TLS_REVOCATION_H

#include "sensorlink/status.h"
#include "tls/compat.h"

struct sl_revocation {
    unsigned char (*places)[32]; /* SHA-256 of issuer and serial, all zero where empty */
    size_t size;                 /* a power of two, or 0: nothing is revoked */
};

/*
 * Reads the PEM file `path`: each CRL must be signed by one of `cas`, and be in date.
 * SL_OK         The set is the caller's to clear.
 * SL_BAD_INPUT  `error` has one sentence.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_revocation_load(struct sl_revocation *set, const char *path,
                                              const mbedtls_x509_crt *cas, char *error,
                                              size_t error_size);

/*
 * The steps of sl_revocation_load(), for a report of all faults (inspect.h): reading the file's
 * lists into an initialised `lists`, and the rules that each list has to keep. Statuses as above.
 */
SL_MUST_USE enum sl_status sl_revocation_read(mbedtls_x509_crl *lists, const char *path,
                                              char *error, size_t error_size);
SL_MUST_USE enum sl_status sl_revocation_check(const mbedtls_x509_crl *list,
                                               const mbedtls_x509_crt *cas, const char *path,
                                               char *error, size_t error_size);

/* True where the list is signed by this CA. */
bool sl_revocation_is_of(const mbedtls_x509_crl *list, const mbedtls_x509_crt *ca);

bool sl_revocation_has(const struct sl_revocation *set, const mbedtls_x509_crt *certificate);

void sl_revocation_clear(struct sl_revocation *set);

#endif
