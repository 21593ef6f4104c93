/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h -- reads a store's file, also while a server writes to it. What sensorlink-log stands
 * on.
 *
 * The file is opened read-only. No read transaction is open while a callback runs, and none lasts
 * long. So neither a reader that waits for its output, in a pager say, nor one that reads
 * everything makes the server's write-ahead log grow.
 *
 * Memory   One struct from sl_reader_open(), freed by sl_reader_close(); what reader_range.h says,
 *          and in sl_reader_verify() about 150 bytes a stream and 16 a gap. What a callback gets is
 *          valid during the call.
 * Limits   None of its own.
 * Threads  One thread at a time.
 */
#ifndef SL_STORE_READER_H
#define SL_STORE_READER_H

#include "base/bytes.h"
#include "base/clock.h"

struct sl_reader;

/* A reading as it was logged. */
struct sl_logged {
    int64_t received_us; /* the server's clock */
    int64_t time_us;     /* the sensor's; SL_TIME_NONE where it had none */
    struct sl_bytes sensor;
    struct sl_bytes name;
    struct sl_bytes value; /* the JSON number that was stored, digit by digit */
    struct sl_bytes unit;  /* empty where there is none */
    struct sl_bytes stream;
    int64_t seq;
};

struct sl_logged_sensor {
    struct sl_bytes name;
    int64_t readings;      /* stored, over all its streams */
    int64_t streams;       /* how many it opened */
    int64_t first_seen_us; /* when it opened its first stream */
    int64_t last_seen_us;  /* when it opened a stream, or something of it was stored, last */
    /* SL_TIME_NONE where it isn't known: */
    int64_t cert_until_us;   /* when the certificate that it came with last ends */
    int64_t clock_offset_us; /* the server's clock minus its own, as it told last */
};

struct sl_logged_gap {
    int64_t received_us;
    struct sl_bytes sensor;
    struct sl_bytes stream;
    int64_t first;
    int64_t last;
    struct sl_bytes reason;
};

/* What sl_reader_verify() found out about one stream. */
struct sl_verified {
    struct sl_bytes sensor;
    struct sl_bytes stream;
    int64_t last;          /* what the store acknowledged: 1..last must be there */
    int64_t readings;      /* of them stored as readings */
    int64_t gaps;          /* of them declared gaps */
    int64_t missing;       /* of them neither; 0 in a sound store */
    int64_t missing_first; /* the first of them, where missing > 0 */
    int64_t twice; /* blocks and gaps that overlap another, or go beyond last; 0 in a sound store */
    int64_t damaged; /* blocks whose text hasn't as many readings as they count; likewise */
};

/* Which readings, gaps and sensors to give; `{0}` with SL_TIME_NONE twice gives all. */
struct sl_reader_filter {
    const char *sensor; /* this sensor, in any spelling of upper and lower case; null for all */
    const char *name;   /* exactly this name; null for all */
    const char *unit;   /* exactly this unit, "" for those without one; null for all */
    int64_t since_us;   /* from this time on; SL_TIME_NONE: from the beginning */
    int64_t until_us;   /* before this time; SL_TIME_NONE: to the end */
};

/* No limit, for sl_reader_readings(). */
#define SL_READER_ALL INT64_MAX

/*
 * Opens the store at `path`. On anything but SL_OK `error` has one sentence.
 * SL_OK         `*reader` is the caller's.
 * SL_DENIED     There is no such file, or this user can't read it.
 * SL_BAD_INPUT  It isn't a store, or of a later version, or damaged.
 * SL_IO         The disk failed.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_reader_open(const char *path, struct sl_reader **reader, char *error,
                                          size_t error_size);

/* How much a store holds. */
struct sl_reader_summary {
    int64_t sensors;
    int64_t readings;
};

/*
 * Looks at the store at `path` without leaving anything beside it, also while a server writes to
 * it; statuses as sl_reader_open().
 */
SL_MUST_USE enum sl_status sl_reader_peek(const char *path, struct sl_reader_summary *summary,
                                          char *error, size_t error_size);

/* Frees the reader; null is allowed. */
void sl_reader_close(struct sl_reader *reader);

/*
 * All of the following end with the first status but SL_OK that a callback returns, and return it.
 * Their own:
 * SL_OK         Everything was given.
 * SL_BAD_INPUT  The store is damaged; sl_reader_error() says what.
 * SL_IO         It can't be read; sl_reader_error() says why.
 * SL_NOMEM      No memory.
 */

/*
 * Gives the readings that the filter takes, in the order of storing; of them only the `last` ones
 * that were stored last. A reading's time is the sensor's, or the received time where the sensor
 * had none. Called again, it gives what was stored since the last call: that is how a live store is
 * followed.
 */
SL_MUST_USE enum sl_status sl_reader_readings(
    struct sl_reader *reader, const struct sl_reader_filter *filter, int64_t last,
    enum sl_status (*each)(void *ctx, const struct sl_logged *logged), void *ctx);

/* The next sl_reader_readings() starts at the beginning again. */
void sl_reader_rewind(struct sl_reader *reader);

/*
 * True where something was committed since this was called last, and at the first call. Costs next
 * to nothing.
 */
SL_MUST_USE enum sl_status sl_reader_changed(struct sl_reader *reader, bool *changed);

/* Gives the sensors by name; of the filter only `sensor` counts. */
SL_MUST_USE enum sl_status sl_reader_sensors(
    struct sl_reader *reader, const struct sl_reader_filter *filter,
    enum sl_status (*each)(void *ctx, const struct sl_logged_sensor *sensor), void *ctx);

/* Gives the gaps in the order of storing; `since_us` and `until_us` are of the time received. */
SL_MUST_USE enum sl_status sl_reader_gaps(
    struct sl_reader *reader, const struct sl_reader_filter *filter,
    enum sl_status (*each)(void *ctx, const struct sl_logged_gap *gap), void *ctx);

/*
 * Compares every stream with its blocks and gaps, as the store was when this was called; of the
 * filter only `sensor` counts.
 */
SL_MUST_USE enum sl_status sl_reader_verify(
    struct sl_reader *reader, const struct sl_reader_filter *filter,
    enum sl_status (*each)(void *ctx, const struct sl_verified *verified), void *ctx);

/* One sentence about the last failure, valid until the next call; never null. */
const char *sl_reader_error(const struct sl_reader *reader);

#endif
