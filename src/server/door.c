/* SPDX-License-Identifier: Apache-2.0 */
/* door.c -- see door.h. */
#include "server/door.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, SHARE_LEAST = 8, CROWD_PART = 16, SWEPT = 16 };

struct entry {
    struct entry *next;
    struct sl_address_key key;
    int64_t count;
    int64_t handshakes;
    int64_t paid_us; /* when nothing is owed any more, by the monotonic clock */
};

struct sl_door {
    pthread_mutex_t lock;
    struct sl_door_limits limits;
    int64_t connections;
    int64_t handshakes;
    int64_t debtors; /* entries that are kept only because they owe */
    size_t hand;     /* the bucket that is swept next */
    struct entry *buckets[BUCKETS];
};

enum sl_status sl_door_new(struct sl_door_limits limits, struct sl_door **door)
{
    struct sl_door *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    made->limits = limits;
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return SL_NOMEM;
    }
    *door = made;
    return SL_OK;
}

static void take_out(struct entry **at)
{
    struct entry *gone = *at;

    *at = gone->next;
    free(gone);
}

/* Takes out who has paid and isn't in. */
static void sweep(struct sl_door *door, struct entry **at, int64_t now_us)
{
    while (*at != NULL) {
        if ((*at)->count == 0 && (*at)->paid_us <= now_us) {
            take_out(at);
            door->debtors--;
        } else {
            at = &(*at)->next;
        }
    }
}

void sl_door_free(struct sl_door *door)
{
    if (door == NULL)
        return;
    assert(door->connections == 0);
    for (size_t i = 0; i < BUCKETS; i++)
        sweep(door, &door->buckets[i], INT64_MAX);
    (void)pthread_mutex_destroy(&door->lock);
    free(door);
}

/* Addresses are a stranger's choice only within what it can send from, so a plain hash will do. */
static struct entry **find(struct sl_door *door, const struct sl_address_key *key)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    struct entry **at;

    for (size_t i = 0; i < sizeof key->at; i++)
        hash = (hash ^ key->at[i]) * 1099511628211ULL;
    at = &door->buckets[hash % BUCKETS];
    while (*at != NULL && memcmp(&(*at)->key, key, sizeof *key) != 0)
        at = &(*at)->next;
    return at;
}

/*
 * One address may have a quarter of the handshakes under way, so that it can't lock the others out.
 */
static int64_t handshake_share(const struct sl_door *door)
{
    int64_t share = door->limits.handshakes / 4;

    if (share >= SHARE_LEAST)
        return share;
    return door->limits.handshakes < SHARE_LEAST ? door->limits.handshakes : SHARE_LEAST;
}

/*
 * Beside `others` handshakes. The lock is held, here and in all that follow up to the public ones.
 */
static bool kept_out(const struct sl_door *door, const struct entry *entry, int64_t others,
                     int64_t now_ms)
{
    int64_t owed_us = (entry->paid_us - now_ms * 1000) / SL_DOOR_PAYS_A_PART;

    return owed_us > SL_DOOR_OWED_MAX_US && others * CROWD_PART >= door->limits.handshakes;
}

/* Counts one more of this address. */
static enum sl_status count_address(struct sl_door *door, const struct sl_address_key *key,
                                    int64_t now_ms, const char **which)
{
    struct entry **at = find(door, key);

    if (*at == NULL) {
        struct entry *made = calloc(1, sizeof *made);

        if (made == NULL)
            return SL_NOMEM;
        made->key = *key;
        *at = made;
    }
    if ((*at)->count >= door->limits.per_address)
        return SL_LIMIT;
    *which = "an address's share of --max-handshakes";
    if ((*at)->handshakes >= handshake_share(door))
        return SL_LIMIT;
    *which = "an address's share of processor time for handshakes that fail";
    if (kept_out(door, *at, door->handshakes, now_ms))
        return SL_LIMIT;
    if ((*at)->count == 0 && (*at)->paid_us > 0)
        door->debtors--;
    (*at)->count++;
    (*at)->handshakes++;
    return SL_OK;
}

static enum sl_status enter_locked(struct sl_door *door, const struct sl_address_key *key,
                                   int64_t now_ms, const char **which)
{
    enum sl_status status;

    *which = "--max-connections";
    if (door->connections >= door->limits.connections)
        return SL_LIMIT;
    *which = "--max-handshakes";
    if (door->handshakes >= door->limits.handshakes)
        return SL_LIMIT;
    *which = "--max-connections-per-address";
    status = count_address(door, key, now_ms, which);
    if (status != SL_OK)
        return status;
    door->connections++;
    door->handshakes++;
    return SL_OK;
}

enum sl_status sl_door_enter(struct sl_door *door, const struct sl_address *address, int64_t now_ms,
                             const char **which)
{
    struct sl_address_key key = sl_address_key(address);
    enum sl_status status;

    (void)pthread_mutex_lock(&door->lock);
    status = enter_locked(door, &key, now_ms, which);
    (void)pthread_mutex_unlock(&door->lock);
    return status;
}

bool sl_door_keeps_out(struct sl_door *door, const struct sl_address *address, int64_t now_ms)
{
    struct sl_address_key key = sl_address_key(address);
    struct entry **at;
    bool out;

    (void)pthread_mutex_lock(&door->lock);
    at = find(door, &key);
    assert(*at != NULL);
    out = kept_out(door, *at, door->handshakes - 1, now_ms);
    (void)pthread_mutex_unlock(&door->lock);
    return out;
}

void sl_door_handshake_ended(struct sl_door *door, const struct sl_address *address,
                             int64_t wasted_us, int64_t now_ms)
{
    struct sl_address_key key = sl_address_key(address);
    int64_t now_us = now_ms * 1000;
    struct entry **at;

    (void)pthread_mutex_lock(&door->lock);
    door->handshakes--;
    at = find(door, &key);
    assert(*at != NULL);
    (*at)->handshakes--;
    if (wasted_us > 0) {
        if ((*at)->paid_us < now_us)
            (*at)->paid_us = now_us;
        (*at)->paid_us += wasted_us * SL_DOOR_PAYS_A_PART;
    }
    (void)pthread_mutex_unlock(&door->lock);
}

void sl_door_leave(struct sl_door *door, const struct sl_address *address, int64_t now_ms)
{
    struct sl_address_key key = sl_address_key(address);
    struct entry **at;

    (void)pthread_mutex_lock(&door->lock);
    door->connections--;
    at = find(door, &key);
    assert(*at != NULL);
    if (--(*at)->count == 0) {
        if ((*at)->paid_us > now_ms * 1000 && door->debtors < SL_DOOR_DEBTORS_MAX)
            door->debtors++;
        else
            take_out(at);
    }
    /* A few buckets each time: who paid meanwhile and never came back goes, too. */
    for (int i = 0; i < SWEPT; i++)
        sweep(door, &door->buckets[door->hand++ % BUCKETS], now_ms * 1000);
    (void)pthread_mutex_unlock(&door->lock);
}
