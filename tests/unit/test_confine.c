/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_confine.c -- children that confine themselves: the files that they reach, and what a server
 * has to be able to do all the same.
 */
#include "confine_place.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

enum { FAILED = 99 };

static int read_key(const struct place *place)
{
    return opened(place->key, O_RDONLY);
}

static int read_linked(const struct place *place)
{
    return opened(place->link, O_RDONLY);
}

static int write_key(const struct place *place)
{
    return opened(place->key, O_WRONLY);
}

static int remove_key(const struct place *place)
{
    return outcome(unlink(place->key));
}

static int make_beside_key(const struct place *place)
{
    char path[PATH_SIZE];

    path_in(path, place, "keys/new");
    return opened(path, O_WRONLY | O_CREAT);
}

static int read_outside(const struct place *place)
{
    return opened(place->outside, O_RDONLY);
}

static int write_outside(const struct place *place)
{
    return opened(place->outside, O_WRONLY);
}

static int remove_outside(const struct place *place)
{
    return outcome(unlink(place->outside));
}

static int make_outside(const struct place *place)
{
    char path[PATH_SIZE];

    path_in(path, place, "outside/new");
    return opened(path, O_WRONLY | O_CREAT);
}

static int read_passwd(const struct place *place)
{
    (void)place;
    return opened("/etc/passwd", O_RDONLY);
}

static int append_to_passwd(const struct place *place)
{
    (void)place;
    return opened("/etc/passwd", O_WRONLY | O_APPEND);
}

static int read_null(const struct place *place)
{
    (void)place;
    return opened("/dev/null", O_RDONLY);
}

/* As SQLite does with its write-ahead log, and a store that is moved aside. */
static int work_in_store(const struct place *place)
{
    char wal[PATH_SIZE], old[PATH_SIZE], folder[PATH_SIZE];
    int error = 0, fd;

    path_in(wal, place, "store/readings.db-wal");
    path_in(old, place, "store/readings.db.old");
    path_in(folder, place, "store");
    fd = open(wal, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, "log", 3, 0) != 3 || ftruncate(fd, 1) != 0 || fsync(fd) != 0)
        error = FAILED;
    if (fd >= 0)
        (void)close(fd);
    if (error == 0)
        error = outcome(rename(place->store, old));
    if (error == 0)
        error = opened(place->store, O_RDWR | O_CREAT | O_TRUNC);
    if (error == 0)
        error = outcome(unlink(wal));
    return error == 0 ? opened(folder, O_RDONLY | O_DIRECTORY) : error;
}

static int take_connection(const struct place *place)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    int fd = accept4(place->listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
    int on = 1;
    char byte;

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on) != 0 ||
        send(fd, "a", 1, MSG_NOSIGNAL) != 1 || recv(place->client, &byte, 1, 0) != 1 ||
        shutdown(fd, SHUT_WR) != 0)
        return errno;
    return outcome(close(fd));
}

static int has_no_cores(const struct place *place)
{
    struct rlimit limit = {1, 1};

    (void)place;
    return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? 0 : FAILED;
}

static void *allocate(void *argument)
{
    void *memory = malloc(1 << 22);

    free(memory);
    return memory == NULL ? NULL : argument;
}

static int start_thread(const struct place *place)
{
    pthread_t thread;
    void *result = NULL;
    char here;

    (void)place;
    if (pthread_create(&thread, NULL, allocate, &here) != 0 || pthread_join(thread, &result) != 0)
        return FAILED;
    return result == &here ? 0 : FAILED;
}

/* A later thread is as confined as the first one. */
static void *read_in_thread(void *argument)
{
    const struct place *place = argument;

    return read_outside(place) == EACCES ? argument : NULL;
}

static int read_outside_in_a_thread(const struct place *place)
{
    struct place copy = *place;
    pthread_t thread;
    void *result = NULL;

    if (pthread_create(&thread, NULL, read_in_thread, &copy) != 0 ||
        pthread_join(thread, &result) != 0)
        return FAILED;
    return result == &copy ? EACCES : 0;
}

static int wait_for_events(const struct place *place)
{
    struct epoll_event event = {.events = EPOLLIN};
    const struct timespec short_time = {.tv_nsec = 1000};
    int poll = epoll_create1(EPOLL_CLOEXEC);
    int wake = eventfd(1, EFD_CLOEXEC);
    int watch = inotify_init1(IN_CLOEXEC);
    char random[16];

    if (poll < 0 || wake < 0 || watch < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, wake, &event) != 0 ||
        epoll_wait(poll, &event, 1, 1000) != 1)
        return FAILED;
    if (inotify_add_watch(watch, place->key, IN_ALL_EVENTS) < 0 ||
        getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return FAILED;
    return outcome(nanosleep(&short_time, NULL));
}

static const struct forbidden files[] = {
    {"write the key", write_key, EACCES, false},
    {"remove the key", remove_key, EACCES, false},
    {"make a file beside the key", make_beside_key, EACCES, false},
    {"read another file", read_outside, EACCES, false},
    {"write another file", write_outside, EACCES, false},
    {"remove another file", remove_outside, EACCES, false},
    {"make a file elsewhere", make_outside, EACCES, false},
    {"read the list of users", read_passwd, EACCES, false},
    {"write the list of users", append_to_passwd, EACCES, true},
};

static void test_confined_process_reaches_no_other_files(void **state)
{
    need(*state, ", Landlock");
    for (size_t i = 0; i < COUNT(files); i++)
        refuse(&files[i], everything);
    expect(*state, everything, read_outside_in_a_thread, EACCES);
}

static void test_confined_process_does_what_a_server_does(void **state)
{
    static attempt_fn *const needed[] = {read_key,      read_linked,    read_null,
                                         work_in_store, start_thread,   take_connection,
                                         has_no_cores,  wait_for_events};

    for (size_t i = 0; i < COUNT(needed); i++)
        expect(*state, everything, needed[i], 0);
}

static void test_confined_process_reads_a_file_that_was_replaced(void **state)
{
    struct place *place = *state;
    char path[PATH_SIZE];
    int from_child[2], to_child[2], status = 0;
    char byte = 'x';
    pid_t child;

    assert_int_equal(pipe(from_child), 0);
    assert_int_equal(pipe(to_child), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        everything(place);
        if (write(from_child[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
            _exit(FAILED);
        _exit(read_key(place));
    }
    assert_int_equal(read(from_child[0], &byte, 1), 1);
    make_file(path, place, "keys/new");
    assert_int_equal(rename(path, place->key), 0);
    assert_int_equal(write(to_child[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2; i++) {
        (void)close(from_child[i]);
        (void)close(to_child[i]);
    }
}

static void test_confinement_says_what_is_in_force_and_what_is_not(void **state)
{
    const struct place *place = *state;
    struct sl_confine_path paths[PATHS];
    struct sl_confinement confinement;

    paths_of(place, paths);
    assert_int_equal(sl_confine_try(NULL, paths, PATHS, &confinement), SL_OK);
    assert_ptr_equal(strstr(confinement.in_force, "user "), confinement.in_force);
    assert_non_null(strstr(confinement.in_force, ", no new privileges"));
    assert_non_null(strstr(confinement.in_force, ", no core dumps"));
    /* Each part is either in force or told. */
    if (strstr(confinement.in_force, ", seccomp, Landlock") == NULL)
        assert_true(confinement.lacks_count > 0);
    if (geteuid() == 0)
        assert_non_null(strstr(confinement.lacks[0], "runs as root"));
}

static void test_confinement_tells_of_files_that_a_reload_could_not_read(void **state)
{
    const struct place *place = *state;
    struct sl_confine_path paths[] = {{"--key", "/nowhere/server.key", false},
                                      {"--store", "/nowhere/readings.db", true}};
    struct sl_confinement confinement;
    size_t told;

    (void)place;
    assert_int_equal(sl_confine_try(NULL, paths, COUNT(paths), &confinement), SL_OK);
    told = confinement.lacks_count;
    assert_true(told >= 2);
    assert_non_null(strstr(confinement.lacks[told - 2], "--key /nowhere/server.key: user "));
    assert_non_null(strstr(confinement.lacks[told - 1], "--store /nowhere/readings.db: user "));
}

static void test_trying_the_confinement_leaves_this_process_as_it_is(void **state)
{
    struct rlimit before, after;

    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    need(*state, "user ");
    assert_int_equal(getrlimit(RLIMIT_CORE, &after), 0);
    assert_int_equal(before.rlim_max, after.rlim_max);
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L), 0);
    assert_int_equal(prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L), 0);
    assert_int_equal(read_outside(*state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_PLACE(test_confined_process_reaches_no_other_files),
        OF_PLACE(test_confined_process_does_what_a_server_does),
        OF_PLACE(test_confined_process_reads_a_file_that_was_replaced),
        OF_PLACE(test_confinement_says_what_is_in_force_and_what_is_not),
        OF_PLACE(test_confinement_tells_of_files_that_a_reload_could_not_read),
        OF_PLACE(test_trying_the_confinement_leaves_this_process_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
