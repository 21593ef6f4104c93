/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine_files.c -- Landlock: which files this process can still reach, and that it makes no TCP
 * connections; see landlock(7).
 *
 * The C library has no functions for it, and Debian 12's header knows it as of Linux 6.1, so that
 * what came later has its numbers here. A kernel takes a longer struct than its own where what it
 * doesn't know is zero.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/confine_parts.h"

/* The versions of the interface that brought something. */
enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };

#define FS_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* what the first version knew */
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define NET_BIND_AND_CONNECT UINT64_C(3)
#define SCOPE_SOCKETS_AND_SIGNALS UINT64_C(3)

#define TO_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define TO_WRITE                                                                                   \
    (TO_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                       \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE)
#define OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)

/* struct landlock_ruleset_attr of Linux 6.12. */
struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

struct landlock {
    int fd;
    uint64_t files; /* what is forbidden unless a rule allows it */
    struct sl_confinement *confinement;
};

static struct ruleset forbidden(int abi)
{
    struct ruleset all = {.files = FS_FIRST};

    if (abi >= ABI_REFER)
        all.files |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= ABI_TRUNCATE)
        all.files |= FS_TRUNCATE;
    if (abi >= ABI_IOCTL)
        all.files |= FS_IOCTL_DEV;
    if (abi >= ABI_NET)
        all.net = NET_BIND_AND_CONNECT;
    if (abi >= ABI_SCOPE)
        all.scoped = SCOPE_SOCKETS_AND_SIGNALS;
    return all;
}

/* A path that isn't there, or can't be reached any more, gets no rule and stays forbidden. */
static void allow(const struct landlock *landlock, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};
    struct stat about;

    if (rule.parent_fd < 0)
        return;
    rule.allowed_access = rights & landlock->files;
    if (fstat(rule.parent_fd, &about) == 0 && !S_ISDIR(about.st_mode))
        rule.allowed_access &= OF_FILES;
    if (syscall(SYS_landlock_add_rule, landlock->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        sl_confine_lack(landlock->confinement, "Landlock can't open up %s: %s", path,
                        strerror(errno));
    (void)close(rule.parent_fd);
}

static void allow_place(const struct landlock *landlock, const char *file, uint64_t rights)
{
    char place[PATH_MAX];

    if (sl_confine_place(file, place, sizeof place))
        allow(landlock, place, rights);
}

static void allow_path(const struct landlock *landlock, const struct sl_confine_path *path)
{
    uint64_t rights = path->write ? TO_WRITE : TO_READ;
    char *real = realpath(path->file, NULL);

    allow_place(landlock, path->file, rights);
    if (real != NULL)
        allow_place(landlock, real, rights);
    free(real);
}

/* Says in one sentence what a later kernel could forbid as well. */
static void tell_gaps(int abi, struct sl_confinement *confinement)
{
    if (abi < ABI_SCOPE)
        sl_confine_lack(confinement, "this kernel's Landlock (ABI %d) can't forbid%s%s%s%s", abi,
                        abi < ABI_TRUNCATE ? " cutting files short," : "",
                        abi < ABI_NET ? " TCP connections," : "",
                        abi < ABI_IOCTL ? " control of devices," : "",
                        " signals to other processes");
}

int sl_confine_files(const struct sl_confine_path *paths, size_t count,
                     struct sl_confinement *confinement)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset all = forbidden(abi);
    struct landlock landlock = {.fd = -1, .files = all.files, .confinement = confinement};
    bool confined = false;

    if (abi > 0)
        landlock.fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (landlock.fd >= 0) {
        for (size_t i = 0; i < count; i++)
            if (paths[i].file != NULL)
                allow_path(&landlock, &paths[i]);
        /* The listener keeps a descriptor in reserve; the libraries' randomness of last resort. */
        allow(&landlock, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE);
        allow(&landlock, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE);
        confined = syscall(SYS_landlock_restrict_self, landlock.fd, 0) == 0;
    }
    if (!confined)
        sl_confine_lack(confinement, "this kernel has no Landlock: %s", strerror(errno));
    else
        tell_gaps(abi, confinement);
    if (landlock.fd >= 0)
        (void)close(landlock.fd);
    return confined ? abi : 0;
}
