/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h -- how long to wait before the next try.
 *
 * A thousand sensors that lost their server at the same moment must not come back at the same
 * moment. So a pause is drawn evenly between nothing and a ceiling ("full jitter"; Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The ceiling is as long as the
 * pauses before it were together: it doubles with the time that there was no server, and not with
 * the number of tries, so that a server which was away for a second has everybody back in a few. A
 * handshake costs the server milliseconds, so who was refused by name waits far longer: asking
 * again won't help until a person changes something.
 *
 * Memory   The caller owns struct sl_backoff. Nothing here allocates, or has a clock or randomness.
 * Threads  Pure functions.
 */
#ifndef SL_CLIENT_BACKOFF_H
#define SL_CLIENT_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum sl_pause_cause {
    SL_PAUSE_FAILED,  /* no connection, or one that broke: the network, or a server that restarts */
    SL_PAUSE_SILENT,  /* it ended before `welcome` without a reason: a restart, or a refusal */
    SL_PAUSE_REFUSED, /* the server said that it doesn't want this sensor */
    SL_PAUSE_FAULT,   /* something here needs a person: as long as REFUSED, but it isn't one */
    SL_PAUSE_BYE      /* the server said when to come back */
};

enum { SL_SILENT_IS_REFUSED = 6 }; /* this many SILENT in a row, too many for restarts: REFUSED */

struct sl_backoff {
    int64_t min_ms;     /* ceiling of the first pause, 1 or more */
    int64_t max_ms;     /* ceiling of any pause after FAILED, min_ms or more */
    int64_t refused_ms; /* longest pause after REFUSED; the shortest is half of it */
    int64_t paused_ms;  /* drawn since the last success, max_ms at most */
    unsigned silent;    /* failures in a row that ended SILENT */
};

/* Nothing failed yet. */
void sl_backoff_init(struct sl_backoff *backoff, int64_t min_ms, int64_t max_ms,
                     int64_t refused_ms);

/* The session did what it is for (readings were acknowledged, or it held for a while). */
void sl_backoff_success(struct sl_backoff *backoff);

/* The server welcomed us: silence before that meant no refusal. */
void sl_backoff_welcomed(struct sl_backoff *backoff);

/* True where a failure of this kind, if it comes next, is a refusal or counts as one. */
bool sl_backoff_is_refusal(const struct sl_backoff *backoff, enum sl_pause_cause cause);

/*
 * Counts a failure and gives the pause after it in milliseconds, 0 or more. `retry_ms` is the
 * server's wish (BYE only): the pause is never shorter. `random` is 64 even random bits.
 */
int64_t sl_backoff_pause(struct sl_backoff *backoff, enum sl_pause_cause cause, int64_t retry_ms,
                         uint64_t random);

#endif
