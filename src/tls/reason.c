/* SPDX-License-Identifier: Apache-2.0 */
/* reason.c -- the table behind reason.h. */
#include "tls/reason.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct entry {
    const char *id;
    const char *text;
};

static const struct entry table[SL_REASON_COUNT] = {
    [SL_REASON_NONE] = {"none", "nothing is wrong"},
    [SL_REASON_CLIENT_CERT_MISSING] =
        {"client-cert-missing",
         "the peer sent no certificate; a sensor needs one made with scripts/certs.sh sensor"},
    [SL_REASON_CLIENT_CERT_UNTRUSTED] =
        {"client-cert-untrusted",
         "the sensor's certificate isn't signed by a CA of --cafile; have it signed by that CA"},
    [SL_REASON_CLIENT_CERT_EXPIRED] =
        {"client-cert-expired", "the sensor's certificate has expired; renew it, or set the clock"},
    [SL_REASON_CLIENT_CERT_NOT_YET_VALID] =
        {"client-cert-not-yet-valid",
         "the sensor's certificate isn't valid yet; check the clocks of the CA and of the server"},
    [SL_REASON_CLIENT_CERT_REVOKED] =
        {"client-cert-revoked",
         "the sensor's certificate is revoked; give the sensor a new key and certificate"},
    [SL_REASON_CLIENT_CERT_WRONG_USAGE] =
        {"client-cert-wrong-usage",
         "the certificate isn't meant for a sensor (no client authentication, or no signing); "
         "make one with scripts/certs.sh sensor"},
    [SL_REASON_CLIENT_CERT_NO_USAGE] =
        {"client-cert-no-usage",
         "the certificate doesn't say that it is for client authentication; make one with "
         "scripts/certs.sh sensor"},
    [SL_REASON_CLIENT_CERT_WEAK] =
        {"client-cert-weak",
         "the certificate's key or signature is too weak or of a kind not used here; use P-256"},
    [SL_REASON_CLIENT_CERT_UNREADABLE] = {"client-cert-unreadable",
                                          "the certificate can't be read; make a new one"},
    [SL_REASON_CLIENT_CHAIN_UNKNOWN_CA] =
        {"client-chain-unknown-ca",
         "the certificate was signed by one that isn't a CA of --cafile; have it signed by the "
         "CA itself"},
    [SL_REASON_CLIENT_KEY_MISMATCH] =
        {"client-key-mismatch",
         "the sensor couldn't prove that it has its certificate's key; check that --cert and --key "
         "belong together"},
    [SL_REASON_CLIENT_NOT_ALLOWED] =
        {"client-not-allowed", "the sensor's certificate is good, but the sensor isn't on the "
                               "server's allow list; add a line to the file of --allow"},
    [SL_REASON_CLIENT_NAME_MISSING] =
        {"client-name-missing",
         "the certificate names no sensor; it needs a SAN such as URI:urn:sensor:weather-1"},
    [SL_REASON_CLIENT_NAME_BAD] =
        {"client-name-bad",
         "the sensor's name in the certificate breaks the rule: 1 to 64 of A-Z a-z 0-9 . _ - "
         "with a letter or digit first"},
    [SL_REASON_CLIENT_NAME_AMBIGUOUS] =
        {"client-name-ambiguous",
         "the certificate names a sensor more than once; it must name one"},
    [SL_REASON_CRL_EXPIRED] =
        {"crl-expired",
         "the revocation list of the sensor's CA is out of date; make a new one with "
         "scripts/certs.sh crl and reload the server"},
    [SL_REASON_SERVER_CERT_UNTRUSTED] =
        {"server-cert-untrusted",
         "the server's certificate isn't signed by a CA of --cafile: a wrong server, or a wrong "
         "--cafile"},
    [SL_REASON_SERVER_CERT_EXPIRED] =
        {"server-cert-expired",
         "the server's certificate has expired; renew it, or set this machine's clock"},
    [SL_REASON_SERVER_CERT_NOT_YET_VALID] =
        {"server-cert-not-yet-valid",
         "the server's certificate isn't valid yet; check this machine's clock"},
    [SL_REASON_SERVER_CERT_WRONG_USAGE] =
        {"server-cert-wrong-usage", "the certificate isn't meant for a server; make one with "
                                    "scripts/certs.sh server"},
    [SL_REASON_SERVER_CERT_WEAK] =
        {"server-cert-weak",
         "the certificate's key or signature is too weak or of a kind not used here; use P-256"},
    [SL_REASON_SERVER_CERT_UNREADABLE] =
        {"server-cert-unreadable",
         "the server's certificate can't be read; make a new one with scripts/certs.sh server"},
    [SL_REASON_SERVER_CHAIN_UNKNOWN_CA] =
        {"server-chain-unknown-ca",
         "the server's certificate was signed by one that isn't a CA of --cafile; have it signed "
         "by the CA itself"},
    [SL_REASON_SERVER_KEY_MISMATCH] =
        {"server-key-mismatch",
         "the server couldn't prove that it has its certificate's key; check that it is your "
         "server, and its --cert and --key"},
    [SL_REASON_SERVER_NAME_MISMATCH] =
        {"server-name-mismatch",
         "the server's certificate is for another name; use the name in it, or add this one with "
         "scripts/certs.sh server"},
    [SL_REASON_HTTP] = {"http", "the peer speaks HTTP; this port is for sensors with TLS"},
    [SL_REASON_PLAIN_TEXT] =
        {"plain-text",
         "the peer sends plain text; this port takes TLS with a sensor's certificate only"},
    [SL_REASON_NOT_TLS] = {"not-tls", "what the peer sends isn't TLS; check the port"},
    [SL_REASON_OLD_TLS] = {"old-tls",
                           "the peer offers no TLS 1.2 or newer; update what it uses for TLS"},
    [SL_REASON_NO_COMMON_SUITE] =
        {"no-common-suite",
         "the peer offers no cipher suite, group or signature that is allowed here; it needs "
         "ECDHE-ECDSA with CCM, GCM or ChaCha20-Poly1305"},
    [SL_REASON_NO_COMMON_PROTOCOL] =
        {"no-common-protocol",
         "the peer asks for another application protocol (ALPN) than sensorlink/1; offer that one, "
         "or none for plain lines"},
    [SL_REASON_HANDSHAKE_TIMEOUT] =
        {"handshake-timeout",
         "the handshake didn't end in time; check the network and the other side"},
    [SL_REASON_HANDSHAKE_TOO_LARGE] =
        {"handshake-too-large",
         "the peer sent more than is read of anybody before authentication; send the leaf "
         "certificate only"},
    [SL_REASON_HANDSHAKE_TOO_MANY_CERTS] =
        {"handshake-too-many-certs",
         "the peer sent several certificates above its own that aren't CAs of --cafile, and none "
         "was looked at; send the leaf certificate only"},
    [SL_REASON_HANDSHAKE_TOO_COSTLY] =
        {"handshake-too-costly",
         "others of the peer's address wasted the server's time with handshakes that failed, and "
         "it is busy; mend those, or come back later"},
    [SL_REASON_HANDSHAKE_CUT] =
        {"handshake-cut",
         "the connection ended in the middle of the handshake; the other side's log may say why"},
    [SL_REASON_HANDSHAKE_FAILED] = {"handshake-failed",
                                    "the handshake failed; the other side's log may say why"},
    [SL_REASON_PEER_REFUSED] = {"peer-refused",
                                "the other side refused the handshake; its log says why"},
    [SL_REASON_NOT_WELCOMED] =
        {"not-welcomed",
         "the server ended the connection without a welcome: most likely it doesn't "
         "accept this sensor's certificate; its log says why"},
    [SL_REASON_TLS_BROKEN] =
        {"tls-broken",
         "a record was damaged or out of order, so the session can't go on; connect again"},
    [SL_REASON_SHUTTING_DOWN] = {"shutting-down", "the server is shutting down; come back later"},
    [SL_REASON_IDLE] =
        {"idle",
         "nothing came for longer than --idle-timeout; connect again when there is something to "
         "say"},
    [SL_REASON_SESSION_TOO_OLD] = {"session-too-old",
                                   "the session has lasted as long as one may here "
                                   "(--max-session-age); connect again"},
    [SL_REASON_STORE_FAILED] =
        {"store-failed",
         "the server can't write its store, so nothing was acknowledged; come back later"},
    [SL_REASON_STREAM_CONFLICT] =
        {"stream-conflict", "another session of the same stream was faster; come back and go on "
                            "from what is stored"},
    [SL_REASON_STREAM_TAKEN_OVER] =
        {"stream-taken-over", "a newer session of the same stream is open; if this isn't an old "
                              "connection, two programs use copies of one spool"},
    [SL_REASON_STREAM_DIVERGED] =
        {"stream-diverged", "another reading is stored under the same number: this spool is a copy "
                            "of one that went on elsewhere; keep the other one, and start this "
                            "sensor with a new spool"},
    [SL_REASON_NAME_NOT_ALLOWED] =
        {"name-not-allowed",
         "the allow list doesn't let this sensor report readings of this name; add it to names= "
         "in the file of --allow"},
    [SL_REASON_CLIENT_NAME_SPELLING] =
        {"client-name-spelling",
         "a sensor is known whose name differs from this one only in upper and lower case; give "
         "the new one another name"},
    [SL_REASON_NO_MEMORY] = {"no-memory", "out of memory; come back later"},
};

const char *sl_reason_id(enum sl_reason reason)
{
    assert(reason >= SL_REASON_NONE && reason < SL_REASON_COUNT);
    return table[reason].id;
}

const char *sl_reason_text(enum sl_reason reason)
{
    assert(reason >= SL_REASON_NONE && reason < SL_REASON_COUNT);
    return table[reason].text;
}

void sl_reason_add_clock(struct sl_refusal *refusal)
{
    bool dates = refusal->reason == SL_REASON_CLIENT_CERT_EXPIRED ||
                 refusal->reason == SL_REASON_CLIENT_CERT_NOT_YET_VALID ||
                 refusal->reason == SL_REASON_SERVER_CERT_EXPIRED ||
                 refusal->reason == SL_REASON_SERVER_CERT_NOT_YET_VALID;
    size_t used = strlen(refusal->facts);
    char now[SL_TIME_TEXT_SIZE];

    if (!dates)
        return;
    (void)sl_time_print_iso(sl_clock_wall_us(), now);
    (void)snprintf(refusal->facts + used, SL_FACTS_SIZE - used,
                   "; this machine's clock says %.19sZ", now);
}
