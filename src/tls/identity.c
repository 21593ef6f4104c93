/* SPDX-License-Identifier: Apache-2.0 */
/* identity.c -- reads names and facts from a certificate; see identity.h. */
#include "tls/identity.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * Tags of GeneralName (RFC 5280, section 4.2.1.6) without the class bits, and of a CN's string
 * types.
 */
enum { SAN_DNS = 2, SAN_URI = 6, SAN_ADDRESS = 7, SAN_CLASS = 0x80 };

static const char urn[] = "urn:sensor:";
static const char oid_common_name[] = "\x55\x04\x03";
static const char oid_client_auth[] = "\x2b\x06\x01\x05\x05\x07\x03\x02";
static const char oid_server_auth[] = "\x2b\x06\x01\x05\x05\x07\x03\x01";

static bool is_name(const unsigned char *at, size_t len)
{
    if (len == 0 || len > SL_SENSOR_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = at[i];
        bool letter_or_digit =
            (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!letter_or_digit && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

static enum sl_reason take_name(const unsigned char *at, size_t len,
                                char name[static SL_SENSOR_NAME_MAX + 1])
{
    if (!is_name(at, len))
        return SL_REASON_CLIENT_NAME_BAD;
    memcpy(name, at, len);
    name[len] = '\0';
    return SL_REASON_NONE;
}

static bool is_san(const mbedtls_x509_sequence *san, int kind)
{
    /* Primitive, as DER has these kinds: another form of the tag is another thing. */
    return san->buf.tag == (SAN_CLASS | kind);
}

static bool is_sensor_uri(const mbedtls_x509_sequence *san)
{
    return is_san(san, SAN_URI) && san->buf.len >= sizeof urn - 1 &&
           strncasecmp((const char *)san->buf.p, urn, sizeof urn - 1) == 0;
}

static enum sl_reason name_from_uri(const mbedtls_x509_crt *certificate,
                                    char name[static SL_SENSOR_NAME_MAX + 1])
{
    const mbedtls_x509_sequence *found = NULL;

    for (const mbedtls_x509_sequence *san = &certificate->subject_alt_names; san != NULL;
         san = san->next) {
        if (!is_sensor_uri(san))
            continue;
        if (found != NULL)
            return SL_REASON_CLIENT_NAME_AMBIGUOUS;
        found = san;
    }
    if (found == NULL)
        return SL_REASON_CLIENT_NAME_MISSING;
    return take_name(found->buf.p + sizeof urn - 1, found->buf.len - (sizeof urn - 1), name);
}

static enum sl_reason name_from_dns(const mbedtls_x509_crt *certificate,
                                    char name[static SL_SENSOR_NAME_MAX + 1])
{
    for (const mbedtls_x509_sequence *san = &certificate->subject_alt_names; san != NULL;
         san = san->next)
        if (is_san(san, SAN_DNS))
            return take_name(san->buf.p, san->buf.len, name);
    return SL_REASON_CLIENT_NAME_MISSING;
}

static enum sl_reason name_from_subject(const mbedtls_x509_crt *certificate,
                                        char name[static SL_SENSOR_NAME_MAX + 1])
{
    const mbedtls_x509_name *found = NULL;

    for (const mbedtls_x509_name *part = &certificate->subject; part != NULL; part = part->next) {
        if (part->oid.len != 3 || memcmp(part->oid.p, oid_common_name, 3) != 0)
            continue;
        if (found != NULL)
            return SL_REASON_CLIENT_NAME_AMBIGUOUS;
        found = part;
    }
    if (found == NULL)
        return SL_REASON_CLIENT_NAME_MISSING;
    return take_name(found->val.p, found->val.len, name);
}

enum sl_reason sl_identity_sensor(const mbedtls_x509_crt *certificate,
                                  char name[static SL_SENSOR_NAME_MAX + 1])
{
    enum sl_reason reason = name_from_uri(certificate, name);

    if (reason == SL_REASON_CLIENT_NAME_MISSING)
        reason = name_from_dns(certificate, name);
    if (reason == SL_REASON_CLIENT_NAME_MISSING)
        reason = name_from_subject(certificate, name);
    return reason;
}

bool sl_identity_has_address(const mbedtls_x509_crt *certificate, const uint8_t *address,
                             size_t len)
{
    for (const mbedtls_x509_sequence *san = &certificate->subject_alt_names; san != NULL;
         san = san->next)
        if (is_san(san, SAN_ADDRESS) && san->buf.len == len &&
            memcmp(san->buf.p, address, len) == 0)
            return true;
    return false;
}

/*
 * Where there is no extension the library's own check says yes, so look for the usage itself.
 */
static bool has_usage(const mbedtls_x509_crt *certificate, const char *oid, size_t len)
{
    for (const mbedtls_x509_sequence *use = &certificate->ext_key_usage; use != NULL;
         use = use->next)
        if (use->buf.p != NULL && use->buf.len == len && memcmp(use->buf.p, oid, len) == 0)
            return true;
    return false;
}

bool sl_identity_is_client(const mbedtls_x509_crt *certificate)
{
    return has_usage(certificate, oid_client_auth, sizeof oid_client_auth - 1);
}

bool sl_identity_is_server(const mbedtls_x509_crt *certificate)
{
    return has_usage(certificate, oid_server_auth, sizeof oid_server_auth - 1);
}

bool sl_identity_has_names(const mbedtls_x509_crt *certificate)
{
    return certificate->subject_alt_names.buf.p != NULL;
}

static void print_serial(const mbedtls_x509_buf *serial, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < serial->len && used + 3 < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%02X", serial->p[i]);
}

/* `digits` of a number and what comes after them; returns where it ends. */
static char *put_number(char *at, int number, size_t digits, char after)
{
    sl_digits_put((uint64_t)number, digits, at);
    at[digits] = after;
    return at + digits + 1;
}

/* Without snprintf(), because each handshake asks for several. */
const char *sl_identity_date(const mbedtls_x509_time *time, char text[static SL_DATE_SIZE])
{
    char *at = put_number(text, time->year, 4, '-');

    at = put_number(at, time->mon, 2, '-');
    at = put_number(at, time->day, 2, 'T');
    at = put_number(at, time->hour, 2, ':');
    at = put_number(at, time->min, 2, ':');
    at = put_number(at, time->sec, 2, 'Z');
    *at = '\0';
    return text;
}

const char *sl_identity_name(const mbedtls_x509_name *dn, char *text, size_t size)
{
    char raw[256];
    int len = mbedtls_x509_dn_gets(raw, sizeof raw, dn);

    if (len < 0)
        (void)snprintf(text, size, "(too long)");
    else
        (void)sl_log_clean((struct sl_bytes){raw, (size_t)len}, text, size);
    return text;
}

/* One name or address as text; false for other kinds. */
static bool print_host(const mbedtls_x509_sequence *san, char *text, size_t size)
{
    if (is_san(san, SAN_DNS)) {
        (void)sl_log_clean((struct sl_bytes){(const char *)san->buf.p, san->buf.len}, text, size);
        return true;
    }
    if (!is_san(san, SAN_ADDRESS) || (san->buf.len != 4 && san->buf.len != 16))
        return false;
    return inet_ntop(san->buf.len == 4 ? AF_INET : AF_INET6, san->buf.p, text, (socklen_t)size) !=
           NULL;
}

const char *sl_identity_hosts(const mbedtls_x509_crt *certificate, char *text, size_t size)
{
    char host[256];
    size_t used = 0;

    text[0] = '\0';
    for (const mbedtls_x509_sequence *san = &certificate->subject_alt_names; san != NULL;
         san = san->next) {
        int printed;

        if (!print_host(san, host, sizeof host))
            continue;
        printed = snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", host);
        if (printed < 0 || (size_t)printed >= size - used)
            break;
        used += (size_t)printed;
    }
    return text;
}

const char *sl_identity_facts(const mbedtls_x509_crt *certificate, char text[static SL_FACTS_SIZE])
{
    char subject[200], issuer[200], serial[72], from[SL_DATE_SIZE], to[SL_DATE_SIZE];

    print_serial(&certificate->serial, serial, sizeof serial);
    (void)snprintf(text, SL_FACTS_SIZE, "subject %s, issuer %s, serial %s, valid %s to %s",
                   sl_identity_name(&certificate->subject, subject, sizeof subject),
                   sl_identity_name(&certificate->issuer, issuer, sizeof issuer), serial,
                   sl_identity_date(&certificate->valid_from, from),
                   sl_identity_date(&certificate->valid_to, to));
    return text;
}

bool sl_identity_fingerprint(const mbedtls_x509_crt *certificate,
                             uint8_t out[static SL_FINGERPRINT_SIZE])
{
    return mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), certificate->raw.p,
                      certificate->raw.len, out) == 0;
}

int64_t sl_identity_time_us(const mbedtls_x509_time *time)
{
    char text[SL_DATE_SIZE];
    int64_t time_us;

    if (sl_time_parse_iso(sl_bytes_of(sl_identity_date(time, text)), &time_us) != SL_OK)
        return 0; /* A date that is none lies in the past: expired. */
    return time_us;
}
