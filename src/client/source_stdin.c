/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_stdin.c -- readings from standard input, one a line.
 *
 * A pipe or terminal is read when the loop says that it's readable. A plain file is always, and the
 * loop can't watch it: it is read a buffer at a time, and the link gets its turn between two.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/source.h"

enum {
    BUFFER_SIZE = 65536,
    LINE_MAX = 1024, /* a line of the protocol and a time before it, with room for blanks */
    SHOWN_SIZE = 80
};

struct lines {
    struct sl_source source; /* first */
    struct sl_loop *loop;
    struct sl_runner *runner;
    struct sl_watch *watch; /* null for a plain file */
    struct sl_timer *timer;
    const char *name;
    int fd;
    int flags; /* as they were; the loop makes the descriptor non-blocking */
    bool ended;
    bool stopped;
    bool skipping;   /* the rest of a line that is too long */
    int64_t number;  /* of the line that is being taken */
    int64_t came_us; /* when the buffer's last bytes came */
    size_t at;       /* bytes of the buffer that were taken */
    size_t len;      /* bytes in it */
    char buffer[BUFFER_SIZE];
};

/* Takes one line. SL_LIMIT: not now, the same again later. */
static enum sl_status take_line(struct lines *lines, struct sl_bytes line)
{
    char text[LINE_MAX];
    char shown[SHOWN_SIZE];
    size_t len = 0;
    const char *wrong = NULL;
    int64_t time_us = lines->came_us;

    if (line.len == 0 || (line.len == 1 && line.at[0] == '\r'))
        return SL_OK; /* an empty line says nothing, so nothing is lost */
    enum sl_status status =
        sl_spec_parse_line(line, lines->name, &time_us, text, sizeof(text), &len, &wrong);
    if (status == SL_OK) {
        status = sl_runner_take(lines->runner, time_us, (struct sl_bytes){text, len});
        if (status != SL_BAD_INPUT)
            return status;
        wrong = sl_runner_error(lines->runner);
    }
    sl_runner_reject(lines->runner, "line %" PRId64 " is not a reading: %s: '%s'",
                     lines->number + 1, wrong, sl_log_clean(line, shown, sizeof(shown)));
    return SL_OK;
}

/* The next line in the buffer, or what is left of it at the end; false where none is whole. */
static bool next_line(const struct lines *lines, struct sl_bytes *line, size_t *with_end)
{
    const char *from = lines->buffer + lines->at;
    size_t left = lines->len - lines->at;
    const char *end = memchr(from, '\n', left);

    if (!end && !(lines->ended && left > 0))
        return false;
    *line = (struct sl_bytes){from, end ? (size_t)(end - from) : left};
    *with_end = line->len + (end != NULL);
    return true;
}

/* Throws away the beginning of a line that can't become a reading any more. */
static void skip_long_line(struct lines *lines)
{
    if (lines->len - lines->at <= LINE_MAX)
        return;
    if (!lines->skipping)
        sl_runner_reject(lines->runner, "line %" PRId64 " is not a reading: it is too long",
                         lines->number + 1);
    lines->skipping = true;
    lines->at = lines->len;
}

/* Takes the lines in the buffer. SL_LIMIT: stopped before the end, to be resumed. */
static enum sl_status take_lines(struct lines *lines)
{
    struct sl_bytes line;
    size_t with_end = 0;

    while (next_line(lines, &line, &with_end)) {
        if (!lines->skipping && take_line(lines, line) == SL_LIMIT)
            return SL_LIMIT;
        lines->skipping = false;
        lines->number++;
        lines->at += with_end;
    }
    skip_long_line(lines);
    memmove(lines->buffer, lines->buffer + lines->at, lines->len - lines->at);
    lines->len -= lines->at;
    lines->at = 0;
    return SL_OK;
}

/* Reads once into what is free of the buffer. */
static void fill(struct lines *lines)
{
    ssize_t got = read(lines->fd, lines->buffer + lines->len, sizeof(lines->buffer) - lines->len);
    if (got > 0) {
        lines->came_us = sl_runner_now_us(lines->runner);
        lines->len += (size_t)got;
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0)
        sl_runner_reject(lines->runner, "standard input can't be read any more (errno %d)", errno);
    lines->ended = true;
}

/* Waits for more: for the descriptor, or for the loop's next turn. */
static void wait_for_more(struct lines *lines)
{
    if (!lines->watch)
        sl_timer_start(lines->timer, 0);
    else if (sl_watch_set(lines->watch, true, false) != SL_OK)
        sl_runner_reject(lines->runner, "standard input can't be watched any more");
}

static void go_on(struct lines *lines, bool readable)
{
    if (lines->stopped)
        return;
    if (readable && !lines->ended)
        fill(lines);
    if (take_lines(lines) == SL_LIMIT) {
        if (lines->watch)
            (void)!sl_watch_set(lines->watch, false, false);
    } else if (lines->ended) {
        if (lines->watch)
            (void)!sl_watch_set(lines->watch, false, false);
        lines->stopped = true;
        sl_runner_ended(lines->runner);
    } else {
        wait_for_more(lines);
    }
}

static void on_readable(void *ctx, bool readable, bool writable)
{
    (void)writable;
    go_on(ctx, readable);
}

static void on_turn(void *ctx)
{
    struct lines *lines = ctx;
    go_on(lines, !lines->watch);
}

static void lines_resume(struct sl_source *source)
{
    go_on((struct lines *)source, false);
}

static void lines_stop(struct sl_source *source)
{
    struct lines *lines = (struct lines *)source;
    lines->stopped = true;
    sl_timer_stop(lines->timer);
    if (lines->watch)
        (void)!sl_watch_set(lines->watch, false, false);
}

static void lines_free(struct sl_source *source)
{
    struct lines *lines = (struct lines *)source;
    sl_watch_close(lines->watch);
    sl_timer_close(lines->timer);
    if (lines->flags >= 0)
        (void)fcntl(lines->fd, F_SETFL, lines->flags); /* others may share the terminal */
    free(lines);
}

/* A file can't be watched, and needn't be. */
static enum sl_status watch(struct lines *lines)
{
    enum sl_status status = sl_watch_new(lines->loop, lines->fd, on_readable, lines, &lines->watch);

    if (status == SL_OK)
        status = sl_watch_set(lines->watch, true, false);
    if (status == SL_OK)
        return fcntl(lines->fd, F_SETFL, lines->flags | O_NONBLOCK) < 0 ? SL_IO : SL_OK;
    sl_watch_close(lines->watch);
    lines->watch = NULL;
    return status == SL_NOMEM ? SL_NOMEM : SL_OK;
}

enum sl_status sl_source_stdin_new(struct sl_loop *loop, struct sl_runner *runner, int fd,
                                   const char *name, struct sl_source **source)
{
    struct lines *lines = calloc(1, sizeof(*lines));
    if (!lines)
        return SL_NOMEM;
    lines->source = (struct sl_source){lines_resume, lines_stop, lines_free};
    lines->loop = loop;
    lines->runner = runner;
    lines->name = name;
    lines->fd = fd;
    lines->flags = fcntl(fd, F_GETFL);

    enum sl_status status = lines->flags < 0 ? SL_IO : SL_OK;
    if (status == SL_OK)
        status = sl_timer_new(loop, on_turn, lines, &lines->timer);
    if (status == SL_OK)
        status = watch(lines);
    if (status != SL_OK) {
        lines_free(&lines->source);
        return status;
    }
    wait_for_more(lines);
    *source = &lines->source;
    return SL_OK;
}
