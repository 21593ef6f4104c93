/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_file.h -- what the two files of the SQLite spool share: opening (sqlite_file.c) and
 * working (sqlite.c).
 *
 * The file (readable with the sqlite3 shell while no client has it open):
 *
 *   application_id 0x534C5350 ("SLSP"), user_version 4, WAL
 *   meta      one row: stream (32 hex digits), last (highest number given out, ever),
 *             forgotten (highest number that the server is known to have), sensor (whose
 *             readings these are; null: not known yet), swept (highest number that was deleted
 *             for that: what lies up to forgotten still may be there, and counts no more)
 *   readings  seq, time_us (null: no clock), text (`name: value[ unit]`)
 *   gaps      first, last, reason: numbers whose readings were given up or couldn't be kept
 *
 * Numbers swept+1 .. last are in `readings` or in `gaps`, each once. One transaction adds
 * readings, takes forgotten ones away and sets `last`, `forgotten` and `swept`, so that holds
 * whenever the power goes. Version 1 had no `gaps`, version 2 no `sensor` and version 3 no `swept`;
 * they are brought up to this one when they are opened.
 *
 * `last` never goes back, so no number is used twice, also when `readings` is empty.
 *
 * With WAL and synchronous=FULL each commit is one write and one fsync() of the log file. A number
 * forgotten in memory but not on disk is sent again after a crash, and acknowledged again.
 *
 * Memory   struct sl_sqlite is one heap block; SQLite's page cache takes up to 2 MB.
 * Threads  One at a time.
 */
#ifndef SL_SPOOL_SQLITE_FILE_H
#define SL_SPOOL_SQLITE_FILE_H

#include <stdbool.h>

#include <sqlite3.h>

#include "sensorlink/spool.h"

enum { SL_SQLITE_ERROR_SIZE = 400 };

enum sl_spool_statement {
    SL_SPOOL_INSERT,
    SL_SPOOL_SELECT,
    SL_SPOOL_FORGET,
    SL_SPOOL_FORGET_ALL,
    SL_SPOOL_DROP,
    SL_SPOOL_UPDATE,
    SL_SPOOL_FORGET_GAPS,
    SL_SPOOL_TRIM_GAP,
    SL_SPOOL_LOWEST,
    SL_SPOOL_NEXT_GAP,
    SL_SPOOL_WIDEN_GAP,
    SL_SPOOL_ADD_GAP,
    SL_SPOOL_FIND_GAP,
    SL_SPOOL_COUNT_GAPS,
    SL_SPOOL_STATEMENTS
};

/* A spool's state plus what SQLite holds for it. */
struct sl_sqlite {
    struct sl_spool spool; /* first: the two are the same address */
    struct sl_spool_state state;
    int64_t next;        /* the number that the next append gives */
    int64_t forgotten;   /* what `forgotten` is on disk */
    int64_t gap_numbers; /* how many of state.first .. next - 1 are in gaps */
    int64_t swept;       /* what `swept` is on disk */
    int64_t swept_at;    /* what `next` was then */
    int64_t few;         /* so many forgotten ones aren't deleted one by one, */
    int64_t portion;     /* but so many at once */
    bool changed;        /* the open transaction drops or omits numbers */
    bool was_full;       /* the disk, some time since it was opened */
    enum sl_status lost; /* not SL_OK: the open transaction is gone, commit has to say so */
    sqlite3 *db;
    sqlite3_stmt *statements[SL_SPOOL_STATEMENTS];
    char error[SL_SQLITE_ERROR_SIZE];
};

/* Opens, checks or makes the file of `path` into a zeroed `file`; statuses as sl_spool_open(). */
SL_MUST_USE enum sl_status sl_sqlite_open(struct sl_sqlite *file, const char *path);

/* Closes the database; what isn't committed is gone. May be called after a failed open. */
void sl_sqlite_close(struct sl_sqlite *file);

/* Binds `count` numbers from parameter 1 on; returns SQLite's code. */
int sl_sqlite_bind(sqlite3_stmt *statement, const int64_t *numbers, int count);

/* Runs a prepared statement that gives no rows, and makes it ready for the next time. */
int sl_sqlite_run(sqlite3_stmt *statement);

/*
 * Runs a prepared statement, with `count` numbers bound, that gives one number, which may be null:
 * `*answer` is left as it is then. Returns SQLite's code.
 */
int sl_sqlite_ask(sqlite3_stmt *statement, const int64_t *numbers, int count, int64_t *answer);

/*
 * The work on gaps inside an open transaction; each returns SQLite's code. sqlite_gaps.c. drop: the
 * `count` oldest readings become gaps, up to `*last`. add: `first`..`last` are one. forget: numbers
 * up to `seq` are no more. count: sets file->gap_numbers.
 */
int sl_sqlite_gaps_drop(struct sl_sqlite *file, int64_t count, const char *reason, int64_t *last);
int sl_sqlite_gaps_add(struct sl_sqlite *file, int64_t first, int64_t last, const char *reason);
int sl_sqlite_gaps_forget(struct sl_sqlite *file, int64_t seq);
int sl_sqlite_gaps_count(struct sl_sqlite *file);

/* What the caller does about SQLite's result `code`. */
enum sl_status sl_sqlite_status(int code);

#endif
