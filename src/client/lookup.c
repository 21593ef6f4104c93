/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c -- one look-up at a time, its answer kept until it is asked for. */
#include "client/lookup.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/resolve.h"

struct sl_lookup {
    struct sl_loop *loop;
    sl_lookup_fn *answered;
    void *ctx;
    struct sl_resolve *under_way; /* null where none is */
    bool done;
    enum sl_status status; /* with `done` */
    struct sl_client_addresses found;
};

enum sl_status sl_lookup_new(struct sl_loop *loop, sl_lookup_fn *answered, void *ctx,
                             struct sl_lookup **lookup)
{
    struct sl_lookup *made = calloc(1, sizeof(*made));
    if (!made)
        return SL_NOMEM;
    made->loop = loop;
    made->answered = answered;
    made->ctx = ctx;
    *lookup = made;
    return SL_OK;
}

static void on_resolved(void *ctx, enum sl_status status, struct sl_addresses *addresses,
                        const char *error)
{
    struct sl_lookup *lookup = ctx;
    char text[SL_ADDRESS_TEXT_SIZE];

    lookup->under_way = NULL;
    lookup->done = true;
    lookup->status = status == SL_OK || status == SL_NOMEM ? status : SL_IO;
    lookup->found = (struct sl_client_addresses){0};
    if (status != SL_OK) {
        (void)snprintf(lookup->found.error, sizeof(lookup->found.error), "%s", error);
    } else {
        for (size_t i = 0; i < addresses->count && i < SL_CLIENT_ADDRESSES_MAX; i++) {
            (void)snprintf(lookup->found.at[i], SL_CLIENT_ADDRESS_SIZE, "%s",
                           sl_address_print_host(&addresses->at[i], text));
            lookup->found.count = i + 1;
        }
        sl_addresses_clear(addresses);
    }
    lookup->answered(lookup->ctx);
}

enum sl_status sl_lookup_ask(struct sl_lookup *lookup, const char *host,
                             struct sl_client_addresses *addresses)
{
    if (lookup->done) {
        lookup->done = false;
        *addresses = lookup->found;
        return lookup->status;
    }
    if (lookup->under_way)
        return SL_WANT_READ;

    enum sl_status status =
        sl_resolve_start(lookup->loop, host, 0, on_resolved, lookup, &lookup->under_way);
    if (status == SL_OK)
        return SL_WANT_READ;
    (void)snprintf(addresses->error, sizeof(addresses->error),
                   "the look-up of %s can't be started: %s", host, sl_status_name(status));
    return status;
}

void sl_lookup_free(struct sl_lookup *lookup)
{
    if (!lookup)
        return;
    sl_resolve_cancel(lookup->under_way);
    free(lookup);
}
