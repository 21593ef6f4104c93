/* SPDX-License-Identifier: Apache-2.0 */
/* test_store_seen.c -- when a sensor was seen, and what noting it costs the disk. */
#include "store_ask.h"
#include "store_place.h"

#include <sys/stat.h>

#include "store/sqlite.h"

/* Opens STREAM_A in a transaction; returns by how many bytes the write-ahead log grew. */
static off_t open_at(const struct place *place, const struct sl_peer *peer, int64_t now_us)
{
    struct sl_store_stream found;
    struct stat before, after;
    char log[PATH_SIZE + 32];

    (void)snprintf(log, sizeof log, "%s-wal", place->path);
    assert_int_equal(stat(log, &before), 0);
    begin(place->store);
    assert_int_equal(sl_store_stream(place->store, peer, STREAM_A, now_us, &found), SL_OK);
    commit(place->store);
    assert_int_equal(found.last, 7);
    assert_int_equal(stat(log, &after), 0);
    return after.st_size - before.st_size;
}

static void test_store_sensor_that_comes_back_within_a_minute_costs_the_disk_nothing(void **state)
{
    struct place *place = *state;
    struct sl_peer *renewed = sl_test_peer_until("attic", NOON);
    int64_t later_us = NOON + 60 * SECOND;

    open_file(place);
    put(place->store, place->attic, STREAM_A, NOON, 7);
    assert_int_equal(open_at(place, place->attic, NOON), 0);
    assert_int_equal(open_at(place, place->attic, later_us - 1), 0);
    assert_true(open_at(place, place->attic, later_us) > 0);
    assert_int_equal(
        ask(((struct sl_sqlite_store *)place->store)->db, "SELECT last_seen FROM sensors"),
        later_us);
    assert_int_equal(open_at(place, place->attic, later_us + 59 * SECOND), 0);
    assert_true(open_at(place, renewed, later_us) > 0);
    assert_int_equal(open_at(place, renewed, later_us), 0);
    assert_int_equal(
        ask(((struct sl_sqlite_store *)place->store)->db, "SELECT cert_until FROM sensors"), NOON);
    sl_peer_unref(renewed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_SENSORS(test_store_sensor_that_comes_back_within_a_minute_costs_the_disk_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
