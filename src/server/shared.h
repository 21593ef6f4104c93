/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared.h -- what all threads of one server share, and how they are set.
 *
 * Threads  Read-only after start, but for what guards itself (log, door, committer, workers'
 *          queues).
 */
#ifndef SL_SERVER_SHARED_H
#define SL_SERVER_SHARED_H

#include <pthread.h>

#include "base/log.h"
#include "server/committer.h"
#include "server/door.h"
#include "tls/trust.h"

struct sl_worker;
struct sl_streams;
struct sl_rates;
struct sl_reminder;

struct sl_server_limits {
    struct sl_door_limits door;
    int64_t handshake_ms;      /* for connecting and handshake */
    int64_t handshake_bytes;   /* read of a peer's hello, and 3/4 of it until it is authenticated */
    int64_t idle_ms;           /* without a byte from an authenticated sensor */
    int64_t line_bytes;        /* longest line, with its ending */
    int64_t drain_ms;          /* for saying goodbye at the end */
    int64_t queued_batches;    /* waiting for the committer */
    int64_t expiry_warning_ms; /* before a certificate ends */
    int64_t session_ms;        /* a session's longest; 0: no limit */
};

struct sl_shared {
    struct sl_server_limits limits;
    struct sl_log *log;
    pthread_mutex_t tell_lock; /* over the three below */
    double tell_credit;        /* lines about strangers that may be told now */
    int64_t tell_ms;
    int64_t untold;
    pthread_mutex_t trust_lock;
    struct sl_trust *trust;             /* today's; see sl_shared_trust() */
    struct sl_ticket_keys *ticket_keys; /* null: sessions aren't resumed */
    bool keys_kept;                     /* over a restart */
    struct sl_door *door;
    struct sl_streams *streams;
    struct sl_rates *rates;
    struct sl_reminder *reminder;
    struct sl_committer *committer;
    struct sl_worker **io; /* workers of authenticated sensors */
    size_t io_count;
    struct sl_worker **handshakes; /* workers of strangers */
    size_t handshake_count;
};

/* One reference of today's trust, for the caller to give back. */
struct sl_trust *sl_shared_trust(struct sl_shared *shared);

/* From now on this is the trust; takes over the reference. */
void sl_shared_set_trust(struct sl_shared *shared, struct sl_trust *trust);

/*
 * May a line about a stranger be told? A burst of them yes, then some a second, so that nobody
 * unknown can fill the log's disk; how many were left out is told in their stead.
 */
bool sl_shared_may_tell(struct sl_shared *shared);

#endif
