/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ticket.h -- session tickets that carry who was authenticated, and are judged again each time.
 *
 * The library's own tickets don't do: in TLS 1.3 they carry no certificate, and a resumed session
 * looks verified while nobody was; in neither version is anything checked again. Ours seal, beside
 * the library's session, the sensor's certificate, the CA that vouched for it, and when that was
 * proved. A ticket counts only where the sensor would be admitted today with this certificate and
 * its proof isn't older than the keys' max_age, however often the session was resumed since. Else
 * the library is told that the ticket is too old, and demands the certificate: a full handshake
 * decides, and says why.
 *
 * A ticket counts in the version of TLS that it was made in. The library doesn't look: it would
 * resume a ticket of TLS 1.3 in TLS 1.2 with a secret of zeros, and whoever saw the ticket in a
 * hello, where it is in the clear, would be the sensor.
 *
 * Memory   struct sl_ticket_desk belongs to a server's session: begin with `{0}` and the first
 *          four fields, end with sl_ticket_desk_clear().
 * Threads  As for the session.
 */
#ifndef SL_TLS_TICKET_H
#define SL_TLS_TICKET_H

#include "tls/compat.h"
#include "tls/ticket_keys.h"
#include "tls/trust.h"
#include "tls/verify.h"

/* Where one session's tickets are made and judged. */
struct sl_ticket_desk {
    struct sl_ticket_keys *keys;  /* null: no tickets */
    const struct sl_trust *trust; /* that a ticket is judged by */
    const struct sl_verify *full; /* what a full handshake finds */
    const mbedtls_ssl_context *ssl;
    bool given;  /* the peer has got one */
    bool opened; /* a ticket was good: the following are of it */
    mbedtls_x509_crt leaf;
    uint8_t issuer[SL_FINGERPRINT_SIZE];
    int64_t proved_us; /* when the certificate's owner proved to have its key */
};

void sl_ticket_desk_clear(struct sl_ticket_desk *desk);

/* True where the peer has a ticket whose time isn't over, as far as we know. */
bool sl_ticket_held(const struct sl_ticket_desk *desk, int64_t now_us);

/* The library's callbacks (mbedtls_ssl_conf_session_tickets_cb()); `ctx` is the desk. */
int sl_ticket_write(void *ctx, const mbedtls_ssl_session *session, unsigned char *start,
                    const unsigned char *end, size_t *len, uint32_t *lifetime_s);
int sl_ticket_parse(void *ctx, mbedtls_ssl_session *session, unsigned char *bytes, size_t len);

#endif
