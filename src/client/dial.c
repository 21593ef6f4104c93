/* SPDX-License-Identifier: Apache-2.0 */
/* dial.c -- look-up, connection and handshake; see dial.h. */
#include "client/dial.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/message.h"

/* How often a resolver that isn't ours is asked again, where nothing else wakes the owner. */
enum { RESOLVE_POLL_MS = 250, ERRNO_SIZE = 96 };

void sl_failure_set(struct sl_failure *failure, enum sl_pause_cause cause, const char *reason,
                    const char *format, ...)
{
    va_list arguments;

    failure->cause = cause;
    failure->retry_ms = 0;
    (void)snprintf(failure->reason, sizeof(failure->reason), "%s", reason);
    va_start(arguments, format);
    (void)vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
}

void sl_failure_set_tls(struct sl_failure *failure, enum sl_pause_cause cause,
                        const struct sl_refusal *refusal)
{
    bool facts = refusal->facts[0] != '\0';
    sl_failure_set(failure, cause, sl_reason_id(refusal->reason), "%s%s%s%s",
                   sl_reason_text(refusal->reason), facts ? " (" : "", refusal->facts,
                   facts ? ")" : "");
}

void sl_dial_start(struct sl_dial *dial)
{
    assert(dial->state == SL_DIAL_IDLE);
    dial->state = SL_DIAL_RESOLVING;
    dial->next = 0;
    dial->addresses.count = 0;
    dial->addresses.error[0] = '\0';
    dial->deadline_ms = 0;
    dial->socket.fd = -1;
}

/* Frees what belongs to one address. */
static void drop_connection(struct sl_dial *dial)
{
    sl_session_free(dial->session);
    dial->session = NULL;
    if (dial->socket.fd >= 0)
        sl_socket_close(&dial->socket, false);
    dial->socket.fd = -1;
}

void sl_dial_clear(struct sl_dial *dial)
{
    if (dial->state != SL_DIAL_IDLE)
        drop_connection(dial);
    dial->state = SL_DIAL_IDLE;
}

/* getaddrinfo() on the spot, for owners without a resolver of their own. */
static enum sl_status resolve_here(struct sl_dial *dial)
{
    struct sl_addresses found = {0};
    char text[SL_ADDRESS_TEXT_SIZE];
    enum sl_status status = sl_addresses_resolve(
        dial->host, dial->port, &found, dial->addresses.error, sizeof(dial->addresses.error));
    if (status != SL_OK)
        return status;

    for (size_t i = 0; i < found.count && i < SL_CLIENT_ADDRESSES_MAX; i++) {
        (void)snprintf(dial->addresses.at[i], SL_CLIENT_ADDRESS_SIZE, "%s",
                       sl_address_print_host(&found.at[i], text));
        dial->addresses.count = i + 1;
    }
    sl_addresses_clear(&found);
    return SL_OK;
}

static enum sl_status step_resolving(struct sl_dial *dial, int64_t now_ms)
{
    struct sl_address literal;
    enum sl_status status = SL_OK;

    if (sl_address_parse(dial->host, dial->port, &literal) == SL_OK) {
        (void)snprintf(dial->addresses.at[0], SL_CLIENT_ADDRESS_SIZE, "%s", dial->host);
        dial->addresses.count = 1;
    } else if (dial->resolve) {
        status = dial->resolve(dial->ctx, dial->host, &dial->addresses);
    } else {
        status = resolve_here(dial);
    }
    if (status == SL_WANT_READ || status == SL_WANT_WRITE) {
        dial->deadline_ms = now_ms + RESOLVE_POLL_MS;
        return SL_WANT_READ;
    }
    if (status == SL_OK && dial->addresses.count > 0)
        return SL_OK;

    const char *error = dial->addresses.error;
    sl_failure_set(&dial->failure, SL_PAUSE_FAILED, "name-unknown", "%s%s",
                   error[0] ? error : "no address is known for ", error[0] ? "" : dial->host);
    return status == SL_NOMEM ? SL_NOMEM : SL_IO;
}

static enum sl_status connect_failed(struct sl_dial *dial)
{
    char text[ERRNO_SIZE];
    const char *why = dial->socket.error ? strerror_r(dial->socket.error, text, sizeof(text))
                                         : "the connection ended";
    sl_failure_set(&dial->failure, SL_PAUSE_FAILED, "connect-failed", "can't connect to %s: %s",
                   dial->server, why);
    return SL_IO;
}

/* Starts connecting to the next address; the caller made sure that there is one. */
static enum sl_status start_address(struct sl_dial *dial, int64_t now_ms)
{
    const char *text = dial->addresses.at[dial->next++];
    struct sl_address address;

    dial->state = SL_DIAL_CONNECTING;
    (void)snprintf(dial->server, sizeof(dial->server), "%s", text);
    if (sl_address_parse(text, dial->port, &address) != SL_OK) {
        sl_failure_set(&dial->failure, SL_PAUSE_FAILED, "bad-address", "'%s' isn't an address",
                       text);
        return SL_IO;
    }
    (void)sl_address_print(&address, dial->server);
    dial->deadline_ms = now_ms + dial->connect_ms;
    enum sl_status status = sl_socket_connect(&dial->socket, &address);
    return status == SL_IO ? connect_failed(dial) : status;
}

static enum sl_status start_handshake(struct sl_dial *dial)
{
    enum sl_status status = sl_session_new_client(dial->trust, sl_socket_transport(&dial->socket),
                                                  dial->host, &dial->session);
    if (status == SL_OK) {
        sl_session_resume(dial->session, dial->resumption);
        dial->state = SL_DIAL_HANDSHAKING;
        return SL_OK;
    }
    sl_failure_set(&dial->failure, SL_PAUSE_FAILED, "no-session",
                   status == SL_NOMEM ? "out of memory" : "the host's name can't be used with TLS");
    return status == SL_NOMEM ? SL_NOMEM : SL_IO;
}

static enum sl_status step_connecting(struct sl_dial *dial)
{
    enum sl_status status = sl_socket_connected(&dial->socket);
    if (status == SL_IO)
        return connect_failed(dial);
    return status == SL_OK ? start_handshake(dial) : status;
}

static enum sl_status step_handshaking(struct sl_dial *dial)
{
    enum sl_status status = sl_session_handshake(dial->session);
    if (status == SL_OK) {
        if (sl_session_acknowledged(dial->session)) {
            dial->state = SL_DIAL_READY;
            return SL_OK;
        }
        sl_failure_set(&dial->failure, SL_PAUSE_FAILED, "no-protocol",
                       "the server doesn't speak " SL_ALPN ", so it can't acknowledge readings");
        return SL_IO;
    }
    if (status == SL_WANT_READ || status == SL_WANT_WRITE)
        return status;

    const struct sl_refusal *refusal = sl_session_refusal(dial->session);
    bool refused = refusal->reason == SL_REASON_PEER_REFUSED;
    bool other = refusal->reason == SL_REASON_HTTP || refusal->reason == SL_REASON_PLAIN_TEXT ||
                 refusal->reason == SL_REASON_NOT_TLS;
    (void)!sl_session_flush(dial->session); /* an alert that says why, if the peer still listens */
    sl_failure_set_tls(&dial->failure, refused ? SL_PAUSE_REFUSED : SL_PAUSE_FAILED, refusal);
    if (other) /* the reason's own sentence is the server's, about a peer */
        sl_failure_set(&dial->failure, SL_PAUSE_FAILED, sl_reason_id(refusal->reason),
                       "what listens at %s doesn't speak TLS: is it the right port?", dial->server);
    return status == SL_NOMEM ? SL_NOMEM : SL_IO;
}

static enum sl_status step_state(struct sl_dial *dial, int64_t now_ms)
{
    enum sl_status status = SL_OK;

    switch (dial->state) {
    case SL_DIAL_RESOLVING:
        status = step_resolving(dial, now_ms);
        return status == SL_OK ? start_address(dial, now_ms) : status;
    case SL_DIAL_CONNECTING:
        status = step_connecting(dial);
        break;
    case SL_DIAL_HANDSHAKING:
        status = step_handshaking(dial);
        break;
    case SL_DIAL_IDLE:
    case SL_DIAL_READY:
        assert(false && "a dial is stepped between start and ready");
    }
    bool waits = status == SL_WANT_READ || status == SL_WANT_WRITE;
    if (!waits || now_ms < dial->deadline_ms)
        return status;

    bool connected = dial->state == SL_DIAL_HANDSHAKING;
    sl_failure_set(&dial->failure, SL_PAUSE_FAILED,
                   connected ? sl_reason_id(SL_REASON_HANDSHAKE_TIMEOUT) : "connect-timeout",
                   "%s doesn't answer%s", dial->server, connected ? " in the handshake" : "");
    return SL_TIMEOUT;
}

/* True where another address is worth a try after this failure. */
static bool goes_on(const struct sl_dial *dial, enum sl_status status)
{
    return dial->state != SL_DIAL_RESOLVING && status != SL_NOMEM &&
           dial->failure.cause != SL_PAUSE_REFUSED && dial->next < dial->addresses.count;
}

enum sl_status sl_dial_step(struct sl_dial *dial, int64_t now_ms)
{
    enum sl_status status = step_state(dial, now_ms);

    for (;;) {
        if (status == SL_WANT_READ || status == SL_WANT_WRITE)
            return status;
        if (status == SL_OK && dial->state == SL_DIAL_READY)
            return SL_OK;
        if (status == SL_OK) {
            status = step_state(dial, now_ms);
        } else if (goes_on(dial, status)) {
            drop_connection(dial);
            status = start_address(dial, now_ms);
        } else {
            sl_dial_clear(dial);
            return status == SL_NOMEM ? SL_NOMEM : SL_IO;
        }
    }
}
