/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine_place.h -- what the tests of the server's confinement share: a folder for each test, and
 * children that give up rights and then try something.
 */
#ifndef SL_TESTS_CONFINE_PLACE_H
#define SL_TESTS_CONFINE_PLACE_H

#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/confine.h"

enum { PATH_SIZE = 160, PATHS = 3 };

/* Files that the server reads or writes, and one that is none of its business. */
struct place {
    char root[PATH_SIZE / 2];
    char key[PATH_SIZE];
    char link[PATH_SIZE]; /* leads to a certificate in a folder of its own */
    char store[PATH_SIZE];
    char outside[PATH_SIZE];
    int listener; /* with one connection waiting, which is `client` */
    int client;
    int spare; /* a socket that is neither bound nor connected */
};

/* What a child does: 0, or the errno that it got. */
typedef int attempt_fn(const struct place *place);

/* What it gives up before. */
typedef void prepare_fn(const struct place *place);

static inline void path_in(char path[static PATH_SIZE], const struct place *place, const char *name)
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", place->root, name);
}

static inline void make_folder(const struct place *place, const char *name)
{
    char path[PATH_SIZE];

    path_in(path, place, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static inline void make_file(char path[static PATH_SIZE], const struct place *place,
                             const char *name)
{
    path_in(path, place, name);

    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

static inline int tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

static inline void open_sockets(struct place *place)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    place->listener = tcp_socket();
    place->client = tcp_socket();
    place->spare = tcp_socket();
    assert_int_equal(bind(place->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(place->listener, 2), 0);
    assert_int_equal(getsockname(place->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(place->client, (struct sockaddr *)&address, len), 0);
}

static inline int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    char certificate[PATH_SIZE];
    const char *root = getenv("TMPDIR");

    assert_non_null(place);
    (void)snprintf(place->root, sizeof place->root, "%s/sl-confine-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(place->root));
    make_folder(place, "keys");
    make_folder(place, "issued");
    make_folder(place, "store");
    make_folder(place, "outside");
    make_file(place->key, place, "keys/server.key");
    make_file(certificate, place, "issued/server.crt");
    make_file(place->store, place, "store/readings.db");
    make_file(place->outside, place, "outside/file");
    path_in(place->link, place, "keys/server.crt");
    assert_int_equal(symlink("../issued/server.crt", place->link), 0);
    open_sockets(place);
    *state = place;
    return 0;
}

static inline int clear_place(void **state)
{
    static const char *const files[] = {
        "keys/server.key",       "keys/server.crt",   "keys/new",
        "issued/server.crt",     "store/readings.db", "store/readings.db-wal",
        "store/readings.db.old", "outside/file",      "outside/new"};
    static const char *const folders[] = {"keys", "issued", "store", "outside", ""};
    struct place *place = *state;
    char path[PATH_SIZE];
    int failed = 0;

    for (size_t i = 0; i < COUNT(files); i++) {
        path_in(path, place, files[i]);
        (void)unlink(path);
    }
    for (size_t i = 0; i < COUNT(folders); i++) {
        path_in(path, place, folders[i]);
        failed |= rmdir(path);
    }
    (void)close(place->listener);
    (void)close(place->client);
    (void)close(place->spare);
    free(place);
    return failed;
}

#define OF_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

static inline void paths_of(const struct place *place, struct sl_confine_path paths[static PATHS])
{
    paths[0] = (struct sl_confine_path){"--key", place->key, false};
    paths[1] = (struct sl_confine_path){"--cert", place->link, false};
    paths[2] = (struct sl_confine_path){"--store", place->store, true};
}

/* How the child ended; see waitpid(2). */
static inline int ending_of(const struct place *place, prepare_fn *prepare, attempt_fn *attempt)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        prepare(place);
        _exit(attempt(place));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static inline void expect(const struct place *place, prepare_fn *prepare, attempt_fn *attempt,
                          int error)
{
    int status = ending_of(place, prepare, attempt);

    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) != error)
        fail_msg("'%s' instead of '%s'", strerror(WEXITSTATUS(status)), strerror(error));
}

/* Errno of a call that gives -1. */
static inline int outcome(int result)
{
    return result >= 0 ? 0 : errno;
}

static inline int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    int error = outcome(fd);

    if (fd >= 0)
        (void)close(fd);
    return error;
}

static inline void nothing(const struct place *place)
{
    (void)place;
}

static inline void everything(const struct place *place)
{
    struct sl_confine_path paths[PATHS];
    struct sl_confinement confinement;

    paths_of(place, paths);
    sl_confine(paths, PATHS, &confinement);
}

/* A sanitizer's build, valgrind and some containers have no filters, which the server then says. */
static inline void need(const struct place *place, const char *what)
{
    struct sl_confine_path paths[PATHS];
    struct sl_confinement confinement;

    paths_of(place, paths);
    assert_int_equal(sl_confine_try(NULL, paths, PATHS, &confinement), SL_OK);
    if (strstr(confinement.in_force, what) == NULL) {
        (void)printf("no%s here: %s\n", what, confinement.in_force);
        skip();
    }
}

struct forbidden {
    const char *what;
    attempt_fn *attempt;
    int error; /* 0: it ends the process */
    bool takes_root;
};

/* First without the confinement, where it has to work, or the test would show nothing. */
static inline void refuse(const struct forbidden *forbidden, prepare_fn *prepare)
{
    void *before = NULL, *after = NULL;

    if (forbidden->takes_root && geteuid() != 0)
        return;
    (void)printf("  %s\n", forbidden->what);
    assert_int_equal(make_place(&before), 0);
    expect(before, nothing, forbidden->attempt, 0);
    assert_int_equal(clear_place(&before), 0);
    assert_int_equal(make_place(&after), 0);
    if (forbidden->error != 0) {
        expect(after, prepare, forbidden->attempt, forbidden->error);
    } else {
        int status = ending_of(after, prepare, forbidden->attempt);

        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
        assert_false(WCOREDUMP(status));
    }
    assert_int_equal(clear_place(&after), 0);
}

#endif
