/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h -- where the server keeps readings: one struct of functions and one file per engine.
 *
 * The committer opens a transaction, appends what is waiting of many sessions, and commits once.
 * Nothing may be acknowledged before sl_store_commit() gave SL_OK.
 *
 * Readings travel as blocks: consecutive numbers of one stream, already in the form in which they
 * are stored (block.h), so that the one thread that commits does as little as it can.
 *
 * Memory   A store is made by its engine's open function and freed by sl_store_close().
 * Threads  One thread at a time (the committer). The SQLite engine has one of its own beside that
 *          (checkpointer.h), which ends in sl_store_close().
 */
#ifndef SL_STORE_STORE_H
#define SL_STORE_STORE_H

#include <stdbool.h>

#include "base/peer.h"
#include "store/block.h"
#include "wire/message.h"

struct sl_store;

/* One stream of one sensor, as sl_store_stream() found or made it. */
struct sl_store_stream {
    int64_t id;   /* the engine's key, for sl_store_append() and sl_store_gap() */
    int64_t last; /* highest number on disk or declared a gap; 0 for a new stream */
};

/* The stream id under which plain lines are kept; the store numbers them itself. */
#define SL_STREAM_PLAIN "plain"

/*
 * Opens or makes the SQLite file at `path` (WAL, synchronous=FULL, mode 0600 when it is made).
 * SL_OK         `*store` is the caller's.
 * SL_BAD_INPUT  Not a store of ours, of a later version, or damaged: `error` has one sentence.
 * SL_LIMIT      Another server has it open: `error` says so.
 * SL_IO         Can't be opened or made: `error` has one sentence.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_store_open_sqlite(const char *path, struct sl_store **store,
                                                char *error, size_t error_size);

/* What is done about a damaged file, and what was. */
struct sl_store_repair {
    bool move_aside;     /* in: rename it, with its log, and make a new store in its place */
    bool damaged;        /* out: the file is damaged; not one of another program or version */
    char moved_to[4096]; /* out: its new name; empty where it wasn't moved */
};

/*
 * The same, telling a damaged file from one that isn't ours, and moving it aside where that is
 * wanted: FILE becomes FILE.corrupt-<UTC time>, its -wal and -shm follow, and nothing is deleted.
 * A file of up to 64 MB is read whole for damage before it is used; the damage of a larger one may
 * show up later, and then the store fails.
 */
SL_MUST_USE enum sl_status sl_store_open_sqlite_repairing(const char *path,
                                                          struct sl_store_repair *repair,
                                                          struct sl_store **store, char *error,
                                                          size_t error_size);

/* A store in memory that forgets everything at close; for tests. */
SL_MUST_USE enum sl_status sl_store_open_memory(struct sl_store **store);

/* Rolls back what isn't committed, and frees. Null is allowed. */
void sl_store_close(struct sl_store *store);

/*
 * All of the following: SL_IO or SL_LIMIT (disk full) where the engine failed; sl_store_error()
 * says how. The transaction then has to be rolled back; a failed commit has done that itself.
 */

SL_MUST_USE enum sl_status sl_store_begin(struct sl_store *store);
SL_MUST_USE enum sl_status sl_store_commit(struct sl_store *store);
void sl_store_rollback(struct sl_store *store);

/*
 * Finds or makes the sensor and its stream, inside a transaction, and notes when the peer's
 * certificate ends. A stream belongs to one sensor: the same id from another sensor is another
 * stream.
 * SL_OK      `*out` is set.
 * SL_DENIED  A sensor is known whose name differs from this one's only in upper and lower case.
 */
SL_MUST_USE enum sl_status sl_store_stream(struct sl_store *store, const struct sl_peer *peer,
                                           const char *stream, int64_t now_us,
                                           struct sl_store_stream *out);

/*
 * Notes, inside a transaction, how far the server's clock is before the sensor's own, as that
 * measured it. A sensor that the store doesn't know has no row to note it in: nothing happens.
 */
SL_MUST_USE enum sl_status sl_store_clock(struct sl_store *store, const struct sl_peer *peer,
                                          int64_t now_us, int64_t offset_us);

/*
 * Appends a block under the peer's name, inside a transaction. `block->first` must be the stream's
 * last + 1; 0 lets the store number the block (plain lines). `received_us` never decreases in a
 * store: where the clock stepped back, the latest received time stands. `peer` must be the one that
 * the stream was opened with.
 * SL_OK      Appended; `*last` is the stream's new last. It's on disk after sl_store_commit().
 * SL_DENIED  Numbers don't follow: another session of the same stream was faster. Nothing was
 *            appended, and the transaction can go on.
 */
SL_MUST_USE enum sl_status sl_store_append(struct sl_store *store, const struct sl_peer *peer,
                                           int64_t stream, int64_t received_us,
                                           const struct sl_block *block, int64_t *last);

/* Records that `first`..`last` will never come. Statuses as for sl_store_append(). */
SL_MUST_USE enum sl_status sl_store_gap(struct sl_store *store, const struct sl_peer *peer,
                                        int64_t stream, int64_t received_us, int64_t first,
                                        int64_t last, struct sl_bytes reason);

/*
 * Compares the one reading of `block` with the one that is stored under `seq`, where that is in the
 * stream's newest block. A sensor that sends its last number again proves so that its spool is the
 * one that the stored readings came from.
 * SL_OK      The same, or nothing to compare with (a gap, an older block).
 * SL_DENIED  Another reading is stored under this number.
 */
SL_MUST_USE enum sl_status sl_store_compare(struct sl_store *store, const struct sl_peer *peer,
                                            int64_t stream, int64_t seq,
                                            const struct sl_block *block);

/* What the engine said of the last failure: one sentence, valid until the next call. Never null. */
const char *sl_store_error(const struct sl_store *store);

#endif
