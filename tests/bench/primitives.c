/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primitives.c -- what a handshake costs the server beside the arithmetic that it is made of.
 *
 *   bench_primitives --cafile F --server PREFIX --sensor PREFIX [--rounds N] [--threads N]
 *
 * PREFIX.crt and PREFIX.key are a pair, all of one CA. Each round measures, in one thread and one
 * after the other, so that all of it sees the same machine: the operations of a full mutual
 * handshake as the library calls them in one (an ephemeral key in a fresh group, the shared secret,
 * a signature, the verification of the sensor's certificate and that of its proof of the key), and
 * whole handshakes through our own sessions over a link in memory, full and resumed, in each
 * version of TLS that the library has. Of a handshake only what the server's side spends counts:
 * making the session, the handshake, admission, freeing it.
 *
 * Times are processor time of the thread. Printed is one JSON object, times in microseconds; "sum"
 * adds up the five operations, with the cheaper of the two groups, and "ratio" is the median over
 * the rounds of a full handshake's time by the sum of its own round.
 */
#include <assert.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/entropy.h>

#include "base/clock.h"
#include "link/raw_peer.h"
#include "support/memory_transport.h"
#include "tls/admission.h"

enum { ROUNDS = 200, ROUNDS_MAX = 100000, THREADS_MAX = 64, BUDGET = 3072, STEPS = 100 };
enum { PATH_SIZE = 4096, ERROR_SIZE = 1024, SIGNATURE_MAX = 1024, POINT_MAX = 256 };

static const int64_t HOUR_US = INT64_C(3600) * 1000000;

enum what {
    KEY_X25519,
    SECRET_X25519,
    KEY_P256,
    SECRET_P256,
    SIGN,
    VERIFY_CERTIFICATE,
    VERIFY_PROOF,
    SUM,
    FULL_12,
    RESUMED_12,
    FULL_13,
    RESUMED_13,
    WHATS
};
static const char *const names[WHATS] = {
    [KEY_X25519] = "key x25519",
    [SECRET_X25519] = "secret x25519",
    [KEY_P256] = "key p256",
    [SECRET_P256] = "secret p256",
    [SIGN] = "sign",
    [VERIFY_CERTIFICATE] = "verify certificate",
    [VERIFY_PROOF] = "verify proof",
    [SUM] = "sum",
    [FULL_12] = "full 1.2",
    [RESUMED_12] = "resumed 1.2",
    [FULL_13] = "full 1.3",
    [RESUMED_13] = "resumed 1.3",
};

/* What all threads share, as a server's do. */
struct shop {
    struct sl_trust *servers[RAW_TLS13 + 1]; /* by version */
    struct sl_trust *sensor;
    struct sl_ticket_keys *tickets;
    mbedtls_x509_crt ca, own, leaf;
    mbedtls_pk_context own_key, leaf_key;
    size_t rounds;
    bool has_13;
};

/* What one thread measures. */
struct bench {
    struct shop *shop;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    struct sl_resumption *kept[RAW_TLS13 + 1];
    double *us[WHATS]; /* a time a round */
    pthread_t thread;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_primitives: %s failed\n", what);
    exit(EX_SOFTWARE);
}

static double processor_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

#if MBEDTLS_VERSION_NUMBER < 0x03000000

static int sign(struct bench *bench, const unsigned char *hash, unsigned char *signature,
                size_t *len)
{
    return mbedtls_pk_sign(&bench->shop->own_key, MBEDTLS_MD_SHA256, hash, 32, signature, len,
                           mbedtls_ctr_drbg_random, &bench->random);
}

static int prove(struct bench *bench, const unsigned char *hash, unsigned char *signature,
                 size_t *len)
{
    return mbedtls_pk_sign(&bench->shop->leaf_key, MBEDTLS_MD_SHA256, hash, 32, signature, len,
                           mbedtls_ctr_drbg_random, &bench->random);
}

#else

static int sign(struct bench *bench, const unsigned char *hash, unsigned char *signature,
                size_t *len)
{
    return mbedtls_pk_sign(&bench->shop->own_key, MBEDTLS_MD_SHA256, hash, 32, signature,
                           SIGNATURE_MAX, len, mbedtls_ctr_drbg_random, &bench->random);
}

static int prove(struct bench *bench, const unsigned char *hash, unsigned char *signature,
                 size_t *len)
{
    return mbedtls_pk_sign(&bench->shop->leaf_key, MBEDTLS_MD_SHA256, hash, 32, signature,
                           SIGNATURE_MAX, len, mbedtls_ctr_drbg_random, &bench->random);
}

#endif

/* --- the operations */

/* An ephemeral key and the secret that it shares with a peer's, in a group as a handshake has it.
 */
static void exchange_keys(struct bench *bench, mbedtls_ecp_group_id group, double *key_us,
                          double *secret_us)
{
    mbedtls_ecdh_context ours, theirs;
    unsigned char point[POINT_MAX], peer[POINT_MAX], secret[POINT_MAX];
    size_t len = 0, peer_len = 0, secret_len = 0;
    double begin;

    mbedtls_ecdh_init(&theirs);
    must(mbedtls_ecdh_setup(&theirs, group) == 0 &&
             mbedtls_ecdh_make_public(&theirs, &peer_len, peer, sizeof peer,
                                      mbedtls_ctr_drbg_random, &bench->random) == 0,
         "the peer's key");
    begin = processor_us();
    mbedtls_ecdh_init(&ours);
    must(mbedtls_ecdh_setup(&ours, group) == 0 &&
             mbedtls_ecdh_make_params(&ours, &len, point, sizeof point, mbedtls_ctr_drbg_random,
                                      &bench->random) == 0,
         "a key");
    *key_us = processor_us() - begin;
    begin = processor_us();
    must(mbedtls_ecdh_read_public(&ours, peer, peer_len) == 0 &&
             mbedtls_ecdh_calc_secret(&ours, &secret_len, secret, sizeof secret,
                                      mbedtls_ctr_drbg_random, &bench->random) == 0,
         "a secret");
    *secret_us = processor_us() - begin;
    mbedtls_ecdh_free(&ours);
    mbedtls_ecdh_free(&theirs);
}

static double time_sign(struct bench *bench)
{
    unsigned char hash[32] = {1}, signature[SIGNATURE_MAX];
    size_t len = 0;
    double begin = processor_us();

    must(sign(bench, hash, signature, &len) == 0, "signing");
    return processor_us() - begin;
}

static double time_verify_proof(struct bench *bench)
{
    unsigned char hash[32] = {2}, signature[SIGNATURE_MAX];
    size_t len = 0;
    double begin;

    must(prove(bench, hash, signature, &len) == 0, "a proof");
    begin = processor_us();
    must(mbedtls_pk_verify(&bench->shop->leaf.pk, MBEDTLS_MD_SHA256, hash, sizeof hash, signature,
                           len) == 0,
         "verifying a proof");
    return processor_us() - begin;
}

/* The signature follows the part that it signs (RFC 5280, section 4.1). */
static double time_verify_certificate(struct bench *bench)
{
    const mbedtls_x509_crt *leaf = &bench->shop->leaf;
    unsigned char *at = leaf->tbs.p + leaf->tbs.len;
    const unsigned char *end = leaf->raw.p + leaf->raw.len;
    unsigned char hash[32];
    mbedtls_asn1_buf oid, parameters;
    size_t len = 0;
    double begin;

    must(mbedtls_asn1_get_alg(&at, end, &oid, &parameters) == 0 &&
             mbedtls_asn1_get_bitstring_null(&at, end, &len) == 0,
         "reading the certificate");
    begin = processor_us();
    must(mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), leaf->tbs.p, leaf->tbs.len,
                    hash) == 0 &&
             mbedtls_pk_verify(&bench->shop->ca.pk, MBEDTLS_MD_SHA256, hash, sizeof hash, at,
                               len) == 0,
         "verifying the certificate");
    return processor_us() - begin;
}

/* --- handshakes */

/* One visit of the sensor; returns what the server spent. */
static double visit(struct bench *bench, enum raw_version version, struct sl_resumption *kept)
{
    struct sl_trust *trust = bench->shop->servers[version];
    enum sl_status at_server = SL_WANT_READ, at_sensor = SL_WANT_READ;
    struct sl_session *server = NULL, *sensor = NULL;
    struct sl_memory_link link;
    struct sl_refusal refusal;
    struct sl_peer *peer = NULL;
    double spent = 0, begin;
    char byte;
    size_t len;

    sl_memory_link_init(&link);
    must(sl_session_new_client(bench->shop->sensor, sl_memory_sensor(&link), "localhost",
                               &sensor) == SL_OK,
         "the sensor's session");
    sl_session_resume(sensor, kept);
    begin = processor_us();
    must(sl_session_new_server(trust, sl_memory_server(&link), BUDGET, &server) == SL_OK,
         "the server's session");
    sl_session_offer_tickets(server, bench->shop->tickets);
    spent += processor_us() - begin;
    for (int step = 0; step < STEPS && (at_server == SL_WANT_READ || at_sensor == SL_WANT_READ);
         step++) {
        if (at_sensor == SL_WANT_READ)
            at_sensor = sl_session_handshake(sensor);
        begin = processor_us();
        if (at_server == SL_WANT_READ)
            at_server = sl_session_handshake(server);
        spent += processor_us() - begin;
    }
    must(at_server == SL_OK && at_sensor == SL_OK, "a handshake");
    begin = processor_us();
    must(sl_admission_decide(server, trust, sl_clock_wall_us(), &peer, &refusal) == SL_OK,
         "admission");
    sl_peer_unref(peer);
    spent += processor_us() - begin;
    /* A ticket of TLS 1.3 comes with the first bytes that the sensor reads. */
    must(sl_session_read(sensor, &byte, 1, &len) == SL_WANT_READ, "the ticket");
    begin = processor_us();
    sl_session_free(server);
    spent += processor_us() - begin;
    sl_session_free(sensor);
    sl_memory_link_clear(&link);
    return spent;
}

static void measure_version(struct bench *bench, enum raw_version version, enum what full,
                            enum what resumed, size_t round)
{
    struct sl_resumption *kept = bench->kept[version];

    sl_resumption_failed(kept, false);
    bench->us[full][round] = visit(bench, version, kept);
    bench->us[resumed][round] = visit(bench, version, kept);
}

static void measure_round(struct bench *bench, size_t round)
{
    double us[WHATS], x25519, p256;

    exchange_keys(bench, MBEDTLS_ECP_DP_CURVE25519, &us[KEY_X25519], &us[SECRET_X25519]);
    exchange_keys(bench, MBEDTLS_ECP_DP_SECP256R1, &us[KEY_P256], &us[SECRET_P256]);
    us[SIGN] = time_sign(bench);
    us[VERIFY_CERTIFICATE] = time_verify_certificate(bench);
    us[VERIFY_PROOF] = time_verify_proof(bench);
    x25519 = us[KEY_X25519] + us[SECRET_X25519];
    p256 = us[KEY_P256] + us[SECRET_P256];
    us[SUM] =
        (x25519 < p256 ? x25519 : p256) + us[SIGN] + us[VERIFY_CERTIFICATE] + us[VERIFY_PROOF];
    for (int what = 0; what <= SUM; what++)
        bench->us[what][round] = us[what];
    measure_version(bench, RAW_TLS12, FULL_12, RESUMED_12, round);
    if (bench->shop->has_13)
        measure_version(bench, RAW_TLS13, FULL_13, RESUMED_13, round);
}

static void *run(void *argument)
{
    struct bench *bench = argument;

    for (size_t round = 0; round < bench->shop->rounds; round++)
        measure_round(bench, round);
    return NULL;
}

/* --- results */

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

/* All threads' values of one kind; the caller frees. */
static double *gather(struct bench *benches, size_t threads, enum what what, enum what by)
{
    size_t rounds = benches->shop->rounds;
    double *all = calloc(threads * rounds, sizeof *all);

    must(all != NULL, "memory");
    for (size_t i = 0; i < threads * rounds; i++) {
        const struct bench *bench = &benches[i / rounds];

        all[i] = bench->us[what][i % rounds];
        if (by < WHATS)
            all[i] /= bench->us[by][i % rounds];
    }
    return all;
}

static void print_ratio(struct bench *benches, size_t threads, const char *name, enum what full)
{
    double *ratios = gather(benches, threads, full, SUM);

    (void)printf(", \"ratio %s\": %.3f", name, median(ratios, threads * benches->shop->rounds));
    free(ratios);
}

static void print(struct bench *benches, size_t threads)
{
    const struct shop *shop = benches->shop;
    char library[64];

    (void)printf("{\"library\": \"%s\", \"rounds\": %zu, \"threads\": %zu, \"us\": {",
                 sl_tls_version(library, sizeof library), shop->rounds, threads);
    for (int what = 0; what < (shop->has_13 ? WHATS : FULL_13); what++) {
        double *all = gather(benches, threads, (enum what)what, WHATS);
        double middle = median(all, threads * shop->rounds);

        (void)printf("%s\"%s\": {\"best\": %.1f, \"median\": %.1f}", what == 0 ? "" : ", ",
                     names[what], all[0], middle);
        free(all);
    }
    (void)printf("}");
    print_ratio(benches, threads, "1.2", FULL_12);
    if (shop->has_13)
        print_ratio(benches, threads, "1.3", FULL_13);
    (void)printf("}\n");
}

/* --- setting up */

static const char *file_of(char path[static PATH_SIZE], const char *prefix, const char *ending)
{
    (void)snprintf(path, PATH_SIZE, "%s%s", prefix, ending);
    return path;
}

static struct sl_trust *load_trust(enum sl_role role, const char *ca, const char *prefix,
                                   enum raw_version version)
{
    char cert[PATH_SIZE], key[PATH_SIZE], error[ERROR_SIZE];
    struct sl_trust_files files = {
        .ca = ca, .cert = file_of(cert, prefix, ".crt"), .key = file_of(key, prefix, ".key")};
    struct sl_trust *trust = NULL;

    if (sl_trust_load(role, &files, &trust, error, sizeof error) != SL_OK) {
        (void)fprintf(stderr, "bench_primitives: %s\n", error);
        exit(EX_NOINPUT);
    }
    /* Nobody has seen it yet, so it may still be changed. */
    raw_limit_version((mbedtls_ssl_config *)sl_trust_config(trust), version);
    return trust;
}

static void load_pair(const char *prefix, mbedtls_x509_crt *certificate, mbedtls_pk_context *key)
{
    char path[PATH_SIZE];
    struct sl_random *random = NULL;

    must(sl_random_new(&random) == 0, "randomness");
    mbedtls_x509_crt_init(certificate);
    mbedtls_pk_init(key);
    must(mbedtls_x509_crt_parse_file(certificate, file_of(path, prefix, ".crt")) == 0 &&
             sl_compat_parse_keyfile(key, file_of(path, prefix, ".key"), random) == 0,
         prefix);
    sl_random_free(random);
}

static void open_shop(struct shop *shop, const char *ca, const char *server, const char *sensor)
{
    char error[ERROR_SIZE];

    shop->has_13 = sl_compat_has_tls13();
    shop->sensor = load_trust(SL_ROLE_SENSOR, ca, sensor, RAW_ANY);
    shop->servers[RAW_TLS12] = load_trust(SL_ROLE_SERVER, ca, server, RAW_TLS12);
    if (shop->has_13)
        shop->servers[RAW_TLS13] = load_trust(SL_ROLE_SERVER, ca, server, RAW_TLS13);
    must(sl_ticket_keys_new(HOUR_US, NULL, &shop->tickets, error, sizeof error) == SL_OK,
         "ticket keys");
    load_pair(server, &shop->own, &shop->own_key);
    load_pair(sensor, &shop->leaf, &shop->leaf_key);
    mbedtls_x509_crt_init(&shop->ca);
    must(mbedtls_x509_crt_parse_file(&shop->ca, ca) == 0, ca);
}

static void close_shop(struct shop *shop)
{
    mbedtls_x509_crt_free(&shop->ca);
    mbedtls_x509_crt_free(&shop->own);
    mbedtls_x509_crt_free(&shop->leaf);
    mbedtls_pk_free(&shop->own_key);
    mbedtls_pk_free(&shop->leaf_key);
    sl_ticket_keys_free(shop->tickets);
    sl_trust_unref(shop->sensor);
    sl_trust_unref(shop->servers[RAW_TLS12]);
    sl_trust_unref(shop->servers[RAW_TLS13]);
}

static void open_bench(struct bench *bench, struct shop *shop)
{
    bench->shop = shop;
    mbedtls_entropy_init(&bench->entropy);
    mbedtls_ctr_drbg_init(&bench->random);
    must(mbedtls_ctr_drbg_seed(&bench->random, mbedtls_entropy_func, &bench->entropy, NULL, 0) == 0,
         "randomness");
    for (enum raw_version version = RAW_TLS12; version <= RAW_TLS13; version++) {
        bench->kept[version] = sl_resumption_new();
        must(bench->kept[version] != NULL, "memory");
    }
    for (int what = 0; what < WHATS; what++) {
        bench->us[what] = calloc(shop->rounds, sizeof(double));
        must(bench->us[what] != NULL, "memory");
    }
}

static void close_bench(struct bench *bench)
{
    for (int what = 0; what < WHATS; what++)
        free(bench->us[what]);
    for (enum raw_version version = RAW_TLS12; version <= RAW_TLS13; version++)
        sl_resumption_free(bench->kept[version]);
    mbedtls_ctr_drbg_free(&bench->random);
    mbedtls_entropy_free(&bench->entropy);
}

static void measure(struct shop *shop, size_t threads)
{
    struct bench *benches = calloc(threads, sizeof *benches);

    must(benches != NULL, "memory");
    for (size_t i = 0; i < threads; i++)
        open_bench(&benches[i], shop);
    for (size_t i = 0; i < threads; i++)
        must(pthread_create(&benches[i].thread, NULL, run, &benches[i]) == 0, "a thread");
    for (size_t i = 0; i < threads; i++)
        (void)pthread_join(benches[i].thread, NULL);
    print(benches, threads);
    for (size_t i = 0; i < threads; i++)
        close_bench(&benches[i]);
    free(benches);
}

static size_t number(const char *text, size_t most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*end != '\0' || value == 0 || value > most)
        exit(EX_USAGE);
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"cafile", required_argument, NULL, 'c'},  {"server", required_argument, NULL, 's'},
        {"sensor", required_argument, NULL, 'p'},  {"rounds", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 't'}, {0}};
    const char *ca = NULL, *server = NULL, *sensor = NULL;
    struct shop shop = {.rounds = ROUNDS};
    size_t threads = 1;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'c')
            ca = optarg;
        else if (option == 's')
            server = optarg;
        else if (option == 'p')
            sensor = optarg;
        else if (option == 'r')
            shop.rounds = number(optarg, ROUNDS_MAX);
        else if (option == 't')
            threads = number(optarg, THREADS_MAX);
        else
            return EX_USAGE;
    }
    if (ca == NULL || server == NULL || sensor == NULL || optind != argc) {
        (void)fprintf(stderr, "usage: bench_primitives --cafile F --server PREFIX --sensor PREFIX "
                              "[--rounds N] [--threads N]\n");
        return EX_USAGE;
    }
    open_shop(&shop, ca, server, sensor);
    measure(&shop, threads);
    close_shop(&shop);
    return EX_OK;
}
