/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch.h -- what one connection asks of the committer: open a stream, or put these readings and
 * gaps on disk. It goes to the committer through its queue and comes back with the answer.
 *
 * Memory   Made by the connection's worker, owned by the committer while it is under way, freed by
 *          the worker; the memory of a large text goes to the worker's spares, for the next one.
 * Limits   SL_BATCH_TEXT_MAX bytes of text; a batch that has reached it is full.
 * Threads  One owner at a time; the queues hand it over.
 */
#ifndef SL_SERVER_BATCH_H
#define SL_SERVER_BATCH_H

#include "base/peer.h"
#include "base/queue.h"
#include "store/block.h"
#include "wire/message.h"

enum { SL_BATCH_TEXT_MAX = 256 * 1024, SL_BATCH_ITEMS_MAX = 256, SL_BATCH_SPARES_MAX = 16 };

/*
 * Memory of large texts that were stored, for the next ones of the same worker. Without it malloc()
 * would give it back to the system and take it from there again, page by page, for each batch.
 * Start with `{0}`.
 */
struct sl_batch_spares {
    size_t count;
    size_t size; /* of all of them */
    struct sl_buffer texts[SL_BATCH_SPARES_MAX];
};

/* Frees what is spare. */
void sl_batch_spares_clear(struct sl_batch_spares *spares);

/*
 * A block of readings; a gap where `gap_last` isn't 0; a reading to compare where `proof_seq` isn't
 * 0.
 */
struct sl_batch_item {
    struct sl_block block;
    int64_t proof_seq;
    int64_t gap_first;
    int64_t gap_last;
    char gap_reason[SL_REASON_MAX + 1];
};

struct sl_batch {
    struct sl_queue_item queued; /* first: it's how queues link it */
    void *owner;                 /* the connection that waits for the answer */
    struct sl_worker *worker;    /* the connection's worker: the answer goes there */
    struct sl_peer *peer;        /* one reference of its own */
    bool opens;                  /* opens `stream` rather than storing items */
    char stream[SL_STREAM_SIZE]; /* opens: the id */
    int64_t opening;             /* the answer to `opens`: which opening this was, of all */
    int64_t stream_id;           /* the store's key; set by the answer to `opens` */
    int64_t last;                /* highest number in it; the answer sets what is on disk */
    /* Where the memory of its texts comes from and goes to; null: malloc(). */
    struct sl_batch_spares *spares;
    struct sl_batch_item *items;
    size_t count;
    size_t text_len;          /* bytes in all blocks */
    bool clocked;             /* the sensor told its clock's offset: */
    int64_t offset_us;        /* the server's clock minus its own; the one told last counts */
    bool diverged;            /* the answer, with SL_DENIED: another reading has this number */
    struct sl_buffer console; /* lines that the console shows once this is on disk */
    enum sl_status status;    /* the answer: SL_OK on disk; SL_DENIED conflict; SL_IO failed */
};

/* An empty batch for `peer`. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_batch_new(struct sl_peer *peer, struct sl_batch **batch);
void sl_batch_free(struct sl_batch *batch); /* null is allowed */

/* Appends a reading; `seq` 0: the store numbers it. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_batch_reading(struct sl_batch *batch, int64_t seq,
                                            const struct sl_reading *reading);

/* Appends a gap. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_batch_gap(struct sl_batch *batch, int64_t first, int64_t last,
                                        struct sl_bytes reason);

/* Appends a reading that was sent again, to be compared with what is stored. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_batch_proof(struct sl_batch *batch, int64_t seq,
                                          const struct sl_reading *reading);

/* Notes what the sensor told of its clock. */
void sl_batch_clock(struct sl_batch *batch, int64_t offset_us);

/* True where nobody waits for an answer to it: it may wait for readings to go to disk with. */
bool sl_batch_can_wait(const struct sl_batch *batch);

/* True where no more should be put in. */
bool sl_batch_full(const struct sl_batch *batch);

#endif
