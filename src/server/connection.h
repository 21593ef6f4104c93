/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection.h -- one peer: from accept() through handshake and admission to its last
 * acknowledgement.
 *
 *   HANDSHAKE -> READING -> ENDING -> GOODBYE -> LINGER -> gone
 *        \---------------------------^
 *
 * ENDING waits until everything received is on disk and acknowledged. GOODBYE sends what is left
 * and close_notify. LINGER waits a moment for the peer to close, so that our last words aren't lost
 * to a reset. sl_connection_enter() is the only writer of the state.
 *
 * Memory   About 40 KiB, nearly all of it the TLS library's. Freed by its worker at the end of a
 *          turn.
 * Limits   At most one batch under way and one being filled; SL_REPLY_MAX bytes of lines for the
 *          peer.
 * Threads  Its worker's thread.
 */
#ifndef SL_SERVER_CONNECTION_H
#define SL_SERVER_CONNECTION_H

#include <stdatomic.h>

#include "base/list.h"
#include "link/receiver.h"
#include "net/loop.h"
#include "net/socket.h"
#include "server/shared.h"
#include "tls/session.h"

enum { SL_REPLY_MAX = 16384 };

enum sl_connection_state {
    SL_CONNECTION_HANDSHAKE,
    SL_CONNECTION_READING,
    SL_CONNECTION_ENDING,
    SL_CONNECTION_GOODBYE,
    SL_CONNECTION_LINGER,
    SL_CONNECTION_GONE
};

struct sl_connection {
    struct sl_queue_item queued; /* first: in a queue of its worker's, to come in or to yield */
    struct sl_listed listed;     /* among its worker's connections, or those that are gone */
    struct sl_listed again;      /* a turn is due without an event */
    struct sl_listed waiting;    /* for room in the committer's queue */
    struct sl_listed timed;      /* sl_connection_tick() is due */

    struct sl_shared *shared;
    struct sl_worker *worker;
    struct sl_watch *watch;
    struct sl_socket socket;
    struct sl_address address;
    char address_text[SL_ADDRESS_TEXT_SIZE];
    enum sl_connection_state state;
    int64_t deadline_ms; /* when the state's time is up; where it comes nearer, see appoint() */

    struct sl_session *session;
    struct sl_peer *peer;      /* null until admitted */
    struct sl_trust *trust;    /* under which it was admitted, last */
    int64_t spent_us;          /* of a processor, in its handshake */
    int64_t admitted_ms;       /* when it was admitted */
    struct sl_allow_rule rule; /* what this trust's allow list says of it */
    int64_t charged;           /* lines charged to its rate so far */
    bool held_back;            /* it sent more than its rate */
    int64_t refused;           /* refused readings told in the log */
    int64_t refused_ms;        /* when the last was told */
    int64_t refused_untold;    /* refused since, and not told */
    struct sl_receiver receiver;
    int64_t stream_id;      /* the store's key, once opened */
    struct sl_buffer input; /* decrypted, but not taken while the stream is being opened */
    struct sl_buffer reply; /* lines for the peer, not encrypted yet */
    struct sl_batch_spares *spares;
    struct sl_batch *filling;
    struct sl_batch *under_way;
    atomic_bool superseded; /* a newer session has this stream; set by streams.c in any thread */
    bool proved;  /* one number sent again was compared in this session; the others needn't be */
    bool proving; /* nothing is acknowledged until the answer is there */
    bool emptied; /* nothing more was there at the last look: the watch tells when there is */
    bool peer_parted;       /* the peer's close_notify has come, */
    bool parted;            /* and ours is on its way */
    bool dead;              /* the session or transport is broken: nothing more can be sent */
    const char *end_reason; /* for the `bye`; null where the peer ended it. Static storage */
    const char *end_text;
    int64_t retry_ms;
    int64_t logged;  /* readings on disk */
    size_t lingered; /* bytes thrown away while lingering */
};

/* Makes a connection of an accepted socket, which it owns in any case. SL_OK or SL_NOMEM. */
SL_MUST_USE enum sl_status sl_connection_new(struct sl_shared *shared, int fd,
                                             const struct sl_address *address,
                                             struct sl_connection **connection);

/* Frees all of it, without a word. */
void sl_connection_free(struct sl_connection *connection);

/* Changes the state and sets its deadline; nobody else writes either. */
void sl_connection_enter(struct sl_connection *connection, enum sl_connection_state state);

/* Into the state GONE, unless it's there already. */
void sl_connection_leave(struct sl_connection *connection);

/* What to wait for: input where `readable`, and room to send where something waits. */
void sl_connection_wait(struct sl_connection *connection, bool readable);

/* Its new worker owns it now. */
void sl_connection_adopted(struct sl_connection *connection, struct sl_worker *worker);

/* Does what can be done now: read, submit, answer, send. */
void sl_connection_turn(struct sl_connection *connection);

/* The committer's answer to its batch. */
void sl_connection_answer(struct sl_connection *connection, struct sl_batch *batch);

/*
 * When a sensor that is sent away shall come back: `least_ms` and a random time on top, which grows
 * with the number of sensors, so that they don't all come back at once.
 */
int64_t sl_connection_retry_ms(const struct sl_connection *connection, int64_t least_ms);

/*
 * Ends it: everything received is stored and acknowledged first. `reason` null: the peer ended it,
 * no `bye`.
 */
void sl_connection_end(struct sl_connection *connection, const char *reason, const char *text,
                       int64_t retry_ms);

/* Trust has changed: is it still admitted, and what may it do now? */
void sl_connection_review(struct sl_connection *connection);

/* Ends it where a newer session of its stream has come. */
void sl_connection_yield(struct sl_connection *connection);

/* The server shuts down. */
void sl_connection_drain(struct sl_connection *connection);

/* Is anything due? INT64_MAX: its time is up in any case. Makes its next appointment. */
void sl_connection_tick(struct sl_connection *connection, int64_t now_ms);

#endif
