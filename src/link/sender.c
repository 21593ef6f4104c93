/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender.c -- the sensor's end of the protocol.
 */
#include "link/sender.h"

#include <assert.h>

void sl_sender_init(struct sl_sender *sender, int64_t window)
{
    assert(window >= 1);
    sender->welcomed = false;
    sender->over = false;
    sl_frame_init(&sender->frame, SL_LINE_MAX);
    sender->next = 1;
    sender->acknowledged = 0;
    sender->window = window;
}

enum sl_status sl_sender_hello(struct sl_sender *sender, const char *stream, char *out, size_t size,
                               size_t *len)
{
    struct sl_message hello = {.kind = SL_MESSAGE_STREAM, .stream = sl_bytes_of(stream)};

    assert(!sender->welcomed);
    return sl_message_print(&hello, out, size, len);
}

static void broken(struct sl_sender *sender, const char *reason, struct sl_sender_event *event)
{
    sender->over = true;
    event->kind = SL_EVENT_BROKEN;
    event->reason = sl_bytes_of(reason);
}

static void take_welcome(struct sl_sender *sender, const struct sl_message *message,
                         struct sl_sender_event *event)
{
    if (sender->welcomed) {
        broken(sender, "welcome-twice", event);
        return;
    }
    if (message->seq == SL_SEQ_MAX) {
        broken(sender, "bad-sequence", event);
        return;
    }
    sender->welcomed = true;
    sender->acknowledged = message->seq;
    sender->next = message->seq + 1;
    event->kind = SL_EVENT_WELCOME;
    event->time_us = message->time_us;
    event->name = message->sensor;
}

static void take_ack(struct sl_sender *sender, const struct sl_message *message,
                     struct sl_sender_event *event)
{
    if (message->seq < sender->acknowledged) {
        broken(sender, "ack-backwards", event);
    } else if (message->seq >= sender->next) {
        broken(sender, "ack-ahead", event);
    } else {
        sender->acknowledged = message->seq;
        event->kind = SL_EVENT_ACK;
    }
}

static void take_message(struct sl_sender *sender, const struct sl_message *message,
                         struct sl_sender_event *event)
{
    event->seq = message->seq;
    event->retry_ms = message->retry_ms;
    event->reason = message->reason;
    event->text = message->text;
    if (message->kind == SL_MESSAGE_BYE) {
        sender->over = true;
        event->kind = SL_EVENT_BYE;
    } else if (message->kind == SL_MESSAGE_WELCOME) {
        take_welcome(sender, message, event);
    } else if (!sender->welcomed) {
        broken(sender, "welcome-expected", event);
    } else if (message->kind == SL_MESSAGE_ACK) {
        take_ack(sender, message, event);
    } else if (message->seq >= sender->next) {
        broken(sender, "refused-ahead", event);
    } else {
        event->kind = SL_EVENT_REFUSED;
    }
}

void sl_sender_next(struct sl_sender *sender, struct sl_bytes in, size_t *taken,
                    struct sl_sender_event *event)
{
    struct sl_bytes line;
    struct sl_message message;

    *event = (struct sl_sender_event){.kind = SL_EVENT_MORE};
    *taken = in.len;
    if (sender->over)
        return;

    enum sl_status status = sl_frame_push(&sender->frame, in, taken, &line);

    if (status == SL_WANT_READ)
        return;
    if (status == SL_LIMIT)
        broken(sender, "line-too-long", event);
    else if (sl_message_parse_from_server(line, &message) != SL_OK)
        broken(sender, "not-a-message", event);
    else
        take_message(sender, &message, event);
}

void sl_sender_again(struct sl_sender *sender)
{
    assert(sender->welcomed && sender->acknowledged >= 1);
    assert(sender->next == sender->acknowledged + 1);
    sender->next = sender->acknowledged;
}

enum sl_status sl_sender_clock(const struct sl_sender *sender, int64_t offset_us, char *out,
                               size_t size, size_t *len)
{
    struct sl_message message = {.kind = SL_MESSAGE_CLOCK, .offset_us = offset_us};

    if (!sender->welcomed || sender->over)
        return SL_LIMIT;
    return sl_message_print(&message, out, size, len);
}

int64_t sl_sender_room(const struct sl_sender *sender)
{
    int64_t under_way = sender->next - 1 - sender->acknowledged;
    int64_t left = SL_SEQ_MAX - sender->next;

    if (!sender->welcomed || sender->over || under_way >= sender->window)
        return 0;
    return sender->window - under_way < left ? sender->window - under_way : left;
}

enum sl_status sl_sender_reading(struct sl_sender *sender, const struct sl_reading *reading,
                                 char *out, size_t size, size_t *len)
{
    struct sl_message message = {.kind = SL_MESSAGE_READING,
                                 .seq = sender->next,
                                 .time_us = reading->time_us,
                                 .reading = *reading};

    if (sl_sender_room(sender) == 0)
        return SL_LIMIT;

    enum sl_status status = sl_message_print(&message, out, size, len);

    if (status == SL_OK)
        sender->next++;
    return status;
}

enum sl_status sl_sender_gap(struct sl_sender *sender, int64_t last, const char *reason, char *out,
                             size_t size, size_t *len)
{
    struct sl_message message = {
        .kind = SL_MESSAGE_GAP, .seq = sender->next, .last = last, .reason = sl_bytes_of(reason)};

    if (sl_sender_room(sender) == 0 || last == SL_SEQ_MAX)
        return SL_LIMIT;
    assert(last >= sender->next);

    enum sl_status status = sl_message_print(&message, out, size, len);

    if (status == SL_OK)
        sender->next = last + 1;
    return status;
}
