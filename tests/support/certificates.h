/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certificates.h -- the certificates that certificates.py made, for C tests.
 *
 * Everything here fails the cmocka test that calls it where a file isn't there or can't be read.
 *
 * Memory   What is returned by pointer is the caller's to free with the library's own function.
 * Threads  From the test's own thread only, because cmocka's failures are.
 */
#ifndef SL_TESTS_SUPPORT_CERTIFICATES_H
#define SL_TESTS_SUPPORT_CERTIFICATES_H

#include "tls/compat.h"
#include "tls/trust.h"

enum { SL_TEST_PATH_SIZE = 512, SL_TEST_ERROR_SIZE = 1024 };

/* Paths of files of the folder, with room for what they point to. */
struct sl_test_files {
    char ca[SL_TEST_PATH_SIZE];
    char cert[SL_TEST_PATH_SIZE];
    char key[SL_TEST_PATH_SIZE];
    char crl[SL_TEST_PATH_SIZE];
    struct sl_trust_files at; /* points into this struct: don't copy */
};

/* The path of the folder's file `name`. Returns `path`. */
const char *sl_test_path(char path[static SL_TEST_PATH_SIZE], const char *name);

/*
 * `ca`.crt vouches for the peer; `name`.crt and .key are our own; `crl` (a whole file name) may be
 * null.
 */
void sl_test_files(struct sl_test_files *files, const char *ca, const char *name, const char *crl);

/* A snapshot of trust of those files, which must load. */
struct sl_trust *sl_test_trust(enum sl_role role, const char *ca, const char *name,
                               const char *crl);

/* Reads `name`.crt into `certificate`, which the caller initialises and frees. */
void sl_test_certificate(const char *name, mbedtls_x509_crt *certificate);

#endif
