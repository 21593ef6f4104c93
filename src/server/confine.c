/* SPDX-License-Identifier: Apache-2.0 */
/* confine.c -- see confine.h. */
#include "server/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/confine_parts.h"
#include "server/user.h"

enum { NAME_SIZE = 64, ENTRY_SIZE = 4096 };

void sl_confine_lack(struct sl_confinement *confinement, const char *format, ...)
{
    va_list arguments;

    if (confinement->lacks_count == SL_CONFINE_LACKS_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(confinement->lacks[confinement->lacks_count++], SL_CONFINE_TEXT_SIZE, format,
                    arguments);
    va_end(arguments);
}

bool sl_confine_place(const char *file, char *place, size_t size)
{
    char name[PATH_MAX];
    struct stat about;
    int len = snprintf(name, sizeof name, "%s", file);
    bool itself = stat(file, &about) == 0 && !S_ISREG(about.st_mode);

    if (len < 0 || (size_t)len >= sizeof name)
        return false;
    len = snprintf(place, size, "%s", itself ? file : dirname(name));
    return len >= 0 && (size_t)len < size;
}

/* Before Landlock closes the list of users. */
static void name_user(char name[static NAME_SIZE])
{
    char entry[ENTRY_SIZE];
    struct passwd user;
    struct passwd *found = NULL;

    if (getpwuid_r(geteuid(), &user, entry, sizeof entry, &found) == 0 && found != NULL)
        (void)snprintf(name, NAME_SIZE, "%s", user.pw_name);
    else
        (void)snprintf(name, NAME_SIZE, "%ld", (long)geteuid());
}

void sl_confine_prepare(void)
{
    if (!SENSORLINK_INSTRUMENTED)
        sl_confine_rings();
}

/* A process that can't be dumped can't be traced by its own user either. */
static bool forbid_cores(void)
{
    const struct rlimit none = {0, 0};

    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == 0;
}

/*
 * Whether a reload or a new log file will find what it needs. The store itself isn't opened here:
 * closing it again would drop the locks that SQLite holds on it in this process.
 */
static void check_path(const struct sl_confine_path *path, const char *user,
                       struct sl_confinement *confinement)
{
    char place[PATH_MAX];
    int fd;

    if (path->write) {
        if (sl_confine_place(path->file, place, sizeof place) && access(place, W_OK) != 0)
            sl_confine_lack(confinement,
                            "%s %s: user %s can't make files in its folder (%s), which it may have "
                            "to later on",
                            path->option, path->file, user, strerror(errno));
        return;
    }
    fd = open(path->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        sl_confine_lack(confinement,
                        "%s %s: user %s can't read it (%s), so that a reload will be refused: what "
                        "is revoked later comes in until a restart",
                        path->option, path->file, user, strerror(errno));
    else
        (void)close(fd);
}

void sl_confine(const struct sl_confine_path *paths, size_t count,
                struct sl_confinement *confinement)
{
    char user[NAME_SIZE];
    char landlock[NAME_SIZE] = "";
    bool privileges, cores, calls = false;
    int abi = 0;

    *confinement = (struct sl_confinement){.lacks_count = 0};
    name_user(user);
    privileges = prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0;
    cores = forbid_cores();
    if (geteuid() == 0)
        sl_confine_lack(confinement,
                        "the server runs as root; with --user NAME it has that user's rights only");
    if (!privileges)
        sl_confine_lack(confinement, "new privileges can't be forbidden");
    if (!cores)
        sl_confine_lack(confinement, "core dumps can't be forbidden");
    if (SENSORLINK_INSTRUMENTED) {
        sl_confine_lack(confinement, "neither seccomp nor Landlock is used: this build has a "
                                     "sanitizer or counts coverage");
    } else {
        abi = sl_confine_files(paths, count, confinement);
        calls = sl_confine_calls(confinement);
    }
    for (size_t i = 0; i < count; i++)
        if (paths[i].file != NULL)
            check_path(&paths[i], user, confinement);
    if (abi > 0)
        (void)snprintf(landlock, sizeof landlock, ", Landlock ABI %d", abi);
    (void)snprintf(confinement->in_force, sizeof confinement->in_force, "user %s%s%s%s%s", user,
                   privileges ? ", no new privileges" : "", calls ? ", seccomp" : "", landlock,
                   cores ? ", no core dumps" : "");
}

/* What the child does; the struct goes through the pipe as it is. */
static void try_it(int fd, const char *user, const struct sl_confine_path *paths, size_t count)
{
    struct sl_confinement confinement = {.lacks_count = 0};
    char error[SL_CONFINE_TEXT_SIZE];

    if ((user != NULL && sl_user_become(user, error, sizeof error) != SL_OK) ||
        sl_user_settle(error, sizeof error) != SL_OK)
        sl_confine_lack(&confinement, "%s", error);
    else
        sl_confine(paths, count, &confinement);
    _exit(write(fd, &confinement, sizeof confinement) == (ssize_t)sizeof confinement ? 0 : 1);
}

enum sl_status sl_confine_try(const char *user, const struct sl_confine_path *paths, size_t count,
                              struct sl_confinement *confinement)
{
    int ends[2];
    int ended = -1;
    ssize_t len;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return SL_IO;
    /* A sanitizer's _exit() writes out stdio's buffers: the child shall find nothing in them. */
    (void)fflush(NULL);
    child = fork();
    if (child == 0)
        try_it(ends[1], user, paths, count);
    (void)close(ends[1]);
    /* Less than a pipe holds at once, so that it comes in one piece. */
    len = child < 0 ? -1 : read(ends[0], confinement, sizeof *confinement);
    (void)close(ends[0]);
    if (child < 0 || waitpid(child, &ended, 0) != child || ended != 0 ||
        len != (ssize_t)sizeof *confinement)
        return SL_IO;
    return SL_OK;
}
