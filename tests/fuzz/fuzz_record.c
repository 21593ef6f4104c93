/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_record.c -- the outside of a peer's bytes tells the same however they are split, and the
 * certificates in a client's flight are counted as somebody counts who has the whole of it.
 *
 * Input: one byte for the size of the pieces, then the bytes. They are taken once for a stream of
 * records, and once for handshake messages, which are then put into records.
 */
#include "fuzz.h"

#include <string.h>

#include <mbedtls/x509_crt.h>

#include "tls/record.h"

enum { HELLO = 1, CERTIFICATE = 11 };

static const mbedtls_x509_crt *own_cas(void)
{
    static mbedtls_x509_crt cas[3];
    static unsigned char a[] = "aaaaaa", b[] = "aaaaab", c[] = "ccc";

    cas[0] = (mbedtls_x509_crt){.raw = {.p = a, .len = 6}, .next = &cas[1]};
    cas[1] = (mbedtls_x509_crt){.raw = {.p = b, .len = 6}, .next = &cas[2]};
    cas[2] = (mbedtls_x509_crt){.raw = {.p = c, .len = 3}};
    return cas;
}

static size_t length_at(const uint8_t *at)
{
    return (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
}

static bool is_own(const uint8_t *certificate, size_t len, size_t there)
{
    for (const mbedtls_x509_crt *ca = own_cas(); ca != NULL; ca = ca->next)
        if (len == there && ca->raw.len == len && memcmp(ca->raw.p, certificate, len) == 0)
            return true;
    return false;
}

/* Those that begin alike are ours as long as they aren't whole. */
static bool may_become_own(const uint8_t *certificate, size_t len, size_t there)
{
    for (const mbedtls_x509_crt *ca = own_cas(); ca != NULL; ca = ca->next)
        if (there < len && ca->raw.len == len && memcmp(ca->raw.p, certificate, there) == 0)
            return true;
    return false;
}

/* The certificates above the leaf that aren't ours, in one message or what is there of it. */
static unsigned count_list(const uint8_t *list, size_t len)
{
    unsigned unknown = 0;

    for (size_t at = 3, number = 0; at + 3 <= len; number++) {
        size_t size = length_at(list + at), there;

        at += 3;
        there = len - at < size ? len - at : size;
        if (number > 0 && !is_own(list + at, size, there) &&
            !may_become_own(list + at, size, there))
            unknown++;
        at += there;
    }
    return unknown;
}

static unsigned count_flight(const uint8_t *bytes, size_t len)
{
    unsigned unknown = 0;
    size_t at = 0;

    while (at + 4 <= len && (bytes[at] == HELLO || bytes[at] == CERTIFICATE)) {
        size_t size = length_at(bytes + at + 1), there;
        bool certificates = bytes[at] == CERTIFICATE;

        at += 4;
        there = len - at < size ? len - at : size;
        if (certificates)
            unknown += count_list(bytes + at, there);
        at += there;
    }
    return unknown;
}

static struct sl_record look_in_pieces(const uint8_t *bytes, size_t len, size_t piece)
{
    struct sl_record record = {.chain.cas = own_cas()};

    for (size_t at = 0; at < len; at += piece) {
        unsigned before = record.chain.unknown;

        sl_record_look(&record, bytes + at, len - at < piece ? len - at : piece);
        require(record.chain.unknown >= before, "what was counted stays counted");
    }
    return record;
}

static void look_at_stream(const uint8_t *bytes, size_t len, size_t piece)
{
    struct sl_record whole = look_in_pieces(bytes, len, len + 1);
    struct sl_record split = look_in_pieces(bytes, len, piece);

    require(sl_record_alert(&whole) == sl_record_alert(&split), "the alert is the same");
    require(sl_record_speech(&whole) == sl_record_speech(&split), "so is the speech");
    require(whole.chain.unknown == split.chain.unknown, "so is the number of certificates");
    require(sl_chain_too_long(&whole.chain) == (whole.chain.unknown > SL_CHAIN_UNKNOWN_MAX),
            "the chain is too long beyond the limit");
}

static void look_at_flight(const uint8_t *bytes, size_t len, size_t piece)
{
    struct sl_record record = {.chain.cas = own_cas()};

    for (size_t at = 0; at < len; at += piece) {
        size_t part = len - at < piece ? len - at : piece;
        uint8_t header[SL_RECORD_HEADER] = {22, 3, 3, (uint8_t)(part >> 8), (uint8_t)part};

        sl_record_look(&record, header, sizeof header);
        sl_record_look(&record, bytes + at, part);
    }
    require(record.chain.unknown == count_flight(bytes, len), "certificates are counted right");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = size > 0 ? 1 + (size_t)data[0] : 1;

    if (size < 2)
        return 0;
    look_at_stream(data + 1, size - 1, piece);
    look_at_flight(data + 1, size - 1, piece);
    return 0;
}
