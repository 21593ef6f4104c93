/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_file.c -- opens, checks or makes the file of a SQLite spool. */
#include "spool/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/stream.h"

enum {
    APPLICATION_ID = 0x534C5350, /* "SLSP" */
    VERSION = 1,
    BUSY_MS = 500,              /* time for another client to finish closing */
    CHECK_BYTES_MAX = 16 << 20, /* a larger file is checked as it is read, not whole at start */
    TEXT_SIZE = 64
};

static const char schema[] = "CREATE TABLE meta ("
                             " id INTEGER PRIMARY KEY CHECK (id = 1),"
                             " stream TEXT NOT NULL,"
                             " last INTEGER NOT NULL,"
                             " forgotten INTEGER NOT NULL);"
                             "CREATE TABLE readings ("
                             " seq INTEGER PRIMARY KEY,"
                             " time_us INTEGER,"
                             " text TEXT NOT NULL);"
                             "PRAGMA application_id = 1397510992;"
                             "PRAGMA user_version = 1;";

enum sl_status sl_sqlite_status(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return SL_OK;
    case SQLITE_FULL:
        return SL_LIMIT;
    case SQLITE_NOMEM:
        return SL_NOMEM;
    default:
        return SL_IO;
    }
}

/* Says in file->error why opening failed, and gives the status of sl_spool_open(). */
static enum sl_status open_failed(struct sl_sqlite *file, const char *path, int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        (void)snprintf(file->error, sizeof(file->error),
                       "another program has the spool %s open; stop it, or give this one a --spool "
                       "of its own",
                       path);
        return SL_LIMIT;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        (void)snprintf(file->error, sizeof(file->error),
                       "%s is not a spool or is damaged (%s); it is left as it is: move it away to "
                       "start a new spool, and keep it if its readings matter",
                       path, sqlite3_errstr(code));
        return SL_BAD_INPUT;
    default:
        (void)snprintf(file->error, sizeof(file->error), "can't open the spool %s: %s", path,
                       file->db ? sqlite3_errmsg(file->db) : sqlite3_errstr(code));
        return sl_sqlite_status(code) == SL_NOMEM ? SL_NOMEM : SL_IO;
    }
}

/* Says why this file isn't one that we can use. */
static enum sl_status unusable(struct sl_sqlite *file, const char *path, const char *why)
{
    (void)snprintf(file->error, sizeof(file->error),
                   "the spool %s can't be used: %s; it is left as it is: move it away to start a "
                   "new spool, and keep it if its readings matter",
                   path, why);
    return SL_BAD_INPUT;
}

/* Makes the folder's entry durable; best effort, since not every file system can. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    char *folder = len > 0 ? strndup(path, len) : strdup(".");
    if (!folder)
        return;

    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(folder);
}

/*
 * Makes an empty file of mode 0600 where there is none. A file that exists isn't opened here:
 * closing any descriptor of it would drop this process's locks on it (fcntl(2)), also those of
 * another spool object.
 */
static enum sl_status make_file(struct sl_sqlite *file, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)close(fd);
        sync_folder(path);
        return SL_OK;
    }
    if (errno == EEXIST)
        return SL_OK;

    char text[TEXT_SIZE];
    (void)snprintf(file->error, sizeof(file->error), "can't make the spool %s: %s", path,
                   strerror_r(errno, text, sizeof(text)));
    return SL_IO;
}

/* Runs a statement with one row of one column into `text`; returns SQLite's code. */
static int ask_text(sqlite3 *db, const char *sql, char text[static TEXT_SIZE])
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code != SQLITE_OK)
        return code;

    code = sqlite3_step(statement);
    text[0] = '\0';
    if (code == SQLITE_ROW) {
        const unsigned char *found = sqlite3_column_text(statement, 0);
        (void)snprintf(text, TEXT_SIZE, "%s", found ? (const char *)found : "");
        code = SQLITE_OK;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_OK;
    }
    int finalized = sqlite3_finalize(statement);
    return code == SQLITE_OK ? finalized : code;
}

static int ask_number(sqlite3 *db, const char *sql, int64_t *number)
{
    char text[TEXT_SIZE];
    int code = ask_text(db, sql, text);
    if (code == SQLITE_OK)
        *number = strtoll(text, NULL, 10);
    return code;
}

/*
 * Opens the database so that nothing is written before we know that the file is ours. The lock is
 * taken at the first read and kept: for WAL that also means that no shared memory file is needed.
 */
static int connect_to(struct sl_sqlite *file, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &file->db, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(file->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);
    return code;
}

/* SL_OK with `*fresh` true for a file without anything in it, false for a spool of this version. */
static enum sl_status recognise(struct sl_sqlite *file, const char *path, bool *fresh)
{
    int64_t id = 0;
    int64_t version = 0;
    int64_t tables = 0;

    int code = ask_number(file->db, "PRAGMA application_id", &id);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "PRAGMA user_version", &version);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code != SQLITE_OK)
        return open_failed(file, path, code);
    if (sqlite3_db_readonly(file->db, "main") != 0) {
        (void)snprintf(file->error, sizeof(file->error),
                       "the spool %s can't be written to: check its owner and mode", path);
        return SL_IO;
    }

    *fresh = id == 0 && version == 0 && tables == 0;
    if (*fresh)
        return SL_OK;
    if (id != APPLICATION_ID)
        return unusable(file, path, "it is a database of another program");
    if (version > VERSION)
        return unusable(file, path, "a later version of sensorlink made it");
    if (version < VERSION)
        return unusable(file, path, "its version number makes no sense");
    return SL_OK;
}

/* Sets what each connection has to set; the answers are checked, for SQLite refuses silently. */
static enum sl_status set_up(struct sl_sqlite *file, const char *path)
{
    char mode[TEXT_SIZE];
    int64_t synchronous = 0;

    int code = ask_text(file->db, "PRAGMA journal_mode = WAL", mode);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "PRAGMA synchronous", &synchronous);
    if (code != SQLITE_OK)
        return open_failed(file, path, code);
    if (strcmp(mode, "wal") != 0 || synchronous != 2) {
        (void)snprintf(file->error, sizeof(file->error),
                       "the spool %s can't be kept safe on this file system (journal %s)", path,
                       mode);
        return SL_IO;
    }
    return SL_OK;
}

/* Makes the tables and the stream's id in one transaction. */
static enum sl_status make_spool(struct sl_sqlite *file, const char *path)
{
    char stream[SL_SPOOL_STREAM_SIZE];
    if (sl_spool_stream_make(stream) != SL_OK) {
        (void)snprintf(file->error, sizeof(file->error),
                       "can't make the spool %s: the system gives no random numbers", path);
        return SL_IO;
    }

    char sql[160];
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO meta (id, stream, last, forgotten) VALUES (1, '%s', 0, 0)", stream);
    int code = sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, schema, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
    return code == SQLITE_OK ? SL_OK : open_failed(file, path, code);
}

/* Reads the whole of a file of usual size for damage; see CHECK_BYTES_MAX. */
static enum sl_status check_pages(struct sl_sqlite *file, const char *path)
{
    int64_t pages = 0;
    int64_t page_size = 0;
    char verdict[TEXT_SIZE] = "ok";

    int code = ask_number(file->db, "PRAGMA page_count", &pages);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "PRAGMA page_size", &page_size);
    if (code == SQLITE_OK && pages * page_size <= CHECK_BYTES_MAX)
        code = ask_text(file->db, "PRAGMA quick_check(1)", verdict);
    if (code != SQLITE_OK)
        return open_failed(file, path, code);
    return strcmp(verdict, "ok") == 0 ? SL_OK : unusable(file, path, verdict);
}

/* Reads the meta row into file->state, and holds it against the readings. */
static enum sl_status load(struct sl_sqlite *file, const char *path)
{
    int64_t count = 0;
    int64_t lowest = 0;
    int64_t highest = 0;
    int64_t last = 0;
    char stream[TEXT_SIZE] = "";

    int code = ask_text(file->db, "SELECT stream FROM meta WHERE id = 1", stream);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT last FROM meta", &last);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT forgotten FROM meta", &file->forgotten);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT count(*) FROM readings", &count);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT coalesce(min(seq), 0) FROM readings", &lowest);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT coalesce(max(seq), 0) FROM readings", &highest);
    if (code == SQLITE_ERROR)
        return unusable(file, path, "its tables aren't those of a spool");
    if (code != SQLITE_OK)
        return open_failed(file, path, code);

    int64_t forgotten = file->forgotten;
    bool sound = sl_spool_stream_valid(stream) && forgotten >= 0 && last >= forgotten &&
                 last < INT64_MAX && count == last - forgotten &&
                 (count == 0 || (lowest == forgotten + 1 && highest == last));
    if (!sound)
        return unusable(file, path, "its numbers contradict each other");

    memcpy(file->state.stream, stream, SL_SPOOL_STREAM_SIZE);
    file->state.first = forgotten + 1;
    file->state.last = last;
    file->next = last + 1;
    return SL_OK;
}

static enum sl_status prepare(struct sl_sqlite *file, const char *path)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&file->insert, "INSERT INTO readings (seq, time_us, text) VALUES (?1, ?2, ?3)"},
        {&file->select, "SELECT seq, time_us, text FROM readings WHERE seq BETWEEN ?1 AND ?2"
                        " ORDER BY seq"},
        {&file->forget, "DELETE FROM readings WHERE seq <= ?1"},
        {&file->update, "UPDATE meta SET last = ?1, forgotten = ?2 WHERE id = 1"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int code = sqlite3_prepare_v3(file->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                      all[i].statement, NULL);
        if (code == SQLITE_ERROR)
            return unusable(file, path, "its tables aren't those of a spool");
        if (code != SQLITE_OK)
            return open_failed(file, path, code);
    }
    /* From here on the file is known to be ours, so closing may tidy its log into it. */
    int code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return code == SQLITE_OK ? SL_OK : open_failed(file, path, code);
}

/* A path that SQLite takes for nothing but a file (":memory:" is one of its special names). */
static char *plain_path(const char *path)
{
    char *plain = NULL;
    if (asprintf(&plain, "%s%s", path[0] == '/' ? "" : "./", path) < 0)
        return NULL;
    return plain;
}

enum sl_status sl_sqlite_open(struct sl_sqlite *file, const char *path)
{
    if (path[0] == '\0') {
        (void)snprintf(file->error, sizeof(file->error), "the spool needs a file name");
        return SL_BAD_INPUT;
    }
    char *plain = plain_path(path);
    if (!plain) {
        (void)snprintf(file->error, sizeof(file->error), "out of memory");
        return SL_NOMEM;
    }

    bool fresh = false;
    enum sl_status status = make_file(file, plain);
    if (status == SL_OK) {
        int code = connect_to(file, plain);
        status = code == SQLITE_OK ? SL_OK : open_failed(file, path, code);
    }
    if (status == SL_OK)
        status = recognise(file, path, &fresh);
    if (status == SL_OK && !fresh)
        status = check_pages(file, path);
    if (status == SL_OK)
        status = set_up(file, path);
    if (status == SL_OK && fresh)
        status = make_spool(file, path);
    if (status == SL_OK)
        status = load(file, path);
    if (status == SL_OK)
        status = prepare(file, path);
    free(plain);
    return status;
}

void sl_sqlite_close(struct sl_sqlite *file)
{
    (void)sqlite3_finalize(file->insert);
    (void)sqlite3_finalize(file->select);
    (void)sqlite3_finalize(file->forget);
    (void)sqlite3_finalize(file->update);
    (void)sqlite3_close(file->db);
}
