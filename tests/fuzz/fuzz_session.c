/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_session.c -- a receiver under any bytes: it numbers without holes, never acknowledges what
 * isn't committed, and goes the same steps however the bytes are split. A sender under the same
 * bytes keeps to its window and its numbers.
 *
 * Input: one byte for the mode, one for the size of the pieces, one for what is on disk, one for
 * how far commits lag behind, then what the sensor sends.
 */
#include "fuzz.h"

#include <string.h>

#include "link/receiver.h"
#include "link/sender.h"

enum { SAID_MAX = 4096 };

struct session {
    struct sl_receiver receiver;
    int64_t on_disk;
    int64_t lag;
    int64_t received;  /* as this model counts it */
    int64_t committed; /* the highest number told to the receiver */
    int64_t heard;     /* the highest number that the sensor was told */
    struct sl_frame ears;
    bool said_bye;
    bool over;
    uint64_t hash; /* of all steps */
};

static void mix(struct session *session, uint64_t word)
{
    session->hash = (session->hash ^ word) * UINT64_C(1099511628211);
}

static void mix_bytes(struct session *session, struct sl_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        mix(session, (unsigned char)bytes.at[i]);
    mix(session, bytes.len + 256);
}

/* What the receiver said has to be lines of the protocol, and true. */
static void hear(struct session *session, const char *said, size_t len)
{
    struct sl_bytes in = {.at = said, .len = len};

    while (in.len > 0) {
        struct sl_bytes line;
        struct sl_message message;
        size_t taken = 0;

        require(sl_frame_push(&session->ears, in, &taken, &line) == SL_OK, "whole lines are said");
        require(sl_message_parse_from_server(line, &message) == SL_OK, "it is a message");
        require(!session->said_bye, "nothing is said after bye");
        if (message.kind == SL_MESSAGE_ACK) {
            require(message.seq <= session->committed, "nothing uncommitted is acknowledged");
            require(message.seq <= session->received, "nothing unheard of is acknowledged");
            require(message.seq >= session->heard, "acknowledgements don't go back");
            session->heard = message.seq;
        }
        session->said_bye = message.kind == SL_MESSAGE_BYE;
        in.at += taken;
        in.len -= taken;
    }
}

static void commit_some(struct session *session)
{
    char said[SAID_MAX];
    size_t len = 0;
    int64_t upto = session->received - session->lag;

    if (upto > session->committed) {
        session->committed = upto;
        sl_receiver_committed(&session->receiver, upto);
    }
    require(sl_receiver_acknowledge(&session->receiver, said, sizeof(said), &len) == SL_OK,
            "there is room for an ack");
    hear(session, said, len);
}

static void open_stream(struct session *session)
{
    char said[SAID_MAX];
    size_t len = 0;

    session->received = session->on_disk;
    session->committed = session->on_disk;
    session->heard = session->on_disk;
    require(sl_receiver_opened(&session->receiver, session->on_disk, 0, sl_bytes_of("shed"), said,
                               sizeof(said), &len) == SL_OK,
            "there is room for a welcome");
    hear(session, said, len);
}

static void check_numbers(struct session *session, const struct sl_receiver_step *step)
{
    int64_t last = step->kind == SL_STEP_GAP ? step->last : step->seq;

    if (session->receiver.plain) {
        require(step->seq == 0, "plain readings have no number");
        return;
    }
    require(step->seq == session->received + 1, "numbers come without holes");
    require(last >= step->seq, "a gap goes forward");
    session->received = last;
}

static void obey(struct session *session, const struct sl_receiver_step *step)
{
    char said[SAID_MAX];
    size_t len = 0;
    enum sl_status status = SL_OK;

    switch (step->kind) {
    case SL_STEP_MORE:
        return;
    case SL_STEP_STREAM:
        open_stream(session);
        return;
    case SL_STEP_READING:
        mix_bytes(session, step->reading.name);
        mix_bytes(session, step->reading.value);
        mix_bytes(session, step->reading.unit);
        check_numbers(session, step);
        break;
    case SL_STEP_GAP:
        check_numbers(session, step);
        break;
    case SL_STEP_REFUSED:
        check_numbers(session, step);
        status = sl_receiver_refuse(&session->receiver, step, said, sizeof(said), &len);
        break;
    case SL_STEP_DUPLICATE:
        require(step->seq <= session->received, "a duplicate was received before");
        break;
    case SL_STEP_CLOCK:
        require(!session->receiver.plain, "a plain session has readings only");
        mix(session, (uint64_t)step->offset_us);
        break;
    case SL_STEP_BYE:
        require(!session->over, "a session ends once");
        session->over = true;
        session->lag = 0; /* what is left is committed now, and nobody may be told any more */
        status = sl_receiver_bye(&session->receiver, 0, step->reason.at, step->text, said,
                                 sizeof(said), &len);
        break;
    }
    require(status == SL_OK, "there is room for an answer");
    hear(session, said, len);
    require(!session->receiver.plain || len == 0, "plain sessions are never answered");
    commit_some(session);
}

static void feed(struct session *session, struct sl_bytes in)
{
    for (;;) {
        struct sl_receiver_step step;
        size_t taken = SIZE_MAX;

        sl_receiver_next(&session->receiver, in, &taken, &step);
        require(taken <= in.len, "no more is taken than is there");
        in.at += taken;
        in.len -= taken;
        if (step.kind == SL_STEP_MORE)
            break;
        mix(session, (uint64_t)step.kind);
        mix(session, (uint64_t)step.seq);
        mix(session, (uint64_t)step.last);
        mix_bytes(session, step.reason);
        obey(session, &step);
    }
    require(in.len == 0, "everything is taken in the end");
}

static uint64_t run(struct sl_bytes in, size_t piece)
{
    unsigned mode = take_byte(&in);
    struct session session = {.hash = UINT64_C(14695981039346656037)};

    (void)take_byte(&in);
    session.on_disk = (mode & 2) != 0 ? INT64_MAX - take_byte(&in) : take_byte(&in);
    session.lag = take_byte(&in);
    sl_frame_init(&session.ears, 0);
    sl_receiver_init(&session.receiver, (mode & 1) != 0, 0);
    while (in.len > 0) {
        struct sl_bytes chunk = {.at = in.at, .len = in.len < piece ? in.len : piece};

        feed(&session, chunk);
        in.at += chunk.len;
        in.len -= chunk.len;
    }
    return session.hash;
}

/* The same bytes as if a server had sent them: a sender must stay within its numbers. */
static void run_sender(struct sl_bytes in)
{
    struct sl_sender sender;
    struct sl_sender_event event;
    int64_t acknowledged = 0;
    struct sl_reading reading = {.name = sl_bytes_of("t"), .value = sl_bytes_of("1")};

    sl_sender_init(&sender, 4);
    do {
        char said[SAID_MAX];
        size_t len = 0;
        size_t taken = SIZE_MAX;

        sl_sender_next(&sender, in, &taken, &event);
        require(taken <= in.len, "no more is taken than is there");
        in.at += taken;
        in.len -= taken;
        require(sender.acknowledged >= acknowledged, "acknowledgements don't go back");
        require(sender.acknowledged < sender.next, "nothing unsent is acknowledged");
        acknowledged = sender.acknowledged;
        int64_t room = sl_sender_room(&sender);

        require(room >= 0 && room <= 4, "the window is kept");
        require((sl_sender_reading(&sender, &reading, said, sizeof(said), &len) == SL_OK) ==
                    (room > 0),
                "a reading goes out exactly where there is room");
    } while (event.kind != SL_EVENT_MORE);
    require(in.len == 0, "everything is taken in the end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_bytes in = {.at = (const char *)data, .len = size};
    size_t piece = size > 1 ? 1 + (size_t)data[1] : 1;
    uint64_t whole = run(in, SIZE_MAX);

    require(whole == run(in, 1), "a byte at a time makes the same steps");
    require(whole == run(in, piece), "pieces make the same steps");
    for (int i = 0; i < 4; i++)
        (void)take_byte(&in);
    run_sender(in);
    return 0;
}
