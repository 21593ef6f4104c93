/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h -- the lines of the acknowledged protocol (ALPN `sensorlink/1`), parsed and printed.
 *
 *   sensor  stream <32 hex digits>
 *   server  welcome <last> <time> <sensor>
 *   sensor  <seq> <time> name: value[ unit]
 *   sensor  gap <first> <last> <reason>
 *   sensor  clock <offset>
 *   server  ack <seq>
 *   server  refused <seq> <reason> <text>
 *   server  bye <retry-after-ms> <reason> <text>
 *
 * Memory   A message is a view into the line that it was parsed from. Nothing allocates.
 * Limits   Sequence numbers are 1 to SL_SEQ_MAX (2^63-1); 0 stands for "nothing yet" in `welcome`
 *          and `ack`. Reasons are `[a-z0-9-]{1,48}`. Printed lines never exceed SL_LINE_MAX.
 * Threads  Pure functions.
 */
#ifndef SL_WIRE_MESSAGE_H
#define SL_WIRE_MESSAGE_H

#include <stdint.h>

#include "wire/reading.h"

#define SL_ALPN "sensorlink/1"
#define SL_SEQ_MAX INT64_MAX

/* The greatest offset of a clock that can be told: 100,000,000,000 s either way. */
#define SL_OFFSET_MAX_US INT64_C(100000000000000000)

enum { SL_STREAM_HEX = 32, SL_STREAM_SIZE = 33, SL_REASON_MAX = 48, SL_SENSOR_NAME_MAX = 64 };

/*
 * The stream of a sensor that only asks whether it may come in (--check --online): it is welcomed,
 * takes no readings, and leaves nothing in the store. Not zeros, which a sensor that has no random
 * numbers may well send.
 */
#define SL_STREAM_CHECK "ffffffffffffffffffffffffffffffff"

enum sl_message_kind {
    SL_MESSAGE_STREAM,
    SL_MESSAGE_WELCOME,
    SL_MESSAGE_READING,
    SL_MESSAGE_GAP,
    SL_MESSAGE_CLOCK,
    SL_MESSAGE_ACK,
    SL_MESSAGE_REFUSED,
    SL_MESSAGE_BYE
};

struct sl_message {
    enum sl_message_kind kind;
    int64_t seq;            /* READING, ACK, REFUSED: the number; GAP: its first; WELCOME: last */
    int64_t last;           /* GAP: its last */
    int64_t time_us;        /* WELCOME: the server's clock; READING: the sensor's */
    int64_t offset_us;      /* CLOCK: the server's clock minus the sensor's own */
    int64_t retry_ms;       /* BYE: come back after this many milliseconds, 0 to 2^31-1 */
    struct sl_bytes stream; /* STREAM: 32 lower-case hex digits */
    struct sl_bytes sensor; /* WELCOME */
    struct sl_bytes reason; /* GAP, REFUSED, BYE */
    struct sl_bytes text;   /* REFUSED, BYE: a sentence for people, may be empty */
    struct sl_reading reading; /* READING, with time_us */
    enum sl_flaw flaw; /* READING: why this reading can't be taken; `seq` is set all the same */
};

/*
 * Reads a line that a sensor may send: stream, reading, gap, clock.
 * SL_OK         `*message` is set; of a READING only the fields that say so. A READING whose
 *               sequence number is sound but whose reading isn't has `flaw` set: that one is
 *               refused and the session goes on. A READING's bad time field is a flaw of the
 *               session, not of the reading.
 * SL_BAD_INPUT  The line breaks the grammar of the session: end it with `bye`.
 */
SL_MUST_USE enum sl_status sl_message_parse_from_sensor(struct sl_bytes line,
                                                        struct sl_message *message);

/* Reads a line that a server may send: welcome, ack, refused, bye. Statuses as above. */
SL_MUST_USE enum sl_status sl_message_parse_from_server(struct sl_bytes line,
                                                        struct sl_message *message);

/*
 * Appends the message as a line with its '\n'. Text is cut so that the line fits SL_LINE_MAX, and
 * what isn't printable in it becomes '?'.
 * SL_OK     Appended to `out[*len]`; `*len` grew.
 * SL_LIMIT  `size` is too small; nothing changed. SL_LINE_MAX bytes of room always do.
 */
SL_MUST_USE enum sl_status sl_message_print(const struct sl_message *message, char *out,
                                            size_t size, size_t *len);

#endif
