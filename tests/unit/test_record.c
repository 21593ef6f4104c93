/* SPDX-License-Identifier: Apache-2.0 */
/* test_record.c -- what the outside of a peer's first bytes tells, however they are split. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include "support/guard.h"
#include "tls/record.h"

#define HELLO "\x16\x03\x01\x00\x04\x01\x00\x00\x00"
#define UNKNOWN_CA "\x15\x03\x03\x00\x02\x02\x30"
#define WARNING "\x15\x03\x03\x00\x02\x01\x64"
/* An alert record as it is when encrypted: longer than two bytes. */
#define SECRET "\x15\x03\x03\x00\x0a\x02\x30\x02\x30\x02\x30\x02\x30\x02\x30"
#define DATA "\x17\x03\x03\x00\x03\x15\x03\x03"

struct stream {
    struct sl_bytes bytes;
    int alert;
    enum sl_record_speech speech;
};

static const struct stream streams[] = {
    {BYTES(""), SL_ALERT_NONE, SL_SPEECH_NOTHING},
    {BYTES(HELLO), SL_ALERT_NONE, SL_SPEECH_TLS},
    {BYTES("\x16"), SL_ALERT_NONE, SL_SPEECH_TLS},
    {BYTES(UNKNOWN_CA), 48, SL_SPEECH_TLS},
    {BYTES(HELLO UNKNOWN_CA), 48, SL_SPEECH_TLS},
    {BYTES(HELLO HELLO WARNING UNKNOWN_CA), 48, SL_SPEECH_TLS},
    {BYTES(HELLO WARNING), 100, SL_SPEECH_TLS},
    {BYTES(HELLO SECRET), SL_ALERT_NONE, SL_SPEECH_TLS},
    /* What looks like an alert inside another record is none. */
    {BYTES(HELLO DATA), SL_ALERT_NONE, SL_SPEECH_TLS},
    {BYTES(HELLO "\x15\x03\x03\x00\x02\x02"), SL_ALERT_NONE, SL_SPEECH_TLS},
    {BYTES(HELLO "\x15\x03\x03\x00\x00" UNKNOWN_CA), 48, SL_SPEECH_TLS},
    {BYTES(HELLO "\x15\x03\x03\x00\x01\x02" HELLO), SL_ALERT_NONE, SL_SPEECH_TLS},
    {BYTES("GET / HTTP/1.1\r\n\r\n"), SL_ALERT_NONE, SL_SPEECH_HTTP},
    {BYTES("POST /x HTTP/1.1\r\n"), SL_ALERT_NONE, SL_SPEECH_HTTP},
    {BYTES("PRI * HTTP/2.0\r\n"), SL_ALERT_NONE, SL_SPEECH_HTTP},
    {BYTES("OPTIONS * HTTP/1.1"), SL_ALERT_NONE, SL_SPEECH_HTTP},
    {BYTES("temperature: 15\n"), SL_ALERT_NONE, SL_SPEECH_TEXT},
    {BYTES("GETTING: 15\n"), SL_ALERT_NONE, SL_SPEECH_TEXT},
    {BYTES("\r\n\r\n"), SL_ALERT_NONE, SL_SPEECH_TEXT},
    {BYTES("~\x7f"), SL_ALERT_NONE, SL_SPEECH_OTHER},
    {BYTES("\x80\x2e\x01\x03\x01"), SL_ALERT_NONE, SL_SPEECH_OTHER},
    {BYTES("\x16\x02\x00\x00\x01"), SL_ALERT_NONE, SL_SPEECH_OTHER},
    {BYTES("\x00"), SL_ALERT_NONE, SL_SPEECH_OTHER},
};

static void assert_seen(const struct sl_record *record, const struct stream *stream, size_t number,
                        size_t split)
{
    if (sl_record_alert(record) != stream->alert)
        fail_msg("stream %zu split at %zu: alert %d", number, split, sl_record_alert(record));
    if (sl_record_speech(record) != stream->speech)
        fail_msg("stream %zu split at %zu: speech %d", number, split,
                 (int)sl_record_speech(record));
}

static void look(struct sl_record *record, struct sl_guard *guard, struct sl_bytes bytes)
{
    struct sl_bytes copy = sl_guard_at_end(guard, bytes);

    sl_record_look(record, (const uint8_t *)copy.at, copy.len);
}

static void test_record_split_anywhere_tells_the_same(void **state)
{
    struct sl_guard guard;

    (void)state;
    sl_guard_open(&guard);
    for (size_t i = 0; i < COUNT(streams); i++)
        for (size_t split = 0; split <= streams[i].bytes.len; split++) {
            struct sl_bytes head = {streams[i].bytes.at, split};
            struct sl_bytes tail = {streams[i].bytes.at + split, streams[i].bytes.len - split};
            struct sl_record record = {0};

            look(&record, &guard, head);
            look(&record, &guard, tail);
            assert_seen(&record, &streams[i], i, split);
        }
    sl_guard_close(&guard);
}

static void test_record_byte_by_byte_tells_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(streams); i++) {
        struct sl_record record = {0};

        for (size_t at = 0; at < streams[i].bytes.len; at++)
            sl_record_look(&record, (const uint8_t *)streams[i].bytes.at + at, 1);
        assert_seen(&record, &streams[i], i, 1);
    }
}

static void test_record_of_greatest_length_is_followed_by_the_next(void **state)
{
    static uint8_t big[SL_RECORD_HEADER + 65535] = {23, 3, 3, 0xff, 0xff};
    struct sl_record record = {0};

    (void)state;
    memset(big + SL_RECORD_HEADER, 0x15, sizeof big - SL_RECORD_HEADER);
    sl_record_look(&record, big, sizeof big);
    assert_int_equal(sl_record_alert(&record), SL_ALERT_NONE);
    sl_record_look(&record, (const uint8_t *)UNKNOWN_CA, sizeof UNKNOWN_CA - 1);
    assert_int_equal(sl_record_alert(&record), 48);
}

static const char *printed(int alert)
{
    static char text[160];

    sl_record_print_alert(alert, text, sizeof text);
    return text;
}

static void test_record_alerts_are_told_in_the_rfcs_words(void **state)
{
    (void)state;
    assert_int_equal(strncmp(printed(48), "alert unknown_ca: ", 18), 0);
    assert_int_equal(strncmp(printed(116), "alert certificate_required: ", 28), 0);
    assert_string_equal(printed(10), "alert unexpected_message");
    assert_string_equal(printed(0), "alert close_notify");
    assert_string_equal(printed(255), "an alert");
    assert_string_equal(printed(SL_ALERT_NONE), "an encrypted alert");
    /* Every description there is, and a text with too little room. */
    for (int alert = -1; alert < 256; alert++) {
        char small[8];

        assert_non_null(strstr(printed(alert), "alert"));
        sl_record_print_alert(alert, small, sizeof small);
        assert_true(strlen(small) < sizeof small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_split_anywhere_tells_the_same),
        cmocka_unit_test(test_record_byte_by_byte_tells_the_same),
        cmocka_unit_test(test_record_of_greatest_length_is_followed_by_the_next),
        cmocka_unit_test(test_record_alerts_are_told_in_the_rfcs_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
