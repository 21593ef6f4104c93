/* SPDX-License-Identifier: Apache-2.0 */
/* revocation.c -- CRLs into a hash set; see revocation.h. */
#include "tls/revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 32 };

/*
 * The DER of the signature algorithms we take (RFC 5758, section 3.2; RFC 4055, section 5) and
 * their hash.
 */
struct algorithm {
    const char *oid;
    size_t len;
    mbedtls_md_type_t hash;
};
static const struct algorithm algorithms[] = {
    {"\x2a\x86\x48\xce\x3d\x04\x03\x02", 8, MBEDTLS_MD_SHA256}, /* ecdsa-with-SHA256 */
    {"\x2a\x86\x48\xce\x3d\x04\x03\x03", 8, MBEDTLS_MD_SHA384},
    {"\x2a\x86\x48\xce\x3d\x04\x03\x04", 8, MBEDTLS_MD_SHA512},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 9, MBEDTLS_MD_SHA256}, /* sha256WithRSAEncryption */
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 9, MBEDTLS_MD_SHA384},
    {"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", 9, MBEDTLS_MD_SHA512},
};

/*
 * A key of the set: one hash over issuer and serial, each with its length so that they can't run
 * together.
 */
static bool make_key(const mbedtls_x509_buf *issuer, const mbedtls_x509_buf *serial,
                     unsigned char key[static KEY_SIZE])
{
    unsigned char length[4] = {(unsigned char)(issuer->len >> 24),
                               (unsigned char)(issuer->len >> 16),
                               (unsigned char)(issuer->len >> 8), (unsigned char)issuer->len};
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    mbedtls_md_context_t md;
    bool ok;

    mbedtls_md_init(&md);
    ok = mbedtls_md_setup(&md, sha256, 0) == 0 && mbedtls_md_starts(&md) == 0 &&
         mbedtls_md_update(&md, length, sizeof length) == 0 &&
         mbedtls_md_update(&md, issuer->p, issuer->len) == 0 &&
         mbedtls_md_update(&md, serial->p, serial->len) == 0 && mbedtls_md_finish(&md, key) == 0;
    mbedtls_md_free(&md);
    return ok;
}

static size_t place_of(const unsigned char key[static KEY_SIZE], size_t size)
{
    size_t at = 0;

    memcpy(&at, key, sizeof at);
    return at & (size - 1);
}

static bool is_empty(const unsigned char place[static KEY_SIZE])
{
    static const unsigned char none[KEY_SIZE];

    return memcmp(place, none, KEY_SIZE) == 0;
}

static void insert(struct sl_revocation *set, const unsigned char key[static KEY_SIZE])
{
    size_t at = place_of(key, set->size);

    while (!is_empty(set->places[at]) && memcmp(set->places[at], key, KEY_SIZE) != 0)
        at = (at + 1) & (set->size - 1);
    memcpy(set->places[at], key, KEY_SIZE);
}

bool sl_revocation_has(const struct sl_revocation *set, const mbedtls_x509_crt *certificate)
{
    unsigned char key[KEY_SIZE];
    size_t at;

    if (set->size == 0)
        return false;
    if (!make_key(&certificate->issuer_raw, &certificate->serial, key))
        return true; /* Can't say: closed. */
    for (at = place_of(key, set->size); !is_empty(set->places[at]); at = (at + 1) & (set->size - 1))
        if (memcmp(set->places[at], key, KEY_SIZE) == 0)
            return true;
    return false;
}

/* The hash of the list's signature algorithm, or MBEDTLS_MD_NONE where we don't take it. */
static mbedtls_md_type_t hash_of(const mbedtls_asn1_buf *oid)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (oid->len == algorithms[i].len && memcmp(oid->p, algorithms[i].oid, oid->len) == 0)
            return algorithms[i].hash;
    return MBEDTLS_MD_NONE;
}

/*
 * Checks the list's signature with the CA's key (RFC 5280, section 5.1.1: tbsCertList, algorithm,
 * signature).
 */
static bool signed_by(const mbedtls_x509_crl *list, const mbedtls_x509_crt *ca)
{
    unsigned char *at = list->tbs.p + list->tbs.len;
    const unsigned char *end = list->raw.p + list->raw.len;
    mbedtls_asn1_buf oid, parameters;
    unsigned char hash[64];
    const mbedtls_md_info_t *md;
    size_t len;

    if (mbedtls_asn1_get_alg(&at, end, &oid, &parameters) != 0 ||
        mbedtls_asn1_get_bitstring_null(&at, end, &len) != 0)
        return false;
    md = mbedtls_md_info_from_type(hash_of(&oid));
    if (md == NULL || mbedtls_md(md, list->tbs.p, list->tbs.len, hash) != 0)
        return false;
    /* The library takes the key by a pointer to non-const; verifying changes nothing in it. */
    return mbedtls_pk_verify((mbedtls_pk_context *)&ca->pk, hash_of(&oid), hash,
                             mbedtls_md_get_size(md), at, len) == 0;
}

bool sl_revocation_is_of(const mbedtls_x509_crl *list, const mbedtls_x509_crt *ca)
{
    return ca->subject_raw.len == list->issuer_raw.len &&
           memcmp(ca->subject_raw.p, list->issuer_raw.p, ca->subject_raw.len) == 0 &&
           signed_by(list, ca);
}

static bool signed_by_any(const mbedtls_x509_crl *list, const mbedtls_x509_crt *cas)
{
    for (const mbedtls_x509_crt *ca = cas; ca != NULL; ca = ca->next)
        if (sl_revocation_is_of(list, ca))
            return true;
    return false;
}

enum sl_status sl_revocation_check(const mbedtls_x509_crl *list, const mbedtls_x509_crt *cas,
                                   const char *path, char *error, size_t error_size)
{
    const char *fault = NULL;

    if (!signed_by_any(list, cas))
        fault = "isn't signed by a CA of --cafile";
    else if (mbedtls_x509_time_is_future(&list->this_update))
        fault = "begins in the future: check the clock";
    else if (list->next_update.year == 0)
        fault = "has no date of its next update: make it again with scripts/certs.sh crl";
    else if (mbedtls_x509_time_is_past(&list->next_update))
        fault = "is out of date: make a new one with scripts/certs.sh crl";
    if (fault == NULL)
        return SL_OK;
    (void)snprintf(error, error_size, "the revocation list %s %s", path, fault);
    return SL_BAD_INPUT;
}

static size_t count_entries(const mbedtls_x509_crl *lists)
{
    size_t count = 0;

    for (const mbedtls_x509_crl *list = lists; list != NULL; list = list->next)
        for (const mbedtls_x509_crl_entry *e = &list->entry; e != NULL && e->raw.len != 0;
             e = e->next)
            count++;
    return count;
}

static enum sl_status fill(struct sl_revocation *set, const mbedtls_x509_crl *lists)
{
    size_t count = count_entries(lists);
    unsigned char key[KEY_SIZE];

    if (count == 0)
        return SL_OK;
    set->size = 16;
    while (set->size < count * 2)
        set->size *= 2;
    set->places = calloc(set->size, KEY_SIZE);
    if (set->places == NULL)
        return SL_NOMEM;
    for (const mbedtls_x509_crl *list = lists; list != NULL; list = list->next)
        for (const mbedtls_x509_crl_entry *e = &list->entry; e != NULL && e->raw.len != 0;
             e = e->next) {
            if (!make_key(&list->issuer_raw, &e->serial, key))
                return SL_NOMEM;
            insert(set, key);
        }
    return SL_OK;
}

enum sl_status sl_revocation_read(mbedtls_x509_crl *lists, const char *path, char *error,
                                  size_t error_size)
{
    int code = mbedtls_x509_crl_parse_file(lists, path);

    if (code == 0)
        return SL_OK;
    (void)snprintf(error, error_size,
                   "the revocation list %s can't be read (-0x%04x): it must be a PEM file made by "
                   "scripts/certs.sh crl",
                   path, (unsigned)-code);
    return SL_BAD_INPUT;
}

enum sl_status sl_revocation_load(struct sl_revocation *set, const char *path,
                                  const mbedtls_x509_crt *cas, char *error, size_t error_size)
{
    enum sl_status status;
    mbedtls_x509_crl lists;

    *set = (struct sl_revocation){0};
    mbedtls_x509_crl_init(&lists);
    status = sl_revocation_read(&lists, path, error, error_size);
    for (const mbedtls_x509_crl *list = &lists; status == SL_OK && list != NULL; list = list->next)
        status = sl_revocation_check(list, cas, path, error, error_size);
    if (status == SL_OK)
        status = fill(set, &lists);
    mbedtls_x509_crl_free(&lists);
    if (status != SL_OK)
        sl_revocation_clear(set);
    return status;
}

void sl_revocation_clear(struct sl_revocation *set)
{
    free(set->places);
    *set = (struct sl_revocation){0};
}
