/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_number.c -- the first number in what files and commands say, and scaling without rounding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/number.h"

struct found {
    const char *text;
    const char *number; /* null: none */
};

static void expect_found(const struct found *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sl_bytes number = {NULL, 0};
        bool found = sl_number_find(sl_bytes_of(cases[i].text), &number);
        if (found != (cases[i].number != NULL))
            fail_msg("'%s': %s", cases[i].text, found ? "found one" : "found none");
        if (found && !sl_bytes_equal(number, sl_bytes_of(cases[i].number)))
            fail_msg("'%s': found '%.*s'", cases[i].text, (int)number.len, number.at);
    }
}

static void test_number_is_found_where_it_stands(void **state)
{
    (void)state;
    static const struct found cases[] = {
        {"22", "22"},
        {"22\n", "22"},
        {"  temp=+21500 mC", "+21500"},
        {"0.15 0.10 1/234 2/345 6789\n", "0.15"},
        {"-5", "-5"},
        {"t=-0.5C", "-0.5"},
        {"21.5C", "21.5"},
        {"+45.0\xc2\xb0"
         "C (high = +80.0)",
         "+45.0"},
        {"1.5e3", "1.5e3"},
        {"1E-3 x", "1E-3"},
        {"5e", "5"},
        {"5e+", "5"},
        {".5", ".5"},
        {"5.", "5."},
        {"-.5", "-.5"},
        {"--5", "-5"},
        {"12,34", "12"},
        {"1.2.3", "1.2"},
        {"Core 0: +45.0", "0"},
        {"(100%)", "100"},
    };
    expect_found(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_number_within_a_word_does_not_count(void **state)
{
    (void)state;
    static const struct found cases[] = {
        {"temp1_input: 45000", "45000"},
        {"k10temp-pci-00c3 7", "7"},
        {"w1_slave t=23125", "23125"},
        {"0x10 7", "7"},
        {"-0x1f", NULL},
        {"sensor_2", NULL},
        {"nan", NULL},
        {"inf", NULL},
        {"e5", NULL},
    };
    expect_found(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_number_is_not_found_where_there_is_none(void **state)
{
    (void)state;
    static const struct found cases[] = {
        {"", NULL}, {"\n", NULL}, {"-", NULL}, {"+.", NULL}, {".", NULL}, {"no data", NULL},
    };
    expect_found(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_number_is_one_only_as_a_whole(void **state)
{
    (void)state;
    assert_true(sl_number_is(sl_bytes_of("0.001")));
    assert_true(sl_number_is(sl_bytes_of("-1e-3")));
    assert_false(sl_number_is(sl_bytes_of("")));
    assert_false(sl_number_is(sl_bytes_of("1 ")));
    assert_false(sl_number_is(sl_bytes_of("1x")));
}

static void test_number_scaled_is_exact(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        const char *scale;
        const char *product;
    } cases[] = {
        {"45123", "0.001", "45.123"}, {"45000", "0.001", "45"},
        {"-5", "0.001", "-0.005"},    {"123", "0.001", "0.123"},
        {"0", "0.001", "0"},          {"-0", "3", "0"},
        {"21500", "1e-3", "21.5"},    {"3", "-2", "-6"},
        {"+1.5", "1.5", "2.25"},      {"0.1", "3", "0.3"},
        {"1e3", "2", "2000"},         {"123456789012345678", "10", "1234567890123456780"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[SL_VALUE_SIZE];
        char canonical[SL_VALUE_SIZE];
        char expected[SL_VALUE_SIZE];
        size_t len = 0;
        assert_int_equal(
            sl_number_scale(sl_bytes_of(cases[i].number), sl_bytes_of(cases[i].scale), out, &len),
            SL_OK);
        (void)sl_value_canonical((struct sl_bytes){out, len}, canonical);
        (void)sl_value_canonical(sl_bytes_of(cases[i].product), expected);
        if (strcmp(canonical, expected) != 0)
            fail_msg("%s * %s is '%s'", cases[i].number, cases[i].scale, canonical);
    }
}

static void test_number_scaled_beyond_a_double_is_refused(void **state)
{
    (void)state;
    char out[SL_VALUE_SIZE];
    size_t len = 0;
    assert_int_equal(sl_number_scale(sl_bytes_of("1e308"), sl_bytes_of("1e308"), out, &len),
                     SL_BAD_INPUT);
    assert_int_equal(
        sl_number_scale(sl_bytes_of("9999999999999999999999"), sl_bytes_of("1"), out, &len), SL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_is_found_where_it_stands),
        cmocka_unit_test(test_number_within_a_word_does_not_count),
        cmocka_unit_test(test_number_is_not_found_where_there_is_none),
        cmocka_unit_test(test_number_is_one_only_as_a_whole),
        cmocka_unit_test(test_number_scaled_is_exact),
        cmocka_unit_test(test_number_scaled_beyond_a_double_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
