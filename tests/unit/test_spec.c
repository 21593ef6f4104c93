/* SPDX-License-Identifier: Apache-2.0 */
/* test_spec.c -- what people write for --read and --exec, and the lines of --stdin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client/spec.h"

#define NO_TIME_GIVEN INT64_C(-7)

static void expect_part(struct sl_bytes part, const char *expected)
{
    if (!sl_bytes_equal(part, sl_bytes_of(expected)))
        fail_msg("'%.*s' instead of '%s'", (int)part.len, part.at, expected);
}

static void expect_spec(const char *text, bool scaled, const char *name, const char *unit,
                        const char *what, const char *scale)
{
    struct sl_spec spec;
    const char *wrong = "";
    if (sl_spec_parse(text, scaled, &spec, &wrong) != SL_OK)
        fail_msg("'%s': %s", text, wrong);
    expect_part(spec.name, name);
    expect_part(spec.unit, unit);
    expect_part(spec.what, what);
    expect_part(spec.scale, scale);
}

static void test_spec_of_a_file_has_name_unit_path_and_scale(void **state)
{
    (void)state;
    expect_spec("load=/proc/loadavg", true, "load", "", "/proc/loadavg", "");
    expect_spec("cpu:Cel=/sys/class/thermal/thermal_zone0/temp*0.001", true, "cpu", "Cel",
                "/sys/class/thermal/thermal_zone0/temp", "0.001");
    expect_spec("a=/x*y", true, "a", "", "/x*y", "");
    expect_spec("a=/x*2*-1e3", true, "a", "", "/x*2", "-1e3");
    expect_spec("a=/x=y:z", true, "a", "", "/x=y:z", "");
}

static void test_spec_of_a_command_keeps_its_stars(void **state)
{
    (void)state;
    expect_spec("n:1=echo 2*3", false, "n", "1", "echo 2*3", "");
}

static void test_spec_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",         "load",     "=x",
        "load=",    "1load=/x", "lo ad=/x",
        "a:b c=/x", "a=*2",     "a:seventeen-letters=/x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sl_spec spec;
        const char *wrong = NULL;
        if (sl_spec_parse(bad[i], true, &spec, &wrong) != SL_BAD_INPUT)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(wrong);
    }
}

static void expect_line(const char *line, const char *name, int64_t expected_time,
                        const char *expected)
{
    char out[128];
    size_t len = 0;
    const char *wrong = "";
    int64_t time_us = NO_TIME_GIVEN;
    if (sl_spec_parse_line(sl_bytes_of(line), name, &time_us, out, sizeof(out), &len, &wrong) !=
        SL_OK)
        fail_msg("'%s': %s", line, wrong);
    expect_part((struct sl_bytes){out, len}, expected);
    if (time_us != expected_time)
        fail_msg("'%s': time %lld", line, (long long)time_us);
}

static void test_spec_line_without_a_time_is_a_reading(void **state)
{
    (void)state;
    expect_line("temperature: 22", NULL, NO_TIME_GIVEN, "temperature: 22");
    expect_line("  humidity: 48.5 %RH \r", NULL, NO_TIME_GIVEN, "humidity: 48.5 %RH");
    expect_line("temperature: 22", "other", NO_TIME_GIVEN, "temperature: 22");
}

static void test_spec_line_with_a_time_has_it(void **state)
{
    (void)state;
    int64_t noon = INT64_C(1763899200000000);
    expect_line("1763899200 t: 1", NULL, noon, "t: 1");
    expect_line("1763899200.25 t: 1", NULL, noon + 250000, "t: 1");
    expect_line("2025-11-23T12:00:00Z t: 1", NULL, noon, "t: 1");
    expect_line("2025-11-23 12:00:00 t: 1 Cel", NULL, noon, "t: 1 Cel");
    expect_line("2025-11-23T14:00:00+02:00\tt: 1", NULL, noon, "t: 1");
    expect_line("2025-11-23 t: 1", NULL, noon - INT64_C(43200000000), "t: 1");
    expect_line("- t: 1", NULL, SL_TIME_NONE, "t: 1");
}

static void test_spec_line_with_a_name_may_be_a_bare_number(void **state)
{
    (void)state;
    int64_t noon = INT64_C(1763899200000000);
    expect_line("22", "t", NO_TIME_GIVEN, "t: 22");
    expect_line("-5.5", "t", NO_TIME_GIVEN, "t: -5.5");
    expect_line("22 Cel", "t", NO_TIME_GIVEN, "t: 22 Cel");
    expect_line("1763899200 22", "t", noon, "t: 22");
    expect_line("1763899200 22 Cel", "t", noon, "t: 22 Cel");
    expect_line("2025-11-23T12:00:00Z .5", "t", noon, "t: .5");
    expect_line("2025-11-23 12:00:00 22", "t", noon, "t: 22");
    expect_line("1763899200 u: 3", "t", noon, "u: 3");
}

static void test_spec_line_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"22", ": 3", "!", "1763899200", "2025-99-99 t: 1", "\xff: 1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char out[64];
        size_t len = 0;
        const char *wrong = NULL;
        int64_t time_us = 0;
        if (sl_spec_parse_line(sl_bytes_of(bad[i]), NULL, &time_us, out, sizeof(out), &len,
                               &wrong) != SL_BAD_INPUT)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(wrong);
    }
}

static void test_spec_line_too_long_or_with_a_zero_is_refused(void **state)
{
    (void)state;
    char out[8];
    size_t len = 0;
    const char *wrong = NULL;
    int64_t time_us = 0;
    assert_int_equal(
        sl_spec_parse_line(sl_bytes_of("t: 1234"), NULL, &time_us, out, sizeof(out), &len, &wrong),
        SL_OK);
    assert_int_equal(
        sl_spec_parse_line(sl_bytes_of("t: 12345"), NULL, &time_us, out, sizeof(out), &len, &wrong),
        SL_BAD_INPUT);
    struct sl_bytes zero = {"t: 1\0", 5};
    assert_int_equal(sl_spec_parse_line(zero, NULL, &time_us, out, sizeof(out), &len, &wrong),
                     SL_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec_of_a_file_has_name_unit_path_and_scale),
        cmocka_unit_test(test_spec_of_a_command_keeps_its_stars),
        cmocka_unit_test(test_spec_that_is_none_is_refused),
        cmocka_unit_test(test_spec_line_without_a_time_is_a_reading),
        cmocka_unit_test(test_spec_line_with_a_time_has_it),
        cmocka_unit_test(test_spec_line_with_a_name_may_be_a_bare_number),
        cmocka_unit_test(test_spec_line_that_is_none_is_refused),
        cmocka_unit_test(test_spec_line_too_long_or_with_a_zero_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
