/* SPDX-License-Identifier: Apache-2.0 */
/* test_net_folder.c -- what is noticed in a watched folder, and which folder that is. */
#include "folder_fixture.h"

#include <limits.h>
#include <string.h>

#include "net/folder.h"

static void test_folder_says_what_happens_to_its_files(void **state)
{
    static const char *const happenings[] = {
        "touch in/new",         "echo more >> in/old", "mv old in/old",
        "mv in/old in/renamed", "chmod 600 in/old",    "rm in/old",
        "mv in/old old",        "ln -s old in/link",   "mv in elsewhere",
    };
    struct net_fixture *fixture = *state;

    for (size_t i = 0; i < COUNT(happenings); i++) {
        struct sl_folder *folder = NULL;

        shell("rm -rf in elsewhere && mkdir in && touch old in/old");
        assert_int_equal(sl_folder_new(fixture->loop, "in", folder_said, fixture, &folder), SL_OK);
        shell(happenings[i]);
        fixture->calls = 0;
        net_run(fixture);
        if (fixture->calls == 0)
            fail_msg("%s", happenings[i]);
        sl_folder_close(folder);
    }
}

static void test_folder_that_isnt_there_cant_be_watched(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_folder *folder = NULL;
    char path[PATH_MAX + 2];

    assert_int_equal(sl_folder_new(fixture->loop, "none", folder_said, fixture, &folder), SL_IO);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(sl_folder_new(fixture->loop, path, folder_said, fixture, &folder), SL_IO);
    assert_null(folder);
    sl_folder_close(NULL);
}

static void test_folder_renewed_is_the_one_that_has_the_name_now(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_folder *folder = NULL;

    shell("mkdir in next");
    assert_int_equal(sl_folder_new(fixture->loop, "in", folder_said, fixture, &folder), SL_OK);
    shell("mv in before");
    assert_int_equal(sl_folder_renew(folder), SL_IO);
    shell("mv next in");
    assert_int_equal(sl_folder_renew(folder), SL_OK);
    shell("touch in/new");
    net_run(fixture);
    assert_true(fixture->calls > 0);
    /* One that hangs on the loop is closed with it. */
}

static void close_it(void *ctx)
{
    struct sl_folder **folder = ctx;

    sl_folder_close(*folder);
    *folder = NULL;
}

static void test_folder_can_be_closed_in_its_callback(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_folder *folder = NULL;

    shell("mkdir in");
    assert_int_equal(sl_folder_new(fixture->loop, "in", close_it, &folder, &folder), SL_OK);
    shell("touch in/1 in/2 in/3");
    /* With nothing left to wait for the run ends by itself. */
    sl_loop_run(fixture->loop);
    assert_null(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder_says_what_happens_to_its_files, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_folder_that_isnt_there_cant_be_watched, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_folder_renewed_is_the_one_that_has_the_name_now,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_folder_can_be_closed_in_its_callback, folder_setup,
                                        folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
