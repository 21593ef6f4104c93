/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h -- what a certificate says about whose it is: the sensor's name, the addresses of a
 * server, and the facts that a log line shows.
 *
 * Everything in a certificate that isn't verified is a stranger's text: names are checked byte by
 * byte and facts are made fit to print.
 *
 * Threads  Pure functions.
 */
#ifndef SL_TLS_IDENTITY_H
#define SL_TLS_IDENTITY_H

#include <stdint.h>

#include "tls/allow.h"
#include "tls/compat.h"
#include "tls/reason.h"
#include "wire/message.h"

/*
 * The sensor's name: the first of a SAN URI `urn:sensor:<name>` (the prefix in any case, RFC 8141
 * section 3.1), a SAN DNS name, the CN. Where the first kind that is there holds a bad name, there
 * is no second try. Returns SL_REASON_NONE and `name` zero-terminated; or CLIENT_NAME_MISSING,
 * _BAD, or _AMBIGUOUS (two sensor URIs, or two CNs where the CN counts).
 */
enum sl_reason sl_identity_sensor(const mbedtls_x509_crt *certificate,
                                  char name[static SL_SENSOR_NAME_MAX + 1]);

/*
 * True where a SAN iPAddress entry equals `address` of 4 or 16 bytes (RFC 5280, section 4.2.1.6).
 */
bool sl_identity_has_address(const mbedtls_x509_crt *certificate, const uint8_t *address,
                             size_t len);

/* True where the extended key usage is there and allows to be a client, or a server. */
bool sl_identity_is_client(const mbedtls_x509_crt *certificate);
bool sl_identity_is_server(const mbedtls_x509_crt *certificate);

/* True where there are subject alternative names; else the library looks at the CN. */
bool sl_identity_has_names(const mbedtls_x509_crt *certificate);

/* "subject ..., issuer ..., serial ..., valid ... to ...", fit to print. Returns `text`. */
const char *sl_identity_facts(const mbedtls_x509_crt *certificate, char text[static SL_FACTS_SIZE]);

/*
 * The names and addresses of the certificate's subject alternative names that a server is known by
 * (DNS, IP), separated by ", ", fit to print and cut where `size` is too small; empty where there
 * are none. Returns `text`.
 */
const char *sl_identity_hosts(const mbedtls_x509_crt *certificate, char *text, size_t size);

/* The SHA-256 of the certificate's DER; false where the library fails. */
bool sl_identity_fingerprint(const mbedtls_x509_crt *certificate,
                             uint8_t out[static SL_FINGERPRINT_SIZE]);

enum { SL_DATE_SIZE = 72 };

/* "2026-11-23T03:09:01Z". Returns `text`. */
const char *sl_identity_date(const mbedtls_x509_time *time, char text[static SL_DATE_SIZE]);

/* "CN=attic", fit to print and cut where `size` is too small. Returns `text`. */
const char *sl_identity_name(const mbedtls_x509_name *dn, char *text, size_t size);

/* A certificate's date in microseconds since 1970 UTC. */
int64_t sl_identity_time_us(const mbedtls_x509_time *time);

#endif
