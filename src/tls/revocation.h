/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revocation.h -- the set of revoked certificates, from CRLs whose signatures are checked once, at
 * load, and how long each of these lists is in force.
 *
 * The library would check a CRL's signature and walk its entries in every handshake; here a look-up
 * costs one hash.
 *
 * Memory   32 bytes an entry, and as much again for empty places. Freed by sl_revocation_clear().
 * Limits   One list a CA; delta lists and other lists with unknown critical extensions are refused.
 * Threads  Read-only after load.
 */
#ifndef SL_TLS_REVOCATION_H
#define SL_TLS_REVOCATION_H

#include "sensorlink/status.h"
#include "tls/compat.h"
#include "tls/identity.h"

enum { SL_CRL_NUMBER_SIZE = 20, SL_CA_NAME_SIZE = 200 };

/* The list of one CA. */
struct sl_revocation_list {
    uint8_t ca[SL_FINGERPRINT_SIZE];     /* of the CA's certificate */
    uint8_t issuer[SL_FINGERPRINT_SIZE]; /* of its name and key, which outlive the certificate */
    char name[SL_CA_NAME_SIZE];
    mbedtls_x509_time this_update;
    mbedtls_x509_time next_update;
    bool numbered;
    uint8_t number[SL_CRL_NUMBER_SIZE]; /* CRL number, big-endian */
};

struct sl_revocation {
    unsigned char (*places)[32]; /* SHA-256 of issuer and serial, all zero where empty */
    size_t size;                 /* a power of two, or 0: nothing is revoked */
    struct sl_revocation_list *lists;
    size_t list_count;
    int64_t grace_us; /* how long a list holds after its next update is due */
};

/*
 * Reads the PEM file `path`: each CRL must be signed by one of `cas`, and be in date or at most
 * `grace_us` out of it.
 * SL_OK         The set is the caller's to clear.
 * SL_BAD_INPUT  `error` has one sentence.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_revocation_load(struct sl_revocation *set, const char *path,
                                              const mbedtls_x509_crt *cas, int64_t grace_us,
                                              char *error, size_t error_size);

/*
 * The steps of sl_revocation_load(), for a report of all faults (inspect.h): reading the file's
 * lists into an initialised `lists`; a set without a list; the rules that each list has to keep,
 * which then is one of the set's, without what it revokes. Statuses as above.
 */
SL_MUST_USE enum sl_status sl_revocation_read(mbedtls_x509_crl *lists, const char *path,
                                              char *error, size_t error_size);
SL_MUST_USE enum sl_status sl_revocation_begin(struct sl_revocation *set,
                                               const mbedtls_x509_crt *cas, int64_t grace_us);
SL_MUST_USE enum sl_status sl_revocation_take(struct sl_revocation *set,
                                              const mbedtls_x509_crl *list,
                                              const mbedtls_x509_crt *cas, const char *path,
                                              char *error, size_t error_size);

/* How many certificates one list revokes. */
size_t sl_revocation_entries(const mbedtls_x509_crl *list);

/* `issuer` is the name as the CA writes it: a certificate may write its CA's name differently. */
bool sl_revocation_has(const struct sl_revocation *set, const mbedtls_x509_buf *issuer,
                       const mbedtls_x509_buf *serial);

/* The list of the CA with this fingerprint; null where it has none. */
const struct sl_revocation_list *sl_revocation_list(const struct sl_revocation *set,
                                                    const uint8_t ca[static SL_FINGERPRINT_SIZE]);

/* From when on the list no longer holds, with its grace, in microseconds since 1970 UTC. */
int64_t sl_revocation_until_us(const struct sl_revocation *set,
                               const struct sl_revocation_list *list);

/* Is there a list of this CA? SL_BAD_INPUT: `error` says for which there is none. */
SL_MUST_USE enum sl_status sl_revocation_covers(const struct sl_revocation *set,
                                                const mbedtls_x509_crt *ca, const char *path,
                                                char *error, size_t error_size);

/*
 * May `set`, read from `path`, take the place of `old`? A list of an issuer with a list in `old`
 * must be there, where the issuer still is one of `cas`, and must not be older.
 * SL_BAD_INPUT: `error` has one sentence.
 */
SL_MUST_USE enum sl_status sl_revocation_follows(const struct sl_revocation *set,
                                                 const struct sl_revocation *old,
                                                 const mbedtls_x509_crt *cas, const char *path,
                                                 char *error, size_t error_size);

void sl_revocation_clear(struct sl_revocation *set);

#endif
