/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.c -- the SQLite engine: transactions, streams, blocks and gaps. The schema stands in
 * schema.c, opening and locking in sqlite_open.c, moving the log in checkpointer.c.
 *
 * Some failures make SQLite roll back on its own (disk full, for one). A statement after that would
 * commit by itself, so everything here looks first whether its transaction is still open.
 */
#include "store/sqlite.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char *const sql[SL_SQLITE_STATEMENTS] = {
    [SL_SQLITE_BEGIN] = "BEGIN IMMEDIATE",
    [SL_SQLITE_COMMIT] = "COMMIT",
    [SL_SQLITE_ROLLBACK] = "ROLLBACK",
    [SL_SQLITE_FIND_SENSOR] = "SELECT id, name FROM sensors WHERE name = ?1",
    [SL_SQLITE_ADD_SENSOR] =
        "INSERT INTO sensors(first_seen, last_seen, cert_until, name) VALUES(?1, ?1, ?2, ?3)",
    /* To the minute: a sensor that comes back sooner then costs the disk nothing. */
    [SL_SQLITE_SEE_SENSOR] =
        "UPDATE sensors SET last_seen = max(last_seen, ?2), cert_until = ?3 WHERE id = ?1"
        " AND (last_seen <= ?2 - 60000000 OR cert_until IS NOT ?3)",
    [SL_SQLITE_SET_CLOCK] = "UPDATE sensors SET clock_offset = ?1, clock_told = ?2 WHERE name = ?3",
    [SL_SQLITE_FIND_STREAM] = "SELECT id, last FROM streams WHERE sensor = ?1 AND stream = ?2",
    [SL_SQLITE_ADD_STREAM] = "INSERT INTO streams(sensor, stream, opened) VALUES(?1, ?2, ?3)",
    [SL_SQLITE_READ_STREAM] = "SELECT s.id, s.name, t.last FROM streams t"
                              " JOIN sensors s ON s.id = t.sensor WHERE t.id = ?1",
    [SL_SQLITE_MOVE_STREAM] =
        "UPDATE streams SET last = ?4, readings = readings + ?5, received = ?6,"
        " tail = CASE ?7 WHEN 0 THEN tail ELSE ?7 END"
        " WHERE id = ?1 AND sensor = ?2 AND last = ?3",
    [SL_SQLITE_ADD_BLOCK] =
        "INSERT INTO blocks(stream, sensor, first, last, received, oldest, newest, id, readings)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SL_SQLITE_ADD_GAP] =
        "INSERT INTO gaps(stream, first, last, received, reason) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SL_SQLITE_COMPARE] = "SELECT (b.readings -> (?2 - b.first)) = (?3 -> 0)"
                          " FROM streams t JOIN blocks b ON b.id = t.tail"
                          " WHERE t.id = ?1 AND ?2 BETWEEN b.first AND b.last",
};

/* Numbers of a stream that a block or a gap takes. */
struct claim {
    int64_t first; /* in: 0 for "the next one"; out: the first number */
    int64_t count;
    int64_t readings; /* how many of them are readings */
    int64_t block;    /* in: the block's key, 0 for a gap */
    int64_t sensor;   /* out: the sensor's key */
};

static struct sl_sqlite_store *self_of(struct sl_store *store)
{
    return (struct sl_sqlite_store *)store;
}

enum sl_status sl_sqlite_fail(struct sl_sqlite_store *self, const char *doing)
{
    int code = sqlite3_extended_errcode(self->db);
    int os = sqlite3_system_errno(self->db);
    bool io = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    char reason[128] = "";

    if (io && os != 0)
        snprintf(reason, sizeof reason, ", %s", strerror(os));
    snprintf(self->error, sizeof self->error, "%s: %s%s (SQLite %d)", doing,
             sqlite3_errmsg(self->db), reason, code);

    switch (code & 0xff) {
    case SQLITE_FULL:
        return SL_LIMIT;
    case SQLITE_NOMEM:
        return SL_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SL_BAD_INPUT;
    default:
        return io && (os == ENOSPC || os == EDQUOT) ? SL_LIMIT : SL_IO;
    }
}

/* store.h has no "damaged" for an open store: to its caller that is a store that failed. */
static enum sl_status fail(struct sl_sqlite_store *self, const char *doing)
{
    enum sl_status status = sl_sqlite_fail(self, doing);

    return status == SL_BAD_INPUT ? SL_IO : status;
}

static enum sl_status denied(struct sl_sqlite_store *self, const char *sensor, const char *why)
{
    snprintf(self->error, sizeof self->error, "%s: %s", sensor, why);
    return SL_DENIED;
}

static enum sl_status check_transaction(struct sl_sqlite_store *self)
{
    if (!sqlite3_get_autocommit(self->db))
        return SL_OK;
    snprintf(self->error, sizeof self->error,
             "there is no transaction any more, it was rolled back");
    return SL_IO;
}

/*
 * Makes the statement ready for its next use; what a failed step had to say was said by the step.
 */
static void finish(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

/* Binds `count` integers from parameter 1 on. */
static int bind(sqlite3_stmt *statement, const int64_t *numbers, int count)
{
    int code = SQLITE_OK;

    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = sqlite3_bind_int64(statement, i + 1, numbers[i]);
    return code;
}

static int bind_text(sqlite3_stmt *statement, int at, struct sl_bytes text)
{
    return sqlite3_bind_text64(statement, at, text.at, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* Runs a statement without rows to its end; `bound` is what binding its parameters gave. */
static enum sl_status run(struct sl_sqlite_store *self, enum sl_sqlite_statement which, int bound,
                          const char *doing)
{
    sqlite3_stmt *statement = self->statements[which];
    enum sl_status status = SL_OK;

    if (bound != SQLITE_OK || sqlite3_step(statement) != SQLITE_DONE)
        status = fail(self, doing);
    finish(statement);
    return status;
}

/*
 * Steps to a statement's only row. SL_OK: `*found` says whether there is one; finish() afterwards.
 */
static enum sl_status look(struct sl_sqlite_store *self, enum sl_sqlite_statement which, int bound,
                           const char *doing, bool *found)
{
    int code = bound == SQLITE_OK ? sqlite3_step(self->statements[which]) : bound;

    *found = code == SQLITE_ROW;
    if (code == SQLITE_ROW || code == SQLITE_DONE)
        return SL_OK;

    enum sl_status status = fail(self, doing);

    finish(self->statements[which]);
    return status;
}

static enum sl_status store_begin(struct sl_store *store)
{
    struct sl_sqlite_store *self = self_of(store);

    /* Here and not after a commit, whose readings wait for their acknowledgement. */
    if (sl_checkpointer_turn(&self->checkpointer) != SL_OK) {
        snprintf(
            self->error, sizeof self->error,
            "the disk failed to sync the database; what was acknowledged is in its log (-wal): "
            "see to the disk, then restart the server");
        return SL_IO;
    }
    /* No assert that there is none: a disk that fails a rollback can leave one. Then this fails. */
    return run(self, SL_SQLITE_BEGIN, SQLITE_OK, "can't begin a transaction");
}

static void store_rollback(struct sl_store *store)
{
    struct sl_sqlite_store *self = self_of(store);

    /* Keeps the error of what made the caller roll back: that is the one worth logging. */
    if (!sqlite3_get_autocommit(self->db)) {
        (void)sqlite3_step(self->statements[SL_SQLITE_ROLLBACK]);
        finish(self->statements[SL_SQLITE_ROLLBACK]);
    }
}

static enum sl_status store_commit(struct sl_store *store)
{
    struct sl_sqlite_store *self = self_of(store);
    enum sl_status status = check_transaction(self);

    if (status == SL_OK)
        status = run(self, SL_SQLITE_COMMIT, SQLITE_OK, "can't commit");
    if (status != SL_OK)
        store_rollback(store);
    return status;
}

static enum sl_status add_sensor(struct sl_sqlite_store *self, const struct sl_peer *peer,
                                 int64_t now_us, int64_t *id)
{
    sqlite3_stmt *statement = self->statements[SL_SQLITE_ADD_SENSOR];
    int bound = bind(statement, (int64_t[]){now_us, sl_peer_expires_us(peer)}, 2);

    if (bound == SQLITE_OK)
        bound = bind_text(statement, 3, sl_bytes_of(sl_peer_name(peer)));

    enum sl_status status = run(self, SL_SQLITE_ADD_SENSOR, bound, "can't add a sensor");

    *id = sqlite3_last_insert_rowid(self->db);
    return status;
}

static enum sl_status find_sensor(struct sl_sqlite_store *self, const struct sl_peer *peer,
                                  int64_t now_us, int64_t *id)
{
    const char *sensor = sl_peer_name(peer);
    sqlite3_stmt *find = self->statements[SL_SQLITE_FIND_SENSOR];
    bool found = false;
    int bound = bind_text(find, 1, sl_bytes_of(sensor));
    enum sl_status status =
        look(self, SL_SQLITE_FIND_SENSOR, bound, "can't look for a sensor", &found);

    if (status != SL_OK)
        return status;
    if (!found) {
        finish(find);
        return add_sensor(self, peer, now_us, id);
    }

    *id = sqlite3_column_int64(find, 0);
    const char *known = (const char *)sqlite3_column_text(find, 1);
    bool same = known != NULL && strcmp(known, sensor) == 0;

    if (!same)
        snprintf(self->error, sizeof self->error,
                 "%s: there is already a sensor in this store whose name is spelled '%s'", sensor,
                 known != NULL ? known : "");
    finish(find);
    if (!same)
        return SL_DENIED;

    bound = bind(self->statements[SL_SQLITE_SEE_SENSOR],
                 (int64_t[]){*id, now_us, sl_peer_expires_us(peer)}, 3);
    return run(self, SL_SQLITE_SEE_SENSOR, bound, "can't update a sensor");
}

static enum sl_status add_stream(struct sl_sqlite_store *self, int64_t sensor, const char *stream,
                                 int64_t now_us, struct sl_store_stream *out)
{
    sqlite3_stmt *statement = self->statements[SL_SQLITE_ADD_STREAM];
    int bound = sqlite3_bind_int64(statement, 1, sensor);

    if (bound == SQLITE_OK)
        bound = bind_text(statement, 2, sl_bytes_of(stream));
    if (bound == SQLITE_OK)
        bound = sqlite3_bind_int64(statement, 3, now_us);

    enum sl_status status = run(self, SL_SQLITE_ADD_STREAM, bound, "can't add a stream");

    if (status == SL_OK)
        *out = (struct sl_store_stream){.id = sqlite3_last_insert_rowid(self->db), .last = 0};
    return status;
}

static enum sl_status store_stream(struct sl_store *store, const struct sl_peer *peer,
                                   const char *stream, int64_t now_us, struct sl_store_stream *out)
{
    struct sl_sqlite_store *self = self_of(store);
    sqlite3_stmt *find = self->statements[SL_SQLITE_FIND_STREAM];
    int64_t sensor_id = 0;
    bool found = false;
    enum sl_status status = check_transaction(self);

    if (status == SL_OK)
        status = find_sensor(self, peer, now_us, &sensor_id);
    if (status != SL_OK)
        return status;

    int bound = sqlite3_bind_int64(find, 1, sensor_id);
    if (bound == SQLITE_OK)
        bound = bind_text(find, 2, sl_bytes_of(stream));
    status = look(self, SL_SQLITE_FIND_STREAM, bound, "can't look for a stream", &found);
    if (status != SL_OK)
        return status;
    if (found)
        *out = (struct sl_store_stream){.id = sqlite3_column_int64(find, 0),
                                        .last = sqlite3_column_int64(find, 1)};
    finish(find);
    return found ? SL_OK : add_stream(self, sensor_id, stream, now_us, out);
}

static enum sl_status store_clock(struct sl_store *store, const char *sensor, int64_t now_us,
                                  int64_t offset_us)
{
    struct sl_sqlite_store *self = self_of(store);
    sqlite3_stmt *statement = self->statements[SL_SQLITE_SET_CLOCK];
    enum sl_status status = check_transaction(self);

    if (status != SL_OK)
        return status;

    int bound = bind(statement, (int64_t[]){offset_us, now_us}, 2);

    if (bound == SQLITE_OK)
        bound = bind_text(statement, 3, sl_bytes_of(sensor));
    return run(self, SL_SQLITE_SET_CLOCK, bound, "can't note a sensor's clock");
}

/* Reads the stream's sensor and last number. SL_DENIED: it isn't a stream of this sensor. */
static enum sl_status read_stream(struct sl_sqlite_store *self, const char *sensor, int64_t stream,
                                  int64_t *sensor_id, int64_t *last)
{
    sqlite3_stmt *read = self->statements[SL_SQLITE_READ_STREAM];
    bool found = false;
    int bound = sqlite3_bind_int64(read, 1, stream);
    enum sl_status status = look(self, SL_SQLITE_READ_STREAM, bound, "can't read a stream", &found);

    if (status != SL_OK)
        return status;
    if (found) {
        const char *name = (const char *)sqlite3_column_text(read, 1);

        *sensor_id = sqlite3_column_int64(read, 0);
        *last = sqlite3_column_int64(read, 2);
        found = name != NULL && strcmp(name, sensor) == 0;
    }
    finish(read);
    return found ? SL_OK : denied(self, sensor, "this isn't a stream of this sensor");
}

/*
 * Moves the stream's `last` over the claimed numbers. The update repeats the condition that was
 * just read, so that even a second writer beside us couldn't make one number count twice.
 */
static enum sl_status claim_numbers(struct sl_sqlite_store *self, const char *sensor,
                                    int64_t stream, int64_t received_us, struct claim *claim)
{
    int64_t last = 0;
    enum sl_status status = check_transaction(self);

    if (status == SL_OK)
        status = read_stream(self, sensor, stream, &claim->sensor, &last);
    if (status != SL_OK)
        return status;
    if (claim->count > INT64_MAX - last)
        return denied(self, sensor, "the stream has no numbers left");
    if (claim->first == 0)
        claim->first = last + 1;
    if (claim->first != last + 1)
        return denied(self, sensor, "the numbers don't follow what is stored of this stream");

    int bound = bind(self->statements[SL_SQLITE_MOVE_STREAM],
                     (int64_t[]){stream, claim->sensor, last, last + claim->count, claim->readings,
                                 received_us, claim->block},
                     7);
    status = run(self, SL_SQLITE_MOVE_STREAM, bound, "can't move a stream on");
    if (status == SL_OK && sqlite3_changes(self->db) == 0)
        status = denied(self, sensor, "another writer was faster with this stream");
    return status;
}

/* The clock may have stepped back; what was received later never looks received earlier. */
static int64_t received_now(struct sl_sqlite_store *self, int64_t received_us)
{
    if (received_us > self->latest_us)
        self->latest_us = received_us;
    return self->latest_us;
}

static enum sl_status store_append(struct sl_store *store, const char *sensor, int64_t stream,
                                   int64_t received_us, const struct sl_block *block, int64_t *last)
{
    struct sl_sqlite_store *self = self_of(store);
    sqlite3_stmt *add = self->statements[SL_SQLITE_ADD_BLOCK];
    int64_t received = received_now(self, received_us);
    bool timed = block->oldest_us != SL_TIME_NONE;
    struct claim claim = {.first = block->first,
                          .count = block->count,
                          .readings = block->count,
                          .block = self->next_block};
    enum sl_status status = claim_numbers(self, sensor, stream, received, &claim);

    if (status != SL_OK)
        return status;

    int64_t end = claim.first + claim.count - 1;
    int bound = bind(add,
                     (int64_t[]){stream, claim.sensor, claim.first, end, received,
                                 timed ? block->oldest_us : received,
                                 timed ? block->newest_us : received, claim.block},
                     8);

    if (bound == SQLITE_OK)
        bound = bind_text(add, 9, sl_block_text(block));
    status = run(self, SL_SQLITE_ADD_BLOCK, bound, "can't append readings");
    if (status == SL_OK) {
        self->next_block++; /* Not taken back by a rollback: a key left out does no harm. */
        *last = end;
    }
    return status;
}

static enum sl_status store_gap(struct sl_store *store, const char *sensor, int64_t stream,
                                int64_t received_us, int64_t first, int64_t last,
                                struct sl_bytes reason)
{
    struct sl_sqlite_store *self = self_of(store);
    sqlite3_stmt *add = self->statements[SL_SQLITE_ADD_GAP];
    int64_t received = received_now(self, received_us);
    /* first >= 1, so the count of numbers always fits. */
    struct claim claim = {.first = first, .count = last - first + 1, .readings = 0};
    enum sl_status status = claim_numbers(self, sensor, stream, received, &claim);

    if (status != SL_OK)
        return status;

    int bound = bind(add, (int64_t[]){stream, first, last, received}, 4);

    if (bound == SQLITE_OK)
        bound = bind_text(add, 5, reason);
    return run(self, SL_SQLITE_ADD_GAP, bound, "can't record a gap");
}

static enum sl_status store_compare(struct sl_store *store, const char *sensor, int64_t stream,
                                    int64_t seq, const struct sl_block *block)
{
    struct sl_sqlite_store *self = self_of(store);
    sqlite3_stmt *compare = self->statements[SL_SQLITE_COMPARE];
    bool found = false;
    bool same = true;
    int bound = bind(compare, (int64_t[]){stream, seq}, 2);

    if (bound == SQLITE_OK)
        bound = bind_text(compare, 3, sl_block_text(block));

    enum sl_status status = look(self, SL_SQLITE_COMPARE, bound, "can't compare a reading", &found);

    if (status != SL_OK)
        return status;
    if (found)
        same = sqlite3_column_int(compare, 0) != 0;
    finish(compare);
    return same ? SL_OK : denied(self, sensor, "another reading is stored under this number");
}

static const char *store_error(const struct sl_store *store)
{
    return ((const struct sl_sqlite_store *)store)->error;
}

static void store_close(struct sl_store *store)
{
    struct sl_sqlite_store *self = self_of(store);

    /* A store whose tables couldn't be made has no statements: closing rolls that back. */
    if (self->statements[SL_SQLITE_ROLLBACK] != NULL)
        store_rollback(store);
    for (int i = 0; i < SL_SQLITE_STATEMENTS; i++)
        (void)sqlite3_finalize(self->statements[i]);
    sl_checkpointer_close(&self->checkpointer);

    int code = sqlite3_close(self->db);

    assert(code == SQLITE_OK);
    (void)code;
    /* The lock goes last, so that nobody else writes while our checkpoint does. */
    if (self->lock_fd >= 0)
        (void)close(self->lock_fd);
    free(self);
}

const struct sl_store_functions *sl_sqlite_functions(void)
{
    static const struct sl_store_functions functions = {
        .begin = store_begin,
        .commit = store_commit,
        .rollback = store_rollback,
        .stream = store_stream,
        .clock = store_clock,
        .append = store_append,
        .gap = store_gap,
        .compare = store_compare,
        .error = store_error,
        .close = store_close,
    };

    return &functions;
}

/* Blocks and gaps are numbered as they come, so each one's last row has its latest time. */
static enum sl_status read_ends(struct sl_sqlite_store *self)
{
    static const char query[] =
        "SELECT max(ifnull((SELECT received FROM blocks ORDER BY id DESC LIMIT 1), 0),"
        " ifnull((SELECT received FROM gaps ORDER BY id DESC LIMIT 1), 0)),"
        " ifnull((SELECT max(id) FROM blocks), 0)";
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(self->db, query, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        enum sl_status status = sl_sqlite_fail(self, "can't read");

        (void)sqlite3_finalize(statement);
        return status;
    }
    self->latest_us = sqlite3_column_int64(statement, 0);
    self->next_block = sqlite3_column_int64(statement, 1) + 1;
    (void)sqlite3_finalize(statement);
    return SL_OK;
}

enum sl_status sl_sqlite_prepare(struct sl_sqlite_store *self)
{
    for (int i = 0; i < SL_SQLITE_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(self->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &self->statements[i], NULL);

        if (code == SQLITE_OK)
            continue;
        enum sl_status status = sl_sqlite_fail(self, "can't use its tables");
        /* Missing tables and columns are plain errors to SQLite, and a damaged store to us. */
        return code == SQLITE_ERROR ? SL_BAD_INPUT : status;
    }
    return read_ends(self);
}
