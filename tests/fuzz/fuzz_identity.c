/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_identity.c -- whatever a certificate holds: a name that is read from it follows the grammar
 * and stands in it, its facts are fit to print and whole, and neither addresses nor usages are
 * found that aren't in it.
 *
 * Input: the DER of a certificate. What the library can't parse never gets to us.
 */
#include "fuzz.h"

#include <string.h>

#include "tls/identity.h"

enum { LEAST_FACTS = 60 };

/* The grammar of design and protocol, written down anew and not with the functions under test. */
static bool is_sensor_name(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);

    return len >= 1 && len <= 64 && strspn(name, first) >= 1 && strspn(name, more) == len;
}

static bool holds(const mbedtls_x509_crt *certificate, const void *bytes, size_t len)
{
    return memmem(certificate->raw.p, certificate->raw.len, bytes, len) != NULL;
}

static void check_name(const mbedtls_x509_crt *certificate)
{
    char name[SL_SENSOR_NAME_MAX + 1];
    char again[SL_SENSOR_NAME_MAX + 1];
    enum sl_reason reason;

    memset(name, '?', sizeof(name));
    memset(again, '!', sizeof(again));
    reason = sl_identity_sensor(certificate, name);
    require(reason == SL_REASON_NONE || reason == SL_REASON_CLIENT_NAME_MISSING ||
                reason == SL_REASON_CLIENT_NAME_BAD || reason == SL_REASON_CLIENT_NAME_AMBIGUOUS,
            "a name is there, missing, bad or ambiguous");
    require(sl_identity_sensor(certificate, again) == reason, "asked again it says the same");
    if (reason != SL_REASON_NONE)
        return;
    require(memchr(name, '\0', sizeof(name)) != NULL, "a name has an end");
    require(is_sensor_name(name), "a name follows the grammar");
    require(strcmp(name, again) == 0, "asked again it is the same name");
    require(holds(certificate, name, strlen(name)), "a name stands in its certificate");
}

static void check_facts(const mbedtls_x509_crt *certificate)
{
    char facts[SL_FACTS_SIZE + 1];

    memset(facts, '?', sizeof(facts));
    require(sl_identity_facts(certificate, facts) == facts, "facts are given back");
    require(facts[SL_FACTS_SIZE] == '?', "facts stay within their size");
    require(memchr(facts, '\0', SL_FACTS_SIZE) != NULL, "facts have an end");
    for (const char *at = facts; *at != '\0'; at++)
        require((*at >= ' ' && *at <= '~') || (unsigned char)*at >= 0x80, "facts can be printed");
    require(sl_text_is_clean(sl_bytes_of(facts)), "facts are text");
    require(strlen(facts) >= LEAST_FACTS && strncmp(facts, "subject ", 8) == 0 &&
                strstr(facts, ", issuer ") != NULL && strstr(facts, ", serial ") != NULL &&
                strstr(facts, ", valid ") != NULL && facts[strlen(facts) - 1] == 'Z',
            "facts are whole");
}

/* An iPAddress entry is its tag, its length and the address itself (RFC 5280, section 4.2.1.6). */
static void check_address(const mbedtls_x509_crt *certificate, const uint8_t *address, size_t len)
{
    uint8_t entry[2 + 16] = {0x87, (uint8_t)len};

    memcpy(entry + 2, address, len);
    if (sl_identity_has_address(certificate, address, len))
        require(holds(certificate, entry, len + 2), "an address that is found is in there");
}

static void check_usage(const mbedtls_x509_crt *certificate)
{
    static const uint8_t client_auth[] = {0x06, 0x08, 0x2b, 0x06, 0x01,
                                          0x05, 0x05, 0x07, 0x03, 0x02};

    if (sl_identity_is_client(certificate))
        require(holds(certificate, client_auth, sizeof(client_auth)),
                "a usage that is found is in there");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t addresses[][16] = {
        {127, 0, 0, 1}, {192, 0, 2, 7}, {[15] = 1}, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}, {0}};
    mbedtls_x509_crt certificate;

    mbedtls_x509_crt_init(&certificate);
    if (mbedtls_x509_crt_parse_der(&certificate, data, size) == 0) {
        check_name(&certificate);
        check_facts(&certificate);
        check_usage(&certificate);
        for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
            check_address(&certificate, addresses[i], 4);
            check_address(&certificate, addresses[i], 16);
        }
        require(sl_identity_time_us(&certificate.valid_to) <= INT64_C(253402300799000000),
                "a date has four digits of a year");
    }
    mbedtls_x509_crt_free(&certificate);
    return 0;
}
