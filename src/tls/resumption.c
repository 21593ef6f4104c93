/* SPDX-License-Identifier: Apache-2.0 */
/* resumption.c -- see resumption.h. */
#include "tls/resumption.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tls/identity.h"

static const int64_t VERIFIED_MAX_US = INT64_C(86400) * 1000000;

enum { SILENT_MAX = 3 }; /* tries without a word from the server */

struct sl_resumption {
    bool held;
    unsigned silent; /* such tries with this session */
    mbedtls_ssl_session session;
    uint8_t print[SL_FINGERPRINT_SIZE]; /* of the trust that the server was verified by */
    char host[MBEDTLS_SSL_MAX_HOST_NAME_LEN + 1];
    int64_t verified_us; /* when a certificate of the server was seen and verified last */
    int64_t end_us;      /* of that certificate */
};

struct sl_resumption *sl_resumption_new(void)
{
    return calloc(1, sizeof(struct sl_resumption));
}

static void forget(struct sl_resumption *resumption)
{
    if (resumption->held)
        mbedtls_ssl_session_free(&resumption->session);
    resumption->held = false;
    resumption->silent = 0;
}

void sl_resumption_failed(struct sl_resumption *resumption, bool silent)
{
    if (!silent || ++resumption->silent > SILENT_MAX)
        forget(resumption);
}

void sl_resumption_free(struct sl_resumption *resumption)
{
    if (resumption == NULL)
        return;
    forget(resumption);
    mbedtls_platform_zeroize(resumption, sizeof *resumption);
    free(resumption);
}

/* Notes what the server was verified by, for this session and those that are resumed from it. */
static void note_proof(struct sl_resumption *resumption, const mbedtls_ssl_context *ssl,
                       const struct sl_trust *trust, int64_t proved_us)
{
    const mbedtls_x509_crt *certificate = mbedtls_ssl_get_peer_cert(ssl);

    resumption->verified_us = proved_us;
    resumption->end_us = certificate == NULL ? 0 : sl_identity_time_us(&certificate->valid_to);
    memcpy(resumption->print, sl_trust_print(trust), SL_FINGERPRINT_SIZE);
}

void sl_resumption_keep(struct sl_resumption *resumption, const mbedtls_ssl_context *ssl,
                        const struct sl_trust *trust, int64_t proved_us)
{
    forget(resumption);
    if (proved_us != 0)
        note_proof(resumption, ssl, trust, proved_us);
    mbedtls_ssl_session_init(&resumption->session);
    resumption->held = mbedtls_ssl_get_session(ssl, &resumption->session) == 0;
    if (!resumption->held)
        mbedtls_ssl_session_free(&resumption->session);
}

static bool fits(const struct sl_resumption *resumption, const struct sl_trust *trust,
                 const char *host, int64_t now_us)
{
    return resumption->held && now_us >= resumption->verified_us &&
           now_us - resumption->verified_us < VERIFIED_MAX_US && now_us < resumption->end_us &&
           strcmp(host, resumption->host) == 0 &&
           memcmp(resumption->print, sl_trust_print(trust), SL_FINGERPRINT_SIZE) == 0;
}

bool sl_resumption_use(struct sl_resumption *resumption, mbedtls_ssl_context *ssl,
                       const struct sl_trust *trust, const char *host)
{
    bool used = fits(resumption, trust, host, sl_clock_wall_us()) &&
                mbedtls_ssl_set_session(ssl, &resumption->session) == 0;

    if (!used)
        forget(resumption);
    (void)snprintf(resumption->host, sizeof resumption->host, "%s", host);
    return used;
}
