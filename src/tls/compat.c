/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compat.c -- the differences between Mbed TLS 2.28 (Debian 12) and 3.6 (Debian 13).
 *
 * One section for what both write alike, then one section per branch. 4.x needs a third section
 * here and nothing elsewhere.
 */
#include "tls/compat.h"

#include <stdio.h>
#include <stdlib.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/gcm.h>

struct sl_random {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
};

static int start_branch(char *error, size_t size);

int sl_compat_start(char *error, size_t size)
{
    unsigned loaded = mbedtls_version_get_number();

    /* The library's structs change between minor versions: another one would corrupt memory. */
    if (loaded >> 16 != MBEDTLS_VERSION_NUMBER >> 16) {
        (void)snprintf(error, size,
                       "the Mbed TLS library loaded (%u.%u) isn't the one compiled for (%u.%u): "
                       "build again, or install the right one",
                       loaded >> 24, loaded >> 16 & 0xffU, (unsigned)MBEDTLS_VERSION_MAJOR,
                       (unsigned)MBEDTLS_VERSION_MINOR);
        return -1;
    }
    return start_branch(error, size);
}

int sl_random_new(struct sl_random **random)
{
    static const unsigned char purpose[] = "sensorlink";
    struct sl_random *made = calloc(1, sizeof *made);
    int code;

    if (made == NULL)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    mbedtls_entropy_init(&made->entropy);
    mbedtls_ctr_drbg_init(&made->drbg);
    code = mbedtls_ctr_drbg_seed(&made->drbg, mbedtls_entropy_func, &made->entropy, purpose,
                                 sizeof purpose - 1);
    if (code != 0) {
        sl_random_free(made);
        return code;
    }
    *random = made;
    return 0;
}

void sl_random_free(struct sl_random *random)
{
    if (random == NULL)
        return;
    mbedtls_ctr_drbg_free(&random->drbg);
    mbedtls_entropy_free(&random->entropy);
    free(random);
}

bool sl_random_fill(struct sl_random *random, unsigned char *bytes, size_t size)
{
    return mbedtls_ctr_drbg_random(&random->drbg, bytes, size) == 0;
}

enum { SEAL_NONCE = 12, SEAL_TAG = 16 };

int sl_compat_seal(const unsigned char key[static SL_SEALING_KEY_SIZE],
                   const struct sl_sealed *sealed, const unsigned char *plain)
{
    mbedtls_gcm_context gcm;
    int code;

    mbedtls_gcm_init(&gcm);
    code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 8 * SL_SEALING_KEY_SIZE);
    if (code == 0)
        code = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, sealed->len, sealed->nonce,
                                         SEAL_NONCE, sealed->name, sealed->name_len, plain,
                                         sealed->bytes, SEAL_TAG, sealed->tag);
    mbedtls_gcm_free(&gcm);
    return code;
}

int sl_compat_unseal(const unsigned char key[static SL_SEALING_KEY_SIZE],
                     const struct sl_sealed *sealed, unsigned char *plain)
{
    mbedtls_gcm_context gcm;
    int code;

    mbedtls_gcm_init(&gcm);
    code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key, 8 * SL_SEALING_KEY_SIZE);
    if (code == 0)
        code =
            mbedtls_gcm_auth_decrypt(&gcm, sealed->len, sealed->nonce, SEAL_NONCE, sealed->name,
                                     sealed->name_len, sealed->tag, SEAL_TAG, sealed->bytes, plain);
    mbedtls_gcm_free(&gcm);
    return code;
}

void sl_compat_version(char *text, size_t size)
{
    char version[32];

    mbedtls_version_get_string(version);
    (void)snprintf(text, size, "Mbed TLS %s", version);
}

/* What is left over: the codes for a certificate, or the key in it, that can't be parsed. */
static enum sl_compat_failure other_failure(int code)
{
    int high = -(-code & 0xff80); /* The low bits say which part of the DER was wrong. */

    if ((high <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE &&
         high >= MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT) ||
        (high <= MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE && high >= MBEDTLS_ERR_PK_KEY_INVALID_FORMAT))
        return SL_FAILURE_CERTIFICATE;
    return SL_FAILURE_OTHER;
}

#if MBEDTLS_VERSION_NUMBER < 0x03000000

/*
 * 2.28. x25519 first: its key exchange costs less here than P-256, and the default list begins with
 * P-521. P-256 must be in the list all the same: it is also the list of certificate curves.
 */
static const mbedtls_ecp_group_id groups[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                              MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
/*
 * In the order of cost in these builds. 2.28 takes a suite that it doesn't know for an internal
 * error.
 */
static const int suites[] = {
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    0,
};
static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                             MBEDTLS_MD_NONE};

void sl_compat_take_tickets(mbedtls_ssl_config *config)
{
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
}

void sl_compat_leave_certificate(mbedtls_ssl_session *copy)
{
    copy->peer_cert = NULL;
}

unsigned char sl_compat_chosen_version(const mbedtls_ssl_context *ssl)
{
    (void)ssl;
    return 2;
}

static int start_branch(char *error, size_t size)
{
    (void)error;
    (void)size;
    return 0;
}

void sl_compat_policy(mbedtls_ssl_config *config, struct sl_random *random)
{
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &random->drbg);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_curves(config, groups);
    mbedtls_ssl_conf_sig_hashes(config, hashes);
}

int sl_compat_parse_keyfile(mbedtls_pk_context *key, const char *path, struct sl_random *random)
{
    (void)random;
    return mbedtls_pk_parse_keyfile(key, path, NULL);
}

int sl_compat_check_pair(mbedtls_pk_context *public_key, mbedtls_pk_context *private_key,
                         struct sl_random *random)
{
    (void)random;
    return mbedtls_pk_check_pair(public_key, private_key);
}

bool sl_compat_handshake_over(mbedtls_ssl_context *ssl)
{
    return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER;
}

int sl_compat_set_hostname(mbedtls_ssl_context *ssl, const char *name)
{
    /* Without a name 2.28 checks none: right for addresses, which session.c checks itself. */
    return name == NULL ? 0 : mbedtls_ssl_set_hostname(ssl, name);
}

bool sl_compat_is_ca(const mbedtls_x509_crt *certificate)
{
    return certificate->ca_istrue != 0;
}

bool sl_compat_is_ticket(int code)
{
    (void)code;
    return false;
}

bool sl_compat_has_tls13(void)
{
    return false;
}

enum sl_compat_failure sl_compat_failure(int code)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN:
    case MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE:
    case MBEDTLS_ERR_SSL_UNKNOWN_CIPHER:
        return SL_FAILURE_NO_SUITE;
    case MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION:
        return SL_FAILURE_OLD_VERSION;
    case MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE_VERIFY:
    case MBEDTLS_ERR_SSL_BAD_HS_SERVER_KEY_EXCHANGE:
    case MBEDTLS_ERR_ECP_VERIFY_FAILED:
        return SL_FAILURE_PROOF;
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        return SL_FAILURE_NO_CERTIFICATE;
    case MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE:
        return SL_FAILURE_CERTIFICATE;
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        return SL_FAILURE_NO_MEMORY;
    default:
        return other_failure(code);
    }
}

#elif MBEDTLS_VERSION_NUMBER < 0x04000000

#include <psa/crypto.h>

/* 3.6. P-256 first: its tables are static here and both directions together beat x25519. */
static const uint16_t groups[] = {
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
    MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
/* In the order of cost in these builds. */
static const int suites[] = {
    MBEDTLS_TLS1_3_AES_128_CCM_SHA256,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    0,
};
static const uint16_t signatures[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
                                      MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
                                      MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
                                      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
                                      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
                                      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
                                      MBEDTLS_TLS1_3_SIG_NONE};

void sl_compat_take_tickets(mbedtls_ssl_config *config)
{
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        config, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
}

void sl_compat_leave_certificate(mbedtls_ssl_session *copy)
{
    copy->MBEDTLS_PRIVATE(peer_cert) = NULL;
}

unsigned char sl_compat_chosen_version(const mbedtls_ssl_context *ssl)
{
    switch (mbedtls_ssl_get_version_number(ssl)) {
    case MBEDTLS_SSL_VERSION_TLS1_2:
        return 2;
    case MBEDTLS_SSL_VERSION_TLS1_3:
        return 3;
    default:
        return 0;
    }
}

static int start_branch(char *error, size_t size)
{
    /* CVE-2026-34873: before 3.6.6 a resumed TLS 1.3 session could be had by anybody. */
    if (mbedtls_version_get_number() < 0x03060600) {
        (void)snprintf(error, size,
                       "Mbed TLS 3 before 3.6.6 has holes that matter here: "
                       "install 3.6.6 or later");
        return -1;
    }
    if (psa_crypto_init() != PSA_SUCCESS) {
        (void)snprintf(error, size, "Mbed TLS can't start: no randomness on this machine?");
        return -1;
    }
    return 0;
}

void sl_compat_policy(mbedtls_ssl_config *config, struct sl_random *random)
{
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &random->drbg);
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
    /* Never a pre-shared key alone: a resumed session has fresh keys too. */
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL |
                    MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_PSK_EPHEMERAL);
    mbedtls_ssl_conf_new_session_tickets(config, 1); /* where there are callbacks for them */
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_groups(config, groups);
    mbedtls_ssl_conf_sig_algs(config, signatures);
}

int sl_compat_parse_keyfile(mbedtls_pk_context *key, const char *path, struct sl_random *random)
{
    return mbedtls_pk_parse_keyfile(key, path, NULL, mbedtls_ctr_drbg_random, &random->drbg);
}

int sl_compat_check_pair(mbedtls_pk_context *public_key, mbedtls_pk_context *private_key,
                         struct sl_random *random)
{
    return mbedtls_pk_check_pair(public_key, private_key, mbedtls_ctr_drbg_random, &random->drbg);
}

bool sl_compat_handshake_over(mbedtls_ssl_context *ssl)
{
    return mbedtls_ssl_is_handshake_over(ssl) != 0;
}

int sl_compat_set_hostname(mbedtls_ssl_context *ssl, const char *name)
{
    /* A null name must be said: a handshake without either is refused since 3.6.3. */
    return mbedtls_ssl_set_hostname(ssl, name);
}

bool sl_compat_is_ca(const mbedtls_x509_crt *certificate)
{
    return mbedtls_x509_crt_get_ca_istrue(certificate) > 0;
}

bool sl_compat_is_ticket(int code)
{
    return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

bool sl_compat_has_tls13(void)
{
    return true;
}

enum sl_compat_failure sl_compat_failure(int code)
{
    switch (code) {
    case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
    case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
        return SL_FAILURE_NO_SUITE;
    case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
        return SL_FAILURE_OLD_VERSION;
    case MBEDTLS_ERR_ECP_VERIFY_FAILED:
    case MBEDTLS_ERR_RSA_VERIFY_FAILED:
        return SL_FAILURE_PROOF;
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        return SL_FAILURE_NO_CERTIFICATE;
    case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
    case MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION:
        return SL_FAILURE_CERTIFICATE;
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        return SL_FAILURE_NO_MEMORY;
    default:
        return other_failure(code);
    }
}

#else
#error "Mbed TLS 4 needs a section of its own in src/tls/compat.c"
#endif
