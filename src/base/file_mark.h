/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_mark.h -- enough of a file's state to see that it was written, replaced or made readable.
 *
 * Threads  A pure function of the file system.
 */
#ifndef SL_BASE_FILE_MARK_H
#define SL_BASE_FILE_MARK_H

#include <stdint.h>

/* Nothing but int64_t, so that there is no padding: memcmp() compares marks. */
struct sl_file_mark {
    int64_t device, inode, size;
    int64_t written_s, written_ns;
    int64_t changed_s, changed_ns; /* also its mode and owner */
};

/* The mark of the file as it is now; all zero where there is none. */
struct sl_file_mark sl_file_mark(const char *path);

#endif
