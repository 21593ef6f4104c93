/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_format.c -- logged readings in each format, to the letter.
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/format_reading.h"

#define NOON INT64_C(1764000000000000)

static const struct sl_logged story[] = {
    {.received_us = NOON + 250000,
     .time_us = NOON,
     .sensor = BYTES("attic"),
     .name = BYTES("temperature"),
     .value = BYTES("22"),
     .unit = BYTES("Cel"),
     .stream = BYTES("plain"),
     .seq = 1},
    {.received_us = NOON + 1000001,
     .time_us = SL_TIME_NONE,
     .sensor = BYTES("attic"),
     .name = BYTES("load"),
     .value = BYTES("0.1234567890123456789"),
     .unit = BYTES(""),
     .stream = BYTES("plain"),
     .seq = 2},
    {.received_us = NOON + 2000000,
     .time_us = 5000000,
     .sensor = BYTES("cellar"),
     .name = BYTES("x"),
     .value = BYTES("1e3"),
     .unit = BYTES("a,\"b= \\"),
     .stream = BYTES("plain"),
     .seq = 3},
};

static void assert_written(enum sl_format format, bool following, size_t count,
                           const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct sl_reading_writer writer;

    assert_non_null(out);
    assert_int_equal(sl_reading_writer_begin(&writer, out, format, following, false), SL_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sl_reading_writer_add(&writer, &story[i]), SL_OK);
    if (!following)
        assert_int_equal(sl_reading_writer_end(&writer), SL_OK);
    assert_int_equal(sl_format_flush(out), SL_OK);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_format_csv_quotes_and_keeps_every_digit(void **state)
{
    (void)state;
    assert_written(SL_FORMAT_CSV, false, COUNT(story),
                   "received,time,sensor,name,value,unit,stream,seq\n"
                   "1764000000.25,1764000000,attic,temperature,22,Cel,plain,1\n"
                   "1764000001.000001,,attic,load,0.1234567890123456789,,plain,2\n"
                   "1764000002,5,cellar,x,1e3,\"a,\"\"b= \\\",plain,3\n");
}

static void test_format_csv_of_nothing_is_its_header(void **state)
{
    (void)state;
    assert_written(SL_FORMAT_CSV, false, 0, "received,time,sensor,name,value,unit,stream,seq\n");
}

static void test_format_json_is_one_array(void **state)
{
    (void)state;
    assert_written(
        SL_FORMAT_JSON, false, COUNT(story),
        "[{\"received\":1764000000.25,\"time\":1764000000,\"sensor\":\"attic\","
        "\"name\":\"temperature\",\"value\":22,\"unit\":\"Cel\",\"stream\":\"plain\","
        "\"seq\":1},\n"
        "{\"received\":1764000001.000001,\"time\":null,\"sensor\":\"attic\",\"name\":\"load\","
        "\"value\":0.1234567890123456789,\"unit\":null,\"stream\":\"plain\",\"seq\":2},\n"
        "{\"received\":1764000002,\"time\":5,\"sensor\":\"cellar\",\"name\":\"x\","
        "\"value\":1e3,\"unit\":\"a,\\\"b= \\\\\",\"stream\":\"plain\",\"seq\":3}]\n");
    assert_written(SL_FORMAT_JSON, false, 0, "[]\n");
}

static void test_format_json_while_following_is_one_object_a_line(void **state)
{
    (void)state;
    assert_written(SL_FORMAT_JSON, true, 1,
                   "{\"received\":1764000000.25,\"time\":1764000000,\"sensor\":\"attic\","
                   "\"name\":\"temperature\",\"value\":22,\"unit\":\"Cel\",\"stream\":\"plain\","
                   "\"seq\":1}\n");
}

/*
 * RFC 8428: a base name holds until the next, and a time below 2^28 would mean "relative to now".
 */
static void test_format_senml_gives_base_names_and_absolute_times(void **state)
{
    (void)state;
    assert_written(SL_FORMAT_SENML, false, COUNT(story),
                   "[{\"bn\":\"urn:sensor:attic:\",\"n\":\"temperature\",\"u\":\"Cel\",\"v\":22,"
                   "\"t\":1764000000},\n"
                   "{\"n\":\"load\",\"v\":0.1234567890123456789,\"t\":1764000001.000001},\n"
                   "{\"bn\":\"urn:sensor:cellar:\",\"n\":\"x\",\"u\":\"a,\\\"b= \\\\\",\"v\":1e3,"
                   "\"t\":1764000002}]\n");
    assert_written(SL_FORMAT_SENML, false, 0, "[]\n");
}

static void test_format_senml_while_following_is_one_pack_a_line(void **state)
{
    (void)state;
    assert_written(SL_FORMAT_SENML, true, 2,
                   "[{\"bn\":\"urn:sensor:attic:\",\"n\":\"temperature\",\"u\":\"Cel\",\"v\":22,"
                   "\"t\":1764000000}]\n"
                   "[{\"bn\":\"urn:sensor:attic:\",\"n\":\"load\",\"v\":0.1234567890123456789,"
                   "\"t\":1764000001.000001}]\n");
}

static void test_format_influx_gives_tags_and_nanoseconds(void **state)
{
    (void)state;
    assert_written(SL_FORMAT_INFLUX, false, COUNT(story),
                   "temperature,sensor=attic,unit=Cel value=22 1764000000000000000\n"
                   "load,sensor=attic value=0.1234567890123456789 1764000001000001000\n"
                   "x,sensor=cellar value=1e3 5000000000\n");
}

static void test_format_influx_escapes_commas_blanks_and_equal_signs(void **state)
{
    struct sl_logged logged = story[0];
    struct sl_reading_writer writer;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    logged.unit = sl_bytes_of("a,b=c\\d");
    assert_int_equal(sl_reading_writer_begin(&writer, out, SL_FORMAT_INFLUX, false, false), SL_OK);
    assert_int_equal(sl_reading_writer_add(&writer, &logged), SL_OK);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(
        text, "temperature,sensor=attic,unit=a\\,b\\=c\\d value=22 1764000000000000000\n");
    free(text);
}

static void test_format_table_is_aligned_and_in_utc(void **state)
{
    (void)state;
    assert_written(
        SL_FORMAT_TABLE, false, 2,
        "time                      sensor      name             value  unit    seq\n"
        "2025-11-24T16:00:00.000Z  attic       temperature         22  Cel       1\n"
        "2025-11-24T16:00:01.000Z  attic       load          0.1234567890123456789  -         2\n");
    assert_written(SL_FORMAT_TABLE, false, 0, "");
}

/* A store that somebody tampered with must not rule the terminal of who reads it. */
static void test_format_table_shows_no_control_characters(void **state)
{
    static const struct sl_column columns[] = {{"what", SL_CELL_TEXT, 4}};
    const struct sl_cell cells[] = {{.text = BYTES("a\033[2Jb")}};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct sl_rows rows = {.out = out, .format = SL_FORMAT_TABLE, .columns = columns, .count = 1};

    (void)state;
    assert_int_equal(sl_rows_begin(&rows), SL_OK);
    assert_int_equal(sl_rows_add(&rows, cells), SL_OK);
    assert_int_equal(fclose(out), 0);
    assert_null(strchr(text, '\033'));
    assert_non_null(strstr(text, "\\x1b[2Jb"));
    free(text);
}

/* A row of a text, in a column that is `width` wide, and a number. */
static void assert_row(enum sl_format format, int width, const char *cell, const char *expected)
{
    const struct sl_column columns[] = {{"t", SL_CELL_TEXT, width}, {"n", SL_CELL_INTEGER, 0}};
    const struct sl_cell cells[] = {{.text = sl_bytes_of(cell)}, {.number = INT64_MIN}};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct sl_rows rows = {
        .out = out, .format = format, .columns = columns, .count = COUNT(columns), .lines = true};

    assert_non_null(out);
    assert_int_equal(sl_rows_begin(&rows), SL_OK);
    assert_int_equal(sl_rows_add(&rows, cells), SL_OK);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_format_any_text_is_told_apart_from_what_stands_around_it(void **state)
{
    (void)state;
    assert_row(SL_FORMAT_CSV, 0, "a\rb", "t,n\n\"a\rb\",-9223372036854775808\n");
    assert_row(SL_FORMAT_CSV, 0, "\na", "t,n\n\"\na\",-9223372036854775808\n");
    assert_row(SL_FORMAT_CSV, 0, "a,", "t,n\n\"a,\",-9223372036854775808\n");
    assert_row(SL_FORMAT_JSON, 0, "\001a\"\\\nb\037",
               "{\"t\":\"\\u0001a\\\"\\\\\\u000ab\\u001f\",\"n\":-9223372036854775808}\n");
}

static void test_format_table_columns_may_be_wide(void **state)
{
    char expected[512];

    (void)state;
    (void)snprintf(expected, sizeof expected, "%-100s  n\n%-100s  %s\n", "t", "a",
                   "-9223372036854775808");
    assert_row(SL_FORMAT_TABLE, 100, "a", expected);
}

static void test_format_to_a_full_disk_fails(void **state)
{
    FILE *out = fopen("/dev/full", "w");
    struct sl_reading_writer writer;

    (void)state;
    assert_non_null(out);
    assert_int_equal(sl_reading_writer_begin(&writer, out, SL_FORMAT_CSV, false, false), SL_OK);
    assert_int_equal(sl_reading_writer_add(&writer, &story[0]), SL_OK);
    assert_int_equal(sl_format_flush(out), SL_IO);
    (void)fclose(out);
}

static void test_format_unknown_name_is_refused(void **state)
{
    enum sl_format format = SL_FORMAT_TABLE;

    (void)state;
    assert_int_equal(sl_format_find("senml", &format), SL_OK);
    assert_int_equal(format, SL_FORMAT_SENML);
    assert_int_equal(sl_format_find("CSV", &format), SL_BAD_INPUT);
    assert_int_equal(sl_format_find("", &format), SL_BAD_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_csv_quotes_and_keeps_every_digit),
        cmocka_unit_test(test_format_csv_of_nothing_is_its_header),
        cmocka_unit_test(test_format_json_is_one_array),
        cmocka_unit_test(test_format_json_while_following_is_one_object_a_line),
        cmocka_unit_test(test_format_senml_gives_base_names_and_absolute_times),
        cmocka_unit_test(test_format_senml_while_following_is_one_pack_a_line),
        cmocka_unit_test(test_format_influx_gives_tags_and_nanoseconds),
        cmocka_unit_test(test_format_influx_escapes_commas_blanks_and_equal_signs),
        cmocka_unit_test(test_format_table_is_aligned_and_in_utc),
        cmocka_unit_test(test_format_table_shows_no_control_characters),
        cmocka_unit_test(test_format_any_text_is_told_apart_from_what_stands_around_it),
        cmocka_unit_test(test_format_table_columns_may_be_wide),
        cmocka_unit_test(test_format_to_a_full_disk_fails),
        cmocka_unit_test(test_format_unknown_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
