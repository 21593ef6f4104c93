/* SPDX-License-Identifier: Apache-2.0 */
/* test_expiry.c -- what of a trust runs out, how far it is, and when there is something to say. */
#include "cases.h"

#include <string.h>

#include "support/certificates.h"
#include "tls/expiry.h"

static const int64_t SECOND_US = 1000000;
static const int64_t HOUR_US = INT64_C(3600) * 1000000;
static const int64_t DAY_US = INT64_C(86400) * 1000000;
static const int64_t DAY_MS = INT64_C(86400) * 1000;

static const struct sl_trust_files files = {
    .ca = "the-ca.crt", .cert = "own.crt", .crl = "the-list.crl"};

/* Good from day 0 to day 40, a list with two days of grace. */
static struct sl_expiry of(enum sl_expiry_kind kind)
{
    return (struct sl_expiry){.kind = kind,
                              .name = "CN=it",
                              .date = "THE-DATE",
                              .end_us = 40 * DAY_US,
                              .closed_us = (kind == SL_EXPIRY_CRL ? 42 : 40) * DAY_US};
}

static void test_expiry_of_a_trust_is_its_certificate_its_cas_and_their_lists(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "two-cas", "server", "two.crl");
    static const struct {
        enum sl_expiry_kind kind;
        const char *name;
    } wanted[] = {
        {SL_EXPIRY_OWN, "CN=localhost"}, {SL_EXPIRY_CA, "CN=sensorlink CA "},
        {SL_EXPIRY_CA, "CN=other"},      {SL_EXPIRY_CRL, "CN=sensorlink CA "},
        {SL_EXPIRY_CRL, "CN=other"},
    };
    struct sl_expiry expiry;

    (void)state;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_true(sl_expiry_at(trust, i, &expiry));
        assert_int_equal(expiry.kind, wanted[i].kind);
        assert_int_equal(strncmp(expiry.name, wanted[i].name, strlen(wanted[i].name)), 0);
        assert_true(expiry.begin_us < expiry.end_us && expiry.end_us == expiry.closed_us);
        assert_int_equal(expiry.date[0], '2');
    }
    assert_false(sl_expiry_at(trust, COUNT(wanted), &expiry));
    sl_trust_unref(trust);
}

static void test_expiry_stages_follow_the_time_that_is_left(void **state)
{
    static const struct {
        enum sl_expiry_kind kind;
        int days_left; /* of the warning time: 14 */
        enum sl_expiry_stage stage;
    } cases[] = {
        {SL_EXPIRY_OWN, 14, SL_EXPIRY_FINE},
        {SL_EXPIRY_OWN, 13, SL_EXPIRY_SOON},
        {SL_EXPIRY_OWN, 0, SL_EXPIRY_OVER},
        {SL_EXPIRY_CA, 13, SL_EXPIRY_SOON},
        /* A quarter of a list's 40 days is less than the warning time. */
        {SL_EXPIRY_CRL, 13, SL_EXPIRY_FINE},
        {SL_EXPIRY_CRL, 10, SL_EXPIRY_FINE},
        {SL_EXPIRY_CRL, 9, SL_EXPIRY_SOON},
        {SL_EXPIRY_CRL, 0, SL_EXPIRY_GRACE},
        {SL_EXPIRY_CRL, -1, SL_EXPIRY_GRACE},
        {SL_EXPIRY_CRL, -2, SL_EXPIRY_OVER},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_expiry expiry = of(cases[i].kind);
        int64_t now_us = expiry.end_us - cases[i].days_left * DAY_US;

        if (sl_expiry_stage(&expiry, 14 * DAY_MS, now_us) != cases[i].stage)
            fail_msg("case %zu", i);
    }
    struct sl_expiry list = of(SL_EXPIRY_CRL);

    /* Where the warning time is less than a quarter, it counts. */
    assert_int_equal(sl_expiry_stage(&list, DAY_MS, list.end_us - DAY_US), SL_EXPIRY_FINE);
    assert_int_equal(sl_expiry_stage(&list, DAY_MS, list.end_us - 1), SL_EXPIRY_SOON);
    assert_int_equal(sl_expiry_stage(&list, 0, list.end_us - 1), SL_EXPIRY_FINE);
    assert_int_equal(sl_expiry_stage(&list, 0, list.end_us), SL_EXPIRY_GRACE);
}

static void test_expiry_is_said_once_a_day_and_at_each_stage(void **state)
{
    struct sl_expiry expiry = of(SL_EXPIRY_CRL);
    int64_t then_us = 0;
    int said = 0, said_in_grace = 0, said_after = 0;

    (void)state;
    for (int64_t now_us = SECOND_US; now_us < 44 * DAY_US; now_us += 60 * SECOND_US) {
        bool due = sl_expiry_due(&expiry, 14 * DAY_MS, then_us, now_us);

        said += due && now_us < expiry.end_us;
        said_in_grace += due && now_us >= expiry.end_us && now_us < expiry.closed_us;
        said_after += due && now_us >= expiry.closed_us;
        then_us = now_us;
    }
    assert_int_equal(said, 10);          /* days */
    assert_int_equal(said_in_grace, 48); /* hours */
    assert_int_equal(said_after, 2);     /* days */
}

static void test_expiry_sentence_says_what_where_until_when_and_what_to_do(void **state)
{
    static const struct {
        enum sl_expiry_kind kind;
        int64_t hours_left;
        const char *says[4];
    } cases[] = {
        {SL_EXPIRY_OWN, 13 * 24 + 1, {"certificate own.crt", "13 days", "THE-DATE", "renew"}},
        {SL_EXPIRY_OWN, 25, {"certificate own.crt", "good for 1 day,", "THE-DATE", "renew"}},
        {SL_EXPIRY_OWN, -1, {"certificate own.crt", "has expired", "THE-DATE", "renew"}},
        {SL_EXPIRY_CA, 1, {"CA 'CN=it' in the-ca.crt", "1 hour,", "THE-DATE", "make a new CA"}},
        {SL_EXPIRY_CA, -1, {"CA 'CN=it' in the-ca.crt", "has expired", "THE-DATE", "take it out"}},
        {SL_EXPIRY_CRL, 0, {"the-list.crl of the CA 'CN=it'", "for 1 day more"}},
        {SL_EXPIRY_CRL,
         5,
         {"the-list.crl of the CA 'CN=it'", "5 hours", "THE-DATE", "certs.sh crl"}},
        {SL_EXPIRY_CRL,
         -1,
         {"out of date since THE-DATE", "for 1 day more", "--crl-grace", "certs.sh crl"}},
        {SL_EXPIRY_CRL, -48, {"out of date since THE-DATE", "are refused", "certs.sh crl"}},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_expiry expiry = of(cases[i].kind);
        /* A second later, so that what is left isn't a whole number of hours. */
        int64_t now_us = expiry.end_us - cases[i].hours_left * HOUR_US;

        if (cases[i].hours_left <= 0)
            now_us += SECOND_US;
        (void)sl_expiry_print(&expiry, &files, now_us, text, sizeof text);
        for (size_t j = 0; j < COUNT(cases[i].says) && cases[i].says[j] != NULL; j++)
            if (strstr(text, cases[i].says[j]) == NULL)
                fail_msg("'%s' isn't in '%s'", cases[i].says[j], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expiry_of_a_trust_is_its_certificate_its_cas_and_their_lists),
        cmocka_unit_test(test_expiry_stages_follow_the_time_that_is_left),
        cmocka_unit_test(test_expiry_is_said_once_a_day_and_at_each_stage),
        cmocka_unit_test(test_expiry_sentence_says_what_where_until_when_and_what_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
