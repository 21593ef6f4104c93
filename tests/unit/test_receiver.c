/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_receiver.c -- the server's end of the protocol: what each line makes it do and say.
 *
 * Tests are told as transcripts: bytes in, and one word or two for each step that comes out.
 */
#include "cases.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "link/receiver.h"
#include "support/guard.h"

#define STREAM "stream 0123456789abcdef0123456789abcdef\n"

enum { TRANSCRIPT_MAX = 4096, ALL = 1 << 20 };

struct talk {
    struct sl_receiver receiver;
    int64_t on_disk; /* what the store says when the stream is opened */
    char steps[TRANSCRIPT_MAX];
    char said[TRANSCRIPT_MAX];
    size_t said_len;
};

static void begin(struct talk *talk, bool acknowledged, int64_t on_disk)
{
    sl_receiver_init(&talk->receiver, acknowledged, 0);
    talk->on_disk = on_disk;
    talk->steps[0] = '\0';
    talk->said_len = 0;
}

static void tell(struct talk *talk, const char *text)
{
    assert_true(strlen(talk->steps) + strlen(text) < sizeof(talk->steps));
    memcpy(talk->steps + strlen(talk->steps), text, strlen(text) + 1);
}

static void tell_step(struct talk *talk, const struct sl_receiver_step *step)
{
    char text[256] = "", when[32];
    const struct sl_reading *r = &step->reading;

    switch (step->kind) {
    case SL_STEP_MORE:
        break;
    case SL_STEP_STREAM:
        (void)snprintf(text, sizeof(text), "stream %s|", talk->receiver.stream);
        break;
    case SL_STEP_READING:
        (void)snprintf(when, sizeof(when), "@%" PRId64, r->time_us);
        (void)snprintf(text, sizeof(text), "%" PRId64 " %.*s=%.*s%.*s%s|", step->seq,
                       (int)r->name.len, r->name.at, (int)r->value.len, r->value.at,
                       (int)r->unit.len, r->unit.at, r->time_us == SL_TIME_NONE ? "" : when);
        break;
    case SL_STEP_GAP:
        (void)snprintf(text, sizeof(text), "gap %" PRId64 "-%" PRId64 " %.*s|", step->seq,
                       step->last, (int)step->reason.len, step->reason.at);
        break;
    case SL_STEP_REFUSED:
        (void)snprintf(text, sizeof(text), "refused %" PRId64 " %.*s|", step->seq,
                       (int)step->reason.len, step->reason.at);
        break;
    case SL_STEP_DUPLICATE:
        (void)snprintf(text, sizeof(text), "duplicate %" PRId64 "|", step->seq);
        break;
    case SL_STEP_CLOCK:
        (void)snprintf(text, sizeof(text), "clock %" PRId64 "|", step->offset_us);
        break;
    case SL_STEP_BYE:
        (void)snprintf(text, sizeof(text), "bye %.*s|", (int)step->reason.len, step->reason.at);
        assert_true(strlen(step->text) > 0);
        break;
    }
    tell(talk, text);
}

/* Does what an owner does: opens the stream, and tells of refusals. */
static void obey(struct talk *talk, const struct sl_receiver_step *step)
{
    enum sl_status status = SL_OK;

    if (step->kind == SL_STEP_STREAM)
        status =
            sl_receiver_opened(&talk->receiver, talk->on_disk, SL_TIME_NONE, sl_bytes_of("shed"),
                               talk->said, sizeof(talk->said), &talk->said_len);
    else if (step->kind == SL_STEP_REFUSED)
        status = sl_receiver_refuse(&talk->receiver, step, talk->said, sizeof(talk->said),
                                    &talk->said_len);
    assert_int_equal(status, SL_OK);
}

static void hear_chunk(struct talk *talk, struct sl_bytes in)
{
    for (;;) {
        struct sl_receiver_step step;
        size_t taken = SIZE_MAX;

        sl_receiver_next(&talk->receiver, in, &taken, &step);
        assert_in_range(taken, 0, in.len);
        in.at += taken;
        in.len -= taken;
        tell_step(talk, &step);
        if (step.kind == SL_STEP_MORE)
            break;
        obey(talk, &step);
    }
    assert_int_equal(in.len, 0);
}

static void hear(struct talk *talk, struct sl_bytes bytes, size_t piece)
{
    struct sl_guard guard;

    sl_guard_open(&guard);
    for (size_t at = 0; at < bytes.len; at += piece) {
        struct sl_bytes chunk = {.at = bytes.at + at,
                                 .len = bytes.len - at < piece ? bytes.len - at : piece};

        hear_chunk(talk, sl_guard_at_end(&guard, chunk));
    }
    sl_guard_close(&guard);
}

static void hear_text(struct talk *talk, const char *text)
{
    hear(talk, sl_bytes_of(text), ALL);
}

static void assert_said(const struct talk *talk, const char *expected)
{
    assert_bytes(((struct sl_bytes){talk->said, talk->said_len}), expected);
}

static void acknowledge(struct talk *talk, int64_t committed)
{
    sl_receiver_committed(&talk->receiver, committed);
    talk->said_len = 0;
    assert_int_equal(
        sl_receiver_acknowledge(&talk->receiver, talk->said, sizeof(talk->said), &talk->said_len),
        SL_OK);
}

struct story {
    bool acknowledged;
    int64_t on_disk;
    struct sl_bytes in;
    const char *steps;
};

static void assert_split(const struct story *story, size_t first, size_t piece)
{
    struct talk talk;

    begin(&talk, story->acknowledged, story->on_disk);
    hear(&talk, (struct sl_bytes){story->in.at, first}, ALL);
    hear(&talk, (struct sl_bytes){story->in.at + first, story->in.len - first}, piece);
    if (strcmp(talk.steps, story->steps) != 0)
        fail_msg("'%.*s', %zu bytes and then pieces of %zu, gave '%s' instead of '%s'",
                 (int)story->in.len, story->in.at, first, piece, talk.steps, story->steps);
}

/* The same steps in small pieces, and in two that meet at any byte. */
static void assert_story(const struct story *story)
{
    for (size_t piece = 1; piece <= 7; piece++)
        assert_split(story, 0, piece);
    for (size_t first = 0; first < story->in.len; first++)
        assert_split(story, first, ALL);
}

static void test_receiver_plain_lines_become_readings_and_bad_ones_are_passed_over(void **state)
{
    static const struct story stories[] = {
        {false, 0, BYTES("temperature: 15\ntemperature: 22\r\n"),
         "0 temperature=15|0 temperature=22|"},
        {false, 0, BYTES("\n\r\n\n"), ""},
        {false, 0, BYTES("\n\nt: 1\n\n"), "0 t=1|"},
        {false, 0, BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
         "refused 0 no-colon|refused 0 not-a-number|"},
        {false, 0, BYTES("t: nan\nt: 1e999\nt: 0x10\n: 1\nt: 2 V\n"),
         "refused 0 not-a-number|refused 0 not-finite|refused 0 not-a-number|refused 0 bad-name|"
         "0 t=2V|"},
        {false, 0, BYTES("t: 1\0\n\xff\nt: 1\r\r\nt: 3\n"),
         "refused 0 not-text|refused 0 not-text|refused 0 not-text|0 t=3|"},
        {false, 0, BYTES("t: 1"), ""},
        {false, 0, BYTES("stream 0123456789abcdef0123456789abcdef\nack 1\n"),
         "refused 0 no-colon|refused 0 no-colon|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(stories); i++)
        assert_story(&stories[i]);
}

#define OPENED "stream 0123456789abcdef0123456789abcdef|"
#define CHECKS "stream " SL_STREAM_CHECK

static void test_receiver_acknowledged_lines_make_the_steps_of_the_protocol(void **state)
{
    static const struct story stories[] = {
        {true, 0, BYTES(STREAM), OPENED},
        {true, 0, BYTES(STREAM "1 - t: 1\n2 1764000000 t: 2 V\n"),
         OPENED "1 t=1|2 t=2V@1764000000000000|"},
        {true, 7, BYTES(STREAM "8 - t: 1\r\n"), OPENED "8 t=1|"},
        {true, 7, BYTES(STREAM "8 1.50 t: 1 V\r\n9 0.000001 n: +1.0\r\n10 - t: 2\r\r\n"),
         OPENED "8 t=1V@1500000|9 n=+1.0@1|refused 10 not-text|"},
        {true, 0, BYTES(STREAM "1 - t: nan\n2 - t: 2\n3 - \xff\n"),
         OPENED "refused 1 not-a-number|2 t=2|refused 3 not-text|"},
        /* Sent again: at or below what was received. */
        {true, 7, BYTES(STREAM "6 - t: 1\n7 - t: 1\n8 - t: 1\n8 - t: 1\n1 - t: 1\n"),
         OPENED "duplicate 6|duplicate 7|8 t=1|duplicate 8|duplicate 1|"},
        {true, 7, BYTES(STREAM "7 - t: nan\n"), OPENED "duplicate 7|"},
        /* A clock has no number: it may come anywhere, and again. */
        {true, 7, BYTES(STREAM "clock +0.5\n8 - t: 1\nclock -100000000000\n9 - t: 2\n"),
         OPENED "clock 500000|8 t=1|clock -100000000000000000|9 t=2|"},
        /* The stream of checks takes nothing. */
        {true, 0, BYTES(CHECKS "\n"), CHECKS "|"},
        {true, 0, BYTES(CHECKS "\n1 - t: 1\n"), CHECKS "|bye check-stream|"},
        {true, 0, BYTES(CHECKS "\ngap 1 2 x\n"), CHECKS "|bye check-stream|"},
        {true, 0, BYTES(CHECKS "\nclock +1\n"), CHECKS "|bye check-stream|"},
        {true, 0, BYTES(CHECKS "\nnonsense\n"), CHECKS "|bye check-stream|"},
        {true, 0, BYTES(CHECKS "\n" STREAM), CHECKS "|bye check-stream|"},
        /* Gaps: next, sent again, partly new. */
        {true, 0, BYTES(STREAM "gap 1 5 spool-full\n6 - t: 1\n"),
         OPENED "gap 1-5 spool-full|6 t=1|"},
        {true, 7, BYTES(STREAM "gap 8 8 x\ngap 9 9 y\n"), OPENED "gap 8-8 x|gap 9-9 y|"},
        {true, 7, BYTES(STREAM "gap 1 7 x\n8 - t: 1\n"), OPENED "duplicate 1|8 t=1|"},
        {true, 7, BYTES(STREAM "gap 5 9 x\n10 - t: 1\n"), OPENED "gap 8-9 x|10 t=1|"},
        {true, 0, BYTES(STREAM "gap 1 9223372036854775807 x\n1 - t: 1\n"),
         OPENED "gap 1-9223372036854775807 x|duplicate 1|"},
        {true, INT64_MAX - 1,
         BYTES(STREAM "9223372036854775807 - t: 1\n9223372036854775807 - t: 1\n"),
         OPENED "9223372036854775807 t=1|duplicate 9223372036854775807|"},
        {true, INT64_MAX, BYTES(STREAM "9223372036854775807 - t: 1\n"),
         OPENED "duplicate 9223372036854775807|"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(stories); i++)
        assert_story(&stories[i]);
}

static void test_receiver_broken_grammar_ends_the_session_with_its_reason(void **state)
{
    static const struct {
        struct sl_bytes line;
        const char *reason;
    } cases[] = {
        {BYTES("ack 5"), "not-a-message"},
        {BYTES("welcome 0 - x"), "not-a-message"},
        {BYTES("bye 0 x"), "not-a-message"},
        {BYTES("refused 1 x"), "not-a-message"},
        {BYTES(""), "not-a-message"},
        {BYTES("temperature: 22"), "not-a-message"},
        {BYTES("\0\0\0"), "not-a-message"},
        {BYTES("\xff\xfe"), "not-a-message"},
        {BYTES("8"), "not-a-message"},
        {BYTES("gap"), "not-a-message"},
        {BYTES("gap 8"), "not-a-message"},
        {BYTES("GET / HTTP/1.1"), "not-a-message"},
        {BYTES("0 - t: 1"), "bad-sequence"},
        {BYTES("-8 - t: 1"), "bad-sequence"},
        {BYTES("+8 - t: 1"), "bad-sequence"},
        {BYTES("08 - t: 1"), "bad-sequence"},
        {BYTES("8x - t: 1"), "bad-sequence"},
        {BYTES("9223372036854775808 - t: 1"), "bad-sequence"},
        {BYTES("99999999999999999999999999 - t: 1"), "bad-sequence"},
        {BYTES("8\0 - t: 1"), "bad-sequence"},
        {BYTES("gap 0 8 x"), "bad-sequence"},
        {BYTES("gap 9 8 x"), "bad-sequence"},
        {BYTES("gap 8 9223372036854775808 x"), "bad-sequence"},
        {BYTES("gap a b x"), "bad-sequence"},
        {BYTES("9 - t: 1"), "sequence-jump"},
        {BYTES("9223372036854775807 - t: 1"), "sequence-jump"},
        {BYTES("gap 9 10 x"), "sequence-jump"},
        {BYTES("8 now t: 1"), "bad-time"},
        {BYTES("8 t: 1"), "bad-time"},
        {BYTES("8  - t: 1"), "bad-time"},
        {BYTES("8 -5 t: 1"), "bad-time"},
        {BYTES("8 1.1234567 t: 1"), "bad-time"},
        {BYTES("gap 8 9"), "bad-reason"},
        {BYTES("gap 8 9 Not A Reason"), "bad-reason"},
        {BYTES("gap 8 9 x\xff"), "bad-reason"},
        {BYTES("stream 0123456789abcdef0123456789abcdef"), "stream-twice"},
        {BYTES("stream short"), "not-a-message"},
        {BYTES("clock"), "bad-offset"},
        {BYTES("clock 5"), "bad-offset"},
        {BYTES("clock +5 s"), "bad-offset"},
        {BYTES("clock +100000000001"), "bad-offset"},
        {BYTES("clocks +5"), "not-a-message"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char in[256];
        char steps[128];
        size_t len = strlen(STREAM);
        static const char after[] = "\n8 - t: 1\n";

        memcpy(in, STREAM, len);
        memcpy(in + len, cases[i].line.at, cases[i].line.len);
        len += cases[i].line.len;
        memcpy(in + len, after, strlen(after));
        len += strlen(after);
        (void)snprintf(steps, sizeof(steps), OPENED "bye %s|", cases[i].reason);
        struct story story = {true, 7, {.at = in, .len = len}, steps};

        assert_story(&story);
    }
}

static void test_receiver_first_line_that_is_no_stream_ends_the_session(void **state)
{
    static const struct sl_bytes cases[] = {
        BYTES("1 - t: 1\n"),
        BYTES("gap 1 2 x\n"),
        BYTES("clock +1\n"),
        BYTES("\n"),
        BYTES("stream\n"),
        BYTES("temperature: 22\n"),
        BYTES("stream 0123456789ABCDEF0123456789ABCDEF\n"),
        BYTES("ack 1\n"),
        BYTES("\0\n"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct story story = {true, 0, cases[i], "bye stream-expected|"};

        assert_story(&story);
    }
}

static void test_receiver_line_too_long_ends_plain_and_acknowledged_sessions(void **state)
{
    char in[2 * SL_LINE_MAX];
    struct story plain = {false, 0, {.at = in, .len = SL_LINE_MAX + 20}, "bye line-too-long|"};
    struct story hello = {true, 0, {.at = in, .len = SL_LINE_MAX}, "bye line-too-long|"};
    struct story fits = {false, 0, {.at = in, .len = SL_LINE_MAX}, "refused 0 no-colon|"};

    (void)state;
    memset(in, 'x', sizeof(in));
    memcpy(in + SL_LINE_MAX, "\nt: 1\n", 6);
    assert_story(&plain);
    assert_story(&hello);
    in[SL_LINE_MAX - 1] = '\n';
    assert_story(&fits);
    in[SL_LINE_MAX - 2] = '\r';
    assert_story(&fits);
}

static void test_receiver_smaller_line_limit_is_kept(void **state)
{
    struct sl_receiver receiver;
    struct sl_receiver_step step;
    size_t taken;

    (void)state;
    sl_receiver_init(&receiver, false, 16);
    sl_receiver_next(&receiver, sl_bytes_of("temperature: 22\n"), &taken, &step);
    assert_int_equal(step.kind, SL_STEP_READING);
    sl_receiver_next(&receiver, sl_bytes_of("temperature: 22.\n"), &taken, &step);
    assert_int_equal(step.kind, SL_STEP_BYE);
}

static void test_receiver_takes_nothing_while_the_store_opens_the_stream(void **state)
{
    struct sl_receiver receiver;
    struct sl_receiver_step step;
    struct sl_bytes in = BYTES(STREAM "1 - t: 1\n");
    char out[SL_LINE_MAX];
    size_t len = 0;
    size_t taken;

    (void)state;
    sl_receiver_init(&receiver, true, 0);
    sl_receiver_next(&receiver, in, &taken, &step);
    assert_int_equal(step.kind, SL_STEP_STREAM);
    assert_int_equal(taken, strlen(STREAM));
    in.at += taken;
    in.len -= taken;
    for (int i = 0; i < 2; i++) {
        sl_receiver_next(&receiver, in, &taken, &step);
        assert_int_equal(step.kind, SL_STEP_MORE);
        assert_int_equal(taken, 0);
    }
    /* Too little room for the welcome: nothing changed, and it can be tried again. */
    assert_int_equal(sl_receiver_opened(&receiver, 0, 0, sl_bytes_of("a"), out, 5, &len), SL_LIMIT);
    assert_int_equal(receiver.state, SL_RECEIVER_OPENING);
    assert_int_equal(sl_receiver_opened(&receiver, 0, 0, sl_bytes_of("a"), out, sizeof(out), &len),
                     SL_OK);
    assert_memory_equal(out, "welcome 0 0 a\n", len);
    sl_receiver_next(&receiver, in, &taken, &step);
    assert_int_equal(step.kind, SL_STEP_READING);
    assert_int_equal(taken, in.len);
}

static void test_receiver_acknowledges_only_what_was_committed_and_only_once(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, true, 0);
    hear_text(&talk, STREAM);
    assert_said(&talk, "welcome 0 - shed\n");
    hear_text(&talk, "1 - t: 1\n2 - t: 2\n3 - t: 3\n");
    acknowledge(&talk, 0);
    assert_said(&talk, "");
    acknowledge(&talk, 2);
    assert_said(&talk, "ack 2\n");
    acknowledge(&talk, 2);
    assert_said(&talk, "");
    acknowledge(&talk, 1); /* backwards: nothing is taken back */
    assert_said(&talk, "");
    acknowledge(&talk, 3);
    assert_said(&talk, "ack 3\n");
}

static void test_receiver_never_acknowledges_beyond_what_this_session_received(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, true, 5);
    hear_text(&talk, STREAM "6 - t: 1\n");
    /* An earlier session of the stream had sent 6 to 9, and they reached the disk only now. */
    acknowledge(&talk, 9);
    assert_said(&talk, "ack 6\n");
    hear_text(&talk, "7 - t: 1\n");
    acknowledge(&talk, 9);
    assert_said(&talk, "ack 7\n");
}

static void test_receiver_acknowledges_again_what_is_durable_and_was_sent_again(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, true, 5);
    hear_text(&talk, STREAM "5 - t: 1\n");
    acknowledge(&talk, 5);
    assert_said(&talk, "ack 5\n");
    acknowledge(&talk, 5);
    assert_said(&talk, "");
    /* On its way, not on disk: an ack would say too much or nothing new. */
    hear_text(&talk, "6 - t: 1\n6 - t: 1\n");
    acknowledge(&talk, 5);
    assert_said(&talk, "");
    hear_text(&talk, "gap 1 2 x\n");
    acknowledge(&talk, 5);
    assert_said(&talk, "ack 5\n");
    acknowledge(&talk, 6);
    assert_said(&talk, "ack 6\n");
}

static void test_receiver_acknowledgement_without_room_is_still_owed(void **state)
{
    struct talk talk;
    size_t len = 0;

    (void)state;
    begin(&talk, true, 0);
    hear_text(&talk, STREAM "1 - t: 1\n");
    sl_receiver_committed(&talk.receiver, 1);
    assert_int_equal(sl_receiver_acknowledge(&talk.receiver, talk.said, 3, &len), SL_LIMIT);
    assert_int_equal(len, 0);
    acknowledge(&talk, 1);
    assert_said(&talk, "ack 1\n");
}

static void test_receiver_says_refusals_with_number_reason_and_text(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, true, 0);
    hear_text(&talk, STREAM);
    talk.said_len = 0;
    hear_text(&talk, "1 - t: 1e999\n");
    assert_said(&talk, "refused 1 not-finite a value is below 1.8e308 and above -1.8e308\n");
    acknowledge(&talk, 1);
    assert_said(&talk, "ack 1\n");
}

static void test_receiver_plain_session_is_never_answered(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, false, 0);
    hear_text(&talk, "t: 1\nt: nan\nt: 2\n");
    assert_said(&talk, "");
    acknowledge(&talk, 2);
    assert_said(&talk, "");
    assert_int_equal(sl_receiver_bye(&talk.receiver, 0, "draining", "the server stops", talk.said,
                                     sizeof(talk.said), &talk.said_len),
                     SL_OK);
    assert_said(&talk, "");
    hear_text(&talk, "t: 3\n");
    assert_string_equal(talk.steps, "0 t=1|refused 0 not-a-number|0 t=2|");
}

static void test_receiver_bye_is_the_last_line_and_said_once(void **state)
{
    struct talk talk;
    struct sl_receiver *receiver = &talk.receiver;

    (void)state;
    begin(&talk, true, 0);
    hear_text(&talk, STREAM "1 - t: 1\n");
    talk.said_len = 0;
    assert_int_equal(sl_receiver_bye(receiver, -5, "draining", "the server stops", talk.said,
                                     sizeof(talk.said), &talk.said_len),
                     SL_OK);
    assert_said(&talk, "bye 0 draining the server stops\n");
    assert_int_equal(
        sl_receiver_bye(receiver, 1, "again", "", talk.said, sizeof(talk.said), &talk.said_len),
        SL_OK);
    assert_said(&talk, "bye 0 draining the server stops\n");
    acknowledge(&talk, 1);
    assert_said(&talk, "");
    hear_text(&talk, "2 - t: 1\n");
    assert_string_equal(talk.steps, OPENED "1 t=1|");
}

static void test_receiver_after_broken_grammar_still_acknowledges_before_its_bye(void **state)
{
    struct talk talk;

    (void)state;
    begin(&talk, true, 0);
    hear_text(&talk, STREAM "1 - t: 1\nack 1\n2 - t: 2\n");
    assert_string_equal(talk.steps, OPENED "1 t=1|bye not-a-message|");
    acknowledge(&talk, 1);
    assert_said(&talk, "ack 1\n");
    assert_int_equal(sl_receiver_bye(&talk.receiver, INT64_MAX, "not-a-message", "", talk.said,
                                     sizeof(talk.said), &talk.said_len),
                     SL_OK);
    assert_said(&talk, "ack 1\nbye 2147483647 not-a-message\n");
}

static void test_receiver_takes_a_million_lines_without_a_pause(void **state)
{
    enum { LINES = 1000000, CHUNK = 16384, LONGEST = 32 };
    static char chunk[CHUNK];
    struct sl_receiver receiver;
    struct sl_receiver_step step;
    char out[SL_LINE_MAX];
    size_t taken, len = 0;
    int64_t made = 0, seen = 0;

    (void)state;
    sl_receiver_init(&receiver, true, 0);
    sl_receiver_next(&receiver, sl_bytes_of(STREAM), &taken, &step);
    assert_int_equal(sl_receiver_opened(&receiver, 0, 0, sl_bytes_of("a"), out, sizeof(out), &len),
                     SL_OK);
    while (made < LINES) {
        struct sl_bytes in = {.at = chunk, .len = 0};

        while (made < LINES && in.len + LONGEST < CHUNK)
            in.len += (size_t)snprintf(chunk + in.len, LONGEST, "%" PRId64 " - t: 22.5\n", ++made);
        do {
            sl_receiver_next(&receiver, in, &taken, &step);
            in.at += taken;
            in.len -= taken;
            seen += step.kind == SL_STEP_READING && step.seq == seen + 1;
        } while (step.kind != SL_STEP_MORE);
    }
    assert_int_equal(seen, LINES);
    assert_int_equal(receiver.lines, LINES + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receiver_plain_lines_become_readings_and_bad_ones_are_passed_over),
        cmocka_unit_test(test_receiver_acknowledged_lines_make_the_steps_of_the_protocol),
        cmocka_unit_test(test_receiver_broken_grammar_ends_the_session_with_its_reason),
        cmocka_unit_test(test_receiver_first_line_that_is_no_stream_ends_the_session),
        cmocka_unit_test(test_receiver_line_too_long_ends_plain_and_acknowledged_sessions),
        cmocka_unit_test(test_receiver_smaller_line_limit_is_kept),
        cmocka_unit_test(test_receiver_takes_nothing_while_the_store_opens_the_stream),
        cmocka_unit_test(test_receiver_acknowledges_only_what_was_committed_and_only_once),
        cmocka_unit_test(test_receiver_never_acknowledges_beyond_what_this_session_received),
        cmocka_unit_test(test_receiver_acknowledges_again_what_is_durable_and_was_sent_again),
        cmocka_unit_test(test_receiver_acknowledgement_without_room_is_still_owed),
        cmocka_unit_test(test_receiver_says_refusals_with_number_reason_and_text),
        cmocka_unit_test(test_receiver_plain_session_is_never_answered),
        cmocka_unit_test(test_receiver_bye_is_the_last_line_and_said_once),
        cmocka_unit_test(test_receiver_after_broken_grammar_still_acknowledges_before_its_bye),
        cmocka_unit_test(test_receiver_takes_a_million_lines_without_a_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
