/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h -- what the files of the client share: client.c moves it from stage to stage, submit.c
 * keeps readings, uplink.c does the work while there is a session, renewal.c brings another
 * certificate.
 *
 *   PAUSE -> DIALLING -> WELCOMING -> UP
 *     ^---------'------------'--------'     each failure: a pause, then again
 *
 * client.c alone sets `stage`.
 *
 * Memory   One heap block per client, with the buffer for one record.
 * Threads  One at a time.
 */
#ifndef SL_CLIENT_CLIENT_H
#define SL_CLIENT_CLIENT_H

#include <stdbool.h>

#include "client/cap.h"
#include "client/dial.h"
#include "client/renewal.h"
#include "link/sender.h"

enum sl_client_stage {
    SL_STAGE_PAUSE,
    SL_STAGE_DIALLING,
    SL_STAGE_WELCOMING, /* `stream` is on its way; the server may still refuse us */
    SL_STAGE_UP
};

struct sl_client {
    char *host;
    char *files[SL_RENEWAL_FILES]; /* CA, certificate, key */
    struct sl_renewal renewal;
    struct sl_spool *spool;
    struct sl_cap cap;
    int64_t floor_us; /* the clock can't be before this (floor.h) */
    int64_t floor_ms; /* monotonic clock when a server confirmed that; 0: none did */
    int64_t window;
    int64_t idle_ms;
    enum sl_status (*resolve)(void *ctx, const char *host, struct sl_client_addresses *addresses);
    void (*on_event)(void *ctx, const struct sl_client_event *event);
    void *ctx;

    enum sl_client_stage stage;
    int64_t stage_end_ms; /* PAUSE: next try; WELCOMING: patience ends */
    struct sl_backoff backoff;
    struct sl_dial dials[2];
    struct sl_dial *dial;  /* of these, the one in use */
    struct sl_dial *other; /* tries a renewed certificate beside it (renewal.h) */
    struct sl_sender sender;
    struct sl_sender other_sender;
    enum sl_status wanted; /* DIALLING: what the dial waits for */
    bool again;            /* there is more to do at once */

    bool dirty;          /* something waits for the commit */
    bool commit_now;     /* and mustn't wait any longer */
    int64_t dirty_ms;    /* monotonic clock since when it waits */
    int64_t sync_ms;     /* how long it may */
    int64_t uncommitted; /* readings that wait */

    int64_t server_us;    /* what the server's clock said last, and */
    int64_t server_ms;    /* the monotonic clock then; 0: it said nothing yet */
    int64_t hello_us;     /* wall clock when `stream` was sent */
    bool at_home;         /* `welcome` came, and fits this spool */
    int64_t offset_us;    /* the server's clock minus ours, until the server is told; or none */
    int64_t up_ms;        /* monotonic clock of `welcome` */
    int64_t progress_ms;  /* of the last acknowledgement, or when the window began to fill */
    int64_t acknowledged; /* highest number known to be on the server's disk */

    char error[SL_FAILURE_TEXT_SIZE];
    char out[SL_SESSION_RECORD_MAX]; /* lines of the next record */
    size_t out_len;
};

/* Tells the owner. Strings of `event` that are null become empty. */
void sl_client_tell(struct sl_client *client, struct sl_client_event event);

/* Random bits to spread retries with. */
uint64_t sl_client_draw(int64_t now_ms);

/* Gives up readings that are too old; with a clock that can't be right, none. submit.c. */
SL_MUST_USE enum sl_status sl_submit_check_ages(struct sl_client *client);

/* When what is `dirty` has to be committed, on the monotonic clock; 0: now. */
int64_t sl_submit_due_ms(const struct sl_client *client);

/* Makes what was submitted safe, where that is due. The status is sl_client_step()'s. */
SL_MUST_USE enum sl_status sl_submit_commit(struct sl_client *client, int64_t now_ms);

/* Sends `stream`. SL_OK, or a failure in dial->failure. */
SL_MUST_USE enum sl_status sl_uplink_hello(struct sl_client *client);

/*
 * Receives, acts on what came, sends what the window takes.
 * SL_OK  Nothing more can be done now (or client->again is set).
 * SL_IO  The session is over: dial->failure says why.
 */
SL_MUST_USE enum sl_status sl_uplink_step(struct sl_client *client, int64_t now_ms);

/* Receives only. Statuses as above. */
SL_MUST_USE enum sl_status sl_uplink_listen(struct sl_client *client, int64_t now_ms);

/* True while readings are sent and not acknowledged. */
bool sl_uplink_busy(const struct sl_client *client);

#endif
