/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the load generator whose faults no server would notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "histogram.h"
#include "speech.h"

static void test_histogram_is_off_by_less_than_one_percent(void **state)
{
    (void)state;
    for (int64_t ns = 1; ns < INT64_C(100000000000); ns = ns * 11 / 10 + 1) {
        struct histogram *histogram = calloc(1, sizeof *histogram);

        assert_non_null(histogram);
        histogram_add(histogram, ns);
        histogram_add(histogram, INT64_C(120000000000));
        assert_in_range(histogram_share(histogram, 0.5), ns - ns / 100, ns + ns / 100);
        free(histogram);
    }
}

static void test_histogram_finds_the_share_of_all_that_were_added(void **state)
{
    struct histogram *histogram = calloc(2, sizeof *histogram);

    (void)state;
    assert_non_null(histogram);
    assert_int_equal(histogram_share(histogram, 0.99), 0);
    for (int64_t i = 1; i <= 1000; i++)
        histogram_add(&histogram[i % 2], i * 1000000);
    histogram_join(&histogram[0], &histogram[1]);
    assert_in_range(histogram_share(histogram, 0.5), 495000000, 505000000);
    assert_in_range(histogram_share(histogram, 0.99), 980000000, 1000000000);
    assert_int_equal(histogram[0].most_ns, 1000000000);
    free(histogram);
}

static void test_digits_carry(void **state)
{
    char text[2 * DIGITS_MAX];
    struct digits digits;

    (void)state;
    digits_set(&digits, 1);
    for (int i = 1; i < 1000; i++)
        digits_step(&digits);
    *put_digits(text, &digits) = '\0';
    assert_string_equal(text, "1000");
    digits_set(&digits, 998999);
    digits_step(&digits);
    *put_digits(text, &digits) = '\0';
    assert_string_equal(text, "999000");
}

static void test_times_are_printed_as_the_clock_has_them(void **state)
{
    char text[64];

    (void)state;
    *put_unix(text, INT64_C(1764000541000312)) = '\0';
    assert_string_equal(text, "1764000541.000312");
    *put_iso(text, INT64_C(1764000541000312)) = '\0';
    assert_string_equal(text, "2025-11-24T16:09:01.000312Z");
}

/* A talk of its own, whose first line is `temperature: 21.5 Cel`. */
static struct talk *new_talk(struct lines *lines)
{
    struct talk *talk = calloc(1, sizeof *talk);

    assert_non_null(talk);
    lines->at[0] = (struct line){"temperature: 21.5 Cel", 21, 17};
    talk->lines = lines;
    talk->time_us = INT64_C(1764000541000000);
    return talk;
}

static void test_syslog_counts_the_octets_of_a_message(void **state)
{
    struct lines lines;
    struct talk *talk = new_talk(&lines);
    char text[LINE_SPACE] = "";

    (void)state;
    assert_int_equal(speech_find("syslog")->record(talk, 1, text), 3 + 78);
    text[3 + 78] = '\0';
    assert_string_equal(
        text, "78 <134>1 2025-11-24T16:09:01.000000Z host sensorlink - - - temperature: 21.5 Cel");
    assert_int_equal(strlen(text + 3), 78);
    free(talk);
}

static void test_raw_lines_have_no_unit(void **state)
{
    struct lines lines;
    struct talk *talk = new_talk(&lines);
    char text[LINE_SPACE] = "";

    (void)state;
    assert_int_equal(speech_find("raw")->record(talk, 1, text), 18);
    assert_memory_equal(text, "temperature: 21.5\n", 18);
    free(talk);
}

static void test_load_sensor_comes_again_with_its_stream(void **state)
{
    struct lines lines;
    struct talk *talk = new_talk(&lines), *other = new_talk(&lines);
    char first[HELLO_SPACE], again[HELLO_SPACE];
    size_t len = speech_find("link")->hello(talk, first);

    (void)state;
    assert_int_equal(len, sizeof "stream " - 1 + SL_STREAM_HEX + 1);
    assert_int_equal(speech_find("link")->hello(talk, again), len);
    assert_memory_equal(first, again, len);
    assert_int_equal(speech_find("link")->hello(other, again), len);
    assert_memory_not_equal(first, again, len);
    free(talk);
    free(other);
}

static bool mqtt_takes(struct talk *talk, const char *bytes, size_t len)
{
    char fault[FAULT_SPACE];

    return speech_mqtt.take(talk, (struct sl_bytes){bytes, len}, fault);
}

static void test_mqtt_publishes_and_counts_what_is_acknowledged(void **state)
{
    struct lines lines;
    struct talk *talk = new_talk(&lines);
    char text[LINE_SPACE] = "";

    (void)state;
    assert_true(mqtt_takes(talk, "\x20\x02\0\0", 4));
    assert_true(talk->welcomed);
    assert_int_equal(speech_mqtt.record(talk, 1, text), 2 + 2 + 9 + 2 + 17 + 1 + 21);
    assert_memory_equal(text,
                        "\x32\x34\0\x09"
                        "sensors/0"
                        "\0\x01"
                        "1764000541.000000 temperature: 21.5 Cel",
                        54);
    assert_true(mqtt_takes(talk, "\x40\x02\0", 3));
    assert_int_equal(talk->acknowledged, 0);
    assert_true(mqtt_takes(talk, "\x01", 1));
    assert_int_equal(talk->acknowledged, 1);
    assert_false(mqtt_takes(talk, "\x40\x02\0\x01", 4));
    free(talk);
}

static void test_mqtt_broker_that_refuses_is_a_fault(void **state)
{
    struct lines lines;
    struct talk *talk = new_talk(&lines);

    (void)state;
    assert_false(mqtt_takes(talk, "\x20\x02\0\x05", 4));
    free(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_is_off_by_less_than_one_percent),
        cmocka_unit_test(test_histogram_finds_the_share_of_all_that_were_added),
        cmocka_unit_test(test_digits_carry),
        cmocka_unit_test(test_times_are_printed_as_the_clock_has_them),
        cmocka_unit_test(test_syslog_counts_the_octets_of_a_message),
        cmocka_unit_test(test_raw_lines_have_no_unit),
        cmocka_unit_test(test_load_sensor_comes_again_with_its_stream),
        cmocka_unit_test(test_mqtt_publishes_and_counts_what_is_acknowledged),
        cmocka_unit_test(test_mqtt_broker_that_refuses_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
