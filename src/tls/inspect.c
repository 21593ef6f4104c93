/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c -- looks at all of one side's trust and says what it finds; see inspect.h. */
#include "tls/inspect.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tls/identity.h"
#include "tls/revocation.h"
#include "tls/trust_files.h"

#define DAY_US INT64_C(86400000000)

enum { NAME_SIZE = 200, HOSTS_SIZE = 400, ERROR_SIZE = 1024, DATE_SIZE = 11, LEFT_SIZE = 64 };

/* What is being looked at, as far as it could be read. */
struct inspection {
    enum sl_role role;
    const struct sl_trust_files *files;
    int64_t now_us;
    int64_t warning_us;
    struct sl_checklist *list;
    struct sl_random *random;
    mbedtls_x509_crt cas;
    mbedtls_x509_crt own;
    mbedtls_pk_context key;
    bool has_cas;
    bool has_own;
    char error[ERROR_SIZE];
    struct sl_trust_fault fault; /* writes into `error` */
};

/* True where the step went well; else its sentence is a point of the list. */
static bool passes(struct inspection *inspection, const char *about, enum sl_status status)
{
    if (status == SL_OK)
        return true;
    sl_checklist_add(inspection->list, SL_VERDICT_FAULT, about, "%s",
                     status == SL_NOMEM ? "out of memory" : inspection->error);
    return false;
}

/* "2026-12-24 (29 days left)". Returns `text`. */
static const char *print_left(int64_t end_us, int64_t now_us, char text[static LEFT_SIZE])
{
    char date[SL_TIME_TEXT_SIZE];
    int64_t days = (end_us - now_us) / DAY_US;

    (void)sl_time_print_iso(end_us, date);
    (void)snprintf(text, LEFT_SIZE, "%.*s (%lld day%s left)", DATE_SIZE - 1, date, (long long)days,
                   days == 1 ? "" : "s");
    return text;
}

static bool ends_soon(int64_t end_us, int64_t now_us, int64_t warning_us)
{
    return end_us - now_us <= warning_us;
}

static void tell_ca(const struct inspection *inspection, const mbedtls_x509_crt *ca)
{
    int64_t end_us = sl_identity_time_us(&ca->valid_to);
    bool lists = mbedtls_x509_crt_check_key_usage(ca, MBEDTLS_X509_KU_CRL_SIGN) == 0;
    bool server = inspection->role == SL_ROLE_SERVER;
    char name[NAME_SIZE];
    char left[LEFT_SIZE];

    (void)sl_identity_dn(&ca->subject, name, sizeof name);
    (void)print_left(end_us, inspection->now_us, left);
    if (ends_soon(end_us, inspection->now_us, inspection->warning_us))
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cafile",
                         "%s: the CA '%s' ends on %s, and all that it signed with it: make a new "
                         "one and add it to this file",
                         inspection->files->ca, name, left);
    else if (server && !lists)
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cafile",
                         "%s: the CA '%s' may not sign revocation lists (no cRLSign), so what it "
                         "signed can't be revoked; good until %s",
                         inspection->files->ca, name, left);
    else
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--cafile",
                         "%s: the CA '%s', good until %s%s", inspection->files->ca, name, left,
                         server ? ", which may sign revocation lists" : "");
}

static void inspect_cas(struct inspection *inspection)
{
    const char *path = inspection->files->ca;

    if (!passes(inspection, "--cafile",
                sl_trust_read_certificates(&inspection->cas, "--cafile", path, &inspection->fault)))
        return;
    inspection->has_cas = true;
    for (const mbedtls_x509_crt *ca = &inspection->cas; ca != NULL; ca = ca->next)
        if (passes(inspection, "--cafile", sl_trust_check_ca(ca, path, &inspection->fault)))
            tell_ca(inspection, ca);
}

static void tell_hosts(const struct inspection *inspection)
{
    char hosts[HOSTS_SIZE];

    if (sl_identity_hosts(&inspection->own, hosts, sizeof hosts)[0] != '\0')
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--cert",
                         "it is for the names and addresses %s", hosts);
    else
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cert",
                         "it carries no name and no address that sensors could connect to: make "
                         "one with scripts/certs.sh server");
}

/* What a server reads first in the certificate, and refuses it for. */
static void tell_sensor(const struct inspection *inspection,
                        char name[static SL_SENSOR_NAME_MAX + 1])
{
    enum sl_reason reason = sl_identity_sensor(&inspection->own, name);

    if (reason == SL_REASON_NONE && !sl_identity_is_client(&inspection->own))
        reason = SL_REASON_CLIENT_CERT_NO_USAGE;
    if (reason == SL_REASON_NONE) {
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--cert", "it names the sensor %s", name);
        return;
    }
    sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cert",
                     "a server will refuse it: %s: %s", sl_reason_id(reason),
                     sl_reason_text(reason));
}

/* A chain is one step long here, so what follows the leaf in the file is only a burden. */
static void tell_burden(const struct inspection *inspection)
{
    size_t count = 0;

    for (const mbedtls_x509_crt *more = inspection->own.next; more != NULL; more = more->next)
        count++;
    if (count > 0)
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cert",
                         "%zu more certificate%s in its file and sent along, though a CA of "
                         "--cafile signed it itself, and a server reads little of a stranger: "
                         "leave the first one alone in the file",
                         count, count == 1 ? " is" : "s are");
}

/* The certificate of either side: "'CN=a', signed by 'CN=b', until 2026-12-24 (29 days left)". */
static void tell_certificate(struct sl_checklist *list, const char *about, const char *what,
                             const mbedtls_x509_crt *certificate, int64_t now_us,
                             int64_t warning_us)
{
    int64_t end_us = sl_identity_time_us(&certificate->valid_to);
    bool soon = ends_soon(end_us, now_us, warning_us);
    char subject[NAME_SIZE];
    char issuer[NAME_SIZE];
    char left[LEFT_SIZE];

    sl_checklist_add(list, soon ? SL_VERDICT_WARNING : SL_VERDICT_OK, about,
                     "%s: '%s', signed by '%s', good until %s%s", what,
                     sl_identity_dn(&certificate->subject, subject, sizeof subject),
                     sl_identity_dn(&certificate->issuer, issuer, sizeof issuer),
                     print_left(end_us, now_us, left),
                     soon ? ": renew it with scripts/certs.sh renew" : "");
}

static void inspect_own(struct inspection *inspection, char name[static SL_SENSOR_NAME_MAX + 1])
{
    const char *path = inspection->files->cert;

    if (!passes(inspection, "--cert",
                sl_trust_read_certificates(&inspection->own, "--cert", path, &inspection->fault)))
        return;
    inspection->has_own = true;
    if (inspection->has_cas &&
        passes(inspection, "--cert",
               sl_trust_check_own(inspection->role, &inspection->own, &inspection->cas, path,
                                  &inspection->fault)))
        tell_certificate(inspection->list, "--cert", path, &inspection->own, inspection->now_us,
                         inspection->warning_us);
    tell_burden(inspection);
    if (inspection->role == SL_ROLE_SERVER)
        tell_hosts(inspection);
    else
        tell_sensor(inspection, name);
}

static void inspect_key(struct inspection *inspection)
{
    const struct sl_trust_files *files = inspection->files;
    mbedtls_pk_context *key = &inspection->key;
    struct stat info;

    if (!passes(inspection, "--key",
                sl_trust_read_key(key, inspection->random, files->key, &inspection->fault)) ||
        (inspection->has_own &&
         !passes(inspection, "--key",
                 sl_trust_check_pair(&inspection->own, key, inspection->random, files,
                                     &inspection->fault))))
        return;
    if (stat(files->key, &info) != 0)
        info.st_mode = 0;
    sl_checklist_add(inspection->list, SL_VERDICT_OK, "--key",
                     "%s: an EC key of %u bits, readable by its owner only (mode %03o)%s",
                     files->key, (unsigned)mbedtls_pk_get_bitlen(key),
                     (unsigned)(info.st_mode & 0777),
                     inspection->has_own ? ", which belongs to --cert" : "");
}

static size_t count_entries(const mbedtls_x509_crl *list)
{
    size_t count = 0;

    for (const mbedtls_x509_crl_entry *entry = &list->entry; entry != NULL && entry->raw.len != 0;
         entry = entry->next)
        count++;
    return count;
}

static void tell_list(const struct inspection *inspection, const mbedtls_x509_crl *list)
{
    int64_t end_us = sl_identity_time_us(&list->next_update);
    int64_t age_us = inspection->now_us - sl_identity_time_us(&list->this_update);
    bool soon = ends_soon(end_us, inspection->now_us, inspection->warning_us);
    size_t count = count_entries(list);
    char name[NAME_SIZE];
    char left[LEFT_SIZE];

    sl_checklist_add(inspection->list, soon ? SL_VERDICT_WARNING : SL_VERDICT_OK, "--crlfile",
                     "%s: of '%s', %zu revoked, %lld days old, good until %s%s",
                     inspection->files->crl, sl_identity_dn(&list->issuer, name, sizeof name),
                     count, (long long)(age_us / DAY_US),
                     print_left(end_us, inspection->now_us, left),
                     soon ? ": make a new one with scripts/certs.sh crl" : "");
}

/* A CA that no list of the file is of: what it signed can't be revoked. */
static void tell_unlisted(const struct inspection *inspection, const mbedtls_x509_crl *lists)
{
    for (const mbedtls_x509_crt *ca = &inspection->cas; ca != NULL; ca = ca->next) {
        const mbedtls_x509_crl *list = lists;
        char name[NAME_SIZE];

        while (list != NULL && !sl_revocation_is_of(list, ca))
            list = list->next;
        if (list == NULL)
            sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--crlfile",
                             "%s: no list is of the CA '%s', so a stolen sensor that it signed "
                             "can't be kept out: add that CA's list to the file",
                             inspection->files->crl,
                             sl_identity_dn(&ca->subject, name, sizeof name));
    }
}

static void inspect_lists(struct inspection *inspection)
{
    const char *path = inspection->files->crl;
    mbedtls_x509_crl lists;

    if (!passes(inspection, "--crlfile",
                sl_trust_check_readable("--crlfile", path, &inspection->fault)))
        return;
    mbedtls_x509_crl_init(&lists);
    if (passes(inspection, "--crlfile",
               sl_revocation_read(&lists, path, inspection->error, sizeof inspection->error)) &&
        inspection->has_cas) {
        for (const mbedtls_x509_crl *list = &lists; list != NULL; list = list->next)
            if (passes(inspection, "--crlfile",
                       sl_revocation_check(list, &inspection->cas, path, inspection->error,
                                           sizeof inspection->error)))
                tell_list(inspection, list);
        tell_unlisted(inspection, &lists);
    }
    mbedtls_x509_crl_free(&lists);
}

static void inspect_allow(struct inspection *inspection)
{
    struct sl_allow *allow = NULL;
    const char *path = inspection->files->allow;
    size_t count;

    if (!passes(inspection, "--allow",
                sl_allow_load(path, &allow, inspection->error, sizeof inspection->error)))
        return;
    count = sl_allow_count(allow);
    sl_allow_free(allow);
    if (count == 0)
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--allow",
                         "%s names no sensor, so nobody can come in: add a line for each", path);
    else
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--allow", "%s: %zu line%s of sensors",
                         path, count, count == 1 ? "" : "s");
}

/* Who may come in, which a server alone decides. */
static void inspect_guests(struct inspection *inspection)
{
    bool server = inspection->role == SL_ROLE_SERVER;

    if (inspection->files->crl != NULL)
        inspect_lists(inspection);
    else if (server)
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--crlfile",
                         "it isn't given, so a stolen sensor can't be kept out: give the CA's list "
                         "(scripts/certs.sh makes crl.pem)");
    if (inspection->files->allow != NULL)
        inspect_allow(inspection);
    else if (server)
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--allow",
                         "it isn't given: every sensor that a CA signed may come in");
}

void sl_inspect_trust(enum sl_role role, const struct sl_trust_files *files, int64_t warning_ms,
                      struct sl_checklist *list, char name[static SL_SENSOR_NAME_MAX + 1])
{
    struct inspection inspection = {.role = role,
                                    .files = files,
                                    .now_us = sl_clock_wall_us(),
                                    .warning_us = warning_ms * 1000,
                                    .list = list,
                                    .error = "out of memory"};

    inspection.fault = (struct sl_trust_fault){inspection.error, sizeof inspection.error};
    name[0] = '\0';
    if (sl_compat_start(inspection.error, sizeof inspection.error) != 0) {
        (void)passes(&inspection, "TLS", SL_IO);
        return;
    }
    if (sl_random_new(&inspection.random) != 0) {
        sl_checklist_add(list, SL_VERDICT_FAULT, "TLS", "this machine gives no randomness");
        return;
    }
    mbedtls_x509_crt_init(&inspection.cas);
    mbedtls_x509_crt_init(&inspection.own);
    mbedtls_pk_init(&inspection.key);
    inspect_cas(&inspection);
    inspect_own(&inspection, name);
    inspect_key(&inspection);
    inspect_guests(&inspection);
    mbedtls_pk_free(&inspection.key);
    mbedtls_x509_crt_free(&inspection.own);
    mbedtls_x509_crt_free(&inspection.cas);
    sl_random_free(inspection.random);
}

void sl_inspect_peer(const struct sl_session *session, int64_t warning_ms,
                     struct sl_checklist *list)
{
    const mbedtls_x509_crt *certificate = sl_session_peer_certificate(session);
    char hosts[HOSTS_SIZE];
    char what[HOSTS_SIZE + 32];

    if (certificate == NULL)
        return;
    (void)snprintf(what, sizeof what, "the server's, for %s",
                   sl_identity_hosts(certificate, hosts, sizeof hosts));
    tell_certificate(list, "certificate", what, certificate, sl_clock_wall_us(), warning_ms * 1000);
}
