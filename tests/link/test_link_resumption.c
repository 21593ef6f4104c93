/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_resumption.c -- sessions that are resumed with tickets: who is let in again, and who
 * has to show the certificate. Real sessions of both ends, in each version of TLS that the library
 * has.
 */
#include "unit/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "raw_peer.h"
#include "support/certificates.h"
#include "support/memory_transport.h"
#include "tls/admission.h"

enum { BUDGET = 3072, ROUNDS = 400 };

static const int64_t HOUR_US = INT64_C(3600) * 1000000;

/* A server's keys and a sensor that keeps its session, over any number of visits. */
struct place {
    enum raw_version version;
    struct sl_ticket_keys *keys;
    struct sl_resumption *resumption;
};

/* What came of one visit. */
struct outcome {
    bool resumed;
    bool resumable;         /* the next time, as the server believes */
    enum sl_reason refused; /* by the handshake, or by admission; SL_REASON_NONE: admitted */
    char name[SL_SENSOR_NAME_MAX + 1];
};

static struct sl_ticket_keys *make_keys(int64_t max_age_us)
{
    struct sl_ticket_keys *keys = NULL;
    char error[SL_TEST_ERROR_SIZE];

    assert_int_equal(sl_ticket_keys_new(max_age_us, NULL, &keys, error, sizeof error), SL_OK);
    return keys;
}

static void place_open(struct place *place, enum raw_version version)
{
    *place = (struct place){.version = version, .keys = make_keys(HOUR_US)};
    place->resumption = sl_resumption_new();
    assert_non_null(place->resumption);
}

static void place_close(struct place *place)
{
    sl_ticket_keys_free(place->keys);
    sl_resumption_free(place->resumption);
}

static struct sl_trust *trust_of(const struct place *place, enum sl_role role, const char *ca,
                                 const char *name, const char *crl)
{
    struct sl_trust *trust = sl_test_trust(role, ca, name, crl);

    /* Nobody has seen it yet, so it may still be changed. */
    raw_limit_version((mbedtls_ssl_config *)sl_trust_config(trust), place->version);
    return trust;
}

/* Admission at the server, then a byte each way, so that late tickets arrive. */
static void finish(struct sl_session *server, struct sl_session *sensor,
                   const struct sl_trust *trust, struct outcome *outcome)
{
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    char byte;
    size_t len;

    outcome->resumed = sl_session_resumed(server);
    if (sl_admission_decide(server, trust, sl_clock_wall_us(), &peer, &refusal) != SL_OK) {
        outcome->refused = refusal.reason;
        return;
    }
    (void)snprintf(outcome->name, sizeof outcome->name, "%s", sl_peer_name(peer));
    sl_peer_unref(peer);
    assert_int_equal(sl_session_resumed(sensor), outcome->resumed);
    outcome->resumable = sl_session_resumable(server);
    assert_int_equal(sl_session_write(server, sl_bytes_of("w"), &len), SL_OK);
    assert_int_equal(sl_session_flush(server), SL_OK);
    assert_int_equal(sl_session_read(sensor, &byte, 1, &len), SL_OK);
    assert_int_equal(byte, 'w');
}

/* Why the handshake failed, as the end that refused says it. */
static enum sl_reason refusal_of(const struct sl_session *server, const struct sl_session *sensor)
{
    enum sl_reason by_sensor = sl_session_refusal(sensor)->reason;

    return by_sensor == SL_REASON_NONE || by_sensor == SL_REASON_PEER_REFUSED
               ? sl_session_refusal(server)->reason
               : by_sensor;
}

/* The sensor comes once, to a server with that trust. */
static struct outcome visit(struct place *place, struct sl_trust *server_trust,
                            struct sl_trust *sensor_trust, const char *host)
{
    struct outcome outcome = {.refused = SL_REASON_NONE};
    struct sl_memory_link link;
    struct sl_session *server = NULL, *sensor = NULL;
    enum sl_status at_server = SL_WANT_READ, at_sensor = SL_WANT_READ;

    sl_memory_link_init(&link);
    assert_int_equal(sl_session_new_server(server_trust, sl_memory_server(&link), BUDGET, &server),
                     SL_OK);
    assert_int_equal(sl_session_new_client(sensor_trust, sl_memory_sensor(&link), host, &sensor),
                     SL_OK);
    sl_session_offer_tickets(server, place->keys);
    sl_session_resume(sensor, place->resumption);
    for (int round = 0; round < ROUNDS && (at_server == SL_WANT_READ || at_sensor == SL_WANT_READ);
         round++) {
        if (at_sensor == SL_WANT_READ)
            at_sensor = sl_session_handshake(sensor);
        if (at_server == SL_WANT_READ)
            at_server = sl_session_handshake(server);
        if (at_server == SL_DENIED || at_sensor == SL_DENIED)
            break;
    }
    if (at_server == SL_OK && at_sensor == SL_OK)
        finish(server, sensor, server_trust, &outcome);
    else
        outcome.refused = refusal_of(server, sensor);
    sl_session_free(server);
    sl_session_free(sensor);
    sl_memory_link_clear(&link);
    return outcome;
}

/* The same with trust made for it: `ca` and `crl` of the server's, `name` the sensor's. */
static struct outcome come(struct place *place, const char *ca, const char *crl, const char *name)
{
    struct sl_trust *server_trust = trust_of(place, SL_ROLE_SERVER, ca, "server", crl);
    struct sl_trust *sensor_trust = trust_of(place, SL_ROLE_SENSOR, "ca", name, NULL);
    struct outcome outcome = visit(place, server_trust, sensor_trust, "localhost");

    sl_trust_unref(server_trust);
    sl_trust_unref(sensor_trust);
    return outcome;
}

static void assert_admitted(struct outcome outcome, bool resumed, const char *name)
{
    if (outcome.refused != SL_REASON_NONE)
        fail_msg("refused: %s", sl_reason_id(outcome.refused));
    assert_string_equal(outcome.name, name);
    assert_int_equal(outcome.resumed, resumed);
}

static void assert_refused(struct outcome outcome, enum sl_reason reason)
{
    if (outcome.refused != reason)
        fail_msg("%s%s instead of %s", outcome.resumed ? "resumed, " : "",
                 sl_reason_id(outcome.refused), sl_reason_id(reason));
}

/* Each test runs once for each version of TLS. */
static void for_versions(void (*test)(struct place *place))
{
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct place place;

        place_open(&place, *version);
        test(&place);
        place_close(&place);
    }
}

static void come_and_come_again(struct place *place)
{
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    /* Each visit reads all files anew, as after a reload: what counts is what is in them. */
    for (int again = 0; again < 3; again++)
        assert_admitted(come(place, "ca", "empty.crl", "attic"), true, "attic");
}

static void test_session_is_resumed_under_the_same_name(void **state)
{
    (void)state;
    for_versions(come_and_come_again);
}

static void revoke_sensor(struct place *place)
{
    assert_admitted(come(place, "ca", NULL, "sensor-revoked"), false, "attic");
    assert_admitted(come(place, "ca", NULL, "sensor-revoked"), true, "attic");
    assert_refused(come(place, "ca", "revoked.crl", "sensor-revoked"),
                   SL_REASON_CLIENT_CERT_REVOKED);
}

static void test_sensor_revoked_since_is_refused_although_it_has_a_ticket(void **state)
{
    (void)state;
    for_versions(revoke_sensor);
}

static void replace_ca(struct place *place)
{
    assert_admitted(come(place, "two-cas", NULL, "attic"), false, "attic");
    assert_admitted(come(place, "two-cas", NULL, "attic"), true, "attic");
    /* The server's own certificate is of "ca", so the other CA alone can't be loaded with it. */
    struct sl_trust *server_trust = trust_of(place, SL_ROLE_SERVER, "rsa-ca", "rsa-server", NULL);
    struct sl_trust *sensor_trust = trust_of(place, SL_ROLE_SENSOR, "ca", "attic", NULL);
    struct outcome outcome = visit(place, server_trust, sensor_trust, "localhost");

    assert_false(outcome.resumed);
    assert_int_not_equal(outcome.refused, SL_REASON_NONE);
    sl_trust_unref(server_trust);
    sl_trust_unref(sensor_trust);
}

static void test_sensor_whose_ca_was_replaced_isnt_resumed(void **state)
{
    (void)state;
    for_versions(replace_ca);
}

static struct sl_trust *trust_with_list(const struct place *place, const char *lines)
{
    char path[] = "/tmp/sl-allow-XXXXXX", error[SL_TEST_ERROR_SIZE];
    struct sl_test_files files;
    struct sl_trust *trust = NULL;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
    (void)close(fd);
    sl_test_files(&files, "ca", "server", NULL);
    files.at.allow = path;
    if (sl_trust_load(SL_ROLE_SERVER, &files.at, &trust, error, sizeof error) != SL_OK)
        fail_msg("%s", error);
    (void)unlink(path);
    raw_limit_version((mbedtls_ssl_config *)sl_trust_config(trust), place->version);
    return trust;
}

static void take_off_list(struct place *place)
{
    struct sl_trust *with = trust_with_list(place, "attic\ncellar\n");
    struct sl_trust *without = trust_with_list(place, "cellar\n");
    struct sl_trust *sensor_trust = trust_of(place, SL_ROLE_SENSOR, "ca", "attic", NULL);

    assert_admitted(visit(place, with, sensor_trust, "localhost"), false, "attic");
    assert_admitted(visit(place, with, sensor_trust, "localhost"), true, "attic");
    assert_refused(visit(place, without, sensor_trust, "localhost"), SL_REASON_CLIENT_NOT_ALLOWED);
    sl_trust_unref(with);
    sl_trust_unref(without);
    sl_trust_unref(sensor_trust);
}

static void test_sensor_taken_off_the_allow_list_is_refused_although_it_has_a_ticket(void **state)
{
    (void)state;
    for_versions(take_off_list);
}

static void go_to_another_server(struct place *place)
{
    struct sl_ticket_keys *own = place->keys;

    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    place->keys = make_keys(HOUR_US);
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    sl_ticket_keys_free(place->keys);
    /* The ticket is now the other server's, and the first one doesn't know that. */
    place->keys = own;
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    assert_admitted(come(place, "ca", NULL, "attic"), true, "attic");
}

static void test_ticket_of_another_server_leads_to_a_full_handshake(void **state)
{
    (void)state;
    for_versions(go_to_another_server);
}

static void grow_old(struct place *place)
{
    sl_ticket_keys_free(place->keys);
    place->keys = make_keys(1); /* a microsecond */
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
}

static void test_ticket_older_than_allowed_leads_to_a_full_handshake(void **state)
{
    (void)state;
    for_versions(grow_old);
}

static void switch_tickets_off(struct place *place)
{
    struct sl_ticket_keys *own = place->keys;

    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    place->keys = NULL;
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    place->keys = own;
}

static void test_server_without_keys_resumes_nothing(void **state)
{
    (void)state;
    for_versions(switch_tickets_off);
}

static void ask_who_can_come_back(struct place *place)
{
    struct sl_ticket_keys *own = place->keys;

    assert_true(come(place, "ca", NULL, "attic").resumable);
    assert_true(come(place, "ca", NULL, "attic").resumable);
    place->keys = NULL;
    assert_false(come(place, "ca", NULL, "attic").resumable);
    place->keys = make_keys(1); /* a microsecond */
    assert_false(come(place, "ca", NULL, "attic").resumable);
    sl_ticket_keys_free(place->keys);
    place->keys = own;
}

static void test_server_knows_who_has_a_ticket_that_counts(void **state)
{
    (void)state;
    for_versions(ask_who_can_come_back);
}

static void use_other_certificate(struct place *place)
{
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    assert_admitted(come(place, "ca", NULL, "cellar"), false, "cellar");
    assert_admitted(come(place, "ca", NULL, "cellar"), true, "cellar");
}

static void test_sensor_with_another_certificate_doesnt_use_the_old_session(void **state)
{
    (void)state;
    for_versions(use_other_certificate);
}

static void use_other_host(struct place *place)
{
    struct sl_trust *server_trust = trust_of(place, SL_ROLE_SERVER, "ca", "server", NULL);
    struct sl_trust *sensor_trust = trust_of(place, SL_ROLE_SENSOR, "ca", "attic", NULL);

    assert_admitted(visit(place, server_trust, sensor_trust, "localhost"), false, "attic");
    assert_admitted(visit(place, server_trust, sensor_trust, "sensors.example"), false, "attic");
    assert_admitted(visit(place, server_trust, sensor_trust, "sensors.example"), true, "attic");
    /* TLS 1.2 checks no name when it resumes: what is bound to the host does. */
    assert_refused(visit(place, server_trust, sensor_trust, "elsewhere.example"),
                   SL_REASON_SERVER_NAME_MISMATCH);
    sl_trust_unref(server_trust);
    sl_trust_unref(sensor_trust);
}

static void test_sensor_doesnt_use_the_session_of_one_host_for_another(void **state)
{
    (void)state;
    for_versions(use_other_host);
}

/* The sensor comes with its session to a server that ends the connection after so many bytes. */
static void be_turned_away(struct place *place, int64_t bytes)
{
    struct sl_trust *server_trust = trust_of(place, SL_ROLE_SERVER, "ca", "server", NULL);
    struct sl_trust *sensor_trust = trust_of(place, SL_ROLE_SENSOR, "ca", "attic", NULL);
    struct sl_session *server = NULL, *sensor = NULL;
    struct sl_memory_link link;
    enum sl_status status = SL_WANT_READ;

    sl_memory_link_init(&link);
    assert_int_equal(sl_session_new_server(server_trust, sl_memory_server(&link), BUDGET, &server),
                     SL_OK);
    assert_int_equal(
        sl_session_new_client(sensor_trust, sl_memory_sensor(&link), "localhost", &sensor), SL_OK);
    sl_session_resume(sensor, place->resumption);
    sl_memory_cut(&link, SL_MEMORY_DOWN, bytes, false);
    while (status == SL_WANT_READ) {
        status = sl_session_handshake(sensor);
        (void)!sl_session_handshake(server);
    }
    assert_int_equal(status, SL_CUT);
    sl_session_free(server);
    sl_session_free(sensor);
    sl_memory_link_clear(&link);
    sl_trust_unref(server_trust);
    sl_trust_unref(sensor_trust);
}

static void break_off_once(struct place *place)
{
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    be_turned_away(place, 1);
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
}

static void test_sensor_forgets_its_session_when_a_handshake_with_it_failed(void **state)
{
    (void)state;
    for_versions(break_off_once);
}

static void be_turned_away_often(struct place *place)
{
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
    for (int tries = 0; tries < 3; tries++)
        be_turned_away(place, 0);
    assert_admitted(come(place, "ca", NULL, "attic"), true, "attic");
    for (int tries = 0; tries < 4; tries++)
        be_turned_away(place, 0);
    assert_admitted(come(place, "ca", NULL, "attic"), false, "attic");
}

static void test_sensor_turned_away_without_a_word_keeps_its_session_for_a_few_tries(void **state)
{
    (void)state;
    for_versions(be_turned_away_often);
}

/* A sensor of the library's own meets a server that speaks what it can; true: it was let in. */
static bool meet(struct place *place, struct raw_peer *raw, struct sl_memory_link *link,
                 struct sl_peer **peer)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);
    struct sl_session *server = NULL;
    struct sl_refusal refusal;
    enum sl_status status = SL_WANT_READ;
    unsigned char byte;
    size_t len;

    assert_int_equal(sl_session_new_server(trust, sl_memory_server(link), BUDGET, &server), SL_OK);
    sl_session_offer_tickets(server, place->keys);
    for (int round = 0; round < ROUNDS && status == SL_WANT_READ; round++) {
        (void)raw_handshake(raw);
        status = sl_session_handshake(server);
    }
    if (status == SL_OK)
        status = sl_admission_decide(server, trust, sl_clock_wall_us(), peer, &refusal);
    if (status == SL_OK) {
        (void)raw_handshake(raw);
        assert_int_equal(sl_session_write(server, sl_bytes_of("w"), &len), SL_OK);
        assert_int_equal(sl_session_flush(server), SL_OK);
        do
            raw->code = mbedtls_ssl_read(&raw->ssl, &byte, 1);
        while (raw->code == MBEDTLS_ERR_SSL_WANT_READ);
        assert_true(raw->code == 1 || sl_compat_is_ticket(raw->code));
    }
    sl_session_free(server);
    sl_trust_unref(trust);
    return status == SL_OK;
}

static void offer_seen_ticket(struct place *place)
{
    struct raw_options owner_is = {.name = "attic", .alpn = true, .version = place->version};
    struct raw_options thief_is = {.alpn = true, .version = RAW_TLS12};
    struct raw_peer owner, thief;
    struct sl_memory_link link, other;
    struct sl_peer *peer = NULL;

    sl_memory_link_init(&link);
    raw_open(&owner, &owner_is, sl_memory_sensor(&link));
    assert_true(meet(place, &owner, &link, &peer));
    sl_peer_unref(peer);
    sl_memory_link_init(&other);
    raw_open(&thief, &thief_is, sl_memory_sensor(&other));
    raw_offer_seen_ticket(&thief, &owner);
    assert_false(meet(place, &thief, &other, &peer));
    raw_close(&thief);
    raw_close(&owner);
    sl_memory_link_clear(&other);
    sl_memory_link_clear(&link);
}

/* TLS 1.3 shows tickets in the clear, and the library would resume them in TLS 1.2, secret zero. */
static void test_ticket_that_was_seen_on_the_wire_lets_nobody_in(void **state)
{
    (void)state;
    for_versions(offer_seen_ticket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_is_resumed_under_the_same_name),
        cmocka_unit_test(test_sensor_revoked_since_is_refused_although_it_has_a_ticket),
        cmocka_unit_test(test_sensor_whose_ca_was_replaced_isnt_resumed),
        cmocka_unit_test(test_sensor_taken_off_the_allow_list_is_refused_although_it_has_a_ticket),
        cmocka_unit_test(test_ticket_of_another_server_leads_to_a_full_handshake),
        cmocka_unit_test(test_ticket_older_than_allowed_leads_to_a_full_handshake),
        cmocka_unit_test(test_server_without_keys_resumes_nothing),
        cmocka_unit_test(test_server_knows_who_has_a_ticket_that_counts),
        cmocka_unit_test(test_sensor_with_another_certificate_doesnt_use_the_old_session),
        cmocka_unit_test(test_sensor_doesnt_use_the_session_of_one_host_for_another),
        cmocka_unit_test(test_sensor_forgets_its_session_when_a_handshake_with_it_failed),
        cmocka_unit_test(test_sensor_turned_away_without_a_word_keeps_its_session_for_a_few_tries),
        cmocka_unit_test(test_ticket_that_was_seen_on_the_wire_lets_nobody_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
