/* SPDX-License-Identifier: Apache-2.0 */
/* source_list.c -- readings from a list: the demonstration and --message. */
#include <stdlib.h>

#include "client/source.h"

struct list {
    struct sl_source source; /* first */
    struct sl_runner *runner;
    struct sl_timer *timer;
    const char *const *lines;
    size_t count;
    size_t next;
    int64_t interval_ms;
};

static void on_timer(void *ctx)
{
    struct list *list = ctx;

    while (list->next < list->count) {
        struct sl_bytes line = sl_bytes_of(list->lines[list->next]);
        enum sl_status status = sl_runner_take(list->runner, sl_runner_now_us(list->runner), line);
        if (status == SL_LIMIT)
            return;
        if (status != SL_OK)
            sl_runner_reject(list->runner, "'%s' is not a reading: %s", line.at,
                             sl_runner_error(list->runner));
        list->next++;
        if (list->interval_ms > 0 && list->next < list->count) {
            sl_timer_start(list->timer, list->interval_ms);
            return;
        }
    }
    sl_runner_ended(list->runner);
}

static void list_resume(struct sl_source *source)
{
    sl_timer_start(((struct list *)source)->timer, 0);
}

static void list_stop(struct sl_source *source)
{
    sl_timer_stop(((struct list *)source)->timer);
}

static void list_free(struct sl_source *source)
{
    struct list *list = (struct list *)source;
    sl_timer_close(list->timer);
    free(list);
}

enum sl_status sl_source_list_new(struct sl_loop *loop, struct sl_runner *runner,
                                  const char *const *lines, size_t count, int64_t interval_ms,
                                  struct sl_source **source)
{
    struct list *list = calloc(1, sizeof(*list));
    if (!list)
        return SL_NOMEM;
    *list = (struct list){.source = {list_resume, list_stop, list_free},
                          .runner = runner,
                          .lines = lines,
                          .count = count,
                          .interval_ms = interval_ms};
    enum sl_status status = sl_timer_new(loop, on_timer, list, &list->timer);
    if (status != SL_OK) {
        free(list);
        return status;
    }
    sl_timer_start(list->timer, 0);
    *source = &list->source;
    return SL_OK;
}
