/* SPDX-License-Identifier: Apache-2.0 */
/* file_mark.c -- see file_mark.h. */
#include "base/file_mark.h"

#include <sys/stat.h>

struct sl_file_mark sl_file_mark(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return (struct sl_file_mark){0};
    return (struct sl_file_mark){
        .device = (int64_t)info.st_dev,
        .inode = (int64_t)info.st_ino,
        .size = info.st_size,
        .written_s = info.st_mtim.tv_sec,
        .written_ns = info.st_mtim.tv_nsec,
        .changed_s = info.st_ctim.tv_sec,
        .changed_ns = info.st_ctim.tv_nsec,
    };
}
