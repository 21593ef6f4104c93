/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allow.h -- the list of sensors that may come in, and what each may do there.
 *
 * One sensor a line; `#` begins a comment. The first line that fits a sensor counts.
 *
 *   weather-1
 *   roof-*      sha256=5f3a...          only the certificate with this fingerprint
 *   green-*     names=temperature,soil.*  rate=10
 *
 *   name    a sensor's name; `*` stands for any characters, `?` for one
 *   sha256  the SHA-256 of the certificate's DER, 64 hex digits (colons are allowed, as openssl
 *           prints them)
 *   names   what its readings may be called, separated by commas, with `*` and `?`
 *   rate    readings a second, 0.001 to 1000000; faster ones are held back, not lost
 *
 * Memory   One block for each line. Freed by sl_allow_free().
 * Limits   65536 lines of 1024 bytes.
 * Threads  Read-only after load.
 */
#ifndef SL_TLS_ALLOW_H
#define SL_TLS_ALLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { SL_FINGERPRINT_SIZE = 32 };

struct sl_allow;

/* What a line says of a sensor that it fits. */
struct sl_allow_rule {
    const char *names; /* patterns separated by commas; null: any name. Lives as long as the list */
    double rate;       /* readings a second; 0: any */
};

/*
 * Reads the list.
 * SL_OK         `*allow` is the caller's.
 * SL_BAD_INPUT  `error` has one sentence with file and line.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_allow_load(const char *path, struct sl_allow **allow, char *error,
                                         size_t error_size);
void sl_allow_free(struct sl_allow *allow); /* null is allowed */

/* How many sensors or patterns the list names. */
size_t sl_allow_count(const struct sl_allow *allow);

/* True where a line fits the sensor with this certificate; `*rule` is what it says. */
struct mbedtls_x509_crt;
bool sl_allow_find(const struct sl_allow *allow, const char *sensor,
                   const struct mbedtls_x509_crt *certificate, struct sl_allow_rule *rule);

/* True where a reading may have this name under the rule. */
bool sl_allow_names(const struct sl_allow_rule *rule, struct sl_bytes name);

#endif
