/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission.h -- the one function that decides whom the server lets in, and the only maker of
 * peers.
 *
 * Threads  As for the session that is decided about.
 */
#ifndef SL_TLS_ADMISSION_H
#define SL_TLS_ADMISSION_H

#include <stdint.h>

#include "base/peer.h"
#include "tls/session.h"

/*
 * Decides about a server's session whose handshake is over, against `trust` as it is now: there is
 * a verified certificate, its dates hold at `now_us` (microseconds since 1970 UTC), its extended
 * key usage is there and allows client authentication, its CA is still trusted and hasn't ended, it
 * isn't revoked, it's on the allow list where there is one, it names one sensor by the rules (the
 * first of a SAN URI `urn:sensor:<name>`, a SAN DNS name, the CN), and its CA's revocation list,
 * where there is one, hasn't run out.
 *
 * SL_OK      Admitted: `*peer` has one reference, the caller's.
 * SL_DENIED  `*refusal` says why.
 * SL_NOMEM   No memory.
 */
SL_MUST_USE enum sl_status sl_admission_decide(const struct sl_session *session,
                                               const struct sl_trust *trust, int64_t now_us,
                                               struct sl_peer **peer, struct sl_refusal *refusal);

/*
 * The same judgement of a certificate whose owner proved elsewhere to have its key, and whose chain
 * ended at the CA with the fingerprint `issuer` then: a ticket's. SL_REASON_NONE, or why not.
 */
struct mbedtls_x509_crt;
enum sl_reason sl_admission_judge(const struct mbedtls_x509_crt *certificate,
                                  const uint8_t issuer[static SL_FINGERPRINT_SIZE],
                                  const struct sl_trust *trust, int64_t now_us);

/*
 * Decides again about a session that was admitted, against another trust or at a later time.
 * Statuses as above; the peer stays what it is. A list that ran out ends no session: it says
 * nothing new about a sensor that was admitted under it, and the whole fleet would be locked out at
 * one moment.
 */
SL_MUST_USE enum sl_status sl_admission_review(const struct sl_session *session,
                                               const struct sl_trust *trust, int64_t now_us,
                                               struct sl_refusal *refusal);

/*
 * What the allow list of `trust` says of the peer that was admitted in this session; everything is
 * allowed where there is no list.
 */
struct sl_allow_rule sl_admission_rule(const struct sl_session *session,
                                       const struct sl_trust *trust, const struct sl_peer *peer);

/*
 * "subject ..., issuer ..., serial ..., valid ... to ..." of the session's peer; empty where it
 * showed no certificate.
 */
void sl_admission_facts(const struct sl_session *session, char facts[static SL_FACTS_SIZE]);

#endif
