/* SPDX-License-Identifier: Apache-2.0 */
/* connection.c -- one peer from accept() to its end; see connection.h. */
#include "server/connection.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/entrance.h"
#include "server/farewell.h"
#include "server/intake.h"
#include "server/reminder.h"
#include "server/streams.h"
#include "server/worker.h"
#include "tls/admission.h"

enum {
    GOODBYE_MS = 2000,        /* to send what is left */
    LINGER_MS = 1000,         /* for the peer to close */
    SPREAD_MS = 2000,         /* goodbyes send sensors back within this time, */
    SPREAD_EACH_US = 10000,   /* and this much more for each of them: what a full handshake costs */
    SPREAD_RESUMED_MS = 1000, /* the same where the next server can resume their sessions */
    SPREAD_RESUMED_EACH_US = 500,
    RETRY_REFUSED_MS = 300000,
    RETRY_TAKEN_OVER_MS = 60000, /* two copies of a spool shall not chase each other */
};

int64_t sl_connection_retry_ms(const struct sl_connection *connection, int64_t least_ms)
{
    size_t sensors = sl_worker_load(connection->worker) * connection->shared->io_count;
    bool resumes = connection->shared->keys_kept && sl_session_resumable(connection->session);
    uint64_t least_spread_ms = resumes ? SPREAD_RESUMED_MS : SPREAD_MS;
    uint64_t each_us = resumes ? SPREAD_RESUMED_EACH_US : SPREAD_EACH_US;
    uint64_t most_ms = least_spread_ms + each_us * (uint64_t)sensors / 1000;
    uint32_t random = 0;

    /* Without randomness all come back at once: a pity, not a fault. */
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        return least_ms;
    return least_ms + (int64_t)(random % most_ms);
}

/*
 * When something may be due while a sensor is in: the end of idleness, of its certificate or the
 * first reminder of that, the end of its session, or more of its rate.
 */
static int64_t sensor_due_ms(const struct sl_connection *connection)
{
    const struct sl_server_limits *limits = &connection->shared->limits;
    int64_t now_ms = sl_clock_monotonic_ms();
    int64_t left_ms = (sl_peer_expires_us(connection->peer) - sl_clock_wall_us()) / 1000 + 1;
    int64_t due_ms = connection->deadline_ms;

    if (connection->held_back)
        return now_ms;
    if (left_ms > limits->expiry_warning_ms)
        left_ms -= limits->expiry_warning_ms;
    if (now_ms + left_ms < due_ms)
        due_ms = now_ms + left_ms;
    if (limits->session_ms > 0 && connection->admitted_ms + limits->session_ms < due_ms)
        due_ms = connection->admitted_ms + limits->session_ms;
    return due_ms;
}

/*
 * A peer that says nothing at all may hold its place for a third of the time that a handshake has.
 */
static int64_t silence_over_ms(const struct sl_connection *connection)
{
    return connection->deadline_ms - connection->shared->limits.handshake_ms * 2 / 3;
}

/* Has it looked at again when something may be due. Called wherever that may be sooner now. */
static void appoint(struct sl_connection *connection)
{
    int64_t due_ms = connection->deadline_ms;

    if (connection->state == SL_CONNECTION_READING)
        due_ms = sensor_due_ms(connection);
    else if (connection->state == SL_CONNECTION_HANDSHAKE && sl_session_silent(connection->session))
        due_ms = silence_over_ms(connection);
    if (connection->state != SL_CONNECTION_GONE)
        sl_worker_appoint(connection->worker, connection, due_ms);
}

void sl_connection_wait(struct sl_connection *connection, bool readable)
{
    bool writable = !connection->dead && sl_session_waiting(connection->session) > 0;

    if (connection->watch == NULL || sl_watch_set(connection->watch, readable, writable) == SL_OK)
        return;
    connection->deadline_ms = 0; /* The next tick ends it. */
    appoint(connection);
}

void sl_connection_enter(struct sl_connection *connection, enum sl_connection_state state)
{
    int64_t now_ms = sl_clock_monotonic_ms();

    if (connection->state == SL_CONNECTION_HANDSHAKE && state != SL_CONNECTION_HANDSHAKE)
        sl_door_handshake_ended(connection->shared->door, &connection->address,
                                state == SL_CONNECTION_READING ? 0 : connection->spent_us, now_ms);
    connection->state = state;
    switch (state) {
    case SL_CONNECTION_HANDSHAKE:
        connection->deadline_ms = now_ms + connection->shared->limits.handshake_ms;
        break;
    case SL_CONNECTION_READING:
        connection->deadline_ms = now_ms + connection->shared->limits.idle_ms;
        break;
    case SL_CONNECTION_ENDING:
        connection->deadline_ms = INT64_MAX; /* The committer always answers. */
        break;
    case SL_CONNECTION_GOODBYE:
        connection->deadline_ms = now_ms + GOODBYE_MS;
        break;
    case SL_CONNECTION_LINGER:
        connection->deadline_ms = now_ms + LINGER_MS;
        break;
    case SL_CONNECTION_GONE:
        sl_watch_close(connection->watch);
        connection->watch = NULL;
        sl_streams_leave(connection->shared->streams, connection);
        sl_worker_gone(connection->worker, connection);
        break;
    }
    appoint(connection);
}

void sl_connection_leave(struct sl_connection *connection)
{
    if (connection->state != SL_CONNECTION_GONE)
        sl_connection_enter(connection, SL_CONNECTION_GONE);
}

static enum sl_status open_session(struct sl_connection *connection)
{
    struct sl_trust *trust = sl_shared_trust(connection->shared);
    enum sl_status status = sl_session_new_server(
        trust, sl_socket_transport(&connection->socket),
        (size_t)connection->shared->limits.handshake_bytes, &connection->session);

    sl_trust_unref(trust); /* The session has a reference of its own. */
    if (status == SL_OK)
        sl_session_offer_tickets(connection->session, connection->shared->ticket_keys);
    return status;
}

enum sl_status sl_connection_new(struct sl_shared *shared, int fd, const struct sl_address *address,
                                 struct sl_connection **connection)
{
    struct sl_connection *made = calloc(1, sizeof *made);
    enum sl_status status;

    if (made == NULL) {
        (void)close(fd);
        return SL_NOMEM;
    }
    made->shared = shared;
    made->address = *address;
    (void)sl_address_print(address, made->address_text);
    sl_socket_adopt(&made->socket, fd);
    status = open_session(made);
    if (status != SL_OK) {
        sl_socket_close(&made->socket, true);
        free(made);
        return status;
    }
    made->state = SL_CONNECTION_HANDSHAKE;
    made->deadline_ms = sl_clock_monotonic_ms() + shared->limits.handshake_ms;
    *connection = made;
    return SL_OK;
}

void sl_connection_free(struct sl_connection *connection)
{
    int64_t now_ms = sl_clock_monotonic_ms();

    assert(connection->under_way == NULL);
    if (connection->state == SL_CONNECTION_HANDSHAKE)
        sl_door_handshake_ended(connection->shared->door, &connection->address,
                                connection->spent_us, now_ms);
    sl_door_leave(connection->shared->door, &connection->address, now_ms);
    sl_session_free(connection->session);
    sl_socket_close(&connection->socket, false);
    sl_buffer_clear(&connection->input);
    sl_buffer_clear(&connection->reply);
    sl_batch_free(connection->filling);
    sl_peer_unref(connection->peer);
    sl_trust_unref(connection->trust);
    free(connection);
}

/* The peer ended the session, in order or not; what it sent before counts. */
static void peer_ended(struct sl_connection *connection, enum sl_status status)
{
    const struct sl_refusal *refusal = sl_session_refusal(connection->session);

    if (status != SL_CLOSED)
        connection->dead = true;
    connection->peer_parted = status == SL_CLOSED;
    if (status != SL_CLOSED && connection->receiver.frame.len > 0)
        sl_log_line(connection->shared->log, SL_LOG_WARNING,
                    "%s (%s) was cut off in the middle of a line, which isn't logged",
                    sl_peer_name(connection->peer), connection->address_text);
    if (status == SL_NOMEM)
        sl_log_line(connection->shared->log, SL_LOG_ERROR, "%s (%s): out of memory, session ended",
                    sl_peer_name(connection->peer), connection->address_text);
    if (status != SL_CLOSED && refusal->reason != SL_REASON_NONE)
        sl_log_line(connection->shared->log, SL_LOG_WARNING, "%s (%s): %s: %s (%s)",
                    sl_peer_name(connection->peer), connection->address_text,
                    sl_reason_id(refusal->reason), sl_reason_text(refusal->reason), refusal->facts);
    sl_connection_end(connection, NULL, NULL, 0);
}

/* Hands on what was read, says what is due, and waits; `status` is how the reading ended. */
static void pass_on(struct sl_connection *connection, enum sl_status status)
{
    sl_intake_submit(connection);
    sl_intake_acknowledge(connection);
    if (status != SL_OK && status != SL_WANT_READ && status != SL_LIMIT) {
        peer_ended(connection, status);
        return;
    }
    if (sl_farewell_send(connection) == SL_CUT) {
        peer_ended(connection, SL_CUT);
        return;
    }
    /*
     * What stopped the reading may be over by now: the batch was handed on, the replies are sent.
     */
    if (status == SL_OK || (status == SL_LIMIT && !sl_intake_paused(connection)))
        sl_worker_again(connection->worker, connection);
    sl_connection_wait(connection, status != SL_LIMIT);
    if (connection->held_back)
        appoint(connection);
}

static void take_readings(struct sl_connection *connection)
{
    enum sl_status status = sl_intake_read(connection);

    connection->emptied = status == SL_WANT_READ;
    if (connection->state == SL_CONNECTION_READING)
        pass_on(connection, status);
}

void sl_connection_turn(struct sl_connection *connection)
{
    switch (connection->state) {
    case SL_CONNECTION_HANDSHAKE:
        sl_entrance_step(connection);
        break;
    case SL_CONNECTION_READING:
        take_readings(connection);
        break;
    case SL_CONNECTION_ENDING:
        sl_farewell_prepare(connection);
        break;
    case SL_CONNECTION_GOODBYE:
        sl_farewell_say(connection);
        break;
    case SL_CONNECTION_LINGER:
        sl_farewell_linger(connection);
        break;
    case SL_CONNECTION_GONE:
        break;
    }
}

static void on_ready(void *ctx, bool readable, bool writable)
{
    (void)readable;
    (void)writable;
    sl_connection_turn(ctx);
}

void sl_connection_adopted(struct sl_connection *connection, struct sl_worker *worker)
{
    connection->worker = worker;
    connection->spares = sl_worker_spares(worker);
    if (sl_watch_new(sl_worker_loop(worker), connection->socket.fd, on_ready, connection,
                     &connection->watch) != SL_OK) {
        sl_connection_leave(connection);
        return;
    }
    appoint(connection);
    /* Trust may have changed on the way here, after the worker reviewed those it had. */
    sl_connection_review(connection);
    sl_connection_turn(connection);
}

void sl_connection_answer(struct sl_connection *connection, struct sl_batch *batch)
{
    sl_intake_answer(connection, batch);
    if (connection->state == SL_CONNECTION_READING && connection->emptied)
        pass_on(connection, SL_WANT_READ);
    else
        sl_connection_turn(connection);
}

/* No longer admitted: told by name, after what it sent before is stored. */
static void expel(struct sl_connection *connection, const struct sl_refusal *refusal)
{
    sl_log_line(connection->shared->log, SL_LOG_WARNING, "no longer admitted: %s (%s): %s: %s (%s)",
                sl_peer_name(connection->peer), connection->address_text,
                sl_reason_id(refusal->reason), sl_reason_text(refusal->reason), refusal->facts);
    sl_connection_end(connection, sl_reason_id(refusal->reason), sl_reason_text(refusal->reason),
                      RETRY_REFUSED_MS);
}

void sl_connection_review(struct sl_connection *connection)
{
    struct sl_trust *trust;
    struct sl_refusal refusal;

    if (connection->state != SL_CONNECTION_READING)
        return;
    trust = sl_shared_trust(connection->shared);
    if (trust == connection->trust) {
        sl_trust_unref(trust);
        return;
    }
    if (sl_admission_review(connection->session, trust, sl_clock_wall_us(), &refusal) == SL_OK) {
        sl_entrance_take_rule(connection, trust);
        return;
    }
    sl_trust_unref(trust);
    expel(connection, &refusal);
}

void sl_connection_yield(struct sl_connection *connection)
{
    if (connection->state == SL_CONNECTION_READING && atomic_load(&connection->superseded))
        sl_connection_end(connection, sl_reason_id(SL_REASON_STREAM_TAKEN_OVER),
                          sl_reason_text(SL_REASON_STREAM_TAKEN_OVER), RETRY_TAKEN_OVER_MS);
}

void sl_connection_drain(struct sl_connection *connection)
{
    if (connection->state == SL_CONNECTION_HANDSHAKE) {
        sl_connection_leave(connection);
        return;
    }
    if (connection->state != SL_CONNECTION_READING)
        return;
    /* What has arrived is received: one more look before the door closes. */
    take_readings(connection);
    sl_connection_end(connection, sl_reason_id(SL_REASON_SHUTTING_DOWN),
                      sl_reason_text(SL_REASON_SHUTTING_DOWN),
                      sl_connection_retry_ms(connection, 0));
}

static bool is_too_old(const struct sl_connection *connection)
{
    int64_t most_ms = connection->shared->limits.session_ms;

    return most_ms > 0 && sl_clock_monotonic_ms() - connection->admitted_ms >= most_ms;
}

/*
 * What comes with time while a sensor is in: its certificate ends, its session is old enough, or
 * its rate lets it send again.
 */
static void watch_sensor(struct sl_connection *connection)
{
    struct sl_refusal refusal = {.reason = SL_REASON_CLIENT_CERT_EXPIRED};
    const struct sl_shared *shared = connection->shared;
    int64_t now_us = sl_clock_wall_us();

    sl_reminder_look(shared->reminder, shared->log, connection->peer,
                     shared->limits.expiry_warning_ms, now_us);
    if (now_us >= sl_peer_expires_us(connection->peer)) {
        sl_admission_facts(connection->session, refusal.facts);
        expel(connection, &refusal);
    } else if (is_too_old(connection)) {
        sl_connection_end(connection, sl_reason_id(SL_REASON_SESSION_TOO_OLD),
                          sl_reason_text(SL_REASON_SESSION_TOO_OLD),
                          sl_connection_retry_ms(connection, 0));
    } else if (connection->held_back) {
        /* It's we who don't read: that isn't idleness of the sensor. */
        connection->deadline_ms = sl_clock_monotonic_ms() + shared->limits.idle_ms;
        if (!sl_intake_paused(connection))
            sl_connection_turn(connection);
    }
}

/* The time of its state is up. */
static void time_up(struct sl_connection *connection)
{
    switch (connection->state) {
    case SL_CONNECTION_HANDSHAKE:
        sl_entrance_late(connection);
        break;
    case SL_CONNECTION_READING:
        sl_connection_end(connection, sl_reason_id(SL_REASON_IDLE), sl_reason_text(SL_REASON_IDLE),
                          sl_connection_retry_ms(connection, 0));
        break;
    case SL_CONNECTION_GOODBYE:
    case SL_CONNECTION_LINGER:
        sl_connection_leave(connection);
        break;
    case SL_CONNECTION_ENDING: /* Its batch comes back in any case, and ends it. */
    case SL_CONNECTION_GONE:
        break;
    }
}

void sl_connection_tick(struct sl_connection *connection, int64_t now_ms)
{
    if (connection->state == SL_CONNECTION_READING)
        watch_sensor(connection);
    if (connection->state == SL_CONNECTION_HANDSHAKE && sl_session_silent(connection->session) &&
        now_ms >= silence_over_ms(connection))
        connection->deadline_ms = now_ms;
    if (now_ms >= connection->deadline_ms || now_ms == INT64_MAX)
        time_up(connection);
    appoint(connection);
}
