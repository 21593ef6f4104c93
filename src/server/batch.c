/* SPDX-License-Identifier: Apache-2.0 */
/* batch.c -- see batch.h. */
#include "server/batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE_LEAST = 8192,        /* bytes: smaller ones cost malloc() little */
    SPARES_SIZE = 1024 * 1024, /* of all spare texts of a worker */
    BLOCK_TEXT_MAX = 2 * SL_BATCH_TEXT_MAX,
    ITEM_OVERHEAD = 32 /* about what a reading's time and punctuation take */
};

enum sl_status sl_batch_new(struct sl_peer *peer, struct sl_batch **batch)
{
    struct sl_batch *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    made->peer = sl_peer_ref(peer);
    *batch = made;
    return SL_OK;
}

void sl_batch_spares_clear(struct sl_batch_spares *spares)
{
    while (spares->count > 0)
        sl_buffer_clear(&spares->texts[--spares->count]);
    spares->size = 0;
}

/* A new block's text takes a spare one's memory. */
static void take_spare(struct sl_batch_spares *spares, struct sl_block *block)
{
    if (spares == NULL || spares->count == 0)
        return;
    block->text = spares->texts[--spares->count];
    spares->size -= block->text.cap;
}

/* Frees a block, or keeps its memory. */
static void leave_block(struct sl_batch_spares *spares, struct sl_block *block)
{
    size_t size = block->text.cap;

    if (spares == NULL || size < SPARE_LEAST || spares->count == SL_BATCH_SPARES_MAX ||
        size > SPARES_SIZE - spares->size) {
        sl_block_clear(block);
        return;
    }
    sl_block_reset(block);
    spares->texts[spares->count++] = block->text;
    spares->size += size;
}

void sl_batch_free(struct sl_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        leave_block(batch->spares, &batch->items[i].block);
    free(batch->items);
    sl_buffer_clear(&batch->console);
    sl_peer_unref(batch->peer);
    free(batch);
}

/* A new last item; the array doubles, so most calls don't allocate. */
static struct sl_batch_item *add_item(struct sl_batch *batch)
{
    bool is_full = (batch->count & (batch->count - 1)) == 0; /* 0, 1, 2, 4, 8, ... items */

    if (is_full) {
        size_t room = batch->count == 0 ? 1 : batch->count * 2;
        struct sl_batch_item *grown = realloc(batch->items, room * sizeof *grown);

        if (grown == NULL)
            return NULL;
        batch->items = grown;
    }
    batch->items[batch->count] = (struct sl_batch_item){0};
    return &batch->items[batch->count++];
}

/* The item that a reading with this number goes on in, or null. */
static struct sl_batch_item *open_block(const struct sl_batch *batch, int64_t seq)
{
    struct sl_batch_item *item;

    if (batch->count == 0)
        return NULL;
    item = &batch->items[batch->count - 1];
    if (item->gap_last != 0 || item->proof_seq != 0)
        return NULL;
    if (seq != 0 && item->block.first + item->block.count != seq)
        return NULL;
    return item;
}

/* Begins a block with this reading. */
static enum sl_status begin_block(struct sl_batch *batch, int64_t seq,
                                  const struct sl_reading *reading)
{
    struct sl_batch_item *item = add_item(batch);

    if (item == NULL)
        return SL_NOMEM;
    take_spare(batch->spares, &item->block);
    item->block.first = seq;
    return sl_block_add(&item->block, reading, BLOCK_TEXT_MAX) == SL_OK ? SL_OK : SL_NOMEM;
}

enum sl_status sl_batch_reading(struct sl_batch *batch, int64_t seq,
                                const struct sl_reading *reading)
{
    struct sl_batch_item *item = open_block(batch, seq);
    enum sl_status status = SL_LIMIT;

    if (item != NULL)
        status = sl_block_add(&item->block, reading, BLOCK_TEXT_MAX);
    /* A block holds times that lie near each other; another time begins another block. */
    if (status == SL_LIMIT)
        status = begin_block(batch, seq, reading);
    if (status != SL_OK)
        return SL_NOMEM;
    batch->text_len += reading->name.len + reading->value.len + reading->unit.len + ITEM_OVERHEAD;
    batch->last = seq;
    return SL_OK;
}

/* The last item, where it's a gap for the same reason that ends just before `first`. */
static struct sl_batch_item *same_gap(const struct sl_batch *batch, int64_t first,
                                      struct sl_bytes reason)
{
    struct sl_batch_item *item = batch->count == 0 ? NULL : &batch->items[batch->count - 1];

    if (item == NULL || item->gap_last == 0 || item->gap_last != first - 1)
        return NULL;
    return sl_bytes_equal(sl_bytes_of(item->gap_reason), reason) ? item : NULL;
}

enum sl_status sl_batch_gap(struct sl_batch *batch, int64_t first, int64_t last,
                            struct sl_bytes reason)
{
    struct sl_batch_item *item = same_gap(batch, first, reason);

    assert(reason.len <= SL_REASON_MAX && last != 0);
    batch->last = last;
    if (item != NULL) {
        item->gap_last = last;
        return SL_OK;
    }
    item = add_item(batch);
    if (item == NULL)
        return SL_NOMEM;
    item->gap_first = first;
    item->gap_last = last;
    memcpy(item->gap_reason, reason.at, reason.len);
    batch->text_len += sizeof *item;
    return SL_OK;
}

enum sl_status sl_batch_proof(struct sl_batch *batch, int64_t seq, const struct sl_reading *reading)
{
    struct sl_batch_item *item = add_item(batch);

    if (item == NULL)
        return SL_NOMEM;
    item->proof_seq = seq;
    batch->last = seq;
    return sl_block_add(&item->block, reading, BLOCK_TEXT_MAX) == SL_OK ? SL_OK : SL_NOMEM;
}

void sl_batch_clock(struct sl_batch *batch, int64_t offset_us)
{
    batch->clocked = true;
    batch->offset_us = offset_us;
}

bool sl_batch_can_wait(const struct sl_batch *batch)
{
    return batch->count == 0 && !batch->opens;
}

bool sl_batch_full(const struct sl_batch *batch)
{
    return batch->text_len >= SL_BATCH_TEXT_MAX || batch->count >= SL_BATCH_ITEMS_MAX;
}
