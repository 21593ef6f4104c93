/* SPDX-License-Identifier: Apache-2.0 */
/* test_revocation.c -- which lists are taken, and who is in them. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "support/certificates.h"
#include "tls/revocation.h"

struct place {
    mbedtls_x509_crt cas;
    struct sl_revocation set;
    char error[SL_TEST_ERROR_SIZE];
};

static void open_place(struct place *place, const char *cas)
{
    *place = (struct place){.error = ""};
    mbedtls_x509_crt_init(&place->cas);
    sl_test_certificate(cas, &place->cas);
}

static void close_place(struct place *place)
{
    sl_revocation_clear(&place->set);
    mbedtls_x509_crt_free(&place->cas);
}

static enum sl_status load(struct place *place, const char *list)
{
    char path[SL_TEST_PATH_SIZE];

    return sl_revocation_load(&place->set, sl_test_path(path, list), &place->cas, place->error,
                              sizeof place->error);
}

static void must_load(struct place *place, const char *list)
{
    if (load(place, list) != SL_OK)
        fail_msg("%s: %s", list, place->error);
}

static bool has(const struct place *place, const char *name)
{
    mbedtls_x509_crt certificate;
    bool found;

    mbedtls_x509_crt_init(&certificate);
    sl_test_certificate(name, &certificate);
    found = sl_revocation_has(&place->set, &certificate);
    mbedtls_x509_crt_free(&certificate);
    return found;
}

static void test_revocation_finds_the_revoked_and_nobody_else(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "ca");
    must_load(&place, "revoked.crl");
    assert_true(has(&place, "sensor-revoked"));
    assert_false(has(&place, "attic"));
    assert_false(has(&place, "server"));
    /* The same number of another CA is another certificate. */
    assert_false(has(&place, "sensor-same-serial-other-ca"));
    assert_false(has(&place, "sensor-same-serial-near-ca"));
    close_place(&place);
}

static void test_revocation_empty_list_revokes_nobody(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "ca");
    must_load(&place, "empty.crl");
    assert_int_equal(place.set.size, 0);
    assert_false(has(&place, "sensor-revoked"));
    close_place(&place);
}

static void test_revocation_long_list_finds_the_revoked_and_nobody_else(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "ca");
    must_load(&place, "many.crl");
    assert_true(place.set.size >= 4000);
    assert_true(has(&place, "sensor-revoked"));
    assert_false(has(&place, "attic"));
    assert_false(has(&place, "sensor-same-serial-other-ca"));
    close_place(&place);
}

static void test_revocation_file_of_two_lists_holds_for_both_cas(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "two-cas");
    must_load(&place, "two.crl");
    assert_true(has(&place, "sensor-revoked"));
    assert_false(has(&place, "sensor-same-serial-other-ca"));
    sl_revocation_clear(&place.set);
    must_load(&place, "other-ca.crl");
    assert_true(has(&place, "sensor-same-serial-other-ca"));
    assert_false(has(&place, "sensor-revoked"));
    close_place(&place);
}

static void test_revocation_list_of_an_rsa_ca_is_taken(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "rsa-ca");
    must_load(&place, "rsa.crl");
    assert_int_not_equal(place.set.size, 0);
    assert_false(has(&place, "rsa-attic"));
    close_place(&place);
}

static void test_revocation_refuses_each_wrong_list_with_its_sentence(void **state)
{
    static const struct {
        const char *list;
        const char *says;
    } cases[] = {
        {"no-such-file.crl", "can't be read"},
        {"not-a-list.crl", "can't be read"},
        {"nothing.crt", "can't be read"},
        {"other-ca.crl", "isn't signed by a CA of --cafile"},
        {"two.crl", "isn't signed by a CA of --cafile"},
        {"forged.crl", "isn't signed by a CA of --cafile"},
        {"sha1.crl", "isn't signed by a CA of --cafile"},
        {"old.crl", "is out of date"},
        {"future.crl", "begins in the future"},
        {"no-next-update.crl", "has no date of its next update"},
    };
    struct place place;

    (void)state;
    open_place(&place, "ca");
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (load(&place, cases[i].list) != SL_BAD_INPUT)
            fail_msg("%s was taken", cases[i].list);
        if (strstr(place.error, cases[i].says) == NULL ||
            strstr(place.error, cases[i].list) == NULL)
            fail_msg("%s: '%s'", cases[i].list, place.error);
        assert_null(place.set.places);
        assert_int_equal(place.set.size, 0);
    }
    close_place(&place);
}

static void test_revocation_set_that_is_clear_has_nobody(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "ca");
    assert_false(has(&place, "sensor-revoked"));
    must_load(&place, "revoked.crl");
    sl_revocation_clear(&place.set);
    assert_false(has(&place, "sensor-revoked"));
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revocation_finds_the_revoked_and_nobody_else),
        cmocka_unit_test(test_revocation_empty_list_revokes_nobody),
        cmocka_unit_test(test_revocation_long_list_finds_the_revoked_and_nobody_else),
        cmocka_unit_test(test_revocation_file_of_two_lists_holds_for_both_cas),
        cmocka_unit_test(test_revocation_list_of_an_rsa_ca_is_taken),
        cmocka_unit_test(test_revocation_refuses_each_wrong_list_with_its_sentence),
        cmocka_unit_test(test_revocation_set_that_is_clear_has_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
