/* SPDX-License-Identifier: Apache-2.0 */
/* uplink.c -- a client's session at work: spool to server, acknowledgements to spool. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/floor.h"
#include "base/utf8.h"
#include "client/client.h"

enum {
    TURNS_MAX = 32,      /* records each way in one step, so that a step stays short */
    RECEIVE_SIZE = 4096, /* acknowledgements are small */
    HIGH_WATER = 32768,  /* bytes that may wait to be sent before the spool is read again */
    TEXT_SIZE = 256
};

/*
 * `bytes` as a zero-terminated string. The wire room lets no controls through; what turns a line
 * around on a terminal, or can't be seen, becomes a question mark here.
 */
static const char *text_of(struct sl_bytes bytes, char text[static TEXT_SIZE])
{
    size_t used = 0;

    while (bytes.len > 0) {
        uint32_t code = 0;
        size_t len = sl_utf8_next(bytes, &code);
        bool shown = len > 0 && (code == ' ' || sl_utf8_is_visible(code));

        len = len > 0 ? len : 1;
        if (used + len >= TEXT_SIZE)
            break;
        memcpy(text + used, shown ? bytes.at : "?", shown ? len : 1);
        used += shown ? len : 1;
        bytes.at += len;
        bytes.len -= len;
    }
    text[used] = '\0';
    return text;
}

bool sl_uplink_busy(const struct sl_client *client)
{
    return client->sender.next - 1 > client->sender.acknowledged ||
           client->acknowledged < client->sender.acknowledged;
}

/* Ends the session because of what the TLS session or the transport said. */
static enum sl_status cut_off(struct sl_client *client, enum sl_status status)
{
    struct sl_failure *failure = &client->dial->failure;
    const struct sl_refusal *refusal = sl_session_refusal(client->dial->session);
    const char *server = client->dial->server;

    if (refusal->reason == SL_REASON_PEER_REFUSED && !client->sender.welcomed)
        sl_failure_set_tls(failure, SL_PAUSE_REFUSED, refusal);
    else if (!client->sender.welcomed)
        /* In TLS 1.3 a refusal may look like this: the server sends its alert under keys that
           the client has left behind (Mbed TLS issue 10877). */
        sl_failure_set(failure, SL_PAUSE_SILENT, sl_reason_id(SL_REASON_NOT_WELCOMED), "%s",
                       sl_reason_text(SL_REASON_NOT_WELCOMED));
    else if (refusal->reason != SL_REASON_NONE)
        sl_failure_set_tls(failure, SL_PAUSE_FAILED, refusal);
    else if (status == SL_CLOSED)
        sl_failure_set(failure, SL_PAUSE_FAILED, "closed", "%s closed the connection", server);
    else
        sl_failure_set(failure, SL_PAUSE_FAILED, "cut", "the connection to %s broke", server);
    return SL_IO;
}

/* The server knows more of this stream than this spool ever gave out. */
static enum sl_status spool_behind(struct sl_client *client, int64_t server_last, int64_t own_last)
{
    struct sl_failure *failure = &client->dial->failure;
    sl_failure_set(failure, SL_PAUSE_FAULT, "spool-behind",
                   "the server has this spool's readings up to %" PRId64
                   ", but the spool ends at %" PRId64
                   ": it is an old copy; nothing is sent. Bring the newer spool back, or start a "
                   "new one and submit again what only this one has",
                   server_last, own_last);
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_FAULT,
                                                    .seq = server_last,
                                                    .reason = failure->reason,
                                                    .text = failure->text});
    return SL_IO;
}

/*
 * True where the spool's readings are those of the sensor that the server takes us for. Else
 * nothing may be sent: it would be filed under another sensor's name.
 */
static bool is_own_spool(struct sl_client *client, const char *name)
{
    struct sl_spool *spool = client->spool;
    struct sl_failure *failure = &client->dial->failure;

    enum sl_status status =
        spool->functions->belong ? spool->functions->belong(spool, name) : SL_OK;
    if (status == SL_OK)
        return true;
    struct sl_client_event event = {.kind = SL_CLIENT_FAULT, .seq = client->acknowledged};
    event.reason = "spool-failed";
    event.text = spool->functions->error(spool);
    if (status == SL_DENIED) {
        sl_failure_set(failure, SL_PAUSE_FAULT, "spool-of-another-sensor",
                       "%s, and this certificate is %s's: give each sensor its own --spool",
                       event.text, name);
        event.reason = failure->reason;
        event.text = failure->text;
    }
    /* Of a second connection the renewal tells, and the session in use isn't concerned. */
    if (status != SL_DENIED || !sl_renewal_hands_over(client))
        sl_client_tell(client, event);
    return status != SL_DENIED; /* the disk's failure is told, and holds nothing up */
}

/* The server has lost, or never had, what it or another one acknowledged once. */
static void server_behind(struct sl_client *client, int64_t server_last, int64_t first)
{
    char text[SL_FAILURE_TEXT_SIZE];
    (void)snprintf(text, sizeof(text),
                   "readings %" PRId64 " to %" PRId64
                   " were acknowledged and forgotten, but this server doesn't have them: its store "
                   "is another one or an old copy; they are recorded there as a gap",
                   server_last + 1, first - 1);
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_FAULT,
                                                    .seq = first - 1,
                                                    .reason = "server-behind",
                                                    .text = text});
}

static void forget(struct sl_client *client, int64_t seq)
{
    if (seq > client->acknowledged)
        client->acknowledged = seq;
    if (client->spool->functions->forget(client->spool, seq) == SL_OK)
        return;
    /* Harmless for the readings: the server has them. But the disk wants looking after. */
    sl_client_tell(
        client, (struct sl_client_event){.kind = SL_CLIENT_FAULT,
                                         .seq = seq,
                                         .reason = "spool-failed",
                                         .text = client->spool->functions->error(client->spool)});
}

static void raise_floor(struct sl_client *client, int64_t own_us, int64_t server_us, int64_t now_ms)
{
    int64_t agreed_us = sl_floor_agreed_us(own_us, server_us);
    if (agreed_us < sl_client_clock_floor_us(client))
        return;
    client->floor_us = agreed_us;
    client->floor_ms = now_ms;
}

static enum sl_status welcomed(struct sl_client *client, const struct sl_sender_event *event,
                               int64_t now_ms)
{
    struct sl_spool_state state;
    char name[TEXT_SIZE];
    int64_t now_us = sl_clock_wall_us();
    int64_t offset_us = 0;
    bool renewed = client->renewal.fresh && client->dial->trust == client->renewal.fresh;

    if (event->time_us != SL_TIME_NONE)
        offset_us = event->time_us - client->hello_us - (now_us - client->hello_us) / 2;
    client->offset_us = event->time_us == SL_TIME_NONE ? SL_TIME_NONE : offset_us;
    if (event->time_us != SL_TIME_NONE) {
        client->server_us = event->time_us;
        client->server_ms = now_ms;
    }
    client->up_ms = now_ms;
    client->progress_ms = now_ms;
    if (!is_own_spool(client, text_of(event->name, name)))
        return SL_IO;
    client->spool->functions->state(client->spool, &state);
    if (event->seq > state.last)
        return spool_behind(client, event->seq, state.last);

    client->at_home = true;
    sl_backoff_welcomed(&client->backoff);
    raise_floor(client, now_us, event->time_us, now_ms);
    sl_client_tell(client,
                   (struct sl_client_event){.kind = SL_CLIENT_CONNECTED,
                                            .reason = renewed ? "renewed" : "",
                                            .seq = event->seq,
                                            .server_us = event->time_us,
                                            .offset_us = offset_us,
                                            .name = name,
                                            .server = client->dial->server,
                                            .protocol = sl_session_protocol(client->dial->session),
                                            .suite = sl_session_suite(client->dial->session),
                                            .resumed = sl_session_resumed(client->dial->session)});
    if (event->seq + 1 < state.first)
        server_behind(client, event->seq, state.first);
    /*
     * The server has what we don't know to be acknowledged: a lost acknowledgement, or a copy of
     * this spool that went its own way. The last of them is sent again; the server compares, and
     * acknowledges or refuses.
     */
    if (event->seq >= state.first)
        sl_sender_again(&client->sender);
    return SL_OK;
}

/* `before` was acknowledged in this session already: to say so again is no progress. */
static void acknowledged(struct sl_client *client, int64_t seq, int64_t before, int64_t now_ms)
{
    if (seq <= before && seq <= client->acknowledged)
        return;
    client->progress_ms = now_ms;
    sl_backoff_success(&client->backoff);
    if (seq <= client->acknowledged)
        return;
    forget(client, seq);
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_ACKNOWLEDGED, .seq = seq});
}

static enum sl_status said_bye(struct sl_client *client, const struct sl_sender_event *event)
{
    char reason[TEXT_SIZE];
    char text[TEXT_SIZE];
    struct sl_failure *failure = &client->dial->failure;

    (void)text_of(event->reason, reason);
    (void)text_of(event->text, text);
    bool refused = strncmp(reason, "client-", 7) == 0;
    bool diverged = strcmp(reason, sl_reason_id(SL_REASON_STREAM_DIVERGED)) == 0;
    sl_failure_set(failure, refused ? SL_PAUSE_REFUSED : SL_PAUSE_BYE, reason, "%s",
                   text[0] ? text : "the server said goodbye");
    failure->retry_ms = event->retry_ms;
    if (diverged) {
        failure->cause = SL_PAUSE_FAULT;
        sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_FAULT,
                                                        .seq = client->acknowledged,
                                                        .reason = failure->reason,
                                                        .text = failure->text});
    }
    return SL_IO;
}

/*
 * Does what one of the server's lines asks for; SL_IO where it ends the session. `before` was
 * acknowledged before it.
 */
static enum sl_status act(struct sl_client *client, const struct sl_sender_event *event,
                          int64_t before, int64_t now_ms)
{
    char reason[TEXT_SIZE];
    char text[TEXT_SIZE];

    switch (event->kind) {
    case SL_EVENT_WELCOME:
        return welcomed(client, event, now_ms);
    case SL_EVENT_ACK:
        acknowledged(client, event->seq, before, now_ms);
        return SL_OK;
    case SL_EVENT_REFUSED:
        sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_REFUSED,
                                                        .seq = event->seq,
                                                        .reason = text_of(event->reason, reason),
                                                        .text = text_of(event->text, text)});
        return SL_OK;
    case SL_EVENT_BYE:
        return said_bye(client, event);
    case SL_EVENT_BROKEN:
        sl_failure_set(&client->dial->failure, SL_PAUSE_FAILED, text_of(event->reason, reason),
                       "the server broke the protocol (%s)", text_of(event->reason, text));
        return SL_IO;
    case SL_EVENT_MORE:
        break;
    }
    return SL_OK;
}

/* Reads once. SL_OK: something came and was acted on. SL_WANT_READ: nothing there. */
static enum sl_status receive(struct sl_client *client, int64_t now_ms)
{
    char bytes[RECEIVE_SIZE];
    size_t len = 0;
    enum sl_status status = sl_session_read(client->dial->session, bytes, sizeof(bytes), &len);
    if (status == SL_WANT_READ || status == SL_WANT_WRITE)
        return SL_WANT_READ;
    if (status != SL_OK)
        return cut_off(client, status);

    struct sl_bytes rest = {bytes, len};
    struct sl_sender_event event;
    do {
        size_t taken = 0;
        int64_t before = client->sender.acknowledged;
        sl_sender_next(&client->sender, rest, &taken, &event);
        rest.at += taken;
        rest.len -= taken;
        if (act(client, &event, before, now_ms) != SL_OK)
            return SL_IO;
    } while (event.kind != SL_EVENT_MORE);
    return SL_OK;
}

/* Adds a gap from the sender's next number up to `last`; false where there is no room. */
static bool pack_gap(struct sl_client *client, int64_t last, const char *reason)
{
    return sl_sender_gap(&client->sender, last, reason, client->out, sizeof(client->out),
                         &client->out_len) == SL_OK;
}

/* Adds one reading of the spool to the record; non-zero where there is no room for more. */
static int pack(void *ctx, const struct sl_spool_item *item)
{
    struct sl_client *client = ctx;
    struct sl_reading reading;
    enum sl_flaw flaw = SL_FLAW_NONE;
    struct sl_bytes text = {item->text, item->len};

    if (item->seq > client->sender.next && !pack_gap(client, item->seq - 1, "forgotten"))
        return 1;
    if (item->reason) {
        bool sound = sl_cap_reason_valid(item->reason);
        return pack_gap(client, item->last, sound ? item->reason : "unreadable") ? 0 : 1;
    }
    if (sl_reading_parse(text, &reading, &flaw) != SL_OK)
        return pack_gap(client, item->seq, "unreadable") ? 0 : 1;
    reading.time_us = item->time_us;
    return sl_sender_reading(&client->sender, &reading, client->out, sizeof(client->out),
                             &client->out_len) != SL_OK;
}

/*
 * Tells the server, once in a session, how far our clock is from its own: also where ours can't be
 * right, because people want to know just that.
 */
static void pack_offset(struct sl_client *client)
{
    int64_t offset_us = client->offset_us;

    client->offset_us = SL_TIME_NONE;
    if (offset_us < -SL_OFFSET_MAX_US || offset_us > SL_OFFSET_MAX_US)
        return;
    (void)!sl_sender_clock(&client->sender, offset_us, client->out, sizeof(client->out),
                           &client->out_len);
}

/* Fills one record with lines from the spool. SL_OK also where there is nothing to send. */
static enum sl_status fill(struct sl_client *client)
{
    struct sl_spool_state state;
    client->spool->functions->state(client->spool, &state);
    client->out_len = 0;
    pack_offset(client);
    if (client->sender.next > state.last || sl_sender_room(&client->sender) == 0)
        return SL_OK;
    if (client->sender.next < state.first && !pack_gap(client, state.first - 1, "forgotten"))
        return SL_OK;

    enum sl_status status =
        client->spool->functions->read(client->spool, client->sender.next, pack, client);
    if (status == SL_OK)
        return SL_OK;
    struct sl_failure *failure = &client->dial->failure;
    sl_failure_set(failure, SL_PAUSE_FAILED, "spool-failed", "%s",
                   client->spool->functions->error(client->spool));
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_FAULT,
                                                    .seq = client->sender.next,
                                                    .reason = failure->reason,
                                                    .text = failure->text});
    return SL_IO;
}

/* Sends one record. SL_OK: done; SL_WANT_WRITE: nothing to send, or not now. */
static enum sl_status send_some(struct sl_client *client, int64_t now_ms)
{
    bool was_busy = sl_uplink_busy(client);

    if (sl_session_waiting(client->dial->session) >= HIGH_WATER)
        return SL_WANT_WRITE;
    if (fill(client) != SL_OK)
        return SL_IO;
    if (client->out_len == 0)
        return SL_WANT_WRITE;
    if (!was_busy)
        client->progress_ms = now_ms;

    struct sl_bytes rest = {client->out, client->out_len};
    while (rest.len > 0) {
        size_t taken = 0;
        enum sl_status status = sl_session_write(client->dial->session, rest, &taken);
        if (status != SL_OK)
            return cut_off(client, status); /* HIGH_WATER rules "no room" out */
        rest.at += taken;
        rest.len -= taken;
    }
    return SL_OK;
}

static enum sl_status flush(struct sl_client *client)
{
    enum sl_status status = sl_session_flush(client->dial->session);
    if (status == SL_OK || status == SL_WANT_WRITE)
        return SL_OK;
    /* What the server said last may say why it went: read that first. */
    while (receive(client, client->progress_ms) == SL_OK)
        continue;
    if (client->dial->failure.reason[0] == '\0')
        return cut_off(client, status);
    return SL_IO;
}

enum sl_status sl_uplink_hello(struct sl_client *client)
{
    struct sl_spool_state state;
    char line[SL_LINE_MAX];
    size_t len = 0;
    size_t taken = 0;

    client->spool->functions->state(client->spool, &state);
    client->dial->failure.reason[0] = '\0';
    sl_sender_init(&client->sender, client->window);
    client->offset_us = SL_TIME_NONE;
    client->at_home = false;
    enum sl_status status =
        sl_sender_hello(&client->sender, state.stream, line, sizeof(line), &len);
    assert(status == SL_OK); /* a spool's stream is 32 hex digits, a line holds 512 bytes */
    client->hello_us = sl_clock_wall_us();
    status = sl_session_write(client->dial->session, (struct sl_bytes){line, len}, &taken);
    return status == SL_OK && taken == len ? SL_OK : cut_off(client, status);
}

enum sl_status sl_uplink_listen(struct sl_client *client, int64_t now_ms)
{
    enum sl_status status = SL_OK;

    for (int turn = 0; status == SL_OK && turn < TURNS_MAX; turn++)
        status = receive(client, now_ms);
    return status == SL_IO ? SL_IO : SL_OK;
}

enum sl_status sl_uplink_step(struct sl_client *client, int64_t now_ms)
{
    bool moved = true;

    for (int turn = 0; moved && turn < TURNS_MAX; turn++) {
        enum sl_status received = receive(client, now_ms);
        if (received == SL_IO)
            return SL_IO;
        enum sl_status sent = send_some(client, now_ms);
        if (sent == SL_IO || flush(client) != SL_OK)
            return SL_IO;
        moved = received == SL_OK || sent == SL_OK;
    }
    client->again = moved;
    return SL_OK;
}
