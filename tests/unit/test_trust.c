/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_trust.c -- what sl_trust_load() takes, and the one sentence that it says to everything else.
 */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "support/certificates.h"
#include "tls/identity.h"

struct fault {
    const char *ca; /* null: not given; all four are whole file names */
    const char *cert;
    const char *key;
    const char *crl;
    const char *says; /* part of the sentence */
    bool sensor;      /* loaded for a sensor, otherwise for a server */
};

static const struct fault faults[] = {
    /* Files that aren't there, or aren't what they should be. */
    {NULL, "server.crt", "server.key", NULL, "--cafile is missing", false},
    {"ca.crt", NULL, "server.key", NULL, "--cert is missing", false},
    {"ca.crt", "server.crt", NULL, NULL, "--key is missing", false},
    {"none.crt", "server.crt", "server.key", NULL, "none.crt can't be read: No such file", false},
    {"ca.crt", "none.crt", "server.key", NULL, "none.crt can't be read: No such file", false},
    {"ca.crt", "server.crt", "none.key", NULL, "none.key can't be read: No such file", false},
    {"ca.crt", "server.crt", "server.key", "none.crl", "none.crl can't be read", false},
    {"not-pem.crt", "server.crt", "server.key", NULL, "isn't a PEM certificate", false},
    {"nothing.crt", "server.crt", "server.key", NULL, "isn't a PEM certificate", false},
    {"ca.crt", "not-pem.crt", "server.key", NULL, "isn't a PEM certificate", false},
    {"ca.crt", "server.crt", "server.crt", NULL, "can be read by others", false},
    {"broken-second.crt", "server.crt", "server.key", NULL,
     "holds 1 certificate(s) that can't be read", false},
    /* CAs. */
    {"leaf-as-ca.crt", "server.crt", "server.key", NULL, "'CN=attic' isn't a CA certificate",
     false},
    {"old-ca.crt", "server.crt", "server.key", NULL, "the CA 'CN=old' has expired", false},
    /* Keys. */
    {"ca.crt", "server.crt", "readable.key", NULL, "can be read by others (mode 644)", false},
    {"ca.crt", "server.crt", "encrypted.key", NULL, "isn't an unencrypted PEM private key", false},
    {"ca.crt", "server.crt", "attic.key", NULL, "doesn't belong to --cert", false},
    {"ca.crt", "server-rsa.crt", "server-rsa.key", NULL, "isn't an EC key", false},
    /* Own certificates. */
    {"ca.crt", "server-expired.crt", "server-expired.key", NULL, "has expired", false},
    {"ca.crt", "server-early.crt", "server-early.key", NULL, "isn't valid yet", false},
    {"other-ca.crt", "server.crt", "server.key", NULL, "isn't signed by a CA of --cafile", false},
    {"ca.crt", "sensor-impostor.crt", "sensor-impostor.key", NULL,
     "isn't signed by a CA of --cafile", true},
    {"ca.crt", "attic.crt", "attic.key", NULL, "isn't meant for a server", false},
    {"ca.crt", "server.crt", "server.key", NULL, "isn't meant for a sensor", true},
    {"ca.crt", "sensor-sha1.crt", "sensor-sha1.key", NULL,
     "has a key or signature that isn't allowed", true},
    {"ca.crt", "sensor-p521.crt", "sensor-p521.key", NULL,
     "has a key or signature that isn't allowed", true},
    /* Revocation lists. */
    {"ca.crt", "server.crt", "server.key", "other-ca.crl", "isn't signed by a CA of --cafile",
     false},
    {"ca.crt", "server.crt", "server.key", "old.crl", "is out of date", false},
};

static const char *given(char path[static SL_TEST_PATH_SIZE], const char *name)
{
    return name == NULL ? NULL : sl_test_path(path, name);
}

static enum sl_status load(const struct fault *fault, struct sl_trust **trust,
                           char error[static SL_TEST_ERROR_SIZE])
{
    char ca[SL_TEST_PATH_SIZE], cert[SL_TEST_PATH_SIZE], key[SL_TEST_PATH_SIZE],
        crl[SL_TEST_PATH_SIZE];
    struct sl_trust_files files = {.ca = given(ca, fault->ca),
                                   .cert = given(cert, fault->cert),
                                   .key = given(key, fault->key),
                                   .crl = given(crl, fault->crl)};

    return sl_trust_load(fault->sensor ? SL_ROLE_SENSOR : SL_ROLE_SERVER, &files, trust, error,
                         SL_TEST_ERROR_SIZE);
}

static void test_trust_refuses_each_wrong_file_with_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++) {
        struct sl_trust *trust = NULL;
        char error[SL_TEST_ERROR_SIZE] = "";

        if (load(&faults[i], &trust, error) != SL_BAD_INPUT || trust != NULL)
            fail_msg("'%s' was expected, and it was taken", faults[i].says);
        if (strstr(error, faults[i].says) == NULL || strchr(error, '\n') != NULL)
            fail_msg("'%s' instead of '%s'", error, faults[i].says);
    }
}

static void test_trust_loads_with_and_without_a_revocation_list(void **state)
{
    static const char *const lists[] = {NULL, "empty.crl", "revoked.crl", "many.crl"};
    uint8_t issuer[SL_FINGERPRINT_SIZE];
    mbedtls_x509_crt revoked, ca;

    (void)state;
    mbedtls_x509_crt_init(&revoked);
    mbedtls_x509_crt_init(&ca);
    sl_test_certificate("ca", &ca);
    assert_true(sl_identity_fingerprint(&ca, issuer));
    mbedtls_x509_crt_free(&ca);
    sl_test_certificate("sensor-revoked", &revoked);
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", lists[i]);

        assert_true(sl_trust_revoked(trust, &revoked, issuer) == (i >= 2));
        assert_int_equal(sl_trust_role(trust), SL_ROLE_SERVER);
        sl_trust_unref(trust);
    }
    mbedtls_x509_crt_free(&revoked);
}

static void test_trust_with_lists_required_wants_one_of_each_ca(void **state)
{
    static const struct {
        const char *ca, *crl;
        bool required;
        const char *says; /* null: it loads */
    } cases[] = {
        {"ca", "empty.crl", true, NULL},
        {"two-cas", "two.crl", true, NULL},
        {"two-cas", "empty.crl", false, NULL},
        {"two-cas", "empty.crl", true, "empty.crl holds none of the CA 'CN=other' of --cafile"},
        {"ca", NULL, true, "--crl-policy require needs revocation lists"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_test_files files;
        struct sl_trust *trust = NULL;
        char error[SL_TEST_ERROR_SIZE] = "";
        enum sl_status status;

        sl_test_files(&files, cases[i].ca, "server", cases[i].crl);
        files.at.crl_required = cases[i].required;
        status = sl_trust_load(SL_ROLE_SERVER, &files.at, &trust, error, sizeof error);
        assert_int_equal(status, cases[i].says == NULL ? SL_OK : SL_BAD_INPUT);
        if (cases[i].says != NULL && strstr(error, cases[i].says) == NULL)
            fail_msg("'%s' instead of '%s'", error, cases[i].says);
        sl_trust_unref(trust);
    }
}

static void test_trust_doesnt_follow_one_with_a_newer_list(void **state)
{
    struct sl_trust *old = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "number-7.crl");
    struct sl_test_files files;
    struct sl_trust *trust;
    char error[SL_TEST_ERROR_SIZE] = "";

    (void)state;
    sl_test_files(&files, "ca", "server", "no-number-earlier.crl");
    trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "no-number-earlier.crl");
    assert_int_equal(sl_trust_follows(trust, old, &files.at, error, sizeof error), SL_BAD_INPUT);
    assert_non_null(strstr(error, "older than the one in force"));
    assert_int_equal(sl_trust_follows(old, trust, &files.at, error, sizeof error), SL_OK);
    sl_trust_unref(trust);
    sl_trust_unref(old);
}

static void test_trust_loads_for_a_sensor(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);

    (void)state;
    assert_int_equal(sl_trust_role(trust), SL_ROLE_SENSOR);
    assert_non_null(sl_trust_config(trust));
    sl_trust_unref(trust);
}

static void test_trust_loads_under_an_rsa_ca(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "rsa-ca", "rsa-server", "rsa.crl");

    (void)state;
    sl_trust_unref(trust);
}

static void test_trust_knows_its_cas_byte_for_byte(void **state)
{
    static const struct {
        const char *certificate;
        bool known;
    } cases[] = {{"ca", true}, {"other-ca", true}, {"open-ca", false}, {"attic", false}};
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "two-cas", "server", NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mbedtls_x509_crt certificate;

        mbedtls_x509_crt_init(&certificate);
        sl_test_certificate(cases[i].certificate, &certificate);
        if (sl_trust_has_ca(trust, &certificate) != cases[i].known)
            fail_msg("%s", cases[i].certificate);
        mbedtls_x509_crt_free(&certificate);
    }
    sl_trust_unref(trust);
}

static void test_trust_lives_as_long_as_its_last_reference(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);

    (void)state;
    assert_ptr_equal(sl_trust_ref(trust), trust);
    sl_trust_unref(trust);
    assert_int_equal(sl_trust_role(trust), SL_ROLE_SENSOR);
    sl_trust_unref(trust);
    sl_trust_unref(NULL);
}

static void test_trust_own_end_is_the_second_after_not_after(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);
    mbedtls_x509_crt certificate;

    (void)state;
    mbedtls_x509_crt_init(&certificate);
    sl_test_certificate("attic", &certificate);
    assert_int_equal(sl_trust_own_end_us(trust),
                     sl_identity_time_us(&certificate.valid_to) + 1000000);
    mbedtls_x509_crt_free(&certificate);
    sl_trust_unref(trust);
}

static void test_trust_sentence_that_is_too_long_is_cut(void **state)
{
    struct sl_trust_files files = {.ca = "/no/such/file", .cert = "x", .key = "x"};
    struct sl_trust *trust = NULL;
    char error[16];

    (void)state;
    memset(error, 'x', sizeof error);
    assert_int_equal(sl_trust_load(SL_ROLE_SERVER, &files, &trust, error, sizeof error),
                     SL_BAD_INPUT);
    assert_true(memchr(error, '\0', sizeof error) != NULL);
}

static void test_trust_version_names_the_library_and_its_protocols(void **state)
{
    char text[128];

    (void)state;
    assert_int_equal(strncmp(sl_tls_version(text, sizeof text), "Mbed TLS ", 9), 0);
    assert_null(strstr(text, "Mbed TLS Mbed TLS"));
    assert_non_null(strstr(text, "TLS 1.2"));
    assert_true((strstr(text, "TLS 1.3") != NULL) == sl_compat_has_tls13());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust_refuses_each_wrong_file_with_its_sentence),
        cmocka_unit_test(test_trust_loads_with_and_without_a_revocation_list),
        cmocka_unit_test(test_trust_with_lists_required_wants_one_of_each_ca),
        cmocka_unit_test(test_trust_doesnt_follow_one_with_a_newer_list),
        cmocka_unit_test(test_trust_loads_for_a_sensor),
        cmocka_unit_test(test_trust_loads_under_an_rsa_ca),
        cmocka_unit_test(test_trust_knows_its_cas_byte_for_byte),
        cmocka_unit_test(test_trust_lives_as_long_as_its_last_reference),
        cmocka_unit_test(test_trust_own_end_is_the_second_after_not_after),
        cmocka_unit_test(test_trust_sentence_that_is_too_long_is_cut),
        cmocka_unit_test(test_trust_version_names_the_library_and_its_protocols),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
