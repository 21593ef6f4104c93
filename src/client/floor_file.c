/* SPDX-License-Identifier: Apache-2.0 */
/* floor_file.c -- see floor_file.h. */
#include "client/floor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    LINE_SIZE = 64,
    WHY_SIZE = 96,
    KEEP_MS = 3600000 /* between two writings */
};

enum sl_status sl_floor_file_read(const char *path, int64_t *floor_us)
{
    char line[LINE_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    *floor_us = 0;
    if (fd < 0)
        return errno == ENOENT ? SL_OK : SL_IO;
    ssize_t len = read(fd, line, sizeof(line));
    int code = errno;
    (void)close(fd);
    errno = code;
    if (len < 0)
        return SL_IO;
    if (len < 2 || line[len - 1] != '\n' || line[0] == '-')
        return SL_BAD_INPUT;
    return sl_time_parse_unix((struct sl_bytes){line, (size_t)len - 1}, floor_us);
}

static enum sl_status write_line(const char *path, int64_t floor_us)
{
    char line[SL_TIME_TEXT_SIZE + 1];
    size_t len = sl_time_print_unix(floor_us / 1000000 * 1000000, line);
    int fd;

    (void)unlink(path); /* what a crash left, or a link that somebody else put there */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return SL_IO;
    line[len++] = '\n';
    bool good = write(fd, line, len) == (ssize_t)len && fsync(fd) == 0;
    int code = errno;
    if (close(fd) != 0 && good)
        return SL_IO;
    errno = code;
    return good ? SL_OK : SL_IO;
}

enum sl_status sl_floor_file_write(const char *path, int64_t floor_us)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.new", path) < 0)
        return SL_NOMEM;

    enum sl_status status = write_line(beside, floor_us);
    if (status == SL_OK && rename(beside, path) != 0)
        status = SL_IO;
    int code = errno;
    if (status != SL_OK)
        (void)unlink(beside);
    free(beside);
    errno = code;
    return status;
}

void sl_floor_file_keep(struct sl_floor_file *file, struct sl_runner *runner, int64_t floor_us,
                        int64_t now_ms)
{
    char why[WHY_SIZE];

    if (!file->path)
        return;
    file->written_ms = now_ms;
    enum sl_status status = sl_floor_file_write(file->path, floor_us);
    int code = errno;
    if (status != SL_OK && !file->fails)
        sl_runner_warn(runner, "%s can't be written (%s)", file->path,
                       strerror_r(code, why, sizeof(why)));
    file->fails = status != SL_OK;
}

bool sl_floor_file_is_due(const struct sl_floor_file *file, int64_t now_ms)
{
    return file->written_ms > 0 && now_ms - file->written_ms >= KEEP_MS;
}
