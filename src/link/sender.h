/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender.h -- the sensor's end of one session's protocol, as a machine without I/O.
 *
 * It says which number may be sent next, prints the lines, and turns the server's lines into
 * events. It keeps a window: at most `window` readings are under way unacknowledged. Where the
 * readings are kept is the owner's business (the spool).
 *
 *   hello -> [welcome] -> clock, readings and gaps, within the window -> [ack]* -> bye or close
 *
 * Why a session is SL_EVENT_BROKEN:
 *
 *   line-too-long     a line is longer than SL_LINE_MAX
 *   not-a-message     a line that no server may send
 *   welcome-expected  something other than `welcome` or `bye` first
 *   welcome-twice     a second `welcome`
 *   bad-sequence      a `welcome` after which no number is left
 *   ack-backwards     an `ack` below an earlier one, or below the `welcome`
 *   ack-ahead         an `ack` beyond what was sent
 *   refused-ahead     a `refused` beyond what was sent
 *
 * Memory   The caller owns struct sl_sender. Nothing here allocates.
 * Limits   One frame of SL_LINE_MAX bytes; a window of readings.
 * Threads  A sender belongs to one session.
 */
#ifndef SL_LINK_SENDER_H
#define SL_LINK_SENDER_H

#include "wire/frame.h"
#include "wire/message.h"

struct sl_sender {
    bool welcomed; /* the server answered: the session is up */
    bool over;     /* bye or broken grammar: nothing more is sent */
    struct sl_frame frame;
    int64_t next;         /* the number to send next */
    int64_t acknowledged; /* the server has everything up to here on disk */
    int64_t window;       /* most numbers under way at once */
};

enum sl_sender_event_kind {
    SL_EVENT_MORE,    /* all bytes were taken */
    SL_EVENT_WELCOME, /* `seq`: what the server has; `time_us`: its clock; `name`: ours, to it */
    SL_EVENT_ACK,     /* everything up to `seq` is on the server's disk: forget it */
    SL_EVENT_REFUSED, /* the server will never log `seq`, for `reason` */
    SL_EVENT_BYE,     /* the server closes; come back after `retry_ms` */
    SL_EVENT_BROKEN   /* the server broke the protocol: close; `reason` says how (static) */
};

struct sl_sender_event {
    enum sl_sender_event_kind kind;
    int64_t seq;
    int64_t time_us;
    int64_t retry_ms;
    struct sl_bytes name;
    struct sl_bytes reason;
    struct sl_bytes text;
};

/* A fresh session with a window of 1 or more readings. */
void sl_sender_init(struct sl_sender *sender, int64_t window);

/*
 * Appends the `stream` line. `stream` is 32 lower-case hex digits. Statuses as for
 * sl_message_print().
 */
SL_MUST_USE enum sl_status sl_sender_hello(struct sl_sender *sender, const char *stream, char *out,
                                           size_t size, size_t *len);

/*
 * Takes bytes from `in` and says what they mean; call again with the rest until SL_EVENT_MORE.
 * An `ack` beyond what was sent, one that goes backwards, or a line before `welcome` is BROKEN; an
 * `ack` that says the same number again is fine. `bye` may come before `welcome`. The views in
 * `event` are valid until the next call or until `in` goes. After BYE or BROKEN everything is
 * thrown away and the event is MORE.
 */
void sl_sender_next(struct sl_sender *sender, struct sl_bytes in, size_t *taken,
                    struct sl_sender_event *event);

/*
 * The number acknowledged last is sent once more, to show that our spool is the one that the
 * server's readings came from. After `welcome`, before anything else is sent, and only with a
 * number of 1 or more.
 */
void sl_sender_again(struct sl_sender *sender);

/*
 * Appends `clock <offset>`: the server's clock minus ours, as measured at `welcome`. It has no
 * number, takes no room in the window and gets no answer.
 * SL_OK     Appended.
 * SL_LIMIT  No room in `out`, or the session isn't up; nothing changed.
 */
SL_MUST_USE enum sl_status sl_sender_clock(const struct sl_sender *sender, int64_t offset_us,
                                           char *out, size_t size, size_t *len);

/*
 * How many readings may be sent now: 0 before `welcome`, after `bye` and with a full window. A gap
 * counts as many numbers as it has, so a long one fills the window until it is acknowledged.
 */
int64_t sl_sender_room(const struct sl_sender *sender);

/*
 * Appends reading number sender->next and steps on.
 * SL_OK     Appended.
 * SL_LIMIT  No room in `out`, or in the window; nothing changed.
 */
SL_MUST_USE enum sl_status sl_sender_reading(struct sl_sender *sender,
                                             const struct sl_reading *reading, char *out,
                                             size_t size, size_t *len);

/*
 * Appends `gap <next> <last> <reason>` and steps on to last + 1. `last` is at least sender->next
 * and below SL_SEQ_MAX; `reason` is `[a-z0-9-]{1,48}`. Statuses as above; one place in the window
 * is enough.
 */
SL_MUST_USE enum sl_status sl_sender_gap(struct sl_sender *sender, int64_t last, const char *reason,
                                         char *out, size_t size, size_t *len);

#endif
