/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_committer.c -- group commit: answers come after the commit, failures answer everything and
 * are said once, conflicts disturb nobody else.
 *
 * Most tests use a store that fails when the test says so, one uses the real store in memory.
 */
#include "cases.h"
#include "double_store.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/committer.h"
#include "support/test_peer.h"

enum { ANSWERS = 64, DEADLINE_MS = 30000, LOG_SIZE = 4096 };

/* --- a committer and those that wait for it */

struct place {
    struct double_store *store; /* the committer's; gone once it is stopped */
    struct sl_committer *committer;
    struct sl_peer *peer;
    struct sl_log *log;
    char log_path[64];
    bool closed; /* the store was */
    struct sl_batch *answers[ANSWERS];
    int commits_at_answer[ANSWERS];
    atomic_int answered;
    atomic_int drained;
};

static void on_answered(void *ctx, struct sl_batch *batch)
{
    struct place *place = ctx;
    int at = atomic_load(&place->answered);

    if (at == ANSWERS)
        abort();
    place->answers[at] = batch;
    place->commits_at_answer[at] = place->store == NULL ? 0 : atomic_load(&place->store->commits);
    atomic_store(&place->answered, at + 1);
}

static void on_drained(void *ctx)
{
    struct place *place = ctx;

    atomic_fetch_add(&place->drained, 1);
}

static void start(struct place *place, struct sl_store *store, size_t limit)
{
    struct sl_committer_hooks hooks = {place, on_answered, on_drained};

    assert_int_equal(sl_committer_start(store, limit, place->log, hooks, &place->committer), SL_OK);
}

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    int fd;

    assert_non_null(place);
    (void)snprintf(place->log_path, sizeof place->log_path, "/tmp/sl-committer-XXXXXX");
    fd = mkstemp(place->log_path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(sl_log_open(place->log_path, SL_LOG_DEBUG, false, &place->log), SL_OK);
    place->peer = sl_test_peer("attic");
    *state = place;
    return 0;
}

static int make_double(void **state)
{
    (void)make_place(state);

    struct place *place = *state;

    place->store = double_new(&place->closed);
    start(place, &place->store->store, 8);
    return 0;
}

static void stop(struct place *place)
{
    bool misused = place->store != NULL && atomic_load(&place->store->misused);

    sl_committer_stop(place->committer);
    place->committer = NULL;
    place->store = NULL;
    assert_false(misused);
}

static int clear_place(void **state)
{
    struct place *place = *state;

    if (place->store != NULL)
        hold(place->store, false);
    if (place->committer != NULL)
        stop(place);
    for (int i = 0; i < atomic_load(&place->answered); i++)
        sl_batch_free(place->answers[i]);
    sl_peer_unref(place->peer);
    sl_log_free(place->log);
    (void)unlink(place->log_path);
    free(place);
    return 0;
}

/* Waits until `*counter` is at least `least`. */
static void await(const atomic_int *counter, int least)
{
    int64_t deadline_ms = sl_clock_monotonic_ms() + DEADLINE_MS;

    while (atomic_load(counter) < least) {
        if (sl_clock_monotonic_ms() > deadline_ms)
            fail_msg("%d instead of %d before the deadline", atomic_load(counter), least);
        (void)sched_yield();
    }
}

/* A batch with one reading `n: 1` under each number from `first` on. */
static struct sl_batch *batch_of(struct place *place, int64_t first, int count)
{
    struct sl_reading reading = {
        .time_us = SL_TIME_NONE, .name = sl_bytes_of("n"), .value = sl_bytes_of("1")};
    struct sl_batch *batch = NULL;

    assert_int_equal(sl_batch_new(place->peer, &batch), SL_OK);
    batch->stream_id = STREAM_KEY;
    for (int i = 0; i < count; i++)
        assert_int_equal(sl_batch_reading(batch, first + i, &reading), SL_OK);
    return batch;
}

static struct sl_batch *opening(struct place *place)
{
    struct sl_batch *batch = batch_of(place, 0, 0);

    batch->stream_id = 0;
    batch->opens = true;
    (void)snprintf(batch->stream, sizeof batch->stream, "%s", STREAM);
    return batch;
}

static void submit(struct place *place, struct sl_batch *batch)
{
    assert_int_equal(sl_committer_submit(place->committer, batch), SL_OK);
}

/* How often the log says this. */
static int said(const struct place *place, const char *text)
{
    char content[LOG_SIZE];
    FILE *file = fopen(place->log_path, "r");
    int count = 0;

    assert_non_null(file);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    (void)fclose(file);
    for (const char *at = strstr(content, text); at != NULL; at = strstr(at + 1, text))
        count++;
    return count;
}

static void test_committer_answers_only_after_the_commit(void **state)
{
    struct place *place = *state;

    hold(place->store, true);
    submit(place, batch_of(place, 1, 3));
    await(&place->store->appends, 1);
    /* It's in the store's hands, and not on disk. */
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(atomic_load(&place->answered), 0);
        (void)sched_yield();
    }
    hold(place->store, false);
    await(&place->answered, 1);
    assert_int_equal(place->commits_at_answer[0], 1);
    assert_int_equal(place->answers[0]->status, SL_OK);
    assert_int_equal(place->answers[0]->last, 3);
}

static void test_committer_shares_one_commit_among_all_that_wait(void **state)
{
    struct place *place = *state;

    hold(place->store, true);
    submit(place, batch_of(place, 1, 1));
    await(&place->store->appends, 1);
    for (int i = 2; i <= 6; i++)
        submit(place, batch_of(place, i, 1));
    hold(place->store, false);
    await(&place->answered, 6);
    await(&place->drained, 2);
    assert_int_equal(atomic_load(&place->store->commits), 2);
    /* In the order in which they were given. */
    for (int i = 0; i < 6; i++) {
        assert_int_equal(place->answers[i]->last, i + 1);
        assert_int_equal(place->commits_at_answer[i], i == 0 ? 1 : 2);
    }
    assert_int_equal(atomic_load(&place->drained), 2);
}

static void test_committer_opens_streams(void **state)
{
    struct place *place = *state;

    submit(place, opening(place));
    await(&place->answered, 1);
    assert_int_equal(place->answers[0]->status, SL_OK);
    assert_int_equal(place->answers[0]->stream_id, STREAM_KEY);
    assert_int_equal(place->answers[0]->last, 5);
}

static void test_committer_stores_gaps(void **state)
{
    struct place *place = *state;
    struct sl_batch *batch = batch_of(place, 1, 1);

    assert_int_equal(sl_batch_gap(batch, 2, 9, sl_bytes_of("forgotten")), SL_OK);
    submit(place, batch);
    await(&place->answered, 1);
    assert_int_equal(place->answers[0]->status, SL_OK);
    assert_int_equal(place->answers[0]->last, 9);
}

static void test_committer_notes_a_clock_with_its_readings(void **state)
{
    struct place *place = *state;
    struct sl_batch *with_readings = batch_of(place, 1, 3);
    struct sl_batch *alone = batch_of(place, 0, 0);
    struct sl_batch *conflict = batch_of(place, 9, 1);

    atomic_store(&place->store->conflict_at, 9);
    sl_batch_clock(with_readings, -5);
    submit(place, with_readings);
    await(&place->answered, 1);
    assert_int_equal(with_readings->status, SL_OK);
    assert_int_equal(with_readings->last, 3);
    assert_int_equal(place->commits_at_answer[0], 1);
    assert_int_equal(atomic_load(&place->store->clocks), 1);
    assert_int_equal(atomic_load(&place->store->offset_us), -5);

    sl_batch_clock(alone, 7);
    submit(place, alone);
    await(&place->answered, 2);
    assert_int_equal(alone->status, SL_OK);
    assert_int_equal(atomic_load(&place->store->offset_us), 7);

    sl_batch_clock(conflict, 8);
    submit(place, conflict);
    await(&place->answered, 3);
    assert_int_equal(conflict->status, SL_DENIED);
    assert_int_equal(atomic_load(&place->store->clocks), 2);
}

static void test_committer_full_queue_refuses(void **state)
{
    struct place *place = *state;
    struct sl_batch *over = batch_of(place, 100, 1);

    hold(place->store, true);
    submit(place, batch_of(place, 1, 1));
    await(&place->store->appends, 1);
    for (int i = 0; i < 8; i++)
        submit(place, batch_of(place, 2 + i, 1));
    assert_int_equal(sl_committer_submit(place->committer, over), SL_LIMIT);
    hold(place->store, false);
    await(&place->drained, 2); /* There is room again. */
    submit(place, over);
    await(&place->answered, 10);
    assert_int_equal(place->answers[9]->last, 100);
}

static void test_committer_conflict_of_one_batch_does_not_disturb_others(void **state)
{
    struct place *place = *state;

    atomic_store(&place->store->conflict_at, 20);
    hold(place->store, true);
    submit(place, batch_of(place, 1, 1));
    await(&place->store->appends, 1);
    submit(place, batch_of(place, 10, 2));
    submit(place, batch_of(place, 20, 2));
    submit(place, batch_of(place, 30, 2));
    hold(place->store, false);
    await(&place->answered, 4);
    assert_int_equal(place->answers[1]->status, SL_OK);
    assert_int_equal(place->answers[2]->status, SL_DENIED);
    assert_false(place->answers[2]->diverged);
    assert_int_equal(place->answers[3]->status, SL_OK);
    assert_int_equal(place->answers[3]->last, 31);
    assert_int_equal(atomic_load(&place->store->rollbacks), 0);
    stop(place);
    assert_int_equal(said(place, "store fails"), 0);
}

static void test_committer_reading_that_differs_from_the_stored_one_is_told(void **state)
{
    struct sl_reading reading = {
        .time_us = SL_TIME_NONE, .name = sl_bytes_of("n"), .value = sl_bytes_of("1")};
    struct place *place = *state;
    struct sl_batch *same = batch_of(place, 0, 0), *other = batch_of(place, 0, 0);

    atomic_store(&place->store->diverged_at, 6);
    assert_int_equal(sl_batch_proof(same, 5, &reading), SL_OK);
    assert_int_equal(sl_batch_proof(other, 6, &reading), SL_OK);
    submit(place, same);
    await(&place->answered, 1);
    submit(place, other);
    await(&place->answered, 2);
    assert_int_equal(place->answers[0]->status, SL_OK);
    assert_false(place->answers[0]->diverged);
    assert_int_equal(place->answers[1]->status, SL_DENIED);
    assert_true(place->answers[1]->diverged);
}

/* Whatever fails, all of the transaction get SL_IO, it is rolled back, and said once. */
static void fail_and_recover(struct place *place, atomic_bool *fault)
{
    hold(place->store, true);
    submit(place, batch_of(place, 1, 1));
    await(&place->store->appends, 1);
    for (int i = 0; i < 3; i++)
        submit(place, batch_of(place, 2 + i, 1));
    atomic_store(fault, true);
    hold(place->store, false);
    await(&place->answered, 4);
    for (int i = 1; i < 4; i++)
        assert_int_equal(place->answers[i]->status, SL_IO);
    await(&place->drained, 2);
    /* Still failing: answered again, not said again. */
    submit(place, batch_of(place, 8, 1));
    await(&place->answered, 5);
    assert_int_equal(place->answers[4]->status, SL_IO);
    atomic_store(fault, false);
    submit(place, batch_of(place, 9, 1));
    await(&place->answered, 6);
    assert_int_equal(place->answers[5]->status, SL_OK);
    assert_int_equal(place->answers[5]->last, 9);
    assert_true(atomic_load(&place->store->rollbacks) >= 2);
    stop(place);
    assert_int_equal(said(place, "the store fails: the disk is on fire"), 1);
    assert_int_equal(said(place, "the store works again"), 1);
}

static void test_committer_failing_begin_answers_all_and_recovers(void **state)
{
    struct place *place = *state;

    fail_and_recover(place, &place->store->begin_fails);
}

static void test_committer_failing_append_answers_all_and_recovers(void **state)
{
    struct place *place = *state;

    fail_and_recover(place, &place->store->append_fails);
}

static void test_committer_failing_commit_answers_all_with_the_failure(void **state)
{
    struct place *place = *state;

    atomic_store(&place->store->commit_fails, true);
    submit(place, batch_of(place, 1, 1));
    await(&place->answered, 1);
    /* Whatever the engine called it, for the connections the store failed. */
    assert_int_equal(place->answers[0]->status, SL_IO);
    assert_int_equal(atomic_load(&place->store->commits), 0);
    atomic_store(&place->store->commit_fails, false);
    submit(place, batch_of(place, 1, 1));
    await(&place->answered, 2);
    assert_int_equal(place->answers[1]->status, SL_OK);
    stop(place);
    assert_int_equal(said(place, "the store fails"), 1);
    assert_int_equal(said(place, "the store works again"), 1);
}

/* Stops it while a thread of its own waits for that. */
static void *stop_it(void *argument)
{
    sl_committer_stop(argument);
    return NULL;
}

static void test_committer_stop_commits_and_answers_what_waits(void **state)
{
    struct place *place = *state;
    pthread_t stopper;

    hold(place->store, true);
    submit(place, batch_of(place, 1, 1));
    await(&place->store->appends, 1);
    submit(place, batch_of(place, 2, 1));
    submit(place, batch_of(place, 3, 1));
    assert_int_equal(pthread_create(&stopper, NULL, stop_it, place->committer), 0);
    hold(place->store, false);
    assert_int_equal(pthread_join(stopper, NULL), 0);
    place->committer = NULL;
    place->store = NULL;
    assert_true(place->closed);
    assert_int_equal(atomic_load(&place->answered), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(place->answers[i]->status, SL_OK);
}

static void test_committer_with_the_real_store_keeps_and_tells_numbers(void **state)
{
    struct place *place = *state;
    struct sl_store *store = NULL;
    struct sl_batch *batch;
    int64_t key;

    assert_int_equal(sl_store_open_memory(&store), SL_OK);
    start(place, store, 8);
    submit(place, opening(place));
    await(&place->answered, 1);
    assert_int_equal(place->answers[0]->status, SL_OK);
    assert_int_equal(place->answers[0]->last, 0);
    key = place->answers[0]->stream_id;
    for (int i = 0; i < 2; i++) {
        /* The second time these numbers don't follow: a conflict, and nothing is stored. */
        batch = batch_of(place, 1, 4);
        batch->stream_id = key;
        submit(place, batch);
        await(&place->answered, 2 + i);
    }
    assert_int_equal(place->answers[1]->status, SL_OK);
    assert_int_equal(place->answers[1]->last, 4);
    assert_int_equal(place->answers[2]->status, SL_DENIED);
    submit(place, opening(place));
    await(&place->answered, 4);
    assert_int_equal(place->answers[3]->stream_id, key);
    assert_int_equal(place->answers[3]->last, 4);
}

#define WITH_DOUBLE(test) cmocka_unit_test_setup_teardown(test, make_double, clear_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DOUBLE(test_committer_answers_only_after_the_commit),
        WITH_DOUBLE(test_committer_shares_one_commit_among_all_that_wait),
        WITH_DOUBLE(test_committer_opens_streams),
        WITH_DOUBLE(test_committer_stores_gaps),
        WITH_DOUBLE(test_committer_notes_a_clock_with_its_readings),
        WITH_DOUBLE(test_committer_full_queue_refuses),
        WITH_DOUBLE(test_committer_conflict_of_one_batch_does_not_disturb_others),
        WITH_DOUBLE(test_committer_reading_that_differs_from_the_stored_one_is_told),
        WITH_DOUBLE(test_committer_failing_begin_answers_all_and_recovers),
        WITH_DOUBLE(test_committer_failing_append_answers_all_and_recovers),
        WITH_DOUBLE(test_committer_failing_commit_answers_all_with_the_failure),
        WITH_DOUBLE(test_committer_stop_commits_and_answers_what_waits),
        cmocka_unit_test_setup_teardown(test_committer_with_the_real_store_keeps_and_tells_numbers,
                                        make_place, clear_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
