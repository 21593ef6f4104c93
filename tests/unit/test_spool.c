/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spool.c -- what a spool promises: numbers never used twice, nothing committed is lost, and
 * nobody's file is harmed.
 */
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>

#include "spool_place.h"

#include "spool/look.h"

enum { NOBODY = 65534 };

/* Runs `work` in a child, which must end by SIGKILL; nothing of cmocka runs in the child. */
static void in_killed_child(const struct place *place, void (*work)(struct sl_spool *spool))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sl_spool *spool = NULL;
        char error[ERROR_SIZE];
        if (sl_spool_open(place->path, &spool, error, sizeof(error)) != SL_OK)
            _exit(1);
        work(spool);
        (void)kill(getpid(), SIGKILL);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_spool_fresh_starts_at_one_with_a_random_stream(void **state)
{
    const struct place *place = *state;
    struct sl_spool *spool = open_spool(place);
    struct sl_spool_state first = state_of(spool);
    assert_int_equal(first.first, 1);
    assert_int_equal(first.last, 0);
    assert_int_equal(strspn(first.stream, "0123456789abcdef"), 32);
    assert_int_equal(strlen(first.stream), 32);
    sl_spool_close(spool);

    spool = open_spool(place);
    assert_string_equal(state_of(spool).stream, first.stream);
    sl_spool_close(spool);

    assert_int_equal(unlink(place->path), 0);
    spool = open_spool(place);
    assert_string_not_equal(state_of(spool).stream, first.stream);
    sl_spool_close(spool);
}

static void test_spool_file_is_readable_by_its_owner_only(void **state)
{
    const struct place *place = *state;
    mode_t before = umask(0);
    struct sl_spool *spool = open_spool(place);
    (void)umask(before);
    fill(spool, 1, 1);
    commit(spool);

    struct stat found;
    assert_int_equal(stat(place->path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    char wal[PATH_SIZE + 32];
    (void)snprintf(wal, sizeof(wal), "%s-wal", place->path);
    assert_int_equal(stat(wal, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);
    sl_spool_close(spool);
}

static void test_spool_reading_comes_back_as_it_was_given(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    fill(spool, 1, 3);
    assert_int_equal(state_of(spool).last, 0);
    assert_int_equal(count_from(spool, 1), 0);
    commit(spool);
    assert_int_equal(state_of(spool).last, 3);
    assert_int_equal(count_from(spool, 1), 3);
    assert_int_equal(count_from(spool, 3), 1);
    assert_int_equal(count_from(spool, 4), 0);

    struct reader two = {.next = 1, .most = 2};
    assert_int_equal(spool->functions->read(spool, 1, read_one, &two), SL_OK);
    assert_int_equal(two.count, 2);
    sl_spool_close(spool);
}

static int keep_time(void *ctx, const struct sl_spool_item *item)
{
    *(int64_t *)ctx = item->time_us;
    return 1;
}

static void test_spool_keeps_times_and_their_absence(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    int64_t seq = 0;
    assert_int_equal(spool->functions->append(spool, INT64_MIN, "a: 1", 4, &seq), SL_OK);
    assert_int_equal(spool->functions->append(spool, 1764000000250001, "a: 2", 4, &seq), SL_OK);
    commit(spool);

    int64_t time_us = 0;
    assert_int_equal(spool->functions->read(spool, 1, keep_time, &time_us), SL_OK);
    assert_true(time_us == INT64_MIN);
    assert_int_equal(spool->functions->read(spool, 2, keep_time, &time_us), SL_OK);
    assert_true(time_us == 1764000000250001);
    sl_spool_close(spool);
}

static void test_spool_text_too_long_is_not_taken(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    char text[SL_SPOOL_TEXT_MAX + 1];
    memset(text, 'x', sizeof(text));
    int64_t seq = 0;
    assert_int_equal(spool->functions->append(spool, 0, text, sizeof(text), &seq), SL_BAD_INPUT);
    assert_int_equal(spool->functions->append(spool, 0, text, sizeof(text) - 1, &seq), SL_OK);
    assert_int_equal(seq, 1);
    sl_spool_close(spool);
}

static void test_spool_opened_again_goes_on_counting(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    fill(spool, 1, 5);
    sl_spool_close(spool); /* commits */

    spool = open_spool(*state);
    assert_int_equal(state_of(spool).first, 1);
    assert_int_equal(state_of(spool).last, 5);
    fill(spool, 6, 1);
    commit(spool);
    assert_int_equal(count_from(spool, 1), 6);
    sl_spool_close(spool);
}

static void test_spool_emptied_and_opened_again_goes_on_counting(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    fill(spool, 1, 5);
    commit(spool);
    assert_int_equal(spool->functions->forget(spool, 5), SL_OK);
    assert_int_equal(state_of(spool).first, 6);
    assert_int_equal(count_from(spool, 6), 0);
    sl_spool_close(spool);

    spool = open_spool(*state);
    assert_int_equal(state_of(spool).first, 6);
    assert_int_equal(state_of(spool).last, 5);
    fill(spool, 6, 1);
    sl_spool_close(spool);
}

static void child_appends_without_commit(struct sl_spool *spool)
{
    for (int64_t seq = 1; seq <= 3; seq++)
        if (!child_append(spool, seq))
            _exit(3);
}

static void test_spool_killed_before_commit_has_nothing(void **state)
{
    in_killed_child(*state, child_appends_without_commit);
    struct sl_spool *spool = open_spool(*state);
    assert_int_equal(state_of(spool).last, 0);
    assert_int_equal(count_from(spool, 1), 0);
    sl_spool_close(spool);
}

static void child_commits_then_appends(struct sl_spool *spool)
{
    child_appends_without_commit(spool);
    if (spool->functions->commit(spool) != SL_OK || !child_append(spool, 4))
        _exit(3);
}

static void test_spool_killed_after_commit_has_what_was_committed(void **state)
{
    in_killed_child(*state, child_commits_then_appends);
    struct sl_spool *spool = open_spool(*state);
    assert_int_equal(state_of(spool).last, 3);
    assert_int_equal(count_from(spool, 1), 3);
    fill(spool, 4, 1);
    sl_spool_close(spool);
}

static void child_forgets(struct sl_spool *spool)
{
    child_appends_without_commit(spool);
    if (spool->functions->commit(spool) != SL_OK || spool->functions->forget(spool, 2) != SL_OK)
        _exit(3);
}

static void test_spool_killed_after_forget_has_all_or_the_rest(void **state)
{
    in_killed_child(*state, child_forgets);
    struct sl_spool *spool = open_spool(*state);
    struct sl_spool_state found = state_of(spool);
    assert_int_equal(found.last, 3);
    assert_true(found.first == 1 || found.first == 3);
    assert_int_equal(count_from(spool, found.first), found.last - found.first + 1);
    sl_spool_close(spool);
}

static void child_forgets_and_commits(struct sl_spool *spool)
{
    child_forgets(spool);
    if (!child_append(spool, 4) || spool->functions->commit(spool) != SL_OK)
        _exit(3);
}

static void test_spool_forget_is_durable_with_the_next_commit(void **state)
{
    in_killed_child(*state, child_forgets_and_commits);
    struct sl_spool *spool = open_spool(*state);
    assert_int_equal(state_of(spool).first, 3);
    assert_int_equal(state_of(spool).last, 4);
    assert_int_equal(count_from(spool, 3), 2);
    sl_spool_close(spool);
}

static void child_appends_many(struct sl_spool *spool, int64_t first, int64_t last)
{
    for (int64_t seq = first; seq <= last; seq++)
        if (!child_append(spool, seq))
            _exit(3);
    if (spool->functions->commit(spool) != SL_OK)
        _exit(3);
}

static void child_forgets_one_by_one(struct sl_spool *spool, int64_t last)
{
    for (int64_t seq = state_of(spool).first; seq <= last; seq++)
        if (spool->functions->forget(spool, seq) != SL_OK)
            _exit(3);
}

/* What a spool has after a child was killed. */
static struct sl_spool_state left_by(void **state, void (*child)(struct sl_spool *spool))
{
    in_killed_child(*state, child);
    struct sl_spool *spool = open_spool(*state);
    struct sl_spool_state found = state_of(spool);
    assert_int_equal(count_from(spool, found.first), found.last - found.first + 1);
    sl_spool_close(spool);
    return found;
}

static void child_forgets_many_new_ones(struct sl_spool *spool)
{
    child_appends_many(spool, 1, 2500);
    child_forgets_one_by_one(spool, 2200);
}

static void test_spool_forgetting_many_is_durable_without_a_commit(void **state)
{
    struct sl_spool_state found = left_by(state, child_forgets_many_new_ones);
    assert_int_equal(found.first, 1001); /* then nothing new wanted the room */
    assert_int_equal(found.last, 2500);
}

static void child_forgets_all(struct sl_spool *spool)
{
    child_appends_many(spool, 1, 2500);
    child_forgets_one_by_one(spool, 2500);
}

static void test_spool_forgetting_all_of_many_is_durable_without_a_commit(void **state)
{
    struct sl_spool_state found = left_by(state, child_forgets_all);
    assert_int_equal(found.first, 2501);
    assert_int_equal(found.last, 2500);
}

static void child_drains_while_one_comes(struct sl_spool *spool)
{
    child_forgets_one_by_one(spool, 2000);
    child_appends_many(spool, 2501, 2501);
}

static void child_drains_while_many_come(struct sl_spool *spool)
{
    child_appends_many(spool, 2502, 3501);
}

static void test_spool_backlog_is_deleted_at_its_end_or_where_new_ones_want_the_room(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    child_appends_many(spool, 1, 2500);
    sl_spool_close(spool);

    struct sl_spool_state found = left_by(state, child_drains_while_one_comes);
    assert_int_equal(found.first, 2001);
    assert_int_equal(found.last, 2501);
    assert_int_equal(found.readings, 501);
    assert_int_equal(rows_in(((const struct place *)*state)->path), 2501);
    found = left_by(state, child_drains_while_many_come);
    assert_int_equal(found.first, 2001);
    assert_int_equal(found.last, 3501);
    assert_int_equal(rows_in(((const struct place *)*state)->path), 1501);
}

static void child_drains(struct sl_spool *spool)
{
    child_forgets_one_by_one(spool, 12000);
}

static void test_spool_drained_in_part_knows_after_a_kill_what_was_forgotten(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    child_appends_many(spool, 1, 20000);
    sl_spool_close(spool);

    assert_int_equal(left_by(state, child_drains).first, 10001); /* after each 5,000 */
    assert_int_equal(rows_in(((const struct place *)*state)->path), 20000);
    struct sl_spool_look look;
    char error[ERROR_SIZE];
    const struct place *place = *state;
    assert_int_equal(sl_spool_look(place->path, &look, error, sizeof(error)), SL_OK);
    assert_int_equal(look.state.readings, 10000);

    spool = open_spool(place); /* new ones want the room, of which they get a portion each time */
    for (int portions = 1; portions <= 2; portions++) {
        child_appends_many(spool, 19001 + portions * 1000, 20000 + portions * 1000);
        sl_spool_close(spool);
        assert_int_equal(rows_in(place->path), 20000 + portions * (1000 - 5000));
        spool = open_spool(place);
        assert_int_equal(state_of(spool).first, 10001);
        assert_int_equal(count_from(spool, 10001), 10000 + portions * 1000);
    }
    sl_spool_close(spool);
}

static int64_t log_size(const struct place *place)
{
    char name[PATH_SIZE + 32];
    struct stat found;
    (void)snprintf(name, sizeof(name), "%s-wal", place->path);
    assert_int_equal(stat(name, &found), 0);
    return found.st_size;
}

static void test_spool_reading_that_comes_after_one_that_went_costs_two_small_pages(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    fill(spool, 1, 1);
    commit(spool);
    int64_t before = log_size(*state);
    for (int64_t seq = 2; seq <= 101; seq++) {
        assert_int_equal(spool->functions->forget(spool, seq - 1), SL_OK);
        fill(spool, seq, 1);
        commit(spool);
    }
    assert_int_equal(log_size(*state) - before, 100 * 2 * (512 + 24)); /* a frame has a header */
    sl_spool_close(spool);
}

static void test_spool_forgetting_more_than_there_is_keeps_the_count(void **state)
{
    struct sl_spool *spool = open_spool(*state);
    fill(spool, 1, 2);
    commit(spool);
    assert_int_equal(spool->functions->forget(spool, 99), SL_OK);
    assert_int_equal(state_of(spool).first, 3);
    fill(spool, 3, 1);
    commit(spool);
    assert_int_equal(count_from(spool, 3), 1);
    sl_spool_close(spool);
}

/* Tries to open, expecting `status` and a sentence with `word` in it. */
static void expect_refused(const char *path, enum sl_status status, const char *word)
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE] = "";
    assert_int_equal(sl_spool_open(path, &spool, error, sizeof(error)), status);
    assert_null(spool);
    if (!strstr(error, word))
        fail_msg("'%s' doesn't say '%s'", error, word);
}

static void test_spool_opened_twice_is_refused_the_second_time(void **state)
{
    const struct place *place = *state;
    struct sl_spool *spool = open_spool(place);
    expect_refused(place->path, SL_LIMIT, "another program has the spool");

    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sl_spool *second = NULL;
        char error[ERROR_SIZE];
        enum sl_status status = sl_spool_open(place->path, &second, error, sizeof(error));
        _exit(status == SL_LIMIT && strstr(error, "another program") ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    fill(spool, 1, 1); /* the first one is none the worse */
    commit(spool);
    sl_spool_close(spool);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, size, file);
    assert_int_equal(fclose(file), 0);
    return len;
}

static void test_spool_garbage_file_is_refused_and_left_alone(void **state)
{
    const struct place *place = *state;
    unsigned char garbage[5000];
    unsigned char after[sizeof(garbage) + 1];
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (unsigned char)(i * 7 + 3);
    write_file(place->path, garbage, sizeof(garbage));

    expect_refused(place->path, SL_BAD_INPUT, "not a spool or is damaged");
    assert_int_equal(read_file(place->path, after, sizeof(after)), sizeof(garbage));
    assert_memory_equal(after, garbage, sizeof(garbage));
}

static void test_spool_damaged_pages_are_refused_and_left_alone(void **state)
{
    const struct place *place = *state;
    static unsigned char before[256 * 1024];
    static unsigned char after[sizeof(before)];

    struct sl_spool *spool = open_spool(place);
    fill(spool, 1, 2000);
    sl_spool_close(spool);
    size_t len = read_file(place->path, before, sizeof(before));
    assert_true(len > 3 * 4096 && len < sizeof(before));
    memset(before + len - 8192, 0xA5, 4096);
    write_file(place->path, before, len);

    expect_refused(place->path, SL_BAD_INPUT, "left as it is");
    assert_int_equal(read_file(place->path, after, sizeof(after)), len);
    assert_memory_equal(after, before, len);
}

static void test_spool_of_a_later_version_is_refused(void **state)
{
    const struct place *place = *state;
    static unsigned char bytes[256 * 1024];
    sl_spool_close(open_spool(place));
    size_t len = read_file(place->path, bytes, sizeof(bytes));
    bytes[63] = 9; /* user_version: bytes 60..63 of the header, big endian */
    write_file(place->path, bytes, len);
    expect_refused(place->path, SL_BAD_INPUT, "later version");
}

static void test_spool_database_of_another_program_is_refused(void **state)
{
    const struct place *place = *state;
    static unsigned char bytes[256 * 1024];
    sl_spool_close(open_spool(place));
    size_t len = read_file(place->path, bytes, sizeof(bytes));
    bytes[68] = 'X'; /* application_id: bytes 68..71 */
    write_file(place->path, bytes, len);
    expect_refused(place->path, SL_BAD_INPUT, "another program");
}

static void test_spool_places_that_cannot_be_are_refused(void **state)
{
    const struct place *place = *state;
    char path[PATH_SIZE + 64];
    expect_refused("", SL_BAD_INPUT, "file name");
    (void)snprintf(path, sizeof(path), "%s/no/such/folder/spool.db", place->folder);
    expect_refused(path, SL_IO, "No such file or directory");
    expect_refused(place->folder, SL_IO, "can't open");
}

static void test_spool_unwritable_file_is_refused(void **state)
{
    const struct place *place = *state;
    sl_spool_close(open_spool(place));
    assert_int_equal(chmod(place->path, 0400), 0);
    if (geteuid() != 0) {
        expect_refused(place->path, SL_IO, "can't be written");
        return;
    }

    /* Root may write to anything, so a child becomes the owner of both, and then that. */
    assert_int_equal(chown(place->folder, NOBODY, NOBODY), 0);
    assert_int_equal(chown(place->path, NOBODY, NOBODY), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sl_spool *spool = NULL;
        char error[ERROR_SIZE] = "";
        if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(2);
        enum sl_status status = sl_spool_open(place->path, &spool, error, sizeof(error));
        if (status == SL_IO && strstr(error, "can't be written"))
            _exit(0);
        (void)fprintf(stderr, "status %d: %s\n", (int)status, error);
        _exit(1);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
}

static void test_memory_spool_is_full_at_its_capacity_and_goes_round(void **state)
{
    (void)state;
    struct sl_spool *spool = NULL;
    int64_t seq = 0;
    assert_int_equal(sl_spool_open_memory(0, &spool), SL_BAD_INPUT);
    assert_int_equal(sl_spool_open_memory(1000001, &spool), SL_BAD_INPUT);
    assert_int_equal(sl_spool_open_memory(3, &spool), SL_OK);

    fill(spool, 1, 3);
    assert_int_equal(spool->functions->append(spool, 0, "n: 4", 4, &seq), SL_LIMIT);
    assert_int_equal(count_from(spool, 1), 0);
    commit(spool);
    assert_int_equal(count_from(spool, 1), 3);
    assert_int_equal(spool->functions->forget(spool, 2), SL_OK);
    fill(spool, 4, 2);
    commit(spool);
    assert_int_equal(state_of(spool).first, 3);
    assert_int_equal(state_of(spool).last, 5);
    assert_int_equal(count_from(spool, 3), 3);
    fill(spool, 6, 0);
    sl_spool_close(spool);
}

static void test_memory_spool_forgetting_all_keeps_the_count(void **state)
{
    (void)state;
    struct sl_spool *spool = NULL;
    assert_int_equal(sl_spool_open_memory(10, &spool), SL_OK);
    fill(spool, 1, 4);
    commit(spool);
    assert_int_equal(spool->functions->forget(spool, 9), SL_OK);
    assert_int_equal(state_of(spool).first, 5);
    assert_int_equal(state_of(spool).last, 4);
    fill(spool, 5, 1);
    sl_spool_close(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(test_spool_fresh_starts_at_one_with_a_random_stream),
        PLACED(test_spool_file_is_readable_by_its_owner_only),
        PLACED(test_spool_reading_comes_back_as_it_was_given),
        PLACED(test_spool_keeps_times_and_their_absence),
        PLACED(test_spool_text_too_long_is_not_taken),
        PLACED(test_spool_opened_again_goes_on_counting),
        PLACED(test_spool_emptied_and_opened_again_goes_on_counting),
        PLACED(test_spool_killed_before_commit_has_nothing),
        PLACED(test_spool_killed_after_commit_has_what_was_committed),
        PLACED(test_spool_killed_after_forget_has_all_or_the_rest),
        PLACED(test_spool_forget_is_durable_with_the_next_commit),
        PLACED(test_spool_forgetting_many_is_durable_without_a_commit),
        PLACED(test_spool_forgetting_all_of_many_is_durable_without_a_commit),
        PLACED(test_spool_backlog_is_deleted_at_its_end_or_where_new_ones_want_the_room),
        PLACED(test_spool_drained_in_part_knows_after_a_kill_what_was_forgotten),
        PLACED(test_spool_reading_that_comes_after_one_that_went_costs_two_small_pages),
        PLACED(test_spool_forgetting_more_than_there_is_keeps_the_count),
        PLACED(test_spool_opened_twice_is_refused_the_second_time),
        PLACED(test_spool_garbage_file_is_refused_and_left_alone),
        PLACED(test_spool_damaged_pages_are_refused_and_left_alone),
        PLACED(test_spool_of_a_later_version_is_refused),
        PLACED(test_spool_database_of_another_program_is_refused),
        PLACED(test_spool_places_that_cannot_be_are_refused),
        PLACED(test_spool_unwritable_file_is_refused),
        cmocka_unit_test(test_memory_spool_is_full_at_its_capacity_and_goes_round),
        cmocka_unit_test(test_memory_spool_forgetting_all_keeps_the_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
