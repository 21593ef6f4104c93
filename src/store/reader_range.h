/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_range.h -- the blocks of a range of keys that may hold what a filter asks for, a portion
 * at a time, upwards or downwards. For reader_blocks.c.
 *
 * Keys grow in the order of storing, and blocks never change. So a portion is read in a transaction
 * of its own, which has ended before anybody sees a reading of it, and what was stored before the
 * first one is found by the last one as it was.
 *
 * Memory   The reader's buffer holds one portion: 256 KiB, or one block where that is larger.
 * Limits   Where blocks are found through the index, 256 Ki keys at a time, in about 3 MiB.
 * Threads  One thread at a time.
 */
#ifndef SL_STORE_READER_RANGE_H
#define SL_STORE_READER_RANGE_H

#include "store/reader_file.h"

struct sl_range {
    struct sl_reader *reader;
    const struct sl_reader_filter *filter;
    int64_t after;  /* what is left of the range: keys beyond this one, */
    int64_t end;    /* up to and with this one */
    int64_t newest; /* of those that the filter's sensor has, the newest one's key */

    /* The rest belongs to reader_range.c. */
    bool backwards;
    bool many;           /* matching blocks, more than are listed at a time */
    bool dense;          /* going through all blocks is cheaper than looking each one up */
    int64_t sensors;     /* the least key of a sensor that is asked for, */
    int64_t sensors_end; /* and the greatest */
    int64_t rows;        /* the next portion's, at most */
    int64_t listed;      /* keys in the list */
    sqlite3_stmt *statements[2][2]; /* of all, of those listed; upwards, backwards */
};

/* One block. Its texts are valid until the next portion. */
struct sl_range_block {
    int64_t key;
    int64_t stream_key;
    int64_t first;
    int64_t last;
    int64_t received_us;
    struct sl_bytes readings;
    struct sl_bytes sensor;
    struct sl_bytes stream;
};

/*
 * Begins upwards with the keys beyond range->after (reader and filter are set as well), and sets
 * range->end and range->newest: what comes later isn't part of it. Ends with sl_range_end(),
 * whatever this answers: SL_OK, or the reader's failure.
 */
SL_MUST_USE enum sl_status sl_range_begin(struct sl_range *range);

/* Goes on with the keys beyond `after` up to and with `end`. */
void sl_range_turn(struct sl_range *range, bool backwards, int64_t after, int64_t end);

/*
 * Reads the next portion.
 * SL_OK      `*portion` has at least one block.
 * SL_CLOSED  Nothing is left.
 * Others     The reader's failure.
 */
SL_MUST_USE enum sl_status sl_range_next(struct sl_range *range, struct sl_bytes *portion);

/* Takes the first block off the portion; false where there is none. */
bool sl_range_take(struct sl_bytes *portion, struct sl_range_block *block);

void sl_range_end(struct sl_range *range);

#endif
