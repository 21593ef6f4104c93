/* SPDX-License-Identifier: Apache-2.0 */
/* memory_transport.c -- see memory_transport.h. */
#include "support/memory_transport.h"

#include <stdlib.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Cuts the link where a pipe has reached its byte. The lock is held. */
static void cut_if_due(struct sl_memory_link *link, const struct sl_memory_pipe *pipe)
{
    if (link->cut || pipe->cut_at < 0 || pipe->sent < pipe->cut_at)
        return;
    link->cut = true;
    for (size_t i = 0; link->lossy && i < 2; i++)
        sl_buffer_clear(&link->pipes[i].bytes);
}

static enum sl_status receive_locked(struct sl_memory_side *side, void *bytes, size_t cap,
                                     size_t *len)
{
    struct sl_memory_pipe *pipe = side->in;
    size_t count = least(least(cap, pipe->chunk), pipe->bytes.len);

    if (pipe->stopped)
        return SL_WANT_READ;
    if (count == 0)
        return side->link->cut ? SL_CUT : SL_WANT_READ;
    memcpy(bytes, pipe->bytes.at, count);
    sl_buffer_drop(&pipe->bytes, count);
    pipe->received += (int64_t)count;
    pipe->receives++;
    *len = count;
    return SL_OK;
}

static enum sl_status send_locked(struct sl_memory_side *side, const void *bytes, size_t len,
                                  size_t *sent)
{
    struct sl_memory_pipe *pipe = side->out;
    size_t count = least(least(len, pipe->chunk), pipe->capacity - pipe->bytes.len);

    if (side->link->cut)
        return SL_CUT;
    if (pipe->stopped || count == 0)
        return SL_WANT_WRITE;
    if (pipe->cut_at >= 0)
        count = least(count, (size_t)(pipe->cut_at - pipe->sent));
    /* No memory ends the test program: there is nothing to test then. */
    if (sl_buffer_add(&pipe->bytes, (struct sl_bytes){bytes, count}, pipe->capacity) != SL_OK)
        abort();
    pipe->sent += (int64_t)count;
    cut_if_due(side->link, pipe);
    *sent = count;
    return count == 0 ? SL_CUT : SL_OK;
}

static enum sl_status receive(void *ctx, void *bytes, size_t cap, size_t *len)
{
    struct sl_memory_side *side = ctx;
    enum sl_status status;

    (void)pthread_mutex_lock(&side->link->lock);
    status = receive_locked(side, bytes, cap, len);
    (void)pthread_mutex_unlock(&side->link->lock);
    return status;
}

static enum sl_status send(void *ctx, const void *bytes, size_t len, size_t *sent)
{
    struct sl_memory_side *side = ctx;
    enum sl_status status;

    (void)pthread_mutex_lock(&side->link->lock);
    status = send_locked(side, bytes, len, sent);
    (void)pthread_mutex_unlock(&side->link->lock);
    return status;
}

void sl_memory_link_init(struct sl_memory_link *link)
{
    struct sl_memory_pipe *up = &link->pipes[SL_MEMORY_UP];
    struct sl_memory_pipe *down = &link->pipes[SL_MEMORY_DOWN];

    *link = (struct sl_memory_link){0};
    if (pthread_mutex_init(&link->lock, NULL) != 0)
        abort();
    up->cut_at = down->cut_at = -1;
    link->sensor = (struct sl_memory_side){link, down, up};
    link->server = (struct sl_memory_side){link, up, down};
    sl_memory_limit(link, SL_MEMORY_CAPACITY, SL_MEMORY_CAPACITY);
}

void sl_memory_link_clear(struct sl_memory_link *link)
{
    sl_buffer_clear(&link->pipes[SL_MEMORY_UP].bytes);
    sl_buffer_clear(&link->pipes[SL_MEMORY_DOWN].bytes);
    (void)pthread_mutex_destroy(&link->lock);
}

struct sl_transport sl_memory_sensor(struct sl_memory_link *link)
{
    return (struct sl_transport){.ctx = &link->sensor, .receive = receive, .send = send};
}

struct sl_transport sl_memory_server(struct sl_memory_link *link)
{
    return (struct sl_transport){.ctx = &link->server, .receive = receive, .send = send};
}

void sl_memory_limit(struct sl_memory_link *link, size_t capacity, size_t chunk)
{
    (void)pthread_mutex_lock(&link->lock);
    for (size_t i = 0; i < 2; i++) {
        link->pipes[i].capacity = capacity;
        link->pipes[i].chunk = chunk;
    }
    (void)pthread_mutex_unlock(&link->lock);
}

void sl_memory_stop(struct sl_memory_link *link, enum sl_memory_direction direction, bool stopped)
{
    (void)pthread_mutex_lock(&link->lock);
    link->pipes[direction].stopped = stopped;
    (void)pthread_mutex_unlock(&link->lock);
}

void sl_memory_cut(struct sl_memory_link *link, enum sl_memory_direction direction, int64_t bytes,
                   bool lossy)
{
    (void)pthread_mutex_lock(&link->lock);
    link->pipes[direction].cut_at = bytes;
    link->lossy = lossy;
    cut_if_due(link, &link->pipes[direction]);
    (void)pthread_mutex_unlock(&link->lock);
}

int64_t sl_memory_sent(struct sl_memory_link *link, enum sl_memory_direction direction)
{
    int64_t bytes;

    (void)pthread_mutex_lock(&link->lock);
    bytes = link->pipes[direction].sent;
    (void)pthread_mutex_unlock(&link->lock);
    return bytes;
}

int64_t sl_memory_received(struct sl_memory_link *link, enum sl_memory_direction direction)
{
    int64_t bytes;

    (void)pthread_mutex_lock(&link->lock);
    bytes = link->pipes[direction].received;
    (void)pthread_mutex_unlock(&link->lock);
    return bytes;
}
