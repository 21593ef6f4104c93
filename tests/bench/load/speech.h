/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speech.h -- what a session says and what it makes of the answers, for each mode; no sockets here.
 *
 * Memory   A talk is part of its session. Nothing allocates.
 * Threads  A talk belongs to one session.
 */
#ifndef BENCH_LOAD_SPEECH_H
#define BENCH_LOAD_SPEECH_H

#include <stdbool.h>

#include "lines.h"
#include "link/sender.h"

enum { HELLO_SPACE = 256, FAULT_SPACE = 256, PACKET_SIZE = 4 };

struct talk {
    const struct lines *lines;
    unsigned number;       /* of the session among all */
    uint64_t sent;         /* readings */
    uint64_t acknowledged; /* of them, in order */
    bool welcomed;
    int64_t time_us;         /* of the next reading */
    int64_t step_us;         /* from one reading to the next */
    unsigned at;             /* the next line */
    struct digits seq;       /* link: the next number */
    struct sl_sender sender; /* link, */
    char
        stream[SL_STREAM_SIZE]; /* and the spool that it would have; empty before the first hello */
    char packet[PACKET_SIZE];   /* mqtt: of the answer that isn't whole yet */
    size_t packet_len;
    uint16_t packet_id;
};

struct speech {
    const char *name;
    bool acknowledged; /* the TLS handshake offers `sensorlink/1` */

    /* Prints what is said first, up to HELLO_SPACE; null where nothing is said, nor answered. */
    size_t (*hello)(struct talk *talk, char *out);

    /* Prints `count` readings, each up to LINE_SPACE; returns the length. */
    size_t (*record)(struct talk *talk, unsigned count, char *out);

    /* Takes what the peer said; false where it ends the session, and `fault` says why. */
    bool (*take)(struct talk *talk, struct sl_bytes in, char fault[static FAULT_SPACE]);
};

/* The speech of this name, or null. */
const struct speech *speech_find(const char *name);

/* Speech of mqtt.c, for speech.c. */
extern const struct speech speech_mqtt;

/* The next reading's line and time; both step on. */
const struct line *talk_line(struct talk *talk);
int64_t talk_time(struct talk *talk);

#endif
