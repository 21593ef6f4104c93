/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_file.c -- a store as a file: crashes, full disks, a second server, files of others,
 * and what the sqlite3 shell sees.
 */
#include "store_ask.h"
#include "store_place.h"
#include "store_version_1.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "store/sqlite.h"

static sqlite3 *database_of(const struct place *place)
{
    const struct sl_sqlite_store *store = (const struct sl_sqlite_store *)place->store;

    /* cmocka's asserts don't tell analysers that they end the test. */
    if (store == NULL)
        abort();
    return store->db;
}

/* Runs statements as another program would, through a connection of its own. */
static void execute(const struct place *place, const char *statements)
{
    sqlite3 *db = NULL;
    char *error = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, statements, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", statements, error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* The whole file; `*len` is set. The caller frees. */
static char *read_file(const char *path, size_t *len)
{
    struct stat about;
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &about), 0);
    *len = (size_t)about.st_size;
    char *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    assert_int_equal(fclose(file), 0);
    return bytes;
}

static enum sl_status try_open(const char *path, char error[static ERROR_SIZE])
{
    struct sl_store *store = NULL;
    enum sl_status status = sl_store_open_sqlite(path, &store, error, ERROR_SIZE);

    if (status == SL_OK)
        sl_store_close(store);
    else
        assert_null(store);
    return status;
}

static void assert_refused_untouched(struct place *place, const char *sentence)
{
    char error[ERROR_SIZE] = "";
    size_t before_len = 0;
    size_t after_len = 0;
    char *before = read_file(place->path, &before_len);

    assert_int_equal(try_open(place->path, error), SL_BAD_INPUT);
    if (strstr(error, sentence) == NULL || strstr(error, place->path) == NULL)
        fail_msg("'%s' doesn't name the file and say '%s'", error, sentence);

    char *after = read_file(place->path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    free(before);
    free(after);
}

static int wait_for(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_store_made_file_is_for_its_owner_alone(void **state)
{
    struct place *place = *state;
    struct stat about;
    mode_t mask = umask(0);

    open_file(place);
    put(place->store, place->attic, STREAM_A, NOON, 1);
    (void)umask(mask);
    for (int i = 0; i < 3; i++) {
        static const char *const endings[] = {"", "-wal", ".lock"};
        char name[PATH_SIZE + 32];

        (void)snprintf(name, sizeof name, "%s%s", place->path, endings[i]);
        assert_int_equal(stat(name, &about), 0);
        assert_int_equal(about.st_mode & 0777, 0600);
    }
}

static void test_store_syncs_every_commit_to_a_write_ahead_log(void **state)
{
    struct place *place = *state;

    open_file(place);
    assert_int_equal(ask(database_of(place), "PRAGMA synchronous"), 2);
    assert_int_equal(ask(database_of(place), "PRAGMA foreign_keys"), 1);
    assert_int_equal(
        ask(database_of(place), "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

static void test_store_reopened_after_close_has_everything(void **state)
{
    struct place *place = *state;

    open_file(place);
    put(place->store, place->attic, STREAM_A, NOON, 7);
    close_file(place);
    open_file(place);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 7);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 1), 8);
}

static void test_store_closed_inside_a_transaction_rolls_back(void **state)
{
    struct place *place = *state;
    int64_t last = 0;

    open_file(place);
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(append(place->store, place->attic, stream.id, NOON, 1, 2, &last), SL_OK);
    close_file(place);
    open_file(place);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), 0);
}

/* The child commits three readings, appends two more and is killed before or after their commit. */
static void killed_child_leaves(struct place *place, bool commits, int64_t expected)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        char error[ERROR_SIZE];
        struct sl_store_stream stream = {0};
        struct sl_block block = {.first = 4};
        int64_t last = 0;

        if (sl_store_open_sqlite(place->path, &place->store, error, sizeof error) != SL_OK)
            _exit(1);
        put(place->store, place->attic, STREAM_A, NOON, 3);
        if (sl_store_begin(place->store) != SL_OK ||
            sl_store_stream(place->store, place->attic, STREAM_A, NOON, &stream) != SL_OK)
            _exit(2);
        add(&block, NOON, "n: 4");
        add(&block, NOON, "n: 5");
        if (sl_store_append(place->store, place->attic, stream.id, NOON, &block, &last) != SL_OK)
            _exit(3);
        if (commits && sl_store_commit(place->store) != SL_OK)
            _exit(4);
        (void)kill(getpid(), SIGKILL);
        _exit(5);
    }

    int status = wait_for(child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    open_file(place);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), expected);
    assert_int_equal(ask(database_of(place), "SELECT count(*) FROM readings"), expected);
}

static void test_store_killed_before_commit_has_nothing_of_it(void **state)
{
    killed_child_leaves(*state, false, 3);
}

static void test_store_killed_after_commit_has_all_of_it(void **state)
{
    killed_child_leaves(*state, true, 5);
}

static void test_store_received_never_decreases_when_the_clock_steps_back(void **state)
{
    struct place *place = *state;
    int64_t last = 0;

    open_file(place);
    put(place->store, place->attic, STREAM_A, NOON + 5 * SECOND, 1);
    put(place->store, place->cellar, STREAM_B, NOON, 1);
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(sl_store_gap(place->store, place->attic, stream.id, NOON + 9 * SECOND, 2, 2,
                                  sl_bytes_of("x")),
                     SL_OK);
    commit(place->store);
    close_file(place);
    open_file(place);
    begin(place->store);
    stream = open_stream(place->store, place->attic, STREAM_A);
    assert_int_equal(
        append(place->store, place->attic, stream.id, NOON - 3600 * SECOND, 3, 1, &last), SL_OK);
    commit(place->store);
    assert_int_equal(ask(database_of(place), "SELECT min(received) FROM blocks WHERE id = 2"),
                     NOON + 5 * SECOND);
    assert_int_equal(ask(database_of(place), "SELECT min(received) FROM blocks WHERE id = 3"),
                     NOON + 9 * SECOND);
}

static void test_store_second_server_is_refused_until_the_first_is_gone(void **state)
{
    struct place *place = *state;
    char error[ERROR_SIZE] = "";
    char process[32];
    char link[PATH_SIZE + 32];

    open_file(place);
    assert_int_equal(try_open(place->path, error), SL_LIMIT);
    (void)snprintf(process, sizeof process, "process %ld", (long)getpid());
    assert_non_null(strstr(error, "another server has it open"));
    assert_non_null(strstr(error, process));

    (void)snprintf(link, sizeof link, "%s/link.db", place->folder);
    assert_int_equal(symlink(place->path, link), 0);
    assert_int_equal(try_open(link, error), SL_LIMIT);
    assert_int_equal(unlink(link), 0);

    close_file(place);
    assert_int_equal(try_open(place->path, error), SL_OK);
}

static void test_store_killed_server_leaves_no_lock(void **state)
{
    struct place *place = *state;
    char error[ERROR_SIZE] = "";
    int ready[2];
    char byte = 0;

    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (sl_store_open_sqlite(place->path, &place->store, error, sizeof error) != SL_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)pause();
        _exit(2);
    }
    assert_int_equal(close(ready[1]), 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(try_open(place->path, error), SL_LIMIT);
    assert_int_equal(kill(child, SIGKILL), 0);
    (void)wait_for(child);
    assert_int_equal(try_open(place->path, error), SL_OK);
    assert_int_equal(close(ready[0]), 0);
}

static void test_store_of_a_later_version_is_refused_and_left_alone(void **state)
{
    struct place *place = *state;

    open_file(place);
    close_file(place);
    execute(place, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 3");
    assert_refused_untouched(place, "later sensorlink (its format is 3, this one knows 2)");
}

static void assert_same_sensors(const struct place *place)
{
    static const char query[] =
        "SELECT group_concat(name || ' ' || type || ' ' || \"notnull\" || ' ' || pk, '|')"
        " FROM pragma_table_info('sensors')";
    struct sl_store *fresh = NULL;
    sqlite3_stmt *ours = NULL;
    sqlite3_stmt *theirs = NULL;

    assert_int_equal(sl_store_open_memory(&fresh), SL_OK);
    assert_int_equal(sqlite3_prepare_v2(database_of(place), query, -1, &ours, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(((struct sl_sqlite_store *)fresh)->db, query, -1, &theirs, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(ours), SQLITE_ROW);
    assert_int_equal(sqlite3_step(theirs), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(ours, 0),
                        (const char *)sqlite3_column_text(theirs, 0));
    (void)sqlite3_finalize(ours);
    (void)sqlite3_finalize(theirs);
    sl_store_close(fresh);
}

static void test_store_of_version_1_becomes_one_of_ours_and_keeps_everything(void **state)
{
    struct place *place = *state;

    make_version_1(place);
    open_file(place);
    assert_int_equal(ask(database_of(place), "PRAGMA user_version"), 2);
    assert_same_sensors(place);
    assert_int_equal(ask(database_of(place), "SELECT cert_until IS NULL AND clock_offset IS NULL"
                                             " AND clock_told IS NULL FROM sensors"),
                     1);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), VERSION_1_LAST);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 1), VERSION_1_LAST + 1);
    close_file(place);
    open_file(place);
    assert_int_equal(ask(database_of(place), "SELECT count(*) FROM readings"), VERSION_1_LAST + 1);
    assert_int_equal(ask(database_of(place), "SELECT sum(value) FROM readings"), 10);
}

/* Somebody's own column of the same name, say. */
static void test_store_of_version_1_that_cannot_be_upgraded_stays_one(void **state)
{
    struct place *place = *state;
    char error[ERROR_SIZE] = "";

    make_version_1(place);
    execute(place, "ALTER TABLE sensors ADD COLUMN clock_told TEXT");
    assert_int_not_equal(try_open(place->path, error), SL_OK);
    assert_non_null(strstr(error, "clock_told"));
    execute(place, "ALTER TABLE sensors DROP COLUMN clock_told");
    open_file(place);
    assert_int_equal(ask(database_of(place), "PRAGMA user_version"), 2);
}

static void test_store_garbage_is_refused_and_left_alone(void **state)
{
    struct place *place = *state;
    char garbage[20000];
    unsigned int seed = 20261123;

    print_message("seed %u\n", seed);
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (char)rand_r(&seed);
    write_file(place->path, garbage, sizeof garbage);
    assert_refused_untouched(place, "not a database");
    write_file(place->path, "temperature: 22\n", 16);
    assert_refused_untouched(place, "not a database");
}

static void test_store_of_another_program_is_refused_and_left_alone(void **state)
{
    struct place *place = *state;

    execute(place, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
    assert_refused_untouched(place, "another program's database");
}

static void test_store_without_one_of_its_tables_is_refused(void **state)
{
    struct place *place = *state;
    char error[ERROR_SIZE] = "";

    open_file(place);
    close_file(place);
    execute(place, "DROP TABLE gaps");
    assert_int_equal(try_open(place->path, error), SL_BAD_INPUT);
    assert_non_null(strstr(error, "gaps"));
}

static void test_store_empty_file_becomes_a_store(void **state)
{
    struct place *place = *state;

    write_file(place->path, "", 0);
    open_file(place);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 1), 1);
}

static void test_store_that_cannot_be_a_file_is_refused(void **state)
{
    struct place *place = *state;
    char path[PATH_SIZE + 32];
    char error[ERROR_SIZE] = "";

    assert_int_equal(try_open(place->folder, error), SL_IO);
    assert_non_null(strstr(error, "isn't a file"));
    (void)snprintf(path, sizeof path, "%s/none/readings.db", place->folder);
    assert_int_equal(try_open(path, error), SL_IO);
    assert_non_null(strstr(error, "No such file or directory"));
}

/* SQLite answers a full disk with the same code as a full page count. */
static void test_store_full_disk_is_a_limit_and_loses_nothing(void **state)
{
    struct place *place = *state;
    enum sl_status status = SL_OK;
    int64_t last = 0;
    int64_t stored = 0;

    open_file(place);
    (void)ask(database_of(place), "PRAGMA max_page_count = 40");
    for (int i = 0; i < 1000 && status == SL_OK; i++) {
        begin(place->store);
        struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
        assert_int_equal(stream.last, stored);
        status = append(place->store, place->attic, stream.id, NOON, stored + 1, 200, &last);
        if (status == SL_OK)
            status = sl_store_commit(place->store);
        if (status == SL_OK)
            stored = last;
    }
    assert_int_equal(status, SL_LIMIT);
    assert_true(stored > 0);
    assert_non_null(strstr(sl_store_error(place->store), "full"));
    sl_store_rollback(place->store);

    (void)ask(database_of(place), "PRAGMA max_page_count = 1000000");
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), stored);
    assert_int_equal(put(place->store, place->attic, STREAM_A, NOON, 200), stored + 200);
    assert_int_equal(ask(database_of(place), "SELECT count(*) FROM readings"), stored + 200);
}

/*
 * Writes fail in the middle of commits; what was committed before is there afterwards, and no more.
 */
static void test_store_failing_disk_never_claims_a_commit(void **state)
{
    struct place *place = *state;
    struct rlimit limit;
    struct rlimit before;
    enum sl_status status = SL_OK;
    int64_t stored = 0;

    open_file(place);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 200000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 1000 && status == SL_OK; i++) {
        int64_t last = 0;
        struct sl_store_stream stream = {0};

        status = sl_store_begin(place->store);
        if (status == SL_OK)
            status = sl_store_stream(place->store, place->attic, STREAM_A, NOON, &stream);
        if (status == SL_OK)
            status = append(place->store, place->attic, stream.id, NOON, stored + 1, 50, &last);
        if (status == SL_OK)
            status = sl_store_commit(place->store);
        if (status == SL_OK)
            stored = last;
    }
    sl_store_rollback(place->store);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, SL_IO);
    assert_true(stored > 0);

    assert_int_equal(last_of(place->store, place->attic, STREAM_A), stored);
    close_file(place);
    open_file(place);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), stored);
    assert_int_equal(ask(database_of(place), "SELECT count(*) FROM readings"), stored);
}

/* Reads all that a command prints, and checks that it went well. */
static void run_shell(const struct place *place, const char *query, char *out, size_t size)
{
    char command[1024];

    (void)snprintf(command, sizeof command, "sqlite3 -batch -csv -header '%s' \"%s\"", place->path,
                   query);
    FILE *shell = popen(command, "r");
    assert_non_null(shell);
    size_t len = 0;
    /* Versions of the shell differ in how they end a line of CSV. */
    for (int c = getc(shell); c != EOF && len < size - 1; c = getc(shell))
        if (c != '\r')
            out[len++] = (char)c;
    out[len] = '\0';
    assert_int_equal(pclose(shell), 0);
}

static void test_store_view_is_read_by_the_sqlite3_shell_beside_the_server(void **state)
{
    struct place *place = *state;
    struct sl_block block = {.first = 1};
    char out[2048];
    int64_t last = 0;

    if (system("command -v sqlite3 >/dev/null") != 0) {
        print_message("the sqlite3 shell isn't installed\n");
        skip();
    }
    open_file(place);
    begin(place->store);
    struct sl_store_stream stream = open_stream(place->store, place->attic, STREAM_A);
    add(&block, NOON - 250000, "temperature: 22 Cel");
    add(&block, NOON - 150000, "humidity: 48.5 %RH");
    assert_int_equal(sl_store_append(place->store, place->attic, stream.id, NOON, &block, &last),
                     SL_OK);
    sl_block_reset(&block);
    block.first = 3;
    add(&block, SL_TIME_NONE, "load: 0.25");
    assert_int_equal(
        sl_store_append(place->store, place->attic, stream.id, NOON + 1, &block, &last), SL_OK);
    commit(place->store);
    sl_block_clear(&block);

    run_shell(place,
              "SELECT printf('%.6f', received) AS received, printf('%.2f', time) AS time,"
              " typeof(time) AS type, sensor, name, value, unit, stream, seq FROM readings"
              " ORDER BY seq",
              out, sizeof out);
    assert_string_equal(
        out, "received,time,type,sensor,name,value,unit,stream,seq\n"
             "1764000000.000000,1763999999.75,real,attic,temperature,22,Cel," STREAM_A ",1\n"
             "1764000000.000000,1763999999.85,real,attic,humidity,48.5,%RH," STREAM_A ",2\n"
             "1764000000.000001,0.00,null,attic,load,0.25,," STREAM_A ",3\n");
}

/* One sensor's day is a range of the index, and no table of blocks is gone through. */
static void test_store_a_sensors_day_is_found_through_the_index(void **state)
{
    struct place *place = *state;
    sqlite3_stmt *plan = NULL;
    bool index = false;

    open_file(place);
    assert_int_equal(
        sqlite3_prepare_v2(database_of(place),
                           "EXPLAIN QUERY PLAN SELECT r.value FROM blocks b"
                           " JOIN json_each(b.readings) r WHERE b.sensor = 1 AND b.newest >= 10"
                           " AND b.newest < 20 AND b.oldest < 15",
                           -1, &plan, NULL),
        SQLITE_OK);
    while (sqlite3_step(plan) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(plan, 3);

        assert_null(strstr(detail, "SCAN b"));
        if (strstr(detail, "blocks_by_time (sensor=? AND newest>? AND newest<?)") != NULL)
            index = true;
    }
    assert_int_equal(sqlite3_finalize(plan), SQLITE_OK);
    assert_true(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_SENSORS(test_store_made_file_is_for_its_owner_alone),
        OF_SENSORS(test_store_syncs_every_commit_to_a_write_ahead_log),
        OF_SENSORS(test_store_reopened_after_close_has_everything),
        OF_SENSORS(test_store_closed_inside_a_transaction_rolls_back),
        OF_SENSORS(test_store_killed_before_commit_has_nothing_of_it),
        OF_SENSORS(test_store_killed_after_commit_has_all_of_it),
        OF_SENSORS(test_store_received_never_decreases_when_the_clock_steps_back),
        OF_SENSORS(test_store_second_server_is_refused_until_the_first_is_gone),
        OF_SENSORS(test_store_killed_server_leaves_no_lock),
        OF_SENSORS(test_store_of_a_later_version_is_refused_and_left_alone),
        OF_SENSORS(test_store_of_version_1_becomes_one_of_ours_and_keeps_everything),
        OF_SENSORS(test_store_of_version_1_that_cannot_be_upgraded_stays_one),
        OF_SENSORS(test_store_garbage_is_refused_and_left_alone),
        OF_SENSORS(test_store_of_another_program_is_refused_and_left_alone),
        OF_SENSORS(test_store_without_one_of_its_tables_is_refused),
        OF_SENSORS(test_store_empty_file_becomes_a_store),
        OF_SENSORS(test_store_that_cannot_be_a_file_is_refused),
        OF_SENSORS(test_store_full_disk_is_a_limit_and_loses_nothing),
        OF_SENSORS(test_store_failing_disk_never_claims_a_commit),
        OF_SENSORS(test_store_view_is_read_by_the_sqlite3_shell_beside_the_server),
        OF_SENSORS(test_store_a_sensors_day_is_found_through_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
