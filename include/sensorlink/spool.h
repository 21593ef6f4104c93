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
 * Readings may be given up before the server has them (a cap), and some can't be kept at all (a
 * full disk). Their numbers stay in the spool as gaps, each with a reason, until the server knows.
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
    SL_SPOOL_STREAM_SIZE = 33,
    SL_SPOOL_SENSOR_SIZE = 65, /* a sensor's name, with a zero */
    SL_SPOOL_REASON_MAX = 48   /* longest reason of a gap, `[a-z0-9-]`, without a zero */
};

/* One reading in a spool, or one gap: numbers whose readings will never come. */
struct sl_spool_item {
    int64_t seq;      /* its number, 1 and up; of a gap the first one */
    int64_t last;     /* of a gap the last number; of a reading 0 or seq */
    int64_t time_us;  /* microseconds since 1970 UTC, or INT64_MIN where the sensor has no clock */
    size_t len;       /* bytes of text */
    const char *text; /* `name: value[ unit]`, checked; valid until the spool's next call; null of
                         a gap */
    const char *reason; /* of a gap, zero-terminated, valid as long; null of a reading */
};

/* What a spool holds. first = last + 1 where nothing waits; last = 0 in a fresh spool. */
struct sl_spool_state {
    char stream[SL_SPOOL_STREAM_SIZE]; /* 32 lower-case hex digits, zero-terminated */
    char sensor[SL_SPOOL_SENSOR_SIZE]; /* whose it is (belong), zero-terminated; "": not known */
    int64_t first;                     /* lowest number not forgotten */
    int64_t last;                      /* highest number given out and committed */
    int64_t readings; /* how many readings it keeps, also those appended and not committed; what
                         was forgotten and what is a gap doesn't count */
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
     * Reads committed readings and gaps from number `seq` on, in order and without a number left
     * out, calling `each` until it returns non-zero or there are no more. A gap that begins before
     * `seq` is told from `seq` on. `each` must not call the spool.
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

    /*
     * Gives up the `count` oldest readings, committed or not, or all where there are fewer: their
     * numbers become gaps for `reason`, and `*last` is the highest of them (untouched where there
     * was none). Durable after commit, and undone where that fails. Statuses as for append; on all
     * but SL_OK nothing changed. Null where a spool can't: a full one then refuses new readings.
     */
    enum sl_status (*drop)(struct sl_spool *spool, int64_t count, const char *reason,
                           int64_t *last);

    /*
     * Gives the next `count` numbers (1 or more) to a gap: readings that couldn't be kept. Durable
     * after commit, and undone where that fails. Statuses as for append; null where a spool can't.
     */
    enum sl_status (*omit)(struct sl_spool *spool, int64_t count, const char *reason);

    /*
     * The server knows us as `sensor` (1 to 64 bytes). The first name ever told is the spool's from
     * then on, durably: readings of one sensor mustn't be sent in the name of another one.
     * SL_OK         The spool is this sensor's, now or since before.
     * SL_DENIED     It is another sensor's: error() says "this spool belongs to NAME".
     * SL_BAD_INPUT  No such name can be; nothing was remembered.
     * Others        The medium's failure. The name is remembered, and written by the next commit
     *               that works. What was appended since the last commit may be lost: commit says
     *               so.
     * Null where a spool can't: then nobody notices that it is used by two sensors.
     */
    enum sl_status (*belong)(struct sl_spool *spool, const char *sensor);
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
