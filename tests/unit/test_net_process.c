/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_net_process.c -- commands: their output, their ends, and that nothing of them is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/process.h"
#include "net_fixture.h"

enum { LONG_MS = 15000, KEEP = SL_PROCESS_OUTPUT_MAX + 1 };

struct run {
    struct net_fixture *fixture;
    size_t len;
    int ends;
    enum sl_status status;
    int exit_code;
    char output[KEEP];
};

static void ended(void *ctx, enum sl_status status, int exit_code, struct sl_bytes output)
{
    struct run *run = ctx;
    run->ends++;
    run->status = status;
    run->exit_code = exit_code;
    run->len = output.len;
    memcpy(run->output, output.at, output.len);
    run->output[output.len] = '\0';
    sl_loop_stop(run->fixture->loop);
}

static struct sl_process *start(struct run *run, const char *command, int64_t deadline_ms)
{
    struct sl_process *process = NULL;
    assert_int_equal(
        sl_process_start(run->fixture->loop, command, deadline_ms, ended, run, &process), SL_OK);
    assert_int_equal(run->ends, 0); /* never from inside */
    return process;
}

/* True while a child is there, running or not waited for. Takes nothing away from libuv. */
static bool have_child(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void tick(void *ctx)
{
    sl_loop_stop(ctx);
}

/* Turns the loop until every child is waited for. */
static void assert_all_reaped(struct net_fixture *fixture)
{
    struct sl_timer *timer = NULL;
    assert_int_equal(sl_timer_new(fixture->loop, tick, fixture->loop, &timer), SL_OK);
    sl_timer_start(fixture->patience, PATIENCE_MS);
    while (have_child() && !fixture->late) {
        sl_timer_start(timer, 1);
        sl_loop_run(fixture->loop);
    }
    sl_timer_stop(fixture->patience);
    sl_timer_close(timer);
    assert_false(fixture->late);
}

static struct run run_command(struct net_fixture *fixture, const char *command, int64_t deadline_ms)
{
    struct run run = {.fixture = fixture};
    (void)start(&run, command, deadline_ms);
    net_run(fixture);
    assert_int_equal(run.ends, 1);
    assert_all_reaped(fixture);
    assert_int_equal(run.ends, 1);
    return run;
}

static void test_process_output_and_exit_code_come_back(void **state)
{
    static const struct {
        const char *command, *output;
        enum sl_status status;
        int exit_code;
    } table[] = {
        {"echo 21.5", "21.5\n", SL_OK, 0},
        {"printf 'a\\nb'", "a\nb", SL_OK, 0},
        {"true", "", SL_OK, 0},
        {"echo partly; exit 3", "partly\n", SL_IO, 3},
        {"exit 255", "", SL_IO, 255},
        {"kill -TERM $$", "", SL_IO, 128 + SIGTERM},
        {"echo \"$((20 + 2))\" | cat", "22\n", SL_OK, 0},
        {"cat; echo end", "end\n", SL_OK, 0},                     /* standard input is empty */
        {"echo 7 > /dev/stdout", "7\n", SL_OK, 0},                /* and output can be opened */
        {"(sleep 0.05; echo late) & exit 0", "late\n", SL_OK, 0}, /* output outlives the shell */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct run run = run_command(*state, table[i].command, LONG_MS);
        assert_string_equal(run.output, table[i].output);
        assert_int_equal(run.status, table[i].status);
        assert_int_equal(run.exit_code, table[i].exit_code);
    }
}

static void test_process_that_is_not_a_command_fails_as_the_shell_has_it(void **state)
{
    struct run run =
        run_command(*state, "exec 2>/dev/null; /nonexistent/command/of/sensorlink", LONG_MS);
    assert_int_equal(run.status, SL_IO);
    assert_int_equal(run.exit_code, 127);
}

static void test_process_output_beyond_the_limit_is_dropped_and_the_command_ends(void **state)
{
    /* More than a pipe holds, so that it only ends if the rest is read. */
    struct run run =
        run_command(*state, "printf x; head -c 1000000 /dev/zero | tr '\\0' y; exit 5", LONG_MS);
    assert_int_equal(run.exit_code, 5);
    assert_int_equal(run.len, SL_PROCESS_OUTPUT_MAX);
    assert_int_equal(run.output[0], 'x');
    for (size_t i = 1; i < run.len; i++)
        assert_int_equal(run.output[i], 'y');
}

static void test_process_that_floods_without_end_is_killed_at_its_deadline(void **state)
{
    struct run run = run_command(*state, "yes", 100);
    assert_int_equal(run.status, SL_TIMEOUT);
    assert_int_equal(run.len, SL_PROCESS_OUTPUT_MAX);
}

/*
 * A pipe whose writing end is inherited by every process of a command: its reading end says when
 * the last of them is gone, also those that aren't our children.
 */
struct witness {
    int reading, writing;
};

static struct witness open_witness(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFD, FD_CLOEXEC), 0);
    return (struct witness){ends[0], ends[1]};
}

static void assert_all_gone(struct witness witness)
{
    struct pollfd poll_fd = {.fd = witness.reading, .events = POLLIN};
    close(witness.writing);
    assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
    assert_true((poll_fd.revents & POLLHUP) != 0);
    close(witness.reading);
}

static const char *const family =
    "sleep 1000 & (trap '' TERM HUP; sleep 1000) & echo started; wait";

static void test_process_at_its_deadline_is_killed_with_its_grandchildren(void **state)
{
    struct witness witness = open_witness();
    struct run run = run_command(*state, family, 1000);
    assert_int_equal(run.status, SL_TIMEOUT);
    assert_int_equal(run.exit_code, -1);
    assert_string_equal(run.output, "started\n");
    assert_all_gone(witness);
}

static void test_process_whose_shell_left_a_child_with_its_output_is_killed_at_deadline(
    void **state)
{
    struct witness witness = open_witness();
    struct run run = run_command(*state, "sleep 1000 & echo started", 1000);
    assert_int_equal(run.status, SL_TIMEOUT);
    assert_string_equal(run.output, "started\n");
    assert_all_gone(witness);
}

static void test_process_cancelled_is_killed_and_never_calls_back(void **state)
{
    struct run run = {.fixture = *state};
    struct witness witness = open_witness();
    sl_process_cancel(start(&run, family, LONG_MS));
    sl_process_cancel(NULL);
    assert_all_reaped(run.fixture);
    assert_all_gone(witness);
    assert_int_equal(run.ends, 0);
}

static void test_process_is_killed_when_its_loop_is_freed(void **state)
{
    struct net_fixture other = {0};
    struct run run = {.fixture = &other};
    (void)state;
    assert_int_equal(sl_loop_new(&other.loop), SL_OK);
    struct witness witness = open_witness();
    (void)start(&run, family, LONG_MS);
    sl_process_cancel(start(&run, family, LONG_MS));
    sl_loop_free(other.loop);
    assert_all_gone(witness);
    assert_int_equal(run.ends, 0);
    /* What libuv could not wait for any more. */
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

static void test_process_many_at_once_keep_their_outputs_apart(void **state)
{
    enum { COMMANDS = 12 };
    struct run runs[COMMANDS];
    struct net_fixture *fixture = *state;
    for (int i = 0; i < COMMANDS; i++) {
        char command[32];
        snprintf(command, sizeof(command), "echo %d; exit %d", i, i);
        runs[i] = (struct run){.fixture = fixture};
        (void)start(&runs[i], command, LONG_MS);
    }
    int done = 0;
    while (done < COMMANDS) {
        net_run(fixture);
        done = 0;
        for (int i = 0; i < COMMANDS; i++)
            done += runs[i].ends;
    }
    for (int i = 0; i < COMMANDS; i++) {
        char output[32];
        snprintf(output, sizeof(output), "%d\n", i);
        assert_string_equal(runs[i].output, output);
        assert_int_equal(runs[i].exit_code, i);
    }
}

/* In a child: the limit is the process's. */
static int start_without_descriptors(void)
{
    struct sl_loop *loop = NULL;
    struct sl_process *process = NULL;
    if (sl_loop_new(&loop) != SL_OK)
        return 1;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    /* The soft one: valgrind keeps descriptors of its own below the hard one. */
    limit.rlim_cur = 32;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    while (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) >= 0)
        continue;
    if (sl_process_start(loop, "true", LONG_MS, ended, NULL, &process) != SL_IO)
        return 3;
    close(20); /* one isn't enough for a pipe */
    if (sl_process_start(loop, "true", LONG_MS, ended, NULL, &process) != SL_IO)
        return 4;
    close(21); /* two are, and then none is left to start the shell with */
    if (sl_process_start(loop, "true", LONG_MS, ended, NULL, &process) != SL_IO)
        return 5;
    sl_loop_free(loop);
    return 0;
}

static void test_process_without_descriptors_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(start_without_descriptors());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, net_setup, net_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_process_output_and_exit_code_come_back),
        NET_TEST(test_process_that_is_not_a_command_fails_as_the_shell_has_it),
        NET_TEST(test_process_output_beyond_the_limit_is_dropped_and_the_command_ends),
        NET_TEST(test_process_that_floods_without_end_is_killed_at_its_deadline),
        NET_TEST(test_process_at_its_deadline_is_killed_with_its_grandchildren),
        NET_TEST(test_process_whose_shell_left_a_child_with_its_output_is_killed_at_deadline),
        NET_TEST(test_process_cancelled_is_killed_and_never_calls_back),
        NET_TEST(test_process_is_killed_when_its_loop_is_freed),
        NET_TEST(test_process_many_at_once_keep_their_outputs_apart),
        cmocka_unit_test(test_process_without_descriptors_is_refused_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
