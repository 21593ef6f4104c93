/* SPDX-License-Identifier: Apache-2.0 */
/* farewell.c -- the end of a connection; see farewell.h. */
#include "server/farewell.h"

#include "server/intake.h"
#include "server/worker.h"

enum { LINGER_BYTES = 65536 }; /* thrown away while the peer closes */

/* Puts the replies into records as far as the session takes them. */
static void encrypt_replies(struct sl_connection *connection)
{
    while (!connection->dead && connection->reply.len > 0) {
        struct sl_bytes bytes = {connection->reply.at, connection->reply.len};
        size_t taken = 0;
        enum sl_status status = sl_session_write(connection->session, bytes, &taken);

        if (status == SL_WANT_WRITE)
            return;
        if (status != SL_OK)
            connection->dead = true;
        sl_buffer_drop(&connection->reply, taken);
    }
    sl_buffer_clear(&connection->reply);
}

enum sl_status sl_farewell_send(struct sl_connection *connection)
{
    enum sl_status status;

    if (connection->dead)
        return SL_CUT;
    do {
        encrypt_replies(connection);
        status = sl_session_flush(connection->session);
    } while (status == SL_OK && connection->reply.len > 0 && !connection->dead);
    if (status != SL_OK && status != SL_WANT_WRITE)
        connection->dead = true;
    return connection->dead ? SL_CUT : status;
}

/*
 * The peer's last bytes are read and thrown away: a close with unread bytes would reset our
 * goodbye.
 */
void sl_farewell_linger(struct sl_connection *connection)
{
    struct sl_transport transport = sl_socket_transport(&connection->socket);
    enum sl_status status = SL_OK;
    char bytes[4096];

    while (status == SL_OK && connection->lingered < LINGER_BYTES) {
        size_t len = 0;

        status = transport.receive(transport.ctx, bytes, sizeof bytes, &len);
        connection->lingered += len;
    }
    if (status == SL_WANT_READ)
        sl_connection_wait(connection, true);
    else
        sl_connection_leave(connection);
}

void sl_farewell_say(struct sl_connection *connection)
{
    enum sl_status status = sl_farewell_send(connection);

    /* close_notify ends the stream, so it comes after the last reply is in its record. */
    if (status == SL_OK && !connection->parted) {
        connection->parted = true;
        sl_socket_last(&connection->socket);
        status = sl_session_close(connection->session);
    }
    if (status == SL_WANT_WRITE) {
        sl_connection_wait(connection, false);
        return;
    }
    /* Who said goodbye sends nothing that a close could find unread. */
    if (status != SL_OK || connection->peer_parted) {
        sl_connection_leave(connection);
        return;
    }
    sl_socket_finish(&connection->socket);
    sl_connection_enter(connection, SL_CONNECTION_LINGER);
    sl_farewell_linger(connection);
}

/* After the last acknowledgement, because nothing may follow it. */
static void append_bye(struct sl_connection *connection)
{
    char line[SL_LINE_MAX];
    size_t len = 0;

    if (connection->end_reason == NULL)
        return;
    if (sl_receiver_bye(&connection->receiver, connection->retry_ms, connection->end_reason,
                        connection->end_text, line, sizeof line, &len) != SL_OK ||
        sl_buffer_add(&connection->reply, (struct sl_bytes){line, len}, SIZE_MAX / 2) != SL_OK)
        connection->dead = true;
}

/* All that was received is stored: the last words go out. */
static void finish(struct sl_connection *connection)
{
    sl_intake_acknowledge(connection);
    append_bye(connection);
    if (connection->end_reason != NULL)
        sl_log_line(connection->shared->log, SL_LOG_STORY, "ending %s (%s): %s: %s",
                    sl_peer_name(connection->peer), connection->address_text,
                    connection->end_reason, connection->end_text);
    if (connection->peer != NULL)
        sl_log_line(connection->shared->log, SL_LOG_STORY,
                    "no more data from %s (%s), %lld %s logged", sl_peer_name(connection->peer),
                    connection->address_text, (long long)connection->logged,
                    connection->logged == 1 ? "reading" : "readings");
    sl_connection_enter(connection, SL_CONNECTION_GOODBYE);
    sl_farewell_say(connection);
}

void sl_farewell_prepare(struct sl_connection *connection)
{
    sl_intake_submit(connection);
    if (sl_intake_idle(connection)) {
        finish(connection);
        return;
    }
    /* What waits is sent meanwhile: a peer that makes room would wake us for it, on and on. */
    (void)!sl_farewell_send(connection); /* what failed is noted, and the batch still comes back */
    sl_connection_wait(connection, false);
}

void sl_connection_end(struct sl_connection *connection, const char *reason, const char *text,
                       int64_t retry_ms)
{
    if (connection->state >= SL_CONNECTION_ENDING)
        return;
    connection->end_reason = reason;
    connection->end_text = text;
    connection->retry_ms = retry_ms;
    sl_connection_enter(connection, SL_CONNECTION_ENDING);
    sl_farewell_prepare(connection);
}
