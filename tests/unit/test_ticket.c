/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ticket.c -- tickets and the keys that seal them, without a handshake: what is in a ticket,
 * how long it counts, and that nobody else can make or change one.
 */
#include "cases.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/certificates.h"
#include "tls/identity.h"
#include "tls/ticket.h"

enum { ROOM = 4096 };

static const int64_t SECOND_US = 1000000;
static const int64_t HOUR_US = INT64_C(3600) * 1000000;

static struct sl_ticket_keys *make_keys(int64_t max_age_us, const char *path)
{
    struct sl_ticket_keys *keys = NULL;
    char error[SL_TEST_ERROR_SIZE];

    if (sl_ticket_keys_new(max_age_us, path, &keys, error, sizeof error) != SL_OK)
        fail_msg("%s", error);
    return keys;
}

/* --- tickets */

#if MBEDTLS_VERSION_NUMBER < 0x03000000

static void make_session(mbedtls_ssl_session *session)
{
    mbedtls_ssl_session_init(session);
}

static void give_certificate(mbedtls_ssl_session *session, mbedtls_x509_crt *certificate)
{
    session->peer_cert = certificate;
}

#else

/* The library saves no session without a version. */
static void make_session(mbedtls_ssl_session *session)
{
    mbedtls_ssl_session_init(session);
    session->MBEDTLS_PRIVATE(tls_version) = MBEDTLS_SSL_VERSION_TLS1_2;
}

static void give_certificate(mbedtls_ssl_session *session, mbedtls_x509_crt *certificate)
{
    session->MBEDTLS_PRIVATE(peer_cert) = certificate;
}

#endif

/* A server's desk, after a full handshake of the sensor `name`. */
struct counter {
    struct sl_trust *trust;
    struct sl_verify full;
    mbedtls_x509_crt leaf;
    mbedtls_ssl_context ssl;
    struct sl_ticket_desk desk;
};

static void counter_open(struct counter *counter, const char *name, struct sl_ticket_keys *keys,
                         int64_t proved_us)
{
    mbedtls_x509_crt ca;

    *counter = (struct counter){.trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL)};
    mbedtls_x509_crt_init(&ca);
    mbedtls_x509_crt_init(&counter->leaf);
    sl_test_certificate("ca", &ca);
    sl_test_certificate(name, &counter->leaf);
    assert_true(sl_identity_fingerprint(&ca, counter->full.issuer));
    mbedtls_x509_crt_free(&ca);
    counter->full.seen = true;
    counter->full.proved_us = proved_us;
    counter->full.leaf = counter->leaf.raw.p;
    counter->full.leaf_len = counter->leaf.raw.len;
    mbedtls_ssl_init(&counter->ssl);
    counter->desk = (struct sl_ticket_desk){
        .keys = keys, .trust = counter->trust, .full = &counter->full, .ssl = &counter->ssl};
}

static void counter_close(struct counter *counter)
{
    sl_ticket_desk_clear(&counter->desk);
    mbedtls_ssl_free(&counter->ssl);
    mbedtls_x509_crt_free(&counter->leaf);
    sl_trust_unref(counter->trust);
}

/* A ticket into `bytes`; its length. */
static size_t write_ticket(struct counter *counter, uint8_t bytes[static ROOM], uint32_t *lifetime)
{
    mbedtls_ssl_session session;
    size_t len = 0;

    make_session(&session);
    assert_int_equal(sl_ticket_write(&counter->desk, &session, bytes, bytes + ROOM, &len, lifetime),
                     0);
    mbedtls_ssl_session_free(&session);
    assert_true(len > SL_SEAL_SIZE + counter->leaf.raw.len);
    return len;
}

/* What the library is told of a ticket; it works on a copy, as the library does. */
static int parse_ticket(struct counter *counter, const uint8_t *bytes, size_t len)
{
    mbedtls_ssl_session session;
    uint8_t copy[ROOM];
    int code;

    memcpy(copy, bytes, len);
    make_session(&session);
    code = sl_ticket_parse(&counter->desk, &session, copy, len);
    mbedtls_ssl_session_free(&session);
    return code;
}

static void test_ticket_says_whose_it_is_and_since_when(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    int64_t proved_us = sl_clock_wall_us() - 60 * SECOND_US;
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime;
    size_t len;

    (void)state;
    counter_open(&counter, "attic", keys, proved_us);
    len = write_ticket(&counter, bytes, &lifetime);
    assert_in_range(lifetime, 3600 - 61 - 5, 3600 - 60);
    assert_int_equal(parse_ticket(&counter, bytes, len), 0);
    assert_true(counter.desk.opened);
    assert_int_equal(counter.desk.leaf.raw.len, counter.leaf.raw.len);
    assert_memory_equal(counter.desk.leaf.raw.p, counter.leaf.raw.p, counter.leaf.raw.len);
    assert_memory_equal(counter.desk.issuer, counter.full.issuer, SL_FINGERPRINT_SIZE);
    assert_int_equal(counter.desk.proved_us, proved_us);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

/* A hello with a ticket must fit in what the server reads of a stranger. */
static void test_ticket_holds_the_certificate_once(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    mbedtls_ssl_session session;
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime;
    size_t without, with;

    (void)state;
    counter_open(&counter, "attic", keys, sl_clock_wall_us());
    without = write_ticket(&counter, bytes, &lifetime);
    make_session(&session);
    give_certificate(&session, &counter.leaf);
    assert_int_equal(
        sl_ticket_write(&counter.desk, &session, bytes, bytes + ROOM, &with, &lifetime), 0);
    assert_int_equal(with, without);
    give_certificate(&session, NULL); /* the counter frees it */
    mbedtls_ssl_session_free(&session);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

static void test_ticket_of_a_resumed_session_counts_from_the_full_handshake(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    int64_t proved_us = sl_clock_wall_us() - 1800 * SECOND_US;
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime;
    size_t len;

    (void)state;
    counter_open(&counter, "attic", keys, proved_us);
    len = write_ticket(&counter, bytes, &lifetime);
    assert_int_equal(parse_ticket(&counter, bytes, len), 0);
    counter.full = (struct sl_verify){0}; /* resumed: no certificate was shown */
    len = write_ticket(&counter, bytes, &lifetime);
    assert_in_range(lifetime, 1700, 1800);
    assert_int_equal(parse_ticket(&counter, bytes, len), 0);
    assert_int_equal(counter.desk.proved_us, proved_us);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

static void test_ticket_too_old_or_of_the_future_is_refused(void **state)
{
    static const int64_t ages_us[] = {INT64_C(3600) * 1000000, INT64_C(3601) * 1000000,
                                      INT64_C(-60) * 1000000, INT64_C(1700000000) * 1000000};
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(ages_us); i++) {
        struct counter counter;
        uint8_t bytes[ROOM];
        uint32_t lifetime;
        size_t len;

        counter_open(&counter, "attic", keys, sl_clock_wall_us() - ages_us[i]);
        len = write_ticket(&counter, bytes, &lifetime);
        assert_int_equal(lifetime, 0);
        assert_int_equal(parse_ticket(&counter, bytes, len),
                         MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED);
        assert_false(counter.desk.opened);
        counter_close(&counter);
    }
    sl_ticket_keys_free(keys);
}

static void test_ticket_of_a_sensor_that_wouldnt_be_admitted_is_refused(void **state)
{
    static const char *const names[] = {"sensor-expired", "sensor-early", "sensor-no-usage",
                                        "name-uri-twice", "name-none"};
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct counter counter;
        uint8_t bytes[ROOM];
        uint32_t lifetime;
        size_t len;

        counter_open(&counter, names[i], keys, sl_clock_wall_us());
        len = write_ticket(&counter, bytes, &lifetime);
        if (parse_ticket(&counter, bytes, len) != MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED)
            fail_msg("the ticket of %s was taken", names[i]);
        assert_false(counter.desk.opened);
        counter_close(&counter);
    }
    sl_ticket_keys_free(keys);
}

static void test_ticket_with_any_bit_changed_is_refused(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime;
    size_t len;

    (void)state;
    counter_open(&counter, "attic", keys, sl_clock_wall_us());
    len = write_ticket(&counter, bytes, &lifetime);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (parse_ticket(&counter, bytes, len) == 0)
            fail_msg("bit %zu may be changed", bit);
        assert_false(counter.desk.opened);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(parse_ticket(&counter, bytes, cut), 0);
    assert_int_equal(parse_ticket(&counter, bytes, len), 0);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

static void test_bad_ticket_after_a_good_one_leaves_nobody(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime;
    size_t len;

    (void)state;
    counter_open(&counter, "attic", keys, sl_clock_wall_us());
    len = write_ticket(&counter, bytes, &lifetime);
    assert_int_equal(parse_ticket(&counter, bytes, len), 0);
    bytes[len - 1] ^= 1;
    assert_int_equal(parse_ticket(&counter, bytes, len), MBEDTLS_ERR_SSL_INVALID_MAC);
    assert_false(counter.desk.opened);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

static void test_ticket_of_nobody_isnt_made(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    mbedtls_ssl_session session;
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime = 7;
    size_t len = 7;

    (void)state;
    counter_open(&counter, "attic", keys, sl_clock_wall_us());
    counter.full = (struct sl_verify){0};
    make_session(&session);
    assert_int_not_equal(
        sl_ticket_write(&counter.desk, &session, bytes, bytes + ROOM, &len, &lifetime), 0);
    assert_int_equal(len, 0);
    assert_int_equal(lifetime, 0);
    mbedtls_ssl_session_free(&session);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

static void test_ticket_without_room_isnt_made(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    mbedtls_ssl_session session;
    struct counter counter;
    uint8_t bytes[ROOM];
    uint32_t lifetime;
    size_t need, len;

    (void)state;
    counter_open(&counter, "attic", keys, sl_clock_wall_us());
    need = write_ticket(&counter, bytes, &lifetime);
    make_session(&session);
    for (size_t room = 0; room < need; room++) {
        assert_int_not_equal(
            sl_ticket_write(&counter.desk, &session, bytes, bytes + room, &len, &lifetime), 0);
        assert_int_equal(len, 0);
    }
    mbedtls_ssl_session_free(&session);
    counter_close(&counter);
    sl_ticket_keys_free(keys);
}

/* --- keys */

static size_t seal(struct sl_ticket_keys *keys, uint8_t out[static ROOM])
{
    assert_int_equal(sl_ticket_keys_seal(keys, (const uint8_t *)"twelve bytes", 12, out), SL_OK);
    return 12 + SL_SEAL_SIZE;
}

static bool opens(struct sl_ticket_keys *keys, const uint8_t *sealed, size_t len)
{
    uint8_t copy[ROOM];

    memcpy(copy, sealed, len);
    if (sl_ticket_keys_open(keys, copy, &len) != SL_OK)
        return false;
    assert_int_equal(len, 12);
    assert_memory_equal(copy, "twelve bytes", 12);
    return true;
}

static void turn(struct sl_ticket_keys *keys, int64_t now_us)
{
    char error[SL_TEST_ERROR_SIZE];

    if (sl_ticket_keys_turn(keys, now_us, error, sizeof error) != SL_OK)
        fail_msg("%s", error);
}

static void test_keys_open_what_they_sealed_for_one_period_more(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    struct sl_ticket_keys *others = make_keys(HOUR_US, NULL);
    int64_t now_us = sl_clock_wall_us();
    uint8_t first[ROOM], second[ROOM], third[ROOM];
    size_t len;

    (void)state;
    len = seal(keys, first);
    assert_true(opens(keys, first, len));
    assert_false(opens(others, first, len));
    turn(keys, now_us + HOUR_US / 2);
    (void)seal(keys, second);
    assert_memory_equal(first, second, 8); /* the same key still, by its name */
    turn(keys, now_us + HOUR_US + SECOND_US);
    (void)seal(keys, third);
    assert_memory_not_equal(first, third, 8);
    assert_true(opens(keys, first, len));
    turn(keys, now_us + 2 * HOUR_US + 2 * SECOND_US);
    assert_false(opens(keys, first, len));
    assert_true(opens(keys, third, len));
    sl_ticket_keys_free(others);
    sl_ticket_keys_free(keys);
}

static void test_keys_older_than_any_ticket_are_forgotten_at_once(void **state)
{
    struct sl_ticket_keys *keys = make_keys(HOUR_US, NULL);
    uint8_t sealed[ROOM];
    size_t len;

    (void)state;
    len = seal(keys, sealed);
    turn(keys, sl_clock_wall_us() + 3 * HOUR_US);
    assert_false(opens(keys, sealed, len));
    /* The clock stepped back: when that key was made is unknown, so it goes as well. */
    len = seal(keys, sealed);
    turn(keys, sl_clock_wall_us());
    assert_false(opens(keys, sealed, len));
    sl_ticket_keys_free(keys);
}

struct folder {
    char path[64];
    char file[96];
};

static void make_folder(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof folder->path, "/tmp/sl-ticket-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->file, sizeof folder->file, "%s/keys", folder->path);
}

static void remove_folder(const struct folder *folder)
{
    (void)unlink(folder->file);
    assert_int_equal(rmdir(folder->path), 0); /* nothing else was left in it */
}

static void test_keys_in_a_file_survive_a_restart(void **state)
{
    struct folder folder;
    struct sl_ticket_keys *keys;
    uint8_t first[ROOM], second[ROOM];
    struct stat info;
    size_t len;

    (void)state;
    make_folder(&folder);
    keys = make_keys(HOUR_US, folder.file);
    assert_int_equal(stat(folder.file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    len = seal(keys, first);
    turn(keys, sl_clock_wall_us() + HOUR_US + SECOND_US);
    (void)seal(keys, second);
    sl_ticket_keys_free(keys);

    /* Both keys are there, but the newest is from the future now, after a clock stepped back. */
    keys = make_keys(HOUR_US, folder.file);
    assert_false(opens(keys, second, len));
    sl_ticket_keys_free(keys);

    (void)unlink(folder.file);
    keys = make_keys(HOUR_US, folder.file);
    len = seal(keys, first);
    sl_ticket_keys_free(keys);
    keys = make_keys(HOUR_US, folder.file);
    assert_true(opens(keys, first, len));
    sl_ticket_keys_free(keys);
    remove_folder(&folder);
}

static void assert_file_refused(const struct folder *folder, const char *said)
{
    struct sl_ticket_keys *keys = NULL;
    char error[SL_TEST_ERROR_SIZE];

    assert_int_equal(sl_ticket_keys_new(HOUR_US, folder->file, &keys, error, sizeof error),
                     SL_BAD_INPUT);
    assert_null(keys);
    if (strstr(error, said) == NULL)
        fail_msg("'%s' isn't said: %s", said, error);
}

static void write_file(const struct folder *folder, const char *text, mode_t mode)
{
    int fd = open(folder->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    assert_int_equal(chmod(folder->file, mode), 0);
}

static void test_keys_file_that_others_can_read_is_refused(void **state)
{
    struct folder folder;

    (void)state;
    make_folder(&folder);
    sl_ticket_keys_free(make_keys(HOUR_US, folder.file));
    assert_int_equal(chmod(folder.file, 0640), 0);
    assert_file_refused(&folder, "can be read by others (mode 640)");
    remove_folder(&folder);
}

/* Root reads everybody's files, and must not take keys that somebody else made up. */
static void test_keys_file_of_another_user_is_refused(void **state)
{
    struct folder folder;

    (void)state;
    if (geteuid() != 0)
        skip();
    make_folder(&folder);
    sl_ticket_keys_free(make_keys(HOUR_US, folder.file));
    assert_int_equal(chown(folder.file, 1, (gid_t)-1), 0);
    assert_file_refused(&folder, "belongs to another user (1)");
    remove_folder(&folder);
}

static void test_keys_file_of_anything_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "sensorlink ticket keys 2\n",
        "sensorlink ticket keys 1\nrubbish\n",
        "sensorlink ticket keys 1\n0 0011223344556677 "
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
        "sensorlink ticket keys 1\n1764000000000000 00112233445566 "
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
        "sensorlink ticket keys 1\n1764000000000000 0011223344556677 00112233445566778899\n",
    };
    struct folder folder;

    (void)state;
    make_folder(&folder);
    for (size_t i = 0; i < COUNT(texts); i++) {
        write_file(&folder, texts[i], 0600);
        assert_file_refused(&folder, "isn't a file of ticket keys");
    }
    remove_folder(&folder);
}

static void test_keys_file_that_cant_be_written_is_said(void **state)
{
    struct sl_ticket_keys *keys = NULL;
    char error[SL_TEST_ERROR_SIZE];

    (void)state;
    assert_int_equal(sl_ticket_keys_new(HOUR_US, "/nonexistent/keys", &keys, error, sizeof error),
                     SL_IO);
    assert_non_null(strstr(error, "--ticket-keys /nonexistent/keys can't be written: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticket_says_whose_it_is_and_since_when),
        cmocka_unit_test(test_ticket_holds_the_certificate_once),
        cmocka_unit_test(test_ticket_of_a_resumed_session_counts_from_the_full_handshake),
        cmocka_unit_test(test_ticket_too_old_or_of_the_future_is_refused),
        cmocka_unit_test(test_ticket_of_a_sensor_that_wouldnt_be_admitted_is_refused),
        cmocka_unit_test(test_ticket_with_any_bit_changed_is_refused),
        cmocka_unit_test(test_bad_ticket_after_a_good_one_leaves_nobody),
        cmocka_unit_test(test_ticket_of_nobody_isnt_made),
        cmocka_unit_test(test_ticket_without_room_isnt_made),
        cmocka_unit_test(test_keys_open_what_they_sealed_for_one_period_more),
        cmocka_unit_test(test_keys_older_than_any_ticket_are_forgotten_at_once),
        cmocka_unit_test(test_keys_in_a_file_survive_a_restart),
        cmocka_unit_test(test_keys_file_that_others_can_read_is_refused),
        cmocka_unit_test(test_keys_file_of_another_user_is_refused),
        cmocka_unit_test(test_keys_file_of_anything_else_is_refused),
        cmocka_unit_test(test_keys_file_that_cant_be_written_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
