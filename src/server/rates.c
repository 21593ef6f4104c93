/* SPDX-License-Identifier: Apache-2.0 */
/* rates.c -- see rates.h. */
#include "server/rates.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

enum { BUCKETS = 1024 };

struct account {
    struct account *next;
    char sensor[SL_SENSOR_NAME_MAX + 1];
    double credit; /* lines; below 0: a debt */
    int64_t since_ms;
};

struct sl_rates {
    pthread_mutex_t lock;
    struct account *buckets[BUCKETS];
};

enum sl_status sl_rates_new(struct sl_rates **rates)
{
    struct sl_rates *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return SL_NOMEM;
    }
    *rates = made;
    return SL_OK;
}

void sl_rates_free(struct sl_rates *rates)
{
    if (rates == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (rates->buckets[i] != NULL) {
            struct account *gone = rates->buckets[i];

            rates->buckets[i] = gone->next;
            free(gone);
        }
    (void)pthread_mutex_destroy(&rates->lock);
    free(rates);
}

/* The sensor's account, made where it has none; null without memory. The lock is held. */
static struct account *find(struct sl_rates *rates, const char *sensor, double most, int64_t now_ms)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    struct account **at;
    struct account *made;

    for (const char *c = sensor; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    at = &rates->buckets[hash % BUCKETS];
    while (*at != NULL && strcmp((*at)->sensor, sensor) != 0)
        at = &(*at)->next;
    if (*at != NULL)
        return *at;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    (void)snprintf(made->sensor, sizeof made->sensor, "%s", sensor);
    made->credit = most;
    made->since_ms = now_ms;
    *at = made;
    return made;
}

bool sl_rates_charge(struct sl_rates *rates, const char *sensor, double rate, int64_t lines,
                     int64_t now_ms)
{
    double most = rate < 1 ? 1 : rate;
    struct account *account;
    bool over = true;

    (void)pthread_mutex_lock(&rates->lock);
    account = find(rates, sensor, most, now_ms);
    if (account != NULL) {
        account->credit += rate * (double)(now_ms - account->since_ms) / 1000;
        account->since_ms = now_ms;
        if (account->credit > most)
            account->credit = most;
        account->credit -= (double)lines;
        over = account->credit < 0;
    }
    (void)pthread_mutex_unlock(&rates->lock);
    return over;
}
