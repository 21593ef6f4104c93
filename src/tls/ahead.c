/* SPDX-License-Identifier: Apache-2.0 */
/* ahead.c -- see ahead.h. */
#include "tls/ahead.h"

#include <string.h>

static enum sl_status refill(struct sl_ahead *ahead, struct sl_transport *transport, size_t most,
                             bool trusting)
{
    struct sl_buffer *bytes = &ahead->bytes;
    bool drained = ahead->drained;
    enum sl_status status;

    if (most > SL_AHEAD_MAX)
        most = SL_AHEAD_MAX;
    ahead->taken = bytes->len = 0;
    ahead->drained = false;
    if (drained)
        return SL_WANT_READ;
    if (sl_buffer_reserve(bytes, most, SL_AHEAD_MAX) != SL_OK)
        return SL_NOMEM;
    status = transport->receive(transport->ctx, bytes->at, most, &bytes->len);
    ahead->drained = trusting && status == SL_OK && bytes->len < most;
    return status;
}

enum sl_status sl_ahead_take(struct sl_ahead *ahead, struct sl_transport *transport, size_t most,
                             bool trusting, unsigned char *to, size_t cap, size_t *len)
{
    if (ahead->taken == ahead->bytes.len) {
        enum sl_status status = refill(ahead, transport, most, trusting);

        if (status != SL_OK)
            return status;
    }
    *len = ahead->bytes.len - ahead->taken;
    if (*len > cap)
        *len = cap;
    memcpy(to, ahead->bytes.at + ahead->taken, *len);
    ahead->taken += *len;
    return SL_OK;
}

void sl_ahead_clear(struct sl_ahead *ahead)
{
    sl_buffer_clear(&ahead->bytes);
    ahead->taken = 0;
}
