/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_dial.c -- why there is no connection: the reasons that a dial gives before anything of TLS
 * is said. The names and addresses are this test's own resolver's, and the time is what it says.
 */
#include "cases.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/dial.h"
#include "support/certificates.h"

enum { CONNECT_MS = 5000, LONG_NAME = 300, ROUNDS = 100000 };

/* What is out of order in this test program (--wrap). */
struct trouble {
    bool network_silent;
    bool memory_full;
};

static struct trouble *trouble(void)
{
    static struct trouble now;
    return &now;
}

enum sl_status __real_sl_socket_connected(struct sl_socket *socket);
enum sl_status __wrap_sl_socket_connected(struct sl_socket *socket);
enum sl_status __wrap_sl_socket_connected(struct sl_socket *socket)
{
    return trouble()->network_silent ? SL_WANT_WRITE : __real_sl_socket_connected(socket);
}

int __real_mbedtls_ssl_setup(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config);
int __wrap_mbedtls_ssl_setup(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config);
int __wrap_mbedtls_ssl_setup(mbedtls_ssl_context *ssl, const mbedtls_ssl_config *config)
{
    return trouble()->memory_full ? MBEDTLS_ERR_SSL_ALLOC_FAILED
                                  : __real_mbedtls_ssl_setup(ssl, config);
}

/* Knows the addresses that are its context, one or none. */
static enum sl_status resolve(void *ctx, const char *host, struct sl_client_addresses *addresses)
{
    const char *address = ctx;

    (void)host;
    addresses->count = address == NULL ? 0 : 1;
    (void)snprintf(addresses->at[0], SL_CLIENT_ADDRESS_SIZE, "%s", address == NULL ? "" : address);
    return SL_OK;
}

struct place {
    struct sl_dial dial;
    int listener;
    char host[LONG_NAME + 1];
    char address[SL_CLIENT_ADDRESS_SIZE];
};

/* A dial to a port that takes connections and says nothing. */
static void open_place(struct place *place, const char *host)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;

    *trouble() = (struct trouble){0};
    *place = (struct place){.address = "127.0.0.1"};
    (void)snprintf(place->host, sizeof place->host, "%s", host);
    place->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(place->listener >= 0);
    assert_int_equal(bind(place->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(place->listener, 1), 0);
    assert_int_equal(getsockname(place->listener, (struct sockaddr *)&at, &len), 0);
    place->dial = (struct sl_dial){.host = place->host,
                                   .port = ntohs(at.sin_port),
                                   .connect_ms = CONNECT_MS,
                                   .trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL),
                                   .resolve = resolve,
                                   .ctx = place->address};
    sl_dial_start(&place->dial);
}

static void close_place(struct place *place)
{
    sl_dial_clear(&place->dial);
    sl_trust_unref(place->dial.trust);
    (void)close(place->listener);
}

/* Steps at `now_ms` until it fails; the status. */
static enum sl_status fail_at(struct place *place, int64_t now_ms)
{
    enum sl_status status = SL_WANT_WRITE;

    for (int round = 0; round < ROUNDS && status == SL_WANT_WRITE; round++)
        status = sl_dial_step(&place->dial, now_ms);
    assert_int_equal(place->dial.state, SL_DIAL_IDLE);
    return status;
}

static void test_dial_host_without_an_address_is_unknown(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "weather.example");
    place.dial.ctx = NULL;
    assert_int_equal(fail_at(&place, 0), SL_IO);
    assert_string_equal(place.dial.failure.reason, "name-unknown");
    assert_string_equal(place.dial.failure.text, "no address is known for weather.example");
    close_place(&place);
}

static void test_dial_says_what_is_no_address(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "weather.example");
    (void)snprintf(place.address, sizeof place.address, "127.0.0.one");
    assert_int_equal(fail_at(&place, 0), SL_IO);
    assert_string_equal(place.dial.failure.reason, "bad-address");
    assert_non_null(strstr(place.dial.failure.text, "'127.0.0.one'"));
    close_place(&place);
}

static void test_dial_gives_an_address_up_that_doesnt_answer_in_time(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "weather.example");
    trouble()->network_silent = true;
    assert_int_equal(sl_dial_step(&place.dial, 1000), SL_WANT_WRITE);
    assert_int_equal(place.dial.deadline_ms, 1000 + CONNECT_MS);
    assert_int_equal(sl_dial_step(&place.dial, 1000 + CONNECT_MS - 1), SL_WANT_WRITE);
    assert_int_equal(fail_at(&place, 1000 + CONNECT_MS), SL_IO);
    assert_string_equal(place.dial.failure.reason, "connect-timeout");
    assert_non_null(strstr(place.dial.failure.text, "127.0.0.1:"));
    close_place(&place);
}

static void test_dial_says_that_a_name_is_too_long_for_tls(void **state)
{
    struct place place;
    char name[LONG_NAME + 1];

    (void)state;
    memset(name, 'a', LONG_NAME);
    name[LONG_NAME] = '\0';
    open_place(&place, name);
    assert_int_equal(fail_at(&place, 0), SL_IO);
    assert_string_equal(place.dial.failure.reason, "no-session");
    assert_string_equal(place.dial.failure.text, "the host's name can't be used with TLS");
    close_place(&place);
}

static void test_dial_without_memory_has_no_session(void **state)
{
    struct place place;

    (void)state;
    open_place(&place, "weather.example");
    trouble()->memory_full = true;
    assert_int_equal(fail_at(&place, 0), SL_NOMEM);
    assert_string_equal(place.dial.failure.reason, "no-session");
    assert_string_equal(place.dial.failure.text, "out of memory");
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dial_host_without_an_address_is_unknown),
        cmocka_unit_test(test_dial_says_what_is_no_address),
        cmocka_unit_test(test_dial_gives_an_address_up_that_doesnt_answer_in_time),
        cmocka_unit_test(test_dial_says_that_a_name_is_too_long_for_tls),
        cmocka_unit_test(test_dial_without_memory_has_no_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
