/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending.h -- how a run of the client ends: what is lost, what waits, the last sentences about it,
 * and the exit code.
 *
 * Memory   The runner's; nothing here allocates.
 * Threads  The loop's.
 */
#ifndef SL_CLIENT_ENDING_H
#define SL_CLIENT_ENDING_H

#include <stdbool.h>

#include "client/runner.h"

/* What a run meets on its way; all zero at first. */
struct sl_ending {
    int64_t rejected;    /* lines of the input that couldn't be taken */
    int64_t not_logged;  /* readings that the server refused */
    int64_t refused_seq; /* the last of those; 0: none */
    int64_t given_up;    /* readings that became gaps */
    int64_t no_readings; /* measurements that gave none */
    bool refused;        /* the last try ended with a refusal */
    bool misfit;         /* the last try ended because the spool is another sensor's */
};

/* What didn't reach the server when the run ends. */
struct sl_rest {
    int64_t kept; /* readings in the spool */
    int64_t lost; /* readings that never got there */
    bool input;   /* the source was held back, and has more */
};

/* The server refused reading `seq`; it may say that again after a broken connection. */
void sl_ending_count_refused(struct sl_ending *ending, int64_t seq);

/*
 * Everything is acknowledged, up to number `acknowledged` (0: there was nothing): says so after
 * `why`, and what of the input won't ever be at the server; the exit code. Measurements without a
 * number count where the source `ended`: one that never ends has them now and then.
 */
int sl_ending_tell_done(const struct sl_ending *ending, struct sl_runner *runner,
                        int64_t acknowledged, const char *why, bool ended);

/* Says what waits and what is lost, each sentence after `why`; the exit code. */
int sl_ending_tell_rest(const struct sl_ending *ending, struct sl_runner *runner,
                        const struct sl_rest *rest, const char *why, bool ended);

#endif
