/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reminder.h -- says in the log, in time, that a sensor's certificate is about to end: once a day
 * for each sensor, whichever and however many connections it has.
 *
 * Memory   A fixed number of slots, shared by sensors' names through a hash: two sensors of one
 *          slot push each other out, and are then told more often than once a day.
 * Threads  Any thread.
 */
#ifndef SL_SERVER_REMINDER_H
#define SL_SERVER_REMINDER_H

#include "base/log.h"
#include "base/peer.h"
#include "sensorlink/status.h"

struct sl_reminder;

SL_MUST_USE enum sl_status sl_reminder_new(struct sl_reminder **reminder);
void sl_reminder_free(struct sl_reminder *reminder); /* null is allowed */

/*
 * Warns where the peer's certificate ends within `warning_ms` from `now_us` on (microseconds since
 * 1970 UTC), unless that was said less than a day ago. A `warning_ms` of 0 never warns.
 */
void sl_reminder_look(struct sl_reminder *reminder, struct sl_log *log, const struct sl_peer *peer,
                      int64_t warning_ms, int64_t now_us);

#endif
