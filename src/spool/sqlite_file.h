/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_file.h -- what the two files of the SQLite spool share: opening (sqlite_file.c) and
 * working (sqlite.c).
 *
 * The file (readable with the sqlite3 shell while no client has it open):
 *
 *   application_id 0x534C5350 ("SLSP"), user_version 1, WAL
 *   meta      one row: stream (32 hex digits), last (highest number given out, ever),
 *             forgotten (highest number that the server is known to have)
 *   readings  seq, time_us (null: no clock), text (`name: value[ unit]`)
 *
 * Numbers forgotten+1 .. last are in `readings`, each once. One transaction adds readings, takes
 * forgotten ones away and sets `last` and `forgotten`, so that holds whenever the power goes.
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

#include <sqlite3.h>

#include "sensorlink/spool.h"

enum { SL_SQLITE_ERROR_SIZE = 400 };

/* A spool's state plus what SQLite holds for it. */
struct sl_sqlite {
    struct sl_spool spool; /* first: the two are the same address */
    struct sl_spool_state state;
    int64_t next;        /* the number that the next append gives */
    int64_t forgotten;   /* what `forgotten` is on disk */
    enum sl_status lost; /* not SL_OK: the open transaction is gone, commit has to say so */
    sqlite3 *db;
    sqlite3_stmt *insert;
    sqlite3_stmt *select;
    sqlite3_stmt *forget;
    sqlite3_stmt *update;
    char error[SL_SQLITE_ERROR_SIZE];
};

/* Opens, checks or makes the file of `path` into a zeroed `file`; statuses as sl_spool_open(). */
SL_MUST_USE enum sl_status sl_sqlite_open(struct sl_sqlite *file, const char *path);

/* Closes the database; what isn't committed is gone. May be called after a failed open. */
void sl_sqlite_close(struct sl_sqlite *file);

/* What the caller does about SQLite's result `code`. */
enum sl_status sl_sqlite_status(int code);

#endif
