/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c -- the verification callback and the names of its findings; see verify.h. */
#include "tls/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tls/identity.h"

/* Without memory there is no copy, and then no ticket. */
static void keep_leaf(struct sl_verify *verify, const mbedtls_x509_crt *certificate)
{
    sl_verify_clear(verify);
    verify->leaf = malloc(certificate->raw.len);
    if (verify->leaf == NULL)
        return;
    memcpy(verify->leaf, certificate->raw.p, certificate->raw.len);
    verify->leaf_len = certificate->raw.len;
}

void sl_verify_clear(struct sl_verify *verify)
{
    free(verify->leaf);
    verify->leaf = NULL;
    verify->leaf_len = 0;
}

/* What a sensor demands of a server beside what the library checks. */
static uint32_t judge_server(const struct sl_verify *verify, const mbedtls_x509_crt *certificate)
{
    uint32_t flags = 0;

    if (verify->address_len > 0
            ? !sl_identity_has_address(certificate, verify->address, verify->address_len)
            : !sl_identity_has_names(certificate))
        flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if (!sl_identity_is_server(certificate))
        flags |= MBEDTLS_X509_BADCERT_EXT_KEY_USAGE;
    return flags;
}

int sl_verify_certificate(void *ctx, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    struct sl_verify *verify = ctx;

    if (depth > 0) {
        if (!sl_trust_has_ca(verify->trust, certificate)) {
            verify->foreign_ca = true;
            *flags |= MBEDTLS_X509_BADCERT_OTHER;
        }
        if (depth == 1 && !sl_identity_fingerprint(certificate, verify->issuer))
            *flags |= MBEDTLS_X509_BADCERT_OTHER;
        return 0;
    }
    verify->seen = true;
    verify->proved_us = sl_clock_wall_us();
    if (verify->keeps_leaf)
        keep_leaf(verify, certificate);
    (void)sl_identity_facts(certificate, verify->facts);
    if (!mbedtls_pk_can_do(&certificate->pk, MBEDTLS_PK_ECDSA))
        *flags |= MBEDTLS_X509_BADCERT_BAD_PK;
    if (sl_trust_role(verify->trust) == SL_ROLE_SENSOR)
        *flags |= judge_server(verify, certificate);
    return 0;
}

/*
 * In the order in which they are told where several hold: who it is comes before when and what for.
 */
static const struct {
    uint32_t flags;
    enum sl_reason of_client;
    enum sl_reason of_server;
} findings[] = {
    {MBEDTLS_X509_BADCERT_MISSING, SL_REASON_CLIENT_CERT_MISSING, SL_REASON_SERVER_CERT_UNREADABLE},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, SL_REASON_CLIENT_CERT_UNTRUSTED,
     SL_REASON_SERVER_CERT_UNTRUSTED},
    {MBEDTLS_X509_BADCERT_EXPIRED, SL_REASON_CLIENT_CERT_EXPIRED, SL_REASON_SERVER_CERT_EXPIRED},
    {MBEDTLS_X509_BADCERT_FUTURE, SL_REASON_CLIENT_CERT_NOT_YET_VALID,
     SL_REASON_SERVER_CERT_NOT_YET_VALID},
    {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
         MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
     SL_REASON_CLIENT_CERT_WRONG_USAGE, SL_REASON_SERVER_CERT_WRONG_USAGE},
    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
     SL_REASON_CLIENT_CERT_WEAK, SL_REASON_SERVER_CERT_WEAK},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, SL_REASON_CLIENT_NAME_BAD, SL_REASON_SERVER_NAME_MISMATCH},
};

enum sl_reason sl_verify_reason(const struct sl_verify *verify, uint32_t flags)
{
    bool client = sl_trust_role(verify->trust) == SL_ROLE_SERVER; /* A server judges clients. */

    if (flags == 0 || flags == UINT32_MAX)
        return SL_REASON_NONE;
    if (verify->foreign_ca && (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) == 0)
        return client ? SL_REASON_CLIENT_CHAIN_UNKNOWN_CA : SL_REASON_SERVER_CHAIN_UNKNOWN_CA;
    for (size_t i = 0; i < sizeof findings / sizeof *findings; i++)
        if ((flags & findings[i].flags) != 0)
            return client ? findings[i].of_client : findings[i].of_server;
    return client ? SL_REASON_CLIENT_CERT_UNREADABLE : SL_REASON_SERVER_CERT_UNREADABLE;
}
