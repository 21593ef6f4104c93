/* SPDX-License-Identifier: Apache-2.0 */
/* record.c -- record headers, alerts in the clear, and first bytes; see record.h. */
#include "tls/record.h"

#include <stdio.h>
#include <string.h>

enum {
    TYPE_CHANGE_CIPHER_SPEC = 20,
    TYPE_ALERT = 21,
    TYPE_HANDSHAKE = 22,
    MAJOR_VERSION = 3,
    ALERT_SIZE = 2
};

/* Looks at the bytes of the record's body among these; returns how many. */
static size_t look_at_body(struct sl_record *record, const uint8_t *bytes, size_t len)
{
    size_t taken = len < record->left ? len : record->left;

    for (size_t i = 0;
         i < taken && record->header[0] == TYPE_ALERT && record->body + i < ALERT_SIZE; i++) {
        record->alert[record->body + i] = bytes[i];
        /* Only a record of two bytes is an alert in the clear; an encrypted one is longer. */
        record->alerted = record->body + i == 1 && record->left - i == 1;
    }
    if (record->header[0] == TYPE_HANDSHAKE)
        sl_chain_look(&record->chain, bytes, taken);
    record->body += taken;
    record->left -= taken;
    return taken;
}

static void look_at_header(struct sl_record *record, uint8_t byte)
{
    record->header[record->header_len++] = byte;
    if (record->header_len < SL_RECORD_HEADER)
        return;
    record->header_len = 0;
    record->body = 0;
    record->left = (size_t)record->header[3] << 8 | record->header[4];
    if (record->header[0] == TYPE_CHANGE_CIPHER_SPEC)
        sl_chain_hide(&record->chain);
}

void sl_record_look(struct sl_record *record, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && record->first_len < sizeof record->first; i++)
        record->first[record->first_len++] = bytes[i];
    while (len > 0) {
        size_t taken = 1;

        if (record->left > 0)
            taken = look_at_body(record, bytes, len);
        else
            look_at_header(record, *bytes);
        bytes += taken;
        len -= taken;
    }
}

int sl_record_alert(const struct sl_record *record)
{
    return record->alerted ? record->alert[1] : SL_ALERT_NONE;
}

/*
 * The alerts of RFC 8446, section 6, and RFC 5246, with what those about us mean for whoever looks
 * for the cause.
 */
static const struct alert {
    int description;
    const char *name;
    const char *meaning;
} alerts[] = {
    {0, "close_notify", NULL},
    {10, "unexpected_message", NULL},
    {20, "bad_record_mac", NULL},
    {22, "record_overflow", NULL},
    {40, "handshake_failure", "no suite or group in common, or no certificate"},
    {42, "bad_certificate", "our certificate is damaged or not allowed there"},
    {43, "unsupported_certificate", "our certificate isn't meant for this use"},
    {44, "certificate_revoked", "our certificate is revoked"},
    {45, "certificate_expired", "our certificate has expired, or a clock is wrong"},
    {46, "certificate_unknown", "our certificate isn't accepted there"},
    {47, "illegal_parameter", NULL},
    {48, "unknown_ca", "the CA of our certificate isn't trusted there"},
    {49, "access_denied", "our certificate is good, but not let in"},
    {50, "decode_error", NULL},
    {51, "decrypt_error", "a signature didn't verify: do certificate and key belong together?"},
    {70, "protocol_version", "no TLS version in common"},
    {71, "insufficient_security", NULL},
    {80, "internal_error", NULL},
    {90, "user_canceled", NULL},
    {100, "no_renegotiation", NULL},
    {109, "missing_extension", NULL},
    {110, "unsupported_extension", NULL},
    {112, "unrecognized_name", NULL},
    {116, "certificate_required", "we sent no certificate"},
    {120, "no_application_protocol", "the other side doesn't speak our protocol"},
};

void sl_record_print_alert(int description, char *text, size_t size)
{
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (alerts[i].description == description) {
            (void)snprintf(text, size, "alert %s%s%s", alerts[i].name,
                           alerts[i].meaning == NULL ? "" : ": ",
                           alerts[i].meaning == NULL ? "" : alerts[i].meaning);
            return;
        }
    (void)snprintf(text, size, "%s",
                   description == SL_ALERT_NONE ? "an encrypted alert" : "an alert");
}

static bool looks_like_http(const uint8_t *first, size_t len)
{
    static const char *const methods[] = {"GET ", "POST", "HEAD", "PUT ", "OPTI",
                                          "CONN", "DELE", "PRI ", "HTTP"};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (len >= 4 && memcmp(first, methods[i], 4) == 0)
            return true;
    return false;
}

enum sl_record_speech sl_record_speech(const struct sl_record *record)
{
    const uint8_t *first = record->first;

    if (record->first_len == 0)
        return SL_SPEECH_NOTHING;
    if ((first[0] == TYPE_HANDSHAKE || first[0] == TYPE_ALERT) &&
        (record->first_len == 1 || first[1] == MAJOR_VERSION))
        return SL_SPEECH_TLS;
    if (looks_like_http(first, record->first_len))
        return SL_SPEECH_HTTP;
    for (size_t i = 0; i < record->first_len; i++)
        if ((first[i] < ' ' && first[i] != '\n' && first[i] != '\r' && first[i] != '\t') ||
            first[i] > '~')
            return SL_SPEECH_OTHER;
    return SL_SPEECH_TEXT;
}
