/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h -- lines for people: the console of the programs and their log file.
 *
 * A log writes whole lines to one stream, so lines of several threads never mix. What a
 * peer sent must be printed through sl_log_clean(): control characters, quotes and bytes
 * that are not UTF-8 come out as \xNN, so no peer can write terminal codes or forge a line.
 *
 * A log never stops its program: where a pipe that nobody reads or a stopped terminal takes no
 * more, it is waited for at most 200 ms, and then lines are left out until one gets out again; the
 * number of those that are missing goes before that one.
 *
 * Memory   sl_log_open() allocates; the caller frees with sl_log_free().
 * Limits   A line is cut at SL_LOG_LINE_MAX bytes. A disk that is slow is waited for.
 * Threads  A log may be used from any thread at once; writing holds a mutex.
 */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include <stdbool.h>

#include "base/bytes.h"

enum { SL_LOG_LINE_MAX = 2048 };

/* What a line is for; the log shows lines up to its own level. */
enum sl_log_level {
    SL_LOG_ERROR,   /* the program can't do its job, or part of it */
    SL_LOG_WARNING, /* something that an operator should look at; refusals of peers */
    SL_LOG_STORY,   /* what the program does, step by step; the default */
    SL_LOG_READING, /* each reading */
    SL_LOG_DEBUG
};

struct sl_log;

/*
 * A log on `path`, or on standard output where `path` is null. `stamp` puts the time before each
 * line.
 * SL_OK     `*log` is the caller's; free with sl_log_free().
 * SL_IO     The file can't be opened; errno says why.
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_log_open(const char *path, enum sl_log_level level, bool stamp,
                                       struct sl_log **log);

void sl_log_free(struct sl_log *log);

/*
 * Opens the file again by its name (after log rotation) and closes the old one. Standard output and
 * a null log: does nothing. SL_IO where it can't be opened: the log goes on in the old file.
 */
SL_MUST_USE enum sl_status sl_log_reopen(struct sl_log *log);

/* True where lines of this level are shown; spares building a line that is not. */
bool sl_log_shows(const struct sl_log *log, enum sl_log_level level);

/* Writes one line; the '\n' is added. A null log takes everything and shows nothing. */
void sl_log_line(struct sl_log *log, enum sl_log_level level, const char *format, ...)
    SL_PRINTF(3, 4);

/* Writes text that already holds whole lines, as it is. */
void sl_log_text(struct sl_log *log, enum sl_log_level level, struct sl_bytes lines);

/*
 * Makes `bytes` fit to print: zero-terminated into `out`, cut with "..." where `size` is too small.
 * Returns `out`.
 */
const char *sl_log_clean(struct sl_bytes bytes, char *out, size_t size);

#endif
