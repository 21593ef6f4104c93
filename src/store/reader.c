/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.c -- opening a store for reading, and what is common to all that is read. Readings are in
 * reader_blocks.c, the check of a whole store in reader_verify.c.
 */
#include "store/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_uri.h"
#include "store/reader_file.h"
#include "store/schema.h"

enum { BUSY_TIMEOUT_MS = 5000 };

enum sl_status sl_reader_fail(struct sl_reader *reader)
{
    int code = sqlite3_extended_errcode(reader->db);

    snprintf(reader->error, sizeof reader->error, "%s (SQLite %d)", sqlite3_errmsg(reader->db),
             code);
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table is missing, or a text isn't JSON */
        return SL_BAD_INPUT;
    case SQLITE_NOMEM:
        return SL_NOMEM;
    default:
        return SL_IO;
    }
}

enum sl_status sl_reader_damaged(struct sl_reader *reader, const char *what, int64_t key)
{
    snprintf(reader->error, sizeof reader->error, "%s %lld is damaged", what, (long long)key);
    return SL_BAD_INPUT;
}

enum sl_status sl_reader_prepare(struct sl_reader *reader, const char *query,
                                 sqlite3_stmt **statement)
{
    if (sqlite3_prepare_v2(reader->db, query, -1, statement, NULL) == SQLITE_OK)
        return SL_OK;
    return sl_reader_fail(reader);
}

enum sl_status sl_reader_step(struct sl_reader *reader, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return SL_OK;
    return code == SQLITE_DONE ? SL_CLOSED : sl_reader_fail(reader);
}

enum sl_status sl_reader_begin(struct sl_reader *reader)
{
    if (sqlite3_exec(reader->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK)
        return SL_OK;
    return sl_reader_fail(reader);
}

enum sl_status sl_reader_end(struct sl_reader *reader, enum sl_status status)
{
    /* Some failures end it by themselves. */
    if (sqlite3_get_autocommit(reader->db) ||
        sqlite3_exec(reader->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK || status != SL_OK)
        return status;
    return sl_reader_fail(reader);
}

enum sl_status sl_reader_keep(struct sl_reader *reader, sqlite3_stmt *statement, int column,
                              int which)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    struct sl_buffer *kept = &reader->texts[which];

    kept->len = 0;
    if (text == NULL) {
        bool null = sqlite3_column_type(statement, column) == SQLITE_NULL;
        return null ? sl_reader_damaged(reader, "a row", 0) : SL_NOMEM;
    }
    return sl_buffer_add(kept,
                         (struct sl_bytes){text, (size_t)sqlite3_column_bytes(statement, column)},
                         SIZE_MAX / 2);
}

struct sl_bytes sl_reader_kept(const struct sl_reader *reader, int which)
{
    return (struct sl_bytes){reader->texts[which].at, reader->texts[which].len};
}

const char *sl_reader_error(const struct sl_reader *reader)
{
    return reader->error;
}

/* Runs a query whose answer is one number. */
static enum sl_status ask(struct sl_reader *reader, const char *query, int64_t *answer)
{
    sqlite3_stmt *statement = NULL;
    enum sl_status status = sl_reader_prepare(reader, query, &statement);

    if (status == SL_OK)
        status = sl_reader_step(reader, statement);
    if (status == SL_OK)
        *answer = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum sl_status say(struct sl_reader *reader, enum sl_status status, const char *what)
{
    snprintf(reader->error, sizeof reader->error, "%s", what);
    return status;
}

/*
 * SQLite needs FILE-wal and FILE-shm to read a store, and makes them where no server has. Where it
 * may not, its own answer is "unable to open database file", which helps nobody.
 */
static enum sl_status explain_failure(struct sl_reader *reader, enum sl_status status)
{
    int code = sqlite3_errcode(reader->db) & 0xff;

    if (status == SL_IO && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY))
        return say(
            reader, SL_DENIED,
            "no server has it open, and SQLite can't make the files FILE-wal and FILE-shm that it "
            "reads with, because its folder isn't writable for this user: read it as the server's "
            "user, or copy it to a folder of yours");
    return status;
}

static enum sl_status identify(struct sl_reader *reader)
{
    int64_t application = 0;
    enum sl_status status = ask(reader, "PRAGMA application_id", &application);

    if (status == SL_OK)
        status = ask(reader, "PRAGMA user_version", &reader->format);
    if (status != SL_OK)
        return explain_failure(reader, status);
    if (application == 0 && reader->format == 0)
        return say(reader, SL_BAD_INPUT,
                   "this isn't a store (or its server has just begun to make it)");
    if (application != SL_STORE_APPLICATION_ID)
        return say(reader, SL_BAD_INPUT, "this isn't a store but another program's database");
    if (reader->format > SL_STORE_VERSION)
        return say(reader, SL_BAD_INPUT,
                   "it was made by a later sensorlink: read it with that version");
    return SL_OK;
}

/* Finds out early, and by itself, what SQLite would call "unable to open" throughout. */
static enum sl_status look_at_file(struct sl_reader *reader, const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0 || access(path, R_OK) != 0)
        return say(reader, SL_DENIED, strerror(errno));
    if (!S_ISREG(about.st_mode))
        return say(reader, SL_BAD_INPUT, "this isn't a file");
    return SL_OK;
}

/* `name` is the path, or a URI of it. */
static enum sl_status open_file(struct sl_reader *reader, const char *path, const char *name,
                                int uri)
{
    enum sl_status status = look_at_file(reader, path);

    if (status != SL_OK)
        return status;

    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | uri;
    int code = sqlite3_open_v2(name, &reader->db, flags, NULL);

    if (reader->db == NULL)
        return SL_NOMEM;
    if (code != SQLITE_OK || sqlite3_extended_result_codes(reader->db, 1) != SQLITE_OK ||
        sqlite3_busy_timeout(reader->db, BUSY_TIMEOUT_MS) != SQLITE_OK ||
        sqlite3_exec(reader->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL) != SQLITE_OK)
        return sl_reader_fail(reader);
    return identify(reader);
}

static enum sl_status open_named(const char *path, const char *name, int uri,
                                 struct sl_reader **reader, char *error, size_t error_size)
{
    struct sl_reader *self = calloc(1, sizeof *self);

    if (self == NULL) {
        snprintf(error, error_size, "store '%s': no memory", path);
        return SL_NOMEM;
    }
    self->version = -1;
    self->limits = (struct sl_reader_limits){.keys = 262144, .slice = 65536, .recent = 1024};
    say(self, SL_OK, "no memory");

    enum sl_status status = open_file(self, path, name, uri);

    if (status != SL_OK) {
        snprintf(error, error_size, "store '%s': %s", path, self->error);
        sl_reader_close(self);
        return status;
    }
    error[0] = '\0';
    *reader = self;
    return SL_OK;
}

enum sl_status sl_reader_open(const char *path, struct sl_reader **reader, char *error,
                              size_t error_size)
{
    return open_named(path, path, 0, reader, error, error_size);
}

/*
 * A server leaves no log when it closes its store in order. Where there is none, nobody has the
 * file open, and SQLite is told so: otherwise it would make a log and shared memory beside it.
 */
enum sl_status sl_reader_peek(const char *path, struct sl_reader_summary *summary, char *error,
                              size_t error_size)
{
    struct sl_reader *reader = NULL;
    char *log = NULL;
    bool still = asprintf(&log, "%s-wal", path) >= 0 && access(log, F_OK) != 0;
    char *uri = still ? sl_file_uri(path, "immutable=1") : NULL;
    enum sl_status status =
        open_named(path, uri != NULL ? uri : path, uri != NULL ? SQLITE_OPEN_URI : 0, &reader,
                   error, error_size);

    free(uri);
    free(log);
    if (status != SL_OK)
        return status;
    status = ask(reader, "SELECT count(*) FROM sensors", &summary->sensors);
    if (status == SL_OK)
        status = ask(reader, "SELECT coalesce(sum(readings), 0) FROM streams", &summary->readings);
    if (status != SL_OK)
        snprintf(error, error_size, "store '%s': %s", path, reader->error);
    sl_reader_close(reader);
    return status;
}

void sl_reader_close(struct sl_reader *reader)
{
    if (reader == NULL)
        return;
    for (int i = 0; i < SL_READER_TEXTS; i++)
        sl_buffer_clear(&reader->texts[i]);
    sl_buffer_clear(&reader->portion);
    (void)sqlite3_close(reader->db);
    free(reader);
}

enum sl_status sl_reader_changed(struct sl_reader *reader, bool *changed)
{
    int64_t version = 0;
    enum sl_status status = ask(reader, "PRAGMA data_version", &version);

    if (status != SL_OK)
        return status;
    *changed = version != reader->version;
    reader->version = version;
    return SL_OK;
}

/* One sensor by its name: what version 2 added is null where the file is of version 1. */
#define SENSOR(certificate_and_clock)                                                              \
    "SELECT s.name, ifnull(sum(t.readings), 0), count(t.id), s.first_seen,"                        \
    " max(s.last_seen, ifnull(max(t.received), 0)), " certificate_and_clock                        \
    " FROM sensors s LEFT JOIN streams t ON t.sensor = s.id"                                       \
    " WHERE s.id = (SELECT id FROM sensors WHERE name > ?1 AND (?2 IS NULL OR name = ?2)"          \
    " ORDER BY name LIMIT 1) GROUP BY s.id"

static const char query_sensor[] = SENSOR("s.cert_until, s.clock_offset");
static const char query_sensor_1[] = SENSOR("NULL, NULL");

static int64_t column_or_none(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return SL_TIME_NONE;
    return sqlite3_column_int64(statement, column);
}

/* One sensor a query: its row is copied and the statement reset before the callback sees it. */
enum sl_status sl_reader_sensors(struct sl_reader *reader, const struct sl_reader_filter *filter,
                                 enum sl_status (*each)(void *ctx,
                                                        const struct sl_logged_sensor *sensor),
                                 void *ctx)
{
    const char *query = reader->format < 2 ? query_sensor_1 : query_sensor;
    sqlite3_stmt *statement = NULL;
    struct sl_bytes after = sl_bytes_of("");
    enum sl_status stopped = SL_OK;
    enum sl_status status = sl_reader_prepare(reader, query, &statement);

    while (status == SL_OK) {
        if (sqlite3_bind_text64(statement, 1, after.at, after.len, SQLITE_TRANSIENT, SQLITE_UTF8) !=
                SQLITE_OK ||
            sqlite3_bind_text(statement, 2, filter->sensor, -1, SQLITE_STATIC) != SQLITE_OK)
            status = sl_reader_fail(reader);
        if (status == SL_OK)
            status = sl_reader_step(reader, statement);
        if (status == SL_OK)
            status = sl_reader_keep(reader, statement, 0, 0);
        if (status != SL_OK)
            break;

        after = sl_reader_kept(reader, 0);
        struct sl_logged_sensor sensor = {.name = after,
                                          .readings = sqlite3_column_int64(statement, 1),
                                          .streams = sqlite3_column_int64(statement, 2),
                                          .first_seen_us = sqlite3_column_int64(statement, 3),
                                          .last_seen_us = sqlite3_column_int64(statement, 4),
                                          .cert_until_us = column_or_none(statement, 5),
                                          .clock_offset_us = column_or_none(statement, 6)};
        (void)sqlite3_reset(statement);
        stopped = each(ctx, &sensor);
        if (stopped != SL_OK)
            break;
    }
    (void)sqlite3_finalize(statement);
    if (stopped != SL_OK)
        return stopped;
    return status == SL_CLOSED ? SL_OK : status;
}

static enum sl_status next_gap(struct sl_reader *reader, sqlite3_stmt *statement, int64_t *after,
                               struct sl_logged_gap *gap)
{
    if (sqlite3_bind_int64(statement, 1, *after) != SQLITE_OK)
        return sl_reader_fail(reader);

    enum sl_status status = sl_reader_step(reader, statement);

    for (int i = 0; i < 3 && status == SL_OK; i++)
        status = sl_reader_keep(reader, statement, 4 + i, i);
    if (status == SL_OK) {
        *after = sqlite3_column_int64(statement, 0);
        *gap = (struct sl_logged_gap){.received_us = sqlite3_column_int64(statement, 1),
                                      .first = sqlite3_column_int64(statement, 2),
                                      .last = sqlite3_column_int64(statement, 3),
                                      .sensor = sl_reader_kept(reader, 0),
                                      .stream = sl_reader_kept(reader, 1),
                                      .reason = sl_reader_kept(reader, 2)};
    }
    (void)sqlite3_reset(statement);
    return status;
}

enum sl_status sl_reader_gaps(struct sl_reader *reader, const struct sl_reader_filter *filter,
                              enum sl_status (*each)(void *ctx, const struct sl_logged_gap *gap),
                              void *ctx)
{
    static const char query[] =
        "SELECT g.id, g.received, g.first, g.last, s.name, t.stream, g.reason"
        " FROM gaps g CROSS JOIN streams t ON t.id = g.stream"
        " CROSS JOIN sensors s ON s.id = t.sensor"
        " WHERE g.id > ?1 AND (?2 IS NULL OR s.name = ?2) AND g.received >= ?3 AND g.received < ?4"
        " ORDER BY g.id LIMIT 1";
    int64_t until = filter->until_us == SL_TIME_NONE ? INT64_MAX : filter->until_us;
    int64_t after = 0;
    struct sl_logged_gap gap;
    sqlite3_stmt *statement = NULL;
    enum sl_status stopped = SL_OK;
    enum sl_status status = sl_reader_prepare(reader, query, &statement);

    if (status == SL_OK &&
        (sqlite3_bind_text(statement, 2, filter->sensor, -1, SQLITE_STATIC) != SQLITE_OK ||
         sqlite3_bind_int64(statement, 3, filter->since_us) != SQLITE_OK ||
         sqlite3_bind_int64(statement, 4, until) != SQLITE_OK))
        status = sl_reader_fail(reader);
    while (status == SL_OK) {
        status = next_gap(reader, statement, &after, &gap);
        if (status == SL_OK)
            stopped = each(ctx, &gap);
        if (stopped != SL_OK)
            break;
    }
    (void)sqlite3_finalize(statement);
    if (stopped != SL_OK)
        return stopped;
    return status == SL_CLOSED ? SL_OK : status;
}
