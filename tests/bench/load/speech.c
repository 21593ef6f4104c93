/* SPDX-License-Identifier: Apache-2.0 */
/* speech.c -- the modes link, plain, raw and syslog; see speech.h. */
#include "speech.h"

#include <stdio.h>
#include <sys/random.h>

enum { MILLISECOND_US = 1000 };

const struct line *talk_line(struct talk *talk)
{
    const struct line *line = &talk->lines->at[talk->at];

    talk->at = talk->at + 1 == LINES_COUNT ? 0 : talk->at + 1;
    return line;
}

/* A timer is never quite on time: up to a millisecond late. */
int64_t talk_time(struct talk *talk)
{
    int64_t late_us = talk->step_us < 2 * MILLISECOND_US ? 0 : talk->at * 7919U % MILLISECOND_US;
    int64_t time_us = talk->time_us + late_us;

    talk->time_us += talk->step_us;
    return time_us;
}

static bool make_stream(char stream[static SL_STREAM_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char random[SL_STREAM_HEX];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    for (size_t i = 0; i < SL_STREAM_HEX; i++)
        stream[i] = hex[random[i] % 16];
    return true;
}

/* A sensor that comes again comes with its spool. */
static size_t link_hello(struct talk *talk, char *out)
{
    size_t len = 0;

    sl_sender_init(&talk->sender, INT64_MAX);
    digits_set(&talk->seq, 1);
    if (talk->stream[0] == '\0' && !make_stream(talk->stream))
        return 0;
    return sl_sender_hello(&talk->sender, talk->stream, out, HELLO_SPACE, &len) == SL_OK ? len : 0;
}

static size_t link_record(struct talk *talk, unsigned count, char *out)
{
    char *end = out;

    for (unsigned i = 0; i < count; i++) {
        end = put_digits(end, &talk->seq);
        digits_step(&talk->seq);
        *end++ = ' ';
        end = put_unix(end, talk_time(talk));
        *end++ = ' ';
        end = put_line(end, talk_line(talk));
        *end++ = '\n';
    }
    talk->sent += count;
    talk->sender.next += count;
    return (size_t)(end - out);
}

/* False where the event ends the session. */
static bool link_event(struct talk *talk, const struct sl_sender_event *event, char *fault)
{
    const char *what = "broken protocol";

    if (event->kind == SL_EVENT_ACK) {
        talk->acknowledged = (uint64_t)event->seq;
        return true;
    }
    if (event->kind == SL_EVENT_WELCOME) {
        talk->welcomed = true;
        return true;
    }
    if (event->kind == SL_EVENT_BYE)
        what = "bye";
    else if (event->kind == SL_EVENT_REFUSED)
        what = "refused";
    (void)snprintf(fault, FAULT_SPACE, "%s: %.*s %.*s", what, (int)event->reason.len,
                   event->reason.at, (int)event->text.len, event->text.at);
    return false;
}

static bool link_take(struct talk *talk, struct sl_bytes in, char fault[static FAULT_SPACE])
{
    while (in.len > 0) {
        struct sl_sender_event event;
        size_t taken = 0;

        sl_sender_next(&talk->sender, in, &taken, &event);
        in.at += taken;
        in.len -= taken;
        if (event.kind != SL_EVENT_MORE && !link_event(talk, &event, fault))
            return false;
    }
    return true;
}

static size_t plain_record(struct talk *talk, unsigned count, char *out)
{
    char *end = out;

    for (unsigned i = 0; i < count; i++) {
        end = put_line(end, talk_line(talk));
        *end++ = '\n';
    }
    talk->sent += count;
    return (size_t)(end - out);
}

static size_t raw_record(struct talk *talk, unsigned count, char *out)
{
    char *end = out;

    for (unsigned i = 0; i < count; i++) {
        const struct line *line = talk_line(talk);

        (void)put_line(end, line);
        end += line->bare_len;
        *end++ = '\n';
    }
    talk->sent += count;
    return (size_t)(end - out);
}

static char *put_text(char *out, const char *text)
{
    size_t len = strlen(text);

    memcpy(out, text, len);
    return out + len;
}

/* RFC 5424, counted as in RFC 5425: the length before a message, which has no '\n'. */
static size_t syslog_record(struct talk *talk, unsigned count, char *out)
{
    static const char before[] = "<134>1 ";
    static const char after[] = " host sensorlink - - - ";
    enum { TIME_LEN = 27, FIXED = sizeof before - 1 + TIME_LEN + sizeof after - 1 };
    char *end = out;

    for (unsigned i = 0; i < count; i++) {
        const struct line *line = talk_line(talk);
        struct digits len = {"", 0};

        digits_set(&len, FIXED + line->len);
        end = put_digits(end, &len);
        *end++ = ' ';
        end = put_text(end, before);
        end = put_iso(end, talk_time(talk));
        end = put_text(end, after);
        end = put_line(end, line);
    }
    talk->sent += count;
    return (size_t)(end - out);
}

/* Nothing is answered. The tutorial's servers may talk all the same. */
static bool take_nothing(struct talk *talk, struct sl_bytes in, char fault[static FAULT_SPACE])
{
    (void)talk;
    (void)in;
    (void)fault;
    return true;
}

static const struct speech speech_link = {"link", true, link_hello, link_record, link_take};
static const struct speech speech_plain = {"plain", false, NULL, plain_record, take_nothing};
static const struct speech speech_raw = {"raw", false, NULL, raw_record, take_nothing};
static const struct speech speech_syslog = {"syslog", false, NULL, syslog_record, take_nothing};

const struct speech *speech_find(const char *name)
{
    static const struct speech *const all[] = {&speech_link, &speech_plain, &speech_raw,
                                               &speech_syslog, &speech_mqtt};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}
