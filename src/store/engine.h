/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h -- what an engine supplies to store.c. Included by store.c and by engines, by nobody
 * else.
 *
 * Arguments are checked in store.c; what each function promises stands in store.h.
 */
#ifndef SL_STORE_ENGINE_H
#define SL_STORE_ENGINE_H

#include "store/store.h"

struct sl_store_functions {
    enum sl_status (*begin)(struct sl_store *store);
    enum sl_status (*commit)(struct sl_store *store);
    void (*rollback)(struct sl_store *store);
    enum sl_status (*stream)(struct sl_store *store, const struct sl_peer *peer, const char *stream,
                             int64_t now_us, struct sl_store_stream *out);
    enum sl_status (*clock)(struct sl_store *store, const char *sensor, int64_t now_us,
                            int64_t offset_us);
    enum sl_status (*append)(struct sl_store *store, const char *sensor, int64_t stream,
                             int64_t received_us, const struct sl_block *block, int64_t *last);
    enum sl_status (*gap)(struct sl_store *store, const char *sensor, int64_t stream,
                          int64_t received_us, int64_t first, int64_t last, struct sl_bytes reason);
    enum sl_status (*compare)(struct sl_store *store, const char *sensor, int64_t stream,
                              int64_t seq, const struct sl_block *block);
    const char *(*error)(const struct sl_store *store);
    void (*close)(struct sl_store *store);
};

/* An engine's own struct begins with this one. */
struct sl_store {
    const struct sl_store_functions *functions;
};

#endif
