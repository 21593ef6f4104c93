/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_value.c -- values keep their digits, become JSON numbers, and print in any locale.
 */
#include "cases.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reading.h"

static enum sl_flaw flaw_of_value(struct sl_bytes value)
{
    struct sl_reading reading = {.name = BYTES("t"), .value = value};
    enum sl_flaw flaw = SL_FLAW_UNIT;
    enum sl_status status = sl_reading_check(&reading, &flaw);

    assert_int_equal(status, flaw == SL_FLAW_NONE ? SL_OK : SL_BAD_INPUT);
    return flaw;
}

static void assert_canonical(const char *value, const char *expected)
{
    char text[SL_VALUE_SIZE];
    char again[SL_VALUE_SIZE];
    size_t len;

    assert_int_equal(flaw_of_value(sl_bytes_of(value)), SL_FLAW_NONE);
    len = sl_value_canonical(sl_bytes_of(value), text);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
    assert_int_equal(flaw_of_value(sl_bytes_of(text)), SL_FLAW_NONE);
    sl_value_canonical(sl_bytes_of(text), again);
    assert_string_equal(again, expected);
}

static void test_value_canonical_form_has_the_same_digits_and_no_more_characters(void **state)
{
    static const char *const cases[][2] = {
        {"22", "22"},
        {"+022.50", "22.5"},
        {".5", "0.5"},
        {"5.", "5"},
        {"-.5", "-0.5"},
        {"-0", "0"},
        {"+0", "0"},
        {"0.000", "0"},
        {"-0.0e5", "0"},
        {"0e999", "0"},
        {"1E+3", "1e3"},
        {"1e3", "1e3"},
        {"1e03", "1e3"},
        {"1e-03", "1e-3"},
        {"1e0", "1"},
        {"1e-0", "1"},
        {"100", "100"},
        {"100e3", "100e3"},
        {"1.50e-10", "1.5e-10"},
        {"0.001", "0.001"},
        {"000123.456000", "123.456"},
        {"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"},
        {"12345678901234567890123456789012345678901234567",
         "12345678901234567890123456789012345678901234567"},
        {"1e-999", "1e-999"},
        {"1e-99999999999999999999", "1e-99999999999999999999"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_canonical(cases[i][0], cases[i][1]);
}

/* The value with one more zero before its first digit, which no value in canonical form has. */
static struct sl_bytes longer(const char *value, char *text)
{
    size_t sign = *value == '-' || *value == '+';
    size_t len = strlen(value);

    memcpy(text, value, sign);
    text[sign] = '0';
    memcpy(text + sign + 1, value + sign, len - sign);
    return (struct sl_bytes){text, len + 1};
}

/*
 * What is canonical already isn't taken apart, and everything else is: both ways must come to the
 * same, for all texts of up to six characters that matter.
 */
static void test_value_written_longer_has_the_same_canonical_form(void **state)
{
    static const char alphabet[] = "-+.015e";
    char value[7] = "";
    char text[SL_VALUE_SIZE], form[SL_VALUE_SIZE], form_of_longer[SL_VALUE_SIZE];
    int taken = 0;

    (void)state;
    for (long code = 1; code < 262144; code++) {
        size_t len = 0;

        for (long rest = code; rest > 0; rest /= 8)
            if (rest % 8 > 0)
                value[len++] = alphabet[rest % 8 - 1];
        value[len] = '\0';
        if (flaw_of_value(sl_bytes_of(value)) != SL_FLAW_NONE)
            continue;
        taken++;
        (void)sl_value_canonical(sl_bytes_of(value), form);
        assert_int_equal(flaw_of_value(longer(value, text)), SL_FLAW_NONE);
        (void)sl_value_canonical(longer(value, text), form_of_longer);
        assert_string_equal(form, form_of_longer);
    }
    assert_in_range(taken, 10000, 262144);
}

static void test_value_of_the_greatest_length_is_taken_and_a_longer_one_is_not(void **state)
{
    static const char digits[] = "1234567890123456789012345678901234567890123456789";
    struct sl_bytes whole = {.at = digits, .len = SL_VALUE_MAX};
    char fraction[SL_VALUE_SIZE] = ".12345678901234567890123456789012345678901234567";
    char text[SL_VALUE_SIZE];

    (void)state;
    assert_int_equal(flaw_of_value(whole), SL_FLAW_NONE);
    assert_int_equal(sl_value_canonical(whole, text), SL_VALUE_MAX);
    whole.len++;
    assert_int_equal(flaw_of_value(whole), SL_FLAW_NOT_A_NUMBER);

    /* In canonical form this one would be a character longer than as sent. */
    assert_int_equal(strlen(fraction), SL_VALUE_MAX);
    assert_int_equal(flaw_of_value(sl_bytes_of(fraction)), SL_FLAW_NOT_A_NUMBER);
    fraction[SL_VALUE_MAX - 1] = '\0';
    assert_int_equal(flaw_of_value(sl_bytes_of(fraction)), SL_FLAW_NONE);
    assert_int_equal(sl_value_canonical(sl_bytes_of(fraction), text), SL_VALUE_MAX);
}

static void test_value_that_is_no_decimal_number_is_refused(void **state)
{
    static const char *const cases[] = {
        "nan", "NaN", "-nan",  "nan(1)",   "0x10", "0X1p3", "1,5",       "1.5.2", "1e",    "1e+",
        "e5",  ".",   "-",     "+",        "--1",  "+-1",   "1-",        "1e5.5", "1e1e1", "1_000",
        "1f",  "0b1", "infx",  "in",       "- 1",  "1'000", "\xd9\xa1",  "1/2",   "1%",    "$1",
        ".e5", "-.",  "1e--5", "infinite", "true", "null",  "1\xc2\xa0",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (flaw_of_value(sl_bytes_of(cases[i])) != SL_FLAW_NOT_A_NUMBER)
            fail_msg("'%s' was taken for something else", cases[i]);
}

static void test_value_beyond_all_doubles_is_not_finite(void **state)
{
    static const char *const cases[] = {
        "inf",
        "-inf",
        "+INF",
        "Infinity",
        "-infinity",
        "1e999",
        "-1e999",
        "1e309",
        "1.8e308",
        "18e307",
        "0.18e309",
        ".00018e312",
        "180000e303",
        "1e99999999999999999999",
        "1.797693134862315807937289714054e308",
        "1.797693134862315807937289714053034150800e308",
        "17976931348623158079372897140530341507993414e265",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (flaw_of_value(sl_bytes_of(cases[i])) != SL_FLAW_NOT_FINITE)
            fail_msg("'%s' was taken for something else", cases[i]);
}

static void test_value_just_below_the_border_is_finite_as_strtod_has_it(void **state)
{
    static const char *const cases[] = {
        "1.7976931348623157e308",
        "-1.7976931348623157e308",
        "17.976931348623157e307",
        "0.17976931348623157e309",
        "1.797693134862315807e308",
        "1.797693134862315807937289714053034150799e308",
        "17976931348623158079372897140530341507993413e265",
        "0.00000000000000000000017976931348623157e330",
        "9.99e307",
        "1e308",
        "1e-999",
        "4.9e-324",
        "0e99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(isfinite(strtod(cases[i], NULL)));
        if (flaw_of_value(sl_bytes_of(cases[i])) != SL_FLAW_NONE)
            fail_msg("'%s' was refused", cases[i]);
    }
}

/* Around the border, digit by digit, ours and strtod()'s judgement have to be the same. */
static void test_value_random_numbers_around_the_border_are_judged_as_by_strtod(void **state)
{
    static const char border[] = "179769313486231580793728971405303415079934132710";
    unsigned seed = 308;

    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        char text[SL_VALUE_SIZE];
        size_t digits = 1 + (size_t)rand_r(&seed) % 42;
        size_t changed = (size_t)rand_r(&seed) % digits;
        int point = rand_r(&seed) % 3;

        (void)snprintf(text, sizeof(text), "%.*s", (int)digits, border);
        text[changed] = (char)('0' + rand_r(&seed) % 10);
        if (text[0] == '0')
            text[0] = '1';
        (void)snprintf(text + digits, sizeof(text) - digits, "e%d", 309 - (int)digits + point - 1);

        bool finite = isfinite(strtod(text, NULL));

        if ((flaw_of_value(sl_bytes_of(text)) == SL_FLAW_NONE) != finite)
            fail_msg("'%s': strtod says %s", text, finite ? "finite" : "not finite");
    }
}

static void assert_prints(double number, const char *expected)
{
    char text[SL_VALUE_SIZE];
    size_t len = 0;

    assert_int_equal(sl_value_print(number, text, &len), SL_OK);
    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(text));
}

static void print_known_numbers(void)
{
    assert_prints(22, "22");
    assert_prints(20, "20");
    assert_prints(-0.0, "0");
    assert_prints(0.1, "0.1");
    assert_prints(-48.5, "-48.5");
    assert_prints(1.0 / 3, "0.3333333333333333");
    assert_prints(1e22, "1e22");
    assert_prints(1.5e-7, "1.5e-7");
    assert_prints(DBL_MAX, "1.7976931348623157e308");
    assert_prints(-DBL_MAX, "-1.7976931348623157e308");
    assert_prints(DBL_MIN, "2.2250738585072014e-308");
    assert_prints(5e-324, "5e-324");
    assert_prints(0.1 + 0.2, "0.30000000000000004");
}

static void test_value_printed_is_the_shortest_text_that_reads_back(void **state)
{
    (void)state;
    print_known_numbers();
}

static void test_value_nan_and_infinity_are_not_printed(void **state)
{
    char text[SL_VALUE_SIZE];
    size_t len;

    (void)state;
    assert_int_equal(sl_value_print(NAN, text, &len), SL_BAD_INPUT);
    assert_int_equal(sl_value_print(INFINITY, text, &len), SL_BAD_INPUT);
    assert_int_equal(sl_value_print(-INFINITY, text, &len), SL_BAD_INPUT);
}

static void test_value_random_doubles_read_back_as_the_same_bits(void **state)
{
    unsigned seed = 754;

    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        char text[SL_VALUE_SIZE];
        uint64_t bits = 0;
        double number;
        size_t len;

        for (int i = 0; i < 5; i++)
            bits = bits << 15 ^ (uint64_t)rand_r(&seed);
        memcpy(&number, &bits, sizeof(number));
        if (!isfinite(number))
            continue;
        assert_int_equal(sl_value_print(number, text, &len), SL_OK);
        assert_true(strtod(text, NULL) == number);
        assert_int_equal(flaw_of_value(sl_bytes_of(text)), SL_FLAW_NONE);
    }
}

/*
 * A locale with a comma may not be installed, so one is compiled into a temporary folder with
 * localedef(1) where there is such a program; without it there is nothing to test against.
 */
static bool use_locale_with_comma(void)
{
    static const char *const known[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};

    for (size_t i = 0; i < COUNT(known); i++)
        if (setlocale(LC_ALL, known[i]) != NULL && localeconv()->decimal_point[0] == ',')
            return true;
    char folder[] = "/tmp/sensorlink-locale-XXXXXX";
    char command[256];

    if (mkdtemp(folder) == NULL)
        return false;
    (void)snprintf(command, sizeof(command),
                   "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);

    bool made = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 &&
                setlocale(LC_ALL, "de_DE.UTF-8") != NULL;

    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) == 0 && made && localeconv()->decimal_point[0] == ',';
}

static void test_value_in_a_locale_with_a_decimal_comma_is_read_and_printed_the_same(void **state)
{
    (void)state;
    if (!use_locale_with_comma()) {
        print_message("no locale with a decimal comma, and none could be made\n");
        skip();
    }
    assert_canonical("22.50", "22.5");
    assert_int_equal(flaw_of_value(sl_bytes_of("22,5")), SL_FLAW_NOT_A_NUMBER);
    assert_int_equal(flaw_of_value(sl_bytes_of("1.8e308")), SL_FLAW_NOT_FINITE);
    print_known_numbers();
    assert_non_null(setlocale(LC_ALL, "C"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_canonical_form_has_the_same_digits_and_no_more_characters),
        cmocka_unit_test(test_value_written_longer_has_the_same_canonical_form),
        cmocka_unit_test(test_value_of_the_greatest_length_is_taken_and_a_longer_one_is_not),
        cmocka_unit_test(test_value_that_is_no_decimal_number_is_refused),
        cmocka_unit_test(test_value_beyond_all_doubles_is_not_finite),
        cmocka_unit_test(test_value_just_below_the_border_is_finite_as_strtod_has_it),
        cmocka_unit_test(test_value_random_numbers_around_the_border_are_judged_as_by_strtod),
        cmocka_unit_test(test_value_printed_is_the_shortest_text_that_reads_back),
        cmocka_unit_test(test_value_nan_and_infinity_are_not_printed),
        cmocka_unit_test(test_value_random_doubles_read_back_as_the_same_bits),
        cmocka_unit_test(test_value_in_a_locale_with_a_decimal_comma_is_read_and_printed_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
