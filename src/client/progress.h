/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress.h -- one line on a terminal that changes in place while a backlog drains.
 *
 * Memory   The caller owns struct sl_progress.
 * Threads  One.
 */
#ifndef SL_CLIENT_PROGRESS_H
#define SL_CLIENT_PROGRESS_H

#include <stdbool.h>

#include "sensorlink/sensorlink.h"

struct sl_progress {
    bool terminal; /* standard output is one, and the line is wanted */
    bool shown;    /* the line stands on the terminal now */
    int64_t last_ms;
    int64_t last_acknowledged;
};

/* `wanted` false shows nothing ever; nor does a standard output that is no terminal. */
void sl_progress_init(struct sl_progress *progress, bool wanted);

/* Draws the line where a backlog is there and half a second has passed since the last time. */
void sl_progress_show(struct sl_progress *progress, const struct sl_client_progress *figures,
                      int64_t now_ms);

/* Takes the line away, before something else is printed. */
void sl_progress_hide(struct sl_progress *progress);

/* True while a backlog drains under the line. */
bool sl_progress_shown(const struct sl_progress *progress);

/* The line's text, for tests: `sent 5, acknowledged 3, waiting 7, 2/s`. */
void sl_progress_text(const struct sl_client_progress *figures, int64_t per_second, char *text,
                      size_t size);

#endif
