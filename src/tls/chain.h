/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain.h -- counts the certificates that a client of TLS 1.2 sends, before the library sees them.
 *
 * The library tries every certificate that a stranger sends as a CA of every other one, and only
 * then asks whether any of it is trusted: that costs seconds, see docs/security.md. In TLS 1.2 the
 * message is in the clear, so it can be counted first. A client may send the CAs that we have, as
 * OpenSSL does by itself, and one more, so that an honest mistake is judged and told with its
 * facts. What is counted here costs no arithmetic; nothing here decides about trust.
 *
 * In TLS 1.3 the message is encrypted and never comes here; nor does anything a server sends.
 *
 * Memory   The caller owns struct sl_chain; start with `{.cas = ...}`, which are borrowed and may
 *          be null. Nothing allocates.
 * Threads  As for the session.
 */
#ifndef SL_TLS_CHAIN_H
#define SL_TLS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mbedtls_x509_crt;

enum { SL_CHAIN_UNKNOWN_MAX = 1 };

struct sl_chain {
    const struct mbedtls_x509_crt *cas;  /* those that we have */
    const struct mbedtls_x509_crt *like; /* has all that was seen of this certificate; or null */
    uint32_t message;                    /* bytes left of the message under way */
    uint32_t certificate;                /* bytes left of the certificate under way */
    uint32_t seen;                       /* bytes seen of it */
    uint32_t number;                     /* the length under way, */
    unsigned digits;                     /* and how many of its bytes were seen */
    uint8_t type;                        /* of the message under way */
    uint8_t hellos;                      /* ClientHellos that were seen whole, 2 at most */
    bool hidden;                         /* encryption may have begun */
    bool listed;                         /* the length of the list was seen */
    bool leaf;                           /* the first certificate was seen */
    bool over;                           /* nothing that comes now is a client's certificate */
    unsigned unknown;                    /* certificates above the leaf that aren't one of `cas` */
};

/* Looks at the next bytes that came in handshake records. */
void sl_chain_look(struct sl_chain *chain, const uint8_t *bytes, size_t len);

/* A record came that says that what follows is encrypted. */
void sl_chain_hide(struct sl_chain *chain);

/* True once more was sent than may be. */
bool sl_chain_too_long(const struct sl_chain *chain);

#endif
