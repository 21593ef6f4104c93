/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_door.c -- who is let in by number: in all, of one address, and while hands are being shaken;
 * and who isn't, for what its address has cost.
 */
#include "cases.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "server/door.h"

enum { THREADS = 4, TIMES = 2000, DISTINCT = 40, NOW_MS = 1000000 };

static struct sl_address address(const char *text)
{
    struct sl_address made;

    assert_int_equal(sl_address_parse(text, 1, &made), SL_OK);
    return made;
}

static struct sl_door *door_of(int64_t connections, int64_t per_address, int64_t handshakes)
{
    struct sl_door_limits limits = {connections, per_address, handshakes};
    struct sl_door *door = NULL;

    assert_int_equal(sl_door_new(limits, &door), SL_OK);
    assert_non_null(door);
    return door;
}

static void enter(struct sl_door *door, const char *text)
{
    struct sl_address from = address(text);
    const char *which = NULL;

    assert_int_equal(sl_door_enter(door, &from, NOW_MS, &which), SL_OK);
}

static void refuse(struct sl_door *door, const char *text, const char *option)
{
    struct sl_address from = address(text);
    const char *which = NULL;

    assert_int_equal(sl_door_enter(door, &from, NOW_MS, &which), SL_LIMIT);
    assert_string_equal(which, option);
}

static void leave(struct sl_door *door, const char *text)
{
    struct sl_address from = address(text);

    sl_door_leave(door, &from, NOW_MS);
}

static void authenticated(struct sl_door *door, const char *text)
{
    struct sl_address from = address(text);

    sl_door_handshake_ended(door, &from, 0, NOW_MS);
}

static void test_door_lets_in_as_many_as_its_limit(void **state)
{
    struct sl_door *door = door_of(2, 10, 10);

    (void)state;
    enter(door, "192.0.2.1");
    enter(door, "192.0.2.2");
    refuse(door, "192.0.2.3", "--max-connections");
    /* A handshake that is over makes no room for another connection; one that leaves does. */
    authenticated(door, "192.0.2.1");
    refuse(door, "192.0.2.3", "--max-connections");
    leave(door, "192.0.2.1");
    enter(door, "192.0.2.3");
    refuse(door, "192.0.2.1", "--max-connections");
    leave(door, "192.0.2.2");
    leave(door, "192.0.2.3");
    sl_door_free(door); /* Asserts that nobody is in. */
}

static void test_door_counts_handshakes_until_they_are_over(void **state)
{
    struct sl_door *door = door_of(10, 10, 2);

    (void)state;
    enter(door, "192.0.2.1");
    enter(door, "192.0.2.1");
    refuse(door, "192.0.2.1", "--max-handshakes");
    authenticated(door, "192.0.2.1");
    enter(door, "192.0.2.1");
    refuse(door, "192.0.2.2", "--max-handshakes");
    authenticated(door, "192.0.2.1");
    authenticated(door, "192.0.2.1");
    for (int i = 0; i < 3; i++)
        leave(door, "192.0.2.1");
    /* The same room as at first. */
    enter(door, "192.0.2.1");
    enter(door, "192.0.2.1");
    refuse(door, "192.0.2.1", "--max-handshakes");
    for (int i = 0; i < 2; i++) {
        authenticated(door, "192.0.2.1");
        leave(door, "192.0.2.1");
    }
    sl_door_free(door);
}

static void test_door_gives_one_address_a_quarter_of_the_handshakes(void **state)
{
    struct sl_door *door = door_of(100, 100, 40);

    (void)state;
    for (int i = 0; i < 10; i++)
        enter(door, "192.0.2.1");
    refuse(door, "192.0.2.1", "an address's share of --max-handshakes");
    enter(door, "192.0.2.2");
    authenticated(door, "192.0.2.1");
    enter(door, "192.0.2.1");
    authenticated(door, "192.0.2.2");
    leave(door, "192.0.2.2");
    for (int i = 0; i < 10; i++)
        authenticated(door, "192.0.2.1");
    for (int i = 0; i < 11; i++)
        leave(door, "192.0.2.1");
    sl_door_free(door);
}

static void test_door_counts_each_address_by_itself(void **state)
{
    struct sl_door *door = door_of(100, 2, 100);

    (void)state;
    enter(door, "192.0.2.1:1000");
    enter(door, "192.0.2.1:1001");
    refuse(door, "192.0.2.1:1002", "--max-connections-per-address");
    enter(door, "192.0.2.2:1000");
    enter(door, "[2001:db8::1]:1000");
    leave(door, "192.0.2.1:9");
    enter(door, "192.0.2.1:1003");
    refuse(door, "192.0.2.1:1004", "--max-connections-per-address");
    for (int i = 0; i < 2; i++)
        leave(door, "192.0.2.1");
    leave(door, "192.0.2.2");
    leave(door, "2001:db8::1");
    sl_door_free(door);
}

static void test_door_takes_a_mapped_address_for_the_same_ipv4_address(void **state)
{
    struct sl_door *door = door_of(100, 1, 100);

    (void)state;
    enter(door, "192.0.2.1");
    refuse(door, "::ffff:192.0.2.1", "--max-connections-per-address");
    enter(door, "::ffff:192.0.2.2");
    refuse(door, "192.0.2.2", "--max-connections-per-address");
    leave(door, "::ffff:192.0.2.1");
    leave(door, "192.0.2.2");
    sl_door_free(door);
}

static void test_door_takes_addresses_of_one_64_for_one(void **state)
{
    struct sl_door *door = door_of(100, 2, 100);

    (void)state;
    enter(door, "2001:db8:0:1::1");
    enter(door, "2001:db8:0:1:ffff:ffff:ffff:ffff");
    refuse(door, "2001:db8:0:1::2", "--max-connections-per-address");
    enter(door, "2001:db8:0:2::1");
    leave(door, "2001:db8:0:1::77");
    enter(door, "2001:db8:0:1::2");
    leave(door, "2001:db8:0:1::1");
    leave(door, "2001:db8:0:1::1");
    leave(door, "2001:db8:0:2::1");
    sl_door_free(door);
}

static void test_door_refusal_counts_nothing(void **state)
{
    struct sl_door *door = door_of(3, 1, 3);

    (void)state;
    enter(door, "192.0.2.1");
    for (int i = 0; i < 100; i++)
        refuse(door, "192.0.2.1", "--max-connections-per-address");
    enter(door, "192.0.2.2");
    enter(door, "192.0.2.3");
    leave(door, "192.0.2.1");
    leave(door, "192.0.2.2");
    leave(door, "192.0.2.3");
    sl_door_free(door);
}

static void come_and_go(struct sl_door *door, int number, int *refused)
{
    struct sl_address from;
    const char *which = NULL;
    char text[32];

    (void)snprintf(text, sizeof text, "192.0.2.%d", number % DISTINCT);
    if (sl_address_parse(text, 1, &from) != SL_OK) {
        *refused = -TIMES;
        return;
    }
    if (sl_door_enter(door, &from, NOW_MS, &which) != SL_OK) {
        (*refused)++;
        return;
    }
    (void)sched_yield();
    sl_door_handshake_ended(door, &from, 0, NOW_MS);
    sl_door_leave(door, &from, NOW_MS);
}

struct visitor {
    struct sl_door *door;
    int refused;
};

static void *visit(void *argument)
{
    struct visitor *visitor = argument;

    for (int i = 0; i < TIMES; i++)
        come_and_go(visitor->door, i * 7, &visitor->refused);
    return NULL;
}

static void test_door_of_many_threads_counts_back_to_zero(void **state)
{
    struct sl_door *door = door_of(THREADS - 1, THREADS, THREADS);
    struct visitor visitors[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){.door = door};
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_in_range(visitors[i].refused, 0, TIMES);
    }
    /* As much room as a new door has, and no more. */
    for (int i = 0; i < THREADS - 1; i++)
        enter(door, "192.0.2.1");
    refuse(door, "192.0.2.2", "--max-connections");
    for (int i = 0; i < THREADS - 1; i++) {
        authenticated(door, "192.0.2.1");
        leave(door, "192.0.2.1");
    }
    sl_door_free(door);
}

static enum sl_status enter_at(struct sl_door *door, const char *text, int64_t now_ms,
                               const char **which)
{
    struct sl_address from = address(text);

    return sl_door_enter(door, &from, now_ms, which);
}

/* One of this address comes, wastes so much time, and goes. */
static void waste(struct sl_door *door, const char *text, int64_t wasted_us, int64_t now_ms)
{
    struct sl_address from = address(text);
    const char *which = NULL;

    assert_int_equal(sl_door_enter(door, &from, now_ms, &which), SL_OK);
    sl_door_handshake_ended(door, &from, wasted_us, now_ms);
    sl_door_leave(door, &from, now_ms);
}

static bool kept_out(struct sl_door *door, const char *text, int64_t now_ms)
{
    struct sl_address from = address(text);

    return sl_door_keeps_out(door, &from, now_ms);
}

static void refuse_debtor(struct sl_door *door, const char *text, int64_t now_ms)
{
    const char *which = NULL;

    assert_int_equal(enter_at(door, text, now_ms, &which), SL_LIMIT);
    assert_string_equal(which, "an address's share of processor time for handshakes that fail");
}

static void test_door_keeps_out_who_wasted_time_until_it_is_paid_by_waiting(void **state)
{
    struct sl_door *door = door_of(100, 100, 16); /* one handshake is a crowd */
    const char *which = NULL;

    (void)state;
    enter(door, "192.0.2.9");
    waste(door, "192.0.2.1", SL_DOOR_OWED_MAX_US, NOW_MS);
    waste(door, "192.0.2.1", 5000, NOW_MS); /* not too much, until now */
    refuse_debtor(door, "192.0.2.1", NOW_MS);
    enter(door, "192.0.2.2"); /* others come in */
    /* 5 ms are paid back in 100 ms. */
    refuse_debtor(door, "192.0.2.1", NOW_MS + 99);
    assert_int_equal(enter_at(door, "192.0.2.1", NOW_MS + 100, &which), SL_OK);
    leave(door, "192.0.2.1");
    leave(door, "192.0.2.2");
    leave(door, "192.0.2.9");
    sl_door_free(door);
}

static void test_door_stops_handshakes_under_way_of_who_wasted_time(void **state)
{
    struct sl_door *door = door_of(100, 100, 16);

    (void)state;
    enter(door, "192.0.2.1");
    waste(door, "192.0.2.1", SL_DOOR_OWED_MAX_US + 1000, NOW_MS);
    assert_false(kept_out(door, "192.0.2.1", NOW_MS)); /* it is no crowd by itself */
    enter(door, "192.0.2.2");
    assert_true(kept_out(door, "192.0.2.1", NOW_MS));
    assert_false(kept_out(door, "192.0.2.2", NOW_MS));
    assert_false(kept_out(door, "192.0.2.1", NOW_MS + 20));
    leave(door, "192.0.2.1");
    leave(door, "192.0.2.2");
    sl_door_free(door);
}

static void test_door_lets_in_who_wasted_time_where_it_is_not_crowded(void **state)
{
    struct sl_door *door = door_of(100, 100, 17);

    (void)state;
    enter(door, "192.0.2.9"); /* less than a sixteenth */
    for (int i = 0; i < 3; i++)
        waste(door, "192.0.2.1", 10 * SL_DOOR_OWED_MAX_US, NOW_MS);
    enter(door, "192.0.2.8"); /* more */
    refuse_debtor(door, "192.0.2.1", NOW_MS);
    authenticated(door, "192.0.2.8");
    waste(door, "192.0.2.1", 1, NOW_MS);
    leave(door, "192.0.2.8");
    leave(door, "192.0.2.9");
    sl_door_free(door);
}

static void debtor(char text[32], int number)
{
    (void)snprintf(text, 32, "192.%d.%d.1", number / 256, number % 256);
}

static void test_door_keeps_no_more_accounts_than_its_bound_and_makes_room_as_they_are_paid(
    void **state)
{
    struct sl_door *door = door_of(100, 100, 16);
    const int64_t paid_ms = NOW_MS + 2 * SL_DOOR_OWED_MAX_US * SL_DOOR_PAYS_A_PART / 1000;
    const char *which = NULL;
    char text[32];

    (void)state;
    enter(door, "198.51.100.9");
    for (int i = 0; i <= SL_DOOR_DEBTORS_MAX; i++) {
        debtor(text, i);
        waste(door, text, 2 * SL_DOOR_OWED_MAX_US, NOW_MS);
    }
    debtor(text, 0);
    refuse_debtor(door, text, NOW_MS);
    debtor(text, SL_DOOR_DEBTORS_MAX); /* for this one there was no room any more */
    assert_int_equal(enter_at(door, text, NOW_MS, &which), SL_OK);
    leave(door, text);
    /* Later all have paid, and as many that come and go sweep them out. */
    for (int i = 0; i <= SL_DOOR_DEBTORS_MAX; i++)
        waste(door, "198.51.100.8", 0, paid_ms);
    waste(door, text, 2 * SL_DOOR_OWED_MAX_US, paid_ms);
    refuse_debtor(door, text, paid_ms);
    leave(door, "198.51.100.9");
    sl_door_free(door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_door_lets_in_as_many_as_its_limit),
        cmocka_unit_test(test_door_counts_handshakes_until_they_are_over),
        cmocka_unit_test(test_door_gives_one_address_a_quarter_of_the_handshakes),
        cmocka_unit_test(test_door_counts_each_address_by_itself),
        cmocka_unit_test(test_door_takes_a_mapped_address_for_the_same_ipv4_address),
        cmocka_unit_test(test_door_takes_addresses_of_one_64_for_one),
        cmocka_unit_test(test_door_refusal_counts_nothing),
        cmocka_unit_test(test_door_of_many_threads_counts_back_to_zero),
        cmocka_unit_test(test_door_keeps_out_who_wasted_time_until_it_is_paid_by_waiting),
        cmocka_unit_test(test_door_stops_handshakes_under_way_of_who_wasted_time),
        cmocka_unit_test(test_door_lets_in_who_wasted_time_where_it_is_not_crowded),
        cmocka_unit_test(
            test_door_keeps_no_more_accounts_than_its_bound_and_makes_room_as_they_are_paid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
