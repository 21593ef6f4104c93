/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite.c -- the spool in a SQLite file, at work. Its layout stands in sqlite_file.h. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spool/sqlite_file.h"

/*
 * Fewer forgotten readings than FEW are deleted with the next commit. To delete more out of many,
 * SQLite writes each page that they were on, twice; to delete all, next to nothing. So a backlog
 * drains first; only where new readings want the room, or the disk was full, a portion of it goes:
 * FEW * PORTIONS at most, and less where a full disk has no room for the log of that. The number up
 * to which all is forgotten costs little: it is written with each commit, and where none comes,
 * when it is FEW * PORTIONS further than on disk.
 */
enum { FEW = 1000, PORTIONS = 5 };

static struct sl_sqlite *file_of(struct sl_spool *spool)
{
    return (struct sl_sqlite *)spool;
}

/* Notes what SQLite says about a failed `what`; the status is the caller's answer. */
static enum sl_status failed(struct sl_sqlite *file, const char *what, int code)
{
    enum sl_status status = sl_sqlite_status(code);

    (void)snprintf(file->error, sizeof(file->error), "the spool can't %s: %s", what,
                   sqlite3_errmsg(file->db));
    if (status == SL_LIMIT)
        file->was_full = true;
    return status;
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
    if (file->changed)
        (void)sl_sqlite_gaps_count(file); /* can't it be read, the old count is near enough */
    file->changed = false;
}

static void sqlite_state(const struct sl_spool *spool, struct sl_spool_state *state)
{
    const struct sl_sqlite *file = (const struct sl_sqlite *)spool;
    *state = file->state;
    state->readings = file->next - file->state.first - file->gap_numbers;
}

static int insert(struct sl_sqlite *file, int64_t time_us, const char *text, size_t len)
{
    sqlite3_stmt *statement = file->statements[SL_SPOOL_INSERT];
    int code = sl_sqlite_bind(statement, (int64_t[]){file->next, time_us}, 2);
    if (code == SQLITE_OK && time_us == INT64_MIN)
        code = sqlite3_bind_null(statement, 2);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 3, text, (int)len, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sl_sqlite_run(statement);
    return code;
}

/* True where something waits for commit. */
static bool due(const struct sl_sqlite *file)
{
    return file->next > file->state.last + 1 || file->changed;
}

/*
 * One change failed with `status`. What was due before it stays in the open transaction; where that
 * is gone, commit has to say so.
 */
static enum sl_status take_back(struct sl_sqlite *file, bool was_due, enum sl_status status)
{
    if (!was_due)
        roll_back(file);
    else if (sqlite3_get_autocommit(file->db))
        file->lost = status;
    return status;
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

    bool was_due = due(file);
    int code = begin(file);
    if (code == SQLITE_OK)
        code = insert(file, time_us, text, len);
    if (code == SQLITE_OK) {
        *seq = file->next++;
        return SL_OK;
    }
    return take_back(file, was_due, failed(file, "keep a reading", code));
}

/* What drop or omit asks for: one of them has to be more than 0. */
struct change {
    int64_t drop;
    int64_t omit;
    const char *reason;
    int64_t *last; /* of drop */
};

/* Makes the change, whole or not at all, in the transaction that is or will be open. */
static int apply(struct sl_sqlite *file, const struct change *change)
{
    int64_t last = 0;
    int code = begin(file);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "SAVEPOINT change", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return code;

    if (change->omit > 0)
        code = sl_sqlite_gaps_add(file, file->next, file->next + change->omit - 1, change->reason);
    else
        code = sl_sqlite_gaps_drop(file, change->drop, change->reason, &last);
    if (code == SQLITE_OK)
        code = sl_sqlite_gaps_count(file);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "RELEASE change", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        file->next += change->omit;
        file->changed = true;
        if (last > 0)
            *change->last = last;
        return SQLITE_OK;
    }
    if (!sqlite3_get_autocommit(file->db)) {
        (void)sqlite3_exec(file->db, "ROLLBACK TO change; RELEASE change", NULL, NULL, NULL);
        (void)sl_sqlite_gaps_count(file);
    }
    return code;
}

static enum sl_status change_gaps(struct sl_sqlite *file, const struct change *change)
{
    if (strlen(change->reason) > SL_SPOOL_REASON_MAX || change->omit > INT64_MAX - 1 - file->next) {
        (void)snprintf(file->error, sizeof(file->error), "that gap can't be");
        return SL_BAD_INPUT;
    }
    if (file->lost != SL_OK)
        return file->lost;

    bool was_due = due(file);
    int code = apply(file, change);
    if (code == SQLITE_OK)
        return SL_OK;
    enum sl_status status = failed(file, "keep a gap", code);
    return take_back(file, was_due, status);
}

static enum sl_status sqlite_drop(struct sl_spool *spool, int64_t count, const char *reason,
                                  int64_t *last)
{
    struct change change = {.drop = count, .reason = reason, .last = last};
    return count < 1 ? SL_OK : change_gaps(file_of(spool), &change);
}

static enum sl_status sqlite_omit(struct sl_spool *spool, int64_t count, const char *reason)
{
    struct change change = {.omit = count, .reason = reason};
    return count < 1 ? SL_BAD_INPUT : change_gaps(file_of(spool), &change);
}

static int update_meta(struct sl_sqlite *file, int64_t last, int64_t forgotten, int64_t swept)
{
    sqlite3_stmt *update = file->statements[SL_SPOOL_UPDATE];

    int code = sl_sqlite_bind(update, (int64_t[]){last, forgotten, swept}, 3);
    if (code == SQLITE_OK && file->state.sensor[0] == '\0')
        code = sqlite3_bind_null(update, 4);
    else if (code == SQLITE_OK)
        code = sqlite3_bind_text(update, 4, file->state.sensor, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? sl_sqlite_run(update) : code;
}

/* How many readings and numbers of gaps are forgotten, but on disk. */
static int64_t forgotten_on_disk(const struct sl_sqlite *file)
{
    return file->state.first - 1 - file->swept;
}

/* True where it is better to let them be for now. */
static bool lets_be(const struct sl_sqlite *file)
{
    bool all = file->state.first == file->next;
    bool wanted = file->was_full || file->changed || file->next - file->swept_at >= file->few;

    return forgotten_on_disk(file) >= file->few && !all && !wanted;
}

/* Up to where it deletes what is forgotten, if it deletes something. */
static int64_t sweep_end(const struct sl_sqlite *file)
{
    int64_t forgotten = file->state.first - 1;
    bool all = forgotten == file->next - 1 && file->portion >= file->few;

    return all || forgotten_on_disk(file) <= file->portion ? forgotten
                                                           : file->swept + file->portion;
}

static int sweep(struct sl_sqlite *file, int64_t end)
{
    bool all = end == file->next - 1;
    sqlite3_stmt *statement = file->statements[all ? SL_SPOOL_FORGET_ALL : SL_SPOOL_FORGET];

    int code = all ? SQLITE_OK : sl_sqlite_bind(statement, &end, 1);
    if (code == SQLITE_OK)
        code = sl_sqlite_run(statement);
    return code == SQLITE_OK ? sl_sqlite_gaps_forget(file, end) : code;
}

/* Notes that everything up to `end` was deleted. */
static void swept_to(struct sl_sqlite *file, int64_t end)
{
    file->swept = end;
    file->swept_at = file->next;
    file->portion =
        2 * file->portion < file->few * PORTIONS ? 2 * file->portion : file->few * PORTIONS;
    if (forgotten_on_disk(file) == 0)
        file->was_full = false;
}

/*
 * Writes what is pending: new readings, and how far all is forgotten; and deletes some of what is,
 * unless it's better to let it be. One sync.
 */
static enum sl_status write_out(struct sl_sqlite *file)
{
    int64_t last = file->next - 1;
    int64_t forgotten = file->state.first - 1;
    bool sweeps = forgotten > file->swept && !lets_be(file);
    int64_t end = sweeps ? sweep_end(file) : file->swept;

    int code = begin(file);
    if (code == SQLITE_OK && sweeps)
        code = sweep(file, end);
    if (code == SQLITE_OK)
        code = update_meta(file, last, forgotten, end);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK) {
        enum sl_status status = failed(file, "write to the disk", code);
        if (sweeps && status == SL_LIMIT && file->portion > 1)
            file->portion = file->portion / 10 + 1;
        roll_back(file);
        return status;
    }
    file->state.last = last;
    file->forgotten = forgotten;
    file->changed = false;
    if (sweeps)
        swept_to(file, end);
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
    return due(file) ? write_out(file) : SL_OK;
}

static enum sl_status sqlite_forget(struct sl_spool *spool, int64_t seq)
{
    struct sl_sqlite *file = file_of(spool);

    if (seq > file->state.last)
        seq = file->state.last;
    if (seq >= file->state.first)
        file->state.first = seq + 1;
    if (file->gap_numbers > 0)
        (void)sl_sqlite_gaps_count(file); /* can't it be read, too few readings are counted */

    bool sweeps = forgotten_on_disk(file) >= file->few && !lets_be(file);
    bool far = file->state.first - 1 - file->forgotten >= file->few * PORTIONS;
    if (due(file) || (!sweeps && !far))
        return SL_OK; /* a later commit takes it along */
    return write_out(file);
}

static enum sl_status sqlite_belong(struct sl_spool *spool, const char *sensor)
{
    struct sl_sqlite *file = file_of(spool);
    size_t len = strlen(sensor);

    if (file->state.sensor[0] != '\0') {
        if (strcmp(file->state.sensor, sensor) == 0)
            return SL_OK;
        (void)snprintf(file->error, sizeof(file->error), "this spool belongs to %s",
                       file->state.sensor);
        return SL_DENIED;
    }
    if (len == 0 || len >= sizeof(file->state.sensor)) {
        (void)snprintf(file->error, sizeof(file->error), "that is no sensor's name");
        return SL_BAD_INPUT;
    }
    memcpy(file->state.sensor, sensor, len + 1);
    if (file->lost != SL_OK)
        return file->lost; /* commit says so too, and the one after it writes the name */
    bool was_due = due(file);
    enum sl_status status = write_out(file);
    if (status != SL_OK && was_due)
        file->lost = status; /* what was appended is gone: commit has to say so */
    return status;
}

/* Fills `item` from the row that `select` stands on; false where it can't be one of ours. */
static bool take_row(sqlite3_stmt *select, struct sl_spool_item *item)
{
    bool timeless = sqlite3_column_type(select, 1) == SQLITE_NULL;
    *item = (struct sl_spool_item){.seq = sqlite3_column_int64(select, 0), .last = 0};
    item->time_us = timeless ? INT64_MIN : sqlite3_column_int64(select, 1);
    item->text = (const char *)sqlite3_column_text(select, 2);
    item->len = (size_t)sqlite3_column_bytes(select, 2);
    return item->text && item->len <= SL_SPOOL_TEXT_MAX;
}

/* A look through the spool, and where it is. */
struct look {
    int64_t seq; /* the number that has to come next */
    int (*each)(void *ctx, const struct sl_spool_item *item);
    void *ctx;
    bool enough;
};

/* Gives the readings from look->seq on, up to the first number that isn't one. */
static int look_at_readings(struct sl_sqlite *file, struct look *look)
{
    sqlite3_stmt *select = file->statements[SL_SPOOL_SELECT];
    int code = sl_sqlite_bind(select, (int64_t[]){look->seq, file->state.last}, 2);

    while (code == SQLITE_OK && !look->enough) {
        struct sl_spool_item item;
        code = sqlite3_step(select);
        if (code != SQLITE_ROW)
            break;
        code = SQLITE_OK;
        if (!take_row(select, &item))
            code = SQLITE_CORRUPT;
        else if (item.seq != look->seq)
            break;
        else
            look->enough = look->each(look->ctx, &item) != 0;
        if (code == SQLITE_OK)
            look->seq++;
    }
    (void)sqlite3_reset(select); /* repeats the code that was judged above */
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Gives the gap that look->seq lies in; SQLITE_CORRUPT where it lies in none. */
static int look_at_gap(struct sl_sqlite *file, struct look *look)
{
    sqlite3_stmt *find = file->statements[SL_SPOOL_FIND_GAP];
    struct sl_spool_item item = {.seq = look->seq, .time_us = INT64_MIN};

    int code = sl_sqlite_bind(find, &look->seq, 1);
    if (code == SQLITE_OK)
        code = sqlite3_step(find);
    if (code == SQLITE_ROW) {
        item.last = sqlite3_column_int64(find, 1);
        item.reason = (const char *)sqlite3_column_text(find, 2);
        if (item.last > file->state.last)
            item.last = file->state.last; /* the rest isn't committed yet */
        code = item.reason ? SQLITE_OK : SQLITE_CORRUPT;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_CORRUPT;
    }
    if (code == SQLITE_OK) {
        look->enough = look->each(look->ctx, &item) != 0;
        look->seq = item.last + 1;
    }
    (void)sqlite3_reset(find);
    return code;
}

static enum sl_status sqlite_read(struct sl_spool *spool, int64_t seq,
                                  int (*each)(void *ctx, const struct sl_spool_item *item),
                                  void *ctx)
{
    struct sl_sqlite *file = file_of(spool);
    struct look look = {.seq = seq, .each = each, .ctx = ctx};
    int code = SQLITE_OK;

    if (look.seq < file->state.first)
        look.seq = file->state.first;
    while (code == SQLITE_OK && !look.enough && look.seq <= file->state.last) {
        code = look_at_readings(file, &look);
        if (code == SQLITE_OK && !look.enough && look.seq <= file->state.last)
            code = look_at_gap(file, &look);
    }
    if (code == SQLITE_OK)
        return SL_OK;
    if (code != SQLITE_CORRUPT)
        return failed(file, "be read", code);
    (void)snprintf(file->error, sizeof(file->error), "the spool is damaged at reading %lld",
                   (long long)look.seq);
    return SL_IO;
}

static const char *sqlite_error(const struct sl_spool *spool)
{
    return ((const struct sl_sqlite *)spool)->error;
}

static void sqlite_close(struct sl_spool *spool)
{
    struct sl_sqlite *file = file_of(spool);

    /* Nobody is left to be told; what couldn't be written wasn't promised to anybody. */
    if (file->lost == SL_OK && (due(file) || forgotten_on_disk(file) > 0))
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
    .drop = sqlite_drop,
    .omit = sqlite_omit,
    .belong = sqlite_belong,
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
    file->few = FEW;
    file->portion = FEW * PORTIONS;

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
