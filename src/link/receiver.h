/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver.h -- the server's end of one session's protocol, as a machine without I/O.
 *
 * Decrypted bytes go in; steps come out, one at a time: "open this stream", "take this reading",
 * "end the session for this reason". The owner does what a step says (ask the store, fill a
 * batch) and reports back what became durable; the receiver then prints `welcome`, `ack` and
 * `refused` lines into the owner's buffer. A number is acknowledged only after
 * sl_receiver_committed() said that it is on disk.
 *
 *   plain          bytes -> READING*                       (nothing is ever answered)
 *   acknowledged   bytes -> STREAM, [opened] -> (READING | GAP | DUPLICATE)*
 *
 * Memory   The caller owns struct sl_receiver. Nothing here allocates.
 * Limits   One frame of SL_LINE_MAX bytes per session.
 * Threads  A receiver belongs to one connection.
 */
#ifndef SL_LINK_RECEIVER_H
#define SL_LINK_RECEIVER_H

#include "wire/frame.h"
#include "wire/message.h"

enum sl_receiver_state {
    SL_RECEIVER_PLAIN,   /* plain lines: each is a reading */
    SL_RECEIVER_HELLO,   /* waits for the `stream` line */
    SL_RECEIVER_OPENING, /* the owner asks the store; no more steps until sl_receiver_opened() */
    SL_RECEIVER_OPEN,    /* readings and gaps */
    SL_RECEIVER_OVER     /* the session broke its grammar; nothing more is taken */
};

struct sl_receiver {
    enum sl_receiver_state state;
    struct sl_frame frame;
    char stream[SL_STREAM_SIZE]; /* its hex digits once the `stream` line came */
    int64_t received;            /* highest number taken or found on disk */
    int64_t durable;             /* highest number on disk */
    int64_t acknowledged;        /* highest number told to the sensor */
    int64_t lines;               /* lines taken so far, for messages about plain lines */
};

enum sl_receiver_step_kind {
    SL_STEP_MORE,      /* all bytes were taken; come back with more */
    SL_STEP_STREAM,    /* open receiver->stream in the store, then call sl_receiver_opened() */
    SL_STEP_READING,   /* log this reading under `seq` (0 in plain mode: the store numbers it) */
    SL_STEP_GAP,       /* record that `seq`..`last` will never come, for `reason` */
    SL_STEP_REFUSED,   /* acknowledged mode: record `seq` as a gap for `reason` and tell the sensor
                          with sl_receiver_refuse(). Plain mode (seq 0): say it in the log */
    SL_STEP_DUPLICATE, /* `seq` is on disk or on its way already: nothing to do */
    SL_STEP_BYE        /* the session's grammar is broken: send sl_receiver_bye(), flush, close */
};

struct sl_receiver_step {
    enum sl_receiver_step_kind kind;
    int64_t seq;
    int64_t last;
    struct sl_reading reading; /* READING; points into the bytes given or into the receiver */
    struct sl_bytes reason;    /* GAP (from the sensor), REFUSED and BYE (static) */
    const char *text;          /* REFUSED, BYE: one sentence, static */
};

/* A fresh session; `acknowledged` is true where ALPN chose `sensorlink/1`; `line_limit` as for sl_frame_init(). */
void sl_receiver_init(struct sl_receiver *receiver, bool acknowledged, size_t line_limit);

/*
 * Takes bytes from `in` (`*taken` says how many) and says the next thing to do. Call it again with
 * the rest until SL_STEP_MORE. In state OPENING it takes nothing and answers SL_STEP_MORE.
 */
void sl_receiver_next(struct sl_receiver *receiver, struct sl_bytes in, size_t *taken,
                      struct sl_receiver_step *step);

/*
 * The store knows the stream up to `last`: appends the `welcome` line to `out`.
 * Statuses as for sl_message_print().
 */
SL_MUST_USE enum sl_status sl_receiver_opened(struct sl_receiver *receiver, int64_t last,
                                              int64_t now_us, struct sl_bytes sensor, char *out,
                                              size_t size, size_t *len);

/* Everything up to `seq` is on disk, for good. Call only after the commit. */
void sl_receiver_committed(struct sl_receiver *receiver, int64_t seq);

/* Appends an `ack` where something durable isn't acknowledged yet, else nothing. */
SL_MUST_USE enum sl_status sl_receiver_acknowledge(struct sl_receiver *receiver, char *out,
                                                   size_t size, size_t *len);

/* Appends a `refused` line for a REFUSED step. Plain mode appends nothing. */
SL_MUST_USE enum sl_status sl_receiver_refuse(const struct sl_receiver *receiver,
                                              const struct sl_receiver_step *step, char *out,
                                              size_t size, size_t *len);

/* Appends a `bye` (acknowledged mode; plain mode appends nothing) and takes no more lines after it. */
SL_MUST_USE enum sl_status sl_receiver_bye(struct sl_receiver *receiver, int64_t retry_ms,
                                           const char *reason, const char *text, char *out,
                                           size_t size, size_t *len);

#endif
