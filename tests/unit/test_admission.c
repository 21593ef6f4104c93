/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_admission.c -- who becomes a peer: after a real handshake in memory, judged at any time and
 * against any snapshot of trust.
 */
#include "cases.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "link/raw_peer.h"
#include "support/certificates.h"
#include "support/memory_transport.h"
#include "tls/admission.h"
#include "tls/identity.h"
#include "tls/revocation.h"

enum { BUDGET = 3072, ROUNDS = 400 };

#define SECOND INT64_C(1000000)

/* A session whose handshake with the sensor `name` is over. */
struct visit {
    struct sl_trust *trust;
    struct sl_session *session;
    struct sl_memory_link link;
    struct raw_peer raw;
    int64_t from_us; /* of its certificate */
    int64_t to_us;
};

/* True while calloc() finds no memory in this test program (--wrap). */
static bool *memory_is_full(void)
{
    static bool full;
    return &full;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return *memory_is_full() ? NULL : __real_calloc(count, size);
}

static void begin(struct visit *visit, const char *name)
{
    struct raw_options options = {.name = name, .alpn = true};
    enum sl_status status = SL_WANT_READ;

    visit->trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);
    sl_memory_link_init(&visit->link);
    raw_open(&visit->raw, &options, sl_memory_sensor(&visit->link));
    assert_int_equal(sl_session_new_server(visit->trust, sl_memory_server(&visit->link), BUDGET,
                                           &visit->session),
                     SL_OK);
    for (int round = 0; round < ROUNDS && status == SL_WANT_READ; round++) {
        (void)raw_handshake(&visit->raw);
        status = sl_session_handshake(visit->session);
    }
    assert_int_equal(status, SL_OK);
    visit->from_us = sl_identity_time_us(&visit->raw.own.valid_from);
    visit->to_us = sl_identity_time_us(&visit->raw.own.valid_to);
    assert_true(visit->from_us > 0 && visit->from_us < visit->to_us);
}

static void end(struct visit *visit)
{
    sl_session_free(visit->session);
    raw_close(&visit->raw);
    sl_memory_link_clear(&visit->link);
    sl_trust_unref(visit->trust);
}

/* The reason at `now_us`, with no peer made; SL_REASON_NONE where there is one, of this name. */
static enum sl_reason judge(const struct visit *visit, const struct sl_trust *trust, int64_t now_us,
                            const char *name)
{
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    enum sl_status status = sl_admission_decide(visit->session, trust, now_us, &peer, &refusal);

    if (status == SL_OK) {
        assert_int_equal(refusal.reason, SL_REASON_NONE);
        assert_string_equal(sl_peer_name(peer), name);
        sl_peer_unref(peer);
        return SL_REASON_NONE;
    }
    assert_int_equal(status, SL_DENIED);
    assert_int_equal(strncmp(refusal.facts, "subject ", 8), 0);
    assert_null(peer);
    assert_int_not_equal(refusal.reason, SL_REASON_NONE);
    return refusal.reason;
}

static void test_admission_of_a_good_sensor_makes_its_peer(void **state)
{
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    struct visit visit;

    (void)state;
    begin(&visit, "attic");
    assert_int_equal(
        sl_admission_decide(visit.session, visit.trust, sl_clock_wall_us(), &peer, &refusal),
        SL_OK);
    sl_admission_facts(visit.session, refusal.facts);
    assert_int_equal(strncmp(refusal.facts, "subject CN=attic, issuer ", 25), 0);
    end(&visit);
    /* A peer outlives its session and its trust. */
    assert_string_equal(sl_peer_name(peer), "attic");
    assert_int_equal(sl_peer_expires_us(peer), visit.to_us + SECOND);
    assert_ptr_equal(sl_peer_ref(peer), peer);
    sl_peer_unref(peer);
    assert_string_equal(sl_peer_name(peer), "attic");
    sl_peer_unref(peer);
    sl_peer_unref(NULL);
}

static void test_admission_without_memory_makes_no_peer_and_says_why(void **state)
{
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    struct visit visit;
    enum sl_status status;

    (void)state;
    begin(&visit, "attic");
    *memory_is_full() = true;
    status = sl_admission_decide(visit.session, visit.trust, sl_clock_wall_us(), &peer, &refusal);
    *memory_is_full() = false;
    assert_int_equal(status, SL_NOMEM);
    assert_null(peer);
    assert_string_equal(sl_reason_id(refusal.reason), "no-memory");
    end(&visit);
}

static void test_admission_judges_dates_at_the_time_it_is_told(void **state)
{
    struct visit visit;

    (void)state;
    begin(&visit, "attic");
    assert_int_equal(judge(&visit, visit.trust, visit.from_us, "attic"), SL_REASON_NONE);
    assert_int_equal(judge(&visit, visit.trust, visit.to_us + SECOND - 1, "attic"), SL_REASON_NONE);
    assert_int_equal(judge(&visit, visit.trust, visit.from_us - 1, NULL),
                     SL_REASON_CLIENT_CERT_NOT_YET_VALID);
    assert_int_equal(judge(&visit, visit.trust, 0, NULL), SL_REASON_CLIENT_CERT_NOT_YET_VALID);
    assert_int_equal(judge(&visit, visit.trust, visit.to_us + SECOND, NULL),
                     SL_REASON_CLIENT_CERT_EXPIRED);
    assert_int_equal(judge(&visit, visit.trust, INT64_MAX, NULL), SL_REASON_CLIENT_CERT_EXPIRED);
    end(&visit);
}

static void test_admission_judges_by_the_trust_it_is_given(void **state)
{
    struct sl_trust *newer = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "revoked.crl");
    struct visit visit;

    (void)state;
    /* The session began when nobody was revoked. */
    begin(&visit, "sensor-revoked");
    assert_int_equal(judge(&visit, visit.trust, sl_clock_wall_us(), "attic"), SL_REASON_NONE);
    assert_int_equal(judge(&visit, newer, sl_clock_wall_us(), NULL), SL_REASON_CLIENT_CERT_REVOKED);
    end(&visit);
    begin(&visit, "attic");
    assert_int_equal(judge(&visit, newer, sl_clock_wall_us(), "attic"), SL_REASON_NONE);
    end(&visit);
    sl_trust_unref(newer);
}

/* The library says so in a full handshake; a ticket is judged here alone. */
static void test_admission_ends_with_the_ca(void **state)
{
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    mbedtls_x509_crt ca;
    struct visit visit;
    int64_t end_us;

    (void)state;
    mbedtls_x509_crt_init(&ca);
    sl_test_certificate("ca", &ca);
    end_us = sl_identity_time_us(&ca.valid_to) + SECOND;
    mbedtls_x509_crt_free(&ca);
    begin(&visit, "sensor-outlives-ca");
    assert_true(end_us < visit.to_us);
    assert_int_equal(judge(&visit, visit.trust, end_us - 1, "attic"), SL_REASON_NONE);
    assert_int_equal(judge(&visit, visit.trust, end_us, NULL), SL_REASON_CLIENT_CERT_EXPIRED);
    assert_int_equal(sl_admission_decide(visit.session, visit.trust, end_us - 1, &peer, &refusal),
                     SL_OK);
    assert_int_equal(sl_peer_expires_us(peer), end_us); /* and a session that is up, too */
    sl_peer_unref(peer);
    end(&visit);
}

static void test_admission_waits_for_a_new_list_when_the_old_ran_out(void **state)
{
    struct sl_trust *listed = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "many.crl");
    const struct sl_revocation *lists = sl_trust_revocation(listed);
    int64_t until_us = sl_revocation_until_us(lists, &lists->lists[0]);
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    struct visit visit;

    (void)state;
    begin(&visit, "attic");
    assert_true(until_us < visit.to_us);
    assert_int_equal(judge(&visit, listed, until_us - 1, "attic"), SL_REASON_NONE);
    assert_int_equal(sl_admission_decide(visit.session, listed, until_us, &peer, &refusal),
                     SL_DENIED);
    assert_int_equal(refusal.reason, SL_REASON_CRL_EXPIRED);
    assert_non_null(strstr(refusal.facts, ", the list's next update was due 2"));
    /* Who is in stays in; and without a list there is nothing to run out. */
    assert_int_equal(sl_admission_review(visit.session, listed, until_us, &refusal), SL_OK);
    assert_int_equal(judge(&visit, visit.trust, until_us, "attic"), SL_REASON_NONE);
    end(&visit);
    sl_trust_unref(listed);
}

static void test_admission_refuses_what_verification_lets_pass(void **state)
{
    static const struct {
        const char *name;
        enum sl_reason reason;
    } cases[] = {
        {"sensor-no-usage", SL_REASON_CLIENT_CERT_NO_USAGE},
        {"sensor-any-usage", SL_REASON_CLIENT_CERT_NO_USAGE},
        {"name-none", SL_REASON_CLIENT_NAME_MISSING},
        {"name-no-cn", SL_REASON_CLIENT_NAME_MISSING},
        {"name-uri-empty", SL_REASON_CLIENT_NAME_BAD},
        {"name-uri-zero", SL_REASON_CLIENT_NAME_BAD},
        {"name-uri-umlaut", SL_REASON_CLIENT_NAME_BAD},
        {"name-cn-zero", SL_REASON_CLIENT_NAME_BAD},
        {"name-dns-star", SL_REASON_CLIENT_NAME_BAD},
        {"name-uri-twice", SL_REASON_CLIENT_NAME_AMBIGUOUS},
        {"name-cn-twice", SL_REASON_CLIENT_NAME_AMBIGUOUS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct visit visit;
        enum sl_reason reason;

        begin(&visit, cases[i].name);
        reason = judge(&visit, visit.trust, sl_clock_wall_us(), NULL);
        if (reason != cases[i].reason)
            fail_msg("%s: %s", cases[i].name, sl_reason_id(reason));
        end(&visit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admission_of_a_good_sensor_makes_its_peer),
        cmocka_unit_test(test_admission_without_memory_makes_no_peer_and_says_why),
        cmocka_unit_test(test_admission_judges_dates_at_the_time_it_is_told),
        cmocka_unit_test(test_admission_judges_by_the_trust_it_is_given),
        cmocka_unit_test(test_admission_ends_with_the_ca),
        cmocka_unit_test(test_admission_waits_for_a_new_list_when_the_old_ran_out),
        cmocka_unit_test(test_admission_refuses_what_verification_lets_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
