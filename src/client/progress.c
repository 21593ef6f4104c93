/* SPDX-License-Identifier: Apache-2.0 */
/* progress.c -- the progress line; see progress.h. */
#include "client/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG_MIN = 100, /* fewer waiting readings are gone before anybody has read the line */
    PERIOD_MS = 500,
    TEXT_SIZE = 128
};

void sl_progress_init(struct sl_progress *progress, bool wanted)
{
    const char *kind = getenv("TERM");
    bool draws = kind && strcmp(kind, "dumb") != 0;
    *progress = (struct sl_progress){.terminal = wanted && draws && isatty(STDOUT_FILENO)};
}

void sl_progress_text(const struct sl_client_progress *figures, int64_t per_second, char *text,
                      size_t size)
{
    (void)snprintf(text, size,
                   "sent %" PRId64 ", acknowledged %" PRId64 ", waiting %" PRId64 ", %" PRId64 "/s",
                   figures->sent, figures->acknowledged, figures->submitted - figures->acknowledged,
                   per_second);
}

void sl_progress_show(struct sl_progress *progress, const struct sl_client_progress *figures,
                      int64_t now_ms)
{
    int64_t passed_ms = now_ms - progress->last_ms;
    bool backlog = figures->submitted - figures->acknowledged >= BACKLOG_MIN;

    if (!progress->terminal)
        return;
    if (!backlog || !figures->connected) {
        sl_progress_hide(progress);
        progress->last_ms = now_ms;
        progress->last_acknowledged = figures->acknowledged;
        return;
    }
    if (passed_ms < PERIOD_MS)
        return;

    char text[TEXT_SIZE];
    int64_t done = figures->acknowledged - progress->last_acknowledged;
    sl_progress_text(figures, done * 1000 / passed_ms, text, sizeof(text));
    (void)printf("\r\033[K%s", text);
    (void)fflush(stdout);
    progress->shown = true;
    progress->last_ms = now_ms;
    progress->last_acknowledged = figures->acknowledged;
}

void sl_progress_hide(struct sl_progress *progress)
{
    if (!progress->shown)
        return;
    (void)printf("\r\033[K");
    (void)fflush(stdout);
    progress->shown = false;
}

bool sl_progress_shown(const struct sl_progress *progress)
{
    return progress->shown;
}
