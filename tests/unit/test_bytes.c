/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_bytes.c -- views, growing buffers, and the names of the statuses.
 */
#include "cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static struct sl_bytes content(const struct sl_buffer *buffer)
{
    return (struct sl_bytes){.at = buffer->at, .len = buffer->len};
}

static void test_bytes_are_equal_where_length_and_bytes_are(void **state)
{
    struct sl_bytes zero_inside = BYTES("a\0b");
    struct sl_bytes other = BYTES("a\0c");

    (void)state;
    assert_true(sl_bytes_equal(zero_inside, zero_inside));
    assert_false(sl_bytes_equal(zero_inside, other));
    assert_false(sl_bytes_equal(zero_inside, sl_bytes_of("a")));
    assert_true(sl_bytes_equal((struct sl_bytes){0}, sl_bytes_of("")));
}

static void assert_digits(uint64_t number)
{
    char expected[SL_DIGITS_MAX + 1];
    char digits[SL_DIGITS_MAX + 1] = "";
    char padded[SL_DIGITS_MAX];
    size_t len = (size_t)snprintf(expected, sizeof expected, "%" PRIu64, number);

    assert_int_equal(sl_digits_print(number, digits), len);
    assert_string_equal(digits, expected);
    (void)snprintf(expected, sizeof expected, "%020" PRIu64, number);
    sl_digits_put(number, sizeof padded, padded);
    assert_memory_equal(padded, expected, sizeof padded);
    sl_digits_put(number, 3, padded);
    assert_memory_equal(padded, expected + SL_DIGITS_MAX - 3, 3);
}

static void test_digits_are_those_of_printf(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (uint64_t number = 0; number < 20000; number++)
        assert_digits(number);
    for (int digits = 1; digits <= SL_DIGITS_MAX; digits++, power *= 10) {
        assert_digits(power - 1);
        assert_digits(power);
        assert_digits(power + power / 3);
    }
    assert_digits(UINT64_MAX);
}

static void test_buffer_grows_to_its_limit_and_not_beyond(void **state)
{
    struct sl_buffer buffer = {0};

    (void)state;
    assert_int_equal(sl_buffer_add(&buffer, sl_bytes_of("12345"), 4), SL_LIMIT);
    assert_int_equal(buffer.len, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(sl_buffer_add(&buffer, sl_bytes_of("0123456789"), 10000), SL_OK);
    assert_int_equal(buffer.len, 10000);
    assert_in_range(buffer.cap, 10000, 10000);
    assert_int_equal(sl_buffer_add(&buffer, sl_bytes_of("x"), 10000), SL_LIMIT);
    assert_int_equal(sl_buffer_add(&buffer, (struct sl_bytes){0}, 10000), SL_OK);
    assert_int_equal(buffer.len, 10000);
    assert_memory_equal(buffer.at + 9990, "0123456789", 10);
    assert_int_equal(sl_buffer_reserve(&buffer, SIZE_MAX, SIZE_MAX), SL_LIMIT);
    sl_buffer_clear(&buffer);
    assert_null(buffer.at);
    assert_int_equal(sl_buffer_add(&buffer, sl_bytes_of("again"), 100), SL_OK);
    sl_buffer_clear(&buffer);
}

static void test_buffer_reserved_room_can_be_written_and_keeps_what_was_there(void **state)
{
    struct sl_buffer buffer = {0};

    (void)state;
    assert_int_equal(sl_buffer_add(&buffer, sl_bytes_of("head"), 5000), SL_OK);
    assert_int_equal(sl_buffer_reserve(&buffer, 4996, 5000), SL_OK);
    assert_int_equal(buffer.len, 4);
    memset(buffer.at + 4, 'x', 4996);
    assert_memory_equal(buffer.at, "headxxxx", 8);
    assert_int_equal(sl_buffer_reserve(&buffer, 4997, 5000), SL_LIMIT);
    sl_buffer_clear(&buffer);
}

static void test_buffer_prints_formatted_text_up_to_the_limit(void **state)
{
    struct sl_buffer buffer = {0};

    (void)state;
    assert_int_equal(sl_buffer_print(&buffer, 10, "%s=%d;", "a", 12), SL_OK);
    assert_int_equal(sl_buffer_print(&buffer, 10, "%s", "12345"), SL_OK);
    assert_bytes(content(&buffer), "a=12;12345");
    assert_int_equal(sl_buffer_print(&buffer, 10, "%s", "x"), SL_LIMIT);
    assert_int_equal(sl_buffer_print(&buffer, SIZE_MAX, "%s", "x"), SL_OK);
    assert_bytes(content(&buffer), "a=12;12345x");
    sl_buffer_clear(&buffer);
}

static void test_buffer_drops_from_the_front(void **state)
{
    struct sl_buffer buffer = {0};

    (void)state;
    assert_int_equal(sl_buffer_add(&buffer, sl_bytes_of("0123456789"), 100), SL_OK);
    sl_buffer_drop(&buffer, 0);
    sl_buffer_drop(&buffer, 4);
    assert_bytes(content(&buffer), "456789");
    sl_buffer_drop(&buffer, 100);
    assert_int_equal(buffer.len, 0);
    sl_buffer_clear(&buffer);
    sl_buffer_drop(&buffer, 1);
}

static void test_status_names_are_there_and_all_different(void **state)
{
    (void)state;
    for (int a = SL_OK; a <= SL_NOMEM; a++) {
        assert_string_not_equal(sl_status_name((enum sl_status)a), "unknown");
        for (int b = SL_OK; b < a; b++)
            assert_string_not_equal(sl_status_name((enum sl_status)a),
                                    sl_status_name((enum sl_status)b));
    }
    assert_string_equal(sl_status_name(SL_WANT_READ), "want-read");
    assert_string_equal(sl_status_name((enum sl_status)77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_equal_where_length_and_bytes_are),
        cmocka_unit_test(test_digits_are_those_of_printf),
        cmocka_unit_test(test_buffer_grows_to_its_limit_and_not_beyond),
        cmocka_unit_test(test_buffer_reserved_room_can_be_written_and_keeps_what_was_there),
        cmocka_unit_test(test_buffer_prints_formatted_text_up_to_the_limit),
        cmocka_unit_test(test_buffer_drops_from_the_front),
        cmocka_unit_test(test_status_names_are_there_and_all_different),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
