/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_exchange.c -- real sessions carry readings from a sensor to the store, however the
 * network chops, holds up or cuts what they say.
 *
 * SL_TEST_SEED chooses which bytes the sweeps cut at; each run prints its seed. SL_TEST_STEP is the
 * distance between cuts: 1 tries every byte.
 */
#include "unit/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "ends.h"
#include "support/certificates.h"

enum { READINGS = 12, WINDOW = 5, STEP = 17, MARGIN = 64 };

struct place {
    struct sl_trust *server_trust;
    struct sl_trust *sensor_trust;
    struct disk disk;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    place->server_trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "empty.crl");
    place->sensor_trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);
    disk_open(&place->disk);
    *state = place;
    return 0;
}

static int clear_place(void **state)
{
    struct place *place = *state;

    disk_close(&place->disk);
    sl_trust_unref(place->server_trust);
    sl_trust_unref(place->sensor_trust);
    free(place);
    return 0;
}

/* One connection of the sensor. */
struct contact {
    struct sl_memory_link link;
    struct server_end server;
    struct sensor_end sensor;
};

static void open_contact(struct contact *contact, struct place *place, int64_t total,
                         int64_t window)
{
    sl_memory_link_init(&contact->link);
    server_open(&contact->server, &place->disk, place->server_trust, &contact->link);
    sensor_open(&contact->sensor, &place->disk, place->sensor_trust, &contact->link, "localhost",
                total, window);
}

static void close_contact(struct contact *contact)
{
    server_close(&contact->server);
    sensor_close(&contact->sensor);
    sl_memory_link_clear(&contact->link);
}

static void no_fault(const struct contact *contact)
{
    if (contact->server.fault != NULL)
        fail_msg("server: %s", contact->server.fault);
    if (contact->sensor.fault != NULL)
        fail_msg("sensor: %s", contact->sensor.fault);
}

static void run(struct contact *contact)
{
    ends_run(&contact->server, &contact->sensor, &contact->link);
    no_fault(contact);
}

/* Both ends came to their good end. */
static void assert_done(const struct contact *contact)
{
    assert_int_equal(contact->sensor.status, SL_CLOSED);
    assert_int_equal(contact->server.status, SL_CLOSED);
    assert_string_equal(sl_peer_name(contact->server.peer), "attic");
    assert_true(contact->sensor.acks > 0);
    assert_int_equal(contact->server.offset_us, ENDS_OFFSET_US);
}

static void complete(struct place *place, size_t capacity, size_t chunk)
{
    struct contact contact;

    open_contact(&contact, place, READINGS, WINDOW);
    sl_memory_limit(&contact.link, capacity, chunk);
    run(&contact);
    assert_done(&contact);
    close_contact(&contact);
    disk_holds(&place->disk, "attic", READINGS);
}

static void test_link_exchange_over_a_fast_network_completes(void **state)
{
    complete(*state, SL_MEMORY_CAPACITY, SL_MEMORY_CAPACITY);
}

static void test_link_exchange_byte_by_byte_completes(void **state)
{
    complete(*state, SL_MEMORY_CAPACITY, 1);
}

static void test_link_exchange_with_room_for_one_byte_completes(void **state)
{
    complete(*state, 1, 1);
}

static void test_link_exchange_with_little_room_completes(void **state)
{
    static const size_t capacities[] = {2, 5, 6, 29, 256, 1025};

    for (size_t i = 0; i < COUNT(capacities); i++) {
        struct place *place = *state;

        complete(place, capacities[i], capacities[i]);
        disk_close(&place->disk);
        disk_open(&place->disk);
    }
}

static void test_link_stopped_directions_go_on_where_they_stopped(void **state)
{
    struct contact contact;
    int64_t before = -1;

    open_contact(&contact, *state, READINGS, WINDOW);
    sl_memory_limit(&contact.link, 64, 64);
    /* Every few steps another direction stands still; everything comes through all the same. */
    for (int turn = 0; contact.sensor.status == SL_WANT_READ && turn < 100000; turn++) {
        sl_memory_stop(&contact.link, SL_MEMORY_UP, turn % 7 < 3);
        sl_memory_stop(&contact.link, SL_MEMORY_DOWN, turn % 5 < 2);
        sensor_step(&contact.sensor);
        server_step(&contact.server);
        assert_true(sl_memory_sent(&contact.link, SL_MEMORY_UP) >= before);
        before = sl_memory_sent(&contact.link, SL_MEMORY_UP);
    }
    sl_memory_stop(&contact.link, SL_MEMORY_UP, false);
    sl_memory_stop(&contact.link, SL_MEMORY_DOWN, false);
    run(&contact);
    assert_done(&contact);
    close_contact(&contact);
    disk_holds(&((struct place *)*state)->disk, "attic", READINGS);
}

/* --- cuts */

/*
 * How many bytes one whole exchange is, and how many of them come before anybody can be admitted.
 */
struct measure {
    int64_t handshake[2];
    int64_t whole[2];
};

static struct measure measure(struct place *place)
{
    struct measure found = {0};
    struct contact contact;

    open_contact(&contact, place, READINGS, WINDOW);
    while (contact.server.peer == NULL) {
        assert_int_equal(contact.server.status, SL_WANT_READ);
        /* The handshake only: what TLS 1.3 may send right after it would be counted as well. */
        if (!sl_session_established(contact.sensor.session) &&
            sl_session_handshake(contact.sensor.session) == SL_OK)
            assert_true(sl_session_established(contact.sensor.session));
        found.handshake[SL_MEMORY_UP] = sl_memory_sent(&contact.link, SL_MEMORY_UP);
        found.handshake[SL_MEMORY_DOWN] = sl_memory_sent(&contact.link, SL_MEMORY_DOWN);
        server_step(&contact.server);
    }
    run(&contact);
    assert_done(&contact);
    found.whole[SL_MEMORY_UP] = sl_memory_sent(&contact.link, SL_MEMORY_UP);
    found.whole[SL_MEMORY_DOWN] = sl_memory_sent(&contact.link, SL_MEMORY_DOWN);
    close_contact(&contact);
    disk_close(&place->disk);
    disk_open(&place->disk);
    return found;
}

/* One exchange that is cut, and its repetition. */
static void cut_and_come_back(struct place *place, const struct measure *measure,
                              enum sl_memory_direction direction, int64_t at, bool lossy)
{
    struct contact contact;
    int64_t known = 0;

    open_contact(&contact, place, READINGS, WINDOW);
    sl_memory_cut(&contact.link, direction, at, lossy);
    run(&contact);
    /* Signatures differ by a few bytes from time to time: MARGIN. */
    if (at < measure->handshake[direction] - MARGIN && contact.server.peer != NULL)
        fail_msg("somebody was admitted after %lld bytes", (long long)at);
    if (contact.server.peer == NULL)
        assert_int_equal(disk_count(&place->disk), 0);
    known = contact.sensor.sender.acknowledged;
    close_contact(&contact);
    assert_true(disk_count(&place->disk) >= known);

    open_contact(&contact, place, READINGS, WINDOW);
    run(&contact);
    assert_int_equal(contact.sensor.status, SL_CLOSED);
    assert_int_equal(contact.server.status, SL_CLOSED);
    close_contact(&contact);
    disk_holds(&place->disk, "attic", READINGS);
    disk_close(&place->disk);
    disk_open(&place->disk);
}

static unsigned number_from(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : (unsigned)strtoul(text, NULL, 10);
}

static void sweep(struct place *place, enum sl_memory_direction direction)
{
    struct measure found = measure(place);
    unsigned seed = 0, step = number_from("SL_TEST_STEP", STEP);
    int64_t cuts = 0;

    assert_int_equal(getrandom(&seed, sizeof seed, 0), sizeof seed);
    seed = number_from("SL_TEST_SEED", seed % 100000);
    print_message("SL_TEST_SEED=%u SL_TEST_STEP=%u, %lld bytes, %lld of them handshake\n", seed,
                  step, (long long)found.whole[direction], (long long)found.handshake[direction]);
    assert_true(step > 0 && found.handshake[direction] > 2 * MARGIN);
    for (int64_t at = seed % step; at < found.whole[direction]; at += step, cuts++)
        cut_and_come_back(place, &found, direction, at, cuts % 2 == 0);
    assert_true(cuts >= found.whole[direction] / step);
}

static void test_link_cut_after_any_byte_of_the_sensor_stores_everything_once(void **state)
{
    sweep(*state, SL_MEMORY_UP);
}

static void test_link_cut_after_any_byte_of_the_server_stores_everything_once(void **state)
{
    sweep(*state, SL_MEMORY_DOWN);
}

static void test_link_cut_of_an_established_session_is_told_as_cut(void **state)
{
    struct contact contact;

    open_contact(&contact, *state, 1000000, WINDOW);
    while (contact.sensor.acks < 2) {
        assert_int_equal(contact.sensor.status, SL_WANT_READ);
        sensor_step(&contact.sensor);
        server_step(&contact.server);
    }
    sl_memory_cut(&contact.link, SL_MEMORY_UP, 0, true);
    run(&contact);
    assert_int_equal(contact.sensor.status, SL_CUT);
    assert_int_equal(contact.server.status, SL_CUT);
    close_contact(&contact);
}

static void test_link_cut_in_the_handshake_is_told_as_handshake_cut(void **state)
{
    struct contact contact;

    open_contact(&contact, *state, READINGS, WINDOW);
    sl_memory_cut(&contact.link, SL_MEMORY_UP, 100, false);
    run(&contact);
    assert_int_equal(contact.server.status, SL_CUT);
    assert_int_equal(contact.server.refusal.reason, SL_REASON_HANDSHAKE_CUT);
    assert_int_equal(contact.sensor.status, SL_CUT);
    assert_int_equal(contact.sensor.refusal.reason, SL_REASON_HANDSHAKE_CUT);
    close_contact(&contact);
}

/* --- the window */

static void test_link_window_of_many_readings_is_kept_and_everything_is_stored(void **state)
{
    enum { MANY = 20000, MANY_WINDOW = 100 };
    struct place *place = *state;
    struct contact contact;

    open_contact(&contact, place, MANY, MANY_WINDOW);
    sl_memory_limit(&contact.link, 3000, 700);
    run(&contact);
    assert_done(&contact);
    assert_int_equal(contact.sensor.most_on_way, MANY_WINDOW);
    assert_true(contact.sensor.acks >= MANY / MANY_WINDOW);
    close_contact(&contact);
    disk_holds(&place->disk, "attic", MANY);
}

static void test_link_same_readings_on_a_second_connection_are_stored_once(void **state)
{
    struct place *place = *state;

    complete(place, SL_MEMORY_CAPACITY, SL_MEMORY_CAPACITY);

    struct contact contact;

    open_contact(&contact, place, READINGS, WINDOW);
    run(&contact);
    assert_int_equal(contact.sensor.status, SL_CLOSED);
    assert_int_equal(contact.sensor.acks, 0); /* `welcome` said it all */
    close_contact(&contact);
    disk_holds(&place->disk, "attic", READINGS);
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_PLACE(test_link_exchange_over_a_fast_network_completes),
        AT_PLACE(test_link_exchange_byte_by_byte_completes),
        AT_PLACE(test_link_exchange_with_room_for_one_byte_completes),
        AT_PLACE(test_link_exchange_with_little_room_completes),
        AT_PLACE(test_link_stopped_directions_go_on_where_they_stopped),
        AT_PLACE(test_link_cut_after_any_byte_of_the_sensor_stores_everything_once),
        AT_PLACE(test_link_cut_after_any_byte_of_the_server_stores_everything_once),
        AT_PLACE(test_link_cut_of_an_established_session_is_told_as_cut),
        AT_PLACE(test_link_cut_in_the_handshake_is_told_as_handshake_cut),
        AT_PLACE(test_link_window_of_many_readings_is_kept_and_everything_is_stored),
        AT_PLACE(test_link_same_readings_on_a_second_connection_are_stored_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
