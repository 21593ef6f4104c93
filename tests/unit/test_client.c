/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_client.c -- the library without a server: what it refuses, when it wants to be stepped, and
 * what it says when nobody answers or the spool fails.
 *
 * Certificates are made once by scripts/certs.sh; SENSORLINK_SOURCE_DIR says where that is.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sensorlink/sensorlink.h"

enum { PATH_SIZE = 256, ERROR_SIZE = 1024, DEADLINE_MS = 20000 };

/* What all tests share: a folder with a CA and one sensor. */
struct certificates {
    char folder[PATH_SIZE];
    char ca[PATH_SIZE + 32];
    char cert[PATH_SIZE + 32];
    char key[PATH_SIZE + 32];
};

/* What the client said. */
struct heard {
    int disconnected;
    int faults;
    int asked;       /* the resolver */
    int64_t dropped; /* the last number that was given up */
    int64_t retry_ms;
    char reason[64];
    char text[ERROR_SIZE];
};

static void on_event(void *ctx, const struct sl_client_event *event)
{
    struct heard *heard = ctx;
    heard->disconnected += event->kind == SL_CLIENT_DISCONNECTED;
    heard->faults += event->kind == SL_CLIENT_FAULT;
    if (event->kind == SL_CLIENT_DROPPED)
        heard->dropped = event->seq;
    heard->retry_ms = event->retry_ms;
    (void)snprintf(heard->reason, sizeof(heard->reason), "%s", event->reason);
    (void)snprintf(heard->text, sizeof(heard->text), "%s", event->text);
}

static int run_script(const char *command, const char *folder, const char *name)
{
    const char *source = getenv("SENSORLINK_SOURCE_DIR");
    char line[3 * PATH_SIZE];
    (void)snprintf(line, sizeof(line), "'%s/scripts/certs.sh' %s '%s/ca' %s >/dev/null 2>&1",
                   source ? source : ".", command, folder, name);
    return system(line);
}

static int make_certificates(void **state)
{
    struct certificates *made = calloc(1, sizeof(*made));
    const char *root = getenv("TMPDIR");
    (void)snprintf(made->folder, sizeof(made->folder), "%s/sl-client-XXXXXX", root ? root : "/tmp");
    if (!mkdtemp(made->folder) || run_script("init", made->folder, "") != 0 ||
        run_script("sensor", made->folder, "weather-1") != 0) {
        free(made);
        return -1;
    }
    (void)snprintf(made->ca, sizeof(made->ca), "%s/ca/ca.crt", made->folder);
    (void)snprintf(made->cert, sizeof(made->cert), "%s/ca/weather-1.crt", made->folder);
    (void)snprintf(made->key, sizeof(made->key), "%s/ca/weather-1.key", made->folder);
    *state = made;
    return 0;
}

static int remove_certificates(void **state)
{
    struct certificates *made = *state;
    char line[2 * PATH_SIZE];
    (void)snprintf(line, sizeof(line), "rm -rf '%s'", made->folder);
    int failed = system(line);
    free(made);
    return failed;
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

static struct sl_client_config config_of(const struct certificates *made, struct heard *heard)
{
    return (struct sl_client_config){.host = "127.0.0.1",
                                     .port = 1,
                                     .ca_file = made->ca,
                                     .cert_file = made->cert,
                                     .key_file = made->key,
                                     .backoff_min_ms = 100,
                                     .backoff_max_ms = 400,
                                     .on_event = on_event,
                                     .ctx = heard};
}

static struct sl_client *open_client(const struct sl_client_config *config)
{
    struct sl_client *client = NULL;
    char error[ERROR_SIZE] = "";
    enum sl_status status = sl_client_open(config, &client, error, sizeof(error));
    if (status != SL_OK)
        fail_msg("sl_client_open: %s: %s", sl_status_name(status), error);
    return client;
}

/* Waits for what the client asks for, as any user of the library does. */
static void wait_for(const struct sl_client *client)
{
    int wants = sl_client_wants(client);
    int64_t due_ms = sl_client_deadline_ms(client);
    struct pollfd item = {.fd = sl_client_fd(client)};
    if (wants & SL_CLIENT_READABLE)
        item.events |= POLLIN;
    if (wants & SL_CLIENT_WRITABLE)
        item.events |= POLLOUT;
    assert_in_range(due_ms, 0, 3600000);
    assert_true(poll(&item, 1, due_ms < DEADLINE_MS ? (int)due_ms : DEADLINE_MS) >= 0);
}

/* Steps until `*count` is `wanted`. */
static void step_until(struct sl_client *client, const int *count, int wanted)
{
    int64_t end_ms = sl_clock_monotonic_ms() + DEADLINE_MS;
    while (*count < wanted) {
        assert_true(sl_clock_monotonic_ms() < end_ms);
        assert_int_equal(sl_client_step(client), SL_OK);
        if (*count < wanted)
            wait_for(client);
    }
}

static void test_client_open_says_which_setting_cannot_be(void **state)
{
    struct heard heard = {0};
    struct sl_client *client = NULL;
    char error[ERROR_SIZE];

    struct sl_client_config config = config_of(*state, &heard);
    config.host = "";
    assert_int_equal(sl_client_open(&config, &client, error, sizeof(error)), SL_BAD_INPUT);
    assert_non_null(strstr(error, "host"));

    config = config_of(*state, &heard);
    config.key_file = NULL;
    assert_int_equal(sl_client_open(&config, &client, error, sizeof(error)), SL_BAD_INPUT);
    assert_non_null(strstr(error, "key"));

    config = config_of(*state, &heard);
    config.cert_file = "/no/such/file.crt";
    assert_int_equal(sl_client_open(&config, &client, error, sizeof(error)), SL_BAD_INPUT);
    assert_non_null(strstr(error, "/no/such/file.crt"));

    config = config_of(*state, &heard);
    config.window = -1;
    assert_int_equal(sl_client_open(&config, &client, error, sizeof(error)), SL_BAD_INPUT);
    assert_null(client);
    sl_client_close(NULL);
}

static void test_client_that_could_not_open_leaves_the_spool_to_its_owner(void **state)
{
    struct heard heard = {0};
    struct sl_client *client = NULL;
    char error[ERROR_SIZE];
    struct sl_client_config config = config_of(*state, &heard);
    assert_int_equal(sl_spool_open_memory(10, &config.spool), SL_OK);
    config.ca_file = "/no/such/ca.crt";
    assert_int_equal(sl_client_open(&config, &client, error, sizeof(error)), SL_BAD_INPUT);
    sl_spool_close(config.spool); /* twice freed, the sanitizer would say */
}

static void test_client_takes_readings_and_refuses_what_is_none(void **state)
{
    struct heard heard = {0};
    struct sl_client_config config = config_of(*state, &heard);
    struct sl_client *client = open_client(&config);
    struct sl_client_progress progress;
    int64_t seq = 0;

    assert_int_equal(sl_client_submit(client, INT64_MIN, "t", 22.5, "Cel", &seq), SL_OK);
    assert_int_equal(seq, 1);
    assert_int_equal(sl_client_submit_line(client, 0, "t: 1e3 Pa", 9, NULL), SL_OK);
    assert_int_equal(sl_client_deadline_ms(client), 0);

    assert_int_equal(sl_client_submit(client, 0, "1t", 1, NULL, &seq), SL_BAD_INPUT);
    assert_int_equal(sl_client_submit(client, 0, "t", 0.0 / 0.0, NULL, &seq), SL_BAD_INPUT);
    assert_int_equal(sl_client_submit(client, 0, "t", 1, "two words", &seq), SL_BAD_INPUT);
    assert_int_equal(sl_client_submit(client, -1, "t", 1, NULL, &seq), SL_BAD_INPUT);
    assert_int_equal(sl_client_submit(client, INT64_MAX, "t", 1, NULL, &seq), SL_BAD_INPUT);
    assert_true(strlen(sl_client_error(client)) > 10);
    assert_int_equal(sl_client_submit_line(client, 0, "no colon", 8, &seq), SL_BAD_INPUT);
    assert_int_equal(seq, 1);

    assert_int_equal(sl_client_step(client), SL_OK);
    sl_client_progress(client, &progress);
    assert_int_equal(progress.submitted, 2);
    assert_int_equal(progress.acknowledged, 0);
    assert_int_equal(progress.sent, 0);
    assert_int_equal(progress.connected, 0);
    sl_client_close(client);
}

static void test_client_memory_is_full_after_a_thousand_readings(void **state)
{
    struct heard heard = {0};
    struct sl_client_config config = config_of(*state, &heard);
    struct sl_client *client = open_client(&config);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(sl_client_submit(client, 0, "t", i, NULL, NULL), SL_OK);
    assert_int_equal(sl_client_submit(client, 0, "t", 0, NULL, NULL), SL_LIMIT);
    sl_client_close(client);
}

static void test_client_refused_connection_is_told_and_tried_again(void **state)
{
    struct heard heard = {0};
    int fd = -1;
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    struct sl_client *client = open_client(&config);

    step_until(client, &heard.disconnected, 1);
    assert_string_equal(heard.reason, "connect-failed");
    assert_non_null(strstr(heard.text, "127.0.0.1"));
    assert_in_range(heard.retry_ms, 0, 100);
    assert_int_equal(sl_client_fd(client), -1);
    assert_int_equal(sl_client_wants(client), 0);
    assert_true(sl_client_deadline_ms(client) <= heard.retry_ms);
    assert_string_equal(sl_client_error(client), heard.text);

    step_until(client, &heard.disconnected, 4);
    assert_in_range(heard.retry_ms, 0, 400);
    sl_client_close(client);
    (void)close(fd);
}

static void test_client_retry_now_ends_the_pause(void **state)
{
    struct heard heard = {0};
    int fd = -1;
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    config.backoff_min_ms = 3600000;
    config.backoff_max_ms = 3600000;
    struct sl_client *client = open_client(&config);

    step_until(client, &heard.disconnected, 1);
    sl_client_retry_now(client);
    assert_int_equal(sl_client_deadline_ms(client), 0);
    step_until(client, &heard.disconnected, 2);
    sl_client_close(client);
    (void)close(fd);
}

/* Answers at the third time it is asked, with two addresses of which none works. */
static enum sl_status slow_resolver(void *ctx, const char *host,
                                    struct sl_client_addresses *addresses)
{
    struct heard *heard = ctx;
    assert_string_equal(host, "weather.example");
    if (++heard->asked < 3)
        return SL_WANT_READ;
    addresses->count = 2;
    (void)snprintf(addresses->at[0], SL_CLIENT_ADDRESS_SIZE, "not an address");
    (void)snprintf(addresses->at[1], SL_CLIENT_ADDRESS_SIZE, "127.0.0.1");
    return SL_OK;
}

static void test_client_asks_its_resolver_until_it_answers_and_tries_each_address(void **state)
{
    struct heard heard = {0};
    int fd = -1;
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    config.host = "weather.example";
    config.resolve = slow_resolver;
    struct sl_client *client = open_client(&config);

    assert_int_equal(sl_client_step(client), SL_OK);
    assert_int_equal(heard.asked, 1);
    assert_int_equal(sl_client_fd(client), -1);
    assert_in_range(sl_client_deadline_ms(client), 1, 1000);
    step_until(client, &heard.disconnected, 1);
    assert_int_equal(heard.asked, 3);
    assert_string_equal(heard.reason, "connect-failed"); /* the second address was tried */
    assert_non_null(strstr(heard.text, "127.0.0.1"));
    sl_client_close(client);
    (void)close(fd);
}

static enum sl_status failing_resolver(void *ctx, const char *host,
                                       struct sl_client_addresses *addresses)
{
    (void)ctx;
    (void)host;
    (void)snprintf(addresses->error, sizeof(addresses->error), "the name service is asleep");
    return SL_IO;
}

static void test_client_says_what_its_resolver_said(void **state)
{
    struct heard heard = {0};
    struct sl_client_config config = config_of(*state, &heard);
    config.host = "weather.example";
    config.resolve = failing_resolver;
    struct sl_client *client = open_client(&config);
    step_until(client, &heard.disconnected, 1);
    assert_string_equal(heard.reason, "name-unknown");
    assert_string_equal(heard.text, "the name service is asleep");
    sl_client_close(client);
}

/* A firmware's own spool, whose medium fails at will. */
struct bad_spool {
    struct sl_spool spool;
    struct sl_spool *kept;
    bool fails;
    int *closed;
};

static struct sl_spool *kept_of(const struct sl_spool *spool)
{
    return ((const struct bad_spool *)spool)->kept;
}

static void bad_state(const struct sl_spool *spool, struct sl_spool_state *state)
{
    kept_of(spool)->functions->state(kept_of(spool), state);
}

static enum sl_status bad_append(struct sl_spool *spool, int64_t time_us, const char *text,
                                 size_t len, int64_t *seq)
{
    return kept_of(spool)->functions->append(kept_of(spool), time_us, text, len, seq);
}

static enum sl_status bad_commit(struct sl_spool *spool)
{
    if (((struct bad_spool *)spool)->fails)
        return SL_LIMIT;
    return kept_of(spool)->functions->commit(kept_of(spool));
}

static enum sl_status bad_read(struct sl_spool *spool, int64_t seq,
                               int (*each)(void *ctx, const struct sl_spool_item *item), void *ctx)
{
    return kept_of(spool)->functions->read(kept_of(spool), seq, each, ctx);
}

static enum sl_status bad_forget(struct sl_spool *spool, int64_t seq)
{
    return kept_of(spool)->functions->forget(kept_of(spool), seq);
}

static const char *bad_error(const struct sl_spool *spool)
{
    (void)spool;
    return "the flash is worn out";
}

static void bad_close(struct sl_spool *spool)
{
    ++*((struct bad_spool *)spool)->closed;
    sl_spool_close(kept_of(spool));
}

static const struct sl_spool_functions bad_functions = {
    bad_state, bad_append, bad_commit, bad_read, bad_forget,
    bad_error, bad_close,  NULL,       NULL,     NULL};

static void test_client_spool_that_fails_is_told_by_the_step_and_closed_once(void **state)
{
    struct heard heard = {0};
    int closed = 0;
    int fd = -1;
    struct bad_spool bad = {.spool = {&bad_functions}, .closed = &closed};
    assert_int_equal(sl_spool_open_memory(10, &bad.kept), SL_OK);
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    config.spool = &bad.spool;
    struct sl_client *client = open_client(&config);

    assert_int_equal(sl_client_submit(client, 0, "t", 1, NULL, NULL), SL_OK);
    bad.fails = true;
    assert_int_equal(sl_client_step(client), SL_IO);
    assert_string_equal(sl_client_error(client), "the flash is worn out");
    assert_int_equal(sl_client_step(client), SL_OK); /* nothing new to lose */

    bad.fails = false;
    assert_int_equal(sl_client_submit(client, 0, "t", 2, NULL, NULL), SL_OK);
    assert_int_equal(sl_client_step(client), SL_OK);
    sl_client_close(client);
    assert_int_equal(closed, 1);
    (void)close(fd);
}

static void test_client_drops_the_oldest_where_that_is_wanted_and_says_so(void **state)
{
    struct heard heard = {0};
    int fd = -1;
    struct sl_client_progress progress;
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    config.spool_max_readings = 5;
    config.spool_full = SL_CLIENT_DROP_OLDEST;
    struct sl_client *client = open_client(&config);

    for (int i = 1; i <= 8; i++)
        assert_int_equal(sl_client_submit(client, 0, "t", i, NULL, NULL), SL_OK);
    assert_int_equal(sl_client_step(client), SL_OK);
    assert_int_equal(heard.dropped, 3);
    sl_client_progress(client, &progress);
    assert_int_equal(progress.submitted, 8);
    assert_int_equal(progress.kept, 5);
    sl_client_close(client);
    (void)close(fd);
}

static void test_client_full_spool_refuses_where_it_may_not_drop(void **state)
{
    struct heard heard = {0};
    struct sl_client_config config = config_of(*state, &heard);
    config.spool_max_readings = 2;
    struct sl_client *client = open_client(&config);
    assert_int_equal(sl_client_submit(client, 0, "t", 1, NULL, NULL), SL_OK);
    assert_int_equal(sl_client_submit(client, 0, "t", 2, NULL, NULL), SL_OK);
    assert_int_equal(sl_client_submit(client, 0, "t", 3, NULL, NULL), SL_LIMIT);
    assert_non_null(strstr(sl_client_error(client), "holds 2 readings"));
    sl_client_close(client);
}

static void test_client_omit_gives_numbers_to_what_could_not_be_kept(void **state)
{
    struct heard heard = {0};
    int64_t seq = 0;
    struct sl_client_config config = config_of(*state, &heard);
    struct sl_client *client = open_client(&config);
    assert_int_equal(sl_client_omit(client, 3, "not-kept"), SL_OK);
    assert_int_equal(sl_client_deadline_ms(client), 0);
    assert_int_equal(sl_client_submit(client, 0, "t", 1, NULL, &seq), SL_OK);
    assert_int_equal(seq, 4);
    assert_int_equal(sl_client_omit(client, 1, "Not A Reason"), SL_BAD_INPUT);
    assert_int_equal(sl_client_omit(client, 1, ""), SL_BAD_INPUT);
    assert_int_equal(sl_client_omit(client, 0, "not-kept"), SL_BAD_INPUT);
    sl_client_close(client);
}

static void test_client_spool_without_drop_is_refused_where_it_would_have_to(void **state)
{
    struct heard heard = {0};
    int closed = 0;
    struct sl_client *client = NULL;
    char error[ERROR_SIZE];
    struct bad_spool bad = {.spool = {&bad_functions}, .closed = &closed};
    struct sl_client_config config = config_of(*state, &heard);
    config.spool = &bad.spool;
    config.spool_full = SL_CLIENT_DROP_OLDEST;
    assert_int_equal(sl_client_open(&config, &client, error, sizeof(error)), SL_BAD_INPUT);
    assert_non_null(strstr(error, "can't give readings up"));
    assert_int_equal(closed, 0);
}

/* The clock of this test program (--wrap): the true one, moved. */
static int64_t *clock_move_us(void)
{
    static int64_t move_us;
    return &move_us;
}

int64_t __real_sl_clock_wall_us(void);
int64_t __wrap_sl_clock_wall_us(void);
int64_t __wrap_sl_clock_wall_us(void)
{
    return __real_sl_clock_wall_us() + *clock_move_us();
}

static void test_client_whose_clock_is_before_its_build_says_so_and_goes_on_when_it_is_set(
    void **state)
{
    struct heard heard = {0};
    int fd = -1;
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    *clock_move_us() = -sl_clock_wall_us() + INT64_C(5000000); /* 1970, as after a cold start */
    struct sl_client *client = open_client(&config);
    step_until(client, &heard.disconnected, 1);
    assert_string_equal(heard.reason, "clock-behind");
    assert_non_null(strstr(heard.text, "clock says 1970-01-01"));
    assert_non_null(strstr(heard.text, "this program was built then"));

    *clock_move_us() = 0;
    step_until(client, &heard.disconnected, 2);
    assert_string_equal(heard.reason, "connect-failed");
    sl_client_close(client);
    (void)close(fd);
}

static void test_client_clock_less_than_a_day_before_its_floor_is_fine(void **state)
{
    struct heard heard = {0};
    int fd = -1;
    struct sl_client_config config = config_of(*state, &heard);
    config.port = refusing_port(&fd);
    config.clock_floor_us = sl_clock_wall_us() + INT64_C(23) * 3600 * 1000000;
    struct sl_client *client = open_client(&config);
    assert_int_equal(sl_client_clock_floor_us(client), config.clock_floor_us);
    step_until(client, &heard.disconnected, 1);
    assert_string_equal(heard.reason, "connect-failed");
    sl_client_close(client);
    (void)close(fd);
}

static void test_client_version_names_both_libraries(void **state)
{
    (void)state;
    char text[96];
    assert_ptr_equal(sl_client_version(text, sizeof(text)), text);
    assert_int_equal(strncmp(text, "sensorlink ", 11), 0);
    assert_non_null(strstr(text, "TLS 1.2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_open_says_which_setting_cannot_be),
        cmocka_unit_test(test_client_that_could_not_open_leaves_the_spool_to_its_owner),
        cmocka_unit_test(test_client_takes_readings_and_refuses_what_is_none),
        cmocka_unit_test(test_client_memory_is_full_after_a_thousand_readings),
        cmocka_unit_test(test_client_refused_connection_is_told_and_tried_again),
        cmocka_unit_test(test_client_retry_now_ends_the_pause),
        cmocka_unit_test(test_client_asks_its_resolver_until_it_answers_and_tries_each_address),
        cmocka_unit_test(test_client_says_what_its_resolver_said),
        cmocka_unit_test(test_client_spool_that_fails_is_told_by_the_step_and_closed_once),
        cmocka_unit_test(test_client_drops_the_oldest_where_that_is_wanted_and_says_so),
        cmocka_unit_test(test_client_full_spool_refuses_where_it_may_not_drop),
        cmocka_unit_test(test_client_omit_gives_numbers_to_what_could_not_be_kept),
        cmocka_unit_test(test_client_spool_without_drop_is_refused_where_it_would_have_to),
        cmocka_unit_test(
            test_client_whose_clock_is_before_its_build_says_so_and_goes_on_when_it_is_set),
        cmocka_unit_test(test_client_clock_less_than_a_day_before_its_floor_is_fine),
        cmocka_unit_test(test_client_version_names_both_libraries),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
