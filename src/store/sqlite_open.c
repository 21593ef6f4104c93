/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_open.c -- opens or makes a store's file, and keeps a second server out of it.
 *
 * A server holds flock() on FILE.lock while it has FILE open. The lock ends with the process,
 * however that ends, and leaves SQLite's own locks alone, so that readers work beside a server.
 * FILE.lock itself stays: removing it could let two servers in. It names the process that made it,
 * for people.
 *
 * A file that isn't a store of ours is refused before anything is written to it. A damaged one is
 * never deleted: it is refused, or renamed where the caller wants that.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/schema.h"
#include "store/sqlite.h"

enum {
    BUSY_TIMEOUT_MS = 5000,
    TEXT_SIZE = 64,
    CHECK_BYTES_MAX = 64 << 20, /* a larger file isn't read whole: that would take seconds */
    PAGE_SIZE = 4096,           /* of the stores that SQLite makes for us */
    NAMES_MAX = 100             /* of files moved aside in one second */
};

struct opening {
    struct sl_sqlite_store *self;
    char *path;       /* the file's real path, so that links to it meet at one lock */
    const char *name; /* as the user wrote it, for sentences */
    bool fresh;       /* an empty database: the tables aren't there yet */
    int64_t version;  /* of one that isn't empty */
    struct sl_store_repair *repair;
    char *error;
    size_t error_size;
};

static enum sl_status say(const struct opening *opening, enum sl_status status, const char *what)
{
    snprintf(opening->error, opening->error_size, "store '%s': %s", opening->name, what);
    return status;
}

static enum sl_status say_errno(const struct opening *opening, const char *what)
{
    int code = errno;

    snprintf(opening->error, opening->error_size, "store '%s': %s: %s", opening->name, what,
             strerror(code));
    return SL_IO;
}

/*
 * A file without SQLite's mark at its beginning may be a store that lost its first page, or no
 * database at all: somebody's text, say. A store has whole pages.
 */
static bool was_a_store(const struct opening *opening)
{
    struct stat about;

    if (sqlite3_errcode(opening->self->db) != SQLITE_NOTADB)
        return true;
    return opening->path != NULL && stat(opening->path, &about) == 0 && about.st_size > 0 &&
           about.st_size % PAGE_SIZE == 0;
}

/* Says what SQLite said, with what to do where the file itself is the fault. */
static enum sl_status say_sqlite(const struct opening *opening, enum sl_status status)
{
    const char *detail = opening->self->error;
    const char *advice = "";

    if (status == SL_BAD_INPUT && !was_a_store(opening)) {
        advice = "; it was left as it is: name another store";
    } else if (status == SL_BAD_INPUT) {
        opening->repair->damaged = true;
        advice = "; it was left as it is: keep a copy of it and of its -wal file, try `sqlite3 "
                 "FILE .recover`; to go on at once, name another store or start with "
                 "--on-corrupt=move-aside";
    }
    snprintf(opening->error, opening->error_size, "store '%s': %s%s", opening->name, detail,
             advice);
    /* A full disk isn't "another server has it open", which is what SL_LIMIT means to an opener. */
    return status == SL_LIMIT ? SL_IO : status;
}

static enum sl_status sync_folder(const struct opening *opening)
{
    char *copy = strdup(opening->path != NULL ? opening->path : opening->name);

    if (copy == NULL)
        return SL_NOMEM;

    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = folder < 0 || fsync(folder) != 0;
    enum sl_status status = failed ? say_errno(opening, "can't sync its folder") : SL_OK;

    if (folder >= 0)
        (void)close(folder);
    free(copy);
    return status;
}

/*
 * Makes the file where there is none, because SQLite would make it readable to everybody. A file
 * that exists is never opened here: closing it again would drop locks that SQLite holds on it in
 * this process.
 */
static enum sl_status make_file(struct opening *opening)
{
    struct stat about;
    int fd = open(opening->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (fd >= 0) {
        (void)close(fd);
        enum sl_status status = sync_folder(opening);
        if (status != SL_OK)
            return status;
    } else if (errno != EEXIST) {
        return say_errno(opening, "can't make it");
    }

    opening->path = realpath(opening->name, NULL);
    if (opening->path == NULL)
        return say_errno(opening, "can't open it");
    if (stat(opening->path, &about) != 0)
        return say_errno(opening, "can't open it");
    if (!S_ISREG(about.st_mode))
        return say(opening, SL_IO, "this isn't a file");
    return SL_OK;
}

/* Says who holds the lock, as far as that can be read. */
static enum sl_status say_locked(const struct opening *opening, int fd)
{
    char holder[TEXT_SIZE] = "";
    char what[TEXT_SIZE * 2];
    ssize_t len = pread(fd, holder, sizeof holder - 1, 0);

    holder[len > 0 ? strspn(holder, "0123456789") : 0] = '\0';
    if (holder[0] == '\0')
        snprintf(what, sizeof what, "another server has it open");
    else
        snprintf(what, sizeof what, "another server has it open (process %s)", holder);
    return say(opening, SL_LIMIT, what);
}

static enum sl_status lock_file(struct opening *opening)
{
    char *path = NULL;
    char holder[TEXT_SIZE];

    if (asprintf(&path, "%s.lock", opening->path) < 0)
        return SL_NOMEM;

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    int code = errno;

    free(path);
    errno = code;
    if (fd < 0)
        return say_errno(opening, "can't open its lock file (FILE.lock)");
    opening->self->lock_fd = fd;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? say_locked(opening, fd)
                                    : say_errno(opening, "can't lock its lock file (FILE.lock)");

    /*
     * Only for people who wonder: a lock works as well without the number of its process. The
     * blanks cover what an earlier server left.
     */
    int len = snprintf(holder, sizeof holder, "%-20ld\n", (long)getpid());
    ssize_t written = pwrite(fd, holder, (size_t)len, 0);

    (void)written;
    return SL_OK;
}

/* Runs a query whose answer is one number. */
static enum sl_status ask(const struct opening *opening, const char *query, int64_t *answer)
{
    struct sl_sqlite_store *self = opening->self;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = SL_OK;

    if (sqlite3_prepare_v2(self->db, query, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        *answer = sqlite3_column_int64(statement, 0);
    else
        status = say_sqlite(opening, sl_sqlite_fail(self, "can't read it"));
    (void)sqlite3_finalize(statement);
    return status;
}

static enum sl_status execute(const struct opening *opening, const char *statements)
{
    if (sqlite3_exec(opening->self->db, statements, NULL, NULL, NULL) == SQLITE_OK)
        return SL_OK;
    return say_sqlite(opening, sl_sqlite_fail(opening->self, "can't set it up"));
}

/* Finds out whose file this is, before anything is written. */
static enum sl_status identify(struct opening *opening)
{
    char what[TEXT_SIZE * 4];
    int64_t application = 0;
    int64_t tables = 0;
    enum sl_status status = ask(opening, "PRAGMA application_id", &application);

    if (status == SL_OK)
        status = ask(opening, "PRAGMA user_version", &opening->version);
    if (status == SL_OK)
        status = ask(opening, "SELECT count(*) FROM sqlite_master", &tables);
    if (status != SL_OK)
        return status;

    opening->fresh = application == 0 && opening->version == 0 && tables == 0;
    if (opening->fresh)
        return SL_OK;
    if (application != SL_STORE_APPLICATION_ID)
        return say(opening, SL_BAD_INPUT,
                   "this is another program's database; it was left as it is: name another store");
    if (opening->version > SL_STORE_VERSION) {
        snprintf(
            what, sizeof what,
            "it was made by a later sensorlink (its format is %lld, this one knows %lld); it was "
            "left as it is: use that version",
            (long long)opening->version, (long long)SL_STORE_VERSION);
        return say(opening, SL_BAD_INPUT, what);
    }
    if (opening->version < 1)
        return say(opening, SL_BAD_INPUT, "it has no format version; it was left as it is");
    return SL_OK;
}

/* Reads the whole of a file that isn't too large for damage; see CHECK_BYTES_MAX. */
static enum sl_status check_pages(const struct opening *opening)
{
    struct sl_sqlite_store *self = opening->self;
    sqlite3_stmt *statement = NULL;
    int64_t pages = 0;
    int64_t page_size = 0;
    enum sl_status status = ask(opening, "PRAGMA page_count", &pages);

    if (status == SL_OK)
        status = ask(opening, "PRAGMA page_size", &page_size);
    if (status != SL_OK || pages * page_size > CHECK_BYTES_MAX)
        return status;
    if (sqlite3_prepare_v2(self->db, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        status = say_sqlite(opening, sl_sqlite_fail(self, "can't read it"));
    } else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
        snprintf(self->error, sizeof self->error, "it is damaged: %.200s",
                 (const char *)sqlite3_column_text(statement, 0));
        self->error[strcspn(self->error, "\n")] = '\0';
        status = say_sqlite(opening, SL_BAD_INPUT);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

/*
 * Some file systems can't do WAL; SQLite then stays in another mode without calling that an error.
 */
static enum sl_status use_wal(const struct opening *opening)
{
    struct sl_sqlite_store *self = opening->self;
    sqlite3_stmt *statement = NULL;
    enum sl_status status = SL_OK;

    if (sqlite3_prepare_v2(self->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL) !=
            SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        status = say_sqlite(opening, sl_sqlite_fail(self, "can't set it up"));
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
        status = say(opening, SL_IO, "SQLite can't use a write-ahead log on this file system");
    (void)sqlite3_finalize(statement);
    return status;
}

static enum sl_status make_tables(const struct opening *opening)
{
    char marks[TEXT_SIZE * 2];

    snprintf(marks, sizeof marks,
             "PRAGMA application_id = %lld; PRAGMA user_version = %lld; COMMIT",
             (long long)SL_STORE_APPLICATION_ID, (long long)SL_STORE_VERSION);

    enum sl_status status = execute(opening, "BEGIN IMMEDIATE");

    if (status == SL_OK)
        status = execute(opening, sl_store_schema());
    if (status == SL_OK)
        status = execute(opening, marks);
    return status;
}

/*
 * Brings a file of an earlier version to ours, in one transaction: it is of the one version or of
 * the other, whatever happens meanwhile.
 */
static enum sl_status upgrade_tables(const struct opening *opening)
{
    char marks[TEXT_SIZE];
    enum sl_status status = execute(opening, "BEGIN IMMEDIATE");

    snprintf(marks, sizeof marks, "PRAGMA user_version = %lld; COMMIT",
             (long long)SL_STORE_VERSION);
    for (int64_t at = opening->version; at < SL_STORE_VERSION && status == SL_OK; at++)
        status = execute(opening, sl_store_upgrade(at));
    if (status == SL_OK)
        status = execute(opening, marks);
    return status;
}

/*
 * Settings of this connection. FULL syncs the write-ahead log at every commit: an acknowledged
 * reading survives a power cut. The log is moved into the database by checkpointer.h, and its file
 * is cut back to 64 MB after a reader made it longer. What SQLite keeps aside stays in memory: a
 * server that is confined has no folder for it.
 */
static enum sl_status configure(const struct opening *opening, bool file)
{
    enum sl_status status = SL_OK;

    if (file)
        status = use_wal(opening);
    if (status == SL_OK)
        status = execute(opening, "PRAGMA synchronous = FULL;"
                                  "PRAGMA foreign_keys = ON;"
                                  "PRAGMA temp_store = MEMORY;"
                                  "PRAGMA wal_autocheckpoint = 0;"
                                  "PRAGMA journal_size_limit = 67108864");
    if (status == SL_OK && opening->fresh)
        status = make_tables(opening);
    else if (status == SL_OK && opening->version < SL_STORE_VERSION)
        status = upgrade_tables(opening);
    if (status == SL_OK) {
        status = sl_sqlite_prepare(opening->self);
        if (status != SL_OK)
            status = say_sqlite(opening, status);
    }
    if (status == SL_OK && file)
        sl_checkpointer_open(&opening->self->checkpointer, opening->self->db, opening->path);
    return status;
}

static enum sl_status connect(struct opening *opening, const char *path, int flags)
{
    struct sl_sqlite_store *self = opening->self;
    int code =
        sqlite3_open_v2(path, &self->db, flags | SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (self->db == NULL)
        return SL_NOMEM;
    if (code != SQLITE_OK || sqlite3_extended_result_codes(self->db, 1) != SQLITE_OK ||
        sqlite3_busy_timeout(self->db, BUSY_TIMEOUT_MS) != SQLITE_OK)
        return say_sqlite(opening, sl_sqlite_fail(self, "can't open it"));
    if (sqlite3_db_readonly(self->db, "main") == 1)
        return say(opening, SL_IO, "it isn't writable for this user");
    return SL_OK;
}

/* Closing another program's database must not move its write-ahead log into it. */
static enum sl_status checkpoint_on_close(const struct opening *opening, int yes)
{
    if (sqlite3_db_config(opening->self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !yes, NULL) ==
        SQLITE_OK)
        return SL_OK;
    return say_sqlite(opening, sl_sqlite_fail(opening->self, "can't set it up"));
}

static struct sl_sqlite_store *new_store(void)
{
    struct sl_sqlite_store *self = calloc(1, sizeof *self);

    if (self != NULL) {
        self->store.functions = sl_sqlite_functions();
        self->lock_fd = -1;
    }
    return self;
}

/*
 * The first statement of a store that fails to open may leave a transaction; close() rolls it back.
 */
static void give_up(struct sl_sqlite_store *self)
{
    if (self->db != NULL) {
        self->store.functions->close(&self->store);
        return;
    }
    if (self->lock_fd >= 0)
        (void)close(self->lock_fd);
    free(self);
}

/* Opens, checks or makes the file. After a failure the caller gives opening->self up. */
static enum sl_status open_file(struct opening *opening)
{
    enum sl_status status = make_file(opening);

    if (status == SL_OK && opening->self->lock_fd < 0)
        status = lock_file(opening);
    if (status == SL_OK)
        status = connect(opening, opening->path, 0);
    if (status == SL_OK)
        status = checkpoint_on_close(opening, 0);
    if (status == SL_OK)
        status = identify(opening);
    if (status == SL_OK && !opening->fresh)
        status = check_pages(opening);
    if (status == SL_OK)
        status = configure(opening, true);
    if (status == SL_OK)
        status = checkpoint_on_close(opening, 1);
    return status;
}

/* Renames the file and what belongs to it to `to`; where it has no such file that's fine. */
static enum sl_status rename_all(const struct opening *opening, const char *to)
{
    /* The database last: with another log than its own it must never be opened. */
    static const char *const endings[] = {"-wal", "-shm", ""};

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char *from_name = NULL;
        char *to_name = NULL;
        int failed = asprintf(&from_name, "%s%s", opening->path, endings[i]) < 0;

        if (!failed && asprintf(&to_name, "%s%s", to, endings[i]) < 0)
            failed = 1;
        if (!failed)
            failed = rename(from_name, to_name) != 0 && errno != ENOENT;

        enum sl_status status = failed ? say_errno(opening, "can't move it aside") : SL_OK;

        free(from_name);
        free(to_name);
        if (status != SL_OK)
            return status;
    }
    return sync_folder(opening);
}

/* Finds a name that is free, and gives it to the damaged file. */
static enum sl_status move_aside(const struct opening *opening)
{
    char *to = opening->repair->moved_to;
    size_t size = sizeof opening->repair->moved_to;
    char stamp[TEXT_SIZE] = "";
    time_t now = time(NULL);
    struct tm utc;
    bool taken = true;

    if (gmtime_r(&now, &utc) != NULL)
        (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    for (int i = 0; i < NAMES_MAX && taken; i++) {
        int len = i == 0 ? snprintf(to, size, "%s.corrupt-%s", opening->path, stamp)
                         : snprintf(to, size, "%s.corrupt-%s.%d", opening->path, stamp, i);

        if (len < 0 || (size_t)len >= size)
            break;
        taken = access(to, F_OK) == 0;
    }

    enum sl_status status =
        taken ? say(opening, SL_IO, "no name is free to move it aside") : rename_all(opening, to);

    if (status != SL_OK)
        to[0] = '\0';
    return status;
}

/* The damaged file makes way, while the lock is held, and a new one is made. */
static enum sl_status start_anew(struct opening *opening)
{
    int lock_fd = opening->self->lock_fd;

    opening->self->lock_fd = -1;
    give_up(opening->self);
    opening->self = new_store();
    if (opening->self == NULL) {
        (void)close(lock_fd);
        return SL_NOMEM;
    }
    opening->self->lock_fd = lock_fd;

    enum sl_status status = move_aside(opening);
    const char *name = opening->name;
    char *path = opening->path;

    if (status == SL_OK) {
        opening->name = path; /* the name may be a link, which leads nowhere now */
        opening->path = NULL;
        status = open_file(opening);
        opening->name = name;
        free(path);
    }
    return status;
}

enum sl_status sl_store_open_sqlite_repairing(const char *path, struct sl_store_repair *repair,
                                              struct sl_store **store, char *error,
                                              size_t error_size)
{
    struct opening opening = {.self = new_store(),
                              .name = path,
                              .repair = repair,
                              .error = error,
                              .error_size = error_size};

    repair->damaged = false;
    repair->moved_to[0] = '\0';
    snprintf(error, error_size, "store '%s': no memory", path);
    if (opening.self == NULL)
        return SL_NOMEM;

    enum sl_status status = open_file(&opening);

    if (status == SL_BAD_INPUT && repair->damaged && repair->move_aside)
        status = start_anew(&opening);
    free(opening.path);
    if (status != SL_OK) {
        if (opening.self != NULL)
            give_up(opening.self);
        return status;
    }
    error[0] = '\0';
    *store = &opening.self->store;
    return SL_OK;
}

enum sl_status sl_store_open_sqlite(const char *path, struct sl_store **store, char *error,
                                    size_t error_size)
{
    struct sl_store_repair repair = {.move_aside = false};

    return sl_store_open_sqlite_repairing(path, &repair, store, error, error_size);
}

/* The same engine on a database in memory: one engine less that could behave in its own way. */
enum sl_status sl_store_open_memory(struct sl_store **store)
{
    char error[SL_SQLITE_ERROR_SIZE];
    struct sl_store_repair repair = {.move_aside = false};
    struct opening opening = {.self = new_store(),
                              .name = ":memory:",
                              .repair = &repair,
                              .fresh = true,
                              .error = error,
                              .error_size = sizeof error};

    if (opening.self == NULL)
        return SL_NOMEM;

    enum sl_status status = connect(&opening, ":memory:", SQLITE_OPEN_MEMORY);

    if (status == SL_OK)
        status = configure(&opening, false);
    if (status != SL_OK) {
        give_up(opening.self);
        return status;
    }
    *store = &opening.self->store;
    return SL_OK;
}
