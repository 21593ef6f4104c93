/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h -- cuts one connection's decrypted bytes into lines.
 *
 * TLS delivers chunks that need not match the sender's lines. A frame keeps the unfinished
 * tail until its '\n' arrives; lines that are whole within a chunk are not copied. What a
 * line means is the business of reading.h and message.h.
 *
 * Memory   The caller owns struct sl_frame and starts it with `{0}` or sl_frame_init().
 *          Nothing here allocates.
 * Limits   A line of more than SL_LINE_MAX bytes, its ending included, is refused, so a
 *          hostile peer can make us hold sizeof(struct sl_frame) bytes and no more.
 * Threads  A frame belongs to one connection.
 */
#ifndef SL_WIRE_FRAME_H
#define SL_WIRE_FRAME_H

#include "base/bytes.h"

/* Longest line of the protocol, with its ending (design: docs/protocol.md). */
enum { SL_LINE_MAX = 512 };

struct sl_frame {
    size_t limit; /* longest line taken, ending included; 0 means SL_LINE_MAX */
    size_t len;   /* bytes of the unfinished line in `tail` */
    char tail[SL_LINE_MAX];
};

/* An empty frame; `limit` is 16 to SL_LINE_MAX. */
void sl_frame_init(struct sl_frame *frame, size_t limit);

/*
 * Takes bytes from `in` up to the end of one line. `*taken` is always set;
 * call again with the rest.
 *
 * SL_OK         `*line` is one line without '\n' and without a '\r' before it. It points into
 *               `frame` or `in` and is valid until the next call or until `in` goes.
 * SL_WANT_READ  Everything was taken and no line is complete yet.
 * SL_LIMIT      The line is too long and the stream is out of step: close.
 */
SL_MUST_USE enum sl_status sl_frame_push(struct sl_frame *frame, struct sl_bytes in, size_t *taken,
                                         struct sl_bytes *line);

#endif
