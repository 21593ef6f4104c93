/* SPDX-License-Identifier: Apache-2.0 */
/* user.c -- see user.h. */
#include "server/user.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRY_SIZE = 4096 };

SL_PRINTF(4, 5)
static enum sl_status bad(enum sl_status status, char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(error, size, format, arguments);
    va_end(arguments);
    return status;
}

/* Keeps those of `wanted` that we have, and no other; glibc has no function for it. */
static int keep_only(uint64_t wanted)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &header, have) != 0)
        return -1;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        have[i].permitted &= (uint32_t)(wanted >> 32 * i);
        have[i].effective = have[i].permitted;
        have[i].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, have);
}

static int change(const struct passwd *user)
{
    const uint64_t to_start = UINT64_C(1) << CAP_NET_BIND_SERVICE | UINT64_C(1)
                                                                        << CAP_DAC_READ_SEARCH;

    if (initgroups(user->pw_name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        return -1;
    return keep_only(to_start);
}

enum sl_status sl_user_become(const char *name, char *error, size_t size)
{
    char entry[ENTRY_SIZE];
    struct passwd user;
    struct passwd *found = NULL;

    if (getpwnam_r(name, &user, entry, sizeof entry, &found) != 0 || found == NULL)
        return bad(SL_BAD_INPUT, error, size, "--user %.64s: there is no such user", name);
    if (geteuid() != 0 && geteuid() != user.pw_uid)
        return bad(SL_BAD_INPUT, error, size,
                   "--user %.64s: only root can become another user: start the server as root or "
                   "as %.64s",
                   name, name);
    if (geteuid() != 0)
        return SL_OK;
    if (user.pw_uid == 0)
        return bad(SL_BAD_INPUT, error, size,
                   "--user %.64s: that is root, who has every privilege: name another user", name);
    if (change(&user) != 0)
        return bad(SL_DENIED, error, size, "--user %.64s: the system refuses: %s", name,
                   strerror(errno));
    return SL_OK;
}

enum sl_status sl_user_settle(char *error, size_t size)
{
    if (geteuid() == 0 || keep_only(0) == 0)
        return SL_OK;
    return bad(SL_DENIED, error, size, "privileges can't be given up: %s", strerror(errno));
}
