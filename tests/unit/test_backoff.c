/* SPDX-License-Identifier: Apache-2.0 */
/* test_backoff.c -- pauses between tries: their ceilings, their spread, and who waits longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "client/backoff.h"

enum { MIN_MS = 1000, MAX_MS = 60000, REFUSED_MS = 300000 };

/* The highest number that a draw up to `ceiling` can give is given for this one. */
static uint64_t highest(int64_t ceiling)
{
    return (uint64_t)ceiling;
}

static struct sl_backoff fresh(void)
{
    struct sl_backoff backoff;
    sl_backoff_init(&backoff, MIN_MS, MAX_MS, REFUSED_MS);
    return backoff;
}

static void test_backoff_ceiling_is_what_was_paused_so_far_up_to_the_longest(void **state)
{
    (void)state;
    static const int64_t ceilings[] = {1000, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct sl_backoff backoff = fresh();
    for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
        struct sl_backoff same = backoff;
        assert_int_equal(sl_backoff_pause(&same, SL_PAUSE_FAILED, 0, 0), 0);
        same = backoff;
        assert_int_equal(sl_backoff_pause(&same, SL_PAUSE_FAILED, 0, highest(ceilings[i]) + 1), 0);
        assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, highest(ceilings[i])),
                         ceilings[i]);
    }
}

static void test_backoff_never_gives_up_nor_overflows(void **state)
{
    (void)state;
    struct sl_backoff backoff;
    sl_backoff_init(&backoff, 1, INT64_MAX / 2, INT64_MAX / 2);
    for (int i = 0; i < 10000; i++)
        assert_true(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, UINT64_MAX) >= 0);
    assert_true(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, UINT64_MAX) >= 0);
}

static void test_backoff_draws_are_spread_evenly(void **state)
{
    (void)state;
    const uint64_t seed = 0x5eed;
    uint64_t random = seed;
    int64_t quarters[4] = {0};
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < 10000; i++) {
        struct sl_backoff backoff = fresh();
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t pause = sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, random >> 11);
        assert_in_range(pause, 0, MIN_MS);
        quarters[pause * 4 / (MIN_MS + 1)]++;
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(quarters[i], 2200, 2800);
}

static void test_backoff_success_starts_from_the_beginning(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    for (int i = 0; i < 5; i++)
        (void)sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, 0);
    sl_backoff_success(&backoff);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, highest(MIN_MS)), MIN_MS);
}

static void test_backoff_refused_waits_between_half_and_all_of_its_pause(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_REFUSED, 0, 0), REFUSED_MS / 2);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_REFUSED, 0, highest(REFUSED_MS / 2)),
                     REFUSED_MS);
}

static void test_backoff_one_silent_end_is_a_failure_and_several_are_a_refusal(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    for (int i = 1; i < SL_SILENT_IS_REFUSED; i++)
        assert_true(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0) < REFUSED_MS / 2);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0), REFUSED_MS / 2);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0), REFUSED_MS / 2);

    sl_backoff_welcomed(&backoff);
    assert_true(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0) < REFUSED_MS / 2);
}

static void test_backoff_silence_counts_only_in_a_row(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    for (int i = 0; i < 10; i++) {
        assert_true(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0) < REFUSED_MS / 2);
        assert_true(sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0) < REFUSED_MS / 2);
        assert_true(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, 0) < REFUSED_MS / 2);
    }
}

static void test_backoff_bye_is_never_shorter_than_the_server_asked(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_BYE, 5000, 0), 5000);
    backoff = fresh();
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_BYE, 5000, highest(MIN_MS)),
                     5000 + MIN_MS);
    backoff = fresh();
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_BYE, 0, highest(MIN_MS)), MIN_MS);
}

static void test_backoff_after_a_bye_that_asked_for_long_is_as_short_as_ever(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_BYE, 30000, highest(MIN_MS)),
                     30000 + MIN_MS);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, highest(MIN_MS)), MIN_MS);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, highest(2 * MIN_MS)),
                     2 * MIN_MS);
}

/* Who tries often because it drew short pauses hasn't waited long: its next one isn't longer. */
static void test_backoff_tries_alone_make_no_pause_longer(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    for (int i = 0; i < 20; i++)
        assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, highest(50)), 50);
    assert_int_equal(sl_backoff_pause(&backoff, SL_PAUSE_FAILED, 0, highest(MIN_MS)), MIN_MS);
}

static void test_backoff_says_beforehand_what_counts_as_a_refusal(void **state)
{
    (void)state;
    struct sl_backoff backoff = fresh();
    assert_true(sl_backoff_is_refusal(&backoff, SL_PAUSE_REFUSED));
    assert_false(sl_backoff_is_refusal(&backoff, SL_PAUSE_FAILED));
    assert_false(sl_backoff_is_refusal(&backoff, SL_PAUSE_FAULT));
    for (int i = 1; i < SL_SILENT_IS_REFUSED; i++) {
        assert_false(sl_backoff_is_refusal(&backoff, SL_PAUSE_SILENT));
        (void)sl_backoff_pause(&backoff, SL_PAUSE_SILENT, 0, 0);
    }
    assert_true(sl_backoff_is_refusal(&backoff, SL_PAUSE_SILENT));
    assert_false(sl_backoff_is_refusal(&backoff, SL_PAUSE_BYE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_ceiling_is_what_was_paused_so_far_up_to_the_longest),
        cmocka_unit_test(test_backoff_after_a_bye_that_asked_for_long_is_as_short_as_ever),
        cmocka_unit_test(test_backoff_tries_alone_make_no_pause_longer),
        cmocka_unit_test(test_backoff_never_gives_up_nor_overflows),
        cmocka_unit_test(test_backoff_draws_are_spread_evenly),
        cmocka_unit_test(test_backoff_success_starts_from_the_beginning),
        cmocka_unit_test(test_backoff_refused_waits_between_half_and_all_of_its_pause),
        cmocka_unit_test(test_backoff_one_silent_end_is_a_failure_and_several_are_a_refusal),
        cmocka_unit_test(test_backoff_silence_counts_only_in_a_row),
        cmocka_unit_test(test_backoff_says_beforehand_what_counts_as_a_refusal),
        cmocka_unit_test(test_backoff_bye_is_never_shorter_than_the_server_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
