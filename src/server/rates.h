/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rates.h -- what each sensor with a rate (allow.h) may still send: one account a sensor, whichever
 * and however many connections it uses, and however often it comes back.
 *
 * Memory   One small entry for each sensor that ever came with a rate.
 * Threads  Any thread.
 */
#ifndef SL_SERVER_RATES_H
#define SL_SERVER_RATES_H

#include <stdbool.h>
#include <stdint.h>

#include "sensorlink/status.h"

struct sl_rates;

SL_MUST_USE enum sl_status sl_rates_new(struct sl_rates **rates);
void sl_rates_free(struct sl_rates *rates); /* null is allowed */

/*
 * The sensor sent `lines` more, at `now_ms` of the monotonic clock; it earns `rate` lines a second
 * and keeps one second's worth, or one line, at most. True where it has sent more than it has
 * earned: hold it back. Without memory for a new account: true.
 */
bool sl_rates_charge(struct sl_rates *rates, const char *sensor, double rate, int64_t lines,
                     int64_t now_ms);

#endif
