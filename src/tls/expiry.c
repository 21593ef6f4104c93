/* SPDX-License-Identifier: Apache-2.0 */
/* expiry.c -- see expiry.h. */
#include "tls/expiry.h"

#include <stdio.h>

#include "tls/identity.h"
#include "tls/revocation.h"

#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define DAY_US (24 * HOUR_US)

static void of_dates(const mbedtls_x509_time *from, const mbedtls_x509_time *to,
                     struct sl_expiry *expiry)
{
    (void)sl_identity_date(to, expiry->date);
    expiry->begin_us = sl_identity_time_us(from);
    /* The second of the end is the last good one. */
    expiry->end_us = sl_identity_time_us(to) + SECOND_US;
    expiry->closed_us = expiry->end_us;
}

void sl_expiry_of_certificate(const mbedtls_x509_crt *certificate, enum sl_expiry_kind kind,
                              struct sl_expiry *expiry)
{
    expiry->kind = kind;
    (void)sl_identity_name(&certificate->subject, expiry->name, sizeof expiry->name);
    of_dates(&certificate->valid_from, &certificate->valid_to, expiry);
}

void sl_expiry_of_list(const struct sl_revocation *revocation, size_t index,
                       struct sl_expiry *expiry)
{
    const struct sl_revocation_list *list = &revocation->lists[index];

    expiry->kind = SL_EXPIRY_CRL;
    (void)snprintf(expiry->name, sizeof expiry->name, "%s", list->name);
    of_dates(&list->this_update, &list->next_update, expiry);
    expiry->closed_us = sl_revocation_until_us(revocation, list);
}

bool sl_expiry_at(const struct sl_trust *trust, size_t index, struct sl_expiry *expiry)
{
    const struct sl_revocation *revocation = sl_trust_revocation(trust);

    if (index-- == 0) {
        sl_expiry_of_certificate(sl_trust_own(trust), SL_EXPIRY_OWN, expiry);
        return true;
    }
    for (const mbedtls_x509_crt *ca = sl_trust_cas(trust); ca != NULL; ca = ca->next)
        if (index-- == 0) {
            sl_expiry_of_certificate(ca, SL_EXPIRY_CA, expiry);
            return true;
        }
    if (index >= revocation->list_count)
        return false;
    sl_expiry_of_list(revocation, index, expiry);
    return true;
}

enum sl_expiry_stage sl_expiry_stage(const struct sl_expiry *expiry, int64_t warning_ms,
                                     int64_t now_us)
{
    int64_t warning_us = warning_ms * 1000;
    int64_t quarter_us = (expiry->end_us - expiry->begin_us) / 4;

    if (expiry->kind == SL_EXPIRY_CRL && quarter_us < warning_us)
        warning_us = quarter_us;
    if (now_us >= expiry->closed_us)
        return SL_EXPIRY_OVER;
    if (now_us >= expiry->end_us)
        return SL_EXPIRY_GRACE;
    return expiry->end_us - now_us < warning_us ? SL_EXPIRY_SOON : SL_EXPIRY_FINE;
}

bool sl_expiry_due(const struct sl_expiry *expiry, int64_t warning_ms, int64_t then_us,
                   int64_t now_us)
{
    enum sl_expiry_stage stage = sl_expiry_stage(expiry, warning_ms, now_us);
    int64_t unit_us = stage == SL_EXPIRY_GRACE ? HOUR_US : DAY_US;

    if (stage == SL_EXPIRY_FINE)
        return false;
    return stage != sl_expiry_stage(expiry, warning_ms, then_us) ||
           (expiry->end_us - then_us) / unit_us != (expiry->end_us - now_us) / unit_us;
}

/* "12 days", "1 day", "5 hours", "less than an hour". Returns `text`. */
static const char *print_span(int64_t span_us, char text[static 32])
{
    int64_t days = span_us / DAY_US, hours = span_us / HOUR_US;

    if (days > 0)
        (void)snprintf(text, 32, "%lld day%s", (long long)days, days == 1 ? "" : "s");
    else if (hours > 0)
        (void)snprintf(text, 32, "%lld hour%s", (long long)hours, hours == 1 ? "" : "s");
    else
        (void)snprintf(text, 32, "less than an hour");
    return text;
}

static void print_list(const struct sl_expiry *expiry, const char *file, int64_t now_us, char *text,
                       size_t size)
{
    static const char what_to_do[] = "make a new one with scripts/certs.sh crl and reload";
    char left[32];

    if (now_us < expiry->end_us)
        (void)snprintf(
            text, size, "the revocation list %s of the CA '%s' is good for %s, to %s: %s", file,
            expiry->name, print_span(expiry->end_us - now_us, left), expiry->date, what_to_do);
    else if (now_us < expiry->closed_us)
        (void)snprintf(text, size,
                       "the revocation list %s of the CA '%s' is out of date since %s, and holds "
                       "for %s more only (--crl-grace): %s",
                       file, expiry->name, expiry->date,
                       print_span(expiry->closed_us - now_us, left), what_to_do);
    else
        (void)snprintf(text, size,
                       "the revocation list %s of the CA '%s' is out of date since %s: sensors of "
                       "this CA that connect are refused until there is another; %s",
                       file, expiry->name, expiry->date, what_to_do);
}

const char *sl_expiry_print(const struct sl_expiry *expiry, const struct sl_trust_files *files,
                            int64_t now_us, char *text, size_t size)
{
    bool over = now_us >= expiry->end_us;
    char left[32];

    (void)print_span(expiry->end_us - now_us, left);
    if (expiry->kind == SL_EXPIRY_CRL)
        print_list(expiry, files->crl, now_us, text, size);
    else if (expiry->kind == SL_EXPIRY_OWN && over)
        (void)snprintf(text, size,
                       "the certificate %s has expired (%s): no peer takes it; renew it with "
                       "scripts/certs.sh renew and reload",
                       files->cert, expiry->date);
    else if (expiry->kind == SL_EXPIRY_OWN)
        (void)snprintf(text, size,
                       "the certificate %s is good for %s, to %s: renew it with scripts/certs.sh "
                       "renew and reload",
                       files->cert, left, expiry->date);
    else if (over)
        (void)snprintf(
            text, size,
            "the CA '%s' in %s has expired (%s): nobody of it is let in; take it out and "
            "reload",
            expiry->name, files->ca, expiry->date);
    else
        (void)snprintf(text, size,
                       "the CA '%s' in %s is good for %s, to %s, and what it signed no longer than "
                       "it: make a new CA with scripts/certs.sh init, and add it to the file",
                       expiry->name, files->ca, left, expiry->date);
    return text;
}
