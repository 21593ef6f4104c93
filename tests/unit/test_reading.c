/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_reading.c -- `name: value[ unit]`, taken and refused.
 */
#include "cases.h"

#include <string.h>

#include "support/guard.h"
#include "wire/frame.h"
#include "wire/reading.h"

#define A63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

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

/* The flaw, found the same with unreadable memory right before and right after the text. */
static enum sl_flaw parse(struct sl_bytes text, struct sl_reading *reading)
{
    enum sl_flaw before = SL_FLAW_NONE;
    enum sl_flaw after = SL_FLAW_NONE;
    enum sl_status at_start = sl_reading_parse(sl_guard_at_start(&guard, text), reading, &before);
    enum sl_status at_end = sl_reading_parse(sl_guard_at_end(&guard, text), reading, &after);

    assert_int_equal(at_start, at_end);
    assert_int_equal(before, after);
    assert_int_equal(at_end, after == SL_FLAW_NONE ? SL_OK : SL_BAD_INPUT);
    return after;
}

static void test_reading_of_each_good_form_is_taken_apart(void **state)
{
    static const char *const cases[][4] = {
        {"temperature: 22", "temperature", "22", ""},
        {"humidity: 48.5 %RH", "humidity", "48.5", "%RH"},
        {"t:1", "t", "1", ""},
        {"  t  :  1  Cel  ", "t", "1", "Cel"},
        {"t: 1 °C", "t", "1", "°C"},
        {"t: 1 µg/m³", "t", "1", "µg/m³"},
        {"t: 1 m/s:x", "t", "1", "m/s:x"},
        {"a.b_c-d9: -1e-3", "a.b_c-d9", "-1e-3", ""},
        {"Z: +.5 V", "Z", "+.5", "V"},
        {A63 "X: 1", A63 "X", "1", ""},
        {"t: 1 1234567890123456", "t", "1", "1234567890123456"},
        {"t: 1 °°°°°°°°°°°°°°°°", "t", "1", "°°°°°°°°°°°°°°°°"},
        {"t: 1 \xf0\x9d\x84\x9e", "t", "1", "\xf0\x9d\x84\x9e"},
        {"t: 1 \"", "t", "1", "\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_reading reading = {.time_us = 42};

        if (parse(sl_bytes_of(cases[i][0]), &reading) != SL_FLAW_NONE)
            fail_msg("'%s' was refused", cases[i][0]);
        assert_bytes(reading.name, cases[i][1]);
        assert_bytes(reading.value, cases[i][2]);
        assert_bytes(reading.unit, cases[i][3]);
        assert_int_equal(reading.time_us, 42);
    }
}

static void test_reading_of_each_bad_form_is_refused_for_its_reason(void **state)
{
    static const struct {
        struct sl_bytes text;
        enum sl_flaw flaw;
    } cases[] = {
        {BYTES(""), SL_FLAW_NO_COLON},
        {BYTES(" "), SL_FLAW_NO_COLON},
        {BYTES("temperature"), SL_FLAW_NO_COLON},
        {BYTES("22"), SL_FLAW_NO_COLON},
        {BYTES("GET / HTTP/1.1"), SL_FLAW_NO_COLON},
        {BYTES(":"), SL_FLAW_NAME},
        {BYTES(": 22"), SL_FLAW_NAME},
        {BYTES("  : 22"), SL_FLAW_NAME},
        {BYTES("9t: 22"), SL_FLAW_NAME},
        {BYTES("_t: 22"), SL_FLAW_NAME},
        {BYTES("-t: 22"), SL_FLAW_NAME},
        {BYTES("a b: 22"), SL_FLAW_NAME},
        {BYTES("\xc3\xa4: 22"), SL_FLAW_NAME},
        {BYTES("a\xc3\xa4: 22"), SL_FLAW_NAME},
        {BYTES("a/b: 22"), SL_FLAW_NAME},
        {BYTES(A63 "XY: 22"), SL_FLAW_NAME},
        {BYTES("1764000000 t: 22"), SL_FLAW_NAME},
        {BYTES("t:"), SL_FLAW_NO_VALUE},
        {BYTES("t:   "), SL_FLAW_NO_VALUE},
        {BYTES("t: nan"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t: 0x10"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t: 1,5"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t: twenty"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t:: 22"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t: 22Cel"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t: inf"), SL_FLAW_NOT_FINITE},
        {BYTES("t: 1e999"), SL_FLAW_NOT_FINITE},
        {BYTES("t: -1e999 V"), SL_FLAW_NOT_FINITE},
        {BYTES("t: 1 a b"), SL_FLAW_UNIT},
        {BYTES("t: 1 12345678901234567"), SL_FLAW_UNIT},
        {BYTES("t: 1 \xc2\xa0"), SL_FLAW_UNIT},
        {BYTES("t: 1 \xe2\x80\xae"), SL_FLAW_UNIT},
        {BYTES("t: 1 \xe2\x80\x8b"), SL_FLAW_UNIT},
        {BYTES("t: 1 \xef\xbb\xbf"), SL_FLAW_UNIT},
        {BYTES("t: 1\0"), SL_FLAW_NOT_TEXT},
        {BYTES("\0t: 1"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 2\0002"), SL_FLAW_NOT_TEXT},
        {BYTES("t:\t22"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22\r"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22\x1b[31m"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22\x7f"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xc2\x85"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xff"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xc3"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xe2\x82"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xc0\xaf"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xed\xa0\x80"), SL_FLAW_NOT_TEXT},
        {BYTES("t: 22 \xf4\x90\x80\x80"), SL_FLAW_NOT_TEXT},
        {BYTES("\xff: 22"), SL_FLAW_NOT_TEXT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_reading reading = {0};
        enum sl_flaw flaw = parse(cases[i].text, &reading);

        if (flaw != cases[i].flaw)
            fail_msg("'%.*s': %s instead of %s", (int)cases[i].text.len, cases[i].text.at,
                     sl_flaw_id(flaw), sl_flaw_id(cases[i].flaw));
    }
}

static void test_reading_with_a_control_byte_at_any_place_is_not_text(void **state)
{
    static const char text[] = "temperature: 22.5 Cel and quite a long tail that is no unit";

    (void)state;
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char copy[sizeof(text)];
            struct sl_bytes bytes = {.at = copy, .len = sizeof(text) - 1};
            struct sl_reading reading;
            bool clean = byte >= ' ' && byte <= '~';

            memcpy(copy, text, sizeof(text));
            copy[at] = (char)byte;
            assert_int_equal(sl_text_is_clean(bytes), clean);
            if (!clean)
                assert_int_equal(parse(bytes, &reading), SL_FLAW_NOT_TEXT);
        }
    }
}

static void test_text_of_every_code_point_is_clean_unless_it_is_a_control(void **state)
{
    (void)state;
    for (uint32_t code = 0x80; code <= 0x10ffff; code++) {
        char text[4];
        size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        uint32_t rest = code;

        for (size_t i = len - 1; i > 0; i--, rest >>= 6)
            text[i] = (char)(0x80 | (rest & 0x3f));
        text[0] = (char)((0xf00u >> len & 0xf0u) | rest);

        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        struct sl_bytes bytes = {.at = text, .len = len};

        assert_int_equal(sl_text_is_clean(bytes), code > 0x9f && !surrogate);
    }
}

static void test_reading_checked_by_parts_is_judged_as_the_line_is(void **state)
{
    static const struct {
        struct sl_bytes name, value, unit;
        enum sl_flaw flaw;
    } cases[] = {
        {BYTES("t"), BYTES("22"), BYTES(""), SL_FLAW_NONE},
        {BYTES("t"), BYTES("22"), BYTES("Cel"), SL_FLAW_NONE},
        {BYTES(""), BYTES("22"), BYTES(""), SL_FLAW_NAME},
        {BYTES(" t"), BYTES("22"), BYTES(""), SL_FLAW_NAME},
        {BYTES("t"), BYTES(""), BYTES(""), SL_FLAW_NO_VALUE},
        {BYTES("t"), BYTES(" 22"), BYTES(""), SL_FLAW_NOT_A_NUMBER},
        {BYTES("t"), BYTES("1e999"), BYTES(""), SL_FLAW_NOT_FINITE},
        {BYTES("t"), BYTES("22"), BYTES("a b"), SL_FLAW_UNIT},
        {BYTES("t"), BYTES("22"), BYTES("a\n"), SL_FLAW_NOT_TEXT},
        {BYTES("t\n"), BYTES("22"), BYTES("a"), SL_FLAW_NOT_TEXT},
        {BYTES("t"), BYTES("22\0"), BYTES("a"), SL_FLAW_NOT_TEXT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_reading reading = {
            .name = cases[i].name, .value = cases[i].value, .unit = cases[i].unit};
        enum sl_flaw flaw = SL_FLAW_NONE;
        enum sl_status status = sl_reading_check(&reading, &flaw);

        assert_int_equal(flaw, cases[i].flaw);
        assert_int_equal(status, flaw == SL_FLAW_NONE ? SL_OK : SL_BAD_INPUT);
    }
}

static void test_reading_printed_has_its_value_in_canonical_form(void **state)
{
    struct sl_reading reading;
    char text[SL_LINE_MAX];
    size_t len = 0;

    (void)state;
    assert_int_equal(parse(sl_bytes_of(" t :+022.50   Cel "), &reading), SL_FLAW_NONE);
    assert_int_equal(sl_reading_print(&reading, text, sizeof(text), &len), SL_OK);
    assert_string_equal(text, "t: 22.5 Cel");
    assert_int_equal(len, strlen(text));
}

static void test_reading_printed_into_too_little_room_is_refused(void **state)
{
    struct sl_reading reading;
    char text[SL_LINE_MAX];
    size_t len = 0;

    (void)state;
    assert_int_equal(parse(sl_bytes_of("t: 22 Cel"), &reading), SL_FLAW_NONE);
    assert_int_equal(sl_reading_print(&reading, text, 10, &len), SL_OK);
    for (size_t size = 0; size < 10; size++)
        assert_int_equal(sl_reading_print(&reading, text, size, &len), SL_LIMIT);
}

static void test_flaw_ids_and_texts_are_there_and_all_different(void **state)
{
    (void)state;
    for (int a = SL_FLAW_NONE; a <= SL_FLAW_NOT_TEXT; a++) {
        assert_true(strlen(sl_flaw_id((enum sl_flaw)a)) > 0);
        assert_true(strlen(sl_flaw_text((enum sl_flaw)a)) > 0);
        for (int b = SL_FLAW_NONE; b < a; b++)
            assert_string_not_equal(sl_flaw_id((enum sl_flaw)a), sl_flaw_id((enum sl_flaw)b));
    }
    assert_string_equal(sl_flaw_id(SL_FLAW_NOT_A_NUMBER), "not-a-number");
    assert_string_equal(sl_flaw_id((enum sl_flaw)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_of_each_good_form_is_taken_apart),
        cmocka_unit_test(test_reading_of_each_bad_form_is_refused_for_its_reason),
        cmocka_unit_test(test_reading_with_a_control_byte_at_any_place_is_not_text),
        cmocka_unit_test(test_text_of_every_code_point_is_clean_unless_it_is_a_control),
        cmocka_unit_test(test_reading_checked_by_parts_is_judged_as_the_line_is),
        cmocka_unit_test(test_reading_printed_has_its_value_in_canonical_form),
        cmocka_unit_test(test_reading_printed_into_too_little_room_is_refused),
        cmocka_unit_test(test_flaw_ids_and_texts_are_there_and_all_different),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
