/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c -- the things that loop.h hangs on a loop: watches, timers, inboxes, signals.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "net/loop_item.h"

/* A watch: a descriptor. */

struct sl_watch {
    struct sl_loop_item item;
    uv_poll_t poll;
    int events; /* what it waits for, in libuv's bits */
    sl_watch_fn *ready;
    void *ctx;
};

static void watch_ready(uv_poll_t *poll, int status, int events)
{
    struct sl_watch *watch = poll->data;
    if (status < 0) {
        /* libuv stops a poll that has an error; without this an owner that wants one more
         * read before it gives up would never be called again. */
        (void)uv_poll_start(poll, watch->events, watch_ready);
        watch->ready(watch->ctx, true, true);
        return;
    }
    watch->ready(watch->ctx, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

static void watch_item_close(void *item)
{
    sl_watch_close(item);
}

enum sl_status sl_watch_new(struct sl_loop *loop, int fd, sl_watch_fn *ready, void *ctx,
                            struct sl_watch **watch)
{
    struct sl_watch *made = sl_loop_item_new(loop, sizeof *made, watch_item_close);
    if (made == NULL)
        return SL_NOMEM;
    int error = uv_poll_init(sl_loop_uv(loop), &made->poll, fd);
    if (error != 0) {
        sl_loop_item_drop(&made->item);
        return sl_loop_status(error);
    }
    sl_loop_item_add_handle(&made->item, (uv_handle_t *)&made->poll);
    sl_loop_item_enlist(&made->item);
    made->ready = ready;
    made->ctx = ctx;
    *watch = made;
    return SL_OK;
}

enum sl_status sl_watch_set(struct sl_watch *watch, bool readable, bool writable)
{
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (events == watch->events)
        return SL_OK;
    int error =
        events != 0 ? uv_poll_start(&watch->poll, events, watch_ready) : uv_poll_stop(&watch->poll);
    if (error != 0)
        return sl_loop_status(error);
    watch->events = events;
    return SL_OK;
}

void sl_watch_close(struct sl_watch *watch)
{
    if (watch == NULL)
        return;
    sl_loop_item_close_handle(&watch->item, (uv_handle_t *)&watch->poll);
    sl_loop_item_drop(&watch->item);
}

/*
 * A timer. libuv before 1.46 runs a timer that is started with 0 inside a timer's callback in the
 * same turn, and so on for ever; an idle handle runs once a turn, with the descriptors in between.
 */

struct sl_timer {
    struct sl_loop_item item;
    uv_timer_t timer;
    uv_idle_t soon;
    sl_timer_fn *fire;
    void *ctx;
};

static void timer_fired(uv_timer_t *handle)
{
    struct sl_timer *timer = handle->data;
    timer->fire(timer->ctx);
}

static void timer_soon(uv_idle_t *handle)
{
    struct sl_timer *timer = handle->data;
    uv_idle_stop(handle);
    timer->fire(timer->ctx);
}

static void timer_item_close(void *item)
{
    sl_timer_close(item);
}

enum sl_status sl_timer_new(struct sl_loop *loop, sl_timer_fn *fire, void *ctx,
                            struct sl_timer **timer)
{
    struct sl_timer *made = sl_loop_item_new(loop, sizeof *made, timer_item_close);
    if (made == NULL)
        return SL_NOMEM;
    made->fire = fire;
    made->ctx = ctx;
    /* Neither of these can fail. */
    (void)uv_timer_init(sl_loop_uv(loop), &made->timer);
    sl_loop_item_add_handle(&made->item, (uv_handle_t *)&made->timer);
    (void)uv_idle_init(sl_loop_uv(loop), &made->soon);
    sl_loop_item_add_handle(&made->item, (uv_handle_t *)&made->soon);
    sl_loop_item_enlist(&made->item);
    *timer = made;
    return SL_OK;
}

void sl_timer_start(struct sl_timer *timer, int64_t in_ms)
{
    sl_timer_stop(timer);
    if (in_ms <= 0) {
        (void)uv_idle_start(&timer->soon, timer_soon);
        return;
    }
    /* libuv counts from the time of its last turn, which outside a run may be long gone. */
    int64_t stale_ms = sl_loop_now_ms(timer->item.loop) - (int64_t)uv_now(timer->timer.loop);
    if (stale_ms > 0)
        in_ms = in_ms > INT64_MAX - stale_ms ? INT64_MAX : in_ms + stale_ms;
    (void)uv_timer_start(&timer->timer, timer_fired, (uint64_t)in_ms, 0);
}

void sl_timer_stop(struct sl_timer *timer)
{
    (void)uv_timer_stop(&timer->timer);
    (void)uv_idle_stop(&timer->soon);
}

void sl_timer_close(struct sl_timer *timer)
{
    if (timer == NULL)
        return;
    sl_loop_item_close_handle(&timer->item, (uv_handle_t *)&timer->timer);
    sl_loop_item_close_handle(&timer->item, (uv_handle_t *)&timer->soon);
    sl_loop_item_drop(&timer->item);
}

/* An inbox: wakes from other threads. */

struct sl_inbox {
    struct sl_loop_item item;
    uv_async_t async;
    atomic_bool woken; /* set by wakes, cleared before the callback; orders their memory */
    sl_inbox_fn *wake;
    void *ctx;
};

static void inbox_woken(uv_async_t *async)
{
    struct sl_inbox *inbox = async->data;
    if (atomic_exchange(&inbox->woken, false))
        inbox->wake(inbox->ctx);
}

static void inbox_item_close(void *item)
{
    sl_inbox_close(item);
}

enum sl_status sl_inbox_new(struct sl_loop *loop, sl_inbox_fn *wake, void *ctx,
                            struct sl_inbox **inbox)
{
    struct sl_inbox *made = sl_loop_item_new(loop, sizeof *made, inbox_item_close);
    if (made == NULL)
        return SL_NOMEM;
    atomic_init(&made->woken, false);
    made->wake = wake;
    made->ctx = ctx;
    int error = uv_async_init(sl_loop_uv(loop), &made->async, inbox_woken);
    if (error != 0) {
        sl_loop_item_drop(&made->item);
        return sl_loop_status(error);
    }
    sl_loop_item_add_handle(&made->item, (uv_handle_t *)&made->async);
    sl_loop_item_enlist(&made->item);
    *inbox = made;
    return SL_OK;
}

void sl_inbox_wake(struct sl_inbox *inbox)
{
    if (!atomic_exchange(&inbox->woken, true))
        (void)uv_async_send(&inbox->async);
}

void sl_inbox_close(struct sl_inbox *inbox)
{
    if (inbox == NULL)
        return;
    sl_loop_item_close_handle(&inbox->item, (uv_handle_t *)&inbox->async);
    sl_loop_item_drop(&inbox->item);
}

/* A signal. */

struct sl_signal {
    struct sl_loop_item item;
    uv_signal_t signal;
    sl_signal_fn *arrived;
    void *ctx;
};

static void signal_arrived(uv_signal_t *handle, int signum)
{
    struct sl_signal *signal = handle->data;
    signal->arrived(signal->ctx, signum);
}

static void signal_item_close(void *item)
{
    sl_signal_close(item);
}

enum sl_status sl_signal_new(struct sl_loop *loop, int signum, sl_signal_fn *arrived, void *ctx,
                             struct sl_signal **signal)
{
    struct sl_signal *made = sl_loop_item_new(loop, sizeof *made, signal_item_close);
    if (made == NULL)
        return SL_NOMEM;
    made->arrived = arrived;
    made->ctx = ctx;
    int error = uv_signal_init(sl_loop_uv(loop), &made->signal);
    if (error != 0) {
        sl_loop_item_drop(&made->item);
        return sl_loop_status(error);
    }
    sl_loop_item_add_handle(&made->item, (uv_handle_t *)&made->signal);
    sl_loop_item_enlist(&made->item);
    uv_unref((uv_handle_t *)&made->signal);
    error = uv_signal_start(&made->signal, signal_arrived, signum);
    if (error != 0) {
        sl_signal_close(made);
        return sl_loop_status(error);
    }
    *signal = made;
    return SL_OK;
}

void sl_signal_close(struct sl_signal *signal)
{
    if (signal == NULL)
        return;
    sl_loop_item_close_handle(&signal->item, (uv_handle_t *)&signal->signal);
    sl_loop_item_drop(&signal->item);
}
