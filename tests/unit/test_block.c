/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_block.c -- a block's text as it is made, and as it is taken apart again.
 */
#include "store_place.h"

#include "store/item.h"
#include "wire/message.h"

#define DAY SL_BLOCK_SPAN_US

static enum sl_status try_add(struct sl_block *block, int64_t time_us, const char *text,
                              size_t limit)
{
    struct sl_reading reading = {0};
    enum sl_flaw flaw = SL_FLAW_NONE;

    assert_int_equal(sl_reading_parse(sl_bytes_of(text), &reading, &flaw), SL_OK);
    reading.time_us = time_us;
    return sl_block_add(block, &reading, limit);
}

static void test_block_readings_become_a_json_array(void **state)
{
    struct sl_block block = {0};

    (void)state;
    add(&block, 1764000000250000, "temperature: 22.50 Cel");
    add(&block, 1764000001000000, "humidity: +48 %RH");
    add(&block, 1764000001000001, "x: .5");
    assert_bytes(sl_block_text(&block), "[[1764000000.25,\"temperature\",22.5,\"Cel\"],"
                                        "[1764000001,\"humidity\",48,\"%RH\"],"
                                        "[1764000001.000001,\"x\",0.5]]");
    assert_int_equal(block.count, 3);
    assert_int_equal(block.oldest_us, 1764000000250000);
    assert_int_equal(block.newest_us, 1764000001000001);
    sl_block_clear(&block);
}

static void test_block_reading_without_time_has_null(void **state)
{
    struct sl_block block = {0};

    (void)state;
    add(&block, SL_TIME_NONE, "t: 1e3");
    assert_bytes(sl_block_text(&block), "[[null,\"t\",1e3]]");
    assert_int_equal(block.oldest_us, SL_TIME_NONE);
    assert_int_equal(block.newest_us, SL_TIME_NONE);
    sl_block_clear(&block);
}

static void test_block_time_that_came_as_text_is_stored_in_its_shortest_form(void **state)
{
    static const char *const times[] = {"0",
                                        "5",
                                        "10",
                                        "00",
                                        "0001.5",
                                        "0.5",
                                        "0.0",
                                        "1.0",
                                        "100.10",
                                        "1764000000.5",
                                        "1764000000.123456",
                                        "1764000000.123450",
                                        "1764000000.000001",
                                        "253402300799.999999"};

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct sl_block block = {0};
        struct sl_message message;
        char line[64], shortest[SL_TIME_TEXT_SIZE], expected[64];

        (void)snprintf(line, sizeof line, "7 %s t: 1", times[i]);
        assert_int_equal(sl_message_parse_from_sensor(sl_bytes_of(line), &message), SL_OK);
        (void)sl_time_print_unix(message.time_us, shortest);
        (void)snprintf(expected, sizeof expected, "[[%s,\"t\",1]]", shortest);
        assert_int_equal(sl_block_add(&block, &message.reading, BLOCK_LIMIT), SL_OK);
        assert_bytes(sl_block_text(&block), expected);
        sl_block_clear(&block);
    }
}

static void test_block_unit_is_escaped(void **state)
{
    static const struct sl_bytes control = BYTES("a\001");
    struct sl_block block = {0};
    struct sl_reading odd = {
        .time_us = 0, .name = sl_bytes_of("t"), .value = sl_bytes_of("1"), .unit = control};

    (void)state;
    add(&block, 0, "t: 1 \"\\");
    add(&block, 0, "t: 1 \xc2\xb0\x43");
    /* No parser of ours lets this one through. The text must stay JSON all the same. */
    assert_int_equal(sl_block_add(&block, &odd, BLOCK_LIMIT), SL_OK);
    assert_bytes(sl_block_text(&block), "[[0,\"t\",1,\"\\\"\\\\\"],[0,\"t\",1,\"\xc2\xb0\x43\"],"
                                        "[0,\"t\",1,\"a\\u0001\"]]");
    sl_block_clear(&block);
}

static void test_block_over_its_limit_is_left_as_it_was(void **state)
{
    struct sl_block block = {0};
    char before[SL_BLOCK_LIMIT_MIN];
    enum sl_status status = SL_OK;
    size_t len = 0;
    int64_t count = 0;

    (void)state;
    for (int i = 0; i < SL_BLOCK_LIMIT_MIN && status == SL_OK; i++) {
        count = block.count;
        len = block.text.len;
        if (len > 0)
            memcpy(before, block.text.at, len);
        status = try_add(&block, NOON, "temperature: 22", SL_BLOCK_LIMIT_MIN);
    }
    assert_int_equal(status, SL_LIMIT);
    assert_int_equal(block.count, count);
    assert_int_equal(block.text.len, len);
    assert_memory_equal(block.text.at, before, len);
    /* It was the last that fits, not an early end. */
    assert_true(len + sizeof("[1764000000,\"temperature\",22]") > SL_BLOCK_LIMIT_MIN);
    sl_block_clear(&block);
}

static void test_block_with_the_longest_reading_fits_the_least_limit(void **state)
{
    struct sl_block block = {0};
    char name[SL_NAME_MAX];
    char value[SL_VALUE_MAX];
    char unit[SL_UNIT_BYTES_MAX];
    struct sl_reading reading = {.time_us = INT64_MIN + 1,
                                 .name = {name, sizeof name},
                                 .value = {value, sizeof value},
                                 .unit = {unit, sizeof unit}};

    (void)state;
    memset(name, 'n', sizeof name);
    memset(value, '1', sizeof value);
    memset(unit, '\001', sizeof unit);
    assert_int_equal(sl_block_add(&block, &reading, SL_BLOCK_LIMIT_MIN), SL_OK);
    sl_block_clear(&block);
}

static void test_block_spans_a_day_and_no_more(void **state)
{
    struct sl_block block = {0};

    (void)state;
    add(&block, NOON, "t: 1");
    assert_int_equal(try_add(&block, NOON + DAY + 1, "t: 2", BLOCK_LIMIT), SL_LIMIT);
    assert_int_equal(try_add(&block, NOON - DAY - 1, "t: 2", BLOCK_LIMIT), SL_LIMIT);
    assert_int_equal(try_add(&block, INT64_MAX, "t: 2", BLOCK_LIMIT), SL_LIMIT);
    assert_int_equal(try_add(&block, INT64_MIN + 1, "t: 2", BLOCK_LIMIT), SL_LIMIT);
    add(&block, NOON + DAY, "t: 3");
    assert_int_equal(try_add(&block, NOON - 1, "t: 4", BLOCK_LIMIT), SL_LIMIT);
    add(&block, NOON + 1, "t: 5");
    assert_int_equal(block.count, 3);
    assert_int_equal(block.oldest_us, NOON);
    assert_int_equal(block.newest_us, NOON + DAY);
    sl_block_clear(&block);
}

static void test_block_has_times_throughout_or_not_at_all(void **state)
{
    struct sl_block block = {0};

    (void)state;
    add(&block, NOON, "t: 1");
    assert_int_equal(try_add(&block, SL_TIME_NONE, "t: 2", BLOCK_LIMIT), SL_LIMIT);
    sl_block_reset(&block);
    add(&block, SL_TIME_NONE, "t: 1");
    assert_int_equal(try_add(&block, NOON, "t: 2", BLOCK_LIMIT), SL_LIMIT);
    assert_int_equal(block.count, 1);
    sl_block_clear(&block);
}

static void test_block_after_reset_starts_anew(void **state)
{
    struct sl_block block = {.first = 7};

    (void)state;
    add(&block, NOON, "t: 1");
    sl_block_reset(&block);
    assert_int_equal(block.count, 0);
    assert_int_equal(block.first, 0);
    add(&block, 5 * SECOND, "u: 2");
    assert_bytes(sl_block_text(&block), "[[5,\"u\",2]]");
    assert_int_equal(block.oldest_us, 5 * SECOND);
    sl_block_clear(&block);
}

static void test_item_readings_of_a_block_come_back(void **state)
{
    struct sl_block block = {0};
    struct sl_item item;
    size_t at = 0;

    (void)state;
    add(&block, NOON + 250000, "temperature: 22.5 Cel");
    add(&block, NOON, "u: 123456789012345678901234567890 \"\\");
    assert_int_equal(sl_item_next(sl_block_text(&block), &at, &item), SL_OK);
    assert_int_equal(item.time_us, NOON + 250000);
    assert_bytes(item.name, "temperature");
    assert_bytes(item.value, "22.5");
    assert_bytes(item.unit, "Cel");
    assert_int_equal(sl_item_next(sl_block_text(&block), &at, &item), SL_OK);
    assert_bytes(item.value, "123456789012345678901234567890");
    assert_bytes(item.unit, "\"\\");
    assert_int_equal(sl_item_next(sl_block_text(&block), &at, &item), SL_CLOSED);
    sl_block_clear(&block);
}

static void test_item_takes_white_space_and_escapes(void **state)
{
    struct sl_bytes text =
        sl_bytes_of(" [ [ null , \"t\" , 1 , \"\\u0041\\/\" ] ,\n[1.5,\"u\",-2e-7] ] ");
    struct sl_item item;
    size_t at = 0;

    (void)state;
    assert_int_equal(sl_item_next(text, &at, &item), SL_OK);
    assert_int_equal(item.time_us, SL_TIME_NONE);
    assert_bytes(item.unit, "A/");
    assert_int_equal(sl_item_next(text, &at, &item), SL_OK);
    assert_int_equal(item.time_us, 1500000);
    assert_bytes(item.value, "-2e-7");
    assert_int_equal(sl_item_next(text, &at, &item), SL_CLOSED);
}

static void test_item_damaged_text_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[",
        "[[",
        "{}",
        "[[1]]",
        "[[1,\"a\"]]",
        "[[1,\"a\",]]",
        "[[1,\"a\",x]]",
        "[[-,\"a\",1]]",
        "[[1,\"\",1]]",
        "[[1,\"a\",1]",
        "[[1,\"a\",1,]]",
        "[[1,\"a\",1,2]]",
        "[[1,\"a\",1]]x",
        "[[1,\"a\",1,\"\\x\"]]",
        "[[1,\"a\",1,\"\\u12\"]]",
        "[[1,\"a\",1,\"\\",
        "[[1,\"a\",1,\"b",
        "[[1,\"a\",1 \"b\"]]",
        "[[1,\"a\",1][1,\"b\",2]]",
        "[[nul,\"a\",1]]",
        "[[1.1234567,\"a\",1]]",
        "[[1,\"a\",1,\"0123456789012345678901234567890123456789012345678901234567890123456789\"]]",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        size_t len = strlen(texts[i]);
        char *exact = malloc(len > 0 ? len : 1); /* so that a sanitizer sees a byte too far */
        struct sl_item item;
        size_t at = 0;
        enum sl_status status = SL_OK;

        assert_non_null(exact);
        memcpy(exact, texts[i], len);
        while (status == SL_OK)
            status = sl_item_next((struct sl_bytes){exact, len}, &at, &item);
        if (status != SL_BAD_INPUT)
            fail_msg("'%s' was taken", texts[i]);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_readings_become_a_json_array),
        cmocka_unit_test(test_block_reading_without_time_has_null),
        cmocka_unit_test(test_block_time_that_came_as_text_is_stored_in_its_shortest_form),
        cmocka_unit_test(test_block_unit_is_escaped),
        cmocka_unit_test(test_block_over_its_limit_is_left_as_it_was),
        cmocka_unit_test(test_block_with_the_longest_reading_fits_the_least_limit),
        cmocka_unit_test(test_block_spans_a_day_and_no_more),
        cmocka_unit_test(test_block_has_times_throughout_or_not_at_all),
        cmocka_unit_test(test_block_after_reset_starts_anew),
        cmocka_unit_test(test_item_readings_of_a_block_come_back),
        cmocka_unit_test(test_item_takes_white_space_and_escapes),
        cmocka_unit_test(test_item_damaged_text_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
