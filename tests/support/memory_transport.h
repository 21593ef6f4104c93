/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_transport.h -- a connection in memory: two pipes of bytes between two transports.
 *
 * A pipe can do what networks do: deliver a byte at a time, take only what it has room for, stop
 * for a while, and be cut after any byte. After a cut both sides get SL_CUT; what was on its way
 * arrives first, or is lost with it, as the test says.
 *
 * Memory   The caller owns struct sl_memory_link: init, then clear.
 * Limits   What lies in a pipe is at most its capacity.
 * Threads  Each side may be used by a thread of its own; settings are changed by calls only.
 */
#ifndef SL_TESTS_SUPPORT_MEMORY_TRANSPORT_H
#define SL_TESTS_SUPPORT_MEMORY_TRANSPORT_H

#include <pthread.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/transport.h"

enum sl_memory_direction { SL_MEMORY_UP, SL_MEMORY_DOWN }; /* up: from the sensor to the server */

enum { SL_MEMORY_CAPACITY = 262144 };

struct sl_memory_pipe {
    struct sl_buffer bytes;
    size_t capacity; /* bytes that it holds before send says SL_WANT_WRITE */
    size_t chunk;    /* most bytes that one call moves */
    bool stopped;    /* takes nothing and gives nothing */
    int64_t cut_at;  /* the link is cut once this many bytes were sent into it; -1: never */
    int64_t sent;    /* bytes that went in and came out so far */
    int64_t received;
    int64_t receives; /* calls that got something out */
};

struct sl_memory_side {
    struct sl_memory_link *link;
    struct sl_memory_pipe *in;
    struct sl_memory_pipe *out;
};

struct sl_memory_link {
    pthread_mutex_t lock;
    struct sl_memory_pipe pipes[2]; /* by direction */
    struct sl_memory_side sensor;
    struct sl_memory_side server;
    bool cut;
    bool lossy; /* a cut loses what was on its way */
};

void sl_memory_link_init(struct sl_memory_link *link);
void sl_memory_link_clear(struct sl_memory_link *link);

/* The two ends. They live as long as the link. */
struct sl_transport sl_memory_sensor(struct sl_memory_link *link);
struct sl_transport sl_memory_server(struct sl_memory_link *link);

/* Both directions hold `capacity` bytes and move at most `chunk` at a time (both 1 or more). */
void sl_memory_limit(struct sl_memory_link *link, size_t capacity, size_t chunk);

/* Stops one direction, or lets it go on. */
void sl_memory_stop(struct sl_memory_link *link, enum sl_memory_direction direction, bool stopped);

/* Cuts the link once `bytes` were sent in that direction, at once if they were. */
void sl_memory_cut(struct sl_memory_link *link, enum sl_memory_direction direction, int64_t bytes,
                   bool lossy);

/* Bytes that were sent so far in that direction, and bytes of these that were received. */
int64_t sl_memory_sent(struct sl_memory_link *link, enum sl_memory_direction direction);
int64_t sl_memory_received(struct sl_memory_link *link, enum sl_memory_direction direction);

#endif
