/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_message.c -- a message that is taken prints as a line that reads back as the same message.
 *
 * Input: one line, read as a sensor's and as a server's.
 */
#include "fuzz.h"

#include <string.h>

#include "wire/frame.h"
#include "wire/message.h"

/* One of the two parsers. */
struct parser {
    enum sl_status (*parse)(struct sl_bytes line, struct sl_message *message);
};

static bool same_value(struct sl_bytes a, struct sl_bytes b)
{
    char text_a[SL_VALUE_SIZE];
    char text_b[SL_VALUE_SIZE];

    if (a.len == 0 || b.len == 0)
        return a.len == b.len;
    sl_value_canonical(a, text_a);
    sl_value_canonical(b, text_b);
    return strcmp(text_a, text_b) == 0;
}

static bool same(const struct sl_message *a, const struct sl_message *b)
{
    return a->kind == b->kind && a->seq == b->seq && a->last == b->last &&
           a->time_us == b->time_us && a->offset_us == b->offset_us && a->retry_ms == b->retry_ms &&
           sl_bytes_equal(a->stream, b->stream) && sl_bytes_equal(a->sensor, b->sensor) &&
           sl_bytes_equal(a->reason, b->reason) && sl_bytes_equal(a->text, b->text) &&
           sl_bytes_equal(a->reading.name, b->reading.name) &&
           same_value(a->reading.value, b->reading.value) &&
           sl_bytes_equal(a->reading.unit, b->reading.unit) && a->flaw == b->flaw;
}

static void check_round_trip(const struct sl_message *message, const struct parser *parser)
{
    char text[SL_LINE_MAX];
    char again[SL_LINE_MAX];
    size_t len = 0;
    size_t again_len = 0;
    struct sl_message second = {0};

    require(sl_message_print(message, text, sizeof(text), &len) == SL_OK, "it fits a line");
    require(text[len - 1] == '\n' && memchr(text, '\n', len) == text + len - 1,
            "it is one line with its end");
    require(parser->parse((struct sl_bytes){.at = text, .len = len - 1}, &second) == SL_OK,
            "what is printed is taken");
    require(same(message, &second), "it is the same message");
    require(sl_message_print(&second, again, sizeof(again), &again_len) == SL_OK &&
                len == again_len && memcmp(text, again, len) == 0,
            "printed again it is the same");
}

static void check(struct sl_bytes line, const struct parser *parser)
{
    struct sl_message message = {0}; /* of a reading not all is set */

    if (parser->parse(line, &message) != SL_OK)
        return;
    require(message.seq >= 0 && message.last >= 0 && message.retry_ms >= 0, "numbers are in range");
    require(message.kind != SL_MESSAGE_READING || message.seq > 0, "a reading has a number");
    require(message.kind != SL_MESSAGE_GAP || message.last >= message.seq, "a gap goes forward");
    if (message.flaw == SL_FLAW_NONE)
        check_round_trip(&message, parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct parser sensor = {sl_message_parse_from_sensor};
    static const struct parser server = {sl_message_parse_from_server};
    struct sl_bytes line = {.at = (const char *)data, .len = size};

    if (size >= SL_LINE_MAX)
        return 0; /* no frame gives a line as long as that */
    check(line, &sensor);
    check(line, &server);
    return 0;
}
