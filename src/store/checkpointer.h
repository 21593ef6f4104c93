/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpointer.h -- moves the write-ahead log into the database, in a thread of its own, so that
 * nobody waits for an acknowledgement meanwhile. Only the SQLite engine and its tests include it.
 *
 * From `pages` pages of log on the writer asks the thread, and goes on committing. The thread goes
 * over the log and syncs the database; where much was committed meanwhile, it is asked once more.
 * What is left then is little, and the writer moves it itself between two transactions, because
 * the log can only begin anew where nothing is left in it.
 *
 * SQLite before 3.51.3, and so Debian's, loses commits where a checkpoint begins when nothing is
 * left in the log, and a commit begins the log anew at that moment (sqlite.org/wal.html, "the
 * WAL-reset bug"). So the thread is only asked while something is left, which nobody but itself can
 * take away, and goes over the log once for each time; only the writer moves the rest.
 *
 * Where a sync fails, pages that SQLite counts as moved may be lost, and no later sync would tell.
 * So nothing is moved any more, no transaction begins, and the log, which has it all, is left as it
 * is. Who opens the store next moves it from its beginning, if nobody else has it open then: what
 * SQLite counts as moved is kept as long as anybody has.
 *
 * Where the thread doesn't keep up, and the log has grown by `pages` again, the writer waits for it
 * and moves the rest. Where there is no thread, it moves everything. Where a reader holds the log,
 * or the disk is full, it is tried again when the log is a sixteenth of `pages` longer: nobody
 * spins, and no commit fails for it.
 *
 * Memory   Part of its store. It has a connection of its own, and none of its own files.
 * Limits   Without readers the log has at most 2.1 times `pages`, and two transactions.
 * Threads  One at a time, the writer's, calls these functions. The thread starts when it is first
 *          needed, so that it has the rights that the writer has then.
 */
#ifndef SL_STORE_CHECKPOINTER_H
#define SL_STORE_CHECKPOINTER_H

#include <pthread.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "sensorlink/status.h"

enum { SL_CHECKPOINTER_PAGES = 4000 }; /* 16 MB */

enum sl_checkpointer_state {
    SL_CHECKPOINTER_RESTS,
    SL_CHECKPOINTER_ASKED, /* until the thread is done */
    SL_CHECKPOINTER_DONE   /* until the writer has seen it */
};

enum sl_checkpointer_outcome {
    SL_CHECKPOINTER_THROUGH, /* it came to the end of the log as it was then */
    SL_CHECKPOINTER_LATER,   /* a reader holds the log, or the disk is full */
    SL_CHECKPOINTER_SPOILED  /* a sync failed */
};

struct sl_checkpointer {
    /* The writer's. */
    sqlite3 *writer; /* its connection; null: there is no log */
    int pages;       /* how long the log becomes */
    int log;         /* how long it is, in pages */
    int next;        /* nothing is to be done before it is so long */
    int since;       /* how long it was when something was due first; 0: nothing was */
    int moved;       /* how much of it was moved, as far as the writer knows */
    int passes;      /* of the thread, over what is due */
    bool anew;       /* the log began anew since the thread was asked */
    bool spoiled;    /* a sync failed */
    bool running;    /* there is a thread */
    pthread_t thread;
    /* The thread's, while it runs. Null: there can't be one. */
    sqlite3 *db;
    /* Of both, under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum sl_checkpointer_state state;
    enum sl_checkpointer_outcome outcome; /* of the last pass, */
    int thread_moved;                     /* and how much of the log was moved then */
    bool stop;
};

/*
 * Opens the connection to the database at `path`, which is known to be ours, and takes over from
 * `writer` when its log is moved. Starts nothing. `self` is all zeros, and stays where it is.
 */
void sl_checkpointer_open(struct sl_checkpointer *self, sqlite3 *writer, const char *path);

/*
 * Does what is due. For the writer, before a transaction. SL_IO: a sync failed, some time, and
 * there must be no other transaction; else SL_OK.
 */
SL_MUST_USE enum sl_status sl_checkpointer_turn(struct sl_checkpointer *self);

/* Ends the thread and closes its connection; the writer's is still open. All zeros are allowed. */
void sl_checkpointer_close(struct sl_checkpointer *self);

#endif
