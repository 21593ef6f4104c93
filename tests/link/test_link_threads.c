/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_threads.c -- sessions among threads as in the server: many threads share one snapshot
 * of trust, and a session goes from the thread of its handshake to the thread that reads it. Meant
 * for the thread sanitizer and helgrind.
 */
#include "unit/cases.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/queue.h"
#include "ends.h"
#include "support/certificates.h"

enum { THREADS = 4, TIMES = 3, READINGS = 40, WINDOW = 8, DEADLINE_MS = 120000 };

struct trusts {
    struct sl_trust *server;
    struct sl_trust *sensor;
};

static int load_trusts(void **state)
{
    struct trusts *trusts = calloc(1, sizeof *trusts);

    assert_non_null(trusts);
    trusts->server = sl_test_trust(SL_ROLE_SERVER, "ca", "server", "many.crl");
    trusts->sensor = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);
    *state = trusts;
    return 0;
}

static int free_trusts(void **state)
{
    struct trusts *trusts = *state;

    sl_trust_unref(trusts->server);
    sl_trust_unref(trusts->sensor);
    free(trusts);
    return 0;
}

static void start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    assert_int_equal(pthread_create(thread, NULL, run, argument), 0);
}

/* --- one snapshot, many threads */

struct lane {
    struct trusts *trusts;
    struct sl_trust *own; /* a reference of this thread's own, made and dropped in it */
    struct disk disk;
    int done; /* exchanges that came to their good end */
    const char *fault;
};

static void *run_lane(void *argument)
{
    struct lane *lane = argument;

    for (int i = 0; i < TIMES && lane->fault == NULL; i++) {
        struct sl_memory_link link;
        struct server_end server;
        struct sensor_end sensor;

        lane->own = sl_trust_ref(lane->trusts->server);
        sl_memory_link_init(&link);
        server_open(&server, &lane->disk, lane->own, &link);
        sl_trust_unref(lane->own);
        sensor_open(&sensor, &lane->disk, lane->trusts->sensor, &link, "localhost", READINGS,
                    WINDOW);
        ends_run(&server, &sensor, &link);
        lane->fault = server.fault != NULL ? server.fault : sensor.fault;
        lane->done += sensor.status == SL_CLOSED && server.status == SL_CLOSED;
        server_close(&server);
        sensor_close(&sensor);
        sl_memory_link_clear(&link);
    }
    return NULL;
}

static void test_link_handshakes_of_many_threads_share_one_snapshot(void **state)
{
    struct lane lanes[THREADS];
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        lanes[i] = (struct lane){.trusts = *state};
        disk_open(&lanes[i].disk);
        start(&threads[i], run_lane, &lanes[i]);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_null(lanes[i].fault);
        assert_int_equal(lanes[i].done, TIMES);
        disk_holds(&lanes[i].disk, "attic", READINGS);
        disk_close(&lanes[i].disk);
    }
}

/* --- from the handshake's thread to the reader's */

struct moved {
    struct sl_queue_item queued; /* first: it's how the queue links it */
    struct sl_memory_link link;
    struct server_end server;
    struct sensor_end sensor;
    struct disk disk;
    const char *late; /* what didn't happen before its deadline */
};

struct hall {
    struct moved moved[THREADS];
    struct sl_queue queue;
    const char *fault; /* of the handshake's thread */
};

static bool is_late(int64_t deadline_ms)
{
    (void)sched_yield();
    return sl_clock_monotonic_ms() > deadline_ms;
}

/* A sensor, in a thread of its own. */
static void *run_sensor(void *argument)
{
    struct moved *moved = argument;
    int64_t deadline_ms = sl_clock_monotonic_ms() + DEADLINE_MS;

    while (moved->sensor.status == SL_WANT_READ) {
        sensor_step(&moved->sensor);
        if (is_late(deadline_ms)) {
            moved->late = "the sensor isn't done";
            break;
        }
    }
    return NULL;
}

/* Handshakes of all in one thread; each goes to the reader once its sensor is admitted. */
static void *run_handshakes(void *argument)
{
    struct hall *hall = argument;
    int64_t deadline_ms = sl_clock_monotonic_ms() + DEADLINE_MS;
    bool gone[THREADS] = {false};
    size_t left = THREADS;

    while (left > 0 && !is_late(deadline_ms)) {
        for (size_t i = 0; i < THREADS; i++) {
            struct moved *moved = &hall->moved[i];

            if (gone[i])
                continue;
            server_step(&moved->server);
            if (moved->server.peer == NULL)
                continue;
            gone[i] = true;
            left--;
            if (sl_queue_push(&hall->queue, &moved->queued) != SL_OK)
                hall->fault = "the queue took no session";
        }
    }
    if (left > 0)
        hall->fault = "handshakes are late";
    sl_queue_close(&hall->queue);
    return NULL;
}

static void *run_reader(void *argument)
{
    struct hall *hall = argument;
    struct sl_queue_item *items;

    while ((items = sl_queue_wait(&hall->queue)) != NULL) {
        for (; items != NULL; items = items->next) {
            struct moved *moved = (struct moved *)items;
            int64_t deadline_ms = sl_clock_monotonic_ms() + DEADLINE_MS;

            while (moved->server.status == SL_WANT_READ) {
                server_step(&moved->server);
                if (is_late(deadline_ms))
                    break;
            }
        }
    }
    return NULL;
}

static void open_moved(struct moved *moved, struct trusts *trusts)
{
    disk_open(&moved->disk);
    sl_memory_link_init(&moved->link);
    sl_memory_limit(&moved->link, 2000, 700);
    server_open(&moved->server, &moved->disk, trusts->server, &moved->link);
    sensor_open(&moved->sensor, &moved->disk, trusts->sensor, &moved->link, "localhost", READINGS,
                WINDOW);
}

static void close_moved(struct moved *moved)
{
    server_close(&moved->server);
    sensor_close(&moved->sensor);
    sl_memory_link_clear(&moved->link);
    disk_close(&moved->disk);
}

static void test_link_sessions_move_from_thread_to_thread(void **state)
{
    struct hall *hall = calloc(1, sizeof *hall);
    pthread_t sensors[THREADS], handshakes, reader;

    assert_non_null(hall);
    assert_int_equal(sl_queue_init(&hall->queue, THREADS), SL_OK);
    for (size_t i = 0; i < THREADS; i++)
        open_moved(&hall->moved[i], *state);
    start(&handshakes, run_handshakes, hall);
    start(&reader, run_reader, hall);
    for (size_t i = 0; i < THREADS; i++)
        start(&sensors[i], run_sensor, &hall->moved[i]);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(sensors[i], NULL), 0);
    assert_int_equal(pthread_join(handshakes, NULL), 0);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_null(hall->fault);
    for (size_t i = 0; i < THREADS; i++) {
        struct moved *moved = &hall->moved[i];

        assert_null(moved->late);
        assert_null(moved->server.fault);
        assert_null(moved->sensor.fault);
        assert_int_equal(moved->sensor.status, SL_CLOSED);
        assert_int_equal(moved->server.status, SL_CLOSED);
        disk_holds(&moved->disk, "attic", READINGS);
        close_moved(moved);
    }
    sl_queue_clear(&hall->queue);
    free(hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_link_handshakes_of_many_threads_share_one_snapshot,
                                        load_trusts, free_trusts),
        cmocka_unit_test_setup_teardown(test_link_sessions_move_from_thread_to_thread, load_trusts,
                                        free_trusts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
