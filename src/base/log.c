/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c -- whole lines to one stream.
 *
 * A line that can't be written (disk full, reader gone) is lost in silence: there is no place
 * left to say so, and a log must never stop what it logs.
 */
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

struct sl_log {
    pthread_mutex_t mutex; /* over `stream` */
    FILE *stream;          /* standard output where `path` is null */
    char *path;
    enum sl_log_level level; /* never changes, so it is read without the mutex */
    bool stamp;
};

static FILE *open_stream(const char *path)
{
    FILE *stream;
    int fd;

    if (path == NULL)
        return stdout;
    /* Readings stand in it: it is for those who may read the store. */
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    stream = fdopen(fd, "a");
    if (stream == NULL)
        (void)close(fd);
    return stream;
}

static void close_stream(FILE *stream)
{
    if (stream != stdout)
        (void)fclose(stream);
}

enum sl_status sl_log_open(const char *path, enum sl_log_level level, bool stamp,
                           struct sl_log **log)
{
    enum sl_status status = SL_NOMEM;
    struct sl_log *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return SL_NOMEM;
    made->level = level;
    made->stamp = stamp;
    if (path != NULL) {
        made->path = strdup(path);
        if (made->path == NULL)
            goto out;
    }
    if (pthread_mutex_init(&made->mutex, NULL) != 0)
        goto out;
    made->stream = open_stream(path);
    if (made->stream == NULL) {
        status = SL_IO;
        goto out_mutex;
    }
    *log = made;
    return SL_OK;

out_mutex:
    (void)pthread_mutex_destroy(&made->mutex);
out:
    free(made->path);
    free(made);
    return status;
}

void sl_log_free(struct sl_log *log)
{
    if (log == NULL)
        return;
    close_stream(log->stream);
    (void)pthread_mutex_destroy(&log->mutex);
    free(log->path);
    free(log);
}

enum sl_status sl_log_reopen(struct sl_log *log)
{
    if (log == NULL || log->path == NULL)
        return SL_OK;

    FILE *opened = open_stream(log->path);

    if (opened == NULL)
        return SL_IO; /* the old one stays in use: better a rotated log than none */

    (void)pthread_mutex_lock(&log->mutex);
    FILE *old = log->stream;
    log->stream = opened;
    (void)pthread_mutex_unlock(&log->mutex);
    close_stream(old);
    return SL_OK;
}

bool sl_log_shows(const struct sl_log *log, enum sl_log_level level)
{
    return log != NULL && level <= log->level;
}

static void write_whole(struct sl_log *log, const char *at, size_t len)
{
    (void)pthread_mutex_lock(&log->mutex);
    (void)fwrite(at, 1, len, log->stream);
    (void)fflush(log->stream);
    (void)pthread_mutex_unlock(&log->mutex);
}

void sl_log_line(struct sl_log *log, enum sl_log_level level, const char *format, ...)
{
    char line[SL_LOG_LINE_MAX + 1]; /* the last byte is vsnprintf()'s zero, and then the '\n' */
    size_t len = 0;
    va_list args;

    if (!sl_log_shows(log, level))
        return;
    if (log->stamp) {
        len = sl_time_print_iso(sl_clock_wall_us(), line);
        line[len++] = ' ';
    }

    size_t room = SL_LOG_LINE_MAX - len;

    va_start(args, format);
    int length = vsnprintf(line + len, room, format, args);
    va_end(args);
    if (length < 0)
        return;
    len += (size_t)length < room ? (size_t)length : room - 1;
    line[len++] = '\n';
    write_whole(log, line, len);
}

void sl_log_text(struct sl_log *log, enum sl_log_level level, struct sl_bytes lines)
{
    if (sl_log_shows(log, level) && lines.len > 0)
        write_whole(log, lines.at, lines.len);
}

/* Copies a visible character or writes a byte as `\xNN`; returns the bytes read, 0 without room. */
static size_t clean_one(struct sl_bytes rest, char *out, size_t room, size_t *used)
{
    uint32_t code = 0;
    size_t len = sl_utf8_next(rest, &code);

    if (len > 0 && (code == ' ' || sl_utf8_is_visible(code)) && code != '"' && code != '\'' &&
        code != '\\') {
        if (len > room)
            return 0;
        memcpy(out, rest.at, len);
        *used = len;
        return len;
    }
    if (room < 4)
        return 0;
    static const char hex[] = "0123456789abcdef";
    unsigned char byte = (unsigned char)rest.at[0];

    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[byte >> 4];
    out[3] = hex[byte & 15];
    *used = 4;
    return 1;
}

const char *sl_log_clean(struct sl_bytes bytes, char *out, size_t size)
{
    static const char cut[] = "...";
    size_t len = 0;
    size_t mark = 0; /* where "..." would still fit */

    if (size == 0)
        return out;
    while (bytes.len > 0) {
        size_t used = 0;
        size_t taken = clean_one(bytes, out + len, size - 1 - len, &used);

        if (taken == 0) {
            size_t room = size - 1 - mark;

            len = mark + (room < sizeof(cut) - 1 ? room : sizeof(cut) - 1);
            memcpy(out + mark, cut, len - mark);
            break;
        }
        len += used;
        if (len + sizeof(cut) - 1 < size)
            mark = len;
        bytes.at += taken;
        bytes.len -= taken;
    }
    out[len] = '\0';
    return out;
}
