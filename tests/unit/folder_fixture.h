/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder_fixture.h -- a loop, and an empty folder that is the working one, for tests that watch
 * files; what happens to the files is said in shell.
 */
#ifndef TESTS_UNIT_FOLDER_FIXTURE_H
#define TESTS_UNIT_FOLDER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cases.h"
#include "net_fixture.h"

static inline void shell(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s", command);
}

static inline int folder_setup(void **state)
{
    const char *root = getenv("TMPDIR");
    char folder[256];

    (void)snprintf(folder, sizeof folder, "%s/sl-folder-XXXXXX", root ? root : "/tmp");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return -1;
    return net_setup(state);
}

static inline int folder_teardown(void **state)
{
    shell("chmod -R u+w . && rm -rf \"$PWD\"");
    return chdir("/") + net_teardown(state);
}

static inline void folder_said(void *ctx)
{
    struct net_fixture *fixture = ctx;

    fixture->calls++;
    sl_loop_stop(fixture->loop);
}

#endif
