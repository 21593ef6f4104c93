/* SPDX-License-Identifier: Apache-2.0 */
/* certificates.c -- see certificates.h. */
#include "support/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

const char *sl_test_path(char path[static SL_TEST_PATH_SIZE], const char *name)
{
    const char *folder = getenv("SL_TEST_CERTS");
    int len;

    if (folder == NULL)
        fail_msg("SL_TEST_CERTS is not set: run this test through ctest, or name a folder made by "
                 "tests/support/certificates.py");
    len = snprintf(path, SL_TEST_PATH_SIZE, "%s/%s", folder, name);
    assert_true(len > 0 && len < SL_TEST_PATH_SIZE);
    return path;
}

static const char *path_of(char path[static SL_TEST_PATH_SIZE], const char *name,
                           const char *suffix)
{
    char file[128];

    (void)snprintf(file, sizeof file, "%s.%s", name, suffix);
    return sl_test_path(path, file);
}

void sl_test_files(struct sl_test_files *files, const char *ca, const char *name, const char *crl)
{
    files->at = (struct sl_trust_files){.ca = path_of(files->ca, ca, "crt"),
                                        .cert = path_of(files->cert, name, "crt"),
                                        .key = path_of(files->key, name, "key"),
                                        .crl = crl == NULL ? NULL : sl_test_path(files->crl, crl)};
}

struct sl_trust *sl_test_trust(enum sl_role role, const char *ca, const char *name, const char *crl)
{
    struct sl_test_files files;
    struct sl_trust *trust = NULL;
    char error[SL_TEST_ERROR_SIZE] = "";

    sl_test_files(&files, ca, name, crl);
    if (sl_trust_load(role, &files.at, &trust, error, sizeof error) != SL_OK)
        fail_msg("sl_trust_load: %s", error);
    assert_non_null(trust);
    return trust;
}

void sl_test_certificate(const char *name, mbedtls_x509_crt *certificate)
{
    char path[SL_TEST_PATH_SIZE];
    int code = mbedtls_x509_crt_parse_file(certificate, path_of(path, name, "crt"));

    if (code != 0)
        fail_msg("%s: -0x%04x", path, (unsigned)-code);
}
