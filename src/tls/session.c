/* SPDX-License-Identifier: Apache-2.0 */
/* session.c -- one TLS session over a transport; see session.h. */
#include "tls/session.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tls/ahead.h"
#include "tls/compat.h"
#include "tls/record.h"
#include "tls/ticket.h"
#include "tls/verify.h"
#include "wire/message.h"

enum {
    READ_TRIES = 16,
    READ_MAX = 20480, /* from the transport: one record of content, and a few without */
    WIRE_MAX = SL_SESSION_OUT_MAX + 32768
};

struct sl_session {
    mbedtls_ssl_context ssl;
    /*
     * The trust's, but for the callbacks about tickets, which must know the session: the library
     * passes them nothing of it. A shallow copy, so it isn't freed.
     */
    mbedtls_ssl_config config;
    struct sl_trust *trust;
    struct sl_transport transport;
    struct sl_verify verify;
    struct sl_ticket_desk desk;       /* a server's */
    struct sl_resumption *resumption; /* a client's; null: none */
    char *host;                       /* a client's */
    struct sl_record record;          /* the peer's records, until the handshake is over */
    struct sl_record sent;            /* ours, likewise */
    struct sl_ahead ahead;            /* a server's */
    struct sl_buffer out;             /* encrypted, not sent yet */
    size_t budget;        /* bytes that may be read, in this part of the handshake or one call */
    size_t flight_budget; /* what `budget` becomes when a hello of the peer is whole */
    uint8_t hellos;       /* of the peer, so far */
    bool blocked;         /* the transport had nothing more at the last try */
    bool over_budget;
    bool established;
    bool broken;
    enum sl_status transport_end; /* SL_CUT or SL_IO once the transport ended; SL_OK before */
    struct sl_refusal refusal;
};

/* The library's ways to say "nothing now" and "ended" in the callbacks below. */
static int receive_code(struct sl_session *session, enum sl_status status)
{
    if (status == SL_WANT_READ) {
        session->blocked = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (status == SL_NOMEM)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    session->transport_end = status;
    return status == SL_CUT ? 0 : MBEDTLS_ERR_SSL_CONN_EOF;
}

/* A server receives ahead, in a handshake no more than may still come; a sensor gets little. */
static enum sl_status fetch(struct sl_session *session, unsigned char *bytes, size_t cap,
                            size_t *len)
{
    struct sl_transport *transport = &session->transport;
    bool established = session->established;

    if (sl_trust_role(session->trust) != SL_ROLE_SERVER)
        return transport->receive(transport->ctx, bytes, cap, len);
    return sl_ahead_take(&session->ahead, transport, established ? SL_AHEAD_MAX : session->budget,
                         established, bytes, cap, len);
}

/*
 * A hello may be long, with keys of several kinds and a ticket, and costs little. What comes after
 * it is certificates, whose cost grows with the square of their number.
 */
static void look_at_handshake(struct sl_session *session, const unsigned char *bytes, size_t len)
{
    sl_record_look(&session->record, bytes, len);
    if (session->record.chain.hellos > session->hellos) {
        session->hellos = session->record.chain.hellos;
        session->budget = session->flight_budget;
    }
}

static int receive(void *ctx, unsigned char *bytes, size_t cap)
{
    struct sl_session *session = ctx;
    size_t len = 0;
    enum sl_status status;

    if (session->budget == 0) {
        session->over_budget = true;
        return MBEDTLS_ERR_SSL_CONN_EOF;
    }
    if (cap > session->budget)
        cap = session->budget;
    status = fetch(session, bytes, cap, &len);
    if (status != SL_OK)
        return receive_code(session, status);
    session->budget -= len;
    if (!session->established)
        look_at_handshake(session, bytes, len);
    /* What the library doesn't get, it doesn't calculate with. */
    if (sl_chain_too_long(&session->record.chain))
        return MBEDTLS_ERR_SSL_CONN_EOF;
    return (int)len;
}

/*
 * Always takes everything, so the library never has to repeat a write.
 */
static int keep(void *ctx, const unsigned char *bytes, size_t len)
{
    struct sl_session *session = ctx;
    struct sl_bytes added = {(const char *)bytes, len};

    if (sl_buffer_add(&session->out, added, WIRE_MAX) != SL_OK)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    if (!session->established)
        sl_record_look(&session->sent, bytes, len);
    return (int)len;
}

/* Notes the refusal. A peer's certificate is a fact of it, but not where the peer judged ours. */
static enum sl_status refuse(struct sl_session *session, enum sl_status status,
                             enum sl_reason reason, const char *detail)
{
    bool with_facts = session->verify.seen && reason != SL_REASON_PEER_REFUSED;

    session->broken = true;
    session->refusal.reason = reason;
    (void)snprintf(session->refusal.facts, SL_FACTS_SIZE, "%s%s%.500s",
                   detail == NULL ? "" : detail, detail != NULL && with_facts ? "; " : "",
                   with_facts ? session->verify.facts : "");
    sl_reason_add_clock(&session->refusal);
    return status;
}

static enum sl_status new_session(struct sl_trust *trust, struct sl_transport transport,
                                  size_t budget, struct sl_session **session)
{
    struct sl_session *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    mbedtls_ssl_init(&made->ssl);
    made->config = *sl_trust_config(trust);
    if (mbedtls_ssl_setup(&made->ssl, &made->config) != 0) {
        mbedtls_ssl_free(&made->ssl);
        free(made);
        return SL_NOMEM;
    }
    made->trust = sl_trust_ref(trust);
    made->transport = transport;
    made->budget = budget;
    made->flight_budget = budget / 4 * 3;
    made->verify.trust = trust;
    made->record.chain.cas = sl_trust_cas(trust);
    mbedtls_ssl_set_verify(&made->ssl, sl_verify_certificate, &made->verify);
    mbedtls_ssl_set_bio(&made->ssl, made, keep, receive, NULL);
    *session = made;
    return SL_OK;
}

enum sl_status sl_session_new_server(struct sl_trust *trust, struct sl_transport transport,
                                     size_t budget, struct sl_session **session)
{
    assert(sl_trust_role(trust) == SL_ROLE_SERVER);
    return new_session(trust, transport, budget, session);
}

void sl_session_offer_tickets(struct sl_session *session, struct sl_ticket_keys *keys)
{
    if (keys == NULL)
        return;
    session->desk.keys = keys;
    session->desk.trust = session->trust;
    session->desk.full = &session->verify;
    session->desk.ssl = &session->ssl;
    session->verify.keeps_leaf = true;
    mbedtls_ssl_conf_session_tickets_cb(&session->config, sl_ticket_write, sl_ticket_parse,
                                        &session->desk);
}

void sl_session_resume(struct sl_session *session, struct sl_resumption *resumption)
{
    session->resumption = resumption;
    if (resumption != NULL)
        (void)sl_resumption_use(resumption, &session->ssl, session->trust, session->host);
}

/* A host that is an address is checked by verify.c; a name by the library. */
static int set_host(struct sl_session *session, const char *host)
{
    if (inet_pton(AF_INET, host, session->verify.address) == 1)
        session->verify.address_len = 4;
    else if (inet_pton(AF_INET6, host, session->verify.address) == 1)
        session->verify.address_len = 16;
    return sl_compat_set_hostname(&session->ssl, session->verify.address_len > 0 ? NULL : host);
}

enum sl_status sl_session_new_client(struct sl_trust *trust, struct sl_transport transport,
                                     const char *host, struct sl_session **session)
{
    enum sl_status status;

    assert(sl_trust_role(trust) == SL_ROLE_SENSOR);
    if (*host == '\0' || strlen(host) > MBEDTLS_SSL_MAX_HOST_NAME_LEN)
        return SL_BAD_INPUT;
    status = new_session(trust, transport, SIZE_MAX, session);
    if (status != SL_OK)
        return status;
    (*session)->host = strdup(host);
    if ((*session)->host == NULL)
        status = SL_NOMEM;
    else if (set_host(*session, host) != 0)
        status = SL_BAD_INPUT;
    if (status != SL_OK) {
        sl_session_free(*session);
        *session = NULL;
    }
    return status;
}

void sl_session_free(struct sl_session *session)
{
    if (session == NULL)
        return;
    mbedtls_ssl_free(&session->ssl);
    sl_ticket_desk_clear(&session->desk);
    sl_verify_clear(&session->verify);
    free(session->host);
    sl_trust_unref(session->trust);
    sl_ahead_clear(&session->ahead);
    sl_buffer_clear(&session->out);
    mbedtls_platform_zeroize(session, sizeof *session);
    free(session);
}

/* The reason where the peer doesn't even speak TLS, or SL_REASON_NONE. */
static enum sl_reason speech_reason(const struct sl_session *session)
{
    switch (sl_record_speech(&session->record)) {
    case SL_SPEECH_HTTP:
        return SL_REASON_HTTP;
    case SL_SPEECH_TEXT:
        return SL_REASON_PLAIN_TEXT;
    case SL_SPEECH_OTHER:
        return SL_REASON_NOT_TLS;
    default:
        return SL_REASON_NONE;
    }
}

/* The reason behind the library's code, once speech, alerts and verification had nothing to say. */
static enum sl_reason code_reason(const struct sl_session *session, int code)
{
    bool server = sl_trust_role(session->trust) == SL_ROLE_SERVER;

    switch (sl_compat_failure(code)) {
    case SL_FAILURE_NO_SUITE:
        /* TLS 1.3 in 3.6 says the same of a proof of the key that fails. */
        if (!session->verify.seen)
            return SL_REASON_NO_COMMON_SUITE;
        return server ? SL_REASON_CLIENT_KEY_MISMATCH : SL_REASON_SERVER_KEY_MISMATCH;
    case SL_FAILURE_OLD_VERSION:
        return SL_REASON_OLD_TLS;
    case SL_FAILURE_PROOF:
        return server ? SL_REASON_CLIENT_KEY_MISMATCH : SL_REASON_SERVER_KEY_MISMATCH;
    case SL_FAILURE_NO_CERTIFICATE:
        return SL_REASON_CLIENT_CERT_MISSING;
    case SL_FAILURE_CERTIFICATE:
        return server ? SL_REASON_CLIENT_CERT_UNREADABLE : SL_REASON_SERVER_CERT_UNREADABLE;
    case SL_FAILURE_NO_MEMORY:
        return SL_REASON_NO_MEMORY;
    default:
        return SL_REASON_HANDSHAKE_FAILED;
    }
}

/*
 * In TLS 1.2 the library tells a client without a certificate nothing, and the client would just
 * wait. Of too many certificates it doesn't know.
 */
static void send_alert(struct sl_session *session)
{
    unsigned char alert = session->refusal.reason == SL_REASON_CLIENT_CERT_MISSING
                              ? MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE
                              : MBEDTLS_SSL_ALERT_MSG_BAD_CERT;

    if (strcmp(sl_session_protocol(session), "TLSv1.2") == 0)
        (void)mbedtls_ssl_send_alert_message(&session->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
}

/* The client keeps the session for the next time. TLS 1.3 has one once a ticket came, 1.2 now. */
static void keep_session(struct sl_session *session)
{
    if (session->resumption != NULL)
        sl_resumption_keep(session->resumption, &session->ssl, session->trust,
                           session->verify.proved_us);
}

/* The handshake is over: what only it needed goes. */
static void settle(struct sl_session *session)
{
    session->established = true;
    sl_verify_clear(&session->verify);
    if (strcmp(sl_session_protocol(session), "TLSv1.2") == 0)
        keep_session(session);
}

/* Turns a handshake that failed into one reason with its facts. */
static enum sl_status handshake_failed(struct sl_session *session, int code)
{
    enum sl_reason reason = speech_reason(session);
    int alert = sl_record_alert(&session->record);
    char detail[128];

    (void)snprintf(detail, sizeof detail, "code -0x%04x", (unsigned)-code);
    if (session->over_budget)
        return refuse(session, SL_LIMIT, SL_REASON_HANDSHAKE_TOO_LARGE, NULL);
    if (sl_chain_too_long(&session->record.chain))
        return refuse(session, SL_LIMIT, SL_REASON_HANDSHAKE_TOO_MANY_CERTS, NULL);
    if (reason != SL_REASON_NONE)
        return refuse(session, SL_DENIED, reason, NULL);
    /* 2.28 has no code of its own for this, but it sends the right alert. */
    if (sl_record_alert(&session->sent) == MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL)
        return refuse(session, SL_DENIED, SL_REASON_NO_COMMON_PROTOCOL, NULL);
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        sl_record_print_alert(alert, detail, sizeof detail);
        return refuse(session, SL_DENIED, SL_REASON_PEER_REFUSED, detail);
    }
    reason = sl_verify_reason(&session->verify, mbedtls_ssl_get_verify_result(&session->ssl));
    if (reason != SL_REASON_NONE &&
        (session->verify.seen || reason == SL_REASON_CLIENT_CERT_MISSING))
        return refuse(session, SL_DENIED, reason, NULL);
    if (session->transport_end != SL_OK)
        return refuse(session, session->transport_end, SL_REASON_HANDSHAKE_CUT, NULL);
    reason = code_reason(session, code);
    return refuse(session, reason == SL_REASON_NO_MEMORY ? SL_NOMEM : SL_DENIED, reason, detail);
}

enum sl_status sl_session_handshake(struct sl_session *session)
{
    enum sl_status flushed;
    int code;

    if (session->broken)
        return SL_IO;
    do {
        session->blocked = false;
        code = mbedtls_ssl_handshake(&session->ssl);
    } while (sl_compat_is_ticket(code) || (code == MBEDTLS_ERR_SSL_WANT_READ && !session->blocked));
    flushed = sl_session_flush(session);
    if (code == 0 && sl_compat_handshake_over(&session->ssl)) {
        settle(session);
        return SL_OK;
    }
    if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE) {
        enum sl_status failed = handshake_failed(session, code);

        if (session->resumption != NULL)
            sl_resumption_failed(session->resumption,
                                 session->transport_end != SL_OK && sl_session_silent(session));
        if (session->refusal.reason == SL_REASON_CLIENT_CERT_MISSING ||
            session->refusal.reason == SL_REASON_HANDSHAKE_TOO_MANY_CERTS)
            send_alert(session);
        return failed;
    }
    sl_ahead_clear(&session->ahead);
    if (flushed == SL_CUT || flushed == SL_IO)
        return refuse(session, flushed, SL_REASON_HANDSHAKE_CUT, NULL);
    return flushed == SL_WANT_WRITE ? SL_WANT_WRITE : SL_WANT_READ;
}

/* A code of read or write that is neither data nor "later". */
static enum sl_status broken(struct sl_session *session, int code)
{
    char detail[32];

    (void)snprintf(detail, sizeof detail, "code -0x%04x", (unsigned)-code);
    if (sl_compat_failure(code) == SL_FAILURE_NO_MEMORY)
        return refuse(session, SL_NOMEM, SL_REASON_NO_MEMORY, NULL);
    if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE)
        return refuse(session, SL_IO, SL_REASON_PEER_REFUSED, detail);
    return refuse(session, SL_IO, SL_REASON_TLS_BROKEN, detail);
}

enum sl_status sl_session_read(struct sl_session *session, char *bytes, size_t cap, size_t *len)
{
    if (session->broken || !session->established)
        return SL_IO;
    /*
     * "Want read" doesn't mean that the transport is empty, nor 0 that it ended: ask the transport.
     */
    /* The library reads on while alerts come that end nothing: a peer could hold us for ever. */
    session->budget = READ_MAX;
    for (int tries = 0; tries < READ_TRIES; tries++) {
        int code;

        session->blocked = false;
        code = mbedtls_ssl_read(&session->ssl, (unsigned char *)bytes, cap);
        if (code > 0) {
            *len = (size_t)code;
            return SL_OK;
        }
        if (session->over_budget)
            return refuse(session, SL_IO, SL_REASON_TLS_BROKEN, "too many records without content");
        if (session->transport_end != SL_OK)
            return session->transport_end;
        if (sl_compat_is_ticket(code))
            keep_session(session);
        if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return SL_CLOSED;
        if (code == MBEDTLS_ERR_SSL_WANT_WRITE)
            return SL_WANT_WRITE;
        if (code == MBEDTLS_ERR_SSL_WANT_READ && session->blocked) {
            sl_ahead_clear(&session->ahead); /* An idle session keeps no buffer. */
            return SL_WANT_READ;
        }
        if (code != 0 && code != MBEDTLS_ERR_SSL_WANT_READ && !sl_compat_is_ticket(code))
            return broken(session, code);
    }
    /* Records without content, one after the other: nobody honest sends those. */
    return refuse(session, SL_IO, SL_REASON_TLS_BROKEN, "too many empty records");
}

enum sl_status sl_session_write(struct sl_session *session, struct sl_bytes bytes, size_t *taken)
{
    size_t len = bytes.len < SL_SESSION_RECORD_MAX ? bytes.len : SL_SESSION_RECORD_MAX;
    int code;

    assert(bytes.len > 0);
    if (session->broken || !session->established)
        return SL_IO;
    if (session->out.len >= SL_SESSION_OUT_MAX)
        return SL_WANT_WRITE;
    for (;;) {
        code = mbedtls_ssl_write(&session->ssl, (const unsigned char *)bytes.at, len);
        if (!sl_compat_is_ticket(code))
            break;
        keep_session(session);
    }
    if (code <= 0)
        return broken(session, code);
    *taken = (size_t)code;
    return SL_OK;
}

enum sl_status sl_session_flush(struct sl_session *session)
{
    size_t done = 0;
    enum sl_status status = SL_OK;

    while (status == SL_OK && done < session->out.len) {
        size_t sent = 0;

        status = session->transport.send(session->transport.ctx, session->out.at + done,
                                         session->out.len - done, &sent);
        if (status == SL_OK)
            done += sent;
    }
    sl_buffer_drop(&session->out, done);
    if (session->out.len == 0)
        sl_buffer_clear(&session->out); /* An idle session keeps no buffer. */
    return status;
}

size_t sl_session_waiting(const struct sl_session *session)
{
    return session->out.len;
}

enum sl_status sl_session_close(struct sl_session *session)
{
    if (session->established && !session->broken)
        (void)mbedtls_ssl_close_notify(&session->ssl);
    return sl_session_flush(session);
}

bool sl_session_silent(const struct sl_session *session)
{
    return session->record.first_len == 0;
}

bool sl_session_acknowledged(const struct sl_session *session)
{
    const char *protocol = mbedtls_ssl_get_alpn_protocol(&session->ssl);

    return protocol != NULL && strcmp(protocol, SL_ALPN) == 0;
}

const char *sl_session_protocol(const struct sl_session *session)
{
    const char *version = mbedtls_ssl_get_version(&session->ssl);

    return version == NULL ? "unknown" : version;
}

const char *sl_session_suite(const struct sl_session *session)
{
    const char *suite = mbedtls_ssl_get_ciphersuite(&session->ssl);

    return suite == NULL ? "unknown" : suite;
}

bool sl_session_resumed(const struct sl_session *session)
{
    return session->established && !session->verify.seen;
}

bool sl_session_resumable(const struct sl_session *session)
{
    return sl_ticket_held(&session->desk, sl_clock_wall_us());
}

const struct sl_refusal *sl_session_refusal(const struct sl_session *session)
{
    return &session->refusal;
}

bool sl_session_established(const struct sl_session *session)
{
    return session->established && !session->broken;
}

const struct mbedtls_x509_crt *sl_session_peer_certificate(const struct sl_session *session)
{
    if (session->verify.seen)
        return mbedtls_ssl_get_peer_cert(&session->ssl);
    return session->desk.opened ? &session->desk.leaf : NULL;
}

struct sl_trust *sl_session_trust(const struct sl_session *session)
{
    return session->trust;
}

const uint8_t *sl_session_peer_issuer(const struct sl_session *session)
{
    return session->verify.seen ? session->verify.issuer : session->desk.issuer;
}
