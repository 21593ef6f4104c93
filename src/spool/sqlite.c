/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c -- the spool in a SQLite file, at work. Its layout stands in sqlite_file.h. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/sqlite_file.h"

/*
 * How many forgotten readings may stay on disk when nothing new is appended. Deleting them needs a
 * commit, and a commit needs the disk: so a backlog of 100,000 drains with 100 of them.
 */
enum { FORGET_BATCH = 1000 };

static struct sl_sqlite *file_of(struct sl_spool *spool)
{
    return (struct sl_sqlite *)spool;
}

/* Notes what SQLite says about a failed `what`; the status is the caller's answer. */
static enum sl_status failed(struct sl_sqlite *file, const char *what, int code)
{
    (void)snprintf(file->error, sizeof(file->error), "the spool can't %s: %s", what,
                   sqlite3_errmsg(file->db));
    return sl_sqlite_status(code);
}

/* Runs a prepared statement that gives no rows, and makes it ready for the next time. */
static int run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    if (code == SQLITE_DONE)
        return reset;
    return code == SQLITE_ROW ? SQLITE_MISUSE : code;
}

static int begin(struct sl_sqlite *file)
{
    if (!sqlite3_get_autocommit(file->db))
        return SQLITE_OK;
    return sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
}

/* Gives up the open transaction and every number in it. */
static void roll_back(struct sl_sqlite *file)
{
    /* After some failures SQLite has rolled back by itself; then there is nothing to do. */
    if (!sqlite3_get_autocommit(file->db))
        (void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    file->next = file->state.last + 1;
}

static void sqlite_state(const struct sl_spool *spool, struct sl_spool_state *state)
{
    *state = ((const struct sl_sqlite *)spool)->state;
}

static int insert(struct sl_sqlite *file, int64_t time_us, const char *text, size_t len)
{
    int code = sqlite3_bind_int64(file->insert, 1, file->next);
    if (code == SQLITE_OK)
        code = time_us == INT64_MIN ? sqlite3_bind_null(file->insert, 2)
                                    : sqlite3_bind_int64(file->insert, 2, time_us);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(file->insert, 3, text, (int)len, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = run(file->insert);
    return code;
}

static enum sl_status sqlite_append(struct sl_spool *spool, int64_t time_us, const char *text,
                                    size_t len, int64_t *seq)
{
    struct sl_sqlite *file = file_of(spool);

    if (len > SL_SPOOL_TEXT_MAX) {
        (void)snprintf(file->error, sizeof(file->error), "the reading's text is too long");
        return SL_BAD_INPUT;
    }
    if (file->lost != SL_OK)
        return file->lost;

    bool pending = file->next > file->state.last + 1;
    int code = begin(file);
    if (code == SQLITE_OK)
        code = insert(file, time_us, text, len);
    if (code == SQLITE_OK) {
        *seq = file->next++;
        return SL_OK;
    }

    enum sl_status status = failed(file, "keep a reading", code);
    if (!pending)
        roll_back(file);
    else if (sqlite3_get_autocommit(file->db))
        file->lost = status; /* the earlier ones went with it: commit says so */
    return status;
}

/* Writes what is pending: new readings, forgotten ones, and the two numbers. One sync. */
static enum sl_status write_out(struct sl_sqlite *file)
{
    int64_t last = file->next - 1;
    int64_t forgotten = file->state.first - 1;

    int code = begin(file);
    if (code == SQLITE_OK && forgotten > file->forgotten) {
        code = sqlite3_bind_int64(file->forget, 1, forgotten);
        if (code == SQLITE_OK)
            code = run(file->forget);
    }
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(file->update, 1, last);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(file->update, 2, forgotten);
    if (code == SQLITE_OK)
        code = run(file->update);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        enum sl_status status = failed(file, "write to the disk", code);
        roll_back(file);
        return status;
    }
    file->state.last = last;
    file->forgotten = forgotten;
    return SL_OK;
}

static enum sl_status sqlite_commit(struct sl_spool *spool)
{
    struct sl_sqlite *file = file_of(spool);

    if (file->lost != SL_OK) {
        enum sl_status status = file->lost;
        file->lost = SL_OK;
        roll_back(file);
        return status;
    }
    if (file->next == file->state.last + 1)
        return SL_OK;
    return write_out(file);
}

static enum sl_status sqlite_forget(struct sl_spool *spool, int64_t seq)
{
    struct sl_sqlite *file = file_of(spool);

    if (seq > file->state.last)
        seq = file->state.last;
    if (seq >= file->state.first)
        file->state.first = seq + 1;

    bool many = file->state.first - 1 - file->forgotten >= FORGET_BATCH;
    if (!many || file->next != file->state.last + 1)
        return SL_OK; /* the next commit takes it along */
    return write_out(file);
}

/* Fills `item` from the row that `select` stands on; false where it can't be one of ours. */
static bool take_row(sqlite3_stmt *select, int64_t expected, struct sl_spool_item *item)
{
    item->seq = sqlite3_column_int64(select, 0);
    bool timeless = sqlite3_column_type(select, 1) == SQLITE_NULL;
    item->time_us = timeless ? INT64_MIN : sqlite3_column_int64(select, 1);
    item->text = (const char *)sqlite3_column_text(select, 2);
    item->len = (size_t)sqlite3_column_bytes(select, 2);
    return item->seq == expected && item->text && item->len <= SL_SPOOL_TEXT_MAX;
}

static enum sl_status sqlite_read(struct sl_spool *spool, int64_t seq,
                                  int (*each)(void *ctx, const struct sl_spool_item *item),
                                  void *ctx)
{
    struct sl_sqlite *file = file_of(spool);

    if (seq < file->state.first)
        seq = file->state.first;
    int code = sqlite3_bind_int64(file->select, 1, seq);
    if (code == SQLITE_OK)
        code = sqlite3_bind_int64(file->select, 2, file->state.last);
    while (code == SQLITE_OK) {
        struct sl_spool_item item;
        code = sqlite3_step(file->select);
        if (code != SQLITE_ROW)
            break;
        if (!take_row(file->select, seq, &item)) {
            code = SQLITE_CORRUPT;
            break;
        }
        seq++;
        code = each(ctx, &item) ? SQLITE_DONE : SQLITE_OK;
    }

    enum sl_status status = SL_OK;
    if (code == SQLITE_CORRUPT) {
        (void)snprintf(file->error, sizeof(file->error), "the spool is damaged at reading %lld",
                       (long long)seq);
        status = SL_IO;
    } else if (code != SQLITE_OK && code != SQLITE_DONE) {
        status = failed(file, "be read", code);
    }
    (void)sqlite3_reset(file->select); /* repeats the code that was judged above */
    return status;
}

static const char *sqlite_error(const struct sl_spool *spool)
{
    return ((const struct sl_sqlite *)spool)->error;
}

static void sqlite_close(struct sl_spool *spool)
{
    struct sl_sqlite *file = file_of(spool);

    /* Nobody is left to be told; what couldn't be written wasn't promised to anybody. */
    bool due = file->next > file->state.last + 1 || file->state.first - 1 > file->forgotten;
    if (file->lost == SL_OK && due)
        (void)!write_out(file);
    sl_sqlite_close(file);
    free(file);
}

static const struct sl_spool_functions sqlite_functions = {
    .state = sqlite_state,
    .append = sqlite_append,
    .commit = sqlite_commit,
    .read = sqlite_read,
    .forget = sqlite_forget,
    .error = sqlite_error,
    .close = sqlite_close,
};

enum sl_status sl_spool_open(const char *path, struct sl_spool **spool, char *error,
                             size_t error_size)
{
    struct sl_sqlite *file = calloc(1, sizeof(*file));
    if (!file) {
        (void)snprintf(error, error_size, "out of memory");
        return SL_NOMEM;
    }
    file->spool.functions = &sqlite_functions;

    enum sl_status status = sl_sqlite_open(file, path);
    if (status != SL_OK) {
        (void)snprintf(error, error_size, "%s", file->error);
        sl_sqlite_close(file);
        free(file);
        return status;
    }
    (void)snprintf(file->error, sizeof(file->error), "nothing failed");
    *spool = &file->spool;
    return SL_OK;
}
