/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_clock.c -- times as text, against known dates and against the C library's calendar.
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "support/guard.h"

#define LAST_US INT64_C(253402300799999999)

static struct sl_guard guard;

static int open_guard(void **state)
{
    (void)state;
    sl_guard_open(&guard);
    return 0;
}

static int close_guard(void **state)
{
    (void)state;
    sl_guard_close(&guard);
    return 0;
}

static void test_time_unix_prints_as_many_decimals_as_needed(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1, "0.000001"},
        {100000, "0.1"},
        {1000000, "1"},
        {INT64_C(1764000000250000), "1764000000.25"},
        {LAST_US, "253402300799.999999"},
        {INT64_MAX, "9223372036854.775807"},
        {-1, "-0.000001"},
        {-1500000, "-1.5"},
        {INT64_MIN + 1, "-9223372036854.775807"},
        {SL_TIME_NONE, "-"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[SL_TIME_TEXT_SIZE];

        assert_int_equal(sl_time_print_unix(cases[i].us, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void test_time_unix_is_read_exactly(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"0", 0},
        {"0.1", 100000},
        {"1764000000.25", INT64_C(1764000000250000)},
        {"1764000000.000001", INT64_C(1764000000000001)},
        {"1764000000.000000", INT64_C(1764000000000000)},
        {"000000000001", 1000000},
        {"253402300799.999999", LAST_US},
        {"-", SL_TIME_NONE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t us = 77;
        struct sl_bytes text = sl_guard_at_end(&guard, sl_bytes_of(cases[i].text));

        assert_int_equal(sl_time_parse_unix(text, &us), SL_OK);
        assert_true(us == cases[i].us);
    }
}

static void test_time_unix_is_taken_off_the_front_as_far_as_it_goes(void **state)
{
    static const struct {
        struct sl_bytes text;
        int64_t us;
        size_t rest;
    } cases[] = {
        {BYTES("1764000000.25 t: 1"), INT64_C(1764000000250000), 5},
        {BYTES("0x"), 0, 1},
        {BYTES("1.5.5"), 1500000, 2},
        {BYTES("1.1234567"), 1123456, 1},
        {BYTES("- t: 1"), SL_TIME_NONE, 5},
        {BYTES("-5"), SL_TIME_NONE, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_bytes text = sl_guard_at_end(&guard, cases[i].text);
        int64_t us = 0;

        assert_int_equal(sl_time_take_unix(&text, &us), SL_OK);
        assert_int_equal(us, cases[i].us);
        assert_int_equal(text.len, cases[i].rest);
    }
}

static void test_time_unix_that_is_none_is_refused(void **state)
{
    static const struct sl_bytes cases[] = {
        BYTES(""),
        BYTES("."),
        BYTES("1."),
        BYTES(".5"),
        BYTES("-1"),
        BYTES("--"),
        BYTES("- "),
        BYTES("+1"),
        BYTES(" 1"),
        BYTES("1 "),
        BYTES("1,5"),
        BYTES("1e9"),
        BYTES("0x10"),
        BYTES("1.1234567"),
        BYTES("1.5.5"),
        BYTES("253402300800"),
        BYTES("nan"),
        BYTES("now"),
        BYTES("1\0"),
        BYTES("0000000000001"),
        BYTES("99999999999999999999"),
        BYTES("1.-5"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t us = 77;

        if (sl_time_parse_unix(sl_guard_at_end(&guard, cases[i]), &us) != SL_BAD_INPUT)
            fail_msg("'%.*s' was taken", (int)cases[i].len, cases[i].at);
    }
}

static void test_time_iso_prints_utc_with_milliseconds(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1764000000250000), "2025-11-24T16:00:00.250Z"},
        {INT64_C(4107542400000000), "2100-03-01T00:00:00.000Z"},
        {LAST_US, "9999-12-31T23:59:59.999Z"},
        {SL_TIME_NONE, "-"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[SL_TIME_TEXT_SIZE];

        assert_int_equal(sl_time_print_iso(cases[i].us, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void test_time_iso_of_the_farthest_times_fits_its_buffer(void **state)
{
    char text[SL_TIME_TEXT_SIZE];

    (void)state;
    assert_int_equal(sl_time_print_iso(INT64_MAX, text), 26);
    assert_string_equal(text, "294247-01-10T04:00:54.775Z");
    assert_int_equal(sl_time_print_iso(INT64_MIN + 1, text), 27);
    assert_string_equal(text, "-290308-12-21T19:59:05.224Z");
}

static void test_time_iso_agrees_with_the_c_library_and_reads_back(void **state)
{
    unsigned seed = 1970;

    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 50000; round++) {
        int64_t seconds = ((int64_t)rand_r(&seed) << 31 | rand_r(&seed)) % (LAST_US / 1000000);
        time_t when = (time_t)seconds;
        struct tm tm;
        char expected[64];
        char text[SL_TIME_TEXT_SIZE];
        int64_t us = 0;

        assert_non_null(gmtime_r(&when, &tm));
        assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.123Z", &tm) > 0);
        size_t len = sl_time_print_iso(seconds * 1000000 + 123456, text);

        assert_string_equal(text, expected);
        assert_int_equal(sl_time_parse_iso((struct sl_bytes){.at = text, .len = len}, &us), SL_OK);
        assert_true(us == seconds * 1000000 + 123000);
    }
}

static void test_time_iso_is_read_in_all_its_forms(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01", 0},
        {"2025-11-24T16:00:00Z", INT64_C(1764000000000000)},
        {"2025-11-24t16:00:00z", INT64_C(1764000000000000)},
        {"2025-11-24 16:00:00", INT64_C(1764000000000000)},
        {"2025-11-24T16:00:00.25Z", INT64_C(1764000000250000)},
        {"2025-11-24T16:00:00.123456789Z", INT64_C(1764000000123456)},
        {"2025-11-24T17:30:00+01:30", INT64_C(1764000000000000)},
        {"2025-11-24T10:00:00.5-06:00", INT64_C(1764000000500000)},
        {"2024-02-29", INT64_C(1709164800000000)},
        {"2000-02-29", INT64_C(951782400000000)},
        {"9999-12-31T23:59:59.999999Z", LAST_US},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t us = 77;
        struct sl_bytes text = sl_guard_at_end(&guard, sl_bytes_of(cases[i].text));

        if (sl_time_parse_iso(text, &us) != SL_OK)
            fail_msg("'%s' was refused", cases[i].text);
        assert_true(us == cases[i].us);
    }
}

static void test_time_iso_that_is_none_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "2025",
        "2025-11",
        "2025-11-2",
        "25-11-24",
        "2025-00-24",
        "2025-13-01",
        "2025-11-00",
        "2025-11-31",
        "2023-02-29",
        "2100-02-29",
        "2025-11-24T",
        "2025-11-24T16",
        "2025-11-24T16:00",
        "2025-11-24T24:00:00Z",
        "2025-11-24T16:60:00Z",
        "2025-11-24T16:00:60Z",
        "2025-11-24T16:00:00.",
        "2025-11-24T16:00:00.Z",
        "2025-11-24T16:00:00.1234567890123Z",
        "2025-11-24T16:00:00+1:00",
        "2025-11-24T16:00:00+0100",
        "2025-11-24T16:00:00+24:00",
        "2025-11-24T16:00:00Zx",
        "2025-11-24X16:00:00Z",
        "2025/11/24",
        " 2025-11-24",
        "2025-11-24 ",
        "1969-12-31",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "-",
        "1764000000",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t us = 77;

        if (sl_time_parse_iso(sl_guard_at_end(&guard, sl_bytes_of(cases[i])), &us) != SL_BAD_INPUT)
            fail_msg("'%s' was taken", cases[i]);
    }
}

static void test_clock_monotonic_never_goes_back_and_wall_is_that_of_the_system(void **state)
{
    int64_t last = sl_clock_monotonic_ms();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t now = sl_clock_monotonic_ms();

        assert_true(now >= last);
        last = now;
    }
    int64_t before = (int64_t)time(NULL);
    int64_t wall = sl_clock_wall_us() / 1000000;

    /* time() may lag behind by the length of a tick. */
    assert_in_range(wall, before, (int64_t)time(NULL) + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_unix_prints_as_many_decimals_as_needed),
        cmocka_unit_test(test_time_unix_is_read_exactly),
        cmocka_unit_test(test_time_unix_is_taken_off_the_front_as_far_as_it_goes),
        cmocka_unit_test(test_time_unix_that_is_none_is_refused),
        cmocka_unit_test(test_time_iso_prints_utc_with_milliseconds),
        cmocka_unit_test(test_time_iso_of_the_farthest_times_fits_its_buffer),
        cmocka_unit_test(test_time_iso_agrees_with_the_c_library_and_reads_back),
        cmocka_unit_test(test_time_iso_is_read_in_all_its_forms),
        cmocka_unit_test(test_time_iso_that_is_none_is_refused),
        cmocka_unit_test(test_clock_monotonic_never_goes_back_and_wall_is_that_of_the_system),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
