/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport.h -- what a TLS session needs of the network: two functions over an opaque context.
 *
 * net/socket.h gives one for sockets, tests/support one in memory.
 */
#ifndef SL_BASE_TRANSPORT_H
#define SL_BASE_TRANSPORT_H

#include <stddef.h>

#include "sensorlink/status.h"

struct sl_transport {
    void *ctx; /* borrowed; outlives the transport's user */

    /*
     * Receives up to `cap` bytes without blocking.
     * SL_OK         `*len` is 1 to `cap`.
     * SL_WANT_READ  Nothing there now.
     * SL_CUT        The other side ended the stream, or the connection was reset.
     * SL_IO         Anything else.
     */
    enum sl_status (*receive)(void *ctx, void *bytes, size_t cap, size_t *len);

    /*
     * Sends up to `len` bytes without blocking.
     * SL_OK          `*sent` is 1 to `len`.
     * SL_WANT_WRITE  No room now.
     * SL_CUT, SL_IO  As above.
     */
    enum sl_status (*send)(void *ctx, const void *bytes, size_t len, size_t *sent);
};

#endif
