/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.h -- consecutive readings of one stream in the form in which they are stored.
 *
 * A block's text is a JSON array with one array a reading, `[time,"name",value]` or
 * `[time,"name",value,"unit"]`; time is Unix seconds with up to six decimals, or null. It is built
 * by the thread that received the readings and stored as it is.
 *
 * Either every reading of a block has a time or none has, and their times lie at most
 * SL_BLOCK_SPAN_US apart. So `oldest_us` and `newest_us` stand for the whole block, and an index
 * over one of them finds a sensor's day without looking at the rest. A reading that doesn't fit
 * begins the next block.
 *
 * Memory   The caller owns the block; start with `{0}`, release with sl_block_clear().
 * Limits   Text up to the limit given to sl_block_add(); times up to SL_BLOCK_SPAN_US apart.
 * Threads  One owner at a time.
 */
#ifndef SL_STORE_BLOCK_H
#define SL_STORE_BLOCK_H

#include "wire/reading.h"

/* The greatest distance between the oldest and the newest reading of one block: a day. */
#define SL_BLOCK_SPAN_US INT64_C(86400000000)

/* A limit for sl_block_add() within which every single reading fits. */
enum { SL_BLOCK_LIMIT_MIN = 1024 };

struct sl_block {
    int64_t first;     /* number of its first reading; 0: the store numbers it */
    int64_t count;     /* readings in it */
    int64_t oldest_us; /* least and greatest time in it; SL_TIME_NONE where no reading has one */
    int64_t newest_us;
    struct sl_buffer text; /* a whole JSON array after each sl_block_add() */
};

/*
 * Appends a reading that sl_reading_parse() took. `limit` is at least SL_BLOCK_LIMIT_MIN.
 * SL_OK     Appended; count grew. An empty block takes every reading.
 * SL_LIMIT  It doesn't fit into this block: the text would exceed `limit` bytes, or its time is too
 *           far from the others'. Nothing changed; hand the block on and add the reading to an
 *           empty one.
 * SL_NOMEM  No memory; nothing changed.
 */
SL_MUST_USE enum sl_status sl_block_add(struct sl_block *block, const struct sl_reading *reading,
                                        size_t limit);

/*
 * The whole text, a closed array. Valid until the block is changed, reset or cleared. The block
 * isn't empty.
 */
struct sl_bytes sl_block_text(const struct sl_block *block);

/* Empties the block but keeps its memory. */
void sl_block_reset(struct sl_block *block);

/* Frees its memory. */
void sl_block_clear(struct sl_block *block);

#endif
