/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compat.h -- everything that differs between Mbed TLS 2.28, 3.6 and 4.x, and the library's
 * headers.
 *
 * Other files of src/tls call what is the same in all of them by its own name, and what isn't by
 * the names here. A new version of the library changes compat.c (and the includes below), nothing
 * else.
 *
 * Threads  sl_compat_start() first, in one thread, before any other; the rest as the library says:
 *          a random source may be shared by all threads.
 */
#ifndef SL_TLS_COMPAT_H
#define SL_TLS_COMPAT_H

#include <mbedtls/version.h>

#include <mbedtls/asn1.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>

#include <stdbool.h>

/* The library's source of randomness; opaque, and empty where the library has its own (4.x). */
struct sl_random;

/*
 * Gets the library ready: refuses a library of another branch than compiled for, and one with a
 * known hole in what we use (docs/security.md), starts PSA where TLS needs it. Returns 0, or -1
 * with one sentence in `error`.
 */
int sl_compat_start(char *error, size_t size);

/*
 * Seeds a random source. Returns 0 or the library's code. The caller frees with sl_random_free().
 */
int sl_random_new(struct sl_random **random);
void sl_random_free(struct sl_random *random);

/* Fills `size` bytes, 1024 at most; false where the library fails. Any thread may. */
bool sl_random_fill(struct sl_random *random, unsigned char *bytes, size_t size);

enum { SL_SEALING_KEY_SIZE = 32 };

/* What AES-256-GCM makes of bytes; `name` is authenticated with them. Nonce 12 bytes, tag 16. */
struct sl_sealed {
    const unsigned char *name;
    size_t name_len;
    unsigned char *nonce;
    unsigned char *bytes; /* encrypted, as many as in the clear */
    size_t len;
    unsigned char *tag;
};

/*
 * Encrypts `sealed->len` bytes of `plain` into `sealed->bytes` and sets the tag; or checks the tag
 * and decrypts into `plain`, which may be the same place. Returns 0 or the library's code.
 */
int sl_compat_seal(const unsigned char key[static SL_SEALING_KEY_SIZE],
                   const struct sl_sealed *sealed, const unsigned char *plain);
int sl_compat_unseal(const unsigned char key[static SL_SEALING_KEY_SIZE],
                     const struct sl_sealed *sealed, unsigned char *plain);

/* The version of TLS that was chosen in this handshake: a number of ours, 2 for TLS 1.2. */
unsigned char sl_compat_chosen_version(const mbedtls_ssl_context *ssl);

/* Makes a copy of a session, which isn't freed, forget the certificate that it points to. */
void sl_compat_leave_certificate(mbedtls_ssl_session *copy);

/* A client takes the server's tickets, and is told of them where TLS 1.3 sends them late. */
void sl_compat_take_tickets(mbedtls_ssl_config *config);

/* Sets the policy's random source, versions, suites, groups and signature algorithms. */
void sl_compat_policy(mbedtls_ssl_config *config, struct sl_random *random);

/* mbedtls_pk_parse_keyfile() for unencrypted keys. */
int sl_compat_parse_keyfile(mbedtls_pk_context *key, const char *path, struct sl_random *random);

/* mbedtls_pk_check_pair(): 0 where the private key belongs to the public one. */
int sl_compat_check_pair(mbedtls_pk_context *public_key, mbedtls_pk_context *private_key,
                         struct sl_random *random);

/* True once the handshake is over. */
bool sl_compat_handshake_over(mbedtls_ssl_context *ssl);

/*
 * Sets the name that the server's certificate must carry, for SNI and for checking; `name` null:
 * neither (the caller checks an address by itself). Returns 0 or the library's code.
 */
int sl_compat_set_hostname(mbedtls_ssl_context *ssl, const char *name);

/* True where this certificate says CA:TRUE. */
bool sl_compat_is_ca(const mbedtls_x509_crt *certificate);

/* True for "a session ticket came": not an error, call again. */
bool sl_compat_is_ticket(int code);

/* True where TLS 1.3 is compiled in. */
bool sl_compat_has_tls13(void);

/* The loaded library's version, such as "Mbed TLS 3.6.6". */
void sl_compat_version(char *text, size_t size);

/* What a code of the library means to us, where its numbers differ between versions. */
enum sl_compat_failure {
    SL_FAILURE_OTHER,
    SL_FAILURE_NO_SUITE,    /* nothing in common */
    SL_FAILURE_OLD_VERSION, /* no protocol version in common */
    SL_FAILURE_PROOF,       /* the proof of the key (CertificateVerify, ServerKeyExchange) failed */
    SL_FAILURE_CERTIFICATE, /* a certificate can't be read or may not be used like this */
    SL_FAILURE_NO_CERTIFICATE,
    SL_FAILURE_NO_MEMORY
};
enum sl_compat_failure sl_compat_failure(int code);

#endif
