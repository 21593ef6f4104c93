/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_submit.c -- when a client commits what was submitted: with the next step, or together with
 * what comes in the time that its configuration gives.
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

int64_t __wrap_sl_clock_monotonic_ms(void);
int64_t __wrap_sl_clock_monotonic_ms(void)
{
    return *now_ms();
}

static int open_client(void **state)
{
    char ca[SL_TEST_PATH_SIZE];
    char cert[SL_TEST_PATH_SIZE];
    char key[SL_TEST_PATH_SIZE];
    char error[ERROR_SIZE] = "";
    struct sl_client *client = NULL;
    struct sl_client_config config = {.host = "127.0.0.1",
                                      .port = 1,
                                      .ca_file = sl_test_path(ca, "ca.crt"),
                                      .cert_file = sl_test_path(cert, "attic.crt"),
                                      .key_file = sl_test_path(key, "attic.key"),
                                      .spool_sync_ms = SYNC_MS};

    assert_int_equal(sl_spool_open_memory(SPOOL_SIZE, &config.spool), SL_OK);
    if (sl_client_open(&config, &client, error, sizeof(error)) != SL_OK)
        fail_msg("sl_client_open: %s", error);
    assert_int_equal(sl_client_step(client), SL_OK); /* the first try fails, and is over */
    *state = client;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_client_commits_together_what_comes_in_the_sync_time),
        TEST(test_client_commits_a_thousand_however_long_they_might_wait),
        TEST(test_client_commits_at_once_when_it_is_asked_to),
        TEST(test_client_that_was_asked_with_nothing_to_commit_waits_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
