/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_sender.c -- the sensor's end of the protocol: its lines, its window, and what it makes of
 * a server that doesn't keep to the rules.
 */
#include "cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "link/sender.h"
#include "support/guard.h"

#define HEX32 "0123456789abcdef0123456789abcdef"

enum { TRANSCRIPT_MAX = 2048 };

struct talk {
    struct sl_sender sender;
    char events[TRANSCRIPT_MAX];
    char said[TRANSCRIPT_MAX];
    size_t said_len;
};

static const struct sl_reading reading = {
    .time_us = SL_TIME_NONE, .name = BYTES("t"), .value = BYTES("22.50"), .unit = BYTES("Cel")};

static void begin(struct talk *talk, int64_t window)
{
    sl_sender_init(&talk->sender, window);
    talk->events[0] = '\0';
    talk->said_len = 0;
}

static void tell_event(struct talk *talk, const struct sl_sender_event *event)
{
    char text[256] = "";
    int reason_len = (int)event->reason.len;

    switch (event->kind) {
    case SL_EVENT_MORE:
        break;
    case SL_EVENT_WELCOME:
        (void)snprintf(text, sizeof(text), "welcome %" PRId64 " %.*s|", event->seq,
                       (int)event->name.len, event->name.at);
        break;
    case SL_EVENT_ACK:
        (void)snprintf(text, sizeof(text), "ack %" PRId64 "|", event->seq);
        break;
    case SL_EVENT_REFUSED:
        (void)snprintf(text, sizeof(text), "refused %" PRId64 " %.*s|", event->seq, reason_len,
                       event->reason.at);
        break;
    case SL_EVENT_BYE:
        (void)snprintf(text, sizeof(text), "bye %" PRId64 " %.*s '%.*s'|", event->retry_ms,
                       reason_len, event->reason.at, (int)event->text.len, event->text.at);
        break;
    case SL_EVENT_BROKEN:
        (void)snprintf(text, sizeof(text), "broken %.*s|", reason_len, event->reason.at);
        break;
    }
    assert_true(strlen(talk->events) + strlen(text) < sizeof(talk->events));
    memcpy(talk->events + strlen(talk->events), text, strlen(text) + 1);
}

static void hear_pieces(struct talk *talk, struct sl_bytes bytes, size_t piece)
{
    struct sl_guard guard;

    sl_guard_open(&guard);
    for (size_t at = 0; at < bytes.len; at += piece) {
        struct sl_bytes in = {.at = bytes.at + at,
                              .len = bytes.len - at < piece ? bytes.len - at : piece};
        struct sl_sender_event event;

        in = sl_guard_at_end(&guard, in);
        do {
            size_t taken = SIZE_MAX;

            sl_sender_next(&talk->sender, in, &taken, &event);
            assert_in_range(taken, 0, in.len);
            in.at += taken;
            in.len -= taken;
            tell_event(talk, &event);
        } while (event.kind != SL_EVENT_MORE);
        assert_int_equal(in.len, 0);
    }
    sl_guard_close(&guard);
}

static void hear(struct talk *talk, const char *text)
{
    hear_pieces(talk, sl_bytes_of(text), SL_GUARD_MAX);
}

static enum sl_status send_reading(struct talk *talk)
{
    return sl_sender_reading(&talk->sender, &reading, talk->said, sizeof(talk->said),
                             &talk->said_len);
}

static void assert_said(const struct talk *talk, const char *expected)
{
    struct sl_bytes said = {.at = talk->said, .len = talk->said_len};

    assert_bytes(said, expected);
}

static void test_sender_says_its_stream_and_then_readings_from_where_the_server_is(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, 10);
    assert_int_equal(
        sl_sender_hello(&talk.sender, HEX32, talk.said, sizeof(talk.said), &talk.said_len), SL_OK);
    assert_int_equal(sl_sender_room(&talk.sender), 0);
    assert_int_equal(send_reading(&talk), SL_LIMIT);
    hear(&talk, "welcome 41 1764000000.5 shed\n");
    assert_string_equal(talk.events, "welcome 41 shed|");
    assert_int_equal(talk.sender.next, 42);
    assert_int_equal(sl_sender_room(&talk.sender), 10);
    assert_int_equal(send_reading(&talk), SL_OK);
    assert_int_equal(
        sl_sender_gap(&talk.sender, 50, "spool-full", talk.said, sizeof(talk.said), &talk.said_len),
        SL_OK);
    assert_int_equal(talk.sender.next, 51);
    assert_said(&talk, "stream " HEX32 "\n42 - t: 22.5 Cel\ngap 43 50 spool-full\n");
}

static enum sl_status send_clock(struct talk *talk, int64_t offset_us)
{
    return sl_sender_clock(&talk->sender, offset_us, talk->said, sizeof(talk->said),
                           &talk->said_len);
}

static void test_sender_tells_its_clock_outside_of_numbers_and_window(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, 1);
    assert_int_equal(send_clock(&talk, 1), SL_LIMIT);
    hear(&talk, "welcome 6 - a\n");
    assert_int_equal(send_clock(&talk, 12345), SL_OK);
    assert_int_equal(sl_sender_room(&talk.sender), 1);
    assert_int_equal(send_reading(&talk), SL_OK);
    assert_int_equal(send_clock(&talk, -SL_OFFSET_MAX_US), SL_OK);
    hear(&talk, "ack 7\nbye 0 x\n");
    assert_int_equal(send_clock(&talk, 1), SL_LIMIT);
    assert_said(&talk, "clock +0.012345\n7 - t: 22.5 Cel\nclock -100000000000\n");
}

static void test_sender_keeps_to_its_window(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, 3);
    hear(&talk, "welcome 0 - a\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_reading(&talk), SL_OK);
    assert_int_equal(sl_sender_room(&talk.sender), 0);
    assert_int_equal(send_reading(&talk), SL_LIMIT);
    assert_int_equal(talk.sender.next, 4);
    hear(&talk, "ack 2\n");
    assert_int_equal(sl_sender_room(&talk.sender), 2);
    assert_int_equal(
        sl_sender_gap(&talk.sender, 1000, "x", talk.said, sizeof(talk.said), &talk.said_len),
        SL_OK);
    assert_int_equal(sl_sender_room(&talk.sender), 0);
    assert_int_equal(
        sl_sender_gap(&talk.sender, 1001, "x", talk.said, sizeof(talk.said), &talk.said_len),
        SL_LIMIT);
    hear(&talk, "ack 999\n");
    assert_int_equal(sl_sender_room(&talk.sender), 2);
    hear(&talk, "ack 1000\n");
    assert_int_equal(sl_sender_room(&talk.sender), 3);
}

static void test_sender_without_room_in_the_buffer_changes_nothing(void **state)
{
    struct talk talk;
    size_t len = 0;

    (void)state;
    begin(&talk, 3);
    hear(&talk, "welcome 0 - a\n");
    assert_int_equal(sl_sender_reading(&talk.sender, &reading, talk.said, 5, &len), SL_LIMIT);
    assert_int_equal(sl_sender_gap(&talk.sender, 9, "x", talk.said, 5, &len), SL_LIMIT);
    assert_int_equal(len, 0);
    assert_int_equal(talk.sender.next, 1);
}

/* Two readings (numbers 6 and 7) are under way when the server's words come. */
static void assert_events(struct sl_bytes in, const char *events)
{
    static const size_t pieces[] = {SL_GUARD_MAX, 1, 3};
    struct talk talk;

    for (size_t i = 0; i < COUNT(pieces); i++) {
        begin(&talk, 10);
        hear(&talk, "welcome 5 - a\n");
        talk.events[0] = '\0';
        assert_int_equal(send_reading(&talk), SL_OK);
        assert_int_equal(send_reading(&talk), SL_OK);
        hear_pieces(&talk, in, pieces[i]);
        if (strcmp(talk.events, events) != 0)
            fail_msg("'%.*s' gave '%s' instead of '%s'", (int)in.len, in.at, talk.events, events);
    }
}

static void test_sender_makes_events_of_what_a_server_says(void **state)
{
    (void)state;
    assert_events(sl_bytes_of("ack 6\nack 7\n"), "ack 6|ack 7|");
    assert_events(sl_bytes_of("ack 7\r\n"), "ack 7|");
    assert_events(sl_bytes_of("ack 5\nack 5\nack 6\nack 6\n"), "ack 5|ack 5|ack 6|ack 6|");
    assert_events(sl_bytes_of("refused 6 not-a-number no\nack 7\n"),
                  "refused 6 not-a-number|ack 7|");
    assert_events(sl_bytes_of("ack 7\nrefused 6 x\n"), "ack 7|refused 6 x|");
    assert_events(sl_bytes_of("bye 500 draining the server stops\nack 6\n"),
                  "bye 500 draining 'the server stops'|");
}

static void test_sender_finds_a_server_that_breaks_the_protocol_broken(void **state)
{
    static const struct {
        struct sl_bytes in;
        const char *events;
    } cases[] = {
        {BYTES("ack 8\n"), "broken ack-ahead|"},
        {BYTES("ack 9223372036854775807\n"), "broken ack-ahead|"},
        {BYTES("ack 9223372036854775808\n"), "broken not-a-message|"},
        {BYTES("ack 4\n"), "broken ack-backwards|"},
        {BYTES("ack 0\n"), "broken ack-backwards|"},
        {BYTES("ack 7\nack 6\n"), "ack 7|broken ack-backwards|"},
        {BYTES("refused 8 x\n"), "broken refused-ahead|"},
        {BYTES("welcome 7 - a\n"), "broken welcome-twice|"},
        {BYTES("hello\nack 6\n"), "broken not-a-message|"},
        {BYTES("\n"), "broken not-a-message|"},
        {BYTES("ack 6\0\n"), "broken not-a-message|"},
        {BYTES("stream " HEX32 "\n"), "broken not-a-message|"},
        {BYTES("6 - t: 1\n"), "broken not-a-message|"},
        {BYTES("bye 0 x \xff\n"), "broken not-a-message|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_events(cases[i].in, cases[i].events);
}

static void test_sender_line_too_long_is_broken(void **state)
{
    char in[SL_LINE_MAX + 1];
    struct sl_bytes bytes = {.at = in, .len = sizeof(in)};

    (void)state;
    memset(in, 'x', sizeof(in));
    assert_events(bytes, "broken line-too-long|");
}

static void test_sender_before_welcome_takes_only_welcome_and_bye(void **state)
{
    static const char *const cases[][2] = {
        {"ack 0\n", "broken welcome-expected|"},
        {"refused 1 x\n", "broken welcome-expected|"},
        {"bye 60000 not-allowed you are not on the list\n",
         "bye 60000 not-allowed 'you are not on the list'|"},
        {"welcome 9223372036854775807 - a\n", "broken bad-sequence|"},
        {"welcome 9223372036854775806 - a\n", "welcome 9223372036854775806 a|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct talk talk;

        begin(&talk, 10);
        hear(&talk, cases[i][0]);
        assert_string_equal(talk.events, cases[i][1]);
        assert_int_equal(sl_sender_room(&talk.sender), 0);
    }
}

static void test_sender_after_bye_or_broken_sends_nothing_more(void **state)
{
    static const char *const ends[] = {"bye 0 draining\n", "nonsense\n"};

    (void)state;
    for (size_t i = 0; i < COUNT(ends); i++) {
        struct talk talk;

        begin(&talk, 10);
        hear(&talk, "welcome 0 - a\n");
        hear(&talk, ends[i]);
        assert_int_equal(sl_sender_room(&talk.sender), 0);
        assert_int_equal(send_reading(&talk), SL_LIMIT);
        talk.events[0] = '\0';
        hear(&talk, "ack 0\n");
        assert_string_equal(talk.events, "");
    }
}

static void test_sender_at_the_last_numbers_stops_before_they_run_out(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, 10);
    hear(&talk, "welcome 9223372036854775804 - a\n");
    assert_int_equal(sl_sender_room(&talk.sender), 2);
    assert_int_equal(send_reading(&talk), SL_OK);
    assert_int_equal(
        sl_sender_gap(&talk.sender, SL_SEQ_MAX, "x", talk.said, sizeof(talk.said), &talk.said_len),
        SL_LIMIT);
    assert_int_equal(send_reading(&talk), SL_OK);
    assert_int_equal(send_reading(&talk), SL_LIMIT);
    assert_int_equal(talk.sender.next, SL_SEQ_MAX);
    hear(&talk, "ack 9223372036854775806\n");
    assert_int_equal(sl_sender_room(&talk.sender), 0);
}

static void test_sender_again_sends_the_last_acknowledged_number_once_more(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, 2);
    hear(&talk, "welcome 7 - a\n");
    sl_sender_again(&talk.sender);
    assert_int_equal(talk.sender.next, 7);
    assert_int_equal(sl_sender_room(&talk.sender), 3); /* one more than the window, just once */
    assert_int_equal(send_reading(&talk), SL_OK);
    assert_int_equal(talk.sender.next, 8);
    assert_int_equal(sl_sender_room(&talk.sender), 2);
    talk.events[0] = '\0';
    hear(&talk, "ack 7\n");
    assert_string_equal(talk.events, "ack 7|");
    assert_int_equal(talk.sender.acknowledged, 7);
}

static void test_sender_again_with_a_gap_goes_on_after_it(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, 10);
    hear(&talk, "welcome 7 - a\n");
    sl_sender_again(&talk.sender);
    assert_int_equal(
        sl_sender_gap(&talk.sender, 9, "spool-full", talk.said, sizeof(talk.said), &talk.said_len),
        SL_OK);
    assert_memory_equal(talk.said, "gap 7 9 spool-full\n", talk.said_len);
    assert_int_equal(talk.sender.next, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sender_says_its_stream_and_then_readings_from_where_the_server_is),
        cmocka_unit_test(test_sender_tells_its_clock_outside_of_numbers_and_window),
        cmocka_unit_test(test_sender_keeps_to_its_window),
        cmocka_unit_test(test_sender_without_room_in_the_buffer_changes_nothing),
        cmocka_unit_test(test_sender_makes_events_of_what_a_server_says),
        cmocka_unit_test(test_sender_finds_a_server_that_breaks_the_protocol_broken),
        cmocka_unit_test(test_sender_line_too_long_is_broken),
        cmocka_unit_test(test_sender_before_welcome_takes_only_welcome_and_bye),
        cmocka_unit_test(test_sender_after_bye_or_broken_sends_nothing_more),
        cmocka_unit_test(test_sender_again_sends_the_last_acknowledged_number_once_more),
        cmocka_unit_test(test_sender_again_with_a_gap_goes_on_after_it),
        cmocka_unit_test(test_sender_at_the_last_numbers_stops_before_they_run_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
