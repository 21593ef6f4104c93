/* SPDX-License-Identifier: Apache-2.0 */
/* trusts.c -- see trusts.h. */
#include "trusts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls/compat.h"

enum { PATH_SIZE = 4096, ERROR_SIZE = 512 };

/* 2.28 has no private members. */
#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

/*
 * Our own client always offers `sensorlink/1`. That the tutorial's lines may come without it is the
 * server's offer to other software, which is played here.
 */
static void forget_alpn(struct sl_trust *trust)
{
    mbedtls_ssl_config *config = (mbedtls_ssl_config *)sl_trust_config(trust);

    config->MBEDTLS_PRIVATE(alpn_list) = NULL;
}

static int is_certificate(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 4 && strcmp(entry->d_name + len - 4, ".crt") == 0;
}

/* Loads the pair of this certificate's name; true also where there is no key of that name. */
static bool load(struct trusts *trusts, const char *ca, const char *folder, const char *name)
{
    char cert[PATH_SIZE];
    char key[PATH_SIZE];
    char error[ERROR_SIZE] = "";
    struct sl_trust_files files = {.ca = ca, .cert = cert, .key = key};

    (void)snprintf(cert, sizeof cert, "%s/%s", folder, name);
    (void)snprintf(key, sizeof key, "%s/%.*s.key", folder, (int)strlen(name) - 4, name);
    if (access(key, F_OK) != 0)
        return true;
    if (sl_trust_load(SL_ROLE_SENSOR, &files, &trusts->at[trusts->count], error, sizeof error) !=
        SL_OK) {
        (void)fprintf(stderr, "bench_load: %s: %s\n", cert, error);
        return false;
    }
    trusts->count++;
    return true;
}

bool trusts_load(struct trusts *trusts, const char *ca, const char *folder, size_t most, bool alpn)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, is_certificate, alphasort);
    bool good = count > 0;

    trusts->count = 0;
    trusts->at = calloc(most, sizeof(struct sl_trust *));
    good = good && trusts->at != NULL;
    for (int i = 0; i < count; i++) {
        if (good && trusts->count < most)
            good = load(trusts, ca, folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (good && trusts->count == 0)
        good = false;
    if (!good && trusts->count == 0)
        (void)fprintf(stderr, "bench_load: --certs %s: no pair of NAME.crt and NAME.key there\n",
                      folder);
    for (size_t i = 0; good && !alpn && i < trusts->count; i++)
        forget_alpn(trusts->at[i]);
    return good;
}

void trusts_clear(struct trusts *trusts)
{
    for (size_t i = 0; i < trusts->count; i++)
        sl_trust_unref(trusts->at[i]);
    free(trusts->at);
}
