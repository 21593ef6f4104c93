/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_unguarded.c -- why tls/ticket.h is there: what the library does by itself when a
 * session is resumed with its own tickets. These tests show the hole, not us: a server that is set
 * up by the book, with the client's certificate required and a CRL, takes back whom it would
 * refuse. Should one of them fail one day, the library has closed it.
 */
#include "unit/cases.h"

#include <mbedtls/ssl_ticket.h>

#include "raw_peer.h"
#include "support/certificates.h"
#include "support/memory_transport.h"

enum { ROUNDS = 400, LIFETIME_S = 3600 };

/* What a server by the book has, and the session that a sensor keeps. */
struct book {
    enum raw_version version;
    mbedtls_x509_crt ca;
    mbedtls_x509_crt other_ca;
    mbedtls_x509_crl revoked;
    mbedtls_ssl_ticket_context tickets;
    struct sl_random *random;
    mbedtls_ssl_session kept;
};

/* How a visit went. */
struct outcome {
    bool in;       /* the server's handshake ended well */
    bool has_cert; /* and the library has the peer's certificate */
    uint32_t verified;
};

static int draw(void *ctx, unsigned char *bytes, size_t len)
{
    return sl_random_fill(ctx, bytes, len) ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

static void book_open(struct book *book, enum raw_version version)
{
    char path[SL_TEST_PATH_SIZE], error[SL_TEST_ERROR_SIZE];

    *book = (struct book){.version = version};
    assert_int_equal(sl_compat_start(error, sizeof error), 0);
    assert_int_equal(sl_random_new(&book->random), 0);
    mbedtls_x509_crt_init(&book->ca);
    mbedtls_x509_crt_init(&book->other_ca);
    mbedtls_x509_crl_init(&book->revoked);
    mbedtls_ssl_session_init(&book->kept);
    mbedtls_ssl_ticket_init(&book->tickets);
    sl_test_certificate("ca", &book->ca);
    sl_test_certificate("other-ca", &book->other_ca);
    assert_int_equal(mbedtls_x509_crl_parse_file(&book->revoked, sl_test_path(path, "revoked.crl")),
                     0);
    assert_int_equal(mbedtls_ssl_ticket_setup(&book->tickets, draw, book->random,
                                              MBEDTLS_CIPHER_AES_256_GCM, LIFETIME_S),
                     0);
}

static void book_close(struct book *book)
{
    mbedtls_ssl_session_free(&book->kept);
    mbedtls_ssl_ticket_free(&book->tickets);
    mbedtls_x509_crl_free(&book->revoked);
    mbedtls_x509_crt_free(&book->other_ca);
    mbedtls_x509_crt_free(&book->ca);
    sl_random_free(book->random);
}

/* In TLS 1.3 the ticket comes after the handshake. */
static void keep(struct book *book, struct raw_peer *sensor)
{
    unsigned char byte;
    int code = 0;

    if (book->version == RAW_TLS13)
        for (int tries = 0; tries < 4 && !sl_compat_is_ticket(code); tries++)
            code = mbedtls_ssl_read(&sensor->ssl, &byte, 1);
    mbedtls_ssl_session_free(&book->kept);
    mbedtls_ssl_session_init(&book->kept);
    assert_int_equal(mbedtls_ssl_get_session(&sensor->ssl, &book->kept), 0);
}

/* The revoked sensor comes to a server that trusts `ca` and has `crl`. */
static struct outcome visit(struct book *book, mbedtls_x509_crt *ca, mbedtls_x509_crl *crl,
                            bool with_session)
{
    struct raw_options at_server = {.server = true, .name = "server", .version = book->version};
    struct raw_options at_sensor = {.name = "sensor-revoked", .version = book->version};
    struct sl_memory_link link;
    struct raw_peer server, sensor;
    struct outcome outcome;

    sl_memory_link_init(&link);
    raw_open(&server, &at_server, sl_memory_server(&link));
    raw_open(&sensor, &at_sensor, sl_memory_sensor(&link));
    mbedtls_ssl_conf_authmode(&server.config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_ca_chain(&server.config, ca, crl);
    mbedtls_ssl_conf_session_tickets_cb(&server.config, mbedtls_ssl_ticket_write,
                                        mbedtls_ssl_ticket_parse, &book->tickets);
    sl_compat_take_tickets(&sensor.config);
    if (with_session)
        assert_int_equal(mbedtls_ssl_set_session(&sensor.ssl, &book->kept), 0);
    for (int round = 0; round < ROUNDS; round++) {
        (void)raw_handshake(&sensor);
        (void)raw_handshake(&server);
    }
    outcome.in = server.code == 0 && sl_compat_handshake_over(&server.ssl);
    outcome.has_cert = mbedtls_ssl_get_peer_cert(&server.ssl) != NULL;
    outcome.verified = mbedtls_ssl_get_verify_result(&server.ssl);
    if (outcome.in && !with_session)
        keep(book, &sensor);
    raw_close(&server);
    raw_close(&sensor);
    sl_memory_link_clear(&link);
    return outcome;
}

static void for_versions(void (*test)(struct book *book))
{
    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct book book;

        book_open(&book, *version);
        test(&book);
        book_close(&book);
    }
}

static void revoke_sensor(struct book *book)
{
    assert_true(visit(book, &book->ca, NULL, false).in);
    assert_true(visit(book, &book->ca, &book->revoked, true).in); /* the hole */
    assert_false(
        visit(book, &book->ca, &book->revoked, false).in); /* without a ticket it's right */
}

static void test_library_alone_resumes_a_revoked_sensor(void **state)
{
    (void)state;
    for_versions(revoke_sensor);
}

static void replace_ca(struct book *book)
{
    assert_true(visit(book, &book->ca, NULL, false).in);
    assert_true(visit(book, &book->other_ca, NULL, true).in); /* the hole */
    assert_false(visit(book, &book->other_ca, NULL, false).in);
}

static void test_library_alone_resumes_a_sensor_of_a_ca_that_isnt_trusted_any_more(void **state)
{
    (void)state;
    for_versions(replace_ca);
}

static void look_at_peer(struct book *book)
{
    struct outcome outcome;

    assert_true(visit(book, &book->ca, NULL, false).in);
    outcome = visit(book, &book->ca, NULL, true);
    assert_true(outcome.in);
    assert_int_equal(outcome.verified, 0);
    assert_int_equal(outcome.has_cert, book->version != RAW_TLS13);
}

static void test_library_alone_calls_a_peer_verified_of_whom_it_knows_no_certificate(void **state)
{
    (void)state;
    for_versions(look_at_peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_library_alone_resumes_a_revoked_sensor),
        cmocka_unit_test(test_library_alone_resumes_a_sensor_of_a_ca_that_isnt_trusted_any_more),
        cmocka_unit_test(test_library_alone_calls_a_peer_verified_of_whom_it_knows_no_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
