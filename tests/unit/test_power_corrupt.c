/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_power_corrupt.c -- stores whose file is damaged: never deleted, refused or moved aside, and
 * where the damage shows up later, a store that fails.
 */
#include "store_place.h"

#include <dirent.h>

#include <sqlite3.h>

enum { PAGE = 4096, LARGE_BLOCKS = 1200 };

static void execute(const struct place *place, const char *statements)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, statements, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask(const struct place *place, const char *query)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);

    int64_t answer = sqlite3_column_int64(statement, 0);

    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return answer;
}

/* Overwrites `count` pages from page `first` (1 is the file's first) with rubbish. */
static void damage(const char *path, int64_t first, int count)
{
    char rubbish[PAGE];
    FILE *file = fopen(path, "r+b");

    memset(rubbish, 0x5a, sizeof rubbish);
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)(first - 1) * PAGE, SEEK_SET), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(fwrite(rubbish, sizeof rubbish, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void make_damaged(struct place *place)
{
    open_file(place);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 900), 900);
    close_file(place);
    damage(place->path, ask(place, "SELECT rootpage FROM sqlite_schema WHERE name = 'blocks'"), 2);
}

static size_t read_file(const char *path, char *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");

    assert_non_null(file);

    size_t len = fread(bytes, 1, size, file);

    assert_true(len < size);
    assert_int_equal(fclose(file), 0);
    return len;
}

static enum sl_status open_repairing(struct place *place, struct sl_store_repair *repair,
                                     char error[static ERROR_SIZE])
{
    return sl_store_open_sqlite_repairing(place->path, repair, &place->store, error, ERROR_SIZE);
}

static bool ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name);
    size_t ending_len = strlen(ending);

    return len >= ending_len && strcmp(name + len - ending_len, ending) == 0;
}

/* Removes what was moved aside, for clear_place(); says how many stores that were. */
static int remove_aside(const struct place *place)
{
    DIR *folder = opendir(place->folder);
    int count = 0;

    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strstr(entry->d_name, ".corrupt-") == NULL)
            continue;
        assert_int_equal(unlinkat(dirfd(folder), entry->d_name, 0), 0);
        count += !ends_with(entry->d_name, "-wal") && !ends_with(entry->d_name, "-shm");
    }
    assert_int_equal(closedir(folder), 0);
    return count;
}

static void test_store_damaged_is_refused_and_left_as_it_is(void **state)
{
    static char before[1 << 20], after[1 << 20];
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = false};
    char error[ERROR_SIZE] = "";

    make_damaged(place);

    size_t len = read_file(place->path, before, sizeof before);

    assert_int_equal(open_repairing(place, &repair, error), SL_BAD_INPUT);
    assert_true(repair.damaged);
    assert_string_equal(repair.moved_to, "");
    assert_non_null(strstr(error, ".recover"));
    assert_non_null(strstr(error, "--on-corrupt=move-aside"));
    assert_int_equal(read_file(place->path, after, sizeof after), len);
    assert_memory_equal(before, after, len);
    assert_int_equal(remove_aside(place), 0);
}

static void test_store_damaged_is_moved_aside_whole_and_a_new_one_begun(void **state)
{
    static char before[1 << 20], after[1 << 20];
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = true};
    char error[ERROR_SIZE] = "";

    make_damaged(place);

    size_t len = read_file(place->path, before, sizeof before);

    assert_int_equal(open_repairing(place, &repair, error), SL_OK);
    assert_true(repair.damaged);
    assert_non_null(strstr(repair.moved_to, "/readings.db.corrupt-2"));
    assert_int_equal(read_file(repair.moved_to, after, sizeof after), len);
    assert_memory_equal(before, after, len);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 0);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 3), 3);
    close_file(place);
    open_file(place); /* sound, and with what was put in */
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 3);
    assert_int_equal(remove_aside(place), 1);
}

static void test_store_moved_aside_takes_its_log_with_it(void **state)
{
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = true};
    char error[ERROR_SIZE] = "", name[PATH_SIZE + 32], moved[sizeof repair.moved_to + 8];

    make_damaged(place);
    (void)snprintf(name, sizeof name, "%s-wal", place->path);

    FILE *log = fopen(name, "wb");

    assert_non_null(log);
    assert_int_equal(fputs("what a crashed server left", log) < 0, 0);
    assert_int_equal(fclose(log), 0);
    assert_int_equal(open_repairing(place, &repair, error), SL_OK);
    (void)snprintf(moved, sizeof moved, "%s-wal", repair.moved_to);
    assert_int_equal(access(moved, F_OK), 0);
    close_file(place);
    assert_int_equal(remove_aside(place), 1);
}

static void test_store_damaged_again_within_a_second_gets_another_name(void **state)
{
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = true};
    char error[ERROR_SIZE] = "";

    for (int i = 0; i < 3; i++) {
        make_damaged(place);
        assert_int_equal(open_repairing(place, &repair, error), SL_OK);
        close_file(place);
    }
    assert_int_equal(remove_aside(place), 3);
}

static void test_store_damaged_behind_a_link_is_moved_where_it_is(void **state)
{
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = true};
    struct place linked = *place;
    char error[ERROR_SIZE] = "";

    make_damaged(place);
    (void)snprintf(linked.path, sizeof linked.path, "%s/link", place->folder);
    assert_int_equal(symlink(place->path, linked.path), 0);
    assert_int_equal(open_repairing(&linked, &repair, error), SL_OK);
    assert_non_null(strstr(repair.moved_to, "/readings.db.corrupt-"));
    close_file(&linked);
    open_file(place); /* the link leads to the new one */
    assert_int_equal(unlink(linked.path), 0);
    assert_int_equal(remove_aside(place), 1);
}

static void test_store_of_others_is_never_moved(void **state)
{
    static const char *const others[] = {
        "CREATE TABLE theirs(x)",
        "CREATE TABLE theirs(x); PRAGMA application_id = 1397517415; PRAGMA user_version = 99",
    };
    struct place *place = *state;

    for (size_t i = 0; i < COUNT(others); i++) {
        struct sl_store_repair repair = {.move_aside = true};
        char error[ERROR_SIZE] = "";

        (void)unlink(place->path);
        execute(place, others[i]);
        assert_int_equal(open_repairing(place, &repair, error), SL_BAD_INPUT);
        assert_false(repair.damaged);
        assert_int_equal(remove_aside(place), 0);
    }
}

static void test_store_that_lost_its_first_page_is_damaged_and_a_text_is_not(void **state)
{
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = true};
    char error[ERROR_SIZE] = "";

    FILE *file = fopen(place->path, "wb");

    assert_non_null(file);
    assert_int_equal(fputs("temperature: 22\n", file) < 0, 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(open_repairing(place, &repair, error), SL_BAD_INPUT);
    assert_false(repair.damaged);
    assert_int_equal(remove_aside(place), 0);

    (void)unlink(place->path);
    make_damaged(place);
    damage(place->path, 1, 1);
    assert_int_equal(open_repairing(place, &repair, error), SL_OK);
    assert_true(repair.damaged);
    assert_int_equal(remove_aside(place), 1);
}

static void test_store_in_use_is_never_moved(void **state)
{
    struct place *place = *state;
    struct sl_store_repair repair = {.move_aside = true};
    struct sl_store *second = NULL;
    char error[ERROR_SIZE] = "";

    open_file(place);
    assert_int_equal(
        sl_store_open_sqlite_repairing(place->path, &repair, &second, error, sizeof error),
        SL_LIMIT);
    assert_false(repair.damaged);
    assert_int_equal(remove_aside(place), 0);
}

static void test_store_too_large_to_check_fails_when_it_meets_the_damage(void **state)
{
    struct place *place = *state;
    struct sl_store_stream found;
    char statement[512];

    open_file(place);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 5), 5);
    close_file(place);
    (void)snprintf(statement, sizeof statement,
                   "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
                   " INSERT INTO blocks(id, stream, sensor, first, last, received, oldest, newest,"
                   " readings) SELECT i, 1, 1, i, i, 1, 1, 1, zeroblob(60000) FROM n",
                   LARGE_BLOCKS);
    execute(place, statement);
    damage(place->path, ask(place, "SELECT rootpage FROM sqlite_schema WHERE name = 'streams'"), 1);

    open_file(place);
    begin(place->store);
    assert_int_equal(sl_store_stream(place->store, place->attic, STREAM_A, NOON, &found), SL_IO);
    assert_non_null(strstr(sl_store_error(place->store), "malformed"));
    sl_store_rollback(place->store);
    begin(place->store); /* and it can be tried again */
    assert_int_equal(sl_store_stream(place->store, place->attic, STREAM_A, NOON, &found), SL_IO);
    sl_store_rollback(place->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_SENSORS(test_store_damaged_is_refused_and_left_as_it_is),
        OF_SENSORS(test_store_damaged_is_moved_aside_whole_and_a_new_one_begun),
        OF_SENSORS(test_store_moved_aside_takes_its_log_with_it),
        OF_SENSORS(test_store_damaged_again_within_a_second_gets_another_name),
        OF_SENSORS(test_store_damaged_behind_a_link_is_moved_where_it_is),
        OF_SENSORS(test_store_of_others_is_never_moved),
        OF_SENSORS(test_store_that_lost_its_first_page_is_damaged_and_a_text_is_not),
        OF_SENSORS(test_store_in_use_is_never_moved),
        OF_SENSORS(test_store_too_large_to_check_fails_when_it_meets_the_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
