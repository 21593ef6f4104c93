/* SPDX-License-Identifier: Apache-2.0 */
/* admission.c -- whom the server lets in; see admission.h. */
#include "tls/admission.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/identity.h"
#include "tls/revocation.h"

struct sl_peer {
    atomic_uint references;
    int64_t expires_us;
    char name[SL_SENSOR_NAME_MAX + 1];
};

/*
 * The list of the peer's CA where that ran out, or null. Such a list says nothing of those who were
 * revoked since, so who comes now waits for the next one.
 */
static const struct sl_revocation_list *find_old_list(const struct sl_session *session,
                                                      const struct sl_trust *trust, int64_t now_us)
{
    const struct sl_revocation *revocation = sl_trust_revocation(trust);
    const struct sl_revocation_list *list =
        sl_revocation_list(revocation, sl_session_peer_issuer(session));

    return list == NULL || now_us < sl_revocation_until_us(revocation, list) ? NULL : list;
}

static void tell_old_list(const struct sl_revocation_list *list, struct sl_refusal *refusal)
{
    size_t used = strlen(refusal->facts);
    char date[SL_DATE_SIZE];

    (void)snprintf(refusal->facts + used, sizeof refusal->facts - used,
                   ", the list's next update was due %s",
                   sl_identity_date(&list->next_update, date));
}

void sl_admission_facts(const struct sl_session *session, char facts[static SL_FACTS_SIZE])
{
    const mbedtls_x509_crt *certificate = sl_session_peer_certificate(session);

    facts[0] = '\0';
    if (certificate != NULL)
        (void)sl_identity_facts(certificate, facts);
}

static enum sl_reason judge(const mbedtls_x509_crt *certificate, const uint8_t *issuer,
                            const struct sl_trust *trust, int64_t now_us, struct sl_peer *peer)
{
    int64_t ca_end_us = sl_trust_ca_end_us(trust, issuer);
    struct sl_allow_rule rule;
    enum sl_reason reason;

    if (certificate == NULL)
        return SL_REASON_CLIENT_CERT_MISSING;
    /* The second of notAfter is the last good one (RFC 5280, section 4.1.2.5). */
    peer->expires_us = sl_identity_time_us(&certificate->valid_to) + 1000000;
    if (now_us >= peer->expires_us)
        return SL_REASON_CLIENT_CERT_EXPIRED;
    if (now_us < sl_identity_time_us(&certificate->valid_from))
        return SL_REASON_CLIENT_CERT_NOT_YET_VALID;
    if (ca_end_us == 0)
        return SL_REASON_CLIENT_CERT_UNTRUSTED;
    /* In a full handshake the library has found that already, but not where a ticket came. */
    if (now_us >= ca_end_us)
        return SL_REASON_CLIENT_CERT_EXPIRED;
    /* A session ends with the first of the two. */
    if (ca_end_us < peer->expires_us)
        peer->expires_us = ca_end_us;
    if (sl_trust_revoked(trust, certificate, issuer))
        return SL_REASON_CLIENT_CERT_REVOKED;
    if (!sl_identity_is_client(certificate))
        return SL_REASON_CLIENT_CERT_NO_USAGE;
    reason = sl_identity_sensor(certificate, peer->name);
    if (reason == SL_REASON_NONE && sl_trust_allow(trust) != NULL &&
        !sl_allow_find(sl_trust_allow(trust), peer->name, certificate, &rule))
        reason = SL_REASON_CLIENT_NOT_ALLOWED;
    return reason;
}

enum sl_reason sl_admission_judge(const mbedtls_x509_crt *certificate,
                                  const uint8_t issuer[static SL_FINGERPRINT_SIZE],
                                  const struct sl_trust *trust, int64_t now_us)
{
    struct sl_peer seen = {.expires_us = 0};

    return judge(certificate, issuer, trust, now_us, &seen);
}

static enum sl_reason judge_session(const struct sl_session *session, const struct sl_trust *trust,
                                    int64_t now_us, struct sl_peer *peer)
{
    return judge(sl_session_peer_certificate(session), sl_session_peer_issuer(session), trust,
                 now_us, peer);
}

enum sl_status sl_admission_decide(const struct sl_session *session, const struct sl_trust *trust,
                                   int64_t now_us, struct sl_peer **peer,
                                   struct sl_refusal *refusal)
{
    const struct sl_revocation_list *old_list = NULL;
    struct sl_peer *made;

    assert(sl_trust_role(trust) == SL_ROLE_SERVER && sl_session_established(session));
    *refusal = (struct sl_refusal){0};
    made = calloc(1, sizeof *made);
    if (made == NULL) {
        refusal->reason = SL_REASON_NO_MEMORY;
        return SL_NOMEM;
    }
    refusal->reason = judge_session(session, trust, now_us, made);
    if (refusal->reason == SL_REASON_NONE)
        old_list = find_old_list(session, trust, now_us);
    if (old_list != NULL)
        refusal->reason = SL_REASON_CRL_EXPIRED;
    if (refusal->reason == SL_REASON_NONE) {
        atomic_init(&made->references, 1);
        *peer = made;
        return SL_OK;
    }
    free(made);
    sl_admission_facts(session, refusal->facts);
    if (old_list != NULL)
        tell_old_list(old_list, refusal);
    return SL_DENIED;
}

enum sl_status sl_admission_review(const struct sl_session *session, const struct sl_trust *trust,
                                   int64_t now_us, struct sl_refusal *refusal)
{
    struct sl_peer seen = {.expires_us = 0};

    *refusal = (struct sl_refusal){.reason = judge_session(session, trust, now_us, &seen)};
    if (refusal->reason == SL_REASON_NONE)
        return SL_OK;
    sl_admission_facts(session, refusal->facts);
    return SL_DENIED;
}

struct sl_allow_rule sl_admission_rule(const struct sl_session *session,
                                       const struct sl_trust *trust, const struct sl_peer *peer)
{
    struct sl_allow_rule rule = {0};

    if (sl_trust_allow(trust) != NULL)
        (void)sl_allow_find(sl_trust_allow(trust), peer->name, sl_session_peer_certificate(session),
                            &rule);
    return rule;
}

const char *sl_peer_name(const struct sl_peer *peer)
{
    return peer->name;
}

struct sl_peer *sl_peer_ref(struct sl_peer *peer)
{
    (void)atomic_fetch_add_explicit(&peer->references, 1, memory_order_relaxed);
    return peer;
}

void sl_peer_unref(struct sl_peer *peer)
{
    if (peer != NULL && atomic_fetch_sub_explicit(&peer->references, 1, memory_order_acq_rel) == 1)
        free(peer);
}

int64_t sl_peer_expires_us(const struct sl_peer *peer)
{
    return peer->expires_us;
}
