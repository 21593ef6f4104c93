/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_file.h -- the floor under the clock (floor.h), kept over a restart: --clock-floor FILE.
 *
 * The file is one line: the latest time known to be past, in Unix seconds.
 *
 * Memory   The runner's; nothing here keeps any.
 * Threads  Any; one at a time for one file.
 */
#ifndef SL_CLIENT_FLOOR_FILE_H
#define SL_CLIENT_FLOOR_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "client/runner.h"

/*
 * SL_OK         `*floor_us` is set; 0 where there is no such file yet.
 * SL_BAD_INPUT  The file isn't what this program writes.
 * SL_IO         It can't be read; errno says why.
 */
SL_MUST_USE enum sl_status sl_floor_file_read(const char *path, int64_t *floor_us);

/*
 * Writes it anew: either the old or the new line is there, whatever happens. SL_IO: errno;
 * SL_NOMEM.
 */
SL_MUST_USE enum sl_status sl_floor_file_write(const char *path, int64_t floor_us);

/* The file of a run; all zero but for `path` at first. */
struct sl_floor_file {
    const char *path;   /* null: none is kept */
    bool fails;         /* it couldn't be written, which was said */
    int64_t written_ms; /* of the last writing; 0: none yet */
};

/* Writes it. A failure is said once, and concerns nothing else. */
void sl_floor_file_keep(struct sl_floor_file *file, struct sl_runner *runner, int64_t floor_us,
                        int64_t now_ms);

/* True where it was written once, and that is an hour ago or more. */
bool sl_floor_file_is_due(const struct sl_floor_file *file, int64_t now_ms);

#endif
