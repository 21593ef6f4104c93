/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_trust.c -- what sl_trust_load() takes, and the one sentence that it says to everything else.
 */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "support/certificates.h"
#include "tls/identity.h"
#include "tls/inspect.h"

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
    {"early-ca.crt", "server.crt", "server.key", NULL, "the CA 'CN=early' isn't valid yet", false},
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
    {"ca.crt", "server.crt", "server.key", "both-of-one-ca.crl", "holds two lists of the CA",
     false},
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

/* What a report of --check said. */
struct said {
    struct sl_checklist list;
    char text[8192];
};

static void told(void *ctx, enum sl_verdict verdict, const char *about, const char *text)
{
    struct said *said = ctx;
    size_t len = strlen(said->text);

    (void)snprintf(said->text + len, sizeof said->text - len, "%s %s %s\n",
                   sl_verdict_word(verdict), about, text);
}

static const int64_t two_weeks_ms = INT64_C(14) * 86400 * 1000;

static void inspect(struct said *said, enum sl_role role, const struct sl_trust_files *files,
                    int64_t warning_ms, char name[static SL_SENSOR_NAME_MAX + 1])
{
    *said = (struct said){.list = {.told = told, .ctx = said}};
    sl_inspect_trust(role, files, warning_ms, &said->list, name);
}

static void test_check_calls_a_fault_what_trust_refuses_with_the_same_sentence(void **state)
{
    static struct said said;

    (void)state;
    for (size_t i = 0; i < COUNT(faults); i++) {
        char ca[SL_TEST_PATH_SIZE], cert[SL_TEST_PATH_SIZE], key[SL_TEST_PATH_SIZE],
            crl[SL_TEST_PATH_SIZE], name[SL_SENSOR_NAME_MAX + 1];
        const struct fault *fault = &faults[i];
        struct sl_trust_files files = {.ca = given(ca, fault->ca),
                                       .cert = given(cert, fault->cert),
                                       .key = given(key, fault->key),
                                       .crl = given(crl, fault->crl)};
        char *at;

        inspect(&said, fault->sensor ? SL_ROLE_SENSOR : SL_ROLE_SERVER, &files, two_weeks_ms, name);
        at = strstr(said.text, fault->says);
        if (said.list.counts[SL_VERDICT_FAULT] == 0)
            fail_msg("'%s' isn't found:\n%s", fault->says, said.text);
        /* An option that isn't there is named before the sentence, and not in it as well. */
        if (at == NULL && strstr(fault->says, "is missing") == NULL)
            fail_msg("'%s' isn't said:\n%s", fault->says, said.text);
    }
}

static void test_check_finds_no_fault_where_trust_is_loaded(void **state)
{
    static const struct {
        enum sl_role role;
        const char *ca, *name, *crl;
    } good[] = {{SL_ROLE_SERVER, "ca", "server", NULL},
                {SL_ROLE_SERVER, "ca", "server", "empty.crl"},
                {SL_ROLE_SERVER, "ca", "server", "many.crl"},
                {SL_ROLE_SERVER, "two-cas", "server", "revoked.crl"},
                {SL_ROLE_SERVER, "rsa-ca", "rsa-server", "rsa.crl"},
                {SL_ROLE_SENSOR, "ca", "attic", NULL},
                {SL_ROLE_SENSOR, "ca", "sensor-no-usage", NULL}};
    static struct said said;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sl_test_files files;
        char name[SL_SENSOR_NAME_MAX + 1];

        sl_trust_unref(sl_test_trust(good[i].role, good[i].ca, good[i].name, good[i].crl));
        sl_test_files(&files, good[i].ca, good[i].name, good[i].crl);
        inspect(&said, good[i].role, &files.at, two_weeks_ms, name);
        if (said.list.counts[SL_VERDICT_FAULT] != 0 || said.list.counts[SL_VERDICT_OK] < 3)
            fail_msg("%s", said.text);
    }
}

static void test_check_goes_on_after_a_fault(void **state)
{
    static struct said said;
    struct sl_test_files files;
    char name[SL_SENSOR_NAME_MAX + 1];

    (void)state;
    sl_test_files(&files, "other-ca", "attic", "old.crl");
    inspect(&said, SL_ROLE_SERVER, &files.at, two_weeks_ms, name);
    assert_non_null(strstr(said.text, "ok --cafile "));
    assert_non_null(
        strstr(said.text, "isn't signed by a CA of --cafile\nwarning --cert it carries"));
    assert_non_null(strstr(said.text, "ok --key "));
    assert_non_null(strstr(said.text, "fault --crlfile the revocation list "));
    assert_int_equal(said.list.counts[SL_VERDICT_FAULT], 2);
}

static void test_check_warns_of_what_ends_within_the_time_given(void **state)
{
    static const struct {
        int64_t days;
        int64_t warnings;
    } cases[] = {{14, 0}, {31, 0}, {91, 1}, {36500, 2}};
    static struct said said;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_test_files files;
        char name[SL_SENSOR_NAME_MAX + 1];

        /* The certificate is good for 90 days, the CA for ten years; a list is warned of late. */
        sl_test_files(&files, "ca", "server", "empty.crl");
        inspect(&said, SL_ROLE_SERVER, &files.at, cases[i].days * 86400 * 1000, name);
        if (said.list.counts[SL_VERDICT_WARNING] != cases[i].warnings)
            fail_msg("%d days:\n%s", (int)cases[i].days, said.text);
    }
}

static void test_check_warns_of_a_list_that_holds_for_its_grace_only(void **state)
{
    static struct said said;
    struct sl_test_files files;
    char name[SL_SENSOR_NAME_MAX + 1];

    (void)state;
    /* The list's next update was due a day ago. */
    sl_test_files(&files, "ca", "server", "old.crl");
    files.at.crl_grace_ms = INT64_C(2) * 86400 * 1000;
    inspect(&said, SL_ROLE_SERVER, &files.at, two_weeks_ms, name);
    assert_non_null(strstr(said.text, "warning --crlfile the revocation list "));
    assert_non_null(strstr(said.text, "more only (--crl-grace): make a new one"));
    assert_int_equal(said.list.counts[SL_VERDICT_FAULT], 0);
    files.at.crl_grace_ms = 3600000;
    inspect(&said, SL_ROLE_SERVER, &files.at, two_weeks_ms, name);
    assert_non_null(strstr(said.text, ", longer than --crl-grace: make a new one"));
    assert_int_equal(said.list.counts[SL_VERDICT_FAULT], 1);
}

static void test_check_warns_of_what_a_server_will_refuse(void **state)
{
    static const struct {
        const char *name;
        const char *reads; /* the sensor's name, for the one that is good */
        const char *says;
    } cases[] = {
        {"attic", "attic", "ok --cert it names the sensor attic\n"},
        {"sensor-no-usage", "attic",
         "warning --cert a server will refuse it: client-cert-no-usage"},
        {"name-uri-blank", "", "warning --cert a server will refuse it: client-name-bad: "},
    };
    static struct said said;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_test_files files;
        char name[SL_SENSOR_NAME_MAX + 1];

        sl_test_files(&files, "ca", cases[i].name, NULL);
        inspect(&said, SL_ROLE_SENSOR, &files.at, two_weeks_ms, name);
        assert_string_equal(name, cases[i].reads);
        if (strstr(said.text, cases[i].says) == NULL)
            fail_msg("%s", said.text);
    }
}

static void test_check_names_each_ca_that_no_list_is_of(void **state)
{
    static struct said said;
    struct sl_test_files files;
    char name[SL_SENSOR_NAME_MAX + 1];

    (void)state;
    sl_test_files(&files, "two-cas", "server", "empty.crl");
    inspect(&said, SL_ROLE_SERVER, &files.at, two_weeks_ms, name);
    assert_non_null(strstr(said.text, "no list is of the CA 'CN=other'"));
    assert_int_equal(said.list.counts[SL_VERDICT_WARNING], 1);
    sl_test_files(&files, "two-cas", "server", NULL);
    inspect(&said, SL_ROLE_SERVER, &files.at, two_weeks_ms, name);
    assert_non_null(strstr(said.text, "warning --crlfile it isn't given"));
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
    static struct said said;
    char name[SL_SENSOR_NAME_MAX + 1];

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
        /* What is required is all that decides whether it is a fault to --check as well. */
        inspect(&said, SL_ROLE_SERVER, &files.at, two_weeks_ms, name);
        if (said.list.counts[SL_VERDICT_FAULT] != (cases[i].says == NULL ? 0 : 1))
            fail_msg("case %zu:\n%s", i, said.text);
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
        cmocka_unit_test(test_check_calls_a_fault_what_trust_refuses_with_the_same_sentence),
        cmocka_unit_test(test_check_finds_no_fault_where_trust_is_loaded),
        cmocka_unit_test(test_check_goes_on_after_a_fault),
        cmocka_unit_test(test_check_warns_of_what_ends_within_the_time_given),
        cmocka_unit_test(test_check_warns_of_a_list_that_holds_for_its_grace_only),
        cmocka_unit_test(test_check_warns_of_what_a_server_will_refuse),
        cmocka_unit_test(test_check_names_each_ca_that_no_list_is_of),
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
