/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cap.h -- how much a client's spool may hold, and what happens when it is full.
 *
 * What is given up becomes a gap in the spool, in the same transaction that keeps the next reading,
 * and the owner is told once that is on disk.
 *
 * Memory   The caller owns struct sl_cap. Nothing here allocates.
 * Threads  One at a time.
 */
#ifndef SL_CLIENT_CAP_H
#define SL_CLIENT_CAP_H

#include <stdbool.h>

#include "sensorlink/sensorlink.h"

struct sl_cap {
    int64_t max_readings; /* 0: no limit */
    int64_t max_age_ms;   /* 0: no limit */
    bool drops;           /* a full spool gives up its oldest readings; else it takes no more */
    int64_t looked_ms;    /* monotonic clock, when ages were looked at last; 0: never */
    int64_t dropped;      /* highest number given up since the last commit; 0: none */
    int64_t count;        /* how many were */
    const char *reason;   /* of that, static */
};

/* Why a reading was given up: the reasons of gaps. */
#define SL_GAP_SPOOL_FULL "spool-full"
#define SL_GAP_TOO_OLD "too-old"

/*
 * Makes room for one more reading.
 * SL_OK     There is room.
 * SL_LIMIT  The spool holds as many as it may, and isn't to give any up; `*full` is true then. Also
 *           where the disk is full, like the other statuses of a spool's append.
 */
SL_MUST_USE enum sl_status sl_cap_make_room(struct sl_cap *cap, struct sl_spool *spool, bool *full);

/*
 * Gives up the readings that are older than max_age_ms at wall clock `now_us`; looks at most once a
 * second. A reading without a time never is too old. Statuses as a spool's append.
 */
SL_MUST_USE enum sl_status sl_cap_check_ages(struct sl_cap *cap, struct sl_spool *spool,
                                             int64_t now_us, int64_t now_ms);

/* True for what the protocol takes as a gap's reason. */
bool sl_cap_reason_valid(const char *reason);

#endif
