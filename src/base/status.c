/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c -- the names of the statuses.
 */
#include "sensorlink/status.h"

#include <stddef.h>

static const char *const names[] = {
    [SL_OK] = "ok",
    [SL_WANT_READ] = "want-read",
    [SL_WANT_WRITE] = "want-write",
    [SL_CLOSED] = "closed",
    [SL_CUT] = "cut",
    [SL_DENIED] = "denied",
    [SL_BAD_INPUT] = "bad-input",
    [SL_LIMIT] = "limit",
    [SL_TIMEOUT] = "timeout",
    [SL_IO] = "io",
    [SL_NOMEM] = "nomem",
};

const char *sl_status_name(enum sl_status status)
{
    size_t index = (size_t)status;

    return index < sizeof(names) / sizeof(names[0]) ? names[index] : "unknown";
}
