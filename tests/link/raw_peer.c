/* SPDX-License-Identifier: Apache-2.0 */
/* raw_peer.c -- see raw_peer.h. */
#include "raw_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <mbedtls/oid.h>

#include "support/certificates.h"
#include "wire/message.h"

#if MBEDTLS_VERSION_NUMBER < 0x03000000

static const enum raw_version versions[] = {RAW_TLS12, RAW_ANY};

static void forget_usage(mbedtls_x509_crt *certificate)
{
    certificate->ext_types &= ~MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE;
}

void raw_limit_version(mbedtls_ssl_config *config, enum raw_version version)
{
    if (version == RAW_TLS11) {
        mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                     MBEDTLS_SSL_MINOR_VERSION_2);
        mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
                                     MBEDTLS_SSL_MINOR_VERSION_2);
    }
}

static void take_ticket(mbedtls_ssl_session *thief, const mbedtls_ssl_session *owner)
{
    thief->ciphersuite = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM;
    thief->ticket = owner->ticket;
    thief->ticket_len = owner->ticket_len;
}

#else

static const enum raw_version versions[] = {RAW_TLS12, RAW_TLS13, RAW_ANY};

static void take_ticket(mbedtls_ssl_session *thief, const mbedtls_ssl_session *owner)
{
    thief->MBEDTLS_PRIVATE(tls_version) = MBEDTLS_SSL_VERSION_TLS1_2;
    thief->MBEDTLS_PRIVATE(ciphersuite) = MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM;
    thief->MBEDTLS_PRIVATE(ticket) = owner->MBEDTLS_PRIVATE(ticket);
    thief->MBEDTLS_PRIVATE(ticket_len) = owner->MBEDTLS_PRIVATE(ticket_len);
}

static void forget_usage(mbedtls_x509_crt *certificate)
{
    certificate->MBEDTLS_PRIVATE(ext_types) &= ~MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE;
}

void raw_limit_version(mbedtls_ssl_config *config, enum raw_version version)
{
    assert_true(version != RAW_TLS11); /* The library has none. */
    if (version == RAW_TLS12)
        mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    if (version == RAW_TLS13)
        mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
}

#endif

const enum raw_version *raw_versions(void)
{
    return versions;
}

static int receive(void *ctx, unsigned char *bytes, size_t cap)
{
    struct raw_peer *raw = ctx;
    size_t len = 0;
    enum sl_status status = raw->transport.receive(raw->transport.ctx, bytes, cap, &len);

    if (status == SL_OK)
        return (int)len;
    return status == SL_WANT_READ ? MBEDTLS_ERR_SSL_WANT_READ : 0;
}

static int send(void *ctx, const unsigned char *bytes, size_t len)
{
    struct raw_peer *raw = ctx;
    size_t sent = 0;
    enum sl_status status = raw->transport.send(raw->transport.ctx, bytes, len, &sent);

    if (status == SL_OK)
        return (int)sent;
    return status == SL_WANT_WRITE ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static void load_pair(struct raw_peer *raw, const char *name)
{
    char file[128], path[SL_TEST_PATH_SIZE];

    (void)snprintf(file, sizeof file, "%s.key", name);
    sl_test_certificate(name, &raw->own);
    assert_int_equal(sl_compat_parse_keyfile(&raw->key, sl_test_path(path, file), raw->random), 0);
    assert_int_equal(mbedtls_ssl_conf_own_cert(&raw->config, &raw->own, &raw->key), 0);
}

static void configure(struct raw_peer *raw, const struct raw_options *options)
{
    mbedtls_ssl_config *config = &raw->config;

    assert_int_equal(mbedtls_ssl_config_defaults(
                         config, options->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    sl_compat_policy(config, raw->random);
    raw_limit_version(config, options->version);
    if (!options->server)
        sl_compat_take_tickets(config);
    if (options->suites != NULL)
        mbedtls_ssl_conf_ciphersuites(config, options->suites);
    mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_NONE);
    if (options->renegotiation)
        mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
    raw->alpn[0] = options->protocol != NULL ? options->protocol : SL_ALPN;
    if (options->alpn || options->protocol != NULL)
        assert_int_equal(mbedtls_ssl_conf_alpn_protocols(config, raw->alpn), 0);
    if (options->name != NULL)
        load_pair(raw, options->name);
    /* The library won't send a certificate that it knows to be wrong. */
    if (options->forgets_usage)
        forget_usage(&raw->own);
}

void raw_open(struct raw_peer *raw, const struct raw_options *options,
              struct sl_transport transport)
{
    char error[SL_TEST_ERROR_SIZE];

    *raw = (struct raw_peer){.transport = transport};
    assert_int_equal(sl_compat_start(error, sizeof error), 0);
    mbedtls_ssl_init(&raw->ssl);
    mbedtls_ssl_config_init(&raw->config);
    mbedtls_x509_crt_init(&raw->own);
    mbedtls_pk_init(&raw->key);
    assert_int_equal(sl_random_new(&raw->random), 0);
    configure(raw, options);
    assert_int_equal(mbedtls_ssl_setup(&raw->ssl, &raw->config), 0);
    assert_int_equal(sl_compat_set_hostname(&raw->ssl, NULL), 0);
    mbedtls_ssl_set_bio(&raw->ssl, raw, send, receive, NULL);
}

void raw_close(struct raw_peer *raw)
{
    mbedtls_ssl_free(&raw->ssl);
    mbedtls_ssl_config_free(&raw->config);
    mbedtls_pk_free(&raw->key);
    mbedtls_x509_crt_free(&raw->own);
    sl_random_free(raw->random);
}

void raw_offer_seen_ticket(struct raw_peer *raw, struct raw_peer *owner)
{
    mbedtls_ssl_session theirs, ours;

    mbedtls_ssl_session_init(&theirs);
    mbedtls_ssl_session_init(&ours);
    assert_int_equal(mbedtls_ssl_get_session(&owner->ssl, &theirs), 0);
    take_ticket(&ours, &theirs);
    assert_int_equal(mbedtls_ssl_set_session(&raw->ssl, &ours), 0); /* copies */
    mbedtls_ssl_session_free(&theirs);
}

int raw_handshake(struct raw_peer *raw)
{
    bool again = raw->code == 0 ? !sl_compat_handshake_over(&raw->ssl)
                                : raw->code == MBEDTLS_ERR_SSL_WANT_READ ||
                                      raw->code == MBEDTLS_ERR_SSL_WANT_WRITE;

    if (again)
        raw->code = mbedtls_ssl_handshake(&raw->ssl);
    return raw->code;
}
