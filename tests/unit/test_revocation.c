/* SPDX-License-Identifier: Apache-2.0 */
/* test_revocation.c -- which lists are taken, and who is in them. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "support/certificates.h"
#include "tls/revocation.h"

static const int64_t SECOND_US = 1000000;
static const int64_t DAY_US = INT64_C(86400) * 1000000;

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

static enum sl_status load_late(struct place *place, const char *list, int64_t grace_us)
{
    char path[SL_TEST_PATH_SIZE];

    return sl_revocation_load(&place->set, sl_test_path(path, list), &place->cas, grace_us,
                              place->error, sizeof place->error);
}

static enum sl_status load(struct place *place, const char *list)
{
    return load_late(place, list, 0);
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
    found = sl_revocation_has(&place->set, &certificate.issuer_raw, &certificate.serial);
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
        {"both-of-one-ca.crl", "holds two lists of the CA 'CN=sensorlink CA "},
        {"number-too-long.crl", "has a CRL number that can't be read"},
        {"number-negative.crl", "has a CRL number that can't be read"},
        {"number-no-integer.crl", "has a CRL number that can't be read"},
        {"number-cut.crl", "has a CRL number that can't be read"},
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
        assert_null(place.set.lists);
    }
    close_place(&place);
}

static void test_revocation_list_holds_for_its_grace_and_no_longer(void **state)
{
    struct place place;
    int64_t due_us;

    (void)state;
    open_place(&place, "ca");
    /* Its next update was due a day before it was made, which is less than a day ago. */
    assert_int_equal(load_late(&place, "old.crl", DAY_US / 2), SL_BAD_INPUT);
    assert_non_null(strstr(place.error, "longer than --crl-grace"));
    assert_int_equal(load_late(&place, "old.crl", 3 * DAY_US), SL_OK);
    assert_true(has(&place, "sensor-revoked"));
    assert_int_equal(place.set.list_count, 1);
    due_us = sl_identity_time_us(&place.set.lists[0].next_update);
    assert_int_equal(sl_revocation_until_us(&place.set, &place.set.lists[0]),
                     due_us + SECOND_US + 3 * DAY_US);
    close_place(&place);
}

static void test_revocation_list_is_found_by_its_ca(void **state)
{
    uint8_t fingerprint[SL_FINGERPRINT_SIZE];
    struct place place;

    (void)state;
    open_place(&place, "two-cas");
    must_load(&place, "number-7.crl");
    assert_int_equal(place.set.list_count, 1);
    assert_true(sl_identity_fingerprint(&place.cas, fingerprint));
    assert_ptr_equal(sl_revocation_list(&place.set, fingerprint), place.set.lists);
    assert_true(place.set.lists[0].numbered);
    assert_int_equal(place.set.lists[0].number[SL_CRL_NUMBER_SIZE - 1], 7);
    assert_true(sl_identity_fingerprint(place.cas.next, fingerprint));
    assert_null(sl_revocation_list(&place.set, fingerprint));
    sl_revocation_clear(&place.set);
    must_load(&place, "two.crl");
    assert_non_null(sl_revocation_list(&place.set, fingerprint));
    close_place(&place);
    /* A bundle that holds a CA twice isn't two lists of it. */
    open_place(&place, "ca-twice");
    must_load(&place, "number-160-bits.crl");
    assert_int_equal(place.set.lists[0].number[0], 0x7f);
    close_place(&place);
}

static void test_revocation_covers_says_which_ca_has_no_list(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "two-cas");
    must_load(&place, "two.crl");
    for (const mbedtls_x509_crt *ca = &place.cas; ca != NULL; ca = ca->next)
        assert_int_equal(
            sl_revocation_covers(&place.set, ca, "two.crl", place.error, sizeof place.error),
            SL_OK);
    sl_revocation_clear(&place.set);
    must_load(&place, "revoked.crl");
    assert_int_equal(sl_revocation_covers(&place.set, &place.cas, "revoked.crl", place.error,
                                          sizeof place.error),
                     SL_OK);
    assert_int_equal(sl_revocation_covers(&place.set, place.cas.next, "revoked.crl", place.error,
                                          sizeof place.error),
                     SL_BAD_INPUT);
    assert_non_null(strstr(place.error, "revoked.crl holds none of the CA 'CN=other'"));
    close_place(&place);
}

/* What sl_revocation_follows() says of `next`, after `list` of other certificates of the CA. */
static void try_to_follow(const char *cas, const char *list, const char *next_cas, const char *next,
                          const char *says)
{
    struct place old, new;
    enum sl_status status;

    open_place(&old, cas);
    must_load(&old, list);
    open_place(&new, next_cas);
    must_load(&new, next);
    status = sl_revocation_follows(&new.set, &old.set, &new.cas, next, new.error, sizeof new.error);
    if (status != (says == NULL ? SL_OK : SL_BAD_INPUT))
        fail_msg("%s after %s: %d, '%s'", next, list, status, new.error);
    if (says != NULL && (strstr(new.error, says) == NULL || strstr(new.error, next) == NULL))
        fail_msg("%s after %s: '%s'", next, list, new.error);
    close_place(&new);
    close_place(&old);
}

static void test_revocation_older_list_doesnt_follow(void **state)
{
    static const struct {
        const char *cas, *list, *next_cas, *next;
        const char *says; /* null: it follows */
    } cases[] = {
        {"ca", "number-7.crl", "ca", "number-7.crl", NULL},
        {"ca", "number-7.crl", "ca", "number-256-later.crl", NULL},
        {"ca", "number-7.crl", "ca", "no-number-later.crl", NULL},
        {"ca", "no-number-earlier.crl", "ca", "number-7.crl", NULL},
        {"ca", "number-255-later.crl", "ca", "number-256-later.crl", NULL},
        {"ca", "number-256-later.crl", "ca", "number-255-later.crl", "smaller CRL number"},
        {"ca", "number-7.crl", "ca", "number-6-later.crl", "smaller CRL number"},
        {"ca", "number-7.crl", "ca", "number-8-earlier.crl", "older than the one in force"},
        {"ca", "number-7.crl", "ca", "no-number-earlier.crl", "older than the one in force"},
        {"ca", "no-number-later.crl", "ca", "number-7.crl", "older than the one in force"},
        /* What a CA signed stays what it was when the CA gets a new certificate. */
        {"ca", "number-7.crl", "renewed-ca", "number-256-later.crl", NULL},
        {"ca", "number-7.crl", "renewed-ca", "number-6-later.crl", "smaller CRL number"},
        /* A list that is in force can't be left out, but its CA can. */
        {"two-cas", "two.crl", "two-cas", "revoked.crl",
         "no longer holds one of the CA 'CN=other'"},
        {"two-cas", "two.crl", "ca", "revoked.crl", NULL},
        {"two-cas", "revoked.crl", "two-cas", "two.crl", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        try_to_follow(cases[i].cas, cases[i].list, cases[i].next_cas, cases[i].next, cases[i].says);
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
        cmocka_unit_test(test_revocation_list_holds_for_its_grace_and_no_longer),
        cmocka_unit_test(test_revocation_list_is_found_by_its_ca),
        cmocka_unit_test(test_revocation_covers_says_which_ca_has_no_list),
        cmocka_unit_test(test_revocation_older_list_doesnt_follow),
        cmocka_unit_test(test_revocation_set_that_is_clear_has_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
