/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_renewal.c -- the client's own files while no server answers: what it says of them, how
 * often, and when they are read again. With a server: tests/system/test_renewal.py.
 */
#include "cases.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sensorlink/sensorlink.h"
#include "support/certificates.h"

#define DAY_US INT64_C(86400000000)

enum { TRIES_MAX = 10000, TEXT_SIZE = 1024 };

/* A client at a port that refuses it, with files of its own. */
struct place {
    char folder[SL_TEST_PATH_SIZE];
    char ca[SL_TEST_PATH_SIZE];
    char cert[SL_TEST_PATH_SIZE + 32];
    char key[SL_TEST_PATH_SIZE + 32];
    int fd;
    struct sl_client_config config;
    struct sl_client *client;
    int disconnected;
    int faults;
    char reason[64]; /* of the last fault */
    char text[TEXT_SIZE];
};

/* The clocks of this test program (--wrap): the true ones, moved. */
static int64_t *wall_move_us(void)
{
    static int64_t move_us;
    return &move_us;
}

static int64_t *monotonic_move_ms(void)
{
    static int64_t move_ms;
    return &move_ms;
}

int64_t __real_sl_clock_wall_us(void);
int64_t __wrap_sl_clock_wall_us(void);
int64_t __wrap_sl_clock_wall_us(void)
{
    return __real_sl_clock_wall_us() + *wall_move_us();
}

int64_t __real_sl_clock_monotonic_ms(void);
int64_t __wrap_sl_clock_monotonic_ms(void);
int64_t __wrap_sl_clock_monotonic_ms(void)
{
    return __real_sl_clock_monotonic_ms() + *monotonic_move_ms();
}

static void on_event(void *ctx, const struct sl_client_event *event)
{
    struct place *place = ctx;
    place->disconnected += event->kind == SL_CLIENT_DISCONNECTED;
    if (event->kind != SL_CLIENT_FAULT)
        return;
    place->faults++;
    (void)snprintf(place->reason, sizeof(place->reason), "%s", event->reason);
    (void)snprintf(place->text, sizeof(place->text), "%s", event->text);
}

/* Puts bytes of at most a few KiB into a file. */
static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), S_IRUSR | S_IWUSR), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void copy_file(const char *name, const char *path)
{
    char from[SL_TEST_PATH_SIZE];
    char bytes[8192];
    FILE *file = fopen(sl_test_path(from, name), "re");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    assert_in_range(len, 1, sizeof(bytes) - 1);
    assert_int_equal(fclose(file), 0);
    write_file(path, bytes, len);
}

/* A port of this machine that refuses connections: bound, but nobody listens. */
static uint16_t refusing_port(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(*fd >= 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    const char *root = getenv("TMPDIR");
    (void)snprintf(place->folder, sizeof(place->folder), "%s/sl-renewal-XXXXXX",
                   root ? root : "/tmp");
    assert_non_null(mkdtemp(place->folder));
    (void)sl_test_path(place->ca, "ca.crt");
    (void)snprintf(place->cert, sizeof(place->cert), "%s/own.crt", place->folder);
    (void)snprintf(place->key, sizeof(place->key), "%s/own.key", place->folder);
    copy_file("attic.crt", place->cert);
    copy_file("attic.key", place->key);
    place->config = (struct sl_client_config){.host = "127.0.0.1",
                                              .port = refusing_port(&place->fd),
                                              .ca_file = place->ca,
                                              .cert_file = place->cert,
                                              .key_file = place->key,
                                              .backoff_min_ms = 1,
                                              .backoff_max_ms = 1,
                                              .on_event = on_event,
                                              .ctx = place};
    *wall_move_us() = 0;
    *monotonic_move_ms() = 0;
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    sl_client_close(place->client);
    (void)close(place->fd);
    (void)unlink(place->cert);
    (void)unlink(place->key);
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

static void open_client(struct place *place)
{
    char error[TEXT_SIZE] = "";
    if (sl_client_open(&place->config, &place->client, error, sizeof(error)) != SL_OK)
        fail_msg("sl_client_open: %s", error);
}

/* Lets it fail to connect so many times more. */
static void try_again(struct place *place, int times)
{
    int wanted = place->disconnected + times;
    for (int i = 0; place->disconnected < wanted; i++) {
        assert_true(i < TRIES_MAX);
        (*monotonic_move_ms())++; /* pauses pass without waiting */
        assert_int_equal(sl_client_step(place->client), SL_OK);
    }
}

static void test_client_warns_once_a_day_of_its_certificates_end(void **state)
{
    struct place *place = *state;
    open_client(place);
    try_again(place, 2);
    assert_int_equal(place->faults, 0); /* it lasts 90 days */

    *wall_move_us() = 80 * DAY_US;
    try_again(place, 3);
    assert_int_equal(place->faults, 1);
    assert_string_equal(place->reason, "cert-expires-soon");
    assert_non_null(strstr(place->text, place->cert));
    assert_non_null(strstr(place->text, "ends in 9 days, on 20"));

    *wall_move_us() = 81 * DAY_US;
    *monotonic_move_ms() += DAY_US / 1000;
    try_again(place, 3);
    assert_int_equal(place->faults, 2);
    assert_non_null(strstr(place->text, "ends in 8 days, on 20"));

    *wall_move_us() = 91 * DAY_US;
    *monotonic_move_ms() += 10 * DAY_US / 1000;
    try_again(place, 1);
    assert_non_null(strstr(place->text, " ended on 20"));
}

static void test_client_warns_as_early_as_its_configuration_says(void **state)
{
    struct place *place = *state;
    place->config.expiry_warning_ms = 88 * DAY_US / 1000;
    open_client(place);
    *wall_move_us() = DAY_US / 2;
    try_again(place, 1);
    assert_int_equal(place->faults, 0);
    *wall_move_us() = 3 * DAY_US;
    try_again(place, 1);
    assert_int_equal(place->faults, 1);
}

static void test_client_that_never_warns_says_only_that_its_certificate_has_ended(void **state)
{
    struct place *place = *state;
    place->config.expiry_warning_ms = SL_CLIENT_NEVER;
    open_client(place);
    *wall_move_us() = 89 * DAY_US;
    try_again(place, 1);
    assert_int_equal(place->faults, 0);
    *wall_move_us() = 91 * DAY_US;
    try_again(place, 1);
    assert_int_equal(place->faults, 1);
    assert_non_null(strstr(place->text, " ended on 20"));
}

static void test_client_says_once_what_is_wrong_with_renewed_files(void **state)
{
    struct place *place = *state;
    open_client(place);
    try_again(place, 1);
    write_file(place->cert, "half of it", 10);
    try_again(place, 3);
    assert_int_equal(place->faults, 1);
    assert_string_equal(place->reason, "renewal-unusable");
    assert_non_null(strstr(place->text, place->cert));

    copy_file("cellar.crt", place->cert); /* the key isn't there yet */
    try_again(place, 3);
    assert_int_equal(place->faults, 2);
    assert_non_null(strstr(place->text, "doesn't belong to"));

    sl_client_reload(place->client); /* who asks is answered */
    try_again(place, 3);
    assert_int_equal(place->faults, 3);

    copy_file("cellar.key", place->key);
    try_again(place, 3);
    assert_int_equal(place->faults, 3);
    assert_int_equal(unlink(place->key), 0);
    try_again(place, 3);
    assert_int_equal(place->faults, 4);
    assert_non_null(strstr(place->text, "can't be read"));
}

static void test_client_takes_a_key_that_was_closed_to_others_since(void **state)
{
    struct place *place = *state;
    open_client(place);
    try_again(place, 1);
    assert_int_equal(chmod(place->key, 0644), 0);
    try_again(place, 2);
    assert_int_equal(place->faults, 1);
    assert_non_null(strstr(place->text, "can be read by others"));
    assert_int_equal(chmod(place->key, 0600), 0);
    try_again(place, 2);
    assert_int_equal(chmod(place->key, 0604), 0); /* told anew: it was good in between */
    try_again(place, 2);
    assert_int_equal(place->faults, 2);
}

static void test_client_open_refuses_negative_times_of_renewal(void **state)
{
    struct place *place = *state;
    char error[TEXT_SIZE];
    place->config.renewal_check_ms = -1;
    assert_int_equal(sl_client_open(&place->config, &place->client, error, sizeof(error)),
                     SL_BAD_INPUT);
    place->config.renewal_check_ms = 0;
    place->config.expiry_warning_ms = -2;
    assert_int_equal(sl_client_open(&place->config, &place->client, error, sizeof(error)),
                     SL_BAD_INPUT);
    assert_null(place->client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_warns_once_a_day_of_its_certificates_end),
        TEST(test_client_warns_as_early_as_its_configuration_says),
        TEST(test_client_that_never_warns_says_only_that_its_certificate_has_ended),
        TEST(test_client_says_once_what_is_wrong_with_renewed_files),
        TEST(test_client_takes_a_key_that_was_closed_to_others_since),
        TEST(test_client_open_refuses_negative_times_of_renewal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
