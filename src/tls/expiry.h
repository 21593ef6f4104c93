/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expiry.h -- what of a trust ends some day: the own certificate, the CAs, their revocation lists;
 * and the sentence that says so in time.
 *
 * Threads  Pure functions.
 */
#ifndef SL_TLS_EXPIRY_H
#define SL_TLS_EXPIRY_H

#include "tls/trust.h"

/* How long before an end warnings begin, where --expiry-warning doesn't say it: 14 days. */
#define SL_EXPIRY_WARNING_MS INT64_C(1209600000)

enum sl_expiry_kind { SL_EXPIRY_OWN, SL_EXPIRY_CA, SL_EXPIRY_CRL };

enum sl_expiry_stage {
    SL_EXPIRY_FINE,
    SL_EXPIRY_SOON,  /* less is left than the warning time */
    SL_EXPIRY_GRACE, /* a list whose next update is due, and which holds for its grace only */
    SL_EXPIRY_OVER
};

struct sl_expiry {
    enum sl_expiry_kind kind;
    char name[200];    /* of its subject, or of the list's CA; fit to print */
    char date[72];     /* of its end */
    int64_t begin_us;  /* of its validity; all three in microseconds since 1970 UTC */
    int64_t end_us;    /* the first moment after it */
    int64_t closed_us; /* as end_us; of a list, the end of its grace */
};

/* The one with this index, from 0; false after the last. */
bool sl_expiry_at(const struct sl_trust *trust, size_t index, struct sl_expiry *expiry);

/* One by one, for a report on files that are no trust yet (inspect.h). */
void sl_expiry_of_certificate(const struct mbedtls_x509_crt *certificate, enum sl_expiry_kind kind,
                              struct sl_expiry *expiry);
void sl_expiry_of_list(const struct sl_revocation *revocation, size_t index,
                       struct sl_expiry *expiry);

/*
 * How far it is at `now_us`. A revocation list is short-lived by intent, so it is warned of in the
 * last quarter of its time, where that is less than `warning_ms`.
 */
enum sl_expiry_stage sl_expiry_stage(const struct sl_expiry *expiry, int64_t warning_ms,
                                     int64_t now_us);

/*
 * Is there something new to say since `then_us`: another stage, or another day (in the grace,
 * another hour) of the same one?
 */
bool sl_expiry_due(const struct sl_expiry *expiry, int64_t warning_ms, int64_t then_us,
                   int64_t now_us);

/*
 * The sentence for a stage that isn't fine: what, in which file, until when, what to do. Returns
 * `text`.
 */
const char *sl_expiry_print(const struct sl_expiry *expiry, const struct sl_trust_files *files,
                            int64_t now_us, char *text, size_t size);

#endif
