/* SPDX-License-Identifier: Apache-2.0 */
/* test_list.c -- lists whose members leave at any time. */
#include "cases.h"

#include "base/list.h"

enum { MEMBERS = 5 };

struct guest {
    int number;
    struct sl_listed listed;
};

static void put_all(struct sl_listed **list, struct guest guests[static MEMBERS])
{
    for (int i = 0; i < MEMBERS; i++) {
        guests[i] = (struct guest){.number = i};
        sl_list_put(list, &guests[i].listed, &guests[i]);
    }
}

static void takes(struct sl_listed **list, int number)
{
    struct guest *guest = sl_list_take(list);

    assert_non_null(guest);
    assert_int_equal(guest->number, number);
    assert_false(sl_listed(&guest->listed));
}

static void test_list_gives_the_last_that_came_first(void **state)
{
    struct sl_listed *list = NULL;
    struct guest guests[MEMBERS];

    (void)state;
    put_all(&list, guests);
    for (int i = MEMBERS - 1; i >= 0; i--) {
        assert_true(sl_listed(&guests[i].listed));
        takes(&list, i);
    }
    assert_null(sl_list_take(&list));
}

static void test_member_leaves_from_the_front_the_middle_and_the_end(void **state)
{
    struct sl_listed *list = NULL;
    struct guest guests[MEMBERS];

    (void)state;
    put_all(&list, guests);
    sl_list_leave(&guests[4].listed);
    sl_list_leave(&guests[2].listed);
    sl_list_leave(&guests[0].listed);
    sl_list_leave(&guests[2].listed); /* is on none: nothing happens */
    takes(&list, 3);
    sl_list_put(&list, &guests[2].listed, &guests[2]);
    takes(&list, 2);
    takes(&list, 1);
    assert_null(list);
}

static void test_list_moves_as_a_whole_and_its_members_still_leave(void **state)
{
    struct sl_listed *list = NULL;
    struct sl_listed *due;
    struct guest guests[MEMBERS];

    (void)state;
    sl_list_move(&list, &due);
    assert_null(due);
    put_all(&list, guests);
    sl_list_move(&list, &due);
    assert_null(list);
    sl_list_leave(&guests[4].listed);
    sl_list_put(&list, &guests[4].listed, &guests[4]);
    takes(&due, 3);
    sl_list_leave(&guests[0].listed);
    takes(&due, 2);
    takes(&due, 1);
    assert_null(due);
    takes(&list, 4);
    assert_null(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_gives_the_last_that_came_first),
        cmocka_unit_test(test_member_leaves_from_the_front_the_middle_and_the_end),
        cmocka_unit_test(test_list_moves_as_a_whole_and_its_members_still_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
