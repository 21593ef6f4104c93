/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_plot.h -- sensorlink-log plot: readings as lines of text, one line for each stretch of time.
 *
 * Memory   Nothing allocates.
 * Limits   One sensor's readings of one name and unit; PLOT_ROWS lines of 80 columns.
 */
#ifndef SL_PROGRAMS_LOG_PLOT_H
#define SL_PROGRAMS_LOG_PLOT_H

#include "programs/log_commands.h"

/*
 * Plots what the request's filter takes. `*result` is EX_USAGE, with a sentence on standard error,
 * where that is more than one sensor, name or unit. Statuses as for the other commands.
 */
SL_MUST_USE enum sl_status sl_log_plot(struct sl_log_request *request, int *result);

#endif
