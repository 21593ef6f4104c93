/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spool_disk.c -- a spool on a disk without room: what was committed stays, what failed is
 * said, and it goes on when there is room again.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "spool_place.h"

/* Appends and commits one by one until that fails; `*last` is what was committed. */
static enum sl_status fill_until_it_fails(struct sl_spool *spool, int64_t *last)
{
    for (*last = 0; *last < 100000; (*last)++) {
        if (!child_append(spool, *last + 1))
            return SL_BAD_INPUT;
        enum sl_status status = spool->functions->commit(spool);
        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

/*
 * The children's part of the next tests: fills the disk, makes room, goes on. Says by its exit code
 * how far it came. The number that failed is given out again, to be kept this time.
 */
static int fill_and_go_on(const char *path, enum sl_status expected, bool (*tighten)(const char *),
                          bool (*loosen)(const char *))
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];
    if (sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK)
        return 10;
    if (!tighten(path))
        return 11;
    int64_t last = 0;
    if (fill_until_it_fails(spool, &last) != expected)
        return 12;
    if (state_of(spool).last != last || last < 1 || strlen(spool->functions->error(spool)) == 0)
        return 13;
    if (!loosen(path))
        return 14;
    if (!child_append(spool, last + 1) || spool->functions->commit(spool) != SL_OK)
        return 15;
    sl_spool_close(spool);

    if (sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK)
        return 16;
    struct sl_spool_state found = state_of(spool);
    sl_spool_close(spool);
    return found.first == 1 && found.last == last + 1 ? 0 : 17;
}

static bool limit_files(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return false;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

static bool limit_to_96k(const char *path)
{
    (void)path;
    return signal(SIGXFSZ, SIG_IGN) != SIG_ERR && limit_files((rlim_t)96 * 1024);
}

static bool limit_no_more(const char *path)
{
    (void)path;
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit_files(limit.rlim_max);
}

static void test_spool_over_the_file_size_limit_keeps_what_was_committed(void **state)
{
    const struct place *place = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_and_go_on(place->path, SL_IO, limit_to_96k, limit_no_more));
    assert_int_equal(exit_code_of(child), 0);

    struct sl_spool *spool = open_spool(place);
    assert_int_equal(count_from(spool, 1), state_of(spool).last);
    sl_spool_close(spool);
}

/* Fills what is left of the file system that `path` is on; `loosen` gives it back. */
static void ballast_of(const char *path, char name[static PATH_SIZE + 32])
{
    (void)snprintf(name, PATH_SIZE + 32, "%s-ballast", path);
}

static bool leave_little_room(const char *path)
{
    char name[PATH_SIZE + 32];
    char block[4096] = {0};
    ballast_of(path, name);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return false;
    /* 2 MiB in all, of which 1.5 are taken: what is left is a few dozen commits. */
    bool good = true;
    for (int i = 0; good && i < 384; i++)
        good = write(fd, block, sizeof(block)) == (ssize_t)sizeof(block);
    return close(fd) == 0 && good;
}

static bool remove_ballast(const char *path)
{
    char name[PATH_SIZE + 32];
    ballast_of(path, name);
    return unlink(name) == 0;
}

enum { NO_MOUNT = 77 };

static bool map_id(const char *file, unsigned id)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "0 %u 1", id);
    int fd = open(file, O_WRONLY);
    if (fd < 0)
        return false;
    bool good = write(fd, text, (size_t)len) == len;
    return close(fd) == 0 && good;
}

/* A disk that only this process sees, and that goes with it. */
static bool mount_disk(const char *folder, const char *size)
{
    unsigned uid = geteuid();
    if (unshare(CLONE_NEWNS) != 0 &&
        (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !map_id("/proc/self/uid_map", uid)))
        return false;
    return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", folder, "tmpfs", 0, size) == 0;
}

static bool mount_small_disk(const char *folder)
{
    return mount_disk(folder, "size=2m");
}

/* A backlog on a disk that gets full; then the server has some of it. Not closed, as if killed. */
static int forget_after_a_full_disk(const char *path)
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];
    int64_t last = 2000;

    if (sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK)
        return 10;
    for (int64_t seq = 1; seq <= last; seq++)
        if (!child_append(spool, seq))
            return 11;
    sl_spool_close(spool);
    if (sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK || !leave_little_room(path))
        return 12;
    while (child_append(spool, last + 1) && spool->functions->commit(spool) == SL_OK)
        last++;
    if (last >= 3000 || !remove_ballast(path)) /* a thousand new ones would want the room anyway */
        return 13;
    return spool->functions->forget(spool, 1000) == SL_OK ? 0 : 14;
}

static int forget_and_look(const char *folder, const char *path)
{
    if (!mount_small_disk(folder))
        return NO_MOUNT;
    pid_t child = fork();
    if (child == 0)
        _exit(forget_after_a_full_disk(path));
    int code = child < 0 ? 15 : exit_code_of(child);
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];
    if (code == 0 && sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK)
        code = 16;
    if (code == 0 && state_of(spool).first != 1001)
        code = 17;
    int64_t kept = code == 0 ? state_of(spool).readings : 0;
    sl_spool_close(spool);
    return code == 0 && rows_in(path) != kept ? 18 : code;
}

static void test_spool_whose_disk_was_full_gives_the_room_of_forgotten_ones_back_soon(void **state)
{
    const struct place *place = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(forget_and_look(place->folder, place->path));
    int code = exit_code_of(child);
    if (code == NO_MOUNT) {
        print_message("this machine lets nobody mount a small disk: not tested\n");
        skip();
    }
    assert_int_equal(code, 0);
}

/* Takes so much of the disk that `bytes` are left. */
static bool leave(const char *path, uint64_t bytes)
{
    char name[PATH_SIZE + 32];
    struct statvfs found;
    ballast_of(path, name);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || fstatvfs(fd, &found) != 0)
        return false;
    uint64_t left = (uint64_t)found.f_bavail * found.f_frsize;
    bool good = left > bytes && posix_fallocate(fd, 0, (off_t)(left - bytes)) == 0;
    return close(fd) == 0 && good;
}

/*
 * Three quarters of a backlog are acknowledged when new readings come, and the disk has room for
 * SQLite's log as it usually gets, and little more. Returns how many weren't kept, or -1.
 */
static int count_failures(const char *path, int64_t backlog, int64_t more)
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];
    int failures = 0;
    if (sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK)
        return -1;
    for (int64_t seq = 1; seq <= backlog; seq++)
        if (!child_append(spool, seq))
            return -1;
    sl_spool_close(spool);
    if (sl_spool_open(path, &spool, error, sizeof(error)) != SL_OK || !leave(path, 4450000) ||
        spool->functions->forget(spool, backlog / 4 * 3) != SL_OK)
        return -1;
    for (int64_t i = 0; i < more; i++)
        failures += !child_append(spool, state_of(spool).last + 1) ||
                    spool->functions->commit(spool) != SL_OK;
    bool kept = state_of(spool).last == backlog + more - failures &&
                state_of(spool).first == backlog / 4 * 3 + 1;
    sl_spool_close(spool);
    return kept && rows_in(path) < backlog ? failures : -1;
}

static void test_spool_takes_new_readings_where_the_disk_has_no_room_to_delete_a_backlog(
    void **state)
{
    const struct place *place = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!mount_disk(place->folder, "size=60m"))
            _exit(NO_MOUNT);
        int failures = count_failures(place->path, 600000, 3000);
        _exit(failures < 0 || failures > 60 ? 60 : failures);
    }
    int code = exit_code_of(child);
    if (code == NO_MOUNT) {
        print_message("this machine lets nobody mount a small disk: not tested\n");
        skip();
    }
    assert_in_range(code, 0, 8); /* while it finds out how much it can delete at once */
}

static void test_spool_full_disk_says_so_and_goes_on_when_there_is_room(void **state)
{
    const struct place *place = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!mount_small_disk(place->folder))
            _exit(NO_MOUNT);
        _exit(fill_and_go_on(place->path, SL_LIMIT, leave_little_room, remove_ballast));
    }
    int code = exit_code_of(child);
    if (code == NO_MOUNT) {
        print_message("this machine lets nobody mount a small disk: not tested\n");
        skip();
    }
    assert_int_equal(code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(test_spool_over_the_file_size_limit_keeps_what_was_committed),
        PLACED(test_spool_whose_disk_was_full_gives_the_room_of_forgotten_ones_back_soon),
        PLACED(test_spool_takes_new_readings_where_the_disk_has_no_room_to_delete_a_backlog),
        PLACED(test_spool_full_disk_says_so_and_goes_on_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
