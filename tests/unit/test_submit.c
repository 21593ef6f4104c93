/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_submit.c -- when a client commits what was submitted: with the next step, or together with
 * what comes in the time that its configuration gives. What is given up is committed in its time,
 * too.
 */
#include "cases.h"

#include "base/clock.h"
#include "sensorlink/sensorlink.h"
#include "support/certificates.h"

enum { SYNC_MS = 5000, ERROR_SIZE = 1024, SPOOL_SIZE = 3000, COMMITTED_AT_ONCE = 1000 };

/* The clock of this test program (--wrap): it stands still until it is moved. */
static int64_t *now_ms(void)
{
    static int64_t now = 1000;
    return &now;
}

/* How far each look at the clock moves it: what a slow machine does between two lines. */
static int64_t *look_ms(void)
{
    static int64_t look;
    return &look;
}

int64_t __wrap_sl_clock_monotonic_ms(void);
int64_t __wrap_sl_clock_monotonic_ms(void)
{
    *now_ms() += *look_ms();
    return *now_ms();
}

static struct sl_client *made(struct sl_client_config *config)
{
    char ca[SL_TEST_PATH_SIZE];
    char cert[SL_TEST_PATH_SIZE];
    char key[SL_TEST_PATH_SIZE];
    char error[ERROR_SIZE] = "";
    struct sl_client *client = NULL;

    config->host = "127.0.0.1";
    config->port = 1;
    config->ca_file = sl_test_path(ca, "ca.crt");
    config->cert_file = sl_test_path(cert, "attic.crt");
    config->key_file = sl_test_path(key, "attic.key");
    if (sl_client_open(config, &client, error, sizeof(error)) != SL_OK)
        fail_msg("sl_client_open: %s", error);
    return client;
}

static int open_client(void **state)
{
    struct sl_client_config config = {.spool_sync_ms = SYNC_MS};
    assert_int_equal(sl_spool_open_memory(SPOOL_SIZE, &config.spool), SL_OK);
    *state = made(&config);
    assert_int_equal(sl_client_step(*state), SL_OK); /* the first try fails, and is over */
    return 0;
}

static int close_client(void **state)
{
    sl_client_close(*state);
    return 0;
}

static void submit(struct sl_client *client, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(sl_client_submit(client, 0, "t", i, NULL, NULL), SL_OK);
}

/* Steps, and says how many were committed so far. */
static int64_t step(struct sl_client *client)
{
    struct sl_client_progress progress;
    assert_int_equal(sl_client_step(client), SL_OK);
    sl_client_progress(client, &progress);
    return progress.submitted;
}

static void test_client_commits_together_what_comes_in_the_sync_time(void **state)
{
    struct sl_client *client = *state;
    struct sl_client_progress progress;

    submit(client, 1);
    assert_int_equal(step(client), 0);
    *now_ms() += SYNC_MS - 1;
    submit(client, 1);
    assert_int_equal(step(client), 0);
    sl_client_progress(client, &progress);
    assert_int_equal(progress.uncommitted, 2);
    assert_int_equal(progress.kept, 2);
    assert_in_range(sl_client_deadline_ms(client), 0, 1);

    *now_ms() += 1;
    assert_int_equal(sl_client_deadline_ms(client), 0);
    assert_int_equal(step(client), 2);
    sl_client_progress(client, &progress);
    assert_int_equal(progress.uncommitted, 0);

    submit(client, 1); /* the time begins anew */
    *now_ms() += SYNC_MS - 1;
    assert_int_equal(step(client), 2);
    *now_ms() += 1;
    assert_int_equal(step(client), 3);
}

static void test_client_commits_a_thousand_however_long_they_might_wait(void **state)
{
    struct sl_client *client = *state;

    submit(client, COMMITTED_AT_ONCE - 1);
    assert_int_equal(step(client), 0);
    submit(client, 1);
    assert_int_equal(sl_client_deadline_ms(client), 0);
    assert_int_equal(step(client), COMMITTED_AT_ONCE);
}

static void test_client_commits_at_once_when_it_is_asked_to(void **state)
{
    struct sl_client *client = *state;

    submit(client, 1);
    assert_int_equal(step(client), 0);
    sl_client_commit_now(client);
    assert_int_equal(sl_client_deadline_ms(client), 0);
    assert_int_equal(step(client), 1);
    submit(client, 1); /* it was asked once */
    assert_int_equal(step(client), 1);
}

static void test_client_that_was_asked_with_nothing_to_commit_waits_again(void **state)
{
    struct sl_client *client = *state;

    sl_client_commit_now(client);
    assert_int_equal(step(client), 0);
    submit(client, 1);
    assert_int_equal(step(client), 0);
}

static void on_dropped(void *ctx, const struct sl_client_event *event)
{
    if (event->kind == SL_CLIENT_DROPPED)
        *(int64_t *)ctx += event->count;
}

static void test_client_gives_up_what_is_too_old_in_its_first_step_however_slow(void **state)
{
    (void)state;
    int64_t seq;
    int64_t dropped = 0;
    struct sl_client_progress progress;
    struct sl_client_config config = {
        .spool_max_age_ms = 60000, .on_event = on_dropped, .ctx = &dropped};
    assert_int_equal(sl_spool_open_memory(SPOOL_SIZE, &config.spool), SL_OK);
    const struct sl_spool_functions *spool = config.spool->functions;
    assert_int_equal(spool->append(config.spool, 1700000000000000, "t: 1", 4, &seq), SL_OK);
    assert_int_equal(spool->append(config.spool, INT64_MIN, "t: 2", 4, &seq), SL_OK);
    assert_int_equal(spool->commit(config.spool), SL_OK);

    struct sl_client *client = made(&config);
    *look_ms() = 1;
    assert_int_equal(sl_client_step(client), SL_OK);
    *look_ms() = 0;
    assert_int_equal(dropped, 1);
    sl_client_progress(client, &progress);
    assert_int_equal(progress.kept, 1); /* without a time it has no age */
    sl_client_close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_commits_together_what_comes_in_the_sync_time),
        TEST(test_client_commits_a_thousand_however_long_they_might_wait),
        TEST(test_client_commits_at_once_when_it_is_asked_to),
        TEST(test_client_that_was_asked_with_nothing_to_commit_waits_again),
        cmocka_unit_test(test_client_gives_up_what_is_too_old_in_its_first_step_however_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
