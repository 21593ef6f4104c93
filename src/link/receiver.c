/* SPDX-License-Identifier: Apache-2.0 */
/*
 * receiver.c -- the server's end of the protocol.
 */
#include "link/receiver.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

enum fault {
    FAULT_LINE_TOO_LONG,
    FAULT_STREAM_EXPECTED,
    FAULT_STREAM_TWICE,
    FAULT_NOT_A_MESSAGE,
    FAULT_BAD_SEQUENCE,
    FAULT_SEQUENCE_JUMP,
    FAULT_BAD_TIME,
    FAULT_BAD_REASON,
    FAULT_BAD_OFFSET,
    FAULT_CHECK_STREAM
};

static const struct {
    const char *id;
    const char *text;
} faults[] = {
    [FAULT_LINE_TOO_LONG] = {"line-too-long", "the line is longer than this server takes"},
    [FAULT_STREAM_EXPECTED] = {"stream-expected",
                               "the first line has to be 'stream' and 32 lower-case hex digits"},
    [FAULT_STREAM_TWICE] = {"stream-twice", "a session has one stream, and it is open already"},
    [FAULT_NOT_A_MESSAGE] =
        {"not-a-message",
         "a sensor sends readings, gaps and its clock's offset, and this is none of them"},
    [FAULT_BAD_SEQUENCE] = {"bad-sequence",
                            "sequence numbers are 1 to 9223372036854775807, written "
                            "in digits only, and a gap's last isn't below its first"},
    [FAULT_SEQUENCE_JUMP] = {"sequence-jump", "sequence numbers go up in steps of one; what will "
                                              "never come is said with 'gap'"},
    [FAULT_BAD_TIME] = {"bad-time", "a time is Unix seconds with up to six decimals, or '-'"},
    [FAULT_BAD_REASON] = {"bad-reason", "a reason is 1 to 48 lower-case letters, digits and '-'"},
    [FAULT_BAD_OFFSET] = {"bad-offset", "a clock's offset is '+' or '-' and up to 100000000000 "
                                        "seconds, with up to six decimals"},
    [FAULT_CHECK_STREAM] = {"check-stream", "the stream of 32 f is for checks and takes "
                                            "nothing; make a stream id at random"},
};

void sl_receiver_init(struct sl_receiver *receiver, bool acknowledged, size_t line_limit)
{
    receiver->state = acknowledged ? SL_RECEIVER_HELLO : SL_RECEIVER_PLAIN;
    receiver->plain = !acknowledged;
    receiver->ack_again = false;
    receiver->checking = false;
    receiver->parted = false;
    sl_frame_init(&receiver->frame, line_limit);
    receiver->stream[0] = '\0';
    receiver->received = 0;
    receiver->durable = 0;
    receiver->acknowledged = 0;
    receiver->lines = 0;
}

static void end_session(struct sl_receiver *receiver, enum fault fault,
                        struct sl_receiver_step *step)
{
    receiver->state = SL_RECEIVER_OVER;
    step->kind = SL_STEP_BYE;
    step->reason = sl_bytes_of(faults[fault].id);
    step->text = faults[fault].text;
}

static void refuse(struct sl_receiver_step *step, int64_t seq, enum sl_flaw flaw)
{
    step->kind = SL_STEP_REFUSED;
    step->seq = seq;
    step->reason = sl_bytes_of(sl_flaw_id(flaw));
    step->text = sl_flaw_text(flaw);
}

static void take_plain(struct sl_bytes line, struct sl_receiver_step *step)
{
    enum sl_flaw flaw = SL_FLAW_NONE;

    step->reading.time_us = SL_TIME_NONE;
    if (sl_reading_parse(line, &step->reading, &flaw) == SL_OK)
        step->kind = SL_STEP_READING;
    else
        refuse(step, 0, flaw);
}

/* The next word of a line that couldn't be taken; empty where there is none. */
static struct sl_bytes next_word(struct sl_bytes *rest)
{
    struct sl_bytes word = {.at = rest->at, .len = 0};

    while (word.len < rest->len && rest->at[word.len] != ' ')
        word.len++;

    size_t used = word.len < rest->len ? word.len + 1 : word.len;

    rest->at += used;
    rest->len -= used;
    return word;
}

static bool starts_like_number(struct sl_bytes word)
{
    return word.len > 0 && ((word.at[0] >= '0' && word.at[0] <= '9') ||
                            (word.len > 1 && (word.at[0] == '-' || word.at[0] == '+') &&
                             word.at[1] >= '0' && word.at[1] <= '9'));
}

/* True where the line up to the end of `word`, with a sound `tail` after it, is a message. */
static bool is_sound_up_to(struct sl_bytes line, struct sl_bytes word, const char *tail)
{
    char text[SL_LINE_MAX];
    struct sl_message message;
    size_t head = (size_t)(word.at + word.len - line.at);
    size_t tail_len = strlen(tail);

    if (head + tail_len > sizeof(text))
        return false;
    memcpy(text, line.at, head);
    memcpy(text + head, tail, tail_len);
    line = (struct sl_bytes){.at = text, .len = head + tail_len};
    return sl_message_parse_from_sensor(line, &message) == SL_OK;
}

/*
 * Names the fault of a line that isn't a message. The parser answers yes or no, because that
 * costs the good lines nothing; the one bad line that ends a session is looked at again.
 */
static enum fault diagnose(struct sl_bytes line)
{
    struct sl_bytes rest = line;
    struct sl_bytes word = next_word(&rest);

    if (sl_bytes_equal(word, sl_bytes_of("gap"))) {
        (void)next_word(&rest);
        word = next_word(&rest);
        if (word.len == 0)
            return FAULT_NOT_A_MESSAGE;
        return is_sound_up_to(line, word, " reason") ? FAULT_BAD_REASON : FAULT_BAD_SEQUENCE;
    }
    if (sl_bytes_equal(word, sl_bytes_of("clock")))
        return FAULT_BAD_OFFSET;
    if (!starts_like_number(word) || rest.len == 0)
        return FAULT_NOT_A_MESSAGE;
    return is_sound_up_to(line, word, " -") ? FAULT_BAD_TIME : FAULT_BAD_SEQUENCE;
}

static void take_hello(struct sl_receiver *receiver, struct sl_bytes line,
                       struct sl_receiver_step *step)
{
    struct sl_message message;

    if (sl_message_parse_from_sensor(line, &message) != SL_OK ||
        message.kind != SL_MESSAGE_STREAM) {
        end_session(receiver, FAULT_STREAM_EXPECTED, step);
        return;
    }
    memcpy(receiver->stream, message.stream.at, SL_STREAM_HEX);
    receiver->stream[SL_STREAM_HEX] = '\0';
    receiver->checking = strcmp(receiver->stream, SL_STREAM_CHECK) == 0;
    receiver->state = SL_RECEIVER_OPENING;
    step->kind = SL_STEP_STREAM;
}

/*
 * Where `first`..`last` stands to what was received: the step is a duplicate, the end of the
 * session, or (true) something new from received + 1 on.
 */
static bool is_new(struct sl_receiver *receiver, int64_t first, int64_t last,
                   struct sl_receiver_step *step)
{
    if (first <= receiver->durable)
        receiver->ack_again = true;
    step->seq = first;
    step->last = last;
    if (last <= receiver->received) {
        step->kind = SL_STEP_DUPLICATE;
        return false;
    }
    if (first > receiver->received && first - receiver->received > 1) {
        end_session(receiver, FAULT_SEQUENCE_JUMP, step);
        return false;
    }
    step->seq = receiver->received + 1;
    receiver->received = last;
    return true;
}

static void take_numbered(struct sl_receiver *receiver, const struct sl_message *message,
                          struct sl_receiver_step *step)
{
    bool gap = message->kind == SL_MESSAGE_GAP;

    if (!is_new(receiver, message->seq, gap ? message->last : message->seq, step)) {
        if (step->kind == SL_STEP_DUPLICATE && !gap && message->flaw == SL_FLAW_NONE)
            step->reading = message->reading;
        return;
    }
    if (gap) {
        step->kind = SL_STEP_GAP;
        step->reason = message->reason;
    } else if (message->flaw != SL_FLAW_NONE) {
        refuse(step, message->seq, message->flaw);
    } else {
        step->kind = SL_STEP_READING;
        step->reading = message->reading;
    }
}

static void take_clock(const struct sl_message *message, struct sl_receiver_step *step)
{
    step->kind = SL_STEP_CLOCK;
    step->offset_us = message->offset_us;
}

static void take_open(struct sl_receiver *receiver, struct sl_bytes line,
                      struct sl_receiver_step *step)
{
    struct sl_message message;

    if (receiver->checking)
        end_session(receiver, FAULT_CHECK_STREAM, step);
    else if (sl_message_parse_from_sensor(line, &message) != SL_OK)
        end_session(receiver, diagnose(line), step);
    else if (message.kind == SL_MESSAGE_STREAM)
        end_session(receiver, FAULT_STREAM_TWICE, step);
    else if (message.kind == SL_MESSAGE_CLOCK)
        take_clock(&message, step);
    else
        take_numbered(receiver, &message, step);
}

static void take_line(struct sl_receiver *receiver, struct sl_bytes line,
                      struct sl_receiver_step *step)
{
    receiver->lines++;
    if (receiver->state == SL_RECEIVER_PLAIN) {
        if (line.len > 0)
            take_plain(line, step);
    } else if (receiver->state == SL_RECEIVER_HELLO) {
        take_hello(receiver, line, step);
    } else {
        take_open(receiver, line, step);
    }
}

/* In two parts: gcc makes a slow `rep stos` of the whole, ten nanoseconds for each line. */
static void clear(struct sl_receiver_step *step)
{
    step->kind = SL_STEP_MORE;
    step->seq = 0;
    step->last = 0;
    step->offset_us = 0;
    step->reading = (struct sl_reading){0};
    step->reason = (struct sl_bytes){0};
    step->text = NULL;
}

void sl_receiver_next(struct sl_receiver *receiver, struct sl_bytes in, size_t *taken,
                      struct sl_receiver_step *step)
{
    clear(step);
    *taken = 0;
    if (receiver->state == SL_RECEIVER_OPENING)
        return;
    if (receiver->state == SL_RECEIVER_OVER) {
        *taken = in.len;
        return;
    }
    /* Goes round only for empty plain lines. */
    while (step->kind == SL_STEP_MORE && *taken < in.len) {
        struct sl_bytes rest = {.at = in.at + *taken, .len = in.len - *taken};
        struct sl_bytes line;
        size_t used;
        enum sl_status status = sl_frame_push(&receiver->frame, rest, &used, &line);

        *taken += used;
        if (status == SL_OK)
            take_line(receiver, line, step);
        else if (status == SL_LIMIT)
            end_session(receiver, FAULT_LINE_TOO_LONG, step);
    }
}

enum sl_status sl_receiver_opened(struct sl_receiver *receiver, int64_t last, int64_t now_us,
                                  struct sl_bytes sensor, char *out, size_t size, size_t *len)
{
    struct sl_message welcome = {
        .kind = SL_MESSAGE_WELCOME, .seq = last, .time_us = now_us, .sensor = sensor};

    assert(receiver->state == SL_RECEIVER_OPENING);
    assert(last >= 0);

    enum sl_status status = sl_message_print(&welcome, out, size, len);

    if (status != SL_OK)
        return status;
    receiver->state = SL_RECEIVER_OPEN;
    receiver->received = last;
    receiver->durable = last;
    receiver->acknowledged = last;
    return SL_OK;
}

void sl_receiver_committed(struct sl_receiver *receiver, int64_t seq)
{
    assert(seq >= 0);
    if (seq > receiver->received)
        seq = receiver->received;
    if (seq > receiver->durable)
        receiver->durable = seq;
}

enum sl_status sl_receiver_acknowledge(struct sl_receiver *receiver, char *out, size_t size,
                                       size_t *len)
{
    struct sl_message ack = {.kind = SL_MESSAGE_ACK, .seq = receiver->durable};

    if (receiver->plain || receiver->parted)
        return SL_OK;
    if (receiver->durable == receiver->acknowledged && !receiver->ack_again)
        return SL_OK;

    enum sl_status status = sl_message_print(&ack, out, size, len);

    if (status != SL_OK)
        return status;
    receiver->acknowledged = receiver->durable;
    receiver->ack_again = false;
    return SL_OK;
}

enum sl_status sl_receiver_refuse(const struct sl_receiver *receiver,
                                  const struct sl_receiver_step *step, char *out, size_t size,
                                  size_t *len)
{
    struct sl_message refused = {.kind = SL_MESSAGE_REFUSED,
                                 .seq = step->seq,
                                 .reason = step->reason,
                                 .text = sl_bytes_of(step->text)};

    assert(step->kind == SL_STEP_REFUSED);
    if (receiver->plain || receiver->parted)
        return SL_OK;
    return sl_message_print(&refused, out, size, len);
}

enum sl_status sl_receiver_bye(struct sl_receiver *receiver, int64_t retry_ms, const char *reason,
                               const char *text, char *out, size_t size, size_t *len)
{
    struct sl_message bye = {.kind = SL_MESSAGE_BYE,
                             .retry_ms = retry_ms,
                             .reason = sl_bytes_of(reason),
                             .text = sl_bytes_of(text)};

    if (bye.retry_ms < 0)
        bye.retry_ms = 0;
    if (bye.retry_ms > INT32_MAX)
        bye.retry_ms = INT32_MAX;
    receiver->state = SL_RECEIVER_OVER;
    if (receiver->plain || receiver->parted)
        return SL_OK;

    enum sl_status status = sl_message_print(&bye, out, size, len);

    if (status == SL_OK)
        receiver->parted = true;
    return status;
}
