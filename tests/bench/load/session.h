/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h -- one session with a server: connects, greets, sends what it may, takes the answers.
 *
 * Memory   Part of its worker; session_clear() gives back what it holds.
 * Threads  Its worker's.
 */
#ifndef BENCH_LOAD_SESSION_H
#define BENCH_LOAD_SESSION_H

#include "speech.h"
#include "tls/session.h"
#include "worker.h"

enum state { STATE_NONE, STATE_HANDSHAKE, STATE_GREETING, STATE_OPEN, STATE_CLOSING };

/* A record under way. */
struct mark {
    uint64_t last;   /* the number of its last reading */
    int64_t from_ns; /* what its latency counts from */
};

struct session {
    struct worker *worker;
    struct session *next_ready;
    struct sl_session *tls;
    struct sl_resumption *resumption; /* null: none */
    struct talk talk;
    struct mark *marks; /* a ring */
    size_t marks_size, marks_first, marks_count;
    enum state state;
    int fd;
    int error;     /* errno of what ended the connection; 0 */
    bool is_ready; /* in the worker's list */
    bool counted;  /* the worker's phase waits for it */
    bool finished; /* nothing more is sent on the socket */
    int64_t begun_ns;
    uint64_t left;  /* readings that it may still send */
    uint64_t due;   /* records whose time has come */
    uint64_t event; /* of the schedule: its next to send */
};

bool session_init(struct session *session, struct worker *worker, unsigned number);
void session_clear(struct session *session);

/* Connects. */
void session_start(struct session *session);

/* Something happened on its socket (epoll's events), or it was in the list of those ready (0). */
void session_step(struct session *session, uint32_t events);

/* Sends what may be sent now, and says so where all is done. */
void session_pump(struct session *session);

/* Says goodbye; it goes on until the server ends the connection too. */
void session_finish(struct session *session);

/* Ends it at once, as a failure. */
void session_fail(struct session *session, const char *fault);

#endif
