/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_refusal.c -- who isn't let in, and the reason that is given: at the server for every
 * kind of wrong certificate of a sensor, at the sensor for every kind of wrong certificate of a
 * server. Each case runs with every TLS version that the library has.
 */
#include "unit/cases.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "raw_peer.h"
#include "support/certificates.h"
#include "support/memory_transport.h"
#include "tls/admission.h"

enum { BUDGET = 3072, FLIGHT_BUDGET = 2304, HELLO_MOST = 512, ROUNDS = 400 };

/* What became of a stranger at the server. */
struct outcome {
    enum sl_status status; /* of the handshake */
    struct sl_refusal refusal;
    struct sl_peer *peer;
    bool judged;  /* the handshake was over and admission decided */
    int64_t read; /* bytes that the server read */
    int64_t answered;
};

/* True while realloc() finds no memory in this test program (--wrap). */
static bool *memory_is_full(void)
{
    static bool full;
    return &full;
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return *memory_is_full() ? NULL : __real_realloc(old, size);
}

static enum sl_status shake(struct sl_session *session, struct raw_peer *raw)
{
    enum sl_status status = SL_WANT_READ;

    for (int round = 0; round < ROUNDS; round++) {
        (void)raw_handshake(raw);
        if (status == SL_WANT_READ || status == SL_WANT_WRITE)
            status = sl_session_handshake(session);
    }
    return status;
}

static struct outcome knock(struct sl_trust *trust, const struct raw_options *options)
{
    struct outcome outcome = {0};
    struct sl_session *session = NULL;
    struct sl_memory_link link;
    struct raw_peer raw;

    sl_memory_link_init(&link);
    raw_open(&raw, options, sl_memory_sensor(&link));
    assert_int_equal(sl_session_new_server(trust, sl_memory_server(&link), BUDGET, &session),
                     SL_OK);
    outcome.status = shake(session, &raw);
    outcome.refusal = *sl_session_refusal(session);
    assert_true((outcome.status == SL_OK) == sl_session_established(session));
    if (outcome.status == SL_OK) {
        outcome.judged = true;
        outcome.status = sl_admission_decide(session, trust, sl_clock_wall_us(), &outcome.peer,
                                             &outcome.refusal);
    }
    outcome.read = sl_memory_received(&link, SL_MEMORY_UP);
    outcome.answered = sl_memory_sent(&link, SL_MEMORY_DOWN);
    sl_session_free(session);
    raw_close(&raw);
    sl_memory_link_clear(&link);
    return outcome;
}

/* --- strangers at the server */

struct stranger {
    const char *name; /* its certificate */
    const char *ca;   /* what the server trusts; null: our CA */
    enum sl_reason reason;
    bool judged;            /* refused by admission, after a handshake that is whole */
    enum sl_reason or_else; /* what another version of the library says */
};

static const struct stranger strangers[] = {
    {.name = NULL, .reason = SL_REASON_CLIENT_CERT_MISSING},
    {.name = "sensor-other-ca", .reason = SL_REASON_CLIENT_CERT_UNTRUSTED},
    {.name = "sensor-impostor", .reason = SL_REASON_CLIENT_CERT_UNTRUSTED},
    {.name = "sensor-self-signed", .reason = SL_REASON_CLIENT_CERT_UNTRUSTED},
    {.name = "sensor-same-serial-other-ca", .reason = SL_REASON_CLIENT_CERT_UNTRUSTED},
    {.name = "sensor-expired", .reason = SL_REASON_CLIENT_CERT_EXPIRED},
    {.name = "sensor-early", .reason = SL_REASON_CLIENT_CERT_NOT_YET_VALID},
    {.name = "sensor-server-only", .reason = SL_REASON_CLIENT_CERT_WRONG_USAGE},
    {.name = "sensor-no-signing", .reason = SL_REASON_CLIENT_CERT_WRONG_USAGE},
    {.name = "server", .reason = SL_REASON_CLIENT_CERT_WRONG_USAGE},
    {.name = "sensor-wrong-key", .reason = SL_REASON_CLIENT_KEY_MISMATCH},
    {.name = "sensor-sha1", .reason = SL_REASON_CLIENT_CERT_WEAK},
    {.name = "sensor-sha224", .reason = SL_REASON_CLIENT_CERT_WEAK},
    {.name = "sensor-by-leaf",
     .ca = "open-ca",
     .reason = SL_REASON_CLIENT_CHAIN_UNKNOWN_CA,
     .or_else = SL_REASON_CLIENT_CERT_UNTRUSTED},
    {.name = "sensor-by-intermediate",
     .ca = "open-ca",
     .reason = SL_REASON_CLIENT_CHAIN_UNKNOWN_CA},
    {.name = "sensor-no-usage", .reason = SL_REASON_CLIENT_CERT_NO_USAGE, .judged = true},
    {.name = "sensor-any-usage", .reason = SL_REASON_CLIENT_CERT_NO_USAGE, .judged = true},
    {.name = "sensor-revoked", .reason = SL_REASON_CLIENT_CERT_REVOKED, .judged = true},
    {.name = "name-none", .reason = SL_REASON_CLIENT_NAME_MISSING, .judged = true},
    {.name = "name-uri-zero", .reason = SL_REASON_CLIENT_NAME_BAD, .judged = true},
    {.name = "name-cn-zero", .reason = SL_REASON_CLIENT_NAME_BAD, .judged = true},
    {.name = "name-uri-twice", .reason = SL_REASON_CLIENT_NAME_AMBIGUOUS, .judged = true},
};

static void refuse_stranger(const struct stranger *stranger, enum raw_version version)
{
    const char *ca = stranger->ca == NULL ? "ca" : stranger->ca;
    /* The server's own certificate must be of a CA that it trusts as well. */
    struct sl_trust *trust =
        sl_test_trust(SL_ROLE_SERVER, stranger->ca == NULL ? ca : "open-bundle", "server",
                      stranger->ca == NULL ? "revoked.crl" : NULL);
    struct raw_options options = {.name = stranger->name, .alpn = true, .version = version};
    struct outcome outcome = knock(trust, &options);
    const char *id = sl_reason_id(outcome.refusal.reason);
    const char *name = stranger->name == NULL ? "no certificate" : stranger->name;

    sl_trust_unref(trust);
    assert_null(outcome.peer);
    if (outcome.refusal.reason != stranger->reason &&
        (stranger->or_else == SL_REASON_NONE || outcome.refusal.reason != stranger->or_else))
        fail_msg("%s: %s instead of %s (%s; TLS version %d)", name, id,
                 sl_reason_id(stranger->reason), outcome.refusal.facts, (int)version);
    if (outcome.judged != stranger->judged || outcome.status != SL_DENIED)
        fail_msg("%s: refused by the wrong one, or %s", name, sl_status_name(outcome.status));
    if (stranger->name != NULL && strncmp(outcome.refusal.facts, "subject ", 8) != 0 &&
        stranger->reason != SL_REASON_CLIENT_KEY_MISMATCH)
        fail_msg("%s: no facts: '%s'", name, outcome.refusal.facts);
}

static void test_link_server_refuses_each_wrong_sensor_with_its_reason(void **state)
{
    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++)
        for (size_t i = 0; i < COUNT(strangers); i++)
            refuse_stranger(&strangers[i], *version);
}

static void test_link_server_admits_a_good_sensor_in_every_version(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "revoked.crl");
    int versions = 0;

    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct raw_options options = {.name = "attic", .alpn = true, .version = *version};
        struct outcome outcome = knock(trust, &options);

        assert_int_equal(outcome.status, SL_OK);
        assert_int_equal(outcome.refusal.reason, SL_REASON_NONE);
        assert_string_equal(sl_peer_name(outcome.peer), "attic");
        assert_true(outcome.read < BUDGET);
        sl_peer_unref(outcome.peer);
        versions++;
    }
    assert_int_equal(versions, sl_compat_has_tls13() ? 2 : 1);
    sl_trust_unref(trust);
}

static void test_link_server_takes_sensor_of_an_rsa_ca(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "rsa-ca", "rsa-server", "rsa.crl");

    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct raw_options options = {.name = "rsa-attic", .alpn = true, .version = *version};
        struct outcome outcome = knock(trust, &options);

        assert_int_equal(outcome.status, SL_OK);
        assert_non_null(outcome.peer);
        sl_peer_unref(outcome.peer);
    }
    sl_trust_unref(trust);
}

/*
 * In TLS 1.2 the chain is in the clear and is refused as soon as it is too long; in TLS 1.3 the
 * bytes that are read after the hello are what bounds it.
 */
static void test_link_server_reads_no_more_of_a_rogue_chain_than_its_budget(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);

    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct raw_options options = {.name = "sensor-rogue", .alpn = true, .version = *version};
        struct outcome outcome = knock(trust, &options);

        assert_int_equal(outcome.status, SL_LIMIT);
        assert_int_equal(outcome.refusal.reason, *version == RAW_TLS12
                                                     ? SL_REASON_HANDSHAKE_TOO_MANY_CERTS
                                                     : SL_REASON_HANDSHAKE_TOO_LARGE);
        assert_true(outcome.read <= HELLO_MOST + FLIGHT_BUDGET);
        assert_true(*version == RAW_TLS12 || outcome.read > FLIGHT_BUDGET);
        assert_null(outcome.peer);
    }
    sl_trust_unref(trust);
}

/* Two expired rogue CAs fit into the budget; in TLS 1.2 the library never sees them. */
static void test_link_server_never_judges_two_unknown_certificates_in_tls_1_2(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);
    struct raw_options one = {.name = "sensor-rogue-1", .alpn = true, .version = RAW_TLS12};
    struct raw_options two = {.name = "sensor-rogue-2", .alpn = true, .version = RAW_TLS12};
    struct outcome outcome;

    (void)state;
    outcome = knock(trust, &one);
    assert_int_equal(outcome.status, SL_DENIED);
    assert_int_equal(outcome.refusal.reason, SL_REASON_CLIENT_CERT_UNTRUSTED);
    assert_int_equal(strncmp(outcome.refusal.facts, "subject ", 8), 0);
    outcome = knock(trust, &two);
    assert_int_equal(outcome.status, SL_LIMIT);
    assert_int_equal(outcome.refusal.reason, SL_REASON_HANDSHAKE_TOO_MANY_CERTS);
    assert_true(outcome.read < BUDGET);
    /* Nothing was looked at, so there is nothing to tell of it. */
    assert_string_equal(outcome.refusal.facts, "");
    sl_trust_unref(trust);
}

/* What honest clients send along: the CA, several CAs of --cafile, or those and an unknown one. */
static void test_link_server_takes_a_sensor_that_sends_its_cas_along(void **state)
{
    static const char *const sensors[] = {"attic-with-ca", "attic-with-cas", "attic-with-unknown"};
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "two-cas", "server", NULL);

    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++)
        for (size_t i = 0; i < COUNT(sensors); i++) {
            struct raw_options options = {.name = sensors[i], .alpn = true, .version = *version};
            struct outcome outcome = knock(trust, &options);

            if (outcome.status != SL_OK)
                fail_msg("%s: %s", sensors[i], sl_reason_id(outcome.refusal.reason));
            assert_string_equal(sl_peer_name(outcome.peer), "attic");
            sl_peer_unref(outcome.peer);
        }
    sl_trust_unref(trust);
}

static void test_link_server_refuses_other_suites(void **state)
{
    static const int cbc[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, 0};
    static const int no_forward_secrecy[] = {MBEDTLS_TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256, 0};
    static const int rsa[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, 0};
    static const int *const suites[] = {cbc, no_forward_secrecy, rsa};
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(suites); i++) {
        struct raw_options options = {
            .name = "attic", .alpn = true, .version = RAW_TLS12, .suites = suites[i]};
        struct outcome outcome = knock(trust, &options);

        assert_int_equal(outcome.status, SL_DENIED);
        assert_int_equal(outcome.refusal.reason, SL_REASON_NO_COMMON_SUITE);
        assert_false(outcome.judged);
    }
    sl_trust_unref(trust);
}

static void test_link_server_refuses_other_protocols_by_alpn(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);

    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct raw_options options = {.name = "attic", .protocol = "http/1.1", .version = *version};
        struct outcome outcome = knock(trust, &options);

        assert_int_equal(outcome.status, SL_DENIED);
        assert_int_equal(outcome.refusal.reason, SL_REASON_NO_COMMON_PROTOCOL);
        assert_false(outcome.judged);
    }
    sl_trust_unref(trust);
}

/* --- bytes that aren't a handshake */

struct speech {
    struct sl_bytes said;
    enum sl_reason reason;
    bool ends;              /* the peer closes afterwards */
    enum sl_reason or_else; /* what another version of the library says */
};

static const struct speech speeches[] = {
    {BYTES("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), SL_REASON_HTTP, false, SL_REASON_NONE},
    {BYTES("temperature: 15\n22\n21\n26\n25\n19\n"), SL_REASON_PLAIN_TEXT, false, SL_REASON_NONE},
    {BYTES("SSH-2.0-OpenSSH_9.2\r\n"), SL_REASON_PLAIN_TEXT, false, SL_REASON_NONE},
    {BYTES("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"), SL_REASON_NOT_TLS, false,
     SL_REASON_NONE},
    {BYTES("\x00\x00\x00\x00\x00\x00\x00\x00"), SL_REASON_NOT_TLS, false, SL_REASON_NONE},
    /* A handshake record whose message is none. */
    {BYTES("\x16\x03\x01\x00\x05\xff\x00\x00\x01\x00"), SL_REASON_HANDSHAKE_FAILED, false,
     SL_REASON_NONE},
    /* Alert: handshake_failure. */
    {BYTES("\x15\x03\x03\x00\x02\x02\x28"), SL_REASON_PEER_REFUSED, false,
     SL_REASON_HANDSHAKE_FAILED},
    {BYTES(""), SL_REASON_HANDSHAKE_CUT, true, SL_REASON_NONE},
    {BYTES("\x16"), SL_REASON_HANDSHAKE_CUT, true, SL_REASON_NONE},
    {BYTES("\x16\x03\x01\x02"), SL_REASON_HANDSHAKE_CUT, true, SL_REASON_NONE},
};

static void hear_speech(struct sl_trust *trust, const struct speech *speech, size_t number)
{
    struct sl_session *session = NULL;
    struct sl_memory_link link;
    struct sl_transport stranger;
    enum sl_status status;
    size_t sent = 0;

    sl_memory_link_init(&link);
    stranger = sl_memory_sensor(&link);
    assert_int_equal(sl_session_new_server(trust, sl_memory_server(&link), BUDGET, &session),
                     SL_OK);
    assert_int_equal(sl_session_handshake(session), SL_WANT_READ);
    if (speech->said.len > 0)
        assert_int_equal(stranger.send(stranger.ctx, speech->said.at, speech->said.len, &sent),
                         SL_OK);
    if (speech->ends)
        sl_memory_cut(&link, SL_MEMORY_UP, (int64_t)speech->said.len, false);
    status = sl_session_handshake(session);
    if (sl_session_refusal(session)->reason != speech->reason &&
        (speech->or_else == SL_REASON_NONE ||
         sl_session_refusal(session)->reason != speech->or_else))
        fail_msg("speech %zu: %s instead of %s (%s)", number,
                 sl_reason_id(sl_session_refusal(session)->reason), sl_reason_id(speech->reason),
                 sl_status_name(status));
    assert_int_equal(status, speech->ends ? SL_CUT : SL_DENIED);
    assert_int_equal(sl_session_handshake(session), SL_IO); /* It doesn't go on. */
    sl_session_free(session);
    sl_memory_link_clear(&link);
}

static void test_link_server_tells_what_else_speaks_to_it(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(speeches); i++)
        hear_speech(trust, &speeches[i], i);
    sl_trust_unref(trust);
}

/* A ClientHello of TLS 1.1 with one suite; its length fields are right. */
static void test_link_server_refuses_tls_1_1(void **state)
{
    static const char hello[] = "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02"
                                "0123456789abcdef0123456789abcdef"
                                "\x00\x00\x02\xc0\x0a\x01\x00";
    struct speech speech = {{hello, sizeof hello - 1}, SL_REASON_OLD_TLS, false, SL_REASON_NONE};
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);

    (void)state;
    hear_speech(trust, &speech, 0);
    sl_trust_unref(trust);
}

/* Not even for the peer's hello: the peer isn't to blame, and nothing of it was read. */
static void test_link_server_without_memory_for_a_hello_says_so(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);
    struct sl_session *session = NULL;
    struct sl_memory_link link;
    enum sl_status status;

    (void)state;
    sl_memory_link_init(&link);
    assert_int_equal(sl_session_new_server(trust, sl_memory_server(&link), BUDGET, &session),
                     SL_OK);
    *memory_is_full() = true;
    status = sl_session_handshake(session);
    *memory_is_full() = false;
    assert_int_equal(status, SL_NOMEM);
    assert_string_equal(sl_reason_id(sl_session_refusal(session)->reason), "no-memory");
    assert_int_equal(sl_session_handshake(session), SL_IO); /* It doesn't go on. */
    sl_session_free(session);
    sl_memory_link_clear(&link);
    sl_trust_unref(trust);
}

/* --- servers that a sensor refuses */

struct host {
    const char *name; /* the server's certificate */
    const char *host; /* what the sensor was told to connect to */
    enum sl_reason reason;
};

static const struct host hosts[] = {
    {"server", "localhost", SL_REASON_NONE},
    {"server", "LocalHost", SL_REASON_NONE},
    {"server", "sensors.example", SL_REASON_NONE},
    {"server", "127.0.0.1", SL_REASON_NONE},
    {"server", "192.0.2.7", SL_REASON_NONE},
    {"server", "::1", SL_REASON_NONE},
    {"server", "2001:db8::7", SL_REASON_NONE},
    {"server", "2001:0DB8:0:0::7", SL_REASON_NONE},
    {"server", "example", SL_REASON_SERVER_NAME_MISMATCH},
    {"server", "x.sensors.example", SL_REASON_SERVER_NAME_MISMATCH},
    {"server", "192.0.2.8", SL_REASON_SERVER_NAME_MISMATCH},
    {"server", "2001:db8::8", SL_REASON_SERVER_NAME_MISMATCH},
    {"server", "::ffff:192.0.2.7", SL_REASON_SERVER_NAME_MISMATCH},
    {"server-other-name", "localhost", SL_REASON_SERVER_NAME_MISMATCH},
    {"server-other-name", "127.0.0.1", SL_REASON_SERVER_NAME_MISMATCH},
    {"server-address-as-name", "127.0.0.1", SL_REASON_SERVER_NAME_MISMATCH},
    {"server-expired", "localhost", SL_REASON_SERVER_CERT_EXPIRED},
    {"server-expired", "127.0.0.1", SL_REASON_SERVER_CERT_EXPIRED},
    {"server-early", "localhost", SL_REASON_SERVER_CERT_NOT_YET_VALID},
    {"server-client-only", "localhost", SL_REASON_SERVER_CERT_WRONG_USAGE},
    {"server-other-ca", "localhost", SL_REASON_SERVER_CERT_UNTRUSTED},
    {"server-other-ca", "127.0.0.1", SL_REASON_SERVER_CERT_UNTRUSTED},
    {"server-wrong-key", "localhost", SL_REASON_SERVER_KEY_MISMATCH},
};

static void meet(struct sl_trust *trust, const struct host *host, enum raw_version version)
{
    struct raw_options options = {.server = true,
                                  .name = host->name,
                                  .alpn = true,
                                  .version = version,
                                  .forgets_usage =
                                      host->reason == SL_REASON_SERVER_CERT_WRONG_USAGE};
    struct sl_session *session = NULL;
    struct sl_memory_link link;
    struct raw_peer raw;
    enum sl_status status;

    sl_memory_link_init(&link);
    raw_open(&raw, &options, sl_memory_server(&link));
    assert_int_equal(sl_session_new_client(trust, sl_memory_sensor(&link), host->host, &session),
                     SL_OK);
    status = shake(session, &raw);
    if (sl_session_refusal(session)->reason != host->reason)
        fail_msg("%s as %s: %s instead of %s (%s; TLS version %d)", host->name, host->host,
                 sl_reason_id(sl_session_refusal(session)->reason), sl_reason_id(host->reason),
                 sl_session_refusal(session)->facts, (int)version);
    assert_int_equal(status, host->reason == SL_REASON_NONE ? SL_OK : SL_DENIED);
    assert_true(sl_session_established(session) == (status == SL_OK));
    sl_session_free(session);
    raw_close(&raw);
    sl_memory_link_clear(&link);
}

static void test_link_sensor_refuses_each_wrong_server_with_its_reason(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);

    (void)state;
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++)
        for (size_t i = 0; i < COUNT(hosts); i++)
            meet(trust, &hosts[i], *version);
    sl_trust_unref(trust);
}

static void test_link_sensor_takes_no_empty_and_no_endless_host(void **state)
{
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);
    struct sl_session *session = NULL;
    struct sl_memory_link link;
    char host[2048];

    (void)state;
    sl_memory_link_init(&link);
    memset(host, 'a', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_int_equal(sl_session_new_client(trust, sl_memory_sensor(&link), "", &session),
                     SL_BAD_INPUT);
    assert_int_equal(sl_session_new_client(trust, sl_memory_sensor(&link), host, &session),
                     SL_BAD_INPUT);
    assert_null(session);
    sl_memory_link_clear(&link);
    sl_trust_unref(trust);
}

/* A sensor whose certificate the server refuses: it doesn't take that for a broken network. */
static void test_link_sensor_refused_by_the_server_never_reads_a_byte(void **state)
{
    struct sl_trust *server_trust =
        sl_test_trust(SL_ROLE_SERVER, "other-ca", "server-other-ca", NULL);
    struct sl_trust *trust = sl_test_trust(SL_ROLE_SENSOR, "two-cas", "attic", NULL);
    struct sl_session *server = NULL, *sensor = NULL;
    enum sl_status at_server = SL_WANT_READ, at_sensor = SL_WANT_READ;
    struct sl_memory_link link;
    char bytes[64];
    size_t len = 0;

    (void)state;
    sl_memory_link_init(&link);
    assert_int_equal(sl_session_new_server(server_trust, sl_memory_server(&link), BUDGET, &server),
                     SL_OK);
    assert_int_equal(sl_session_new_client(trust, sl_memory_sensor(&link), "localhost", &sensor),
                     SL_OK);
    for (int round = 0; round < ROUNDS && at_server == SL_WANT_READ; round++) {
        if (at_sensor == SL_WANT_READ)
            at_sensor = sl_session_handshake(sensor);
        at_server = sl_session_handshake(server);
    }
    assert_int_equal(at_server, SL_DENIED);
    assert_int_equal(sl_session_refusal(server)->reason, SL_REASON_CLIENT_CERT_UNTRUSTED);
    /* In TLS 1.3 the sensor's handshake is over before the server has judged. */
    if (at_sensor == SL_WANT_READ)
        at_sensor = sl_session_handshake(sensor);
    if (at_sensor == SL_OK)
        assert_int_equal(sl_session_read(sensor, bytes, sizeof bytes, &len), SL_IO);
    else
        assert_int_equal(at_sensor, SL_DENIED);
    assert_true(sl_session_refusal(sensor)->reason == SL_REASON_PEER_REFUSED ||
                (at_sensor == SL_OK && sl_session_refusal(sensor)->reason == SL_REASON_TLS_BROKEN));
    sl_session_free(server);
    sl_session_free(sensor);
    sl_memory_link_clear(&link);
    sl_trust_unref(server_trust);
    sl_trust_unref(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_server_refuses_each_wrong_sensor_with_its_reason),
        cmocka_unit_test(test_link_server_admits_a_good_sensor_in_every_version),
        cmocka_unit_test(test_link_server_takes_sensor_of_an_rsa_ca),
        cmocka_unit_test(test_link_server_reads_no_more_of_a_rogue_chain_than_its_budget),
        cmocka_unit_test(test_link_server_never_judges_two_unknown_certificates_in_tls_1_2),
        cmocka_unit_test(test_link_server_takes_a_sensor_that_sends_its_cas_along),
        cmocka_unit_test(test_link_server_refuses_other_suites),
        cmocka_unit_test(test_link_server_refuses_other_protocols_by_alpn),
        cmocka_unit_test(test_link_server_tells_what_else_speaks_to_it),
        cmocka_unit_test(test_link_server_refuses_tls_1_1),
        cmocka_unit_test(test_link_server_without_memory_for_a_hello_says_so),
        cmocka_unit_test(test_link_sensor_refuses_each_wrong_server_with_its_reason),
        cmocka_unit_test(test_link_sensor_takes_no_empty_and_no_endless_host),
        cmocka_unit_test(test_link_sensor_refused_by_the_server_never_reads_a_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
