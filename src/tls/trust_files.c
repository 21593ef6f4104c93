/* SPDX-License-Identifier: Apache-2.0 */
/* trust_files.c -- reads and checks the files that trust is made of; see trust_files.h. */
#include "tls/trust_files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/identity.h"

/* What certificates may be made of; names, dates and usage are checked elsewhere. */
static const mbedtls_x509_crt_profile profile = {
    MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) | MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
        MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
    MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA) |
        MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS),
    MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) | MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1),
    2048,
};

const mbedtls_x509_crt_profile *sl_trust_profile(void)
{
    return &profile;
}

SL_PRINTF(2, 3)
static enum sl_status bad(struct sl_trust_fault *fault, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(fault->text, fault->size, format, arguments);
    va_end(arguments);
    return SL_BAD_INPUT;
}

enum sl_status sl_trust_check_readable(const char *option, const char *path,
                                       struct sl_trust_fault *fault)
{
    FILE *file;

    if (path == NULL || *path == '\0')
        return bad(fault, "%s is missing: name the file with %s FILE", option, option);
    file = fopen(path, "re");
    if (file == NULL)
        return bad(fault, "%s %s can't be read: %s", option, path, strerror(errno));
    (void)fclose(file);
    return SL_OK;
}

/*
 * A positive code of the library counts certificates that could not be read: a partial load isn't
 * one.
 */
enum sl_status sl_trust_read_certificates(mbedtls_x509_crt *into, const char *option,
                                          const char *path, struct sl_trust_fault *fault)
{
    enum sl_status status = sl_trust_check_readable(option, path, fault);
    int code;

    if (status != SL_OK)
        return status;
    code = mbedtls_x509_crt_parse_file(into, path);
    if (code == MBEDTLS_ERR_X509_ALLOC_FAILED)
        return SL_NOMEM;
    if (code > 0)
        return bad(fault, "%s %s holds %d certificate(s) that can't be read: nothing of it is used",
                   option, path, code);
    if (code < 0 || into->raw.len == 0)
        return bad(fault, "%s %s isn't a PEM certificate (-0x%04x)", option, path, (unsigned)-code);
    return SL_OK;
}

enum sl_status sl_trust_check_ca(const mbedtls_x509_crt *ca, const char *path,
                                 struct sl_trust_fault *fault)
{
    char name[256];

    (void)sl_identity_name(&ca->subject, name, sizeof name);
    if (!sl_compat_is_ca(ca))
        return bad(fault, "--cafile %s: '%s' isn't a CA certificate", path, name);
    if (mbedtls_x509_time_is_past(&ca->valid_to))
        return bad(fault, "--cafile %s: the CA '%s' has expired", path, name);
    if (mbedtls_x509_time_is_future(&ca->valid_from))
        return bad(fault,
                   "--cafile %s: the CA '%s' isn't valid yet: is this machine's clock right?", path,
                   name);
    return SL_OK;
}

/* As ssh does: a key that others can read is nobody's secret. */
static enum sl_status check_private(const char *path, struct sl_trust_fault *fault)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return bad(fault, "--key %s can't be read: %s", path, strerror(errno));
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return bad(fault, "--key %s can be read by others (mode %03o): run chmod 600 %s", path,
                   (unsigned)(info.st_mode & 0777), path);
    return SL_OK;
}

enum sl_status sl_trust_read_key(mbedtls_pk_context *key, struct sl_random *random,
                                 const char *path, struct sl_trust_fault *fault)
{
    enum sl_status status = sl_trust_check_readable("--key", path, fault);
    int code;

    if (status == SL_OK)
        status = check_private(path, fault);
    if (status != SL_OK)
        return status;
    code = sl_compat_parse_keyfile(key, path, random);
    if (code != 0)
        return bad(fault, "--key %s isn't an unencrypted PEM private key (-0x%04x)", path,
                   (unsigned)-code);
    if (!mbedtls_pk_can_do(key, MBEDTLS_PK_ECDSA))
        return bad(fault, "--key %s isn't an EC key: make one with scripts/certs.sh", path);
    return SL_OK;
}

enum sl_status sl_trust_check_pair(mbedtls_x509_crt *own, mbedtls_pk_context *key,
                                   struct sl_random *random, const struct sl_trust_files *files,
                                   struct sl_trust_fault *fault)
{
    if (sl_compat_check_pair(&own->pk, key, random) == 0)
        return SL_OK;
    return bad(fault, "--key %s doesn't belong to --cert %s", files->key, files->cert);
}

enum sl_status sl_trust_check_own(enum sl_role role, mbedtls_x509_crt *own, mbedtls_x509_crt *cas,
                                  const char *path, struct sl_trust_fault *fault)
{
    const char *oid = role == SL_ROLE_SERVER ? "\x2b\x06\x01\x05\x05\x07\x03\x01"
                                             : "\x2b\x06\x01\x05\x05\x07\x03\x02";
    uint32_t flags = 0;
    int code =
        mbedtls_x509_crt_verify_with_profile(own, cas, NULL, &profile, NULL, &flags, NULL, NULL);

    if (code != 0 && code != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
        return bad(fault, "--cert %s can't be verified (-0x%04x)", path, (unsigned)-code);
    if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0)
        return bad(fault, "--cert %s has expired: renew it with scripts/certs.sh renew", path);
    if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0)
        return bad(fault, "--cert %s isn't valid yet: is this machine's clock right?", path);
    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
        return bad(fault, "--cert %s isn't signed by a CA of --cafile", path);
    if (flags != 0)
        return bad(fault, "--cert %s has a key or signature that isn't allowed (0x%x): use P-256",
                   path, (unsigned)flags);
    if (mbedtls_x509_crt_check_extended_key_usage(own, oid, 8) != 0)
        return bad(fault, "--cert %s isn't meant for a %s", path,
                   role == SL_ROLE_SERVER ? "server" : "sensor");
    return SL_OK;
}

enum sl_status sl_trust_check_lists(const struct sl_trust_files *files,
                                    struct sl_trust_fault *fault)
{
    if (files->crl == NULL && files->crl_required)
        return bad(fault, "--crl-policy require needs revocation lists: name them with --crlfile "
                          "FILE");
    return files->crl == NULL ? SL_OK : sl_trust_check_readable("--crlfile", files->crl, fault);
}

enum sl_status sl_trust_read_lists(struct sl_revocation *set, const mbedtls_x509_crt *cas,
                                   const struct sl_trust_files *files, struct sl_trust_fault *fault)
{
    enum sl_status status = sl_trust_check_lists(files, fault);

    if (status != SL_OK || files->crl == NULL)
        return status;
    status = sl_revocation_load(set, files->crl, cas, files->crl_grace_ms * 1000, fault->text,
                                fault->size);
    for (const mbedtls_x509_crt *ca = cas; status == SL_OK && files->crl_required && ca != NULL;
         ca = ca->next)
        status = sl_revocation_covers(set, ca, files->crl, fault->text, fault->size);
    return status;
}
