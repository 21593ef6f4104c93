/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.h -- where a sensor keeps its readings until the server has them on its disk.
 *
 * An interface of functions, so that firmware can keep them in its own flash, FRAM or RAM. Two
 * spools come with the library: a file (SQLite), which survives kill -9, power loss and reboot,
 * and one in memory, which doesn't.
 *
 * A spool numbers readings from 1 in steps of 1 and never reuses a number, also after everything
 * was forgotten and the program started again. Its stream id names that numbering; it is random
 * and made with the spool.
 *
 * Memory   A spool is made by its open function and freed by its close function.
 * Threads  One thread at a time.
 */
#ifndef SENSORLINK_SPOOL_H
#define SENSORLINK_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "sensorlink/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SL_SPOOL_TEXT_MAX = 400, /* longest text of a reading in bytes, without a terminating zero */
    SL_SPOOL_STREAM_SIZE = 33
};

/* One reading in a spool. */
struct sl_spool_item {
    int64_t seq;      /* its number, 1 and up */
    int64_t time_us;  /* microseconds since 1970 UTC, or INT64_MIN where the sensor has no clock */
    size_t len;       /* bytes of text */
    const char *text; /* `name: value[ unit]`, checked; valid until the spool's next call */
};

/* What a spool holds. first = last + 1 where nothing waits; last = 0 in a fresh spool. */
struct sl_spool_state {
    char stream[SL_SPOOL_STREAM_SIZE]; /* 32 lower-case hex digits, zero-terminated */
    int64_t first;                     /* lowest number not forgotten */
    int64_t last;                      /* highest number given out and committed */
};

struct sl_spool;

/* What an implementation supplies; each function gets the spool that it was called on. */
struct sl_spool_functions {
    /* Fills `*state`; costs no I/O. */
    void (*state)(const struct sl_spool *spool, struct sl_spool_state *state);

    /*
     * Takes a reading; it has the number `*seq` and is safe only after commit.
     * SL_OK         Taken.
     * SL_BAD_INPUT  Longer than SL_SPOOL_TEXT_MAX; nothing was taken.
     * SL_LIMIT      Full (disk or cap); nothing was taken.
     * SL_IO         The medium failed; nothing was taken.
     * SL_NOMEM      No memory; nothing was taken.
     */
    enum sl_status (*append)(struct sl_spool *spool, int64_t time_us, const char *text, size_t len,
                             int64_t *seq);

    /*
     * Makes everything appended so far durable. Statuses as above; on all but SL_OK nothing of what
     * was appended since the last commit was kept, and its numbers are given out again.
     */
    enum sl_status (*commit)(struct sl_spool *spool);

    /*
     * Reads committed readings from number `seq` on, in order, calling `each` until it returns
     * non-zero or there are no more. `each` must not call the spool.
     */
    enum sl_status (*read)(struct sl_spool *spool, int64_t seq,
                           int (*each)(void *ctx, const struct sl_spool_item *item), void *ctx);

    /*
     * The server has everything up to `seq`. May be made durable later, with the next commit:
     * after a crash the server says the same again. A failure concerns the medium only.
     */
    enum sl_status (*forget)(struct sl_spool *spool, int64_t seq);

    /* One sentence about the last failure, valid until the next call; never null. */
    const char *(*error)(const struct sl_spool *spool);

    /* Commits, then frees. Null is never passed. */
    void (*close)(struct sl_spool *spool);
};

/* An implementation's own struct begins with this one. */
struct sl_spool {
    const struct sl_spool_functions *functions;
};

/*
 * Opens or makes the spool file at `path` (SQLite, WAL, synchronous=FULL, mode 0600).
 * SL_OK         `*spool` is the caller's; close with sl_spool_close().
 * SL_LIMIT      Another program has it open; `error` says so.
 * SL_BAD_INPUT  Not a spool, or damaged, or of a later version. It is left untouched; `error` says
 *               what to do.
 * SL_IO         Can't be opened or made; `error` has one sentence.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_spool_open(const char *path, struct sl_spool **spool, char *error,
                                         size_t error_size);

/*
 * A spool in memory for up to `capacity` readings. What it holds is lost with the program; append
 * answers SL_LIMIT when it is full.
 * SL_OK         `*spool` is the caller's; close with sl_spool_close().
 * SL_BAD_INPUT  `capacity` isn't 1 to 1,000,000.
 * SL_IO         The system gives no random numbers.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_spool_open_memory(size_t capacity, struct sl_spool **spool);

/* Commits and frees; null is allowed. */
void sl_spool_close(struct sl_spool *spool);

#ifdef __cplusplus
}
#endif

#endif
