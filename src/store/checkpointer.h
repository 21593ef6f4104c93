/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpointer.h -- moves the write-ahead log into the database, in a thread of its own, so that
 * nobody waits for an acknowledgement meanwhile. Only the SQLite engine and its tests include it.
 *
 * From `pages` pages of log on the writer asks the thread, and goes on committing. The thread goes
 * over the log twice, and syncs the database each time: the second time is for what was committed
 * during the first. What is left then is little, and the writer moves it itself between two
 * transactions, because the log can only begin anew where nothing is left in it.
 *
 * Where a sync fails, pages that SQLite counts as moved may be lost, and no later sync would tell.
 * So nothing is moved any more: the log has it all, grows, and is left as it is at the end. Who
 * opens the store next moves it from its beginning.
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
    enum sl_checkpointer_outcome outcome;
    bool stop;
};

/*
 * Opens the connection to the database at `path`, which is known to be ours, and takes over from
 * `writer` when its log is moved. Starts nothing. `self` is all zeros, and stays where it is.
 */
void sl_checkpointer_open(struct sl_checkpointer *self, sqlite3 *writer, const char *path);

/* Does what is due. For the writer, outside of a transaction. */
void sl_checkpointer_turn(struct sl_checkpointer *self);

/* Ends the thread and closes its connection; the writer's is still open. All zeros are allowed. */
void sl_checkpointer_close(struct sl_checkpointer *self);

#endif
