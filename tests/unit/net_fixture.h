/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_fixture.h -- a loop with a deadline for the tests of src/net: a test that waits for what
 * never comes fails with a sentence instead of hanging.
 */
#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/address.h"
#include "net/loop.h"

enum { PATIENCE_MS = 20000 };

struct net_fixture {
    struct sl_loop *loop;
    struct sl_timer *patience;
    bool late;
    int calls; /* for callbacks to count in */
};

static inline void net_fixture_late(void *ctx)
{
    struct net_fixture *fixture = ctx;
    fixture->late = true;
    sl_loop_stop(fixture->loop);
}

static inline int net_setup(void **state)
{
    struct net_fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    assert_int_equal(sl_loop_new(&fixture->loop), SL_OK);
    assert_int_equal(sl_timer_new(fixture->loop, net_fixture_late, fixture, &fixture->patience),
                     SL_OK);
    *state = fixture;
    return 0;
}

static inline int net_teardown(void **state)
{
    struct net_fixture *fixture = *state;
    sl_loop_free(fixture->loop);
    free(fixture);
    return 0;
}

/* Runs until something stops the loop, which must happen in time. */
static inline void net_run(struct net_fixture *fixture)
{
    sl_timer_start(fixture->patience, PATIENCE_MS);
    sl_loop_run(fixture->loop);
    sl_timer_stop(fixture->patience);
    if (fixture->late)
        fail_msg("nothing stopped the loop in %d ms", PATIENCE_MS);
}

/* An address for tests that need it parsed. */
static inline struct sl_address net_address(const char *text)
{
    struct sl_address address;
    assert_int_equal(sl_address_parse(text, 0, &address), SL_OK);
    return address;
}

#endif
