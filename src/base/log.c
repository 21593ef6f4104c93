/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c -- whole lines to one descriptor.
 *
 * A line that can't be written (disk full, reader gone, or asleep) is left out and counted: a log
 * must never stop what it logs. The count is said as soon as a line gets out again.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
    PATIENCE_MS = 200, /* for a reader that is only slow */
    REST = 10,         /* each millisecond waited is given back after so many: 10 % at most */

    NOTE_SIZE = SL_TIME_TEXT_SIZE + 96, /* the number of lines left out */
    LINES_SIZE = PIPE_BUF - NOTE_SIZE
};

struct sl_log {
    pthread_mutex_t mutex; /* over what stands between it and `path` */
    int fd;
    char piece[PIPE_BUF]; /* on its way out; what is left of it goes first the next time */
    size_t piece_len;
    unsigned long long left_out; /* lines since the last one that got out */
    int64_t rested_ms;           /* when the whole patience is there again */
    char *path;                  /* null: standard output */
    enum sl_log_level level;     /* never changes, so it is read without the mutex */
    bool stamp;
    bool blocks; /* a write could wait for ever, so poll() is asked first */
};

/*
 * Standard output opened once more, so that O_NONBLOCK is ours alone: others may hold what we were
 * started with. Where that can't be had (a socket, another user's terminal) it is taken as it is,
 * and only poll() stands between us and a write that blocks. A file must be taken as it is: its
 * offset is shared with standard error.
 */
static int open_stdout(int flags)
{
    struct stat status;
    int fd = -1;

    (void)fflush(stdout);
    if (fstat(STDOUT_FILENO, &status) == 0 && (S_ISFIFO(status.st_mode) || isatty(STDOUT_FILENO)))
        fd = open("/proc/self/fd/1", flags);
    return fd >= 0 ? fd : STDOUT_FILENO;
}

static int open_log(const char *path)
{
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

    /* Readings stand in a file: it is for those who may read the store. */
    return path == NULL ? open_stdout(flags) : open(path, flags | O_CREAT, 0600);
}

/* What was opened here is O_NONBLOCK, and a file takes what it's given. */
static bool may_block(int fd)
{
    struct stat status;

    return fd == STDOUT_FILENO && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode));
}

static void close_log(int fd)
{
    if (fd != STDOUT_FILENO)
        (void)close(fd);
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
    made->fd = open_log(path);
    if (made->fd < 0) {
        status = SL_IO;
        goto out_mutex;
    }
    made->blocks = may_block(made->fd);
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
    close_log(log->fd);
    (void)pthread_mutex_destroy(&log->mutex);
    free(log->path);
    free(log);
}

enum sl_status sl_log_reopen(struct sl_log *log)
{
    if (log == NULL || log->path == NULL)
        return SL_OK;

    int opened = open_log(log->path);

    if (opened < 0)
        return SL_IO; /* the old one stays in use: better a rotated log than none */

    (void)pthread_mutex_lock(&log->mutex);
    int old = log->fd;
    log->fd = opened;
    log->blocks = may_block(opened);
    log->piece_len = 0; /* its beginning stands in the old file */
    (void)pthread_mutex_unlock(&log->mutex);
    close_log(old);
    return SL_OK;
}

bool sl_log_shows(const struct sl_log *log, enum sl_log_level level)
{
    return log != NULL && level <= log->level;
}

/* True where bytes are taken now or soon; while lines are left out, nothing is waited for. */
static bool await_room(struct sl_log *log)
{
    struct pollfd one = {.fd = log->fd, .events = POLLOUT};
    int64_t begin = sl_clock_monotonic_ms();
    int64_t owed = log->rested_ms > begin ? log->rested_ms - begin : 0;
    int64_t patience = log->left_out == 0 ? PATIENCE_MS - owed / REST : 0;
    int ready;

    do
        ready = poll(&one, 1, patience > 0 ? (int)patience : 0);
    while (ready < 0 && errno == EINTR);
    log->rested_ms = begin + owed + REST * (sl_clock_monotonic_ms() - begin);
    return ready > 0; /* a fault too is "ready", and write() says which */
}

/* Writes what is left of the piece; false where something stays. */
static bool push(struct sl_log *log)
{
    bool wait = log->blocks;

    while (log->piece_len > 0) {
        if (wait && !await_room(log))
            return false;

        ssize_t done = write(log->fd, log->piece, log->piece_len);

        if (done > 0) {
            log->piece_len -= (size_t)done;
            memmove(log->piece, log->piece + done, log->piece_len);
        } else if (done == 0 || (errno != EINTR && (errno != EAGAIN || wait))) {
            return false;
        } else if (errno == EAGAIN) {
            wait = true;
        }
    }
    return true;
}

static size_t print_stamp(const struct sl_log *log, char *out)
{
    size_t len;

    if (!log->stamp)
        return 0;
    len = sl_time_print_iso(sl_clock_wall_us(), out);
    out[len++] = ' ';
    return len;
}

static size_t print_left_out(const struct sl_log *log, char *out)
{
    size_t len = print_stamp(log, out);

    return len + (size_t)snprintf(out + len, NOTE_SIZE - len,
                                  "lines left out here because they couldn't be written: %llu\n",
                                  log->left_out);
}

/*
 * Writes lines, and before them how many are missing. In one piece: a pipe that has room for any
 * has room for that. A terminal or a disk may take a part; then the piece counts as written, and
 * the rest of it goes first from now on.
 */
static bool put(struct sl_log *log, struct sl_bytes lines)
{
    size_t len;

    if (!push(log))
        return false;
    len = log->left_out > 0 ? print_left_out(log, log->piece) : 0;
    memcpy(log->piece + len, lines.at, lines.len);
    len += lines.len;
    log->piece_len = len;
    if (!push(log) && log->piece_len == len) {
        log->piece_len = 0;
        return false;
    }
    log->left_out = 0;
    return true;
}

/* The whole lines that fit into one piece. */
static size_t measure_piece(struct sl_bytes lines)
{
    const char *end;

    if (lines.len <= LINES_SIZE)
        return lines.len;
    end = memrchr(lines.at, '\n', LINES_SIZE);
    return end != NULL ? (size_t)(end + 1 - lines.at) : LINES_SIZE;
}

static unsigned count_lines(struct sl_bytes piece)
{
    unsigned count = 0;

    for (size_t i = 0; i < piece.len; i++)
        count += piece.at[i] == '\n';
    return count;
}

static void write_lines(struct sl_log *log, struct sl_bytes lines)
{
    (void)pthread_mutex_lock(&log->mutex);
    while (lines.len > 0) {
        struct sl_bytes piece = {.at = lines.at, .len = measure_piece(lines)};

        if (!put(log, piece))
            log->left_out += count_lines(piece);
        lines.at += piece.len;
        lines.len -= piece.len;
    }
    (void)pthread_mutex_unlock(&log->mutex);
}

void sl_log_line(struct sl_log *log, enum sl_log_level level, const char *format, ...)
{
    char line[SL_LOG_LINE_MAX + 1]; /* the last byte is vsnprintf()'s zero, and then the '\n' */
    size_t len;
    va_list args;

    if (!sl_log_shows(log, level))
        return;
    len = print_stamp(log, line);

    size_t room = SL_LOG_LINE_MAX - len;

    va_start(args, format);
    int length = vsnprintf(line + len, room, format, args);
    va_end(args);
    if (length < 0)
        return;
    len += (size_t)length < room ? (size_t)length : room - 1;
    line[len++] = '\n';
    write_lines(log, (struct sl_bytes){.at = line, .len = len});
}

void sl_log_text(struct sl_log *log, enum sl_log_level level, struct sl_bytes lines)
{
    if (sl_log_shows(log, level))
        write_lines(log, lines);
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
