/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h -- what is left of the server's rights once everything is open: its sockets, its files,
 * and the system calls that it uses. It can't be undone.
 *
 *   no new privileges  nothing that is started could have more rights
 *   no core dumps      keys don't land on a disk, and no other process of the user looks inside
 *   Landlock           files below the folders of the table, and no other; no TCP connect or bind
 *   seccomp            the system calls of a list; no new process, no new socket, no new code
 *
 * What the kernel can't do is left out and told, because a server on an older one is to run too.
 *
 * Threads  Before the process starts its second thread: Landlock is each thread's own, and later
 *          ones inherit it.
 */
#ifndef SL_SERVER_CONFINE_H
#define SL_SERVER_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "sensorlink/status.h"

enum { SL_CONFINE_LACKS_MAX = 24, SL_CONFINE_TEXT_SIZE = 320 };

/*
 * A file that is used later on. Its folder is what is opened up, with everything below, so that the
 * file may be replaced by another one. If the file is a link, so is the folder that it leads to.
 */
struct sl_confine_path {
    const char *option; /* for sentences: "--key" */
    const char *file;   /* null: not given */
    bool write;         /* made, written, renamed and removed there; otherwise only read */
};

struct sl_confinement {
    char in_force[SL_CONFINE_TEXT_SIZE]; /* "user sensorlink, no new privileges, ..." */
    char lacks[SL_CONFINE_LACKS_MAX][SL_CONFINE_TEXT_SIZE]; /* sentences: what isn't, and why */
    size_t lacks_count;
};

/*
 * Before the first event loop: libuv from 1.49 on makes an io_uring for each loop, and what goes
 * through one is seen by no filter. From here on it finds none, and does without.
 */
void sl_confine_prepare(void);

/* Confines this process for good, as far as the kernel can, and says how far. */
void sl_confine(const struct sl_confine_path *paths, size_t count,
                struct sl_confinement *confinement);

/*
 * Tries in a child process what sl_user_become() (where `user` isn't null), sl_user_settle() and
 * sl_confine() would do, and leaves this process as it is. SL_IO: no child could be made.
 */
SL_MUST_USE enum sl_status sl_confine_try(const char *user, const struct sl_confine_path *paths,
                                          size_t count, struct sl_confinement *confinement);

#endif
