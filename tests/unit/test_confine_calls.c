/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_confine_calls.c -- children that confine themselves and then make system calls that no
 * server makes.
 */
#include "confine_place.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "server/confine_parts.h"

enum { FAILED = 99, ABI_NET = 4, ABI_SCOPE = 6 };

/* Landlock without seccomp in front of it. */
static void files_alone(const struct place *place)
{
    struct sl_confine_path paths[PATHS];
    struct sl_confinement confinement = {.lacks_count = 0};

    paths_of(place, paths);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0 ||
        sl_confine_files(paths, PATHS, &confinement) == 0)
        _exit(FAILED);
}

static void rings(const struct place *place)
{
    (void)place;
    sl_confine_prepare();
}

static int cut_outside(const struct place *place)
{
    return outcome(truncate(place->outside, 0));
}

static struct sockaddr_in listening(const struct place *place)
{
    struct sockaddr_in address = {0};
    socklen_t len = sizeof address;

    (void)getsockname(place->listener, (struct sockaddr *)&address, &len);
    return address;
}

static int connect_out(const struct place *place)
{
    struct sockaddr_in address = listening(place);

    return outcome(connect(place->spare, (struct sockaddr *)&address, sizeof address));
}

/* A way to connect that isn't called connect(). */
static int send_to_listener(const struct place *place)
{
    struct sockaddr_in address = listening(place);

    return outcome((int)sendto(place->spare, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                               (struct sockaddr *)&address, sizeof address));
}

static int bind_another(const struct place *place)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return outcome(bind(place->spare, (struct sockaddr *)&address, sizeof address));
}

static int listen_to_another(const struct place *place)
{
    return outcome(listen(place->spare, 1));
}

static int tcp(const struct place *place)
{
    (void)place;
    return outcome(socket(AF_INET, SOCK_STREAM, 0));
}

static int packets(const struct place *place)
{
    (void)place;
    return outcome(socket(AF_PACKET, SOCK_RAW, 0));
}

static int run_program(const struct place *place)
{
    char *const arguments[] = {"true", NULL};

    (void)place;
    return outcome(execve("/bin/true", arguments, arguments + 1));
}

static int trace(const struct place *place)
{
    (void)place;
    return outcome((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int make_process(const struct place *place)
{
    pid_t child = fork();

    (void)place;
    if (child == 0)
        _exit(0);
    return outcome(child);
}

static int signal_parent(const struct place *place)
{
    (void)place;
    return outcome(kill(getppid(), 0));
}

/* A signal of our choice, sent by a descriptor as soon as something comes. */
static int signal_parent_by_descriptor(const struct place *place)
{
    return outcome(fcntl(place->listener, F_SETOWN, getppid()));
}

static int choose_signal(const struct place *place)
{
    return outcome(fcntl(place->listener, F_SETSIG, SIGKILL));
}

/* Somebody else could start such a program, and would have this user's rights. */
static int make_set_user_id(const struct place *place)
{
    char path[PATH_SIZE];

    path_in(path, place, "store/readings.db-wal");
    return outcome(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_ISUID | S_IRWXU));
}

static int make_set_group_id_later(const struct place *place)
{
    int fd = open(place->store, O_WRONLY | O_CLOEXEC);

    return fd < 0 ? FAILED : outcome(fchmod(fd, S_ISGID | S_IRWXU));
}

static int become_root(const struct place *place)
{
    (void)place;
    return outcome(setuid(0));
}

static int slow_others_down(const struct place *place)
{
    (void)place;
    (void)setpgid(0, 0); /* where it's allowed, nobody else is in the group */
    return outcome(setpriority(PRIO_PGRP, 0, 19));
}

static int raise_cores(const struct place *place)
{
    struct rlimit limit;

    (void)place;
    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return FAILED;
    return outcome(setrlimit(RLIMIT_CORE, &limit));
}

static int map_code(const struct place *place)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)place;
    return page == MAP_FAILED ? errno : outcome(munmap(page, 4096));
}

static int make_code(const struct place *place)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)place;
    return page == MAP_FAILED ? FAILED : outcome(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int make_ring(const struct place *place)
{
    (void)place;
    return outcome((int)syscall(SYS_io_uring_setup, 1, NULL));
}

/* An assert that fails has to say so. */
static int break_down(const struct place *place)
{
    (void)place;
    abort();
}

static int landlock_abi(const struct place *place)
{
    struct sl_confine_path paths[PATHS];
    struct sl_confinement confinement;
    const char *at;

    paths_of(place, paths);
    assert_int_equal(sl_confine_try(NULL, paths, PATHS, &confinement), SL_OK);
    at = strstr(confinement.in_force, "Landlock ABI ");
    return at == NULL ? 0 : (int)strtol(at + strlen("Landlock ABI "), NULL, 10);
}

static const struct forbidden calls[] = {
    {"cut a file short by name", cut_outside, EPERM, false},
    {"connect", connect_out, EPERM, false},
    {"connect by sending", send_to_listener, EPERM, false},
    {"bind", bind_another, EPERM, false},
    {"listen", listen_to_another, EPERM, false},
    {"make a socket", tcp, EPERM, false},
    {"look at packets", packets, EPERM, true},
    {"run a program", run_program, 0, false},
    {"be traced", trace, 0, false},
    {"make a process", make_process, EPERM, false},
    {"signal another process", signal_parent, EPERM, false},
    {"signal another process by a descriptor", signal_parent_by_descriptor, EPERM, false},
    {"choose a descriptor's signal", choose_signal, EPERM, false},
    {"make a set-user-id file", make_set_user_id, EPERM, false},
    {"make a file set-group-id", make_set_group_id_later, EPERM, false},
    {"become root", become_root, EPERM, true},
    {"change other processes' priority", slow_others_down, EPERM, false},
    {"change limits", raise_cores, EPERM, false},
    {"map code", map_code, EPERM, false},
    {"make code", make_code, EPERM, false},
};

static void test_confined_process_makes_no_other_calls(void **state)
{
    need(*state, ", seccomp");
    for (size_t i = 0; i < COUNT(calls); i++)
        refuse(&calls[i], everything);
}

static void test_confined_process_has_no_io_uring_from_the_start(void **state)
{
    need(*state, ", seccomp");
    if (WEXITSTATUS(ending_of(*state, nothing, make_ring)) != EFAULT) {
        (void)printf("there is no io_uring here anyway\n");
        skip();
    }
    expect(*state, rings, make_ring, ENOSYS);
    expect(*state, rings, make_process, 0);
    expect(*state, everything, make_ring, EPERM);
}

static void test_landlock_alone_forbids_connections_and_signals(void **state)
{
    static const struct forbidden connections[] = {
        {"connect", connect_out, EACCES, false},
        {"bind", bind_another, EACCES, false},
    };
    static const struct forbidden signals = {"signal another process", signal_parent, EPERM, false};
    int abi = landlock_abi(*state);

    if (abi < ABI_NET)
        skip();
    for (size_t i = 0; i < COUNT(connections); i++)
        refuse(&connections[i], files_alone);
    if (abi >= ABI_SCOPE)
        refuse(&signals, files_alone);
}

static void test_confined_process_that_aborts_leaves_no_core(void **state)
{
    int status = ending_of(*state, everything, break_down);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_false(WCOREDUMP(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_PLACE(test_confined_process_makes_no_other_calls),
        OF_PLACE(test_confined_process_has_no_io_uring_from_the_start),
        OF_PLACE(test_landlock_alone_forbids_connections_and_signals),
        OF_PLACE(test_confined_process_that_aborts_leaves_no_core),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
