/* SPDX-License-Identifier: Apache-2.0 */
/* reminder.c -- see reminder.h. */
#include "server/reminder.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { SLOTS = 4096 };

#define DAY_MS INT64_C(86400000)
#define DAY_US (DAY_MS * 1000)

/* Who was told of last here, and when by the monotonic clock; all 0 where nobody was. */
struct slot {
    uint64_t hash;
    int64_t told_ms;
};

struct sl_reminder {
    pthread_mutex_t lock;
    struct slot slots[SLOTS];
};

enum sl_status sl_reminder_new(struct sl_reminder **reminder)
{
    struct sl_reminder *made = calloc(1, sizeof *made);

    if (made == NULL)
        return SL_NOMEM;
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        free(made);
        return SL_NOMEM;
    }
    *reminder = made;
    return SL_OK;
}

void sl_reminder_free(struct sl_reminder *reminder)
{
    if (reminder == NULL)
        return;
    (void)pthread_mutex_destroy(&reminder->lock);
    free(reminder);
}

/* True once a day for a name. */
static bool is_due(struct sl_reminder *reminder, const char *name)
{
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    int64_t now_ms = sl_clock_monotonic_ms();
    bool due;

    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211ULL;
    (void)pthread_mutex_lock(&reminder->lock);
    struct slot *slot = &reminder->slots[hash % SLOTS];
    due = slot->hash != hash || now_ms - slot->told_ms >= DAY_MS;
    if (due)
        *slot = (struct slot){hash, now_ms};
    (void)pthread_mutex_unlock(&reminder->lock);
    return due;
}

void sl_reminder_look(struct sl_reminder *reminder, struct sl_log *log, const struct sl_peer *peer,
                      int64_t warning_ms, int64_t now_us)
{
    int64_t left_us = sl_peer_expires_us(peer) - now_us;
    int64_t days = left_us / DAY_US;
    char when[32] = "less than a day";
    char date[SL_TIME_TEXT_SIZE];

    /* One that has ended already is refused, and that is said elsewhere. */
    if (left_us <= 0 || left_us >= warning_ms * 1000 || !is_due(reminder, sl_peer_name(peer)))
        return;
    if (days > 0)
        (void)snprintf(when, sizeof when, "%" PRId64 " %s", days, days == 1 ? "day" : "days");
    (void)sl_time_print_iso(sl_peer_expires_us(peer), date);
    sl_log_line(log, SL_LOG_WARNING,
                "%s's certificate ends in %s (%.16sZ): renew it with scripts/certs.sh renew",
                sl_peer_name(peer), when, date);
}
