/* SPDX-License-Identifier: Apache-2.0 */
/* checkpointer.c -- see checkpointer.h. */
#include "store/checkpointer.h"

#include <assert.h>

enum { BUSY_TIMEOUT_MS = 5000, PARTS = 16, PASSES = 2 };

/* After each commit that made the log longer, in the writer's thread. */
static int note_log(void *ctx, sqlite3 *writer, const char *name, int pages)
{
    struct sl_checkpointer *self = ctx;

    (void)writer;
    (void)name;
    if (pages <= self->log) {
        self->next = self->pages;
        self->since = 0;
        self->moved = 0;
        self->passes = 0;
        self->anew = true;
    }
    self->log = pages;
    return SQLITE_OK;
}

/*
 * Moves what no reader holds; the writer goes on meanwhile. `*moved`: how many of the log's pages
 * were moved by now, where that isn't known it's left as it is.
 */
static enum sl_checkpointer_outcome move_log(sqlite3 *db, int *moved)
{
    int log = 0;
    int done = 0;
    int code = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_PASSIVE, &log, &done);

    if (code == SQLITE_OK)
        *moved = done;
    if (code == SQLITE_OK)
        return done == log ? SL_CHECKPOINTER_THROUGH : SL_CHECKPOINTER_LATER;
    return sqlite3_extended_errcode(db) == SQLITE_IOERR_FSYNC ? SL_CHECKPOINTER_SPOILED
                                                              : SL_CHECKPOINTER_LATER;
}

/*
 * SQLite syncs the database only where it comes to the log's end, which a writer that goes on moves
 * away: all of it would be left to the writer.
 */
static enum sl_checkpointer_outcome sync_database(sqlite3 *db)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK)
        return SL_CHECKPOINTER_LATER;
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) == SQLITE_OK ? SL_CHECKPOINTER_THROUGH
                                                                        : SL_CHECKPOINTER_SPOILED;
}

static void *run(void *argument)
{
    struct sl_checkpointer *self = argument;

    (void)pthread_mutex_lock(&self->lock);
    while (!self->stop) {
        if (self->state != SL_CHECKPOINTER_ASKED) {
            (void)pthread_cond_wait(&self->changed, &self->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&self->lock);

        int moved = 0;
        enum sl_checkpointer_outcome outcome = move_log(self->db, &moved);

        if (outcome == SL_CHECKPOINTER_THROUGH)
            outcome = sync_database(self->db);
        (void)pthread_mutex_lock(&self->lock);
        self->outcome = outcome;
        self->thread_moved = moved;
        self->state = SL_CHECKPOINTER_DONE;
        (void)pthread_cond_broadcast(&self->changed);
    }
    (void)pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* Where there can't be a thread now, there may be one the next time. */
static bool start(struct sl_checkpointer *self)
{
    if (!self->running && self->db != NULL)
        self->running = pthread_create(&self->thread, NULL, run, self) == 0;
    return self->running;
}

/* Reads once, because SQLite opens the log then, and moves none before. */
static sqlite3 *connect(const char *path)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "PRAGMA synchronous = FULL; PRAGMA user_version", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return db;
    (void)sqlite3_close(db);
    return NULL;
}

void sl_checkpointer_open(struct sl_checkpointer *self, sqlite3 *writer, const char *path)
{
    self->writer = writer;
    self->pages = SL_CHECKPOINTER_PAGES;
    self->next = self->pages;
    (void)sqlite3_wal_hook(writer, note_log, self); /* SQLite moves nothing by itself from here */

    if (sqlite3_threadsafe() == 0 || pthread_mutex_init(&self->lock, NULL) != 0)
        return;
    if (pthread_cond_init(&self->changed, NULL) == 0) {
        self->db = connect(path);
        if (self->db != NULL)
            return;
        (void)pthread_cond_destroy(&self->changed);
    }
    (void)pthread_mutex_destroy(&self->lock);
}

/*
 * Asks the thread, unless it was asked. True where it is done, as far as it came: then `outcome`
 * and self->moved say how far.
 */
static bool ask(struct sl_checkpointer *self, bool behind, enum sl_checkpointer_outcome *outcome)
{
    (void)pthread_mutex_lock(&self->lock);
    if (self->state == SL_CHECKPOINTER_DONE && self->anew &&
        self->outcome != SL_CHECKPOINTER_SPOILED)
        self->state = SL_CHECKPOINTER_RESTS; /* that was another log */
    if (self->state == SL_CHECKPOINTER_RESTS) {
        assert(self->log > self->moved); /* or SQLite could lose a commit: see the header */
        self->state = SL_CHECKPOINTER_ASKED;
        self->anew = false;
        (void)pthread_cond_broadcast(&self->changed);
    }
    while (behind && self->state == SL_CHECKPOINTER_ASKED)
        (void)pthread_cond_wait(&self->changed, &self->lock);

    bool done = self->state == SL_CHECKPOINTER_DONE;

    if (done) {
        *outcome = self->outcome;
        self->moved = self->anew ? 0 : self->thread_moved; /* of another log it moved something */
        self->state = SL_CHECKPOINTER_RESTS;
    }
    (void)pthread_mutex_unlock(&self->lock);
    return done;
}

/* The writer moves what is left, while nobody else writes or moves. */
static enum sl_checkpointer_outcome move_rest(struct sl_checkpointer *self)
{
    self->since = 0;
    self->passes = 0;
    return self->log > self->moved ? move_log(self->writer, &self->moved) : SL_CHECKPOINTER_THROUGH;
}

/* What is due; without a thread all of it is left to the writer. */
static enum sl_checkpointer_outcome move_some(struct sl_checkpointer *self)
{
    enum sl_checkpointer_outcome outcome = SL_CHECKPOINTER_THROUGH;
    bool behind = self->log - self->since >= self->pages;

    if (start(self)) {
        if (!ask(self, behind, &outcome))
            return SL_CHECKPOINTER_LATER;
        if (outcome == SL_CHECKPOINTER_THROUGH && !behind && ++self->passes < PASSES &&
            self->log - self->moved > self->pages / PARTS) {
            (void)ask(self, false, &outcome); /* what came meanwhile is much: it goes over it */
            return SL_CHECKPOINTER_LATER;
        }
    }
    self->next = self->log + self->pages / PARTS + 1;
    if (outcome == SL_CHECKPOINTER_THROUGH || (outcome == SL_CHECKPOINTER_LATER && behind))
        return move_rest(self);
    return outcome;
}

enum sl_status sl_checkpointer_turn(struct sl_checkpointer *self)
{
    if (!self->spoiled && self->writer != NULL && self->log >= self->next) {
        if (self->since == 0)
            self->since = self->log;
        self->spoiled = move_some(self) == SL_CHECKPOINTER_SPOILED;
    }
    return self->spoiled ? SL_IO : SL_OK;
}

static void stop(struct sl_checkpointer *self)
{
    (void)pthread_mutex_lock(&self->lock);
    self->stop = true;
    (void)pthread_cond_broadcast(&self->changed);
    (void)pthread_mutex_unlock(&self->lock);
    (void)pthread_join(self->thread, NULL);
    self->running = false;
    if (self->outcome == SL_CHECKPOINTER_SPOILED)
        self->spoiled = true;
}

void sl_checkpointer_close(struct sl_checkpointer *self)
{
    if (self->running)
        stop(self);
    if (self->spoiled)
        (void)sqlite3_db_config(self->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (self->db == NULL)
        return;

    int code = sqlite3_close(self->db);

    assert(code == SQLITE_OK);
    (void)code;
    (void)pthread_cond_destroy(&self->changed);
    (void)pthread_mutex_destroy(&self->lock);
    self->db = NULL;
}
