/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_peer.h -- makes a struct sl_peer for tests of rooms that take one.
 *
 * In the programs only an admitted TLS session can make a peer. This double implements base/peer.h
 * and must never be linked together with src/tls.
 *
 * Memory   A peer is made with one reference; sl_peer_unref() frees it.
 */
#ifndef SL_TESTS_SUPPORT_TEST_PEER_H
#define SL_TESTS_SUPPORT_TEST_PEER_H

#include "base/peer.h"

/* A peer of this name; ends the test program where there is no memory. */
struct sl_peer *sl_test_peer(const char *name);

/* The same, whose certificate ends then; that of the others ends in 2100. */
struct sl_peer *sl_test_peer_until(const char *name, int64_t expires_us);

#endif
