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
 *   acknowledged   bytes -> STREAM, [opened] -> (READING | GAP | DUPLICATE | CLOCK)*
 *
 * Why a session ends with SL_STEP_BYE:
 *
 *   line-too-long    a line is longer than the limit (plain sessions end for this only)
 *   stream-expected  the first line isn't a sound `stream` line
 *   stream-twice     a second `stream` line
 *   not-a-message    a line that no sensor may send, such as `ack`, or that is none at all
 *   bad-sequence     a number that is zero, above 2^63-1 or not written plainly, or a gap that
 *                    ends before it starts
 *   sequence-jump    a number beyond the next one, with no gap told
 *   bad-time         a reading's time is neither Unix seconds nor `-`
 *   bad-reason       a gap's reason isn't `[a-z0-9-]{1,48}`
 *   bad-offset       a clock's offset isn't a sign and seconds, or is beyond SL_OFFSET_MAX_US
 *   check-stream     a line after the `stream` line of SL_STREAM_CHECK
 *
 * A number that goes backwards is a reading sent again: SL_STEP_DUPLICATE, never a fault.
 * Why a reading is SL_STEP_REFUSED: the ids of enum sl_flaw in wire/reading.h.
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
    bool plain;     /* nothing is ever answered */
    bool ack_again; /* a number that is on disk was sent again: the sensor missed its ack */
    bool checking;  /* the stream is SL_STREAM_CHECK: answer `welcome 0`, and ask no store */
    bool parted;    /* `bye` was printed, the last line of a session */
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
    SL_STEP_DUPLICATE, /* `seq` is on disk or on its way; `reading` is what came, or empty */
    SL_STEP_CLOCK,     /* the sensor told its clock's offset; it has no number and no answer */
    SL_STEP_BYE        /* the session's grammar is broken: send sl_receiver_bye(), flush, close */
};

struct sl_receiver_step {
    enum sl_receiver_step_kind kind;
    int64_t seq;
    int64_t last;
    int64_t offset_us; /* CLOCK: the server's clock minus the sensor's, as that measured it */
    struct sl_reading
        reading; /* READING, DUPLICATE; points into the bytes given or into the receiver */
    struct sl_bytes reason; /* GAP (from the sensor), REFUSED and BYE (static) */
    const char *text;       /* REFUSED, BYE: one sentence, static */
};

/*
 * A fresh session; `acknowledged` is true where ALPN chose `sensorlink/1`; `line_limit` as for
 * sl_frame_init(), 0 for its default.
 */
void sl_receiver_init(struct sl_receiver *receiver, bool acknowledged, size_t line_limit);

/*
 * Takes bytes from `in` (`*taken` says how many) and says the next thing to do. Call it again with
 * the rest until SL_STEP_MORE. In state OPENING it takes nothing and answers SL_STEP_MORE, so the
 * owner keeps the rest until sl_receiver_opened(); in state OVER it throws everything away.
 * Plain mode: empty lines are passed over.
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

/*
 * Everything up to `seq` is on disk, for good. Call only after the commit; a number below an
 * earlier one changes nothing. A number beyond what this session received counts up to there: an
 * earlier session of the same stream may still have been on its way to the disk, and a sensor
 * must not hear of numbers that it didn't send. Plain mode has no numbers: nothing happens.
 */
void sl_receiver_committed(struct sl_receiver *receiver, int64_t seq);

/*
 * Appends an `ack` where something durable isn't acknowledged yet or was sent again, else nothing;
 * nothing in plain mode, before sl_receiver_opened() and after `bye`. Statuses as for
 * sl_message_print(); after SL_LIMIT the `ack` is still owed.
 */
SL_MUST_USE enum sl_status sl_receiver_acknowledge(struct sl_receiver *receiver, char *out,
                                                   size_t size, size_t *len);

/*
 * Appends a `refused` line for a REFUSED step. Nothing in plain mode and after `bye`. Statuses as
 * above.
 */
SL_MUST_USE enum sl_status sl_receiver_refuse(const struct sl_receiver *receiver,
                                              const struct sl_receiver_step *step, char *out,
                                              size_t size, size_t *len);

/*
 * Appends a `bye` (plain mode appends nothing) and takes no more lines after it. It is the last
 * line of a session: acknowledge what is durable first. A second `bye` appends nothing.
 * `retry_ms` is brought into 0 to 2^31-1; `reason` is `[a-z0-9-]{1,48}`. Statuses as above; after
 * SL_LIMIT the session is over but the `bye` isn't said and can be tried again.
 */
SL_MUST_USE enum sl_status sl_receiver_bye(struct sl_receiver *receiver, int64_t retry_ms,
                                           const char *reason, const char *text, char *out,
                                           size_t size, size_t *len);

#endif
