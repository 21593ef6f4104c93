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

#include "base/file_uri.h"
#include "spool/look.h"
#include "spool/stream.h"

enum {
    APPLICATION_ID = 0x534C5350, /* "SLSP" */
    VERSION = 4,
    BUSY_MS = 500,              /* time for another client to finish closing */
    LOG_BYTES = 4 << 20,        /* a longer log is brought into the file */
    CHECK_BYTES_MAX = 16 << 20, /* a larger file is checked as it is read, not whole at start */
    TEXT_SIZE = SL_SPOOL_SENSOR_SIZE /* also for a stream and a number */
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
                             "PRAGMA application_id = 1397510992;";

/* What version 2 has and version 1 hadn't. */
static const char gaps_schema[] = "CREATE TABLE gaps ("
                                  " first INTEGER PRIMARY KEY,"
                                  " last INTEGER NOT NULL CHECK (last >= first),"
                                  " reason TEXT NOT NULL);"
                                  "PRAGMA user_version = 2;";

/* What version 3 has and version 2 hadn't. */
static const char sensor_schema[] = "ALTER TABLE meta ADD COLUMN sensor TEXT;"
                                    "PRAGMA user_version = 3;";

/* What version 4 has and version 3 hadn't. */
static const char swept_schema[] = "ALTER TABLE meta ADD COLUMN swept INTEGER NOT NULL DEFAULT 0;"
                                   "UPDATE meta SET swept = forgotten;"
                                   "PRAGMA user_version = 4;";

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

/* Opens the database so that nothing is written before we know that the file is ours. */
static int connect_to(struct sl_sqlite *file, const char *path, int access)
{
    int flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &file->db, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(file->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_db_config(file->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return code;
}

/*
 * The lock is taken at the first read and kept: for WAL that also means that no shared memory file
 * is needed.
 */
static enum sl_status claim(struct sl_sqlite *file, const char *path)
{
    int code = sqlite3_exec(file->db, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL);

    if (code != SQLITE_OK)
        return open_failed(file, path, code);
    /* Before anything is read: of a file in WAL mode the first read would fail as an I/O error. */
    if (sqlite3_db_readonly(file->db, "main") == 0)
        return SL_OK;
    (void)snprintf(file->error, sizeof(file->error),
                   "the spool %s can't be written to: check its owner and mode", path);
    return SL_IO;
}

/* SL_OK with `*version` 0 for a file without anything in it, else the version of our spool. */
static enum sl_status recognise(struct sl_sqlite *file, const char *path, int64_t *version)
{
    int64_t id = 0;
    int64_t tables = 0;

    int code = ask_number(file->db, "PRAGMA application_id", &id);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "PRAGMA user_version", version);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code != SQLITE_OK)
        return open_failed(file, path, code);

    if (id == 0 && *version == 0 && tables == 0)
        return SL_OK;
    if (id != APPLICATION_ID)
        return unusable(file, path, "it is a database of another program");
    if (*version > VERSION)
        return unusable(file, path, "a later version of sensorlink made it");
    if (*version < 1)
        return unusable(file, path, "its version number makes no sense");
    return SL_OK;
}

/*
 * A commit writes whole pages: of this size a reading a second costs the disk 5 KB each, where
 * SQLite's usual 4,096 bytes make that 12. A spool that was made with those keeps them.
 */
static const char small_pages[] = "PRAGMA page_size = 512";

/* Nobody needs zeros where forgotten readings were, and on flash they wear like data. */
static const char settings[] = "PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF";

/* Sets what each connection has to set; the answers are checked, for SQLite refuses silently. */
static enum sl_status set_up(struct sl_sqlite *file, const char *path)
{
    char mode[TEXT_SIZE] = "";
    int64_t synchronous = 0;
    int64_t page_size = 0;

    int code = sqlite3_exec(file->db, small_pages, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = ask_text(file->db, "PRAGMA journal_mode = WAL", mode);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, settings, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "PRAGMA synchronous", &synchronous);
    if (code == SQLITE_OK)
        code = ask_number(file->db, "PRAGMA page_size", &page_size);
    if (code == SQLITE_OK && page_size > 0)
        code = sqlite3_wal_autocheckpoint(file->db, LOG_BYTES / (int)page_size);
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

/* Brings the tables of `version` (0: none) up to ours, then runs `after`, in one transaction. */
static enum sl_status change_tables(struct sl_sqlite *file, const char *path, int64_t version,
                                    const char *after)
{
    static const char *const steps[VERSION] = {schema, gaps_schema, sensor_schema, swept_schema};

    int code = sqlite3_exec(file->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t step = version; code == SQLITE_OK && step < VERSION; step++)
        code = sqlite3_exec(file->db, steps[step], NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, after, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(file->db, "COMMIT", NULL, NULL, NULL);
    return code == SQLITE_OK ? SL_OK : open_failed(file, path, code);
}

/* Makes the tables and the stream's id. */
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
    return change_tables(file, path, 0, sql);
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

/* What the tables say, to be held against each other. */
struct contents {
    int64_t last;
    int64_t forgotten;
    int64_t swept;
    int64_t count; /* readings and numbers of gaps together */
    int64_t lowest;
    int64_t highest;
    int64_t twice; /* numbers that are in two places */
};

static int read_contents(sqlite3 *db, struct contents *found)
{
    const struct {
        const char *sql;
        int64_t *number;
    } all[] = {
        {"SELECT last FROM meta WHERE id = 1", &found->last},
        {"SELECT forgotten FROM meta WHERE id = 1", &found->forgotten},
        {"SELECT swept FROM meta WHERE id = 1", &found->swept},
        {"SELECT (SELECT count(*) FROM readings)"
         " + (SELECT coalesce(sum(last - first + 1), 0) FROM gaps)",
         &found->count},
        {"SELECT coalesce(min(n), 0)"
         " FROM (SELECT min(seq) AS n FROM readings UNION ALL SELECT min(first) FROM gaps)",
         &found->lowest},
        {"SELECT coalesce(max(n), 0)"
         " FROM (SELECT max(seq) AS n FROM readings UNION ALL SELECT max(last) FROM gaps)",
         &found->highest},
        {"SELECT (SELECT count(*) FROM gaps JOIN readings ON seq BETWEEN first AND last)"
         " + (SELECT count(*) FROM gaps a JOIN gaps b ON b.first > a.first AND b.first <= a.last)",
         &found->twice},
    };
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < sizeof(all) / sizeof(all[0]); i++)
        code = ask_number(db, all[i].sql, all[i].number);
    return code;
}

static bool is_sound(const struct contents *found)
{
    return found->swept >= 0 && found->forgotten >= found->swept &&
           found->last >= found->forgotten && found->last < INT64_MAX && found->twice == 0 &&
           found->count == found->last - found->swept &&
           (found->count == 0 ||
            (found->lowest == found->swept + 1 && found->highest == found->last));
}

/* Reads the meta row into file->state, and holds it against the readings and gaps. */
static enum sl_status load(struct sl_sqlite *file, const char *path)
{
    struct contents found = {0};
    char stream[TEXT_SIZE] = "";

    char sensor[TEXT_SIZE] = "";

    int code = ask_text(file->db, "SELECT stream FROM meta WHERE id = 1", stream);
    if (code == SQLITE_OK)
        code = ask_text(file->db, "SELECT sensor FROM meta WHERE id = 1", sensor);
    if (code == SQLITE_OK)
        code = read_contents(file->db, &found);
    if (code == SQLITE_ERROR)
        return unusable(file, path, "its tables aren't those of a spool");
    if (code != SQLITE_OK)
        return open_failed(file, path, code);
    if (!sl_spool_stream_valid(stream) || !is_sound(&found))
        return unusable(file, path, "its numbers contradict each other");

    memcpy(file->state.stream, stream, SL_SPOOL_STREAM_SIZE);
    (void)snprintf(file->state.sensor, sizeof(file->state.sensor), "%s", sensor);
    file->forgotten = found.forgotten;
    file->state.first = found.forgotten + 1;
    file->state.last = found.last;
    file->next = found.last + 1;
    file->swept = found.swept;
    file->swept_at = file->next;
    return SL_OK;
}

/* Each statement of the spool at work. */
static const char *const statements[SL_SPOOL_STATEMENTS] = {
    [SL_SPOOL_INSERT] = "INSERT INTO readings (seq, time_us, text) VALUES (?1, ?2, ?3)",
    [SL_SPOOL_SELECT] = "SELECT seq, time_us, text FROM readings WHERE seq BETWEEN ?1 AND ?2"
                        " ORDER BY seq",
    [SL_SPOOL_FORGET] = "DELETE FROM readings WHERE seq <= ?1",
    [SL_SPOOL_FORGET_ALL] = "DELETE FROM readings",
    [SL_SPOOL_DROP] = "DELETE FROM readings WHERE seq BETWEEN ?1 AND ?2",
    [SL_SPOOL_UPDATE] = "UPDATE meta SET last = ?1, forgotten = ?2, swept = ?3, sensor = ?4"
                        " WHERE id = 1",
    [SL_SPOOL_FORGET_GAPS] = "DELETE FROM gaps WHERE first <= ?1 AND last <= ?1",
    [SL_SPOOL_TRIM_GAP] = "UPDATE gaps SET first = ?1 + 1 WHERE first <= ?1",
    [SL_SPOOL_LOWEST] = "SELECT min(seq) FROM readings WHERE seq >= ?1",
    [SL_SPOOL_NEXT_GAP] = "SELECT min(first) FROM gaps WHERE first >= ?1",
    /* Each gap has its reason, until there are so many of them that they would fill the disk. */
    [SL_SPOOL_WIDEN_GAP] =
        "UPDATE gaps SET last = ?2"
        " WHERE first = (SELECT max(first) FROM gaps WHERE first < ?1) AND last = ?1 - 1"
        " AND (reason = ?3 OR (SELECT count(*) FROM gaps) >= 1000)",
    [SL_SPOOL_ADD_GAP] = "INSERT INTO gaps (first, last, reason) VALUES (?1, ?2, ?3)",
    [SL_SPOOL_FIND_GAP] = "SELECT first, last, reason FROM gaps"
                          " WHERE first = (SELECT max(first) FROM gaps WHERE first <= ?1)"
                          " AND last >= ?1",
    [SL_SPOOL_COUNT_GAPS] =
        "SELECT coalesce(sum(last - max(first, ?1) + 1), 0) FROM gaps WHERE last >= ?1",
};

static enum sl_status prepare(struct sl_sqlite *file, const char *path)
{
    for (size_t i = 0; i < SL_SPOOL_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(file->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &file->statements[i], NULL);
        if (code == SQLITE_ERROR)
            return unusable(file, path, "its tables aren't those of a spool");
        if (code != SQLITE_OK)
            return open_failed(file, path, code);
    }
    int counted = sl_sqlite_gaps_count(file);
    if (counted != SQLITE_OK)
        return open_failed(file, path, counted);
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

    int64_t version = 0;
    enum sl_status status = make_file(file, plain);
    if (status == SL_OK) {
        int code = connect_to(file, plain, SQLITE_OPEN_READWRITE);
        status = code == SQLITE_OK ? claim(file, path) : open_failed(file, path, code);
    }
    if (status == SL_OK)
        status = recognise(file, path, &version);
    if (status == SL_OK && version > 0)
        status = check_pages(file, path);
    if (status == SL_OK)
        status = set_up(file, path);
    if (status == SL_OK && version == 0)
        status = make_spool(file, path);
    if (status == SL_OK && version > 0 && version < VERSION)
        status = change_tables(file, path, version, "");
    if (status == SL_OK)
        status = load(file, path);
    if (status == SL_OK)
        status = prepare(file, path);
    free(plain);
    return status;
}

void sl_sqlite_close(struct sl_sqlite *file)
{
    for (size_t i = 0; i < SL_SPOOL_STATEMENTS; i++)
        (void)sqlite3_finalize(file->statements[i]);
    (void)sqlite3_close(file->db);
}

/* What a look at an opened file finds. */
static enum sl_status look_into(struct sl_sqlite *file, const char *path,
                                struct sl_spool_look *look)
{
    enum sl_status status = recognise(file, path, &look->version);

    if (status == SL_OK && look->version > 0)
        status = check_pages(file, path);
    if (status != SL_OK || look->version != VERSION)
        return status;
    status = load(file, path);
    look->state = file->state;
    if (status != SL_OK)
        return status;
    int code = ask_number(file->db,
                          "SELECT count(*) FROM readings WHERE seq > (SELECT forgotten FROM meta)",
                          &look->state.readings);
    return code == SQLITE_OK ? SL_OK : open_failed(file, path, code);
}

/*
 * A client leaves no log when it closes its spool in order. Where there is none, nobody has the
 * file open, and SQLite is told so: otherwise it would make a log and shared memory beside it.
 */
enum sl_status sl_spool_look(const char *path, struct sl_spool_look *look, char *error,
                             size_t error_size)
{
    struct sl_sqlite file = {.error = "out of memory"};
    char *log = NULL;
    bool still = asprintf(&log, "%s-wal", path) >= 0 && access(log, F_OK) != 0;
    char *name = still ? sl_file_uri(path, "immutable=1") : plain_path(path);
    enum sl_status status = SL_NOMEM;

    *look = (struct sl_spool_look){.newest = VERSION};
    if (name) {
        int code = connect_to(&file, name, SQLITE_OPEN_READONLY | (still ? SQLITE_OPEN_URI : 0));
        status = code == SQLITE_OK ? look_into(&file, path, look) : open_failed(&file, path, code);
    }
    if (status != SL_OK)
        (void)snprintf(error, error_size, "%s", file.error);
    sl_sqlite_close(&file);
    free(name);
    free(log);
    return status;
}
