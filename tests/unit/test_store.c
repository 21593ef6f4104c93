/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store.c -- the contract of store.h, kept by a file and by a store in memory.
 */
#include "store_place.h"

static void test_store_new_stream_starts_at_zero(void **state)
{
    struct place *place = *state;

    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 0);
}

static void test_store_appended_numbers_are_last(void **state)
{
    struct place *place = *state;

    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 3), 3);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 2), 5);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 5);
}

static void test_store_rolled_back_readings_are_gone(void **state)
{
    struct place *place = *state;
    int64_t last = 0;

    put(place->store, place->attic, STREAM_A, NOON, 3);
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(append(place->store, place->attic, stream.id, NOON, 4, 2, &last), SL_OK);
    assert_int_equal(last, 5);
    sl_store_rollback(place->store);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 3);
}

static void test_store_same_stream_id_of_another_sensor_is_another_stream(void **state)
{
    struct place *place = *state;

    put(place->store, place->attic, STREAM_A, NOON, 3);
    assert_int_equal(last_of(place->store, place->cellar, STREAM_A), 0);
    assert_int_equal(put(place->store, place->cellar, STREAM_A, NOON, 1), 1);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 3);
}

/* Duplicates, jumps and overlaps: only what follows is taken, and the transaction goes on. */
static void test_store_numbers_that_do_not_follow_are_denied(void **state)
{
    static const int64_t firsts[] = {1, 2, 3, 5, 1000, INT64_MAX};
    struct place *place = *state;
    int64_t last = -1;

    put(place->store, place->attic, STREAM_A, NOON, 3);
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    for (size_t i = 0; i < COUNT(firsts); i++) {
        struct sl_block block = {.first = firsts[i]};

        add(&block, NOON, "n: 1");
        assert_int_equal(
            sl_store_append(place->store, place->attic, stream.id, NOON, &block, &last), SL_DENIED);
        sl_block_clear(&block);
    }
    assert_int_equal(last, -1);
    assert_non_null(strstr(sl_store_error(place->store), "attic"));
    assert_int_equal(append(place->store, place->attic, stream.id, NOON, 4, 1, &last), SL_OK);
    commit(place->store);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 4);
}

static void test_store_two_sessions_of_one_stream_store_each_number_once(void **state)
{
    struct place *place = *state;
    int64_t last = 0;

    begin(place->store);
    struct sl_store_stream one = open_stream(place->store, place->attic, STREAM_A);
    struct sl_store_stream two = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(one.id, two.id);
    assert_int_equal(append(place->store, place->attic, one.id, NOON, 1, 2, &last), SL_OK);
    assert_int_equal(append(place->store, place->attic, two.id, NOON, 1, 2, &last), SL_DENIED);
    commit(place->store);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 2);
}

static void test_store_stream_of_another_sensor_takes_nothing(void **state)
{
    struct place *place = *state;
    int64_t last = 0;

    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    (void)open_stream(place->store, place->cellar, STREAM_A);
    assert_int_equal(append(place->store, place->cellar, stream.id, NOON, 1, 1, &last), SL_DENIED);
    assert_int_equal(
        sl_store_gap(place->store, place->cellar, stream.id, NOON, 1, 1, sl_bytes_of("lost")),
        SL_DENIED);
    assert_int_equal(append(place->store, place->attic, 4711, NOON, 1, 1, &last), SL_DENIED);
    commit(place->store);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 0);
}

static void test_store_numbers_plain_lines_itself(void **state)
{
    struct place *place = *state;
    int64_t last = 0;

    begin(place->store);
    struct sl_store_stream plain = open_stream(place->store, place->attic, SL_STREAM_PLAIN);
    assert_int_equal(append(place->store, place->attic, plain.id, NOON, 0, 2, &last), SL_OK);
    assert_int_equal(last, 2);
    assert_int_equal(append(place->store, place->attic, plain.id, NOON, 0, 3, &last), SL_OK);
    assert_int_equal(last, 5);
    commit(place->store);
    assert_int_equal(last_of(place->store, place->attic, SL_STREAM_PLAIN), 5);
}

static void test_store_gap_moves_the_stream_on(void **state)
{
    struct place *place = *state;
    struct sl_bytes reason = sl_bytes_of("spool-full");
    int64_t last = 0;

    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(append(place->store, place->attic, stream.id, NOON, 1, 2, &last), SL_OK);
    assert_int_equal(sl_store_gap(place->store, place->attic, stream.id, NOON, 2, 5, reason),
                     SL_DENIED);
    assert_int_equal(sl_store_gap(place->store, place->attic, stream.id, NOON, 4, 5, reason),
                     SL_DENIED);
    assert_int_equal(sl_store_gap(place->store, place->attic, stream.id, NOON, 3, 5, reason),
                     SL_OK);
    assert_int_equal(append(place->store, place->attic, stream.id, NOON, 3, 1, &last), SL_DENIED);
    assert_int_equal(append(place->store, place->attic, stream.id, NOON, 6, 1, &last), SL_OK);
    commit(place->store);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 6);
}

/* A sensor may declare every number there is a gap. Nothing may overflow then. */
static void test_store_stream_without_numbers_left_takes_nothing(void **state)
{
    struct place *place = *state;
    struct sl_block block = {0};
    int64_t last = 0;

    add(&block, NOON, "n: 1");
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(
        sl_store_gap(place->store, place->attic, stream.id, NOON, 1, INT64_MAX, sl_bytes_of("all")),
        SL_OK);
    assert_int_equal(sl_store_append(place->store, place->attic, stream.id, NOON, &block, &last),
                     SL_DENIED);
    block.first = INT64_MAX;
    assert_int_equal(sl_store_append(place->store, place->attic, stream.id, NOON, &block, &last),
                     SL_DENIED);
    commit(place->store);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), INT64_MAX);
    sl_block_clear(&block);
}

static void test_store_name_in_another_spelling_is_denied(void **state)
{
    struct place *place = *state;
    struct sl_peer *other = sl_test_peer("Attic");
    struct sl_store_stream stream = {0};

    put(place->store, place->attic, STREAM_A, NOON, 1);
    begin(place->store);
    assert_int_equal(sl_store_stream(place->store, other, STREAM_B, NOON, &stream), SL_DENIED);
    assert_non_null(strstr(sl_store_error(place->store), "'attic'"));
    assert_non_null(strstr(sl_store_error(place->store), "Attic"));
    /* The transaction goes on, for the others in it. */
    assert_int_equal(open_stream(place->store, place->attic, STREAM_A).last, 1);
    commit(place->store);
    sl_peer_unref(other);
}

/*
 * After a failure SQLite may have rolled back by itself; nothing may then be committed one by one.
 */
static void test_store_outside_a_transaction_stores_nothing(void **state)
{
    struct place *place = *state;
    struct sl_store_stream stream = {0};
    int64_t last = 0;

    put(place->store, place->attic, STREAM_A, NOON, 1);
    begin(place->store);
    int64_t id = open_stream(place->store, place->attic, STREAM_A).id;
    sl_store_rollback(place->store);
    assert_int_equal(sl_store_stream(place->store, place->attic, STREAM_B, NOON, &stream), SL_IO);
    assert_int_equal(append(place->store, place->attic, id, NOON, 2, 1, &last), SL_IO);
    assert_int_equal(sl_store_gap(place->store, place->attic, id, NOON, 2, 2, sl_bytes_of("x")),
                     SL_IO);
    assert_int_equal(sl_store_clock(place->store, place->attic, NOON, 1), SL_IO);
    assert_int_equal(sl_store_commit(place->store), SL_IO);
    assert_true(strlen(sl_store_error(place->store)) > 0);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 1);
}

static void test_store_begun_twice_fails_until_rolled_back(void **state)
{
    struct place *place = *state;

    begin(place->store);
    assert_int_equal(sl_store_begin(place->store), SL_IO);
    assert_true(strlen(sl_store_error(place->store)) > 0);
    sl_store_rollback(place->store);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_store_new_stream_starts_at_zero),
        ON_BOTH(test_store_appended_numbers_are_last),
        ON_BOTH(test_store_rolled_back_readings_are_gone),
        ON_BOTH(test_store_same_stream_id_of_another_sensor_is_another_stream),
        ON_BOTH(test_store_numbers_that_do_not_follow_are_denied),
        ON_BOTH(test_store_two_sessions_of_one_stream_store_each_number_once),
        ON_BOTH(test_store_stream_of_another_sensor_takes_nothing),
        ON_BOTH(test_store_numbers_plain_lines_itself),
        ON_BOTH(test_store_gap_moves_the_stream_on),
        ON_BOTH(test_store_stream_without_numbers_left_takes_nothing),
        ON_BOTH(test_store_name_in_another_spelling_is_denied),
        ON_BOTH(test_store_outside_a_transaction_stores_nothing),
        ON_BOTH(test_store_begun_twice_fails_until_rolled_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
