/* SPDX-License-Identifier: Apache-2.0 */
/*
 * floor_file.h -- the floor under the clock (floor.h), kept over a restart: --clock-floor FILE.
 *
 * The file is one line: the latest time known to be past, in Unix seconds.
 *
 * Threads  Any; one at a time for one file.
 */
#ifndef SL_CLIENT_FLOOR_FILE_H
#define SL_CLIENT_FLOOR_FILE_H

#include <stdint.h>

#include "sensorlink/status.h"

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

#endif
