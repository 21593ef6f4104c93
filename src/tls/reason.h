/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reason.h -- why a peer was refused or a session ended: one table of stable ids and sentences.
 *
 * The ids are part of the protocol (`bye`, docs/protocol.md) and of the log; they never change
 * their meaning. tests/system/test_docs.py holds docs/reasons.md against this table.
 *
 * Threads  The table is constant; the rest as for whose it is.
 */
#ifndef SL_TLS_REASON_H
#define SL_TLS_REASON_H

#include <stddef.h>

enum sl_reason {
    SL_REASON_NONE,

    /* The sensor's certificate, judged by the server. */
    SL_REASON_CLIENT_CERT_MISSING,
    SL_REASON_CLIENT_CERT_UNTRUSTED,
    SL_REASON_CLIENT_CERT_EXPIRED,
    SL_REASON_CLIENT_CERT_NOT_YET_VALID,
    SL_REASON_CLIENT_CERT_REVOKED,
    SL_REASON_CLIENT_CERT_WRONG_USAGE,
    SL_REASON_CLIENT_CERT_NO_USAGE,
    SL_REASON_CLIENT_CERT_WEAK,
    SL_REASON_CLIENT_CERT_UNREADABLE,
    SL_REASON_CLIENT_CHAIN_UNKNOWN_CA,
    SL_REASON_CLIENT_KEY_MISMATCH,
    SL_REASON_CLIENT_NOT_ALLOWED,
    SL_REASON_CLIENT_NAME_MISSING,
    SL_REASON_CLIENT_NAME_BAD,
    SL_REASON_CLIENT_NAME_AMBIGUOUS,
    SL_REASON_CRL_EXPIRED,

    /* The server's certificate, judged by the sensor. */
    SL_REASON_SERVER_CERT_UNTRUSTED,
    SL_REASON_SERVER_CERT_EXPIRED,
    SL_REASON_SERVER_CERT_NOT_YET_VALID,
    SL_REASON_SERVER_CERT_WRONG_USAGE,
    SL_REASON_SERVER_CERT_WEAK,
    SL_REASON_SERVER_CERT_UNREADABLE,
    SL_REASON_SERVER_CHAIN_UNKNOWN_CA,
    SL_REASON_SERVER_KEY_MISMATCH,
    SL_REASON_SERVER_NAME_MISMATCH,

    /* The handshake. */
    SL_REASON_HTTP,
    SL_REASON_PLAIN_TEXT,
    SL_REASON_NOT_TLS,
    SL_REASON_OLD_TLS,
    SL_REASON_NO_COMMON_SUITE,
    SL_REASON_NO_COMMON_PROTOCOL,
    SL_REASON_HANDSHAKE_TIMEOUT,
    SL_REASON_HANDSHAKE_TOO_LARGE,
    SL_REASON_HANDSHAKE_TOO_MANY_CERTS,
    SL_REASON_HANDSHAKE_TOO_COSTLY,
    SL_REASON_HANDSHAKE_CUT,
    SL_REASON_HANDSHAKE_FAILED,
    SL_REASON_PEER_REFUSED,
    SL_REASON_NOT_WELCOMED,

    /* An established session. */
    SL_REASON_TLS_BROKEN,
    SL_REASON_SHUTTING_DOWN,
    SL_REASON_IDLE,
    SL_REASON_SESSION_TOO_OLD,
    SL_REASON_STORE_FAILED,
    SL_REASON_STREAM_CONFLICT,
    SL_REASON_STREAM_TAKEN_OVER,
    SL_REASON_STREAM_DIVERGED,
    SL_REASON_NAME_NOT_ALLOWED,
    SL_REASON_CLIENT_NAME_SPELLING,
    SL_REASON_NO_MEMORY,

    SL_REASON_COUNT
};

/* The stable id, such as "client-cert-expired"; "none" for SL_REASON_NONE. Never null. */
const char *sl_reason_id(enum sl_reason reason);

/* One sentence: what is wrong and what to do. Never null. */
const char *sl_reason_text(enum sl_reason reason);

enum { SL_FACTS_SIZE = 640 };

/* A refusal as it happened: the reason, and the facts known about the peer, fit to print. */
struct sl_refusal {
    enum sl_reason reason;
    char facts
        [SL_FACTS_SIZE]; /* "subject CN=a, issuer CN=b, serial 0C, valid ... to ..." or empty */
};

/* Dates mean something beside the clock that they are held against: says what it is, for those. */
void sl_reason_add_clock(struct sl_refusal *refusal);

#endif
