/* SPDX-License-Identifier: Apache-2.0 */
/* test_changes.c -- which changes of files are told, and when. */
#include "folder_fixture.h"

#include "server/changes.h"

enum { WRITES = 8, BETWEEN_WRITES_MS = 100 };

static const char *const files[] = {"in/a", NULL, "in/b", "other/c"};

struct watch {
    struct net_fixture *fixture;
    struct sl_changes *changes;
};

static void on_changed(void *ctx)
{
    struct watch *watch = ctx;

    sl_changes_note(watch->changes);
    folder_said(watch->fixture);
}

static void begin(struct watch *watch, struct net_fixture *fixture)
{
    const char *at_fault = NULL;

    shell("rm -rf in other next && mkdir in other && touch in/a in/b other/c in/not-watched");
    *watch = (struct watch){.fixture = fixture};
    fixture->calls = 0;
    assert_int_equal(sl_changes_new(fixture->loop, files, COUNT(files), on_changed, watch,
                                    &watch->changes, &at_fault),
                     SL_OK);
}

static void test_changes_of_each_kind_are_told(void **state)
{
    static const char *const kinds[] = {
        "echo x > in/a",
        "echo x > in/new && mv in/new in/b",
        "touch -d '3 days ago' other/c",
        "chmod 600 in/a",
        "rm in/a",
        /* As configuration is brought into containers: a name leads through a link elsewhere. */
        "echo x > in/1 && ln -s 1 in/data && ln -sf data in/a",
        /* The whole folder is another. */
        "mkdir next && touch next/a next/b && mv in before && mv next in && rm -r before",
    };

    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct watch watch;

        begin(&watch, *state);
        shell(kinds[i]);
        net_run(*state);
        if (watch.fixture->calls != 1)
            fail_msg("%d calls: %s", watch.fixture->calls, kinds[i]);
        sl_changes_free(watch.changes);
    }
}

static void test_changes_in_a_folder_that_took_anothers_place_are_told(void **state)
{
    struct watch watch;

    begin(&watch, *state);
    shell("mkdir next && touch next/a next/b && mv in before && rm -r before");
    net_run(*state);
    assert_int_equal(watch.fixture->calls, 1);
    shell("mv next in");
    net_run(*state);
    assert_int_equal(watch.fixture->calls, 2);
    shell("echo x > in/a");
    net_run(*state);
    assert_int_equal(watch.fixture->calls, 3);
    sl_changes_free(watch.changes);
}

static void stop(void *ctx)
{
    struct net_fixture *fixture = ctx;

    sl_loop_stop(fixture->loop);
}

static void test_changes_of_other_files_are_not_told(void **state)
{
    struct watch watch;
    struct sl_timer *timer = NULL;

    begin(&watch, *state);
    shell("echo x > in/not-watched && touch in/new && cat in/a");
    assert_int_equal(sl_timer_new(watch.fixture->loop, stop, *state, &timer), SL_OK);
    sl_timer_start(timer, 900);
    net_run(*state);
    assert_int_equal(watch.fixture->calls, 0);
    sl_changes_free(watch.changes);
}

/* Somebody who writes one file after the other. */
struct writer {
    struct watch watch;
    struct sl_timer *timer;
    int written;
    int told_before;
};

static void write_next(void *ctx)
{
    struct writer *writer = ctx;

    writer->told_before = writer->watch.fixture->calls;
    shell(writer->written % 2 == 0 ? "echo x >> in/a" : "echo x > in/new && mv in/new in/b");
    if (++writer->written < WRITES)
        sl_timer_start(writer->timer, BETWEEN_WRITES_MS);
}

static void test_changes_are_told_once_they_are_over(void **state)
{
    struct writer writer = {.written = 0};

    begin(&writer.watch, *state);
    assert_int_equal(sl_timer_new(writer.watch.fixture->loop, write_next, &writer, &writer.timer),
                     SL_OK);
    sl_timer_start(writer.timer, 1);
    net_run(*state);
    assert_int_equal(writer.written, WRITES);
    assert_int_equal(writer.told_before, 0);
    assert_int_equal(writer.watch.fixture->calls, 1);
    sl_changes_free(writer.watch.changes);
}

static void test_changes_of_a_folder_that_isnt_there_cant_be_watched(void **state)
{
    static const char *const names[] = {"in/a", "none/b"};
    struct net_fixture *fixture = *state;
    struct sl_changes *changes = NULL;
    const char *at_fault = NULL;

    shell("mkdir in");
    assert_int_equal(
        sl_changes_new(fixture->loop, names, COUNT(names), NULL, NULL, &changes, &at_fault), SL_IO);
    assert_string_equal(at_fault, "none/b");
    assert_null(changes);
    sl_changes_free(NULL);
}

static void test_changes_of_a_file_without_a_folder_in_its_name_are_told(void **state)
{
    static const char *const names[] = {"plain"};
    struct watch watch = {.fixture = *state};
    const char *at_fault = NULL;

    assert_int_equal(sl_changes_new(watch.fixture->loop, names, 1, on_changed, &watch,
                                    &watch.changes, &at_fault),
                     SL_OK);
    shell("touch plain");
    net_run(*state);
    assert_int_equal(watch.fixture->calls, 1);
    sl_changes_free(watch.changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes_of_each_kind_are_told, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_changes_in_a_folder_that_took_anothers_place_are_told,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_other_files_are_not_told, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_changes_are_told_once_they_are_over, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_changes_of_a_folder_that_isnt_there_cant_be_watched,
                                        folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(
            test_changes_of_a_file_without_a_folder_in_its_name_are_told, folder_setup,
            folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
