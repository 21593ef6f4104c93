/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_identity.c -- whose a certificate is: names by the rules and by no others, addresses, facts.
 */
#include "cases.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "support/certificates.h"
#include "tls/identity.h"

struct expected {
    const char *certificate;
    const char *name; /* null where there is a reason */
    enum sl_reason reason;
};

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct expected names[] = {
    {"attic", "attic", SL_REASON_NONE},
    {"name-uri", "attic", SL_REASON_NONE},
    {"name-uri-upper", "Attic", SL_REASON_NONE},
    {"name-uri-other", "attic.example", SL_REASON_NONE},
    {"name-uri-64", A64, SL_REASON_NONE},
    {"name-uri-65", NULL, SL_REASON_CLIENT_NAME_BAD},
    /* A bad name of a better kind is never passed over for a good one of a lesser kind. */
    {"name-uri-empty", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-blank", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-zero", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-dash", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-dot", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-umlaut", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-newline", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-uri-twice", NULL, SL_REASON_CLIENT_NAME_AMBIGUOUS},
    {"name-uri-same-twice", NULL, SL_REASON_CLIENT_NAME_AMBIGUOUS},
    {"name-dns", "attic.example", SL_REASON_NONE},
    {"name-dns-first", "first.example", SL_REASON_NONE},
    {"name-dns-star", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-cn", "attic", SL_REASON_NONE},
    {"name-cn-email", "attic", SL_REASON_NONE},
    {"name-cn-address", "attic", SL_REASON_NONE},
    {"name-cn-second", "attic", SL_REASON_NONE},
    {"name-cn-blank", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-cn-zero", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-cn-escape", NULL, SL_REASON_CLIENT_NAME_BAD},
    {"name-cn-twice", NULL, SL_REASON_CLIENT_NAME_AMBIGUOUS},
    {"name-none", NULL, SL_REASON_CLIENT_NAME_MISSING},
    {"name-no-cn", NULL, SL_REASON_CLIENT_NAME_MISSING},
};

static void test_identity_takes_the_name_by_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char name[SL_SENSOR_NAME_MAX + 1];
        mbedtls_x509_crt certificate;
        enum sl_reason reason;

        mbedtls_x509_crt_init(&certificate);
        sl_test_certificate(names[i].certificate, &certificate);
        reason = sl_identity_sensor(&certificate, name);
        mbedtls_x509_crt_free(&certificate);
        if (reason != names[i].reason)
            fail_msg("%s: %s instead of %s", names[i].certificate, sl_reason_id(reason),
                     sl_reason_id(names[i].reason));
        if (names[i].name != NULL)
            assert_string_equal(name, names[i].name);
    }
}

static bool has_address(const mbedtls_x509_crt *certificate, const char *text)
{
    uint8_t address[16];

    if (inet_pton(AF_INET, text, address) == 1)
        return sl_identity_has_address(certificate, address, 4);
    assert_int_equal(inet_pton(AF_INET6, text, address), 1);
    return sl_identity_has_address(certificate, address, 16);
}

static void test_identity_finds_addresses_of_both_families(void **state)
{
    mbedtls_x509_crt certificate;
    uint8_t part[3] = {192, 0, 2};

    (void)state;
    mbedtls_x509_crt_init(&certificate);
    sl_test_certificate("server", &certificate);
    assert_true(has_address(&certificate, "127.0.0.1"));
    assert_true(has_address(&certificate, "192.0.2.7"));
    assert_true(has_address(&certificate, "::1"));
    assert_true(has_address(&certificate, "2001:db8::7"));
    assert_false(has_address(&certificate, "192.0.2.8"));
    assert_false(has_address(&certificate, "2001:db8::8"));
    assert_false(has_address(&certificate, "::ffff:192.0.2.7"));
    assert_false(sl_identity_has_address(&certificate, part, sizeof part));
    assert_false(sl_identity_has_address(&certificate, part, 0));
    mbedtls_x509_crt_free(&certificate);
}

static void test_identity_takes_no_dns_name_for_an_address(void **state)
{
    mbedtls_x509_crt certificate;

    (void)state;
    mbedtls_x509_crt_init(&certificate);
    sl_test_certificate("server-address-as-name", &certificate);
    assert_false(has_address(&certificate, "127.0.0.1"));
    /* Nor the text's own bytes: "127." */
    assert_false(sl_identity_has_address(&certificate, (const uint8_t *)"127.", 4));
    mbedtls_x509_crt_free(&certificate);
}

static void test_identity_knows_who_may_be_a_client(void **state)
{
    static const struct {
        const char *certificate;
        bool is_client;
    } cases[] = {
        {"attic", true},
        {"server", false},
        {"sensor-server-only", false},
        {"sensor-no-usage", false},
        {"sensor-any-usage", false},
        {"ca", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mbedtls_x509_crt certificate;

        mbedtls_x509_crt_init(&certificate);
        sl_test_certificate(cases[i].certificate, &certificate);
        if (sl_identity_is_client(&certificate) != cases[i].is_client)
            fail_msg("%s", cases[i].certificate);
        mbedtls_x509_crt_free(&certificate);
    }
}

static void test_identity_facts_name_subject_issuer_serial_and_dates(void **state)
{
    mbedtls_x509_crt certificate;
    char facts[SL_FACTS_SIZE];

    (void)state;
    mbedtls_x509_crt_init(&certificate);
    sl_test_certificate("sensor-revoked", &certificate);
    assert_ptr_equal(sl_identity_facts(&certificate, facts), facts);
    assert_int_equal(strncmp(facts, "subject CN=attic, issuer ", 25), 0);
    assert_non_null(strstr(facts, ", serial 4000000000000000000000000000BEEF, valid 20"));
    assert_non_null(strstr(facts, "Z to 20"));
    assert_int_equal(facts[strlen(facts) - 1], 'Z');
    mbedtls_x509_crt_free(&certificate);
}

static void test_identity_facts_are_fit_to_print_and_never_too_long(void **state)
{
    static const char *const certificates[] = {"name-cn-escape", "name-cn-zero", "name-uri-newline",
                                               "name-long", "name-none"};

    (void)state;
    for (size_t i = 0; i < COUNT(certificates); i++) {
        mbedtls_x509_crt certificate;
        char facts[SL_FACTS_SIZE];

        mbedtls_x509_crt_init(&certificate);
        sl_test_certificate(certificates[i], &certificate);
        (void)sl_identity_facts(&certificate, facts);
        for (const char *at = facts; *at != '\0'; at++)
            if (*at < ' ' || *at > '~')
                fail_msg("%s: byte %02x", certificates[i], (unsigned)(unsigned char)*at);
        /* Even the longest leaves room for the end, which says the dates. */
        assert_int_equal(facts[strlen(facts) - 1], 'Z');
        mbedtls_x509_crt_free(&certificate);
    }
}

static void test_identity_dates_are_microseconds_since_1970(void **state)
{
    static const struct {
        mbedtls_x509_time time;
        int64_t us;
    } cases[] = {
        {{1970, 1, 1, 0, 0, 0}, 0},
        {{1970, 1, 1, 0, 0, 1}, 1000000},
        {{2026, 11, 23, 4, 6, 13}, INT64_C(1795406773000000)},
        {{2000, 2, 29, 23, 59, 59}, INT64_C(951868799000000)},
        {{2049, 12, 31, 23, 59, 59}, INT64_C(2524607999000000)},
        {{9999, 12, 31, 23, 59, 59}, INT64_C(253402300799000000)}, /* RFC 5280, 4.1.2.5: no end */
        {{2023, 2, 30, 0, 0, 0}, 0},                               /* none: expired */
        {{0, 0, 0, 0, 0, 0}, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(sl_identity_time_us(&cases[i].time), cases[i].us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity_takes_the_name_by_the_rules),
        cmocka_unit_test(test_identity_finds_addresses_of_both_families),
        cmocka_unit_test(test_identity_takes_no_dns_name_for_an_address),
        cmocka_unit_test(test_identity_knows_who_may_be_a_client),
        cmocka_unit_test(test_identity_facts_name_subject_issuer_serial_and_dates),
        cmocka_unit_test(test_identity_facts_are_fit_to_print_and_never_too_long),
        cmocka_unit_test(test_identity_dates_are_microseconds_since_1970),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
