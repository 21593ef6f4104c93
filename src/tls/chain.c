/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c -- messages and certificates byte by byte (RFC 5246, 7.4 and 7.4.2); see chain.h. */
#include "tls/chain.h"

#include <string.h>

#include <mbedtls/x509_crt.h>

enum {
    CLIENT_HELLO = 1,
    CERTIFICATE = 11,
    LENGTH_SIZE = 3,
    HEADER_SIZE = 1 + LENGTH_SIZE,
    HELLOS_MAX = 2 /* a second one answers a HelloRetryRequest (RFC 8446, section 4.1.4) */
};

/* The next CA after `like` that begins with the same bytes; null where there is none. */
static const mbedtls_x509_crt *next_like(const mbedtls_x509_crt *like, size_t same)
{
    for (const mbedtls_x509_crt *ca = like->next; ca != NULL; ca = ca->next)
        if (ca->raw.len == like->raw.len && memcmp(ca->raw.p, like->raw.p, same) == 0)
            return ca;
    return NULL;
}

static void begin_certificate(struct sl_chain *chain)
{
    chain->certificate = chain->number;
    chain->seen = 0;
    chain->like = NULL;
    if (!chain->leaf) {
        chain->leaf = true;
        return;
    }
    chain->like = chain->cas;
    while (chain->like != NULL && chain->like->raw.len != chain->certificate)
        chain->like = chain->like->next;
    if (chain->like == NULL)
        chain->unknown++;
}

static void look_at_certificate(struct sl_chain *chain, uint8_t byte)
{
    if (chain->like != NULL) {
        while (chain->like != NULL && chain->like->raw.p[chain->seen] != byte)
            chain->like = next_like(chain->like, chain->seen);
        if (chain->like == NULL)
            chain->unknown++;
    }
    chain->seen++;
    chain->certificate--;
}

/* In the list: its own length, then each certificate after its length. */
static void look_at_list(struct sl_chain *chain, uint8_t byte)
{
    if (chain->certificate > 0) {
        look_at_certificate(chain, byte);
        return;
    }
    chain->number = chain->number << 8 | byte;
    if (++chain->digits < LENGTH_SIZE)
        return;
    if (chain->listed)
        begin_certificate(chain);
    chain->listed = true;
    chain->number = 0;
    chain->digits = 0;
}

/*
 * A client says hello, twice if it must, and then the certificate. Once encryption may have begun
 * only a second hello is in the clear: what else comes is noise that could look like anything.
 */
static void begin_message(struct sl_chain *chain, uint8_t type)
{
    chain->over = type != CLIENT_HELLO && (type != CERTIFICATE || chain->hidden);
    chain->hidden = false;
    chain->type = type;
    chain->listed = false;
    chain->leaf = false;
    chain->certificate = 0;
}

static void end_message(struct sl_chain *chain)
{
    chain->number = 0;
    chain->digits = 0;
    if (chain->type == CLIENT_HELLO && chain->hellos < HELLOS_MAX)
        chain->hellos++;
}

static void look_at_header(struct sl_chain *chain, uint8_t byte)
{
    if (chain->digits == 0)
        begin_message(chain, byte);
    else
        chain->number = chain->number << 8 | byte;
    if (++chain->digits < HEADER_SIZE)
        return;
    chain->message = chain->number;
    chain->number = 0;
    chain->digits = 0;
    if (chain->message == 0)
        end_message(chain);
}

/* Looks at the first of these bytes, and at those after it that say nothing; returns how many. */
static size_t look_at_some(struct sl_chain *chain, const uint8_t *bytes, size_t len)
{
    size_t taken = 1;

    if (chain->message == 0) {
        look_at_header(chain, *bytes);
        return 1;
    }
    if (chain->type == CERTIFICATE)
        look_at_list(chain, *bytes);
    else if (len < chain->message)
        taken = len;
    else
        taken = chain->message;
    chain->message -= (uint32_t)taken;
    if (chain->message == 0)
        end_message(chain);
    return taken;
}

void sl_chain_look(struct sl_chain *chain, const uint8_t *bytes, size_t len)
{
    while (len > 0 && !chain->over) {
        size_t taken = look_at_some(chain, bytes, len);

        bytes += taken;
        len -= taken;
    }
}

void sl_chain_hide(struct sl_chain *chain)
{
    /* Within a message, or before the first one, it means nothing, and the library refuses it. */
    if (chain->hellos > 0 && chain->message == 0 && chain->digits == 0)
        chain->hidden = true;
}

bool sl_chain_too_long(const struct sl_chain *chain)
{
    return chain->unknown > SL_CHAIN_UNKNOWN_MAX;
}
