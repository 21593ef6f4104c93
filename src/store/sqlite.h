/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite.h -- the SQLite engine's own struct, shared by sqlite.c (what it does with an open
 * database) and sqlite_open.c (how one is opened). Nobody else includes it, but for its tests.
 *
 * Threads  The caller's, for everything but the checkpointer, which says itself what is whose.
 */
#ifndef SL_STORE_SQLITE_H
#define SL_STORE_SQLITE_H

#include <sqlite3.h>

#include "store/checkpointer.h"
#include "store/engine.h"

enum { SL_SQLITE_ERROR_SIZE = 512 };

enum sl_sqlite_statement {
    SL_SQLITE_BEGIN,
    SL_SQLITE_COMMIT,
    SL_SQLITE_ROLLBACK,
    SL_SQLITE_FIND_SENSOR,
    SL_SQLITE_ADD_SENSOR,
    SL_SQLITE_SEE_SENSOR,
    SL_SQLITE_SET_CLOCK,
    SL_SQLITE_FIND_STREAM,
    SL_SQLITE_ADD_STREAM,
    SL_SQLITE_READ_STREAM,
    SL_SQLITE_MOVE_STREAM,
    SL_SQLITE_ADD_BLOCK,
    SL_SQLITE_ADD_GAP,
    SL_SQLITE_COMPARE,
    SL_SQLITE_STATEMENTS
};

struct sl_sqlite_store {
    struct sl_store store; /* first: the engine's functions cast back */
    sqlite3 *db;
    sqlite3_stmt *statements[SL_SQLITE_STATEMENTS];
    struct sl_checkpointer checkpointer; /* all zeros for a store in memory */
    int lock_fd;        /* FILE.lock, held while the store is open; -1 for a store in memory */
    int64_t latest_us;  /* greatest received time so far; received times never fall below it */
    int64_t next_block; /* the key of the next block */
    char error[SL_SQLITE_ERROR_SIZE];
};

/* The engine's functions. Static storage. */
const struct sl_store_functions *sl_sqlite_functions(void);

/*
 * Prepares every statement and reads the latest received time; fails where tables of ours are
 * missing. Statuses as in store.h, with the sentence in `error`.
 */
SL_MUST_USE enum sl_status sl_sqlite_prepare(struct sl_sqlite_store *self);

/*
 * Puts what SQLite says of the last failure, after `doing`, into `error`. Returns the status to
 * give.
 */
enum sl_status sl_sqlite_fail(struct sl_sqlite_store *self, const char *doing);

#endif
