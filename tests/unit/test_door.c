/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_door.c -- who is let in by number: in all, of one address, and while hands are being shaken.
 */
#include "cases.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "server/door.h"

enum { THREADS = 4, TIMES = 2000, DISTINCT = 40 };

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

    assert_int_equal(sl_door_enter(door, &from, &which), SL_OK);
}

static void refuse(struct sl_door *door, const char *text, const char *option)
{
    struct sl_address from = address(text);
    const char *which = NULL;

    assert_int_equal(sl_door_enter(door, &from, &which), SL_LIMIT);
    assert_string_equal(which, option);
}

static void leave(struct sl_door *door, const char *text)
{
    struct sl_address from = address(text);

    sl_door_leave(door, &from);
}

static void authenticated(struct sl_door *door, const char *text)
{
    struct sl_address from = address(text);

    sl_door_authenticated(door, &from);
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
    if (sl_door_enter(door, &from, &which) != SL_OK) {
        (*refused)++;
        return;
    }
    (void)sched_yield();
    sl_door_authenticated(door, &from);
    sl_door_leave(door, &from);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
