/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c -- the door to every engine. Here, once for all of them, stands the rule that a reading
 * needs a proven peer: engines see who it is and never make one up.
 */
#include "store/store.h"

#include <assert.h>

#include "store/engine.h"

enum sl_status sl_store_begin(struct sl_store *store)
{
    return store->functions->begin(store);
}

enum sl_status sl_store_commit(struct sl_store *store)
{
    return store->functions->commit(store);
}

void sl_store_rollback(struct sl_store *store)
{
    store->functions->rollback(store);
}

enum sl_status sl_store_stream(struct sl_store *store, const struct sl_peer *peer,
                               const char *stream, int64_t now_us, struct sl_store_stream *out)
{
    assert(peer != NULL);
    assert(stream[0] != '\0');
    return store->functions->stream(store, peer, stream, now_us, out);
}

enum sl_status sl_store_clock(struct sl_store *store, const struct sl_peer *peer, int64_t now_us,
                              int64_t offset_us)
{
    assert(peer != NULL);
    return store->functions->clock(store, sl_peer_name(peer), now_us, offset_us);
}

enum sl_status sl_store_append(struct sl_store *store, const struct sl_peer *peer, int64_t stream,
                               int64_t received_us, const struct sl_block *block, int64_t *last)
{
    assert(peer != NULL);
    assert(block->count > 0 && block->first >= 0);
    assert(received_us >= 0);
    return store->functions->append(store, sl_peer_name(peer), stream, received_us, block, last);
}

enum sl_status sl_store_gap(struct sl_store *store, const struct sl_peer *peer, int64_t stream,
                            int64_t received_us, int64_t first, int64_t last,
                            struct sl_bytes reason)
{
    assert(peer != NULL);
    assert(first >= 1 && last >= first);
    assert(received_us >= 0);
    return store->functions->gap(store, sl_peer_name(peer), stream, received_us, first, last,
                                 reason);
}

enum sl_status sl_store_compare(struct sl_store *store, const struct sl_peer *peer, int64_t stream,
                                int64_t seq, const struct sl_block *block)
{
    assert(peer != NULL);
    assert(block->count == 1 && seq >= 1);
    return store->functions->compare(store, sl_peer_name(peer), stream, seq, block);
}

const char *sl_store_error(const struct sl_store *store)
{
    return store->functions->error(store);
}

void sl_store_close(struct sl_store *store)
{
    if (store != NULL) {
        store->functions->close(store);
    }
}
