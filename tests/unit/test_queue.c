/* SPDX-License-Identifier: Apache-2.0 */
/* test_queue.c -- the bounded queue between threads: order, limit, end, and many givers at once. */
#include "cases.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/queue.h"

enum { GIVERS = 4, EACH = 5000, ROOM = 16 };

struct thing {
    struct sl_queue_item queued; /* first: it's how queues link it */
    int giver;
    int number;
};

static void push(struct sl_queue *queue, struct thing *thing, enum sl_status expected)
{
    assert_int_equal(sl_queue_push(queue, &thing->queued), expected);
}

static void test_queue_gives_everything_in_order_in_one_go(void **state)
{
    struct thing things[5] = {0};
    struct sl_queue queue;
    struct sl_queue_item *item;

    (void)state;
    assert_int_equal(sl_queue_init(&queue, COUNT(things)), SL_OK);
    for (size_t i = 0; i < COUNT(things); i++)
        push(&queue, &things[i], SL_OK);
    item = sl_queue_take(&queue);
    for (size_t i = 0; i < COUNT(things); i++, item = item->next)
        assert_ptr_equal(item, &things[i].queued);
    assert_null(item);
    assert_null(sl_queue_take(&queue));
    sl_queue_clear(&queue);
}

static void test_queue_empty_gives_nothing_at_once(void **state)
{
    struct sl_queue queue;

    (void)state;
    assert_int_equal(sl_queue_init(&queue, 1), SL_OK);
    assert_null(sl_queue_take(&queue));
    sl_queue_clear(&queue);
}

static void test_queue_full_refuses_until_it_is_taken(void **state)
{
    struct thing things[4] = {0};
    struct sl_queue queue;

    (void)state;
    assert_int_equal(sl_queue_init(&queue, 2), SL_OK);
    for (int round = 0; round < 3; round++) {
        push(&queue, &things[0], SL_OK);
        push(&queue, &things[1], SL_OK);
        push(&queue, &things[2], SL_LIMIT);
        push(&queue, &things[3], SL_LIMIT);
        /* What was refused isn't in it. */
        assert_ptr_equal(sl_queue_take(&queue), &things[0].queued);
        assert_ptr_equal(things[0].queued.next, &things[1].queued);
        assert_null(things[1].queued.next);
    }
    sl_queue_clear(&queue);
}

static void test_queue_closed_takes_nothing_and_gives_what_it_has(void **state)
{
    struct thing things[2] = {0};
    struct sl_queue queue;

    (void)state;
    assert_int_equal(sl_queue_init(&queue, 2), SL_OK);
    push(&queue, &things[0], SL_OK);
    sl_queue_close(&queue);
    push(&queue, &things[1], SL_CLOSED);
    assert_ptr_equal(sl_queue_wait(&queue), &things[0].queued);
    assert_null(things[0].queued.next);
    assert_null(sl_queue_wait(&queue));
    assert_null(sl_queue_take(&queue));
    sl_queue_clear(&queue);
}

/* --- threads */

struct waiter {
    struct sl_queue *queue;
    struct sl_queue_item *got;
    atomic_bool began;
};

static void *wait_once(void *argument)
{
    struct waiter *waiter = argument;

    atomic_store(&waiter->began, true);
    waiter->got = sl_queue_wait(waiter->queue);
    return NULL;
}

static void start_waiter(pthread_t *thread, struct waiter *waiter)
{
    assert_int_equal(pthread_create(thread, NULL, wait_once, waiter), 0);
    while (!atomic_load(&waiter->began))
        (void)sched_yield();
}

static void test_queue_waiting_taker_wakes_for_an_item(void **state)
{
    struct thing thing = {0};
    struct sl_queue queue;
    struct waiter waiter = {.queue = &queue};
    pthread_t thread;

    (void)state;
    assert_int_equal(sl_queue_init(&queue, 1), SL_OK);
    start_waiter(&thread, &waiter);
    push(&queue, &thing, SL_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ptr_equal(waiter.got, &thing.queued);
    sl_queue_clear(&queue);
}

static void test_queue_waiting_taker_wakes_for_the_end(void **state)
{
    struct sl_queue_item none = {0};
    struct sl_queue queue;
    struct waiter waiter = {.queue = &queue, .got = &none};
    pthread_t thread;

    (void)state;
    assert_int_equal(sl_queue_init(&queue, 1), SL_OK);
    start_waiter(&thread, &waiter);
    sl_queue_close(&queue);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(waiter.got);
    sl_queue_clear(&queue);
}

struct giver {
    struct sl_queue *queue;
    struct thing *things;
    int number;
    enum sl_status status;
};

/* Gives all of its things, again and again while the queue is full. */
static void *give(void *argument)
{
    struct giver *giver = argument;

    for (int i = 0; i < EACH; i++) {
        giver->things[i] = (struct thing){.giver = giver->number, .number = i};
        while ((giver->status = sl_queue_push(giver->queue, &giver->things[i].queued)) == SL_LIMIT)
            (void)sched_yield();
    }
    return NULL;
}

/* Checks one load: each giver's things come in its order, and never more than there is room for. */
static size_t check_load(struct sl_queue_item *item, int next[static GIVERS])
{
    size_t count = 0;

    for (; item != NULL; item = item->next, count++) {
        const struct thing *thing = (const struct thing *)item;

        assert_in_range(thing->giver, 0, GIVERS - 1);
        assert_int_equal(thing->number, next[thing->giver]);
        next[thing->giver]++;
    }
    assert_in_range(count, 1, ROOM);
    return count;
}

static void test_queue_of_many_givers_loses_nothing_and_keeps_their_order(void **state)
{
    struct thing *things = calloc(GIVERS * EACH, sizeof *things);
    struct giver givers[GIVERS];
    pthread_t threads[GIVERS];
    int next[GIVERS] = {0};
    struct sl_queue queue;
    size_t count = 0;

    (void)state;
    assert_non_null(things);
    assert_int_equal(sl_queue_init(&queue, ROOM), SL_OK);
    for (int i = 0; i < GIVERS; i++) {
        givers[i] = (struct giver){.queue = &queue, .things = things + i * EACH, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, give, &givers[i]), 0);
    }
    while (count < (size_t)GIVERS * EACH)
        count += check_load(sl_queue_wait(&queue), next);
    for (int i = 0; i < GIVERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(givers[i].status, SL_OK);
        assert_int_equal(next[i], EACH);
    }
    assert_null(sl_queue_take(&queue));
    sl_queue_clear(&queue);
    free(things);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_gives_everything_in_order_in_one_go),
        cmocka_unit_test(test_queue_empty_gives_nothing_at_once),
        cmocka_unit_test(test_queue_full_refuses_until_it_is_taken),
        cmocka_unit_test(test_queue_closed_takes_nothing_and_gives_what_it_has),
        cmocka_unit_test(test_queue_waiting_taker_wakes_for_an_item),
        cmocka_unit_test(test_queue_waiting_taker_wakes_for_the_end),
        cmocka_unit_test(test_queue_of_many_givers_loses_nothing_and_keeps_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
