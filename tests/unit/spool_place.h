/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool_place.h -- what the tests of spools share: a folder for each test, and readings whose text
 * names their number, so that one look says whether the right ones came back.
 */
#ifndef SL_TESTS_SPOOL_PLACE_H
#define SL_TESTS_SPOOL_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sensorlink/spool.h"

enum { PATH_SIZE = 128, ERROR_SIZE = 512 };

/* A folder of its own for each test, with the spool's path in it. */
struct place {
    char folder[PATH_SIZE];
    char path[PATH_SIZE + 16];
};

static inline int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    const char *root = getenv("TMPDIR");
    (void)snprintf(place->folder, sizeof(place->folder), "%s/sl-spool-XXXXXX",
                   root ? root : "/tmp");
    if (!mkdtemp(place->folder)) {
        free(place);
        return -1;
    }
    (void)snprintf(place->path, sizeof(place->path), "%s/spool.db", place->folder);
    *state = place;
    return 0;
}

static inline int clear_place(void **state)
{
    struct place *place = *state;
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        char name[PATH_SIZE + 32];
        (void)snprintf(name, sizeof(name), "%s%s", place->path, endings[i]);
        (void)unlink(name);
    }
    int failed = rmdir(place->folder);
    free(place);
    return failed;
}

/* How many readings are in the file, whether forgotten or not; -1 where it can't be read. */
static inline int64_t rows_in(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *count = NULL;
    int64_t rows = -1;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM readings", -1, &count, NULL) == SQLITE_OK &&
        sqlite3_step(count) == SQLITE_ROW)
        rows = sqlite3_column_int64(count, 0);
    (void)sqlite3_finalize(count);
    (void)sqlite3_close(db);
    return rows;
}

static inline struct sl_spool *open_spool(const struct place *place)
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE] = "";
    enum sl_status status = sl_spool_open(place->path, &spool, error, sizeof(error));
    if (status != SL_OK)
        fail_msg("sl_spool_open: %d: %s", (int)status, error);
    return spool;
}

static inline int64_t append(struct sl_spool *spool, const char *text)
{
    int64_t seq = 0;
    assert_int_equal(spool->functions->append(spool, 1764000000250000, text, strlen(text), &seq),
                     SL_OK);
    return seq;
}

static inline void commit(struct sl_spool *spool)
{
    assert_int_equal(spool->functions->commit(spool), SL_OK);
}

static inline struct sl_spool_state state_of(const struct sl_spool *spool)
{
    struct sl_spool_state state;
    spool->functions->state(spool, &state);
    return state;
}

/* Checks that what is read is `first`..., each with the text "n: <seq>". */
struct reader {
    int64_t next;
    int64_t count;
    int64_t most;
};

static inline int read_one(void *ctx, const struct sl_spool_item *item)
{
    struct reader *reader = ctx;
    char expected[32];
    int len = snprintf(expected, sizeof(expected), "n: %lld", (long long)item->seq);
    assert_int_equal(item->seq, reader->next);
    assert_int_equal(item->len, len);
    assert_memory_equal(item->text, expected, item->len);
    reader->next++;
    reader->count++;
    return reader->count == reader->most;
}

static inline int64_t count_from(struct sl_spool *spool, int64_t seq)
{
    struct reader reader = {.next = seq};
    assert_int_equal(spool->functions->read(spool, seq, read_one, &reader), SL_OK);
    return reader.count;
}

/* Appends `count` readings whose text names their number. */
static inline void fill(struct sl_spool *spool, int64_t from, int64_t count)
{
    for (int64_t seq = from; seq < from + count; seq++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "n: %lld", (long long)seq);
        assert_int_equal(append(spool, text), seq);
    }
}

static inline bool child_append(struct sl_spool *spool, int64_t seq)
{
    char text[32];
    int64_t given = 0;
    int len = snprintf(text, sizeof(text), "n: %lld", (long long)seq);
    return spool->functions->append(spool, 0, text, (size_t)len, &given) == SL_OK && given == seq;
}

/* Waits for a child that ends by itself; its exit code. */
static inline int exit_code_of(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

#endif
