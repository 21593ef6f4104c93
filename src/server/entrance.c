/* SPDX-License-Identifier: Apache-2.0 */
/* entrance.c -- handshake and admission; see entrance.h. */
#include "server/entrance.h"

#include "base/clock.h"
#include "server/farewell.h"
#include "server/reminder.h"
#include "server/worker.h"
#include "tls/admission.h"

enum { RETRY_REFUSED_MS = 300000 };

static void tell_refusal(const struct sl_connection *connection, const struct sl_refusal *refusal)
{
    if (!sl_shared_may_tell(connection->shared))
        return;
    sl_log_line(connection->shared->log, SL_LOG_WARNING, "refused %s: %s: %s%s%s%s",
                connection->address_text, sl_reason_id(refusal->reason),
                sl_reason_text(refusal->reason), refusal->facts[0] == '\0' ? "" : " (",
                refusal->facts, refusal->facts[0] == '\0' ? "" : ")");
}

/* After a refusal: an alert of the library, or our `bye`, may wait to be sent. */
static void refuse(struct sl_connection *connection, const struct sl_refusal *refusal)
{
    tell_refusal(connection, refusal);
    sl_connection_enter(connection, SL_CONNECTION_GOODBYE);
    sl_farewell_say(connection);
}

/* Verified but not admitted: the session is up, so a sensor can be told why. */
static void refuse_verified(struct sl_connection *connection, const struct sl_refusal *refusal)
{
    struct sl_message bye = {.kind = SL_MESSAGE_BYE,
                             .retry_ms = RETRY_REFUSED_MS,
                             .reason = sl_bytes_of(sl_reason_id(refusal->reason)),
                             .text = sl_bytes_of(sl_reason_text(refusal->reason))};
    char line[SL_LINE_MAX];
    size_t len = 0;

    if (sl_session_acknowledged(connection->session) &&
        (sl_message_print(&bye, line, sizeof line, &len) != SL_OK ||
         sl_buffer_add(&connection->reply, (struct sl_bytes){line, len}, SL_REPLY_MAX) != SL_OK))
        connection->dead = true;
    refuse(connection, refusal);
}

/* The sensor is in: an I/O worker takes it over. */
static void move_in(struct sl_connection *connection)
{
    const struct sl_shared *shared = connection->shared;
    struct sl_worker *least = shared->io[0];

    sl_log_line(shared->log, SL_LOG_STORY, "authenticated %s as %s with %s, %s, %s%s",
                connection->address_text, sl_peer_name(connection->peer),
                sl_session_protocol(connection->session), sl_session_suite(connection->session),
                sl_session_acknowledged(connection->session) ? SL_ALPN : "plain lines",
                sl_session_resumed(connection->session) ? ", resumed" : "");
    sl_reminder_look(shared->reminder, shared->log, connection->peer,
                     shared->limits.expiry_warning_ms, sl_clock_wall_us());
    for (size_t i = 1; i < shared->io_count; i++)
        if (sl_worker_load(shared->io[i]) < sl_worker_load(least))
            least = shared->io[i];
    sl_receiver_init(&connection->receiver, sl_session_acknowledged(connection->session),
                     (size_t)shared->limits.line_bytes);
    sl_connection_enter(connection, SL_CONNECTION_READING);
    sl_watch_close(connection->watch);
    connection->watch = NULL;
    sl_worker_move(connection->worker, connection);
    /* From here on the connection is another thread's: not a word more. */
    if (sl_worker_adopt(least, connection) != SL_OK)
        sl_connection_free(connection);
}

void sl_entrance_take_rule(struct sl_connection *connection, struct sl_trust *trust)
{
    sl_trust_unref(connection->trust);
    connection->trust = trust;
    connection->rule = sl_admission_rule(connection->session, trust, connection->peer);
}

static void admit(struct sl_connection *connection)
{
    struct sl_trust *trust = sl_shared_trust(connection->shared);
    struct sl_refusal refusal;

    if (sl_admission_decide(connection->session, trust, sl_clock_wall_us(), &connection->peer,
                            &refusal) != SL_OK) {
        sl_trust_unref(trust);
        refuse_verified(connection, &refusal);
        return;
    }
    connection->admitted_ms = sl_clock_monotonic_ms();
    sl_entrance_take_rule(connection, trust);
    move_in(connection);
}

/* Sent away without a word over the network, which would only cost more. */
static void drop(struct sl_connection *connection, enum sl_reason reason)
{
    struct sl_refusal refusal = {.reason = reason};

    tell_refusal(connection, &refusal);
    sl_connection_leave(connection);
}

/* Goes on with the handshake, and notes what that costs. */
static enum sl_status shake_hands(struct sl_connection *connection)
{
    int64_t begin_us = sl_clock_processor_us();
    enum sl_status status = sl_session_handshake(connection->session);

    connection->spent_us += sl_clock_processor_us() - begin_us;
    return status;
}

void sl_entrance_step(struct sl_connection *connection)
{
    int64_t now_ms = sl_clock_monotonic_ms();
    enum sl_status status;

    /* Where strangers queue up, who is too late costs no arithmetic any more, nor who owes some. */
    if (now_ms >= connection->deadline_ms) {
        sl_entrance_late(connection);
        return;
    }
    if (sl_door_keeps_out(connection->shared->door, &connection->address, now_ms)) {
        drop(connection, SL_REASON_HANDSHAKE_TOO_COSTLY);
        return;
    }
    status = shake_hands(connection);
    if (status == SL_OK)
        admit(connection);
    else if (status == SL_WANT_READ || status == SL_WANT_WRITE)
        sl_connection_wait(connection, true);
    else
        refuse(connection, sl_session_refusal(connection->session));
}

void sl_entrance_late(struct sl_connection *connection)
{
    drop(connection, SL_REASON_HANDSHAKE_TIMEOUT);
}
