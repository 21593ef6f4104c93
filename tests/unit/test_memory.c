/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_memory.c -- whose buffers malloc() takes from the system, and whose from its own. The
 * sanitizers have a malloc() of their own, which nothing is asked of.
 */
#include "cases.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/memory.h"

enum { BUFFER = 16717, FEW = 64, MANY = 1000, TIMES = 50 };

static void take(void **buffers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffers[i] = calloc(1, BUFFER);
        assert_non_null(buffers[i]);
    }
}

static void give(void **buffers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(buffers[i]);
}

static size_t mappings(void)
{
    return mallinfo2().hblks;
}

static void test_memory_of_a_few_sessions_that_come_and_go_is_never_mapped(void **state)
{
    void *buffers[FEW];
    (void)state;

    for (int i = 0; i < TIMES; i++) {
        take(buffers, FEW);
        assert_int_equal(mappings(), 0);
        give(buffers, FEW);
    }
}

static void test_memory_of_many_sessions_is_mapped_and_given_back(void **state)
{
    static void *buffers[MANY];
    (void)state;

    take(buffers, MANY);
    /* What isn't mapped lies in the room that was kept. */
    assert_true(mappings() >= MANY - 2 * (SL_MEMORY_KEPT / BUFFER));
    assert_true(mappings() <= MANY - FEW);
    give(buffers, MANY);
    assert_int_equal(mappings(), 0);
}

static void test_memory_is_kept_for_the_few_after_many_have_left(void **state)
{
    test_memory_of_many_sessions_is_mapped_and_given_back(state);
    test_memory_of_a_few_sessions_that_come_and_go_is_never_mapped(state);
}

/* By what it says of a byte. */
static bool malloc_is_glibcs(void)
{
    void *volatile byte = malloc(1);
    bool counted = mallinfo2().arena > 0;

    free(byte);
    return counted;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_of_a_few_sessions_that_come_and_go_is_never_mapped),
        cmocka_unit_test(test_memory_of_many_sessions_is_mapped_and_given_back),
        cmocka_unit_test(test_memory_is_kept_for_the_few_after_many_have_left),
    };

    sl_memory_prepare();
    if (!malloc_is_glibcs())
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
