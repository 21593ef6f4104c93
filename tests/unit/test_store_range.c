/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_range.c -- how a reader finds blocks: always the same ones, whichever way it takes;
 * with little work however long the store is; and without keeping the server from its log.
 */
#include "store_place.h"

#include <sqlite3.h>

#include "store/reader_file.h"

enum { BLOCKS = 600, READINGS = 3 * BLOCKS, SENSORS = 7, ROUNDS = 400, LONG = 20000, EACH = 20 };

static const struct sl_reader_filter everything = {.since_us = SL_TIME_NONE,
                                                   .until_us = SL_TIME_NONE};

/* A reading as it was stored. */
struct known {
    char sensor[16];
    char name[2];
    int64_t time_us; /* or received, where there is none */
    int64_t value;   /* unlike any other's */
};

/* A store of readings whose times are in no order. */
struct story {
    struct known readings[READINGS];
    int64_t count;
};

/* What a reader is expected to give, one by one. */
struct expected {
    const struct known *readings[READINGS];
    int64_t count;
    int64_t given;
    const struct sl_reader *reader;
};

/* Not a good one, but the same everywhere. */
static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 33) % below;
}

static struct sl_reader *open_reader(const struct place *place)
{
    struct sl_reader *reader = NULL;
    char error[ERROR_SIZE] = "";

    assert_int_equal(sl_reader_open(place->path, &reader, error, sizeof error), SL_OK);
    return reader;
}

/* Appends one block of one to three readings, half a day apart at most, of any sensor. */
static void tell_block(struct place *place, struct story *story, uint64_t *seed)
{
    /* Sensor 0 reports in every second block, sensor 6 rarely; sensor 3 has no clock. */
    uint64_t log = draw(seed, 64);
    uint64_t which = 0;
    struct sl_block block = {.first = 0};
    struct sl_store_stream stream = {0};
    int64_t received_us = NOON + story->count * SECOND;
    int64_t time_us = NOON + ((int64_t)draw(seed, 6 * 86400) - 3 * 86400) * SECOND;
    int64_t last = 0;
    char name[16];

    while (which < SENSORS - 1 && (log & 1) != 0) {
        log >>= 1;
        which++;
    }
    (void)snprintf(name, sizeof name, "sensor-%d", (int)which);
    struct sl_peer *peer = sl_test_peer(name);

    for (uint64_t i = 0; i <= draw(seed, 3) && block.count < 3; i++) {
        struct known *known = &story->readings[story->count++];
        char text[32];

        *known = (struct known){.name = {draw(seed, 3) == 0 ? 'b' : 'a'}, .value = story->count};
        memcpy(known->sensor, name, sizeof name);
        known->time_us = which == 3 ? received_us : time_us + (int64_t)draw(seed, 43200) * SECOND;
        (void)snprintf(text, sizeof text, "%s: %lld", known->name, (long long)known->value);
        add(&block, which == 3 ? SL_TIME_NONE : known->time_us, text);
    }
    assert_int_equal(sl_store_stream(place->store, peer, STREAM_A, received_us, &stream), SL_OK);
    assert_int_equal(sl_store_append(place->store, peer, stream.id, received_us, &block, &last),
                     SL_OK);
    sl_block_clear(&block);
    sl_peer_unref(peer);
}

static void tell_story(struct place *place, struct story *story, uint64_t *seed)
{
    begin(place->store);
    for (int i = 0; i < BLOCKS; i++)
        tell_block(place, story, seed);
    commit(place->store);
}

static bool takes(const struct sl_reader_filter *filter, const struct known *known)
{
    return (filter->sensor == NULL || strcmp(filter->sensor, known->sensor) == 0) &&
           (filter->name == NULL || strcmp(filter->name, known->name) == 0) &&
           known->time_us >= filter->since_us &&
           (filter->until_us == SL_TIME_NONE || known->time_us < filter->until_us);
}

static void expect(struct expected *expected, const struct story *story,
                   const struct sl_reader_filter *filter, int64_t last)
{
    int64_t matching = 0;

    for (int64_t i = 0; i < story->count; i++)
        matching += takes(filter, &story->readings[i]);
    expected->count = expected->given = 0;
    for (int64_t i = 0; i < story->count; i++)
        if (takes(filter, &story->readings[i]) && matching-- <= last)
            expected->readings[expected->count++] = &story->readings[i];
}

static enum sl_status compare(void *ctx, const struct sl_logged *logged)
{
    struct expected *expected = ctx;
    char value[32];

    if (expected->given == expected->count)
        fail_msg("%.*s is given after all %lld that are expected", (int)logged->value.len,
                 logged->value.at, (long long)expected->count);
    const struct known *known = expected->readings[expected->given++];
    (void)snprintf(value, sizeof value, "%lld", (long long)known->value);
    if (!sl_bytes_equal(logged->value, sl_bytes_of(value)) ||
        !sl_bytes_equal(logged->sensor, sl_bytes_of(known->sensor)) ||
        !sl_bytes_equal(logged->name, sl_bytes_of(known->name)))
        fail_msg("%.*s/%.*s is given in place of %s/%s", (int)logged->sensor.len, logged->sensor.at,
                 (int)logged->value.len, logged->value.at, known->sensor, value);
    assert_int_equal(sqlite3_txn_state(expected->reader->db, NULL), SQLITE_TXN_NONE);
    return SL_OK;
}

/* A filter of any combination, with times within those of the story and around them. */
static struct sl_reader_filter any_filter(uint64_t *seed, char sensor[static 16])
{
    struct sl_reader_filter filter = everything;

    (void)snprintf(sensor, 16, "sensor-%d", (int)draw(seed, SENSORS + 1));
    if (draw(seed, 3) > 0)
        filter.sensor = sensor;
    if (draw(seed, 3) == 0)
        filter.name = "b";
    if (draw(seed, 2) == 0)
        filter.since_us = NOON + ((int64_t)draw(seed, 8 * 86400) - 4 * 86400) * SECOND;
    if (draw(seed, 2) == 0)
        filter.until_us = NOON + ((int64_t)draw(seed, 8 * 86400) - 4 * 86400) * SECOND;
    return filter;
}

static void check_filters(const struct place *place, const struct story *story,
                          const struct sl_reader_limits *limits, uint64_t *seed)
{
    static struct expected expected;
    char sensor[16];

    for (int i = 0; i < ROUNDS; i++) {
        struct sl_reader *reader = open_reader(place);
        struct sl_reader_filter filter = any_filter(seed, sensor);
        int64_t last = draw(seed, 2) == 0 ? SL_READER_ALL : (int64_t)draw(seed, 50);

        if (limits != NULL)
            reader->limits = *limits;
        expected.reader = reader;
        expect(&expected, story, &filter, last);
        assert_int_equal(sl_reader_readings(reader, &filter, last, compare, &expected), SL_OK);
        if (expected.given != expected.count)
            fail_msg("round %d: %lld readings of %lld are given", i, (long long)expected.given,
                     (long long)expected.count);
        assert_int_equal(sl_reader_readings(reader, &filter, SL_READER_ALL, compare, &expected),
                         SL_OK);
        sl_reader_close(reader);
    }
}

static void test_reader_gives_the_same_whichever_way_it_finds_it(void **state)
{
    static struct story story;
    struct place *place = *state;
    uint64_t seed = 1;

    story.count = 0;
    tell_story(place, &story, &seed);
    check_filters(place, &story, NULL, &seed);
    check_filters(place, &story, &(struct sl_reader_limits){1000000, 32, 0}, &seed);
    check_filters(place, &story, &(struct sl_reader_limits){5, 7, 0}, &seed);
    check_filters(place, &story, &(struct sl_reader_limits){64, 1000, 30}, &seed);
}

/* How many steps SQLite's machine took: at most in one run of a statement, and in all. */
struct steps {
    int most;
    int all;
};

static int count_steps(unsigned kind, void *ctx, void *statement, void *took)
{
    struct steps *steps = ctx;
    int count = sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);

    (void)kind;
    (void)took;
    steps->most = count > steps->most ? count : steps->most;
    steps->all += count;
    return 0;
}

static enum sl_status count_reading(void *ctx, const struct sl_logged *logged)
{
    (void)logged;
    ++*(int64_t *)ctx;
    return SL_OK;
}

static struct steps read_counting(const struct place *place, const struct sl_reader_filter *filter,
                                  int64_t last, int64_t expected)
{
    struct sl_reader *reader = open_reader(place);
    struct steps steps = {0};
    int64_t count = 0;

    reader->limits.slice = 500;
    assert_int_equal(sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, count_steps, &steps),
                     SQLITE_OK);
    assert_int_equal(sl_reader_readings(reader, filter, last, count_reading, &count), SL_OK);
    assert_int_equal(count, expected);
    sl_reader_close(reader);
    return steps;
}

/* LONG readings of EACH sensors in turn, one a second, in blocks of one. */
static int make_long(void **state)
{
    int failed = make_file(state);
    struct place *place = *state;
    struct sl_peer *peers[EACH];
    struct sl_store_stream streams[EACH];
    struct sl_block block = {.first = 0};
    int64_t last = 0;

    begin(place->store);
    for (int i = 0; i < EACH; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "sensor-%d", i);
        peers[i] = sl_test_peer(name);
        streams[i] = open_stream(place->store, peers[i], STREAM_A);
    }
    for (int i = 0; i < LONG; i++) {
        int which = i < LONG / 2 ? i % EACH : i % (EACH - 1); /* the last one falls silent */
        int64_t time_us = NOON + i * SECOND;

        sl_block_reset(&block);
        add(&block, time_us, "t: 22 Cel");
        assert_int_equal(
            sl_store_append(place->store, peers[which], streams[which].id, time_us, &block, &last),
            SL_OK);
    }
    commit(place->store);
    sl_block_clear(&block);
    for (int i = 0; i < EACH; i++)
        sl_peer_unref(peers[i]);
    return failed;
}

static void test_reader_finds_a_sensors_hour_by_the_index(void **state)
{
    struct sl_reader_filter filter = {
        .sensor = "sensor-3", .since_us = NOON + 4000 * SECOND, .until_us = NOON + 7600 * SECOND};
    struct steps steps = read_counting(*state, &filter, SL_READER_ALL, 3600 / EACH);

    if (steps.all > LONG)
        fail_msg("%d steps for %d readings", steps.all, 3600 / EACH);
}

static void test_reader_finds_the_last_value_at_once(void **state)
{
    struct sl_reader_filter filter = everything;
    const char *const sensors[] = {NULL, "sensor-3", "sensor-19"};

    for (size_t i = 0; i < COUNT(sensors); i++) {
        filter.sensor = sensors[i];
        struct steps steps = read_counting(*state, &filter, 1, 1);

        if (steps.all > 500)
            fail_msg("%d steps for the last value of %s", steps.all,
                     sensors[i] != NULL ? sensors[i] : "all");
    }
}

static void test_reader_finds_the_last_ones_of_a_sensor_among_the_newest_blocks(void **state)
{
    struct sl_reader_filter filter = everything;

    filter.sensor = "sensor-3";
    struct steps steps = read_counting(*state, &filter, 10, 10);
    if (steps.all > 10000)
        fail_msg("%d steps for the last 10 readings", steps.all);
}

/* The server's log can't be emptied while a statement runs, so none goes on for long. */
static void test_reader_that_finds_nothing_stops_between_slices(void **state)
{
    struct sl_reader_filter filter = everything;

    filter.name = "nothing";
    struct steps steps = read_counting(*state, &filter, SL_READER_ALL, 0);
    assert_true(steps.all > LONG);
    if (steps.most > 500 * 50)
        fail_msg("%d steps in one statement", steps.most);
}

static void test_reader_goes_through_a_range_that_all_sensors_fill(void **state)
{
    struct place *place = *state;
    struct sl_reader *reader = open_reader(place);
    struct sl_reader_filter filter = {.since_us = NOON + 4000 * SECOND,
                                      .until_us = NOON + 14000 * SECOND};
    struct steps steps = {0};
    int64_t count = 0;

    reader->limits.keys = 100;
    assert_int_equal(sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, count_steps, &steps),
                     SQLITE_OK);
    assert_int_equal(sl_reader_readings(reader, &filter, SL_READER_ALL, count_reading, &count),
                     SL_OK);
    assert_int_equal(count, 10000);
    /* Listing 100 keys at a time would take a hundred turns through all that match. */
    if (steps.all > LONG * 50)
        fail_msg("%d steps for 10000 readings", steps.all);
    sl_reader_close(reader);
}

/* Somebody who stores more after each statement of a reader. */
struct busy {
    struct place *place;
    int64_t stored;
};

static int store_more(unsigned kind, void *ctx, void *statement, void *took)
{
    struct busy *busy = ctx;

    (void)kind;
    (void)statement;
    (void)took;
    put(busy->place->store, busy->place->attic, STREAM_B, NOON + LONG * SECOND, 1);
    busy->stored++;
    return 0;
}

/* A store that was verified: how many streams, and who reads it. */
struct verified {
    const struct sl_reader *reader;
    int64_t streams;
    int64_t readings;
};

static enum sl_status expect_sound(void *ctx, const struct sl_verified *stream)
{
    struct verified *verified = ctx;

    if (stream->missing != 0 || stream->twice != 0 || stream->damaged != 0)
        fail_msg("of %.*s %lld are missing from %lld on, %lld twice, %lld damaged",
                 (int)stream->sensor.len, stream->sensor.at, (long long)stream->missing,
                 (long long)stream->missing_first, (long long)stream->twice,
                 (long long)stream->damaged);
    assert_int_equal(sqlite3_txn_state(verified->reader->db, NULL), SQLITE_TXN_NONE);
    verified->streams++;
    verified->readings += stream->readings;
    return SL_OK;
}

static void test_reader_verifies_a_store_that_grows_meanwhile(void **state)
{
    struct place *place = *state;
    struct sl_reader *reader = open_reader(place);
    struct busy busy = {.place = place};
    struct verified verified = {.reader = reader};

    reader->limits.slice = 500;
    put(place->store, place->attic, STREAM_B, NOON + LONG * SECOND, 1);
    assert_int_equal(sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, store_more, &busy),
                     SQLITE_OK);
    assert_int_equal(sl_reader_verify(reader, &everything, expect_sound, &verified), SL_OK);
    assert_int_equal(verified.streams, EACH + 1);
    assert_in_range(verified.readings, LONG + 1, LONG + 1 + busy.stored);
    assert_true(busy.stored > LONG / 500);
    sl_reader_close(reader);
}

static void test_reader_that_verifies_stops_between_slices(void **state)
{
    struct place *place = *state;
    struct sl_reader *reader = open_reader(place);
    struct steps steps = {0};
    struct verified verified = {.reader = reader};

    reader->limits.slice = 500;
    assert_int_equal(sqlite3_trace_v2(reader->db, SQLITE_TRACE_PROFILE, count_steps, &steps),
                     SQLITE_OK);
    assert_int_equal(sl_reader_verify(reader, &everything, expect_sound, &verified), SL_OK);
    assert_int_equal(verified.readings, LONG);
    if (steps.most > 500 * 50)
        fail_msg("%d steps in one statement", steps.most);
    sl_reader_close(reader);
}

int main(void)
{
    const struct CMUnitTest story[] = {
        {"test_reader_gives_the_same_whichever_way_it_finds_it",
         test_reader_gives_the_same_whichever_way_it_finds_it, make_file, clear_place, NULL},
    };
    /* All of one store, because it takes a while to make. The last one changes it. */
    const struct CMUnitTest of_long[] = {
        cmocka_unit_test(test_reader_finds_a_sensors_hour_by_the_index),
        cmocka_unit_test(test_reader_finds_the_last_value_at_once),
        cmocka_unit_test(test_reader_finds_the_last_ones_of_a_sensor_among_the_newest_blocks),
        cmocka_unit_test(test_reader_that_finds_nothing_stops_between_slices),
        cmocka_unit_test(test_reader_goes_through_a_range_that_all_sensors_fill),
        cmocka_unit_test(test_reader_that_verifies_stops_between_slices),
        cmocka_unit_test(test_reader_verifies_a_store_that_grows_meanwhile),
    };

    return cmocka_run_group_tests(story, NULL, NULL) +
           cmocka_run_group_tests(of_long, make_long, clear_place);
}
