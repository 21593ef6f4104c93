/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust_files.h -- the files that trust is made of, one step each: reading them, and the rules that
 * they have to keep.
 *
 * sl_trust_load() takes these steps and stops at the first fault; the report of --check (inspect.h)
 * takes the same ones and goes on. So what one refuses the other calls a fault, and nothing else.
 *
 * Each step: SL_OK; SL_BAD_INPUT, and the fault's text is one sentence with option and file; or
 * SL_NOMEM.
 *
 * Memory   What is read goes into the caller's own, initialised structs.
 * Threads  Any; one at a time for one struct.
 */
#ifndef SL_TLS_TRUST_FILES_H
#define SL_TLS_TRUST_FILES_H

#include "sensorlink/status.h"
#include "tls/compat.h"
#include "tls/revocation.h"
#include "tls/trust.h"

/* Where a fault's sentence is written to. */
struct sl_trust_fault {
    char *text;
    size_t size;
};

/* What certificates may be made of; names, dates and usage are checked elsewhere. */
const mbedtls_x509_crt_profile *sl_trust_profile(void);

/* Whether `option` names a file that can be opened. */
SL_MUST_USE enum sl_status sl_trust_check_readable(const char *option, const char *path,
                                                   struct sl_trust_fault *fault);

/* Reads all certificates of a PEM file, or none. */
SL_MUST_USE enum sl_status sl_trust_read_certificates(mbedtls_x509_crt *into, const char *option,
                                                      const char *path,
                                                      struct sl_trust_fault *fault);

/* One certificate of --cafile. */
SL_MUST_USE enum sl_status sl_trust_check_ca(const mbedtls_x509_crt *ca, const char *path,
                                             struct sl_trust_fault *fault);

/* Reads the private key, which must be nobody else's. */
SL_MUST_USE enum sl_status sl_trust_read_key(mbedtls_pk_context *key, struct sl_random *random,
                                             const char *path, struct sl_trust_fault *fault);

/* Whether --key belongs to --cert. */
SL_MUST_USE enum sl_status sl_trust_check_pair(mbedtls_x509_crt *own, mbedtls_pk_context *key,
                                               struct sl_random *random,
                                               const struct sl_trust_files *files,
                                               struct sl_trust_fault *fault);

/*
 * Verifies our own certificate as the other side will, so that a wrong one is found here, at start.
 */
SL_MUST_USE enum sl_status sl_trust_check_own(enum sl_role role, mbedtls_x509_crt *own,
                                              mbedtls_x509_crt *cas, const char *path,
                                              struct sl_trust_fault *fault);

/* Whether revocation lists are named where they are required, and can be opened. */
SL_MUST_USE enum sl_status sl_trust_check_lists(const struct sl_trust_files *files,
                                                struct sl_trust_fault *fault);

/* Reads the revocation lists, if there are any, and whether there are as many as required. */
SL_MUST_USE enum sl_status sl_trust_read_lists(struct sl_revocation *set,
                                               const mbedtls_x509_crt *cas,
                                               const struct sl_trust_files *files,
                                               struct sl_trust_fault *fault);

#endif
