/* SPDX-License-Identifier: Apache-2.0 */
/* revocation.c -- CRLs into a hash set; see revocation.h. */
#include "tls/revocation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { KEY_SIZE = 32 };

/* What a sentence about a list's fault needs. */
struct place {
    const char *path;
    char *error;
    size_t size;
};

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

bool sl_revocation_has(const struct sl_revocation *set, const mbedtls_x509_buf *issuer,
                       const mbedtls_x509_buf *serial)
{
    unsigned char key[KEY_SIZE];
    size_t at;

    if (set->size == 0)
        return false;
    if (!make_key(issuer, serial, key))
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

SL_PRINTF(2, 3)
static enum sl_status bad(const struct place *place, const char *format, ...)
{
    va_list arguments;
    int used = snprintf(place->error, place->size, "the revocation list %s ", place->path);

    va_start(arguments, format);
    if (used > 0 && (size_t)used < place->size)
        (void)vsnprintf(place->error + used, place->size - (size_t)used, format, arguments);
    va_end(arguments);
    return SL_BAD_INPUT;
}

/* The second of the next update is the last good one, then comes the grace. */
static int64_t until_us(const mbedtls_x509_time *next_update, int64_t grace_us)
{
    return sl_identity_time_us(next_update) + 1000000 + grace_us;
}

static enum sl_status check_dates(const mbedtls_x509_crl *list, int64_t grace_us,
                                  const struct place *place)
{
    char date[SL_DATE_SIZE];

    if (mbedtls_x509_time_is_future(&list->this_update))
        return bad(place, "begins in the future (%s): check the clock",
                   sl_identity_date(&list->this_update, date));
    if (list->next_update.year == 0)
        return bad(place, "has no date of its next update: make it again with scripts/certs.sh "
                          "crl");
    if (sl_clock_wall_us() >= until_us(&list->next_update, grace_us))
        return bad(place, "is out of date since %s%s: make a new one with scripts/certs.sh crl",
                   sl_identity_date(&list->next_update, date),
                   grace_us > 0 ? ", longer than --crl-grace" : "");
    return SL_OK;
}

/*
 * The CRL number (RFC 5280, section 5.2.3), which an issuer counts up with each list: an INTEGER in
 * an extension. False where it isn't one; `numbered` stays false where the list has none.
 */
static bool read_number(const mbedtls_x509_crl *list, struct sl_revocation_list *entry)
{
    static const char oid_number[] = "\x55\x1d\x14"; /* 2.5.29.20 */
    unsigned char *at = list->crl_ext.p;
    const unsigned char *end = at + list->crl_ext.len;
    size_t len;

    if (list->crl_ext.len == 0)
        return true;
    if (mbedtls_asn1_get_tag(&at, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
        return false;
    while (at < end) {
        unsigned char *inner;

        if (mbedtls_asn1_get_tag(&at, end, &len,
                                 MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) != 0)
            return false;
        inner = at;
        at += len;
        if (mbedtls_asn1_get_tag(&inner, at, &len, MBEDTLS_ASN1_OID) != 0)
            return false;
        if (len != sizeof oid_number - 1 || memcmp(inner, oid_number, len) != 0)
            continue;
        inner += len;
        /* It is never critical, so no BOOLEAN stands before the value. */
        if (entry->numbered ||
            mbedtls_asn1_get_tag(&inner, at, &len, MBEDTLS_ASN1_OCTET_STRING) != 0 ||
            mbedtls_asn1_get_tag(&inner, at, &len, MBEDTLS_ASN1_INTEGER) != 0 || len == 0 ||
            inner + len != at || len > SL_CRL_NUMBER_SIZE || (*inner & 0x80) != 0)
            return false;
        memcpy(entry->number + SL_CRL_NUMBER_SIZE - len, inner, len);
        entry->numbered = true;
    }
    return true;
}

/* The issuer of lists: a CA's name and key, whatever certificate it has now. */
static bool print_issuer(const mbedtls_x509_crt *ca, uint8_t out[static SL_FINGERPRINT_SIZE])
{
    return make_key(&ca->subject_raw, &ca->pk_raw, out);
}

/*
 * Notes the list as that of one CA, which has signed it. `first` is where this list's CAs begin: a
 * bundle may hold a CA twice.
 */
static enum sl_status note(struct sl_revocation *set, size_t first, const mbedtls_x509_crl *list,
                           const mbedtls_x509_crt *ca, const struct place *place)
{
    struct sl_revocation_list *entry = &set->lists[set->list_count];
    const struct sl_revocation_list *other;

    if (!sl_identity_fingerprint(ca, entry->ca) || !print_issuer(ca, entry->issuer))
        return SL_NOMEM;
    (void)sl_identity_name(&ca->subject, entry->name, sizeof entry->name);
    other = sl_revocation_list(set, entry->ca);
    if (other != NULL && other >= &set->lists[first])
        return SL_OK;
    if (other != NULL)
        return bad(place, "holds two lists of the CA '%s': leave the newer one only", entry->name);
    if (!read_number(list, entry))
        return bad(place, "has a CRL number that can't be read: make it again with "
                          "scripts/certs.sh crl");
    entry->this_update = list->this_update;
    entry->next_update = list->next_update;
    set->list_count++;
    return SL_OK;
}

enum sl_status sl_revocation_take(struct sl_revocation *set, const mbedtls_x509_crl *list,
                                  const mbedtls_x509_crt *cas, const char *path, char *error,
                                  size_t error_size)
{
    const struct place place = {path, error, error_size};
    size_t before = set->list_count;
    enum sl_status status = SL_OK;

    for (const mbedtls_x509_crt *ca = cas; ca != NULL && status == SL_OK; ca = ca->next)
        if (ca->subject_raw.len == list->issuer_raw.len &&
            memcmp(ca->subject_raw.p, list->issuer_raw.p, ca->subject_raw.len) == 0 &&
            signed_by(list, ca))
            status = note(set, before, list, ca, &place);
    if (status == SL_OK && set->list_count == before)
        status = bad(&place, "isn't signed by a CA of --cafile");
    return status == SL_OK ? check_dates(list, set->grace_us, &place) : status;
}

size_t sl_revocation_entries(const mbedtls_x509_crl *list)
{
    size_t count = 0;

    for (const mbedtls_x509_crl_entry *e = &list->entry; e != NULL && e->raw.len != 0; e = e->next)
        count++;
    return count;
}

static enum sl_status fill(struct sl_revocation *set, const mbedtls_x509_crl *lists)
{
    unsigned char key[KEY_SIZE];
    size_t count = 0;

    for (const mbedtls_x509_crl *list = lists; list != NULL; list = list->next)
        count += sl_revocation_entries(list);
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
    const struct place place = {path, error, error_size};
    int code = mbedtls_x509_crl_parse_file(lists, path);

    if (code == 0)
        return SL_OK;
    return bad(&place,
               "can't be read (-0x%04x): it must be a PEM file made by scripts/certs.sh crl",
               (unsigned)-code);
}

enum sl_status sl_revocation_begin(struct sl_revocation *set, const mbedtls_x509_crt *cas,
                                   int64_t grace_us)
{
    size_t count = 0;

    for (const mbedtls_x509_crt *ca = cas; ca != NULL; ca = ca->next)
        count++;
    /* One more than there can be: where a second list of a CA is looked at. */
    *set = (struct sl_revocation){.lists = calloc(count + 1, sizeof *set->lists),
                                  .grace_us = grace_us};
    return set->lists == NULL ? SL_NOMEM : SL_OK;
}

enum sl_status sl_revocation_load(struct sl_revocation *set, const char *path,
                                  const mbedtls_x509_crt *cas, int64_t grace_us, char *error,
                                  size_t error_size)
{
    enum sl_status status;
    mbedtls_x509_crl lists;

    *set = (struct sl_revocation){0};
    mbedtls_x509_crl_init(&lists);
    status = sl_revocation_read(&lists, path, error, error_size);
    if (status == SL_OK)
        status = sl_revocation_begin(set, cas, grace_us);
    for (const mbedtls_x509_crl *list = &lists; status == SL_OK && list != NULL; list = list->next)
        status = sl_revocation_take(set, list, cas, path, error, error_size);
    if (status == SL_OK)
        status = fill(set, &lists);
    mbedtls_x509_crl_free(&lists);
    if (status != SL_OK)
        sl_revocation_clear(set);
    return status;
}

const struct sl_revocation_list *sl_revocation_list(const struct sl_revocation *set,
                                                    const uint8_t ca[static SL_FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < set->list_count; i++)
        if (memcmp(set->lists[i].ca, ca, SL_FINGERPRINT_SIZE) == 0)
            return &set->lists[i];
    return NULL;
}

int64_t sl_revocation_until_us(const struct sl_revocation *set,
                               const struct sl_revocation_list *list)
{
    return until_us(&list->next_update, set->grace_us);
}

enum sl_status sl_revocation_covers(const struct sl_revocation *set, const mbedtls_x509_crt *ca,
                                    const char *path, char *error, size_t error_size)
{
    const struct place place = {path, error, error_size};
    uint8_t fingerprint[SL_FINGERPRINT_SIZE];
    char name[SL_CA_NAME_SIZE];

    if (sl_identity_fingerprint(ca, fingerprint) && sl_revocation_list(set, fingerprint) != NULL)
        return SL_OK;
    return bad(&place,
               "holds none of the CA '%s' of --cafile: add it (scripts/certs.sh crl makes it), or "
               "do without with --crl-policy if-present",
               sl_identity_name(&ca->subject, name, sizeof name));
}

static const struct sl_revocation_list *list_of_issuer(
    const struct sl_revocation *set, const uint8_t issuer[static SL_FINGERPRINT_SIZE])
{
    for (size_t i = 0; i < set->list_count; i++)
        if (memcmp(set->lists[i].issuer, issuer, SL_FINGERPRINT_SIZE) == 0)
            return &set->lists[i];
    return NULL;
}

/* One issuer's list against the one in force, which may be of another certificate of the issuer. */
static enum sl_status follows(const struct sl_revocation_list *list,
                              const struct sl_revocation_list *old, const struct place *place)
{
    char date[SL_DATE_SIZE], in_force[SL_DATE_SIZE];

    if (list == NULL)
        return bad(place,
                   "no longer holds one of the CA '%s', and one of %s is in force: put it back",
                   old->name, sl_identity_date(&old->this_update, in_force));
    if (sl_identity_time_us(&list->this_update) < sl_identity_time_us(&old->this_update))
        return bad(place,
                   "of the CA '%s' is of %s, older than the one in force, of %s: an old copy?",
                   old->name, sl_identity_date(&list->this_update, date),
                   sl_identity_date(&old->this_update, in_force));
    if (list->numbered && old->numbered &&
        memcmp(list->number, old->number, SL_CRL_NUMBER_SIZE) < 0)
        return bad(place,
                   "of the CA '%s' has a smaller CRL number than the one in force, of %s: "
                   "an old copy?",
                   old->name, sl_identity_date(&old->this_update, in_force));
    return SL_OK;
}

enum sl_status sl_revocation_follows(const struct sl_revocation *set,
                                     const struct sl_revocation *old, const mbedtls_x509_crt *cas,
                                     const char *path, char *error, size_t error_size)
{
    const struct place place = {path, error, error_size};
    uint8_t issuer[SL_FINGERPRINT_SIZE];
    enum sl_status status = SL_OK;

    for (const mbedtls_x509_crt *ca = cas; ca != NULL && status == SL_OK; ca = ca->next) {
        const struct sl_revocation_list *before;

        if (!print_issuer(ca, issuer))
            return SL_NOMEM;
        before = list_of_issuer(old, issuer);
        if (before != NULL)
            status = follows(list_of_issuer(set, issuer), before, &place);
    }
    return status;
}

void sl_revocation_clear(struct sl_revocation *set)
{
    free(set->places);
    free(set->lists);
    *set = (struct sl_revocation){0};
}
