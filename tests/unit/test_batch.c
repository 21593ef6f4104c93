/* SPDX-License-Identifier: Apache-2.0 */
/* test_batch.c -- how readings and gaps gather into blocks, and when a batch is full. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/batch.h"
#include "support/test_peer.h"

#define NOON INT64_C(1764000000000000)
#define DAY_US INT64_C(86400000000)

static struct sl_batch *batch_of(const char *name)
{
    struct sl_peer *peer = sl_test_peer(name);
    struct sl_batch *batch = NULL;

    assert_int_equal(sl_batch_new(peer, &batch), SL_OK);
    sl_peer_unref(peer); /* The batch holds one of its own. */
    return batch;
}

static void add_at(struct sl_batch *batch, int64_t seq, int64_t time_us, const char *value)
{
    struct sl_reading reading = {
        .time_us = time_us, .name = sl_bytes_of("n"), .value = sl_bytes_of(value)};

    assert_int_equal(sl_batch_reading(batch, seq, &reading), SL_OK);
}

static void add(struct sl_batch *batch, int64_t seq)
{
    add_at(batch, seq, SL_TIME_NONE, "1");
}

static void assert_block(const struct sl_batch *batch, size_t at, int64_t first, int64_t count)
{
    assert_true(at < batch->count);
    assert_int_equal(batch->items[at].gap_last, 0);
    assert_int_equal(batch->items[at].proof_seq, 0);
    assert_int_equal(batch->items[at].block.first, first);
    assert_int_equal(batch->items[at].block.count, count);
}

static void test_batch_new_is_empty_and_holds_its_peer(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    assert_int_equal(batch->count, 0);
    assert_int_equal(batch->last, 0);
    assert_false(sl_batch_full(batch));
    assert_string_equal(sl_peer_name(batch->peer), "attic");
    sl_batch_free(batch);
    sl_batch_free(NULL);
}

static void test_batch_consecutive_readings_are_one_block(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    for (int64_t seq = 7; seq <= 106; seq++)
        add(batch, seq);
    assert_int_equal(batch->count, 1);
    assert_block(batch, 0, 7, 100);
    assert_int_equal(batch->last, 106);
    sl_batch_free(batch);
}

static void test_batch_readings_that_the_store_numbers_are_one_block(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    for (int i = 0; i < 10; i++)
        add(batch, 0);
    assert_int_equal(batch->count, 1);
    assert_block(batch, 0, 0, 10);
    sl_batch_free(batch);
}

static void test_batch_gap_ends_a_block(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    add(batch, 1);
    add(batch, 2);
    assert_int_equal(sl_batch_gap(batch, 3, 9, sl_bytes_of("forgotten")), SL_OK);
    assert_int_equal(batch->last, 9);
    add(batch, 10);
    assert_int_equal(batch->count, 3);
    assert_block(batch, 0, 1, 2);
    assert_int_equal(batch->items[1].gap_first, 3);
    assert_int_equal(batch->items[1].gap_last, 9);
    assert_string_equal(batch->items[1].gap_reason, "forgotten");
    assert_block(batch, 2, 10, 1);
    assert_int_equal(batch->last, 10);
    sl_batch_free(batch);
}

static void test_batch_gap_reason_of_greatest_length_is_kept_whole(void **state)
{
    struct sl_batch *batch = batch_of("attic");
    char reason[SL_REASON_MAX + 1];

    (void)state;
    memset(reason, 'r', SL_REASON_MAX);
    reason[SL_REASON_MAX] = '\0';
    assert_int_equal(sl_batch_gap(batch, 1, 1, sl_bytes_of(reason)), SL_OK);
    assert_string_equal(batch->items[0].gap_reason, reason);
    sl_batch_free(batch);
}

static void test_batch_number_that_does_not_follow_begins_a_block(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    add(batch, 1);
    add(batch, 3);
    assert_int_equal(batch->count, 2);
    assert_block(batch, 0, 1, 1);
    assert_block(batch, 1, 3, 1);
    sl_batch_free(batch);
}

static void test_batch_time_far_from_the_others_begins_a_block(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    add_at(batch, 1, NOON, "1");
    add_at(batch, 2, NOON + DAY_US, "2");
    add_at(batch, 3, NOON + DAY_US + 1, "3");
    add_at(batch, 4, SL_TIME_NONE, "4");
    add_at(batch, 5, SL_TIME_NONE, "5");
    add_at(batch, 6, NOON, "6");
    assert_int_equal(batch->count, 4);
    assert_block(batch, 0, 1, 2);
    assert_block(batch, 1, 3, 1);
    assert_block(batch, 2, 4, 2);
    assert_block(batch, 3, 6, 1);
    assert_bytes(sl_block_text(&batch->items[2].block), "[[null,\"n\",4],[null,\"n\",5]]");
    sl_batch_free(batch);
}

static void test_batch_proof_stands_by_itself(void **state)
{
    struct sl_batch *batch = batch_of("attic");
    struct sl_reading reading = {
        .time_us = SL_TIME_NONE, .name = sl_bytes_of("n"), .value = sl_bytes_of("5")};

    (void)state;
    assert_int_equal(sl_batch_proof(batch, 5, &reading), SL_OK);
    add(batch, 6);
    assert_int_equal(batch->count, 2);
    assert_int_equal(batch->items[0].proof_seq, 5);
    assert_bytes(sl_block_text(&batch->items[0].block), "[[null,\"n\",5]]");
    assert_block(batch, 1, 6, 1);
    sl_batch_free(batch);
}

static void test_batch_of_a_clock_alone_can_wait(void **state)
{
    struct sl_batch *batch = batch_of("attic");

    (void)state;
    for (int64_t offset_us = 0; offset_us < 1000; offset_us++)
        sl_batch_clock(batch, offset_us);
    assert_true(batch->clocked);
    assert_int_equal(batch->offset_us, 999);
    assert_true(sl_batch_can_wait(batch));
    assert_false(sl_batch_full(batch));
    add(batch, 1);
    assert_false(sl_batch_can_wait(batch));
    assert_block(batch, 0, 1, 1);
    sl_batch_free(batch);

    batch = batch_of("attic");
    batch->opens = true;
    assert_false(sl_batch_can_wait(batch));
    sl_batch_free(batch);
}

static void test_batch_of_much_text_is_full_near_its_limit(void **state)
{
    struct sl_batch *batch = batch_of("attic");
    char value[] = "1234567890.1234567890";
    size_t text = 0;
    int64_t seq = 0;

    (void)state;
    while (!sl_batch_full(batch) && seq < SL_BATCH_TEXT_MAX)
        add_at(batch, ++seq, NOON, value);
    assert_true(sl_batch_full(batch));
    for (size_t i = 0; i < batch->count; i++)
        text += sl_block_text(&batch->items[i].block).len;
    assert_in_range(text, SL_BATCH_TEXT_MAX / 2, SL_BATCH_TEXT_MAX + SL_BATCH_TEXT_MAX / 4);
    assert_int_equal(batch->count, 1);
    sl_batch_free(batch);
}

static void test_batch_of_many_small_pieces_is_full(void **state)
{
    struct sl_batch *batch = batch_of("attic");
    int64_t seq = 1;

    (void)state;
    for (; !sl_batch_full(batch) && seq < SL_BATCH_TEXT_MAX; seq += 2)
        add(batch, seq);
    assert_int_equal(batch->count, SL_BATCH_ITEMS_MAX);
    /* Nothing moved while the array grew. */
    for (size_t i = 0; i < batch->count; i++)
        assert_block(batch, i, (int64_t)i * 2 + 1, 1);
    sl_batch_free(batch);
}

/* A batch with a text of more than `size` bytes, whose memory is of `spares`. */
static struct sl_batch *large_batch(struct sl_batch_spares *spares, size_t size)
{
    struct sl_batch *batch = batch_of("attic");

    batch->spares = spares;
    for (int64_t seq = 1; batch->text_len <= size; seq++)
        add(batch, seq);
    return batch;
}

static void test_batch_large_text_leaves_its_memory_to_the_next(void **state)
{
    struct sl_batch_spares spares = {0};
    struct sl_batch *batch = large_batch(&spares, 50000);
    const char *memory = batch->items[0].block.text.at;

    (void)state;
    assert_int_equal(spares.count, 0);
    sl_batch_free(batch);
    assert_int_equal(spares.count, 1);
    assert_true(spares.texts[0].at == memory);
    assert_int_equal(spares.size, spares.texts[0].cap);

    batch = batch_of("cellar");
    batch->spares = &spares;
    add(batch, 7);
    assert_true(batch->items[0].block.text.at == memory);
    assert_bytes(sl_block_text(&batch->items[0].block), "[[null,\"n\",1]]");
    assert_block(batch, 0, 7, 1);
    assert_int_equal(spares.count, 0);
    assert_int_equal(spares.size, 0);
    sl_batch_free(batch);
    sl_batch_spares_clear(&spares);
    assert_int_equal(spares.count, 0);
}

static void test_batch_spare_memory_is_bounded_and_small_texts_leave_none(void **state)
{
    enum { BATCHES = 2 * SL_BATCH_SPARES_MAX, MEMORY_MAX = 1 << 20 };
    static const size_t sizes[] = {100, 10000, SL_BATCH_TEXT_MAX - 1000};
    static const size_t most[] = {0, SL_BATCH_SPARES_MAX, SL_BATCH_SPARES_MAX};
    struct sl_batch *batches[BATCHES];

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct sl_batch_spares spares = {0};

        for (int k = 0; k < BATCHES; k++)
            batches[k] = large_batch(&spares, sizes[i]);
        for (int k = 0; k < BATCHES; k++)
            sl_batch_free(batches[k]);
        assert_in_range(spares.count, most[i] == 0 ? 0 : 1, most[i]);
        assert_in_range(spares.size, 0, MEMORY_MAX);
        sl_batch_spares_clear(&spares);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_new_is_empty_and_holds_its_peer),
        cmocka_unit_test(test_batch_consecutive_readings_are_one_block),
        cmocka_unit_test(test_batch_readings_that_the_store_numbers_are_one_block),
        cmocka_unit_test(test_batch_gap_ends_a_block),
        cmocka_unit_test(test_batch_gap_reason_of_greatest_length_is_kept_whole),
        cmocka_unit_test(test_batch_number_that_does_not_follow_begins_a_block),
        cmocka_unit_test(test_batch_time_far_from_the_others_begins_a_block),
        cmocka_unit_test(test_batch_proof_stands_by_itself),
        cmocka_unit_test(test_batch_of_a_clock_alone_can_wait),
        cmocka_unit_test(test_batch_of_much_text_is_full_near_its_limit),
        cmocka_unit_test(test_batch_of_many_small_pieces_is_full),
        cmocka_unit_test(test_batch_large_text_leaves_its_memory_to_the_next),
        cmocka_unit_test(test_batch_spare_memory_is_bounded_and_small_texts_leave_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
