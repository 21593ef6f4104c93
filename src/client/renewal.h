/* SPDX-License-Identifier: Apache-2.0 */
/*
 * renewal.h -- which certificate the client shows, and how it comes to another one while it runs.
 *
 * The files are looked at before each connection and now and then while there is one. What is new
 * there is tried on a second connection, beside the session that works: handshake, `stream`,
 * `welcome`. Only `welcome` proves that the server takes it (TLS 1.3), and it makes the server end
 * the older session of the stream. So from `stream` on the older one is only listened to; where the
 * new one isn't welcomed, it goes on as if nothing had been.
 *
 *   look -> fresh -> [second connection: dial -> hand over] -> welcomed: trust = fresh
 *                                                          '-> refused: aside
 *
 * What was refused is put aside: connections use the trust from before, until the files change, or
 * that trust is itself refused or past its end, or the owner asks (sl_client_reload()).
 *
 * Memory   Part of struct sl_client. Two snapshots of trust, and a second session while one is
 *          tried.
 * Threads  The client's.
 */
#ifndef SL_CLIENT_RENEWAL_H
#define SL_CLIENT_RENEWAL_H

#include <stdbool.h>

#include "base/file_mark.h"
#include "client/backoff.h"
#include "client/dial.h"
#include "sensorlink/sensorlink.h"

struct sl_client;

enum { SL_RENEWAL_FILES = 3 }; /* CA, certificate, key */

/* What the owner was told of the files as they are; only what weighs more is told after it. */
enum sl_renewal_told { SL_RENEWAL_TOLD_NOTHING, SL_RENEWAL_TOLD_WAIT, SL_RENEWAL_TOLD_FAULT };

struct sl_renewal {
    struct sl_file_mark marks[SL_RENEWAL_FILES]; /* of the files that were read last */
    struct sl_trust *trust;                      /* the last one that was welcomed, or the first */
    struct sl_trust *fresh; /* read since then and not welcomed yet; null: none */
    bool welcomed;          /* `trust` was */
    bool aside;             /* `fresh` was refused */
    bool fails;             /* the files can't be used as they are */
    bool greeted;           /* `stream` was sent on a second connection and not answered */
    enum sl_renewal_told told;
    int64_t check_ms;          /* between two looks */
    int64_t look_ms;           /* monotonic clock of the next look */
    int64_t retry_ms;          /* monotonic clock of the next try with `fresh` */
    struct sl_backoff backoff; /* of these tries */
    int64_t warning_ms;        /* a certificate that ends sooner is told */
    int64_t warned_ms;         /* monotonic clock of the last time; 0: not told of `trust` */
};

/*
 * Reads the files for the first time and takes settings from `config`. SL_OK, or as sl_trust_load()
 * with `error`.
 */
SL_MUST_USE enum sl_status sl_renewal_open(struct sl_client *client,
                                           const struct sl_client_config *config, char *error,
                                           size_t error_size);
void sl_renewal_clear(struct sl_renewal *renewal);

/*
 * True where the spool has no owner yet or is that of the sensor that `trust` names. Else `error`
 * has the sentence.
 */
bool sl_renewal_fits(const struct sl_trust *trust, struct sl_spool *spool, char *error,
                     size_t error_size);

/* Looks at the files and starts the first dial with what is best to show. */
void sl_renewal_dial(struct sl_client *client, int64_t now_ms);

/*
 * While the session is up: looks at the files when that is due, and tries what is new there.
 * True where a second connection is through its handshake: it is client->dial now, with a fresh
 * client->sender, and the one before listens on (sl_renewal_listen()).
 */
bool sl_renewal_step(struct sl_client *client, int64_t now_ms);

/* True between that and `welcome`. */
bool sl_renewal_hands_over(const struct sl_client *client);

/* Acts on what the older session says meanwhile. Nothing happens where there is none. */
void sl_renewal_listen(struct sl_client *client, int64_t now_ms);

/* client->dial's session was welcomed: its trust is the one to keep; closes the older session. */
void sl_renewal_welcomed(struct sl_client *client);

/*
 * client->dial's session wasn't welcomed: true where the older one could be taken up again. Its
 * failure is told.
 */
bool sl_renewal_back(struct sl_client *client, int64_t now_ms);

/*
 * client->dial has failed, and there is nothing beside it to go back to. `refused`: the failure
 * counts as one. Decides what to show next; true where that is another certificate than the one
 * that failed, which is worth a try soon.
 */
bool sl_renewal_failed(struct sl_client *client, bool refused);

/* When sl_renewal_step() or sl_renewal_listen() wants to be called, on the monotonic clock. */
int64_t sl_renewal_due_ms(const struct sl_client *client, int64_t now_ms);

#endif
