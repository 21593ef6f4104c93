/* SPDX-License-Identifier: Apache-2.0 */
/* test_wheel.c -- whose time is up: nobody comes out late, and nobody often for nothing. */
#include "cases.h"

#include <stdlib.h>

#include "server/wheel.h"

enum { START_MS = 123456, SLOT = SL_WHEEL_SLOT_MS, TURN = SL_WHEEL_SLOT_MS * SL_WHEEL_SLOTS };

struct appointment {
    struct sl_listed timed;
    int64_t at_ms;
    int early; /* how often it came out before its time */
    bool over; /* it came out at its time or later */
    bool gone; /* it was taken out, and must not come */
};

/* Takes out who is due at `now_ms`, and puts those who came early in again; how many came. */
static int turn(struct sl_wheel *wheel, int64_t now_ms)
{
    struct sl_listed *due = NULL;
    struct appointment *member;
    int came = 0;

    sl_wheel_turn(wheel, now_ms, &due);
    for (; (member = sl_list_take(&due)) != NULL; came++) {
        assert_false(member->gone);
        assert_false(member->over);
        if (now_ms < member->at_ms) {
            member->early++;
            sl_wheel_put(wheel, &member->timed, member, member->at_ms);
            continue;
        }
        member->over = true;
        /* Turned each 10 ms here, so that is what a slot's end is missed by at most. */
        if (now_ms - member->at_ms > SLOT + 10)
            fail_msg("came out %lld ms late", (long long)(now_ms - member->at_ms));
    }
    return came;
}

static void put(struct sl_wheel *wheel, struct appointment *member, int64_t at_ms)
{
    member->at_ms = at_ms;
    sl_wheel_put(wheel, &member->timed, member, at_ms);
}

static void test_wheel_gives_each_out_once_its_slot_is_over(void **state)
{
    static const int64_t in_ms[] = {0, 1, 99, 100, 101, 5000, TURN - SLOT};
    struct appointment members[COUNT(in_ms)] = {0};
    struct sl_wheel wheel;

    (void)state;
    sl_wheel_init(&wheel, START_MS);
    for (size_t i = 0; i < COUNT(in_ms); i++)
        put(&wheel, &members[i], START_MS + in_ms[i]);
    for (int64_t now_ms = START_MS; now_ms < START_MS + TURN + SLOT; now_ms += 10)
        (void)turn(&wheel, now_ms);
    for (size_t i = 0; i < COUNT(in_ms); i++) {
        assert_true(members[i].over);
        assert_int_equal(members[i].early, 0);
    }
}

static void test_wheel_gives_who_is_late_already_in_the_next_slot(void **state)
{
    static const int64_t at_ms[] = {0, -1, INT64_MIN, START_MS - 100000};
    struct appointment members[COUNT(at_ms)] = {0};
    struct sl_wheel wheel;
    struct sl_listed *due = NULL;

    (void)state;
    sl_wheel_init(&wheel, START_MS);
    for (size_t i = 0; i < COUNT(at_ms); i++)
        put(&wheel, &members[i], at_ms[i]);
    sl_wheel_turn(&wheel, START_MS + SLOT, &due);
    for (size_t i = 0; i < COUNT(at_ms); i++)
        assert_non_null(sl_list_take(&due));
    assert_null(due);
}

static void test_wheel_gives_who_is_far_away_out_once_a_turn(void **state)
{
    struct appointment never = {0};
    struct appointment far = {0};
    struct sl_wheel wheel;
    int came = 0;

    (void)state;
    sl_wheel_init(&wheel, START_MS);
    put(&wheel, &never, INT64_MAX);
    put(&wheel, &far, START_MS + 10 * TURN + 5 * SLOT);
    for (int64_t now_ms = START_MS; now_ms <= START_MS + 11 * TURN; now_ms += 10)
        came += turn(&wheel, now_ms);
    assert_true(far.over);
    assert_in_range(far.early, 10, 11);
    assert_false(never.over);
    assert_in_range(never.early, 10, 12);
    assert_int_equal(came, far.early + 1 + never.early);
}

static void test_wheel_moves_a_member_to_sooner_and_to_later(void **state)
{
    struct appointment sooner = {0};
    struct appointment later = {0};
    struct sl_wheel wheel;

    (void)state;
    sl_wheel_init(&wheel, START_MS);
    put(&wheel, &sooner, START_MS + 40000);
    put(&wheel, &later, START_MS + 1000);
    put(&wheel, &sooner, START_MS + 2000);
    put(&wheel, &later, START_MS + 30000);
    for (int64_t now_ms = START_MS; now_ms < START_MS + 2200; now_ms += 10)
        (void)turn(&wheel, now_ms);
    assert_true(sooner.over);
    assert_false(later.over);
    for (int64_t now_ms = START_MS + 2200; now_ms < START_MS + 30200; now_ms += 10)
        (void)turn(&wheel, now_ms);
    assert_true(later.over);
    assert_int_equal(later.early, 0);
}

static void test_wheel_that_stood_still_gives_everybody_at_once(void **state)
{
    struct appointment members[3] = {0};
    struct sl_wheel wheel;
    struct sl_listed *due = NULL;

    (void)state;
    sl_wheel_init(&wheel, START_MS);
    for (int i = 0; i < 3; i++)
        put(&wheel, &members[i], START_MS + i * 20000);
    sl_wheel_turn(&wheel, START_MS + INT64_C(1000) * TURN, &due);
    for (int i = 0; i < 3; i++)
        assert_non_null(sl_list_take(&due));
    assert_null(due);
    /* And it goes on from there. */
    members[0].over = false;
    put(&wheel, &members[0], START_MS + INT64_C(1000) * TURN + 500);
    assert_int_equal(turn(&wheel, START_MS + INT64_C(1000) * TURN + 300), 0);
    assert_int_equal(turn(&wheel, START_MS + INT64_C(1000) * TURN + 600), 1);
}

static int64_t draw(uint64_t *random, int64_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)(*random >> 33) % below;
}

/* Everybody at random times, some leave and some change their minds: the same rules for all. */
static void test_wheel_of_thousands_is_late_for_nobody(void **state)
{
    enum { MANY = 5000, SPAN_MS = 3 * TURN };
    struct appointment *members = calloc(MANY, sizeof *members);
    struct sl_wheel wheel;
    uint64_t random = 1;

    (void)state;
    assert_non_null(members);
    sl_wheel_init(&wheel, START_MS);
    for (int i = 0; i < MANY; i++)
        put(&wheel, &members[i], START_MS + draw(&random, SPAN_MS));
    for (int64_t now_ms = START_MS; now_ms < START_MS + SPAN_MS + SLOT + 10; now_ms += 10) {
        struct appointment *one = &members[draw(&random, MANY)];

        (void)turn(&wheel, now_ms);
        if (one->over || one->gone)
            continue;
        one->gone = now_ms % 3 == 0;
        if (one->gone)
            sl_list_leave(&one->timed);
        else
            put(&wheel, one, now_ms + draw(&random, 1000));
    }
    for (int i = 0; i < MANY; i++)
        assert_true(members[i].gone || members[i].over);
    free(members);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wheel_gives_each_out_once_its_slot_is_over),
        cmocka_unit_test(test_wheel_gives_who_is_late_already_in_the_next_slot),
        cmocka_unit_test(test_wheel_gives_who_is_far_away_out_once_a_turn),
        cmocka_unit_test(test_wheel_moves_a_member_to_sooner_and_to_later),
        cmocka_unit_test(test_wheel_that_stood_still_gives_everybody_at_once),
        cmocka_unit_test(test_wheel_of_thousands_is_late_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
