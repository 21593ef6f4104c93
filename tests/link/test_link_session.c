/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_session.c -- what a session does once it is up: bursts, peers that don't read, empty
 * records, goodbyes and cuts, damage, renegotiation, and plain lines.
 */
#include "unit/cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ends.h"
#include "raw_peer.h"
#include "support/certificates.h"

enum { BUDGET = 3072, ROUNDS = 400, BURST = 1 << 20 };

struct place {
    struct sl_trust *server_trust;
    struct sl_trust *sensor_trust;
    struct sl_memory_link link;
    struct sl_session *server;
    struct sl_session *sensor; /* null where a raw peer plays the sensor */
    struct raw_peer raw;
    bool has_raw;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);

    assert_non_null(place);
    place->server_trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL);
    place->sensor_trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL);
    sl_memory_link_init(&place->link);
    assert_int_equal(sl_session_new_server(place->server_trust, sl_memory_server(&place->link),
                                           BUDGET, &place->server),
                     SL_OK);
    *state = place;
    return 0;
}

static int clear_place(void **state)
{
    struct place *place = *state;

    sl_session_free(place->server);
    sl_session_free(place->sensor);
    if (place->has_raw)
        raw_close(&place->raw);
    sl_memory_link_clear(&place->link);
    sl_trust_unref(place->server_trust);
    sl_trust_unref(place->sensor_trust);
    free(place);
    return 0;
}

/* Our sensor's session and the server's, both up. */
static void connect_sensor(struct place *place)
{
    enum sl_status sensor = SL_WANT_READ, server = SL_WANT_READ;

    assert_int_equal(sl_session_new_client(place->sensor_trust, sl_memory_sensor(&place->link),
                                           "localhost", &place->sensor),
                     SL_OK);
    for (int round = 0; round < ROUNDS && (sensor != SL_OK || server != SL_OK); round++) {
        if (sensor != SL_OK)
            sensor = sl_session_handshake(place->sensor);
        if (server != SL_OK)
            server = sl_session_handshake(place->server);
    }
    assert_int_equal(sensor, SL_OK);
    assert_int_equal(server, SL_OK);
}

/* A raw sensor and the server's session, both up. */
static void connect_raw(struct place *place, const struct raw_options *options)
{
    enum sl_status server = SL_WANT_READ;

    raw_open(&place->raw, options, sl_memory_sensor(&place->link));
    place->has_raw = true;
    for (int round = 0; round < ROUNDS; round++) {
        (void)raw_handshake(&place->raw);
        if (server != SL_OK)
            server = sl_session_handshake(place->server);
    }
    assert_int_equal(server, SL_OK);
    assert_int_equal(place->raw.code, 0);
}

static void raw_write(struct place *place, const char *text, size_t len)
{
    assert_int_equal(mbedtls_ssl_write(&place->raw.ssl, (const unsigned char *)text, len), len);
}

static void server_reads(struct place *place, const char *text)
{
    char bytes[256];
    size_t len = 0;

    assert_int_equal(sl_session_read(place->server, bytes, sizeof bytes, &len), SL_OK);
    assert_bytes((struct sl_bytes){bytes, len}, text);
}

/* --- bursts */

/* Byte number `at` of a burst: any shift or loss shows. */
static char burst_byte(size_t at)
{
    return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

struct burst {
    struct sl_session *from;
    struct sl_session *to;
    size_t written;
    size_t read;
};

static void write_burst(struct burst *burst, size_t size)
{
    char bytes[5000];
    size_t taken = 0;
    enum sl_status status = SL_OK;

    while (status == SL_OK && burst->written < size) {
        size_t len = size - burst->written < sizeof bytes ? size - burst->written : sizeof bytes;

        for (size_t i = 0; i < len; i++)
            bytes[i] = burst_byte(burst->written + i);
        status = sl_session_write(burst->from, (struct sl_bytes){bytes, len}, &taken);
        if (status == SL_OK)
            burst->written += taken;
    }
    assert_true(status == SL_OK || status == SL_WANT_WRITE);
    status = sl_session_flush(burst->from);
    assert_true(status == SL_OK || status == SL_WANT_WRITE);
}

static void read_burst(struct burst *burst)
{
    char bytes[SL_SESSION_RECORD_MAX];
    size_t len = 0;
    enum sl_status status;

    while ((status = sl_session_read(burst->to, bytes, sizeof bytes, &len)) == SL_OK) {
        for (size_t i = 0; i < len; i++)
            if (bytes[i] != burst_byte(burst->read + i))
                fail_msg("byte %zu isn't what was written", burst->read + i);
        burst->read += len;
    }
    assert_int_equal(status, SL_WANT_READ);
}

static void test_link_large_bursts_both_ways_arrive_whole(void **state)
{
    struct place *place = *state;

    connect_sensor(place);
    sl_memory_limit(&place->link, 4096, 1500);

    struct burst up = {.from = place->sensor, .to = place->server};
    struct burst down = {.from = place->server, .to = place->sensor};

    for (int round = 0; round < 100000 && (up.read < BURST || down.read < BURST); round++) {
        write_burst(&up, BURST);
        write_burst(&down, BURST);
        read_burst(&up);
        read_burst(&down);
    }
    assert_int_equal(up.read, BURST);
    assert_int_equal(down.read, BURST);
    assert_int_equal(sl_session_waiting(place->server), 0);
}

static void test_link_peer_that_does_not_read_makes_write_wait_and_loses_nothing(void **state)
{
    struct place *place = *state;

    connect_sensor(place);
    sl_memory_limit(&place->link, 1000, 1000);

    struct burst down = {.from = place->server, .to = place->sensor};
    char byte = 'x';
    size_t taken = 0, waiting;

    write_burst(&down, BURST);
    assert_true(down.written < BURST);
    assert_int_equal(sl_session_write(place->server, (struct sl_bytes){&byte, 1}, &taken),
                     SL_WANT_WRITE);
    waiting = sl_session_waiting(place->server);
    assert_true(waiting >= SL_SESSION_OUT_MAX &&
                waiting < SL_SESSION_OUT_MAX + SL_SESSION_RECORD_MAX + 256);
    /* Asking again and again makes nothing grow. */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(sl_session_write(place->server, (struct sl_bytes){&byte, 1}, &taken),
                         SL_WANT_WRITE);
    assert_int_equal(sl_session_waiting(place->server), waiting);
    for (int round = 0; round < 100000 && down.read < BURST; round++) {
        read_burst(&down);
        write_burst(&down, BURST);
    }
    assert_int_equal(down.read, BURST);
    assert_int_equal(sl_session_waiting(place->server), 0);
}

static void test_link_write_takes_at_most_one_record(void **state)
{
    static char big[3 * SL_SESSION_RECORD_MAX];
    struct place *place = *state;
    size_t taken = 0;

    connect_sensor(place);
    assert_int_equal(sl_session_write(place->sensor, (struct sl_bytes){big, sizeof big}, &taken),
                     SL_OK);
    assert_int_equal(taken, SL_SESSION_RECORD_MAX);
}

/* --- goodbyes and cuts */

static void test_link_close_notify_is_told_from_a_cut(void **state)
{
    struct place *place = *state;
    char byte;
    size_t len = 0;

    connect_sensor(place);
    assert_int_equal(sl_session_close(place->sensor), SL_OK);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_CLOSED);
    /* The other direction is open until the server says goodbye too. */
    assert_int_equal(sl_session_read(place->sensor, &byte, 1, &len), SL_WANT_READ);
    sl_memory_cut(&place->link, SL_MEMORY_UP, 0, false);
    assert_int_equal(sl_session_read(place->sensor, &byte, 1, &len), SL_CUT);
    assert_int_equal(sl_session_refusal(place->sensor)->reason, SL_REASON_NONE);
}

static void test_link_what_was_sent_before_goodbye_is_read_first(void **state)
{
    struct place *place = *state;
    size_t taken = 0, len = 0;
    char byte;

    connect_sensor(place);
    assert_int_equal(sl_session_write(place->sensor, sl_bytes_of("last words\n"), &taken), SL_OK);
    assert_int_equal(sl_session_close(place->sensor), SL_OK);
    server_reads(place, "last words\n");
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_CLOSED);
}

static void test_link_goodbye_behind_waiting_bytes_arrives_after_them(void **state)
{
    struct place *place = *state;
    enum sl_status status = SL_WANT_WRITE;
    size_t got = 0, len = 0;
    char bytes[4096];

    connect_sensor(place);
    sl_memory_limit(&place->link, 100, 100);

    struct burst up = {.from = place->sensor, .to = place->server};

    write_burst(&up, 20000);
    assert_int_equal(up.written, 20000);
    assert_int_equal(sl_session_close(place->sensor), SL_WANT_WRITE);
    for (int round = 0; round < 10000 && status != SL_CLOSED; round++) {
        enum sl_status flushed = sl_session_flush(place->sensor);

        assert_true(flushed == SL_OK || flushed == SL_WANT_WRITE);
        while ((status = sl_session_read(place->server, bytes, sizeof bytes, &len)) == SL_OK)
            got += len;
    }
    assert_int_equal(status, SL_CLOSED);
    assert_int_equal(got, 20000);
}

static void test_link_cut_in_the_middle_of_a_record_gives_none_of_it(void **state)
{
    struct place *place = *state;
    size_t taken = 0, len = 0;
    char byte;

    connect_sensor(place);
    sl_memory_cut(&place->link, SL_MEMORY_UP, sl_memory_sent(&place->link, SL_MEMORY_UP) + 20,
                  false);
    assert_int_equal(sl_session_write(place->sensor, sl_bytes_of("temperature: 22\n"), &taken),
                     SL_OK);
    assert_int_equal(sl_session_flush(place->sensor), SL_CUT);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_WANT_READ);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_CUT);
}

static void test_link_server_receives_many_records_at_once(void **state)
{
    enum { RECORDS = 100 };
    static const char line[] = "temperature: 22\n";
    struct place *place = *state;
    int64_t *receives = &place->link.pipes[SL_MEMORY_UP].receives;
    int64_t before;
    size_t taken = 0, len = 0;
    char byte;

    connect_sensor(place);
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(sl_session_write(place->sensor, sl_bytes_of(line), &taken), SL_OK);
    assert_int_equal(sl_session_flush(place->sensor), SL_OK);
    before = *receives;
    for (int i = 0; i < RECORDS; i++)
        server_reads(place, line);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_WANT_READ);
    assert_int_equal(*receives, before + 1);

    /* What came since is found, though nobody was told that it came. */
    assert_int_equal(sl_session_write(place->sensor, sl_bytes_of(line), &taken), SL_OK);
    assert_int_equal(sl_session_flush(place->sensor), SL_OK);
    server_reads(place, line);
}

static void test_link_damaged_record_breaks_the_session(void **state)
{
    struct place *place = *state;
    struct sl_memory_pipe *pipe = &place->link.pipes[SL_MEMORY_UP];
    size_t taken = 0, len = 0;
    char bytes[64];

    connect_sensor(place);
    assert_int_equal(sl_session_write(place->sensor, sl_bytes_of("temperature: 22\n"), &taken),
                     SL_OK);
    assert_int_equal(sl_session_flush(place->sensor), SL_OK);
    assert_true(pipe->bytes.len > 20);
    pipe->bytes.at[pipe->bytes.len - 1] ^= 1;
    assert_int_equal(sl_session_read(place->server, bytes, sizeof bytes, &len), SL_IO);
    assert_int_equal(sl_session_refusal(place->server)->reason, SL_REASON_TLS_BROKEN);
    assert_false(sl_session_established(place->server));
    assert_int_equal(sl_session_read(place->server, bytes, sizeof bytes, &len), SL_IO);
    assert_int_equal(sl_session_write(place->server, sl_bytes_of("x"), &taken), SL_IO);
}

static void test_link_record_sent_twice_breaks_the_session(void **state)
{
    struct place *place = *state;
    struct sl_memory_pipe *pipe = &place->link.pipes[SL_MEMORY_UP];
    struct sl_transport stranger = sl_memory_sensor(&place->link);
    size_t taken = 0, len = 0, sent = 0;
    char bytes[64], record[256];

    connect_sensor(place);
    assert_int_equal(sl_session_write(place->sensor, sl_bytes_of("temperature: 22\n"), &taken),
                     SL_OK);
    assert_int_equal(sl_session_flush(place->sensor), SL_OK);

    size_t size = pipe->bytes.len;

    assert_true(size < sizeof record);
    memcpy(record, pipe->bytes.at, size);
    assert_int_equal(stranger.send(stranger.ctx, record, size, &sent), SL_OK);
    server_reads(place, "temperature: 22\n");
    assert_int_equal(sl_session_read(place->server, bytes, sizeof bytes, &len), SL_IO);
    assert_int_equal(sl_session_refusal(place->server)->reason, SL_REASON_TLS_BROKEN);
}

static void test_link_session_before_its_handshake_reads_and_writes_nothing(void **state)
{
    struct place *place = *state;
    size_t len = 0;
    char byte = 'x';

    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_IO);
    assert_int_equal(sl_session_write(place->server, (struct sl_bytes){&byte, 1}, &len), SL_IO);
    assert_false(sl_session_established(place->server));
    assert_false(sl_session_acknowledged(place->server));
    assert_int_equal(sl_session_close(place->server), SL_OK);
    assert_int_equal(sl_memory_sent(&place->link, SL_MEMORY_DOWN), 0);
}

/* --- records that carry nothing */

static void test_link_few_empty_records_are_passed_over(void **state)
{
    static const struct raw_options options = {.name = "attic", .alpn = true, .version = RAW_TLS12};
    struct place *place = *state;
    size_t len = 0;
    char byte;

    connect_raw(place, &options);
    for (int i = 0; i < 2; i++)
        raw_write(place, "", 0);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_WANT_READ);
    raw_write(place, "", 0);
    raw_write(place, "temperature: 22\n", 16);
    server_reads(place, "temperature: 22\n");
}

static void test_link_many_empty_records_break_the_session(void **state)
{
    static const struct raw_options options = {.name = "attic", .alpn = true, .version = RAW_TLS12};
    struct place *place = *state;
    size_t len = 0;
    char byte;

    connect_raw(place, &options);
    for (int i = 0; i < 100; i++)
        raw_write(place, "", 0);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_IO);
    assert_int_equal(sl_session_refusal(place->server)->reason, SL_REASON_TLS_BROKEN);
}

/*
 * The library reads over warnings inside one call, so without a bound they could hold a thread for
 * ever.
 */
static void test_link_endless_warnings_break_the_session(void **state)
{
    static const struct raw_options options = {.name = "attic", .alpn = true, .version = RAW_TLS12};
    struct place *place = *state;
    size_t len = 0;
    char byte;

    connect_raw(place, &options);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(mbedtls_ssl_send_alert_message(&place->raw.ssl,
                                                        MBEDTLS_SSL_ALERT_LEVEL_WARNING,
                                                        MBEDTLS_SSL_ALERT_MSG_USER_CANCELED),
                         0);
    assert_int_equal(sl_session_read(place->server, &byte, 1, &len), SL_IO);
    assert_int_equal(sl_session_refusal(place->server)->reason, SL_REASON_TLS_BROKEN);
}

/* --- renegotiation */

static void test_link_server_does_not_renegotiate(void **state)
{
    static const struct raw_options options = {
        .name = "attic", .alpn = true, .version = RAW_TLS12, .renegotiation = true};
    struct place *place = *state;
    enum sl_status status = SL_WANT_READ;
    int64_t before, answered;
    size_t taken = 0, len = 0;
    int code = 0;
    char bytes[64];

    connect_raw(place, &options);
    before = sl_memory_sent(&place->link, SL_MEMORY_DOWN);
    for (int round = 0; round < ROUNDS && status == SL_WANT_READ; round++) {
        if (code == 0 || code == MBEDTLS_ERR_SSL_WANT_READ)
            code = mbedtls_ssl_renegotiate(&place->raw.ssl);
        assert_int_not_equal(code, 0);
        status = sl_session_read(place->server, bytes, sizeof bytes, &len);
        assert_int_not_equal(status, SL_OK);
        assert_int_equal(sl_session_flush(place->server), SL_OK);
    }
    /* An alert at most, where a handshake would be hundreds of bytes. */
    answered = sl_memory_sent(&place->link, SL_MEMORY_DOWN) - before;
    assert_true(answered > 0 && answered < 64);
    assert_int_not_equal(code, MBEDTLS_ERR_SSL_WANT_READ); /* The asker was told. */
    /* The session that is up stays up, or ends: either is a refusal. */
    if (status == SL_WANT_READ)
        assert_int_equal(sl_session_write(place->server, sl_bytes_of("x"), &taken), SL_OK);
    else
        assert_int_equal(status, SL_IO);
}

/* --- what both agreed on */

static void test_link_sessions_say_what_they_agreed_on(void **state)
{
    struct place *place = *state;

    connect_sensor(place);
    assert_true(sl_session_acknowledged(place->server));
    assert_true(sl_session_acknowledged(place->sensor));
    assert_string_equal(sl_session_protocol(place->server),
                        sl_compat_has_tls13() ? "TLSv1.3" : "TLSv1.2");
    assert_string_equal(sl_session_protocol(place->server), sl_session_protocol(place->sensor));
    assert_string_equal(sl_session_suite(place->server), sl_session_suite(place->sensor));
    assert_non_null(strstr(sl_session_suite(place->server), "CCM"));
    assert_null(strstr(sl_session_suite(place->server), "CCM-8"));
}

static void test_link_sensor_without_alpn_speaks_plain_lines(void **state)
{
    struct place *place = *state;

    for (const enum raw_version *version = raw_versions(); *version != RAW_ANY; version++) {
        struct raw_options options = {.name = "attic", .version = *version};
        struct sl_memory_link link;
        struct server_end server;
        struct raw_peer raw;
        struct disk disk;
        static const char lines[] = "n: 1\nn: 2\r\n\nn: 3\n";

        disk_open(&disk);
        sl_memory_link_init(&link);
        server_open(&server, &disk, place->server_trust, &link);
        raw_open(&raw, &options, sl_memory_sensor(&link));
        for (int round = 0; round < ROUNDS; round++) {
            (void)raw_handshake(&raw);
            server_step(&server);
        }
        assert_non_null(server.peer);
        assert_false(sl_session_acknowledged(server.session));

        int64_t answered = sl_memory_sent(&link, SL_MEMORY_DOWN);

        for (size_t i = 0; i < sizeof lines - 1; i++)
            assert_int_equal(mbedtls_ssl_write(&raw.ssl, (const unsigned char *)lines + i, 1), 1);
        server_step(&server);
        server_step(&server); /* What came in one step is on disk by the next one. */
        assert_null(server.fault);
        assert_int_equal(server.status, SL_WANT_READ);
        disk_holds(&disk, "attic", 3);
        assert_int_equal(sl_memory_sent(&link, SL_MEMORY_DOWN), answered); /* not a byte */
        (void)mbedtls_ssl_close_notify(&raw.ssl);
        server_step(&server);
        assert_int_equal(server.status, SL_CLOSED);
        raw_close(&raw);
        server_close(&server);
        sl_memory_link_clear(&link);
        disk_close(&disk);
    }
}

#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_PLACE(test_link_large_bursts_both_ways_arrive_whole),
        AT_PLACE(test_link_peer_that_does_not_read_makes_write_wait_and_loses_nothing),
        AT_PLACE(test_link_write_takes_at_most_one_record),
        AT_PLACE(test_link_close_notify_is_told_from_a_cut),
        AT_PLACE(test_link_what_was_sent_before_goodbye_is_read_first),
        AT_PLACE(test_link_goodbye_behind_waiting_bytes_arrives_after_them),
        AT_PLACE(test_link_cut_in_the_middle_of_a_record_gives_none_of_it),
        AT_PLACE(test_link_server_receives_many_records_at_once),
        AT_PLACE(test_link_damaged_record_breaks_the_session),
        AT_PLACE(test_link_record_sent_twice_breaks_the_session),
        AT_PLACE(test_link_session_before_its_handshake_reads_and_writes_nothing),
        AT_PLACE(test_link_few_empty_records_are_passed_over),
        AT_PLACE(test_link_many_empty_records_break_the_session),
        AT_PLACE(test_link_endless_warnings_break_the_session),
        AT_PLACE(test_link_server_does_not_renegotiate),
        AT_PLACE(test_link_sessions_say_what_they_agreed_on),
        AT_PLACE(test_link_sensor_without_alpn_speaks_plain_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
