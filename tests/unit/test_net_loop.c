/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_net_loop.c -- watches, timers, inboxes and signals, and that closing them is safe anywhere.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_fixture.h"

static void stop_loop(void *ctx)
{
    struct net_fixture *fixture = ctx;
    fixture->calls++;
    sl_loop_stop(fixture->loop);
}

static void test_loop_with_nothing_to_wait_for_returns(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_timer *timer = NULL;
    struct sl_signal *signal = NULL;
    assert_int_equal(sl_timer_new(fixture->loop, stop_loop, fixture, &timer), SL_OK);
    assert_int_equal(sl_signal_new(fixture->loop, SIGUSR1, NULL, NULL, &signal), SL_OK);
    sl_loop_run(fixture->loop);
    sl_timer_start(timer, 1);
    sl_timer_stop(timer);
    sl_loop_run(fixture->loop);
    assert_int_equal(fixture->calls, 0);
}

static void test_loop_free_closes_what_still_hangs_on_it(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_loop *loop = NULL;
    int pair[2];
    assert_int_equal(sl_loop_new(&loop), SL_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (int i = 0; i < 3; i++) {
        struct sl_timer *timer = NULL;
        struct sl_inbox *inbox = NULL;
        struct sl_signal *signal = NULL;
        assert_int_equal(sl_timer_new(loop, stop_loop, fixture, &timer), SL_OK);
        sl_timer_start(timer, i);
        assert_int_equal(sl_inbox_new(loop, stop_loop, fixture, &inbox), SL_OK);
        sl_inbox_wake(inbox);
        assert_int_equal(sl_signal_new(loop, SIGUSR1, NULL, NULL, &signal), SL_OK);
    }
    struct sl_watch *watch = NULL;
    assert_int_equal(sl_watch_new(loop, pair[0], NULL, NULL, &watch), SL_OK);
    assert_int_equal(sl_watch_set(watch, true, true), SL_OK);
    sl_loop_stop(loop);
    sl_loop_free(loop);
    sl_loop_free(NULL);

    /* No callback ran, and the descriptor is open still. */
    assert_int_equal(fixture->calls, 0);
    assert_true(fcntl(pair[0], F_GETFD) >= 0);
    close(pair[0]);
    close(pair[1]);
}

static void test_loop_null_handles_can_be_closed(void **state)
{
    (void)state;
    sl_watch_close(NULL);
    sl_timer_close(NULL);
    sl_inbox_close(NULL);
    sl_signal_close(NULL);
}

static void *stop_from_thread(void *arg)
{
    sl_loop_stop(arg);
    return NULL;
}

static void test_loop_stop_from_another_thread_ends_the_run(void **state)
{
    struct net_fixture *fixture = *state;
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, fixture->loop), 0);
        net_run(fixture);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

/* Watches. */

struct watched {
    struct net_fixture *fixture;
    struct sl_watch *watch;
    struct sl_watch *other;
    int fd;
    bool readable, writable;
};

static void note_and_stop(void *ctx, bool readable, bool writable)
{
    struct watched *watched = ctx;
    watched->readable = readable;
    watched->writable = writable;
    stop_loop(watched->fixture);
}

static void start_watching(struct watched *watched, sl_watch_fn *ready)
{
    assert_int_equal(
        sl_watch_new(watched->fixture->loop, watched->fd, ready, watched, &watched->watch), SL_OK);
}

static void test_watch_says_what_it_was_asked_for(void **state)
{
    struct watched watched = {.fixture = *state};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watched.fd = pair[0];
    start_watching(&watched, note_and_stop);

    assert_int_equal(sl_watch_set(watched.watch, false, true), SL_OK);
    net_run(watched.fixture);
    assert_false(watched.readable);
    assert_true(watched.writable);

    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(sl_watch_set(watched.watch, true, false), SL_OK);
    net_run(watched.fixture);
    assert_true(watched.readable);
    assert_false(watched.writable);

    assert_int_equal(sl_watch_set(watched.watch, true, true), SL_OK);
    net_run(watched.fixture);
    assert_true(watched.readable);
    assert_true(watched.writable);

    sl_watch_close(watched.watch);
    close(pair[0]);
    close(pair[1]);
}

static void test_watch_asked_for_nothing_says_nothing(void **state)
{
    struct watched watched = {.fixture = *state};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watched.fd = pair[0];
    start_watching(&watched, note_and_stop);
    assert_int_equal(write(pair[1], "x", 1), 1);
    sl_loop_run(watched.fixture->loop);
    assert_int_equal(sl_watch_set(watched.watch, true, true), SL_OK);
    assert_int_equal(sl_watch_set(watched.watch, false, false), SL_OK);
    sl_loop_run(watched.fixture->loop);
    assert_int_equal(watched.fixture->calls, 0);
    sl_watch_close(watched.watch);
    close(pair[0]);
    close(pair[1]);
}

static void test_watch_hang_up_is_readable(void **state)
{
    struct watched watched = {.fixture = *state};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watched.fd = pair[0];
    start_watching(&watched, note_and_stop);
    assert_int_equal(sl_watch_set(watched.watch, true, false), SL_OK);
    close(pair[1]);
    net_run(watched.fixture);
    assert_true(watched.readable);
    sl_watch_close(watched.watch);
    close(pair[0]);
}

static void test_watch_error_is_readable_and_writable_until_it_is_dealt_with(void **state)
{
    struct watched watched = {.fixture = *state};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    watched.fd = ends[1];
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    char block[4096] = {0};
    while (write(ends[1], block, sizeof(block)) > 0)
        continue;
    start_watching(&watched, note_and_stop);
    assert_int_equal(sl_watch_set(watched.watch, false, true), SL_OK);

    /* A full pipe that loses its reader has an error, again and again. */
    close(ends[0]);
    for (int i = 0; i < 3; i++) {
        watched.readable = watched.writable = false;
        net_run(watched.fixture);
        assert_true(watched.readable);
        assert_true(watched.writable);
    }
    sl_watch_close(watched.watch);
    close(ends[1]);
}

static void close_self_and_other(void *ctx, bool readable, bool writable)
{
    struct watched *watched = ctx;
    note_and_stop(ctx, readable, writable);
    sl_watch_close(watched->watch);
    sl_watch_close(watched->other);
    close(watched->fd); /* at once, as a connection does */
}

static void test_watch_closed_in_its_own_or_a_neighbours_callback_is_silent(void **state)
{
    struct net_fixture *fixture = *state;
    int a[2];
    int b[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);

    /* Both are ready in the same turn; whichever comes first closes both. */
    struct watched first = {.fixture = fixture, .fd = a[0]};
    struct watched second = {.fixture = fixture, .fd = b[0]};
    start_watching(&first, close_self_and_other);
    start_watching(&second, close_self_and_other);
    first.other = second.watch;
    second.other = first.watch;
    assert_int_equal(sl_watch_set(first.watch, true, true), SL_OK);
    assert_int_equal(sl_watch_set(second.watch, true, true), SL_OK);
    net_run(fixture);
    sl_loop_run(fixture->loop);
    assert_int_equal(fixture->calls, 1);
    (void)close(fcntl(a[0], F_GETFD) >= 0 ? a[0] : b[0]);
    close(a[1]);
    close(b[1]);
}

static void test_watch_descriptor_can_be_watched_again_after_close(void **state)
{
    struct watched watched = {.fixture = *state};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watched.fd = pair[0];
    for (int i = 0; i < 3; i++) {
        start_watching(&watched, note_and_stop);
        assert_int_equal(sl_watch_set(watched.watch, false, true), SL_OK);
        watched.writable = false;
        net_run(watched.fixture);
        assert_true(watched.writable);
        sl_watch_close(watched.watch);
    }
    close(pair[0]);
    close(pair[1]);
}

static void test_watch_of_regular_or_closed_file_is_refused(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_watch *watch = NULL;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(sl_watch_new(fixture->loop, fileno(file), NULL, NULL, &watch), SL_OK);
    assert_int_equal(sl_watch_set(watch, true, false), SL_IO);
    sl_watch_close(watch);
    fclose(file);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(sl_watch_new(fixture->loop, ends[0], NULL, NULL, &watch), SL_OK);
    assert_int_equal(sl_watch_set(watch, true, false), SL_IO);
    sl_watch_close(watch);
    sl_loop_run(fixture->loop); /* nothing is watched, so it returns */
}

/* Timers. */

static void test_timer_fires_once_and_not_early(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_timer *timer = NULL;
    assert_int_equal(sl_timer_new(fixture->loop, stop_loop, fixture, &timer), SL_OK);
    int64_t start_ms = sl_loop_now_ms(fixture->loop);
    sl_timer_start(timer, 30);
    net_run(fixture);
    /* libuv's clock has a grain of a few milliseconds on some machines. */
    assert_in_range(sl_loop_now_ms(fixture->loop) - start_ms, 25, PATIENCE_MS);
    sl_loop_run(fixture->loop);
    assert_int_equal(fixture->calls, 1);
    sl_timer_close(timer);
}

static void test_timer_started_again_moves_and_stopped_never_fires(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_timer *moved = NULL;
    struct sl_timer *stopped = NULL;
    assert_int_equal(sl_timer_new(fixture->loop, stop_loop, fixture, &moved), SL_OK);
    assert_int_equal(sl_timer_new(fixture->loop, stop_loop, fixture, &stopped), SL_OK);
    sl_timer_start(moved, INT64_MAX);
    sl_timer_start(moved, 0);
    sl_timer_start(moved, 2);
    sl_timer_start(stopped, 0);
    sl_timer_stop(stopped);
    net_run(fixture);
    sl_loop_run(fixture->loop);
    assert_int_equal(fixture->calls, 1);
    sl_timer_close(moved);
    sl_timer_close(stopped);
}

enum { TOO_EAGER = 1000 };

struct eager {
    struct net_fixture *fixture;
    struct sl_timer *timer;
    struct sl_watch *watch;
};

static void start_again(void *ctx)
{
    struct eager *eager = ctx;
    eager->fixture->calls++;
    if (eager->fixture->calls == 1)
        assert_int_equal(sl_watch_set(eager->watch, false, true), SL_OK);
    if (eager->fixture->calls < TOO_EAGER)
        sl_timer_start(eager->timer, 0);
}

static void test_timer_of_zero_that_starts_itself_leaves_others_their_turn(void **state)
{
    struct watched watched = {.fixture = *state};
    struct eager eager = {.fixture = *state};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(sl_timer_new(eager.fixture->loop, start_again, &eager, &eager.timer), SL_OK);
    sl_timer_start(eager.timer, 1);
    watched.fd = pair[0];
    start_watching(&watched, note_and_stop);
    eager.watch = watched.watch;
    net_run(watched.fixture);
    assert_true(watched.writable);
    assert_in_range(eager.fixture->calls, 1, TOO_EAGER - 1);
    sl_timer_close(eager.timer);
    sl_watch_close(watched.watch);
    close(pair[0]);
    close(pair[1]);
}

static void close_timer(void *ctx)
{
    struct eager *eager = ctx;
    sl_timer_start(eager->timer, 0);
    sl_timer_close(eager->timer);
    eager->fixture->calls++;
}

static void test_timer_closed_in_its_own_callback_is_silent(void **state)
{
    struct net_fixture *fixture = *state;
    for (int64_t in_ms = 0; in_ms < 3; in_ms++) {
        struct eager eager = {.fixture = fixture};
        assert_int_equal(sl_timer_new(fixture->loop, close_timer, &eager, &eager.timer), SL_OK);
        sl_timer_start(eager.timer, in_ms);
        sl_loop_run(fixture->loop);
        assert_int_equal(fixture->calls, in_ms + 1);
    }
}

/* Inboxes. */

enum { THREADS = 4, WAKES_EACH = 5000 };

struct mailbox {
    struct net_fixture *fixture;
    struct sl_inbox *inbox;
    pthread_mutex_t mutex;
    int posted; /* under the mutex */
    int seen;
};

static void take_posted(void *ctx)
{
    struct mailbox *mailbox = ctx;
    mailbox->fixture->calls++;
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->seen = mailbox->posted;
    pthread_mutex_unlock(&mailbox->mutex);
    if (mailbox->seen == THREADS * WAKES_EACH)
        sl_loop_stop(mailbox->fixture->loop);
}

static void *post_many(void *arg)
{
    struct mailbox *mailbox = arg;
    for (int i = 0; i < WAKES_EACH; i++) {
        pthread_mutex_lock(&mailbox->mutex);
        mailbox->posted++;
        pthread_mutex_unlock(&mailbox->mutex);
        sl_inbox_wake(mailbox->inbox);
    }
    return NULL;
}

static void test_inbox_woken_by_several_threads_misses_nothing(void **state)
{
    struct mailbox mailbox = {.fixture = *state, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS];
    assert_int_equal(sl_inbox_new(mailbox.fixture->loop, take_posted, &mailbox, &mailbox.inbox),
                     SL_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &mailbox), 0);
    net_run(mailbox.fixture);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(mailbox.seen, THREADS * WAKES_EACH);
    assert_in_range(mailbox.fixture->calls, 1, THREADS * WAKES_EACH);
    sl_inbox_close(mailbox.inbox);
    pthread_mutex_destroy(&mailbox.mutex);
}

struct letter {
    struct net_fixture *fixture;
    struct sl_inbox *inbox;
    int written; /* by the thread, with nothing but the wake between it and the reader */
    int read;
};

static void read_letter(void *ctx)
{
    struct letter *letter = ctx;
    letter->read = letter->written;
    stop_loop(letter->fixture);
}

static void *write_letter(void *arg)
{
    struct letter *letter = arg;
    letter->written = 42;
    sl_inbox_wake(letter->inbox);
    return NULL;
}

static void test_inbox_callback_sees_what_was_written_before_the_wake(void **state)
{
    struct letter letter = {.fixture = *state};
    pthread_t thread;
    assert_int_equal(sl_inbox_new(letter.fixture->loop, read_letter, &letter, &letter.inbox),
                     SL_OK);
    assert_int_equal(pthread_create(&thread, NULL, write_letter, &letter), 0);
    net_run(letter.fixture);
    assert_int_equal(letter.read, 42);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sl_inbox_close(letter.inbox);
}

static void test_inbox_woken_thrice_before_the_turn_calls_once(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_inbox *inbox = NULL;
    assert_int_equal(sl_inbox_new(fixture->loop, stop_loop, fixture, &inbox), SL_OK);
    for (int i = 0; i < 3; i++)
        sl_inbox_wake(inbox);
    net_run(fixture);
    assert_int_equal(fixture->calls, 1);
    sl_inbox_wake(inbox);
    net_run(fixture);
    assert_int_equal(fixture->calls, 2);

    sl_inbox_wake(inbox);
    sl_inbox_close(inbox);
    sl_loop_run(fixture->loop);
    assert_int_equal(fixture->calls, 2);
}

/* Signals. */

static void note_signal(void *ctx, int signum)
{
    struct net_fixture *fixture = ctx;
    fixture->calls += signum;
    sl_loop_stop(fixture->loop);
}

static void test_signal_calls_back_in_the_loop_until_closed(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_signal *signal = NULL;
    assert_int_equal(sl_signal_new(fixture->loop, SIGUSR1, note_signal, fixture, &signal), SL_OK);
    assert_int_equal(raise(SIGUSR1), 0);
    net_run(fixture);
    assert_int_equal(fixture->calls, SIGUSR1);

    /* Caught, and closed before the loop came round. */
    assert_int_equal(raise(SIGUSR1), 0);
    sl_signal_close(signal);
    sl_loop_run(fixture->loop);
    assert_int_equal(fixture->calls, SIGUSR1);
}

static void test_signal_that_cannot_be_caught_is_refused(void **state)
{
    struct net_fixture *fixture = *state;
    struct sl_signal *signal = NULL;
    assert_int_equal(sl_signal_new(fixture->loop, SIGKILL, note_signal, fixture, &signal), SL_IO);
    assert_int_equal(sl_signal_new(fixture->loop, 0, note_signal, fixture, &signal), SL_IO);
    assert_null(signal);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_loop_with_nothing_to_wait_for_returns),
        NET_TEST(test_loop_free_closes_what_still_hangs_on_it),
        NET_TEST(test_loop_null_handles_can_be_closed),
        NET_TEST(test_loop_stop_from_another_thread_ends_the_run),
        NET_TEST(test_watch_says_what_it_was_asked_for),
        NET_TEST(test_watch_asked_for_nothing_says_nothing),
        NET_TEST(test_watch_hang_up_is_readable),
        NET_TEST(test_watch_error_is_readable_and_writable_until_it_is_dealt_with),
        NET_TEST(test_watch_closed_in_its_own_or_a_neighbours_callback_is_silent),
        NET_TEST(test_watch_descriptor_can_be_watched_again_after_close),
        NET_TEST(test_watch_of_regular_or_closed_file_is_refused),
        NET_TEST(test_timer_fires_once_and_not_early),
        NET_TEST(test_timer_started_again_moves_and_stopped_never_fires),
        NET_TEST(test_timer_of_zero_that_starts_itself_leaves_others_their_turn),
        NET_TEST(test_timer_closed_in_its_own_callback_is_silent),
        NET_TEST(test_inbox_woken_by_several_threads_misses_nothing),
        NET_TEST(test_inbox_callback_sees_what_was_written_before_the_wake),
        NET_TEST(test_inbox_woken_thrice_before_the_turn_calls_once),
        NET_TEST(test_signal_calls_back_in_the_loop_until_closed),
        NET_TEST(test_signal_that_cannot_be_caught_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
