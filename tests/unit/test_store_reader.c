/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_reader.c -- what a reader finds in a store, also while a server writes to it.
 */
#include "store_place.h"
#include "store_version_1.h"

#include <sqlite3.h>

#include "store/reader.h"

enum { TEXT_SIZE = 8192 };

static const struct sl_reader_filter everything = {.since_us = SL_TIME_NONE,
                                                   .until_us = SL_TIME_NONE};

/* What callbacks were given, as text that tests compare. */
struct seen {
    char text[TEXT_SIZE];
    size_t len;
    int64_t count;
    int64_t stop_at; /* answer SL_CUT after so many; 0 for never */
};

static void note(struct seen *seen, const char *text, size_t len)
{
    assert_true(seen->len + len < TEXT_SIZE);
    memcpy(seen->text + seen->len, text, len);
    seen->len += len;
    seen->text[seen->len] = '\0';
}

static enum sl_status note_reading(void *ctx, const struct sl_logged *logged)
{
    struct seen *seen = ctx;
    char line[512];
    int len =
        snprintf(line, sizeof line, "%.*s/%lld %.*s=%.*s%.*s;", (int)logged->sensor.len,
                 logged->sensor.at, (long long)logged->seq, (int)logged->name.len, logged->name.at,
                 (int)logged->value.len, logged->value.at, (int)logged->unit.len, logged->unit.at);

    note(seen, line, (size_t)len);
    seen->count++;
    return seen->count == seen->stop_at ? SL_CUT : SL_OK;
}

static enum sl_status note_sensor(void *ctx, const struct sl_logged_sensor *sensor)
{
    char line[512];
    int len = snprintf(line, sizeof line, "%.*s %lld readings %lld streams %lld..%lld;",
                       (int)sensor->name.len, sensor->name.at, (long long)sensor->readings,
                       (long long)sensor->streams, (long long)(sensor->first_seen_us - NOON),
                       (long long)(sensor->last_seen_us - NOON));

    note(ctx, line, (size_t)len);
    return SL_OK;
}

static enum sl_status note_gap(void *ctx, const struct sl_logged_gap *gap)
{
    char line[512];
    int len =
        snprintf(line, sizeof line, "%.*s %lld..%lld %.*s;", (int)gap->sensor.len, gap->sensor.at,
                 (long long)gap->first, (long long)gap->last, (int)gap->reason.len, gap->reason.at);

    note(ctx, line, (size_t)len);
    return SL_OK;
}

static enum sl_status note_verified(void *ctx, const struct sl_verified *verified)
{
    char line[512];
    int len = snprintf(line, sizeof line,
                       "%.*s last %lld, %lld+%lld, missing %lld@%lld, twice %lld, "
                       "damaged %lld;",
                       (int)verified->sensor.len, verified->sensor.at, (long long)verified->last,
                       (long long)verified->readings, (long long)verified->gaps,
                       (long long)verified->missing, (long long)verified->missing_first,
                       (long long)verified->twice, (long long)verified->damaged);

    note(ctx, line, (size_t)len);
    return SL_OK;
}

static struct sl_reader *open_reader(const struct place *place)
{
    struct sl_reader *reader = NULL;
    char error[ERROR_SIZE] = "";
    enum sl_status status = sl_reader_open(place->path, &reader, error, sizeof error);

    if (status != SL_OK)
        fail_msg("sl_reader_open: %s: %s", sl_status_name(status), error);
    return reader;
}

/* All that a fresh reader gives for the filter. */
static void assert_readings(const struct place *place, const struct sl_reader_filter *filter,
                            int64_t last, const char *expected)
{
    struct seen seen = {.len = 0};
    struct sl_reader *reader = open_reader(place);

    assert_int_equal(sl_reader_readings(reader, filter, last, note_reading, &seen), SL_OK);
    assert_string_equal(seen.text, expected);
    sl_reader_close(reader);
}

/* Stores one reading of a stream, in a transaction of its own. */
static void put_one(const struct place *place, const struct sl_peer *peer, int64_t received_us,
                    int64_t time_us, const char *text)
{
    struct sl_block block = {.first = 0};
    int64_t last = 0;

    add(&block, time_us, text);
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, peer, STREAM_A);
    assert_int_equal(sl_store_append(place->store, peer, stream.id, received_us, &block, &last),
                     SL_OK);
    commit(place->store);
    sl_block_clear(&block);
}

/* Two sensors in turn; what attic sends is a day older than when it is received. */
static void put_story(const struct place *place)
{
    put_one(place, place->attic, NOON, NOON - 86400 * SECOND, "t: 22 Cel");
    put_one(place, place->cellar, NOON + SECOND, SL_TIME_NONE, "t: 11");
    put_one(place, place->attic, NOON + 2 * SECOND, NOON - 86399 * SECOND, "h: 48.5 %RH");
    put_one(place, place->cellar, NOON + 3 * SECOND, SL_TIME_NONE, "h: 123456789.123456789");
}

static void test_reader_gives_readings_in_the_order_of_storing(void **state)
{
    struct place *place = *state;

    put_story(place);
    assert_readings(
        place, &everything, SL_READER_ALL,
        "attic/1 t=22Cel;cellar/1 t=11;attic/2 h=48.5%RH;cellar/2 h=123456789.123456789;");
}

static void test_reader_of_an_empty_store_gives_nothing(void **state)
{
    struct place *place = *state;

    assert_readings(place, &everything, SL_READER_ALL, "");
    assert_readings(place, &everything, 10, "");
}

static void test_reader_filters_by_sensor_and_name(void **state)
{
    struct place *place = *state;
    struct sl_reader_filter filter = everything;

    put_story(place);
    filter.sensor = "ATTIC";
    assert_readings(place, &filter, SL_READER_ALL, "attic/1 t=22Cel;attic/2 h=48.5%RH;");
    filter.name = "h";
    assert_readings(place, &filter, SL_READER_ALL, "attic/2 h=48.5%RH;");
    filter.sensor = NULL;
    assert_readings(place, &filter, SL_READER_ALL,
                    "attic/2 h=48.5%RH;cellar/2 h=123456789.123456789;");
    filter.sensor = "nobody";
    assert_readings(place, &filter, SL_READER_ALL, "");
}

/* The sensor's time counts, and where it has none the time received. */
static void test_reader_filters_by_time_from_since_up_to_but_without_until(void **state)
{
    struct place *place = *state;
    struct sl_reader_filter filter = everything;

    put_story(place);
    filter.since_us = NOON - 86399 * SECOND;
    assert_readings(place, &filter, SL_READER_ALL,
                    "cellar/1 t=11;attic/2 h=48.5%RH;cellar/2 h=123456789.123456789;");
    filter.until_us = NOON + 3 * SECOND;
    assert_readings(place, &filter, SL_READER_ALL, "cellar/1 t=11;attic/2 h=48.5%RH;");
    filter.since_us = SL_TIME_NONE;
    filter.until_us = NOON - 86399 * SECOND;
    assert_readings(place, &filter, SL_READER_ALL, "attic/1 t=22Cel;");
    filter.until_us = INT64_MAX;
    filter.since_us = NOON + 3 * SECOND + 1;
    assert_readings(place, &filter, SL_READER_ALL, "");
}

/* Every reading of long blocks is found by its own time, wherever the block begins. */
static void test_reader_time_inside_a_day_long_block_is_found(void **state)
{
    struct place *place = *state;
    struct sl_block block = {.first = 0};
    int64_t last = 0;

    for (int64_t hour = 0; hour <= 24; hour++) {
        char text[32];

        (void)snprintf(text, sizeof text, "n: %lld", (long long)hour);
        add(&block, NOON + hour * 3600 * SECOND, text);
    }
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(sl_store_append(place->store, place->attic, stream.id, NOON, &block, &last),
                     SL_OK);
    commit(place->store);
    sl_block_clear(&block);

    for (int64_t hour = 0; hour <= 24; hour++) {
        struct sl_reader_filter filter = {.since_us = NOON + hour * 3600 * SECOND,
                                          .until_us = NOON + hour * 3600 * SECOND + 1};
        char expected[64];

        (void)snprintf(expected, sizeof expected, "attic/%lld n=%lld;", (long long)hour + 1,
                       (long long)hour);
        assert_readings(place, &filter, SL_READER_ALL, expected);
    }
}

static void test_reader_gives_the_last_ones_in_the_order_of_storing(void **state)
{
    struct place *place = *state;
    struct sl_reader_filter filter = everything;

    put(place->store, place->attic, STREAM_B, NOON, 5);
    put(place->store, place->cellar, STREAM_B, NOON, 1);
    put(place->store, place->attic, STREAM_B, NOON, 2);
    assert_readings(place, &everything, 4, "attic/5 n=5;cellar/1 n=1;attic/6 n=6;attic/7 n=7;");
    assert_readings(place, &everything, 0, "");
    filter.sensor = "attic";
    assert_readings(place, &filter, 3, "attic/5 n=5;attic/6 n=6;attic/7 n=7;");
    assert_readings(
        place, &filter, 100,
        "attic/1 n=1;attic/2 n=2;attic/3 n=3;attic/4 n=4;attic/5 n=5;attic/6 n=6;attic/7 n=7;");
}

static void test_reader_called_again_gives_what_came_since(void **state)
{
    struct place *place = *state;
    struct seen seen = {.len = 0};
    struct sl_reader_filter filter = everything;
    bool changed = false;

    filter.sensor = "attic";
    put_story(place);
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_readings(reader, &filter, 1, note_reading, &seen), SL_OK);
    assert_int_equal(sl_reader_changed(reader, &changed), SL_OK);
    assert_true(changed);
    assert_int_equal(sl_reader_changed(reader, &changed), SL_OK);
    assert_false(changed);

    put_one(place, place->cellar, NOON, NOON, "x: 1");
    put_one(place, place->attic, NOON, NOON, "y: 2");
    assert_int_equal(sl_reader_changed(reader, &changed), SL_OK);
    assert_true(changed);
    assert_int_equal(sl_reader_readings(reader, &filter, SL_READER_ALL, note_reading, &seen),
                     SL_OK);
    assert_int_equal(sl_reader_readings(reader, &filter, SL_READER_ALL, note_reading, &seen),
                     SL_OK);
    assert_string_equal(seen.text, "attic/2 h=48.5%RH;attic/3 y=2;");
    sl_reader_close(reader);
}

static void test_reader_stops_with_the_callbacks_status(void **state)
{
    struct place *place = *state;
    struct seen seen = {.stop_at = 2};

    put_story(place);
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_readings(reader, &everything, SL_READER_ALL, note_reading, &seen),
                     SL_CUT);
    assert_int_equal(seen.count, 2);
    sl_reader_close(reader);
}

/* Empties the write-ahead log; that works only where nobody reads an older state of the store. */
static enum sl_status checkpoint(void *ctx, const struct sl_logged *logged)
{
    const struct place *place = ctx;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    (void)logged;
    put_one(place, place->cellar, NOON, NOON, "x: 1");
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "PRAGMA wal_checkpoint(TRUNCATE)", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 0);
    assert_int_equal(sqlite3_column_int(statement, 1), 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return SL_OK;
}

/*
 * An output that waits, as a pager's, must not keep the server's write-ahead log from being
 * emptied.
 */
static void test_reader_holds_no_transaction_while_its_output_waits(void **state)
{
    struct place *place = *state;

    put_story(place);
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_readings(reader, &everything, SL_READER_ALL, checkpoint, place),
                     SL_OK);
    sl_reader_close(reader);
}

static void test_reader_lists_sensors_by_name(void **state)
{
    struct place *place = *state;
    struct sl_reader_filter filter = everything;
    struct seen seen = {.len = 0};

    put(place->store, place->cellar, STREAM_A, NOON + 5, 2);
    put(place->store, place->attic, STREAM_A, NOON + 7, 3);
    put(place->store, place->attic, STREAM_B, NOON + 9, 1);
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_sensors(reader, &everything, note_sensor, &seen), SL_OK);
    assert_string_equal(seen.text,
                        "attic 4 readings 2 streams 0..9;cellar 2 readings 1 streams 0..5;");
    seen = (struct seen){.len = 0};
    filter.sensor = "cellar";
    assert_int_equal(sl_reader_sensors(reader, &filter, note_sensor, &seen), SL_OK);
    assert_string_equal(seen.text, "cellar 2 readings 1 streams 0..5;");
    sl_reader_close(reader);
}

static enum sl_status note_certificate_and_clock(void *ctx, const struct sl_logged_sensor *sensor)
{
    char line[512];
    char until[SL_TIME_TEXT_SIZE];
    char offset[SL_TIME_TEXT_SIZE];

    (void)sl_time_print_unix(sensor->cert_until_us, until);
    (void)sl_time_print_unix(sensor->clock_offset_us, offset);

    int len = snprintf(line, sizeof line, "%.*s until %s clock %s;", (int)sensor->name.len,
                       sensor->name.at, until, offset);

    note(ctx, line, (size_t)len);
    return SL_OK;
}

static void tell_clock(const struct place *place, const struct sl_peer *peer, int64_t offset_us)
{
    begin(place->store);
    (void)open_stream(place->store, peer, STREAM_A);
    assert_int_equal(sl_store_clock(place->store, peer, NOON, offset_us), SL_OK);
    commit(place->store);
}

/* The certificate and the clock are those that the sensor came with last; another's don't count. */
static void test_reader_gives_a_sensors_certificate_and_clock(void **state)
{
    struct place *place = *state;
    struct seen seen = {.len = 0};
    struct sl_peer *renewed = sl_test_peer_until("attic", NOON + SECOND / 2);

    tell_clock(place, place->attic, 99);
    tell_clock(place, renewed, -1500000);
    put(place->store, place->cellar, STREAM_A, NOON, 1);
    begin(place->store);
    assert_int_equal(sl_store_clock(place->store, place->cellar, NOON, 77), SL_OK);
    sl_store_rollback(place->store);
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_sensors(reader, &everything, note_certificate_and_clock, &seen),
                     SL_OK);
    assert_string_equal(seen.text, "attic until 1764000000.5 clock -1.5;"
                                   "cellar until 4102444800 clock -;");
    sl_reader_close(reader);
    sl_peer_unref(renewed);
}

static void test_reader_of_version_1_knows_no_certificates_and_clocks(void **state)
{
    struct place *place = *state;
    struct seen seen = {.len = 0};

    make_version_1(place);
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_sensors(reader, &everything, note_certificate_and_clock, &seen),
                     SL_OK);
    assert_string_equal(seen.text, "attic until - clock -;");
    seen = (struct seen){.len = 0};
    /* A server comes meanwhile, and makes version 2 of it. */
    open_file(place);
    assert_int_equal(sl_reader_sensors(reader, &everything, note_sensor, &seen), SL_OK);
    assert_string_equal(seen.text, "attic 3 readings 1 streams 0..0;");
    sl_reader_close(reader);
}

static void put_gap(const struct place *place, const struct sl_peer *peer, int64_t first,
                    int64_t last, const char *reason)
{
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, peer, STREAM_A);
    assert_int_equal(
        sl_store_gap(place->store, peer, stream.id, NOON, first, last, sl_bytes_of(reason)), SL_OK);
    commit(place->store);
}

static void test_reader_lists_gaps_in_the_order_of_storing(void **state)
{
    struct place *place = *state;
    struct sl_reader_filter filter = everything;
    struct seen seen = {.len = 0};

    put_gap(place, place->attic, 1, 3, "spool-full");
    put_gap(place, place->cellar, 1, 1, "not-a-number");
    put_gap(place, place->attic, 4, 4, "not-a-number");
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_gaps(reader, &everything, note_gap, &seen), SL_OK);
    assert_string_equal(seen.text,
                        "attic 1..3 spool-full;cellar 1..1 not-a-number;attic 4..4 not-a-number;");
    seen = (struct seen){.len = 0};
    filter.sensor = "attic";
    filter.since_us = NOON;
    filter.until_us = NOON + 1;
    assert_int_equal(sl_reader_gaps(reader, &filter, note_gap, &seen), SL_OK);
    assert_string_equal(seen.text, "attic 1..3 spool-full;attic 4..4 not-a-number;");
    seen = (struct seen){.len = 0};
    filter.until_us = NOON;
    assert_int_equal(sl_reader_gaps(reader, &filter, note_gap, &seen), SL_OK);
    assert_string_equal(seen.text, "");
    sl_reader_close(reader);
}

static void assert_verified(const struct place *place, const char *expected)
{
    struct seen seen = {.len = 0};
    struct sl_reader *reader = open_reader(place);

    assert_int_equal(sl_reader_verify(reader, &everything, note_verified, &seen), SL_OK);
    assert_string_equal(seen.text, expected);
    sl_reader_close(reader);
}

static void test_reader_verifies_a_sound_store(void **state)
{
    struct place *place = *state;

    put(place->store, place->attic, STREAM_A, NOON, 5);
    put_gap(place, place->attic, 6, 8, "lost");
    put(place->store, place->attic, STREAM_A, NOON, 2);
    begin(place->store);
    (void)open_stream(place->store, place->cellar, STREAM_B);
    commit(place->store);
    put_gap(place, place->cellar, 1, 1, "lost");
    put(place->store, place->cellar, STREAM_A, NOON, 1);
    put_gap(place, place->cellar, 3, 4, "lost");
    put_gap(place, place->cellar, 5, 5, "refused");
    assert_verified(place, "attic last 10, 7+3, missing 0@0, twice 0, damaged 0;"
                           "cellar last 0, 0+0, missing 0@0, twice 0, damaged 0;"
                           "cellar last 5, 1+4, missing 0@0, twice 0, damaged 0;");
}

/* What only somebody else's hands can do to a store is seen and told apart. */
static void test_reader_sees_what_is_missing_twice_and_damaged(void **state)
{
    struct place *place = *state;
    sqlite3 *db = NULL;

    for (int i = 0; i < 5; i++)
        put(place->store, place->attic, STREAM_A, NOON, 2);
    put(place->store, place->cellar, STREAM_A, NOON, 2);
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(
            db,
            "DELETE FROM blocks WHERE sensor = 1 AND first IN (3, 9);"
            "UPDATE blocks SET readings = '[[1,\"n\",1]]' WHERE sensor = 1 AND first = 5;"
            "UPDATE blocks SET readings = 'nonsense' WHERE sensor = 2;"
            "INSERT INTO gaps(stream, first, last, reason, received) VALUES(1, 7, 8, 'x', 0)",
            NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_verified(place, "attic last 10, 6+2, missing 4@3, twice 1, damaged 1;"
                           "cellar last 2, 2+0, missing 0@0, twice 0, damaged 1;");

    struct seen seen = {.len = 0};
    struct sl_reader *reader = open_reader(place);
    assert_int_equal(sl_reader_readings(reader, &everything, SL_READER_ALL, note_reading, &seen),
                     SL_BAD_INPUT);
    assert_non_null(strstr(sl_reader_error(reader), "block 6 is damaged"));
    sl_reader_close(reader);
}

static enum sl_status try_open(const char *path, char error[static ERROR_SIZE])
{
    struct sl_reader *reader = NULL;
    enum sl_status status = sl_reader_open(path, &reader, error, ERROR_SIZE);

    sl_reader_close(reader);
    return status;
}

static void test_reader_refuses_what_is_no_store(void **state)
{
    struct place *place = *state;
    char error[ERROR_SIZE] = "";
    sqlite3 *db = NULL;

    assert_int_equal(try_open(place->path, error), SL_DENIED);
    assert_non_null(strstr(error, "No such file"));
    assert_int_equal(try_open(place->folder, error), SL_BAD_INPUT);

    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(try_open(place->path, error), SL_BAD_INPUT);
    assert_non_null(strstr(error, "isn't a store"));

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA application_id = 1", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(try_open(place->path, error), SL_BAD_INPUT);
    assert_non_null(strstr(error, "another program"));
}

static void test_reader_refuses_a_later_version(void **state)
{
    struct place *place = *state;
    char error[ERROR_SIZE] = "";
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(try_open(place->path, error), SL_BAD_INPUT);
    assert_non_null(strstr(error, "later sensorlink"));
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, clear_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(test_reader_gives_readings_in_the_order_of_storing),
        WITH_FILE(test_reader_of_an_empty_store_gives_nothing),
        WITH_FILE(test_reader_filters_by_sensor_and_name),
        WITH_FILE(test_reader_filters_by_time_from_since_up_to_but_without_until),
        WITH_FILE(test_reader_time_inside_a_day_long_block_is_found),
        WITH_FILE(test_reader_gives_the_last_ones_in_the_order_of_storing),
        WITH_FILE(test_reader_called_again_gives_what_came_since),
        WITH_FILE(test_reader_stops_with_the_callbacks_status),
        WITH_FILE(test_reader_holds_no_transaction_while_its_output_waits),
        WITH_FILE(test_reader_lists_sensors_by_name),
        WITH_FILE(test_reader_gives_a_sensors_certificate_and_clock),
        OF_SENSORS(test_reader_of_version_1_knows_no_certificates_and_clocks),
        WITH_FILE(test_reader_lists_gaps_in_the_order_of_storing),
        WITH_FILE(test_reader_verifies_a_sound_store),
        WITH_FILE(test_reader_sees_what_is_missing_twice_and_damaged),
        OF_SENSORS(test_reader_refuses_what_is_no_store),
        WITH_FILE(test_reader_refuses_a_later_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
