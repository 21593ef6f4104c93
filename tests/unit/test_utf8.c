/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_utf8.c -- decoding, all of it: every sequence of up to four bytes that matters.
 */
#include "cases.h"

#include <string.h>

#include "base/utf8.h"
#include "support/guard.h"

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

static size_t encode(uint32_t code, char text[4])
{
    if (code < 0x80) {
        text[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)((0xf00u >> len & 0xf0u) | code);
    return len;
}

static void test_utf8_every_code_point_is_decoded_and_every_surrogate_refused(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110100; code++) {
        char text[4];
        struct sl_bytes bytes = {.at = text, .len = encode(code, text)};
        uint32_t decoded = UINT32_MAX;
        size_t len = sl_utf8_next(sl_guard_at_end(&guard, bytes), &decoded);

        if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
            assert_int_equal(len, 0);
            continue;
        }
        assert_int_equal(len, bytes.len);
        assert_int_equal(decoded, code);
    }
}

static void test_utf8_cut_short_or_overlong_is_refused(void **state)
{
    static const struct sl_bytes cases[] = {
        BYTES(""),
        BYTES("\x80"),
        BYTES("\xbf"),
        BYTES("\xc0\x80"),
        BYTES("\xc1\xbf"),
        BYTES("\xc3"),
        BYTES("\xc3\x28"),
        BYTES("\xe2\x82"),
        BYTES("\xe2"),
        BYTES("\xe0\x80\x80"),
        BYTES("\xe0\x9f\xbf"),
        BYTES("\xe2\x28\xa1"),
        BYTES("\xf0"),
        BYTES("\xf0\x9d\x84"),
        BYTES("\xf0\x80\x80\x80"),
        BYTES("\xf0\x8f\xbf\xbf"),
        BYTES("\xf5\x80\x80\x80"),
        BYTES("\xf8\x88\x80\x80\x80"),
        BYTES("\xfe"),
        BYTES("\xff"),
        BYTES("\xc3\xc3"),
        BYTES("\xf0\x9d\x84\x41"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t code;

        assert_int_equal(sl_utf8_next(sl_guard_at_end(&guard, cases[i]), &code), 0);
    }
}

static void test_utf8_visible_characters_leave_a_mark_and_change_nothing_around_them(void **state)
{
    static const uint32_t visible[] = {'!', '~', 0xb0, 0xb5, 0x2126, 0x2103, 0xe4, 0x4e2d, 0x1f321};
    static const uint32_t not_visible[] = {
        0,      '\n',   '\t',   ' ',    0x7f,   0x80,   0x9f,   0xa0,   0xad,    0x200b,  0x200e,
        0x2028, 0x202e, 0x2066, 0x3000, 0xe000, 0xfdd0, 0xfeff, 0xfffe, 0x1ffff, 0xe0041, 0x10ffff};

    (void)state;
    for (size_t i = 0; i < COUNT(visible); i++)
        assert_true(sl_utf8_is_visible(visible[i]));
    for (size_t i = 0; i < COUNT(not_visible); i++)
        assert_false(sl_utf8_is_visible(not_visible[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_every_code_point_is_decoded_and_every_surrogate_refused),
        cmocka_unit_test(test_utf8_cut_short_or_overlong_is_refused),
        cmocka_unit_test(test_utf8_visible_characters_leave_a_mark_and_change_nothing_around_them),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
