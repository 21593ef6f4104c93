/* SPDX-License-Identifier: Apache-2.0 */
/* inspect.c -- looks at all of one side's trust and says what it finds; see inspect.h. */
#include "tls/inspect.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tls/expiry.h"
#include "tls/identity.h"
#include "tls/trust_files.h"

#define DAY_US INT64_C(86400000000)

enum { NAME_SIZE = 200, HOSTS_SIZE = 400, ERROR_SIZE = 1024, LEFT_SIZE = 64 };

/* What is being looked at, as far as it could be read. */
struct inspection {
    enum sl_role role;
    const struct sl_trust_files *files;
    int64_t now_us;
    int64_t warning_ms;
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
static const char *print_left(const struct sl_expiry *expiry, int64_t now_us,
                              char text[static LEFT_SIZE])
{
    int64_t days = (expiry->end_us - now_us) / DAY_US;

    (void)snprintf(text, LEFT_SIZE, "%.10s (%lld day%s left)", expiry->date, (long long)days,
                   days == 1 ? "" : "s");
    return text;
}

/* True where it ends soon, which is then said as the programs do while they run. */
static bool warns(const struct inspection *inspection, const char *about,
                  const struct sl_expiry *expiry)
{
    char text[ERROR_SIZE];

    if (sl_expiry_stage(expiry, inspection->warning_ms, inspection->now_us) == SL_EXPIRY_FINE)
        return false;
    sl_checklist_add(
        inspection->list, SL_VERDICT_WARNING, about, "%s",
        sl_expiry_print(expiry, inspection->files, inspection->now_us, text, sizeof text));
    return true;
}

static void tell_ca(const struct inspection *inspection, const mbedtls_x509_crt *ca)
{
    bool lists = mbedtls_x509_crt_check_key_usage(ca, MBEDTLS_X509_KU_CRL_SIGN) == 0;
    bool server = inspection->role == SL_ROLE_SERVER;
    struct sl_expiry expiry;
    char left[LEFT_SIZE];

    sl_expiry_of_certificate(ca, SL_EXPIRY_CA, &expiry);
    if (warns(inspection, "--cafile", &expiry))
        return;
    (void)print_left(&expiry, inspection->now_us, left);
    if (server && !lists)
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cafile",
                         "%s: the CA '%s' may not sign revocation lists (no cRLSign), so what it "
                         "signed can't be revoked; good until %s",
                         inspection->files->ca, expiry.name, left);
    else
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--cafile",
                         "%s: the CA '%s', good until %s%s", inspection->files->ca, expiry.name,
                         left, server ? ", which may sign revocation lists" : "");
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
    if (!sl_identity_is_server(&inspection->own))
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--cert",
                         "sensors will refuse it, for no extended key usage says that it is a "
                         "server's: make one with scripts/certs.sh server");
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

/* Of either side: "'CN=a', signed by 'CN=b', good until 2026-12-24 (29 days left)". */
static void tell_certificate(struct sl_checklist *list, const char *about, const char *what,
                             const mbedtls_x509_crt *certificate, int64_t warning_ms)
{
    int64_t now_us = sl_clock_wall_us();
    struct sl_expiry expiry;
    char issuer[NAME_SIZE];
    char left[LEFT_SIZE];
    bool soon;

    sl_expiry_of_certificate(certificate, SL_EXPIRY_OWN, &expiry);
    soon = sl_expiry_stage(&expiry, warning_ms, now_us) != SL_EXPIRY_FINE;
    sl_checklist_add(list, soon ? SL_VERDICT_WARNING : SL_VERDICT_OK, about,
                     "%s: '%s', signed by '%s', good until %s%s", what, expiry.name,
                     sl_identity_name(&certificate->issuer, issuer, sizeof issuer),
                     print_left(&expiry, now_us, left),
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
        tell_certificate(inspection->list, "--cert", path, &inspection->own,
                         inspection->warning_ms);
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

/* `index` is the list's place in `revoked`. */
static void tell_list(const struct inspection *inspection, const mbedtls_x509_crl *list,
                      const struct sl_revocation *revoked, size_t index)
{
    int64_t age_us = inspection->now_us - sl_identity_time_us(&list->this_update);
    struct sl_expiry expiry;
    char left[LEFT_SIZE];

    sl_expiry_of_list(revoked, index, &expiry);
    if (!warns(inspection, "--crlfile", &expiry))
        sl_checklist_add(inspection->list, SL_VERDICT_OK, "--crlfile",
                         "%s: of '%s', %zu revoked, %lld days old, good until %s",
                         inspection->files->crl, expiry.name, sl_revocation_entries(list),
                         (long long)(age_us / DAY_US),
                         print_left(&expiry, inspection->now_us, left));
}

/* A CA that no list of the file is of: what it signed can't be revoked. */
static void check_cover(struct inspection *inspection, const struct sl_revocation *revoked,
                        const mbedtls_x509_crt *ca)
{
    const char *path = inspection->files->crl;
    enum sl_status status =
        sl_revocation_covers(revoked, ca, path, inspection->error, sizeof inspection->error);
    char name[NAME_SIZE];

    if (inspection->files->crl_required)
        (void)passes(inspection, "--crlfile", status);
    else if (status != SL_OK)
        sl_checklist_add(
            inspection->list, SL_VERDICT_WARNING, "--crlfile",
            "%s: no list is of the CA '%s', so a stolen sensor that it signed can't be "
            "kept out: add that CA's list to the file",
            path, sl_identity_name(&ca->subject, name, sizeof name));
}

/* The lists one by one, and then whether each CA has one. */
static void inspect_each(struct inspection *inspection, const mbedtls_x509_crl *lists)
{
    const char *path = inspection->files->crl;
    struct sl_revocation revoked;

    if (!passes(inspection, "--crlfile",
                sl_revocation_begin(&revoked, &inspection->cas,
                                    inspection->files->crl_grace_ms * 1000)))
        return;
    for (const mbedtls_x509_crl *list = lists; list != NULL; list = list->next) {
        size_t index = revoked.list_count;

        if (passes(inspection, "--crlfile",
                   sl_revocation_take(&revoked, list, &inspection->cas, path, inspection->error,
                                      sizeof inspection->error)))
            tell_list(inspection, list, &revoked, index);
    }
    for (const mbedtls_x509_crt *ca = &inspection->cas; ca != NULL; ca = ca->next)
        check_cover(inspection, &revoked, ca);
    sl_revocation_clear(&revoked);
}

static void inspect_lists(struct inspection *inspection)
{
    bool named = inspection->files->crl != NULL;
    mbedtls_x509_crl lists;

    if (!passes(inspection, named ? "--crlfile" : "--crl-policy",
                sl_trust_check_lists(inspection->files, &inspection->fault)))
        return;
    if (!named) {
        sl_checklist_add(inspection->list, SL_VERDICT_WARNING, "--crlfile",
                         "it isn't given, so a stolen sensor can't be kept out: give the CA's list "
                         "(scripts/certs.sh makes crl.pem)");
        return;
    }
    mbedtls_x509_crl_init(&lists);
    if (passes(inspection, "--crlfile",
               sl_revocation_read(&lists, inspection->files->crl, inspection->error,
                                  sizeof inspection->error)) &&
        inspection->has_cas)
        inspect_each(inspection, &lists);
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

    if (server || inspection->files->crl != NULL)
        inspect_lists(inspection);
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
                                    .warning_ms = warning_ms,
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
    tell_certificate(list, "certificate", what, certificate, warning_ms);
}
