/* SPDX-License-Identifier: Apache-2.0 */
/* ticket.c -- see ticket.h. */
#include "tls/ticket.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tls/admission.h"

/*
 * Sealed is: the format, the version of TLS, when the certificate was proved (8 bytes), the
 * fingerprint of its CA, the length of the certificate (2), the certificate's DER, and the
 * library's session. What an earlier program sealed differently under the same keys has another
 * format.
 */
enum {
    FORMAT = 2,
    AT_VERSION = 1,
    AT_TIME = AT_VERSION + 1,
    AT_ISSUER = AT_TIME + 8,
    AT_LEN = AT_ISSUER + SL_FINGERPRINT_SIZE,
    AT_LEAF = AT_LEN + 2,
    LEAF_MAX = 0xffff,
    LIFETIME_MAX_S = 604800 /* RFC 8446, section 4.6.1 */
};

void sl_ticket_desk_clear(struct sl_ticket_desk *desk)
{
    if (desk->opened)
        mbedtls_x509_crt_free(&desk->leaf);
    desk->opened = false;
}

static void put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> 8 * (size - 1 - i));
}

static uint64_t get(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

/* How much longer a proof of that time counts; 0 where it's over, or from the future. */
static int64_t left_us(const struct sl_ticket_desk *desk, int64_t proved_us, int64_t now_us)
{
    int64_t max_us = sl_ticket_keys_max_age_us(desk->keys);

    if (proved_us > now_us || now_us - proved_us >= max_us)
        return 0;
    return max_us - (now_us - proved_us);
}

/* Whose session it is: of a full handshake, or of the ticket that it was resumed with. */
struct owner {
    const uint8_t *leaf;
    size_t len;
    const uint8_t *issuer;
    int64_t proved_us;
};

static struct owner find_owner(const struct sl_ticket_desk *desk)
{
    if (desk->full->seen)
        return (struct owner){desk->full->leaf, desk->full->leaf_len, desk->full->issuer,
                              desk->full->proved_us};
    if (desk->opened)
        return (struct owner){desk->leaf.raw.p, desk->leaf.raw.len, desk->issuer, desk->proved_us};
    return (struct owner){0};
}

bool sl_ticket_held(const struct sl_ticket_desk *desk, int64_t now_us)
{
    return (desk->given || desk->opened) && left_us(desk, find_owner(desk).proved_us, now_us) > 0;
}

/*
 * Prints what is to be sealed; its length, or 0. The library would save the certificate too, in
 * TLS 1.2: twice in a ticket it makes a hello that is longer than we read of a stranger.
 */
static size_t pack(const struct sl_ticket_desk *desk, const struct owner *owner,
                   const mbedtls_ssl_session *session, uint8_t *out, size_t size)
{
    mbedtls_ssl_session bare;
    size_t saved = 0;
    int code;

    if (owner->leaf == NULL || owner->len == 0 || owner->len > LEAF_MAX ||
        size < AT_LEAF + owner->len)
        return 0;
    out[0] = FORMAT;
    out[AT_VERSION] = sl_compat_chosen_version(desk->ssl);
    put(out + AT_TIME, (uint64_t)owner->proved_us, 8);
    memcpy(out + AT_ISSUER, owner->issuer, SL_FINGERPRINT_SIZE);
    put(out + AT_LEN, owner->len, 2);
    memcpy(out + AT_LEAF, owner->leaf, owner->len);
    bare = *session;
    sl_compat_leave_certificate(&bare);
    code = mbedtls_ssl_session_save(&bare, out + AT_LEAF + owner->len, size - AT_LEAF - owner->len,
                                    &saved);
    mbedtls_platform_zeroize(&bare, sizeof bare);
    return code == 0 ? AT_LEAF + owner->len + saved : 0;
}

/*
 * Each way out sets both results: 2.28 sends them whatever we return. A failure ends a TLS 1.3
 * handshake; it means that memory, randomness or room in the record is out.
 */
int sl_ticket_write(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
                    const unsigned char *end, size_t *len, uint32_t *lifetime_s)
{
    struct sl_ticket_desk *desk = ctx;
    struct owner owner = find_owner(desk);
    int64_t left_s = left_us(desk, owner.proved_us, sl_clock_wall_us()) / 1000000;
    size_t room = (size_t)(end - start);
    size_t packed = 0;
    uint8_t *plain;

    *len = 0;
    *lifetime_s = 0;
    if (room < SL_SEAL_SIZE)
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    plain = malloc(room);
    if (plain == NULL)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    packed = pack(desk, &owner, session, plain, room - SL_SEAL_SIZE);
    if (packed > 0 && sl_ticket_keys_seal(desk->keys, plain, packed, start) != SL_OK)
        packed = 0;
    mbedtls_platform_zeroize(plain, room);
    free(plain);
    if (packed == 0)
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    desk->given = true;
    *len = packed + SL_SEAL_SIZE;
    *lifetime_s = (uint32_t)(left_s < LIFETIME_MAX_S ? left_s : LIFETIME_MAX_S);
    return 0;
}

/* Takes an opened ticket apart, and keeps whose it is where that sensor would be admitted today. */
static int take(struct sl_ticket_desk *desk, mbedtls_ssl_session *session, const uint8_t *bytes,
                size_t len)
{
    int64_t now_us = sl_clock_wall_us();
    size_t leaf_len;

    if (len < AT_LEAF || bytes[0] != FORMAT ||
        bytes[AT_VERSION] != sl_compat_chosen_version(desk->ssl))
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    leaf_len = (size_t)get(bytes + AT_LEN, 2);
    desk->proved_us = (int64_t)get(bytes + AT_TIME, 8);
    memcpy(desk->issuer, bytes + AT_ISSUER, SL_FINGERPRINT_SIZE);
    if (len - AT_LEAF < leaf_len || left_us(desk, desk->proved_us, now_us) == 0)
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    desk->opened = true;
    mbedtls_x509_crt_init(&desk->leaf);
    if (mbedtls_x509_crt_parse_der(&desk->leaf, bytes + AT_LEAF, leaf_len) != 0 ||
        sl_admission_judge(&desk->leaf, desk->issuer, desk->trust, now_us) != SL_REASON_NONE ||
        mbedtls_ssl_session_load(session, bytes + AT_LEAF + leaf_len, len - AT_LEAF - leaf_len) !=
            0) {
        sl_ticket_desk_clear(desk);
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    }
    return 0;
}

/* A session may offer several tickets, and is asked again after a HelloRetryRequest. */
int sl_ticket_parse(void *ctx, mbedtls_ssl_session *session, unsigned char *bytes, size_t len)
{
    struct sl_ticket_desk *desk = ctx;
    size_t opened = len;
    int code;

    sl_ticket_desk_clear(desk);
    if (sl_ticket_keys_open(desk->keys, bytes, &opened) != SL_OK)
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    code = take(desk, session, bytes, opened);
    mbedtls_platform_zeroize(bytes, len);
    return code;
}
