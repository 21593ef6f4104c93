/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.c -- the lines of `sensorlink/1`.
 */
#include "wire/message.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "wire/frame.h"

enum { NUMBER_MAX = 19 }; /* digits of SL_SEQ_MAX; so many always fit 64 bits */

/* The single blank after a word; the line's end will do. */
static bool take_end(struct sl_bytes *rest)
{
    if (rest->len == 0)
        return true;
    if (rest->at[0] != ' ')
        return false;
    rest->at++;
    rest->len--;
    return true;
}

/* One word of the line, and the single blank after it. A word is never empty. */
static bool take_word(struct sl_bytes *rest, struct sl_bytes *word)
{
    size_t len = 0;

    while (len < rest->len && rest->at[len] != ' ')
        len++;
    if (len == 0)
        return false;
    *word = (struct sl_bytes){.at = rest->at, .len = len};
    rest->at += len;
    rest->len -= len;
    return take_end(rest);
}

/* A number from `least` to `most`, written in digits without a zero in front. */
static bool take_number(struct sl_bytes *rest, int64_t least, int64_t most, int64_t *number)
{
    const char *at = rest->at;
    size_t most_digits = rest->len < NUMBER_MAX ? rest->len : NUMBER_MAX;
    size_t len = 0;
    uint64_t value = 0;

    for (; len < most_digits && at[len] >= '0' && at[len] <= '9'; len++)
        value = value * 10 + (uint64_t)(at[len] - '0');
    if (len == 0 || (len > 1 && at[0] == '0'))
        return false;
    rest->at += len;
    rest->len -= len;
    *number = (int64_t)value;
    return take_end(rest) && value >= (uint64_t)least && value <= (uint64_t)most;
}

static bool take_time(struct sl_bytes *rest, int64_t *time_us)
{
    return sl_time_take_unix(rest, time_us) == SL_OK && take_end(rest);
}

static bool reason_is_sound(struct sl_bytes reason)
{
    if (reason.len == 0 || reason.len > SL_REASON_MAX)
        return false;
    for (size_t i = 0; i < reason.len; i++) {
        char c = reason.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

static bool stream_is_sound(struct sl_bytes stream)
{
    if (stream.len != SL_STREAM_HEX)
        return false;
    for (size_t i = 0; i < stream.len; i++) {
        char c = stream.at[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool sensor_is_sound(struct sl_bytes sensor)
{
    if (sensor.len == 0 || sensor.len > SL_SENSOR_NAME_MAX || !is_letter_or_digit(sensor.at[0]))
        return false;
    for (size_t i = 1; i < sensor.len; i++) {
        char c = sensor.at[i];

        if (!is_letter_or_digit(c) && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static bool parse_reading(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_READING;
    message->flaw = SL_FLAW_NONE;
    if (!take_number(&rest, 1, SL_SEQ_MAX, &message->seq))
        return false;

    struct sl_bytes time = rest;

    if (sl_time_take_unix(&rest, &message->time_us) != SL_OK)
        return false;
    time.len -= rest.len;
    if (!take_end(&rest))
        return false;
    message->reading = (struct sl_reading){.time_us = message->time_us, .time = time};
    /* A reading that can't be taken is no fault of the session: `flaw` says it. */
    (void)!sl_reading_parse(rest, &message->reading, &message->flaw);
    return true;
}

static bool parse_stream(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_STREAM;
    message->stream = rest;
    return stream_is_sound(rest);
}

static bool parse_gap(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_GAP;
    if (!take_number(&rest, 1, SL_SEQ_MAX, &message->seq) ||
        !take_number(&rest, message->seq, SL_SEQ_MAX, &message->last))
        return false;
    message->reason = rest;
    return reason_is_sound(rest);
}

/* A sign, then seconds as a time has them. */
static bool parse_clock(struct sl_bytes rest, struct sl_message *message)
{
    bool negative = rest.len > 0 && rest.at[0] == '-';

    message->kind = SL_MESSAGE_CLOCK;
    if (!negative && (rest.len == 0 || rest.at[0] != '+'))
        return false;
    rest.at++;
    rest.len--;
    if (sl_time_parse_unix(rest, &message->offset_us) != SL_OK || message->offset_us < 0 ||
        message->offset_us > SL_OFFSET_MAX_US)
        return false;
    message->offset_us *= negative ? -1 : 1;
    return true;
}

static bool parse_welcome(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_WELCOME;
    if (!take_number(&rest, 0, SL_SEQ_MAX, &message->seq) || !take_time(&rest, &message->time_us))
        return false;
    message->sensor = rest;
    return sensor_is_sound(rest);
}

static bool parse_ack(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_ACK;
    return take_number(&rest, 0, SL_SEQ_MAX, &message->seq) && rest.len == 0;
}

static bool take_reason_and_text(struct sl_bytes rest, struct sl_message *message)
{
    if (!take_word(&rest, &message->reason) || !reason_is_sound(message->reason))
        return false;
    message->text = rest;
    return sl_text_is_clean(rest);
}

static bool parse_refused(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_REFUSED;
    return take_number(&rest, 1, SL_SEQ_MAX, &message->seq) && take_reason_and_text(rest, message);
}

static bool parse_bye(struct sl_bytes rest, struct sl_message *message)
{
    message->kind = SL_MESSAGE_BYE;
    return take_number(&rest, 0, INT32_MAX, &message->retry_ms) &&
           take_reason_and_text(rest, message);
}

struct verb {
    const char *word;
    bool (*parse)(struct sl_bytes rest, struct sl_message *message);
};

static const struct verb sensor_verbs[] = {
    {"stream", parse_stream}, {"gap", parse_gap}, {"clock", parse_clock}};
static const struct verb server_verbs[] = {
    {"welcome", parse_welcome}, {"ack", parse_ack}, {"refused", parse_refused}, {"bye", parse_bye}};

/* Takes the line's first word and lets the verb that it is do the rest. */
static bool parse_by_verb(struct sl_bytes line, const struct verb *verbs, size_t count,
                          struct sl_message *message)
{
    struct sl_bytes word;

    *message = (struct sl_message){0};
    if (!take_word(&line, &word))
        return false;
    for (size_t i = 0; i < count; i++)
        if (sl_bytes_equal(word, sl_bytes_of(verbs[i].word)))
            return verbs[i].parse(line, message);
    return false;
}

enum sl_status sl_message_parse_from_sensor(struct sl_bytes line, struct sl_message *message)
{
    bool sound;

    if (line.len > 0 && line.at[0] >= '0' && line.at[0] <= '9')
        sound = parse_reading(line, message);
    else
        sound = parse_by_verb(line, sensor_verbs, sizeof(sensor_verbs) / sizeof(sensor_verbs[0]),
                              message);
    return sound ? SL_OK : SL_BAD_INPUT;
}

enum sl_status sl_message_parse_from_server(struct sl_bytes line, struct sl_message *message)
{
    return parse_by_verb(line, server_verbs, sizeof(server_verbs) / sizeof(server_verbs[0]),
                         message)
               ? SL_OK
               : SL_BAD_INPUT;
}

/*
 * One line in the making, in SL_LINE_MAX bytes. All parts but free text are short: the whole of
 * them always fits.
 */
struct line {
    size_t len;
    char *at;
};

static void put(struct line *line, struct sl_bytes bytes)
{
    assert(bytes.len < SL_LINE_MAX - line->len);
    if (bytes.len > 0)
        memcpy(line->at + line->len, bytes.at, bytes.len);
    line->len += bytes.len;
}

static void put_word(struct line *line, const char *word)
{
    put(line, sl_bytes_of(word));
}

/* A blank and the number. */
static void put_number(struct line *line, int64_t number)
{
    assert(number >= 0);
    put_word(line, " ");
    line->len += sl_digits_print((uint64_t)number, line->at + line->len);
}

/* A blank and the time; one before 1970 can only be a clock that isn't set. */
static void put_time(struct line *line, int64_t time_us)
{
    put_word(line, " ");
    line->len += sl_time_print_unix(time_us < 0 ? SL_TIME_NONE : time_us, line->at + line->len);
}

/* A blank, the sign and the seconds. */
static void put_offset(struct line *line, int64_t offset_us)
{
    char text[SL_TIME_TEXT_SIZE];

    assert(offset_us >= -SL_OFFSET_MAX_US && offset_us <= SL_OFFSET_MAX_US);
    sl_time_print_unix(offset_us < 0 ? -offset_us : offset_us, text);
    put_word(line, offset_us < 0 ? " -" : " +");
    put_word(line, text);
}

/* A blank, the reason, and as much of the text as the line takes. */
static void put_reason_and_text(struct line *line, const struct sl_message *message)
{
    struct sl_bytes rest = message->text;

    assert(reason_is_sound(message->reason));
    put_word(line, " ");
    put(line, message->reason);
    if (rest.len > 0)
        put_word(line, " ");
    while (rest.len > 0) {
        uint32_t code = 0;
        size_t len = sl_utf8_next(rest, &code);
        bool fit = len > 0 && !sl_utf8_is_control(code);
        struct sl_bytes piece =
            fit ? (struct sl_bytes){.at = rest.at, .len = len} : sl_bytes_of("?");

        if (piece.len >= SL_LINE_MAX - line->len)
            break;
        put(line, piece);
        len = len > 0 ? len : 1;
        rest.at += len;
        rest.len -= len;
    }
}

/* The only line that a sensor sends by the thousand, and the only one without a verb. */
static void put_reading(struct line *line, const struct sl_message *message)
{
    size_t len = 0;

    line->len = sl_digits_print((uint64_t)message->seq, line->at);
    put_time(line, message->time_us);
    put_word(line, " ");

    enum sl_status status =
        sl_reading_print(&message->reading, line->at + line->len, SL_LINE_MAX - line->len, &len);

    assert(status == SL_OK);
    line->len += len;
}

static void put_message(struct line *line, const struct sl_message *message)
{
    assert(message->kind <= SL_MESSAGE_BYE);
    switch (message->kind) {
    case SL_MESSAGE_STREAM:
        assert(stream_is_sound(message->stream));
        put_word(line, "stream ");
        put(line, message->stream);
        return;
    case SL_MESSAGE_WELCOME:
        assert(sensor_is_sound(message->sensor));
        put_word(line, "welcome");
        put_number(line, message->seq);
        put_time(line, message->time_us);
        put_word(line, " ");
        put(line, message->sensor);
        return;
    case SL_MESSAGE_READING:
        put_reading(line, message);
        return;
    case SL_MESSAGE_GAP:
        assert(reason_is_sound(message->reason));
        put_word(line, "gap");
        put_number(line, message->seq);
        put_number(line, message->last);
        put_word(line, " ");
        put(line, message->reason);
        return;
    case SL_MESSAGE_CLOCK:
        put_word(line, "clock");
        put_offset(line, message->offset_us);
        return;
    case SL_MESSAGE_ACK:
        put_word(line, "ack");
        put_number(line, message->seq);
        return;
    case SL_MESSAGE_REFUSED:
        put_word(line, "refused");
        put_number(line, message->seq);
        put_reason_and_text(line, message);
        return;
    case SL_MESSAGE_BYE:
        assert(message->retry_ms <= INT32_MAX);
        put_word(line, "bye");
        put_number(line, message->retry_ms);
        put_reason_and_text(line, message);
        return;
    }
}

enum sl_status sl_message_print(const struct sl_message *message, char *out, size_t size,
                                size_t *len)
{
    char alone[SL_LINE_MAX];
    bool roomy = *len <= size && size - *len >= sizeof(alone);
    struct line line = {.len = 0, .at = roomy ? out + *len : alone};

    put_message(&line, message);
    line.at[line.len++] = '\n';
    if (*len > size || line.len > size - *len)
        return SL_LIMIT;
    if (!roomy)
        memcpy(out + *len, line.at, line.len);
    *len += line.len;
    return SL_OK;
}
