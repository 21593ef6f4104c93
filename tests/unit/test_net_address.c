/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_net_address.c -- addresses as text, as keys of limits, and looked up.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net_fixture.h"

static void test_address_good_texts_print_as_what_they_mean(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } table[] = {
        {"127.0.0.1:23456", "127.0.0.1:23456"},
        {"127.0.0.1", "127.0.0.1:7"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"255.255.255.255:65535", "255.255.255.255:65535"},
        {"[::1]:23456", "[::1]:23456"},
        {"[::1]", "[::1]:7"},
        {"::1", "[::1]:7"},
        {"::", "[::]:7"},
        {"[::]:23456", "[::]:23456"},
        {":23456", "[::]:23456"},
        {"[2001:DB8::0:1]:1", "[2001:db8::1]:1"},
        {"[::ffff:192.0.2.1]:80", "192.0.2.1:80"},
        {"192.0.2.1:00080", "192.0.2.1:80"},
        {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        {"[::1%lo]:9", "[::1%lo]:9"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sl_address address;
        char text[SL_ADDRESS_TEXT_SIZE];
        if (sl_address_parse(table[i].text, 7, &address) != SL_OK)
            fail_msg("'%s' is refused", table[i].text);
        assert_string_equal(sl_address_print(&address, text), table[i].printed);
    }
}

static void test_address_bad_texts_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ":",
        "::1:23456",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:999999999999999999999",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0x50",
        " 127.0.0.1",
        "127.0.0.1\n",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "127.0.0.256",
        "127.0.0.1.1:1",
        "localhost:23456",
        "*:23456",
        "[127.0.0.1]:1",
        "[::1",
        "[]",
        "[]:1",
        "[::1]1",
        "[::1]:",
        "[::1]:65536",
        "[::1]]:1",
        "[[::1]]:1",
        "::1]:1",
        "[::1%]:1",
        "[::1%nosuchinterface0]:1",
        "[::1%%n%s%s]:1",
        "1:2:3:4:5:6:7:8:9",
        "[::12345]:1",
        "\xff\xfe",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sl_address address;
        struct sl_address before;
        memset(&address, 0x5a, sizeof(address));
        memset(&before, 0x5a, sizeof(before));
        if (sl_address_parse(texts[i], 7, &address) != SL_BAD_INPUT)
            fail_msg("'%s' is taken", texts[i]);
        assert_memory_equal(&address, &before, sizeof(address));
    }
}

static void test_address_text_of_any_length_is_refused_without_harm(void **state)
{
    (void)state;
    char text[4 * SL_ADDRESS_TEXT_SIZE];
    struct sl_address address;
    for (size_t len = 1; len < sizeof(text); len++) {
        memset(text, ':', len);
        text[0] = '[';
        text[len] = '\0';
        assert_int_equal(sl_address_parse(text, 7, &address), SL_BAD_INPUT);
        memset(text, '1', len);
        assert_int_equal(sl_address_parse(text, 7, &address), SL_BAD_INPUT);
    }
}

static void test_address_of_unknown_family_prints_as_unknown_with_port_zero(void **state)
{
    (void)state;
    struct sl_address address = {.at.ss_family = AF_UNIX, .len = sizeof(sa_family_t)};
    char text[SL_ADDRESS_TEXT_SIZE];
    assert_string_equal(sl_address_print(&address, text), "unknown:0");
    assert_string_equal(sl_address_print_host(&address, text), "unknown");
    assert_int_equal(sl_address_port(&address), 0);
}

static void test_address_host_prints_without_brackets_and_port(void **state)
{
    (void)state;
    char text[SL_ADDRESS_TEXT_SIZE];
    struct sl_address v6 = net_address("[2001:db8::7]:23456");
    struct sl_address v4 = net_address("192.0.2.7:23456");
    assert_string_equal(sl_address_print_host(&v6, text), "2001:db8::7");
    assert_string_equal(sl_address_print_host(&v4, text), "192.0.2.7");
    assert_int_equal(sl_address_port(&v6), 23456);
    assert_int_equal(sl_address_port(&v4), 23456);
}

static bool count_together(const char *a, const char *b)
{
    struct sl_address address_a = net_address(a);
    struct sl_address address_b = net_address(b);
    struct sl_address_key key_a = sl_address_key(&address_a);
    struct sl_address_key key_b = sl_address_key(&address_b);
    return memcmp(&key_a, &key_b, sizeof(key_a)) == 0;
}

static void test_address_keys_join_one_ipv4_address_and_one_ipv6_64(void **state)
{
    (void)state;
    assert_true(count_together("192.0.2.1:1", "192.0.2.1:2"));
    assert_true(count_together("192.0.2.1:1", "[::ffff:192.0.2.1]:9"));
    assert_false(count_together("192.0.2.1:1", "192.0.2.2:1"));
    assert_false(count_together("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1"));

    assert_true(count_together("[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:2"));
    assert_false(count_together("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1"));

    /* Nothing of IPv6 counts with an IPv4 address. */
    assert_false(count_together("0.0.0.0:1", "[::]:1"));
    assert_false(count_together("192.0.2.1:1", "[::192.0.2.1]:1"));
}

static void test_addresses_numeric_host_resolves_to_itself(void **state)
{
    (void)state;
    static const struct {
        const char *host, *printed;
    } table[] = {{"127.0.0.1", "127.0.0.1:99"}, {"::1", "[::1]:99"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sl_addresses addresses;
        char error[SL_ADDRESS_ERROR_SIZE];
        char text[SL_ADDRESS_TEXT_SIZE];
        assert_int_equal(sl_addresses_resolve(table[i].host, 99, &addresses, error, sizeof(error)),
                         SL_OK);
        assert_int_equal(addresses.count, 1);
        assert_string_equal(sl_address_print(&addresses.at[0], text), table[i].printed);
        sl_addresses_clear(&addresses);
        assert_null(addresses.at);
        assert_int_equal(addresses.count, 0);
        sl_addresses_clear(&addresses);
    }
}

static void test_addresses_localhost_resolves_to_loopback_addresses(void **state)
{
    (void)state;
    struct sl_addresses addresses;
    char error[SL_ADDRESS_ERROR_SIZE];
    assert_int_equal(sl_addresses_resolve("localhost", 1, &addresses, error, sizeof(error)), SL_OK);
    assert_true(addresses.count >= 1);
    for (size_t i = 0; i < addresses.count; i++) {
        char text[SL_ADDRESS_TEXT_SIZE];
        sl_address_print_host(&addresses.at[i], text);
        assert_true(strcmp(text, "::1") == 0 || strncmp(text, "127.", 4) == 0);
    }
    sl_addresses_clear(&addresses);
}

static void test_addresses_bad_names_fail_with_a_sentence_of_bounded_length(void **state)
{
    (void)state;
    struct sl_addresses addresses;
    char error[SL_ADDRESS_ERROR_SIZE];
    assert_int_equal(sl_addresses_resolve("", 1, &addresses, error, sizeof(error)), SL_BAD_INPUT);
    assert_string_equal(error, "can't find a host without a name");

    /* Not a name to any name service, so none is asked. */
    char longest[2000];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(sl_addresses_resolve(longest, 1, &addresses, error, sizeof(error)), SL_IO);
    assert_non_null(strstr(error, "can't find the host 'aaaa"));
    assert_non_null(strstr(error, "': "));
    assert_null(addresses.at);

    char small[16];
    assert_int_equal(sl_addresses_resolve(longest, 1, &addresses, small, sizeof(small)), SL_IO);
    assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void test_address_self_is_a_name_and_a_numeric_address(void **state)
{
    (void)state;
    char name[256];
    char text[SL_ADDRESS_TEXT_SIZE];
    struct in6_addr v6;
    struct in_addr v4;
    sl_address_self(name, sizeof(name), text);
    assert_true(strlen(name) > 0);
    assert_true(inet_pton(AF_INET, text, &v4) == 1 || inet_pton(AF_INET6, text, &v6) == 1);

    char tiny[2];
    sl_address_self(tiny, sizeof(tiny), text);
    assert_int_equal(strlen(tiny), 1);
    assert_int_equal(tiny[0], name[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_good_texts_print_as_what_they_mean),
        cmocka_unit_test(test_address_bad_texts_are_refused_and_change_nothing),
        cmocka_unit_test(test_address_text_of_any_length_is_refused_without_harm),
        cmocka_unit_test(test_address_of_unknown_family_prints_as_unknown_with_port_zero),
        cmocka_unit_test(test_address_host_prints_without_brackets_and_port),
        cmocka_unit_test(test_address_keys_join_one_ipv4_address_and_one_ipv6_64),
        cmocka_unit_test(test_addresses_numeric_host_resolves_to_itself),
        cmocka_unit_test(test_addresses_localhost_resolves_to_loopback_addresses),
        cmocka_unit_test(test_addresses_bad_names_fail_with_a_sentence_of_bounded_length),
        cmocka_unit_test(test_address_self_is_a_name_and_a_numeric_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
