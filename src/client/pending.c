/* SPDX-License-Identifier: Apache-2.0 */
/* pending.c -- see pending.h. */
#include "client/pending.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum sl_status sl_pending_init(struct sl_pending *pending)
{
    *pending = (struct sl_pending){.at = malloc(SL_PENDING_MAX * sizeof(*pending->at))};
    return pending->at ? SL_OK : SL_NOMEM;
}

void sl_pending_clear(struct sl_pending *pending)
{
    free(pending->at);
    pending->at = NULL;
}

int64_t sl_pending_left(const struct sl_pending *pending)
{
    return (int64_t)pending->count + pending->missed;
}

void sl_pending_add(struct sl_pending *pending, int64_t time_us, struct sl_bytes text)
{
    assert(pending->count < SL_PENDING_MAX && text.len <= SL_SPOOL_TEXT_MAX);
    struct sl_pending_reading *kept = &pending->at[pending->count++];
    kept->time_us = time_us;
    kept->len = text.len;
    memcpy(kept->text, text.at, text.len);
}

enum sl_status sl_pending_submit(struct sl_pending *pending, struct sl_client *client,
                                 const char *reason)
{
    while (pending->submitted < pending->count) {
        const struct sl_pending_reading *next = &pending->at[pending->submitted];
        enum sl_status status =
            sl_client_submit_line(client, next->time_us, next->text, next->len, NULL);
        if (status != SL_OK)
            return status;
        pending->submitted++;
    }
    return pending->missed == 0 ? SL_OK : sl_client_omit(client, pending->missed, reason);
}

void sl_pending_reject(struct sl_pending *pending)
{
    struct sl_pending_reading *bad = &pending->at[pending->submitted];
    memmove(bad, bad + 1, (--pending->count - pending->submitted) * sizeof(*bad));
}

void sl_pending_settle(struct sl_pending *pending, bool kept)
{
    if (kept) {
        pending->count -= pending->submitted;
        memmove(pending->at, pending->at + pending->submitted,
                pending->count * sizeof(*pending->at));
    }
    pending->submitted = 0;
}
