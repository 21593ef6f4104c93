/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_message.c -- the lines of sensorlink/1, parsed and printed.
 */
#include "cases.h"

#include <string.h>

#include "base/clock.h"
#include "support/guard.h"
#include "wire/frame.h"
#include "wire/message.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define REASON48 "abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghij"
#define NAME64 "a234567890123456789012345678901234567890123456789012345678901234"

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

static enum sl_status parse(bool from_sensor, struct sl_bytes line, struct sl_message *message)
{
    struct sl_bytes placed = sl_guard_at_start(&guard, line);
    enum sl_status first = from_sensor ? sl_message_parse_from_sensor(placed, message)
                                       : sl_message_parse_from_server(placed, message);

    placed = sl_guard_at_end(&guard, line);
    enum sl_status second = from_sensor ? sl_message_parse_from_sensor(placed, message)
                                        : sl_message_parse_from_server(placed, message);

    assert_int_equal(first, second);
    return second;
}

/* The line parses, and what was parsed prints as `expected` (or as it was). */
static void assert_round_trip(bool from_sensor, const char *line, const char *expected)
{
    struct sl_message message;
    char out[SL_LINE_MAX + 1] = "";
    size_t len = 0;

    if (parse(from_sensor, sl_bytes_of(line), &message) != SL_OK)
        fail_msg("'%s' was refused", line);
    assert_int_equal(message.flaw, SL_FLAW_NONE);
    assert_int_equal(sl_message_print(&message, out, SL_LINE_MAX, &len), SL_OK);
    assert_int_equal(out[len - 1], '\n');
    out[len - 1] = '\0';
    assert_string_equal(out, expected != NULL ? expected : line);
}

static void test_message_of_each_kind_survives_parsing_and_printing(void **state)
{
    static const struct {
        bool from_sensor;
        const char *line;
        const char *printed; /* null: the same */
    } cases[] = {
        {true, "stream " HEX32, NULL},
        {true, "1 - temperature: 22", NULL},
        {true, "9223372036854775807 1764000000.25 humidity: 48.5 %RH", NULL},
        {true, "7 1764000000.500000 t:+01.50", "7 1764000000.5 t: 1.5"},
        {true, "7 0 t: 1", NULL},
        {true, "7 253402300799.999999 t: 1", NULL},
        {true, "gap 1 1 expired", NULL},
        {true, "gap 1 9223372036854775807 spool-full", NULL},
        {true, "gap 5 6 " REASON48, NULL},
        {true, "clock +0.012", NULL},
        {true, "clock -3", NULL},
        {true, "clock +0", NULL},
        {true, "clock -0.000000", "clock +0"},
        {true, "clock +007.50", "clock +7.5"},
        {true, "clock +1764000000.123456", NULL},
        {true, "clock +100000000000", NULL},
        {true, "clock -100000000000", NULL},
        {false, "welcome 0 1764000000 sensor-1", NULL},
        {false, "welcome 9223372036854775807 - " NAME64, NULL},
        {false, "ack 0", NULL},
        {false, "ack 9223372036854775807", NULL},
        {false, "refused 5 not-a-number a value is a number", NULL},
        {false, "refused 5 not-a-number", NULL},
        {false, "refused 5 not-a-number ", "refused 5 not-a-number"},
        {false, "bye 0 shutting-down", NULL},
        {false, "bye 2147483647 too-many see you  later °", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_round_trip(cases[i].from_sensor, cases[i].line, cases[i].printed);
}

static void test_message_fields_are_those_of_the_line(void **state)
{
    struct sl_message m;

    (void)state;
    assert_int_equal(parse(true, sl_bytes_of("12 1764000000.25 t: 22.50 Cel"), &m), SL_OK);
    assert_int_equal(m.kind, SL_MESSAGE_READING);
    assert_int_equal(m.seq, 12);
    assert_int_equal(m.time_us, INT64_C(1764000000250000));
    assert_int_equal(m.reading.time_us, m.time_us);
    assert_bytes(m.reading.time, "1764000000.25");
    assert_bytes(m.reading.name, "t");
    assert_bytes(m.reading.value, "22.50");
    assert_bytes(m.reading.unit, "Cel");

    assert_int_equal(parse(true, sl_bytes_of("3 - t: 1"), &m), SL_OK);
    assert_true(m.reading.time_us == SL_TIME_NONE);
    assert_bytes(m.reading.time, "-");

    assert_int_equal(parse(true, sl_bytes_of("gap 3 9 lost-spool"), &m), SL_OK);
    assert_int_equal(m.kind, SL_MESSAGE_GAP);
    assert_int_equal(m.seq, 3);
    assert_int_equal(m.last, 9);
    assert_bytes(m.reason, "lost-spool");

    assert_int_equal(parse(true, sl_bytes_of("clock -0.25"), &m), SL_OK);
    assert_int_equal(m.kind, SL_MESSAGE_CLOCK);
    assert_int_equal(m.offset_us, -250000);

    assert_int_equal(parse(false, sl_bytes_of("welcome 41 1764000000 shed.1"), &m), SL_OK);
    assert_int_equal(m.kind, SL_MESSAGE_WELCOME);
    assert_int_equal(m.seq, 41);
    assert_bytes(m.sensor, "shed.1");

    assert_int_equal(parse(false, sl_bytes_of("bye 5000 draining the server stops"), &m), SL_OK);
    assert_int_equal(m.kind, SL_MESSAGE_BYE);
    assert_int_equal(m.retry_ms, 5000);
    assert_bytes(m.reason, "draining");
    assert_bytes(m.text, "the server stops");
}

static void test_message_that_a_sensor_may_not_send_is_refused(void **state)
{
    static const struct sl_bytes cases[] = {
        BYTES(""),
        BYTES(" "),
        BYTES("hello"),
        BYTES("temperature: 22"),
        BYTES("ack 5"),
        BYTES("welcome 0 - a"),
        BYTES("refused 1 x y"),
        BYTES("bye 0 x"),
        BYTES("stream"),
        BYTES("stream "),
        BYTES("stream 0123456789abcdef0123456789abcde"),
        BYTES("stream " HEX32 "0"),
        BYTES("stream " HEX32 " "),
        BYTES("stream 0123456789ABCDEF0123456789ABCDEF"),
        BYTES("stream 0123456789abcdef0123456789abcdeg"),
        BYTES("STREAM " HEX32),
        BYTES(" stream " HEX32),
        BYTES("stream  " HEX32),
        BYTES("1"),
        BYTES("1 "),
        BYTES("0 - t: 1"),
        BYTES("00 - t: 1"),
        BYTES("01 - t: 1"),
        BYTES("-1 - t: 1"),
        BYTES("+1 - t: 1"),
        BYTES("1.0 - t: 1"),
        BYTES("1e3 - t: 1"),
        BYTES("0x1 - t: 1"),
        BYTES("9223372036854775808 - t: 1"),
        BYTES("18446744073709551617 - t: 1"),
        BYTES("99999999999999999999999999999999999999 - t: 1"),
        BYTES("1\0 - t: 1"),
        BYTES("1  - t: 1"),
        BYTES("1\t- t: 1"),
        BYTES("1 t: 1"),
        BYTES("1 -1 t: 1"),
        BYTES("1 -- t: 1"),
        BYTES("1 1764000000. t: 1"),
        BYTES("1 1764000000.1234567 t: 1"),
        BYTES("1 1764000000.25.1 t: 1"),
        BYTES("1 .5 t: 1"),
        BYTES("1 253402300800 t: 1"),
        BYTES("1 9999999999999999999999 t: 1"),
        BYTES("1 2026-11-23T00:00:00Z t: 1"),
        BYTES("1 1e9 t: 1"),
        BYTES("1 nan t: 1"),
        BYTES("gap"),
        BYTES("gap 1"),
        BYTES("gap 1 2"),
        BYTES("gap 1 2 "),
        BYTES("gap 0 2 x"),
        BYTES("gap 2 1 x"),
        BYTES("gap 1 9223372036854775808 x"),
        BYTES("gap 1 2 X"),
        BYTES("gap 1 2 a b"),
        BYTES("gap 1 2 a_b"),
        BYTES("gap 1 2 a\0"),
        BYTES("gap 1 2 " REASON48 "k"),
        BYTES("gap  1 2 x"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_message message;

        if (parse(true, cases[i], &message) != SL_BAD_INPUT)
            fail_msg("'%.*s' was taken", (int)cases[i].len, cases[i].at);
    }
}

static void test_message_of_a_clock_that_is_none_is_refused(void **state)
{
    static const struct sl_bytes cases[] = {
        BYTES("clock"),
        BYTES("clock "),
        BYTES("clock 5"),
        BYTES("clock +"),
        BYTES("clock -"),
        BYTES("clock +-"),
        BYTES("clock --"),
        BYTES("clock +-5"),
        BYTES("clock  +5"),
        BYTES("clock + 5"),
        BYTES("clock +5 "),
        BYTES("clock +5 s"),
        BYTES("clock +5."),
        BYTES("clock +.5"),
        BYTES("clock +1e3"),
        BYTES("clock +0x1"),
        BYTES("clock +nan"),
        BYTES("clock +5\0"),
        BYTES("clock +0.1234567"),
        BYTES("clock +100000000000.000001"),
        BYTES("clock -100000000000.000001"),
        BYTES("clock +1000000000000"),
        BYTES("clock +99999999999999999999999999"),
        BYTES("Clock +5"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_message message;

        if (parse(true, cases[i], &message) != SL_BAD_INPUT)
            fail_msg("'%.*s' was taken", (int)cases[i].len, cases[i].at);
    }
}

static void test_message_that_a_server_may_not_send_is_refused(void **state)
{
    static const struct sl_bytes cases[] = {
        BYTES(""),
        BYTES("ack"),
        BYTES("ack "),
        BYTES("ack -1"),
        BYTES("ack 01"),
        BYTES("ack 1 2"),
        BYTES("ack 9223372036854775808"),
        BYTES("ack 1\r"),
        BYTES("ack x"),
        BYTES("acknowledge 1"),
        BYTES("stream " HEX32),
        BYTES("1 - t: 1"),
        BYTES("gap 1 2 x"),
        BYTES("clock +5"),
        BYTES("welcome"),
        BYTES("welcome 0"),
        BYTES("welcome 0 -"),
        BYTES("welcome 0 - "),
        BYTES("welcome 0 - -a"),
        BYTES("welcome 0 - .a"),
        BYTES("welcome 0 - a b"),
        BYTES("welcome 0 - a/b"),
        BYTES("welcome 0 - " NAME64 "5"),
        BYTES("welcome -1 - a"),
        BYTES("welcome 0 now a"),
        BYTES("welcome 9223372036854775808 - a"),
        BYTES("refused 0 x y"),
        BYTES("refused 1"),
        BYTES("refused 1 "),
        BYTES("refused 1 X y"),
        BYTES("refused 1 x \x1b[31m"),
        BYTES("refused 1 x \xff"),
        BYTES("refused 1 x a\0b"),
        BYTES("bye"),
        BYTES("bye 0"),
        BYTES("bye -1 x"),
        BYTES("bye 2147483648 x"),
        BYTES("bye 0 " REASON48 "k"),
        BYTES("bye 0 x \xc2\x9b"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_message message;

        if (parse(false, cases[i], &message) != SL_BAD_INPUT)
            fail_msg("'%.*s' was taken", (int)cases[i].len, cases[i].at);
    }
}

static void test_message_with_a_bad_reading_keeps_its_number_and_says_the_flaw(void **state)
{
    static const struct {
        struct sl_bytes line;
        enum sl_flaw flaw;
    } cases[] = {
        {BYTES("7 - t: nan"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("7 - t: inf"), SL_FLAW_NOT_FINITE},
        {BYTES("7 - t: 1e999"), SL_FLAW_NOT_FINITE},
        {BYTES("7 - t: 0x10"), SL_FLAW_NOT_A_NUMBER},
        {BYTES("7 - : 1"), SL_FLAW_NAME},
        {BYTES("7 - t"), SL_FLAW_NO_COLON},
        {BYTES("7 - "), SL_FLAW_NO_COLON},
        {BYTES("7 -"), SL_FLAW_NO_COLON},
        {BYTES("7 - t:"), SL_FLAW_NO_VALUE},
        {BYTES("7 - t: 1 a b"), SL_FLAW_UNIT},
        {BYTES("7 - t: 1\0"), SL_FLAW_NOT_TEXT},
        {BYTES("7 - t: 1 \xff"), SL_FLAW_NOT_TEXT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sl_message message;

        assert_int_equal(parse(true, cases[i].line, &message), SL_OK);
        assert_int_equal(message.kind, SL_MESSAGE_READING);
        assert_int_equal(message.seq, 7);
        assert_int_equal(message.flaw, cases[i].flaw);
    }
}

static void test_message_cut_at_any_byte_is_never_read_beyond(void **state)
{
    static const char *const lines[] = {("stream " HEX32),
                                        "9223372036854775807 1764000000.250000 humidity: 48.5 %RH",
                                        "gap 12 9223372036854775807 spool-full",
                                        "clock -100000000000.000000",
                                        "welcome 12 1764000000.25 sensor-1",
                                        "ack 123",
                                        "refused 12 not-a-number some text",
                                        "bye 1000 draining some text"};

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        for (size_t len = 0; len <= strlen(lines[i]); len++) {
            struct sl_message message;
            struct sl_bytes line = {.at = lines[i], .len = len};

            /* Only that it returns: the guard's pages are the check. */
            (void)!parse(true, line, &message);
            (void)!parse(false, line, &message);
        }
    }
}

static void test_message_text_is_cut_to_the_line_and_cleaned(void **state)
{
    char text[2000];
    char out[2 * SL_LINE_MAX];
    size_t len = 3;
    struct sl_message message = {
        .kind = SL_MESSAGE_BYE, .reason = BYTES("x"), .text = {.at = text, .len = sizeof(text)}};
    struct sl_message parsed;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "one\ntwo\x1b\xff\xc2\x9b\xc3\xa4", 13);
    for (size_t shift = 0; shift < 4; shift++) {
        /* The two-byte character falls on each place around the cut. */
        memset(text + 400, 'a', sizeof(text) - 400);
        for (size_t at = 400 + shift; at + 1 < sizeof(text); at += 2)
            memcpy(text + at, "\xc3\xa4", 2);
        memset(out, '#', sizeof(out));
        len = 3;
        assert_int_equal(sl_message_print(&message, out, sizeof(out), &len), SL_OK);
        assert_in_range(len - 3, SL_LINE_MAX - 1, SL_LINE_MAX);
        assert_int_equal(out[len - 1], '\n');
        assert_int_equal(out[len], '#');
        assert_memory_equal(out, "###bye 0 x one?two???\xc3\xa4", 23);
        struct sl_bytes line = {.at = out + 3, .len = len - 4};

        assert_int_equal(sl_message_parse_from_server(line, &parsed), SL_OK);
    }
}

static void test_message_without_room_leaves_the_buffer_as_it_was(void **state)
{
    struct sl_message message = {.kind = SL_MESSAGE_ACK, .seq = 12345};
    char out[16];

    (void)state;
    for (size_t size = 0; size < sizeof(out); size++) {
        size_t len = 2;
        enum sl_status status;

        memset(out, '#', sizeof(out));
        status = sl_message_print(&message, out, size, &len);
        if (size >= 2 + 10) {
            assert_int_equal(status, SL_OK);
            assert_int_equal(len, 12);
            assert_memory_equal(out, "##ack 12345\n####", 16);
        } else {
            assert_int_equal(status, SL_LIMIT);
            assert_int_equal(len, 2);
            assert_memory_equal(out, "################", 16);
        }
    }
}

static void test_message_of_the_longest_reading_fits_a_line(void **state)
{
    struct sl_message message;
    char out[SL_LINE_MAX];
    size_t len = 0;
    static const char line[] = "9223372036854775807 253402300799.999999 " NAME64
                               ": -12345678901234567890123456789012345678901234567 "
                               "\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e"
                               "\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e"
                               "\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e"
                               "\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e\xf0\x9d\x84\x9e";

    (void)state;
    assert_int_equal(parse(true, sl_bytes_of(line), &message), SL_OK);
    assert_int_equal(message.flaw, SL_FLAW_NONE);
    assert_int_equal(sl_message_print(&message, out, sizeof(out), &len), SL_OK);
    assert_int_equal(len, strlen(line) + 1);
    assert_memory_equal(out, line, strlen(line));
}

static void test_message_time_of_a_clock_that_is_not_set_is_printed_as_none(void **state)
{
    struct sl_message message = {
        .kind = SL_MESSAGE_WELCOME, .seq = 3, .time_us = -1, .sensor = BYTES("a")};
    char out[SL_LINE_MAX];
    size_t len = 0;

    (void)state;
    assert_int_equal(sl_message_print(&message, out, sizeof(out), &len), SL_OK);
    assert_int_equal(len, 14);
    assert_memory_equal(out, "welcome 3 - a\n", 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_of_each_kind_survives_parsing_and_printing),
        cmocka_unit_test(test_message_fields_are_those_of_the_line),
        cmocka_unit_test(test_message_that_a_sensor_may_not_send_is_refused),
        cmocka_unit_test(test_message_of_a_clock_that_is_none_is_refused),
        cmocka_unit_test(test_message_that_a_server_may_not_send_is_refused),
        cmocka_unit_test(test_message_with_a_bad_reading_keeps_its_number_and_says_the_flaw),
        cmocka_unit_test(test_message_cut_at_any_byte_is_never_read_beyond),
        cmocka_unit_test(test_message_text_is_cut_to_the_line_and_cleaned),
        cmocka_unit_test(test_message_without_room_leaves_the_buffer_as_it_was),
        cmocka_unit_test(test_message_of_the_longest_reading_fits_a_line),
        cmocka_unit_test(test_message_time_of_a_clock_that_is_not_set_is_printed_as_none),
    };

    return cmocka_run_group_tests(tests, open_guard, close_guard);
}
