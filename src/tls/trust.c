/* SPDX-License-Identifier: Apache-2.0 */
/* trust.c -- loads and checks a snapshot of trust; see trust.h. */
#include "tls/trust.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/compat.h"
#include "tls/identity.h"
#include "tls/revocation.h"
#include "tls/trust_files.h"
#include "wire/message.h"

/* What admission asks of a CA, found out once. */
struct ca {
    const mbedtls_x509_crt *certificate;
    int64_t end_us;
    uint8_t print[SL_FINGERPRINT_SIZE];
};

struct sl_trust {
    atomic_uint references;
    enum sl_role role;
    struct sl_random *random;
    mbedtls_x509_crt cas;
    struct ca *known; /* each of `cas` */
    size_t known_count;
    mbedtls_x509_crt own;
    mbedtls_pk_context key;
    struct sl_revocation revoked;
    struct sl_allow *allow;
    uint8_t print[SL_FINGERPRINT_SIZE]; /* see sl_trust_print() */
    const char *alpn[2];                /* the library keeps a pointer to it */
    mbedtls_ssl_config config;
};

static enum sl_status load_cas(struct sl_trust *trust, const char *path,
                               struct sl_trust_fault *fault)
{
    enum sl_status status = sl_trust_read_certificates(&trust->cas, "--cafile", path, fault);

    for (const mbedtls_x509_crt *ca = &trust->cas; status == SL_OK && ca != NULL; ca = ca->next)
        status = sl_trust_check_ca(ca, path, fault);
    return status;
}

static enum sl_status configure(struct sl_trust *trust)
{
    int endpoint = trust->role == SL_ROLE_SERVER ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;

    if (mbedtls_ssl_config_defaults(&trust->config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        return SL_NOMEM;
    sl_compat_policy(&trust->config, trust->random);
    mbedtls_ssl_conf_authmode(&trust->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_cert_profile(&trust->config, sl_trust_profile());
    mbedtls_ssl_conf_ca_chain(&trust->config, &trust->cas, NULL);
    mbedtls_ssl_conf_renegotiation(&trust->config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
    mbedtls_ssl_conf_legacy_renegotiation(&trust->config, MBEDTLS_SSL_LEGACY_NO_RENEGOTIATION);
    if (trust->role == SL_ROLE_SENSOR)
        sl_compat_take_tickets(&trust->config);
    /* A list of CA names would only lengthen the flight and tell strangers whom we trust. */
    if (trust->role == SL_ROLE_SERVER)
        mbedtls_ssl_conf_cert_req_ca_list(&trust->config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
    trust->alpn[0] = SL_ALPN;
    if (mbedtls_ssl_conf_alpn_protocols(&trust->config, trust->alpn) != 0 ||
        mbedtls_ssl_conf_own_cert(&trust->config, &trust->own, &trust->key) != 0)
        return SL_NOMEM;
    return SL_OK;
}

/* The second of notAfter is the last good one (RFC 5280, section 4.1.2.5). */
static int64_t end_us(const mbedtls_x509_crt *certificate)
{
    return sl_identity_time_us(&certificate->valid_to) + 1000000;
}

static enum sl_status know_cas(struct sl_trust *trust)
{
    size_t count = 0;

    for (const mbedtls_x509_crt *ca = &trust->cas; ca != NULL; ca = ca->next)
        count++;
    trust->known = calloc(count, sizeof *trust->known);
    if (trust->known == NULL)
        return SL_NOMEM;
    for (const mbedtls_x509_crt *ca = &trust->cas; ca != NULL; ca = ca->next) {
        struct ca *known = &trust->known[trust->known_count++];

        known->certificate = ca;
        known->end_us = end_us(ca);
        if (!sl_identity_fingerprint(ca, known->print))
            return SL_NOMEM;
    }
    return SL_OK;
}

/* One hash over the hashes of the CAs and of the own certificate. */
static enum sl_status make_print(struct sl_trust *trust)
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    uint8_t print[SL_FINGERPRINT_SIZE];
    mbedtls_md_context_t md;
    bool good;

    mbedtls_md_init(&md);
    good = mbedtls_md_setup(&md, sha256, 0) == 0 && mbedtls_md_starts(&md) == 0 &&
           sl_identity_fingerprint(&trust->own, print) &&
           mbedtls_md_update(&md, print, sizeof print) == 0;
    for (size_t i = 0; good && i < trust->known_count; i++)
        good = mbedtls_md_update(&md, trust->known[i].print, SL_FINGERPRINT_SIZE) == 0;
    good = good && mbedtls_md_finish(&md, trust->print) == 0;
    mbedtls_md_free(&md);
    return good ? SL_OK : SL_NOMEM;
}

static enum sl_status load(struct sl_trust *trust, const struct sl_trust_files *files,
                           struct sl_trust_fault *fault)
{
    enum sl_status status;

    if (sl_random_new(&trust->random) != 0) {
        (void)snprintf(fault->text, fault->size, "this machine gives no randomness");
        return SL_IO;
    }
    status = load_cas(trust, files->ca, fault);
    if (status == SL_OK)
        status = sl_trust_read_certificates(&trust->own, "--cert", files->cert, fault);
    if (status == SL_OK)
        status = sl_trust_read_key(&trust->key, trust->random, files->key, fault);
    if (status == SL_OK)
        status = sl_trust_check_pair(&trust->own, &trust->key, trust->random, files, fault);
    if (status == SL_OK)
        status = sl_trust_check_own(trust->role, &trust->own, &trust->cas, files->cert, fault);
    if (status == SL_OK)
        status = sl_trust_read_lists(&trust->revoked, &trust->cas, files, fault);
    if (status == SL_OK && files->allow != NULL)
        status = sl_allow_load(files->allow, &trust->allow, fault->text, fault->size);
    if (status == SL_OK)
        status = know_cas(trust);
    if (status == SL_OK)
        status = make_print(trust);
    if (status == SL_OK)
        status = configure(trust);
    return status;
}

static void destroy(struct sl_trust *trust)
{
    mbedtls_ssl_config_free(&trust->config);
    sl_allow_free(trust->allow);
    sl_revocation_clear(&trust->revoked);
    mbedtls_pk_free(&trust->key);
    mbedtls_x509_crt_free(&trust->own);
    mbedtls_x509_crt_free(&trust->cas);
    free(trust->known);
    sl_random_free(trust->random);
    free(trust);
}

enum sl_status sl_trust_load(enum sl_role role, const struct sl_trust_files *files,
                             struct sl_trust **trust, char *error, size_t error_size)
{
    struct sl_trust_fault fault = {error, error_size};
    struct sl_trust *made;
    enum sl_status status;

    (void)snprintf(error, error_size, "out of memory");
    if (sl_compat_start(error, error_size) != 0)
        return SL_IO;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return SL_NOMEM;
    atomic_init(&made->references, 1);
    made->role = role;
    mbedtls_x509_crt_init(&made->cas);
    mbedtls_x509_crt_init(&made->own);
    mbedtls_pk_init(&made->key);
    mbedtls_ssl_config_init(&made->config);
    status = load(made, files, &fault);
    if (status != SL_OK) {
        destroy(made);
        return status;
    }
    *trust = made;
    return SL_OK;
}

enum sl_status sl_trust_follows(const struct sl_trust *trust, const struct sl_trust *old,
                                const struct sl_trust_files *files, char *error, size_t error_size)
{
    if (files->crl == NULL)
        return SL_OK;
    return sl_revocation_follows(&trust->revoked, &old->revoked, &trust->cas, files->crl, error,
                                 error_size);
}

struct sl_trust *sl_trust_ref(struct sl_trust *trust)
{
    (void)atomic_fetch_add_explicit(&trust->references, 1, memory_order_relaxed);
    return trust;
}

void sl_trust_unref(struct sl_trust *trust)
{
    if (trust != NULL &&
        atomic_fetch_sub_explicit(&trust->references, 1, memory_order_acq_rel) == 1)
        destroy(trust);
}

bool sl_trust_own_name(const struct sl_trust *trust, char name[static SL_SENSOR_NAME_MAX + 1])
{
    return sl_identity_sensor(&trust->own, name) == SL_REASON_NONE;
}

int64_t sl_trust_own_end_us(const struct sl_trust *trust)
{
    return end_us(&trust->own);
}

enum sl_role sl_trust_role(const struct sl_trust *trust)
{
    return trust->role;
}

const char *sl_tls_version(char *text, size_t size)
{
    char version[32];

    sl_compat_version(version, sizeof version);
    (void)snprintf(text, size, "%s (%s)", version,
                   sl_compat_has_tls13() ? "TLS 1.2, TLS 1.3" : "TLS 1.2");
    return text;
}

const uint8_t *sl_trust_print(const struct sl_trust *trust)
{
    return trust->print;
}

const struct mbedtls_ssl_config *sl_trust_config(const struct sl_trust *trust)
{
    return &trust->config;
}

bool sl_trust_has_ca(const struct sl_trust *trust, const struct mbedtls_x509_crt *certificate)
{
    for (const mbedtls_x509_crt *ca = &trust->cas; ca != NULL; ca = ca->next)
        if (ca->raw.len == certificate->raw.len &&
            memcmp(ca->raw.p, certificate->raw.p, ca->raw.len) == 0)
            return true;
    return false;
}

static const struct ca *find_ca(const struct sl_trust *trust,
                                const uint8_t fingerprint[static SL_FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < trust->known_count; i++)
        if (memcmp(trust->known[i].print, fingerprint, SL_FINGERPRINT_SIZE) == 0)
            return &trust->known[i];
    return NULL;
}

int64_t sl_trust_ca_end_us(const struct sl_trust *trust,
                           const uint8_t fingerprint[static SL_FINGERPRINT_SIZE])
{
    const struct ca *ca = find_ca(trust, fingerprint);

    return ca == NULL ? 0 : ca->end_us;
}

const struct sl_allow *sl_trust_allow(const struct sl_trust *trust)
{
    return trust->allow;
}

bool sl_trust_revoked(const struct sl_trust *trust, const struct mbedtls_x509_crt *certificate,
                      const uint8_t issuer[static SL_FINGERPRINT_SIZE])
{
    const struct ca *ca = find_ca(trust, issuer);

    /* The library takes names that differ in case or string type for the same: so does this. */
    return ca == NULL ||
           sl_revocation_has(&trust->revoked, &ca->certificate->subject_raw, &certificate->serial);
}

const struct sl_revocation *sl_trust_revocation(const struct sl_trust *trust)
{
    return &trust->revoked;
}

const struct mbedtls_x509_crt *sl_trust_cas(const struct sl_trust *trust)
{
    return &trust->cas;
}

const struct mbedtls_x509_crt *sl_trust_own(const struct sl_trust *trust)
{
    return &trust->own;
}
