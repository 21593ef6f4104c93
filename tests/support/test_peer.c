/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_peer.c -- base/peer.h without TLS, for tests.
 */
#include "support/test_peer.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct sl_peer {
    atomic_int holders;
    int64_t expires_us;
    char *name;
};

/* 2100-01-01 */
#define LATE_US INT64_C(4102444800000000)

struct sl_peer *sl_test_peer(const char *name)
{
    return sl_test_peer_until(name, LATE_US);
}

struct sl_peer *sl_test_peer_until(const char *name, int64_t expires_us)
{
    struct sl_peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        abort();
    atomic_init(&peer->holders, 1);
    peer->expires_us = expires_us;
    peer->name = strdup(name);
    if (peer->name == NULL)
        abort();
    return peer;
}

const char *sl_peer_name(const struct sl_peer *peer)
{
    return peer->name;
}

int64_t sl_peer_expires_us(const struct sl_peer *peer)
{
    return peer->expires_us;
}

struct sl_peer *sl_peer_ref(struct sl_peer *peer)
{
    atomic_fetch_add(&peer->holders, 1);
    return peer;
}

void sl_peer_unref(struct sl_peer *peer)
{
    if (peer == NULL || atomic_fetch_sub(&peer->holders, 1) != 1)
        return;
    free(peer->name);
    free(peer);
}
