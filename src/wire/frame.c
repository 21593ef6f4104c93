/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.c -- lines out of chunks.
 */
#include "wire/frame.h"

#include <assert.h>
#include <string.h>

enum { LEAST_LIMIT = 16 };

void sl_frame_init(struct sl_frame *frame, size_t limit)
{
    assert(limit == 0 || (limit >= LEAST_LIMIT && limit <= SL_LINE_MAX));
    frame->limit = limit;
    frame->len = 0; /* the tail needs no clearing: only its first `len` bytes are ever read */
}

static struct sl_bytes without_return(const char *at, size_t len)
{
    if (len > 0 && at[len - 1] == '\r')
        len--;
    return (struct sl_bytes){.at = at, .len = len};
}

enum sl_status sl_frame_push(struct sl_frame *frame, struct sl_bytes in, size_t *taken,
                             struct sl_bytes *line)
{
    size_t limit = frame->limit > 0 ? frame->limit : SL_LINE_MAX;
    size_t room = limit - frame->len; /* nothing is left once a line was too long */
    size_t reach = in.len < room ? in.len : room;
    const char *end = reach > 0 ? memchr(in.at, '\n', reach) : NULL;

    if (end == NULL) {
        *taken = in.len;
        if (in.len >= room) {
            frame->len = limit;
            return SL_LIMIT;
        }
        if (in.len > 0) {
            memcpy(frame->tail + frame->len, in.at, in.len);
            frame->len += in.len;
        }
        return SL_WANT_READ;
    }

    size_t len = (size_t)(end - in.at);

    *taken = len + 1;
    if (frame->len == 0) {
        *line = without_return(in.at, len);
        return SL_OK;
    }
    memcpy(frame->tail + frame->len, in.at, len);
    *line = without_return(frame->tail, frame->len + len);
    frame->len = 0;
    return SL_OK;
}
