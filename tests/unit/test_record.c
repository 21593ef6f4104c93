/* SPDX-License-Identifier: Apache-2.0 */
/* test_record.c -- what the outside of a peer's first bytes tells, however they are split. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

#include <mbedtls/x509_crt.h>

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

/* --- certificates of a client of TLS 1.2 */

/* What stands for certificates here: nothing reads them. A and B begin alike, A and D are one. */
#define A                                                                                          \
    "\x00\x00\x06"                                                                                 \
    "aaaaaa"
#define B                                                                                          \
    "\x00\x00\x06"                                                                                 \
    "aaaaab"
#define C                                                                                          \
    "\x00\x00\x03"                                                                                 \
    "ccc"
#define X                                                                                          \
    "\x00\x00\x06"                                                                                 \
    "aaaaax"
#define Y                                                                                          \
    "\x00\x00\x06"                                                                                 \
    "yyyyyy"
#define Z                                                                                          \
    "\x00\x00\x05"                                                                                 \
    "aaaaa"

struct flight {
    struct sl_bytes messages; /* as they go into handshake records */
    unsigned unknown;
};

#define CERTIFICATES(length, list) "\x0b\x00\x00" length list
#define CLIENT_HELLO                                                                               \
    "\x01\x00\x00\x04"                                                                             \
    "\x0b\x00\x00\x09"
#define KEY_EXCHANGE                                                                               \
    "\x10\x00\x00\x02"                                                                             \
    "\x0b\x0b"

static const struct flight flights[] = {
    {BYTES(CLIENT_HELLO CERTIFICATES("\x03", "\x00\x00\x00")), 0},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x0c", "\x00\x00\x09" X) KEY_EXCHANGE), 0},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x15", "\x00\x00\x12" X A) KEY_EXCHANGE), 0},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x24", "\x00\x00\x21" X A B C A) KEY_EXCHANGE), 0},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x1e", "\x00\x00\x1b" X A Y) KEY_EXCHANGE), 1},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x15", "\x00\x00\x12" X X)), 1},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x14", "\x00\x00\x11" X Z)), 1},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x2f", "\x00\x00\x2c" X Y A X Z)), 3},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x12", "\x00\x00\x0f" X "\0\0\0"
                                             "\0\0\0")),
     2},
    /* A hello twice, as in TLS 1.3, or two messages with certificates: all count. */
    {BYTES(CLIENT_HELLO CLIENT_HELLO CERTIFICATES("\x15", "\x00\x00\x12" X Y)), 1},
    {BYTES(CLIENT_HELLO CERTIFICATES("\x15", "\x00\x00\x12" X Y)
               CERTIFICATES("\x15", "\x00\x00\x12" X Y)),
     2},
    /* A certificate longer than its message ends with it. */
    {BYTES(CLIENT_HELLO CERTIFICATES("\x0f", "\x00\x00\x0c"
                                             "\xff\xff\xff"
                                             "aaaaaaaaa") CERTIFICATES("\x15", "\x00\x00\x12" X Y)),
     1},
    /* The length of the list says nothing: the message's end counts, as for the library. */
    {BYTES(CLIENT_HELLO CERTIFICATES("\x1e", "\x00\x00\x00" X Y Z "\0")), 2},
    /* What comes after the key exchange, or from a server, isn't a client's certificate. */
    {BYTES(CLIENT_HELLO KEY_EXCHANGE CERTIFICATES("\x1e", "\x00\x00\x1b" X Y Y)), 0},
    {BYTES("\x02\x00\x00\x00" CERTIFICATES("\x1e", "\x00\x00\x1b" X Y Y)), 0},
};

static const struct mbedtls_x509_crt *own_cas(void)
{
    static mbedtls_x509_crt cas[3];
    static unsigned char a[] = "aaaaaa", b[] = "aaaaab", c[] = "ccc";

    cas[0] = (mbedtls_x509_crt){.raw = {.p = a, .len = 6}, .next = &cas[1]};
    cas[1] = (mbedtls_x509_crt){.raw = {.p = b, .len = 6}, .next = &cas[2]};
    cas[2] = (mbedtls_x509_crt){.raw = {.p = c, .len = 3}};
    return cas;
}

/* Sends the messages in handshake records of `piece` bytes each, with an alert in between. */
static struct sl_chain look_at(struct sl_bytes messages, size_t piece)
{
    struct sl_record record = {.chain.cas = own_cas()};

    for (size_t at = 0; at < messages.len; at += piece) {
        size_t len = messages.len - at < piece ? messages.len - at : piece;
        uint8_t header[] = {22, 3, 3, (uint8_t)(len >> 8), (uint8_t)len};

        sl_record_look(&record, header, sizeof header);
        sl_record_look(&record, (const uint8_t *)messages.at + at, len);
        sl_record_look(&record, (const uint8_t *)WARNING, sizeof WARNING - 1);
    }
    return record.chain;
}

static void test_record_certificates_above_the_leaf_that_arent_ours_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(flights); i++)
        for (size_t piece = 1; piece <= flights[i].messages.len; piece++) {
            unsigned unknown = look_at(flights[i].messages, piece).unknown;

            if (unknown != flights[i].unknown)
                fail_msg("flight %zu in records of %zu: %u", i, piece, unknown);
        }
}

static void test_record_two_whole_hellos_count_and_no_more(void **state)
{
    static const struct {
        struct sl_bytes messages;
        unsigned hellos;
    } cases[] = {
        {BYTES("\x01\x00\x00\x04\x0b\x00\x00"), 0},
        {BYTES(CLIENT_HELLO), 1},
        {BYTES(CLIENT_HELLO KEY_EXCHANGE), 1},
        {BYTES(CLIENT_HELLO CLIENT_HELLO), 2},
        {BYTES(CLIENT_HELLO CLIENT_HELLO CLIENT_HELLO), 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t piece = 1; piece <= cases[i].messages.len; piece++)
            assert_int_equal(look_at(cases[i].messages, piece).hellos, cases[i].hellos);
}

static void test_record_more_than_one_unknown_certificate_is_too_long(void **state)
{
    struct sl_chain chain = {.unknown = 0};

    (void)state;
    assert_false(sl_chain_too_long(&chain));
    chain.unknown = SL_CHAIN_UNKNOWN_MAX;
    assert_false(sl_chain_too_long(&chain));
    chain.unknown++;
    assert_true(sl_chain_too_long(&chain));
}

static void test_record_the_chain_is_too_long_before_its_second_unknown_certificate_is(void **state)
{
    static const char flight[] = CLIENT_HELLO CERTIFICATES("\x1e", "\x00\x00\x1b" X Y "\0\0\6");
    struct sl_record record = {.chain.cas = NULL};
    uint8_t header[] = {22, 3, 3, 0, sizeof flight - 1};

    (void)state;
    sl_record_look(&record, header, sizeof header);
    sl_record_look(&record, (const uint8_t *)flight, sizeof flight - 2);
    assert_false(sl_chain_too_long(&record.chain));
    sl_record_look(&record, (const uint8_t *)flight + sizeof flight - 2, 1);
    assert_true(sl_chain_too_long(&record.chain));
}

#define CHANGE "\x14\x03\x03\x00\x01\x01"
#define IN_RECORD(length, messages) "\x16\x03\x03\x00" length messages
#define TOO_MANY CERTIFICATES("\x1e", "\x00\x00\x1b" X Y Y)
#define HELLO_RECORD IN_RECORD("\x08", CLIENT_HELLO)
#define CHAIN_RECORD IN_RECORD("\x22", TOO_MANY)

static const struct flight records[] = {
    {BYTES(HELLO_RECORD CHAIN_RECORD), 2},
    /* Encrypted bytes may look like anything: a session resumed in TLS 1.2, and all of TLS 1.3. */
    {BYTES(HELLO_RECORD CHANGE CHAIN_RECORD), 0},
    {BYTES(HELLO_RECORD CHANGE CHANGE CHAIN_RECORD), 0},
    {BYTES(HELLO_RECORD CHANGE HELLO_RECORD CHANGE CHAIN_RECORD), 0},
    {BYTES(HELLO_RECORD "\x17\x03\x03\x00\x22" TOO_MANY), 0},
    /* Where the library could still read it, nothing is hidden from us. */
    {BYTES(CHANGE HELLO_RECORD CHAIN_RECORD), 2},
    {BYTES(HELLO_RECORD CHANGE HELLO_RECORD CHAIN_RECORD), 2},
    {BYTES(IN_RECORD("\x03", "\x01\x00\x00") CHANGE IN_RECORD("\x05", "\x04\x0b\x00\x00\x09")
               CHAIN_RECORD),
     2},
    {BYTES(IN_RECORD("\x06", "\x01\x00\x00\x04\x0b\x00") CHANGE IN_RECORD("\x02", "\x00\x09")
               CHAIN_RECORD),
     2},
};

static void test_record_certificates_are_seen_where_they_are_in_the_clear_and_only_there(
    void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(records); i++) {
        struct sl_record record = {.chain.cas = own_cas()};

        sl_record_look(&record, (const uint8_t *)records[i].messages.at, records[i].messages.len);
        if (record.chain.unknown != records[i].unknown)
            fail_msg("records %zu: %u", i, record.chain.unknown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_split_anywhere_tells_the_same),
        cmocka_unit_test(test_record_byte_by_byte_tells_the_same),
        cmocka_unit_test(test_record_of_greatest_length_is_followed_by_the_next),
        cmocka_unit_test(test_record_alerts_are_told_in_the_rfcs_words),
        cmocka_unit_test(test_record_certificates_above_the_leaf_that_arent_ours_are_counted),
        cmocka_unit_test(test_record_two_whole_hellos_count_and_no_more),
        cmocka_unit_test(test_record_more_than_one_unknown_certificate_is_too_long),
        cmocka_unit_test(
            test_record_the_chain_is_too_long_before_its_second_unknown_certificate_is),
        cmocka_unit_test(
            test_record_certificates_are_seen_where_they_are_in_the_clear_and_only_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
