/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_checkpoint.c -- the thread that moves the write-ahead log into the database: the
 * writer goes on meanwhile, the log stays bounded, and nothing is lost for a disk that refuses or a
 * reader that holds the log.
 */
#include "store_place.h"

#include <limits.h>
#include <pthread.h>
#include <time.h>

#include <sqlite3.h>

#include "store/sqlite.h"
#include "support/forgetful_vfs.h"

enum {
    PAGES = 64,      /* instead of thousands */
    COMMIT_MAX = 16, /* no transaction here makes the log longer by more */
    COMMITS = 200,
    FEW = 320, /* more pages than PAGES: fewer checkpoints */
    SLOW_MS = 300
};

static struct sl_checkpointer *checkpointer_of(const struct place *place)
{
    return &((struct sl_sqlite_store *)place->store)->checkpointer;
}

static void open_short(struct place *place, int pages)
{
    open_file(place);
    checkpointer_of(place)->pages = pages;
    checkpointer_of(place)->next = pages;
}

/* How much longer the log is when it's tried again. */
static int retry_of(int pages)
{
    return pages / 16 + 1;
}

static int log_max(int pages)
{
    return 2 * pages + retry_of(pages) + 2 * COMMIT_MAX;
}

/* One commit of one reading; returns the log's pages after it. */
static int put_one(const struct place *place)
{
    (void)put(place->store, place->attic, STREAM_A, NOON, 1);
    return checkpointer_of(place)->log;
}

/* Until the thread has nothing to do. */
static void await_thread(const struct place *place)
{
    struct sl_checkpointer *checkpointer = checkpointer_of(place);

    (void)pthread_mutex_lock(&checkpointer->lock);
    while (checkpointer->state == SL_CHECKPOINTER_ASKED)
        (void)pthread_cond_wait(&checkpointer->changed, &checkpointer->lock);
    (void)pthread_mutex_unlock(&checkpointer->lock);
}

/* How often the log began anew in `commits` commits, in which it stayed bounded. */
static int count_new_logs(const struct place *place, int commits)
{
    int anew = 0;
    int log = checkpointer_of(place)->log;
    int most = log_max(checkpointer_of(place)->pages);

    for (int i = 0; i < commits; i++) {
        int before = log;

        log = put_one(place);
        anew += log <= before;
        if (log > most)
            fail_msg("the log has %d pages", log);
    }
    return anew;
}

static int64_t logged(const struct place *place)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM readings", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);

    int64_t count = sqlite3_column_int64(statement, 0);

    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return count;
}

static void test_store_log_stays_bounded_under_steady_commits(void **state)
{
    struct place *place = *state;

    open_short(place, PAGES);
    assert_true(count_new_logs(place, COMMITS) >= 2);
    assert_true(checkpointer_of(place)->running);
    close_file(place);
    assert_int_equal(logged(place), COMMITS);
}

static void test_store_log_stays_bounded_without_a_thread(void **state)
{
    struct place *place = *state;

    open_short(place, PAGES);
    sl_checkpointer_close(checkpointer_of(place)); /* as where it couldn't connect */
    assert_true(count_new_logs(place, COMMITS) >= 2);
    assert_false(checkpointer_of(place)->running);
    close_file(place);
    assert_int_equal(logged(place), COMMITS);
}

static void test_store_in_memory_has_no_thread(void **state)
{
    struct place *place = *state;

    assert_int_equal(sl_store_open_memory(&place->store), SL_OK);
    for (int i = 0; i < COMMITS; i++)
        (void)put_one(place);
    assert_null(checkpointer_of(place)->db);
    assert_false(checkpointer_of(place)->running);
}

static void test_store_log_begins_anew_when_a_reader_lets_go_of_it(void **state)
{
    struct place *place = *state;
    sqlite3 *reader = NULL;
    int log = 0;

    open_short(place, PAGES);
    (void)put_one(place);
    assert_int_equal(sqlite3_open(place->path, &reader), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM readings", NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < COMMITS; i++) {
        int before = log;

        log = put_one(place);
        assert_true(log > before); /* what the reader sees is still in it */
    }
    assert_int_equal(sqlite3_exec(reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);

    for (int held = log; log >= held;) {
        log = put_one(place);
        assert_true(log < held + log_max(PAGES));
    }
    assert_true(count_new_logs(place, COMMITS) >= 2);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    close_file(place);
    assert_true(logged(place) > 2 * COMMITS);
}

/* --- on a disk that a test stops --- */

struct scene {
    struct place *place;
    struct sl_forgetful *disk;
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool arrived;  /* the thread is about to sync the database */
    int passes;    /* how often it began to go over the log */
    int synced;    /* how often it synced the database */
    bool released; /* it may */
    bool refuses;  /* the database can't be written, or synced */
    bool at_sync;
    int tried; /* how often somebody wanted to */
    int log;   /* as the writer saw it last */
};

/* The thread waits in its first sync of the database. The log's syncs are none of our business. */
static bool stop_thread(void *ctx, const char *name, bool syncs)
{
    struct scene *scene = ctx;

    if (!syncs || strcmp(name, scene->place->path) != 0)
        return true;
    (void)pthread_mutex_lock(&scene->lock);
    scene->tried++;
    if (pthread_equal(pthread_self(), scene->writer) == 0) {
        scene->arrived = true;
        (void)pthread_cond_broadcast(&scene->changed);
        while (!scene->released)
            (void)pthread_cond_wait(&scene->changed, &scene->lock);
    }
    (void)pthread_mutex_unlock(&scene->lock);
    return true;
}

/* Each time that the thread goes over the log, the writer makes that longer meanwhile. */
static bool wait_for_commit(void *ctx, const char *name, bool syncs)
{
    struct scene *scene = ctx;
    bool database = strcmp(name, scene->place->path) == 0;

    if (!syncs || pthread_equal(pthread_self(), scene->writer) != 0)
        return true;
    (void)pthread_mutex_lock(&scene->lock);
    scene->synced += database;
    if (!database) {
        int log = scene->log;

        scene->passes++;
        (void)pthread_cond_broadcast(&scene->changed);
        while (scene->log == log)
            (void)pthread_cond_wait(&scene->changed, &scene->lock);
    }
    (void)pthread_mutex_unlock(&scene->lock);
    return true;
}

/* The thread waits for a log that is too long, but not for ever: it is slow, and that is all. */
static bool be_slow(void *ctx, const char *name, bool syncs)
{
    struct scene *scene = ctx;
    struct timespec until;

    if (!syncs || strcmp(name, scene->place->path) != 0 ||
        pthread_equal(pthread_self(), scene->writer) != 0)
        return true;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (until.tv_nsec + SLOW_MS * 1000000L) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + SLOW_MS * 1000000L) % 1000000000L;
    (void)pthread_mutex_lock(&scene->lock);
    scene->tried++;
    while (scene->log <= log_max(PAGES))
        if (pthread_cond_timedwait(&scene->changed, &scene->lock, &until) != 0)
            break;
    (void)pthread_mutex_unlock(&scene->lock);
    return true;
}

static bool refuse(void *ctx, const char *name, bool syncs)
{
    struct scene *scene = ctx;

    if (syncs != scene->at_sync || strcmp(name, scene->place->path) != 0)
        return true;
    (void)pthread_mutex_lock(&scene->lock);
    scene->tried++;
    bool refuses = scene->refuses;
    (void)pthread_mutex_unlock(&scene->lock);
    return !refuses;
}

/* Without the thread, or with a writer that waits for it, this never ends. */
static void test_store_commits_while_a_checkpoint_is_under_way(void **state)
{
    struct scene *scene = *state;
    const struct place *place = scene->place;
    int log = 0;

    open_short(scene->place, PAGES);
    sl_forgetful_before(scene->disk, stop_thread, scene);
    while (log < PAGES)
        log = put_one(place);
    log = put_one(place); /* asks the thread */
    (void)pthread_mutex_lock(&scene->lock);
    while (!scene->arrived)
        (void)pthread_cond_wait(&scene->changed, &scene->lock);
    (void)pthread_mutex_unlock(&scene->lock);

    for (int begun = log; log < begun + PAGES - 2 * COMMIT_MAX;) {
        int before = log;

        log = put_one(place);
        assert_true(log > before);
    }
    (void)pthread_mutex_lock(&scene->lock);
    assert_int_equal(scene->tried, 1); /* the thread is in it still */
    scene->released = true;
    (void)pthread_cond_broadcast(&scene->changed);
    (void)pthread_mutex_unlock(&scene->lock);

    assert_true(count_new_logs(place, COMMITS) >= 2);
    close_file(scene->place);
}

/* SQLite wouldn't, as the log's end moves on: all of it would be left to the writer. */
static void test_store_thread_syncs_what_it_moves_beside_commits(void **state)
{
    struct scene *scene = *state;
    int log = 0;

    open_short(scene->place, PAGES);
    sl_forgetful_before(scene->disk, wait_for_commit, scene);
    while (log < PAGES)
        log = put_one(scene->place);
    (void)put_one(scene->place); /* asks the thread */
    for (int pass = 1; pass <= 2; pass++) {
        (void)pthread_mutex_lock(&scene->lock);
        while (scene->passes < pass)
            (void)pthread_cond_wait(&scene->changed, &scene->lock);
        (void)pthread_mutex_unlock(&scene->lock);
        for (int more = log + PAGES / 4; log < more;) /* so much that it's asked again */
            log = put_one(scene->place);
        (void)pthread_mutex_lock(&scene->lock);
        scene->log = log;
        (void)pthread_cond_broadcast(&scene->changed);
        (void)pthread_mutex_unlock(&scene->lock);
        await_thread(scene->place);
        if (pass == 1)
            log = put_one(scene->place);
    }
    assert_int_equal(scene->synced, 2);
    sl_forgetful_before(scene->disk, NULL, NULL); /* the thread rests */
    assert_true(put_one(scene->place) < log);     /* the writer moved what was left */
    close_file(scene->place);
}

static void test_store_log_stays_bounded_where_the_thread_is_slow(void **state)
{
    struct scene *scene = *state;
    int log = 0;

    open_short(scene->place, PAGES);
    sl_forgetful_before(scene->disk, be_slow, scene);
    for (int i = 0; i < COMMITS && log <= log_max(PAGES); i++) {
        log = put_one(scene->place);
        (void)pthread_mutex_lock(&scene->lock);
        scene->log = log;
        (void)pthread_cond_broadcast(&scene->changed);
        (void)pthread_mutex_unlock(&scene->lock);
    }
    assert_true(log <= log_max(PAGES));
    close_file(scene->place);
    assert_true(scene->tried > 0);
}

static void test_store_commits_though_the_database_has_no_room(void **state)
{
    struct scene *scene = *state;
    const struct place *place = scene->place;
    int log = 0;

    open_short(scene->place, FEW);
    scene->refuses = true;
    sl_forgetful_before(scene->disk, refuse, scene);
    for (int i = 0; i < COMMITS; i++) {
        log = put_one(place);
        await_thread(place);
    }
    (void)pthread_mutex_lock(&scene->lock);
    assert_true(scene->tried > 1);
    /* Not at each commit: the thread is asked now and then, and the writer tries by itself. */
    assert_true(scene->tried <= 2 + (log - FEW) / retry_of(FEW) + log / FEW);
    scene->refuses = false;
    (void)pthread_mutex_unlock(&scene->lock);

    for (int held = log; log >= held;) {
        log = put_one(place);
        assert_true(log < held + log_max(FEW));
    }
    assert_true(count_new_logs(place, 2 * COMMITS) >= 1);
    assert_true(last_of(place->store, place->attic, STREAM_A) > 2 * COMMITS);
    close_file(scene->place);
}

/* What SQLite takes for moved may be lost then; in the log it is safe. */
static void test_store_begins_nothing_after_a_failed_sync_until_it_is_opened_again(void **state)
{
    struct scene *scene = *state;
    const struct place *place = scene->place;
    int commits = 0;
    int log = 0;

    open_short(scene->place, PAGES);
    scene->refuses = true;
    scene->at_sync = true;
    sl_forgetful_before(scene->disk, refuse, scene);
    for (; sl_store_begin(place->store) == SL_OK; commits++) {
        sl_store_rollback(place->store);
        log = put_one(place);
        await_thread(place);
        assert_true(commits < COMMITS);
    }
    assert_non_null(strstr(sl_store_error(place->store), "failed to sync the database"));
    scene->refuses = false;
    assert_int_equal(sl_store_begin(place->store), SL_IO); /* a later sync tells nothing */
    close_file(scene->place);
    assert_int_equal(scene->tried, 1);

    open_short(scene->place, PAGES);
    assert_true(put_one(place) > log); /* the log is still there, all of it */
    assert_true(count_new_logs(place, COMMITS) >= 2);
    assert_int_equal(last_of(place->store, place->attic, STREAM_A), commits + 1 + COMMITS);
    close_file(scene->place);
}

/* Commits until the log has PAGES pages, of which none are moved. */
static int fill_log(const struct place *place)
{
    int log;

    do {
        checkpointer_of(place)->next = INT_MAX; /* nothing is due */
        log = put_one(place);
    } while (log < PAGES);
    checkpointer_of(place)->next = PAGES;
    return log;
}

/* SQLite could lose a commit that began the log anew just then. */
static void test_store_thread_is_not_asked_where_nothing_is_left_to_move(void **state)
{
    struct place *place = *state;
    struct sl_checkpointer *checkpointer;

    open_short(place, PAGES);
    checkpointer = checkpointer_of(place);
    for (int i = 0; i < 5; i++) {
        int log = fill_log(place);

        assert_int_equal(sl_checkpointer_turn(checkpointer), SL_OK);
        await_thread(place); /* it came to the end of the log, for nobody committed meanwhile */
        assert_int_equal(checkpointer->state, SL_CHECKPOINTER_DONE);
        assert_int_equal(checkpointer->thread_moved, log);
        assert_int_equal(sl_checkpointer_turn(checkpointer), SL_OK);
        assert_int_equal(checkpointer->state, SL_CHECKPOINTER_RESTS);
        assert_true(checkpointer->next > log);
        assert_true(put_one(place) < log); /* all was moved: it begins anew */
    }
    close_file(place);
}

static int make_scene(void **state)
{
    void *place = NULL;
    struct scene *scene;

    if (make_place(&place) != 0)
        return -1;
    scene = calloc(1, sizeof *scene);
    scene->place = place;
    scene->disk = sl_forgetful_new();
    scene->writer = pthread_self();
    *state = scene;
    return pthread_mutex_init(&scene->lock, NULL) + pthread_cond_init(&scene->changed, NULL);
}

static int clear_scene(void **state)
{
    struct scene *scene = *state;
    void *place = scene->place;

    close_file(scene->place);
    sl_forgetful_free(scene->disk);
    (void)pthread_cond_destroy(&scene->changed);
    (void)pthread_mutex_destroy(&scene->lock);
    free(scene);
    return clear_place(&place);
}

#define ON_A_DISK(test) cmocka_unit_test_setup_teardown(test, make_scene, clear_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_SENSORS(test_store_log_stays_bounded_under_steady_commits),
        OF_SENSORS(test_store_log_stays_bounded_without_a_thread),
        OF_SENSORS(test_store_in_memory_has_no_thread),
        OF_SENSORS(test_store_log_begins_anew_when_a_reader_lets_go_of_it),
        ON_A_DISK(test_store_commits_while_a_checkpoint_is_under_way),
        ON_A_DISK(test_store_thread_syncs_what_it_moves_beside_commits),
        ON_A_DISK(test_store_log_stays_bounded_where_the_thread_is_slow),
        ON_A_DISK(test_store_commits_though_the_database_has_no_room),
        ON_A_DISK(test_store_begins_nothing_after_a_failed_sync_until_it_is_opened_again),
        OF_SENSORS(test_store_thread_is_not_asked_where_nothing_is_left_to_move),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
