/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c -- the things that loop.h hangs on a loop: watches, timers, inboxes, signals.
 */
#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/loop_item.h"

/* A descriptor in the loop's epoll set. */
struct entry {
    int fd;
    uint32_t events; /* what it waits for, in epoll's bits; 0: it isn't in the set */
    sl_watch_fn *ready;
    void *ctx;
};

static void call(const struct entry *entry, uint32_t events)
{
    bool failed = (events & EPOLLERR) != 0;

    if ((events & EPOLLHUP) != 0)
        events |= entry->events;
    /* The one before may have changed what this one waits for. */
    events &= entry->events;
    if (entry->events != 0 && (events != 0 || failed))
        entry->ready(entry->ctx, failed || (events & EPOLLIN) != 0,
                     failed || (events & EPOLLOUT) != 0);
}

void sl_ready_turn(struct sl_ready *ready)
{
    ready->count = epoll_wait(ready->epoll, ready->events, SL_READY_MAX, 0);
    for (ready->at = 0; ready->at < ready->count; ready->at++)
        if (ready->events[ready->at].data.ptr != NULL)
            call(ready->events[ready->at].data.ptr, ready->events[ready->at].events);
    ready->count = 0;
}

/* While something is watched the loop goes on. */
static void count_watched(struct sl_ready *ready, int more)
{
    ready->watched += more;
    if (ready->watched == 0)
        uv_unref((uv_handle_t *)&ready->poll);
    else
        uv_ref((uv_handle_t *)&ready->poll);
}

/* Sets what it waits for; 0 always succeeds. */
static enum sl_status wait_for(struct sl_loop *loop, struct entry *entry, uint32_t events)
{
    struct sl_ready *ready = sl_loop_ready(loop);
    struct epoll_event wanted = {.events = events, .data.ptr = entry};
    int change = entry->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    if (events == entry->events)
        return SL_OK;
    /* A set without events would still say that the other side hung up, again and again. */
    if (events == 0)
        change = EPOLL_CTL_DEL;
    if (epoll_ctl(ready->epoll, change, entry->fd, &wanted) != 0 && events != 0)
        return errno == ENOMEM ? SL_NOMEM : SL_IO;
    if (change != EPOLL_CTL_MOD)
        count_watched(ready, change == EPOLL_CTL_ADD ? 1 : -1);
    entry->events = events;
    return SL_OK;
}

/* Out of the set, and of what is ready in this turn. */
static void forget(struct sl_loop *loop, struct entry *entry)
{
    struct sl_ready *ready = sl_loop_ready(loop);

    (void)!wait_for(loop, entry, 0);
    for (int i = ready->at + 1; i < ready->count; i++)
        if (ready->events[i].data.ptr == entry)
            ready->events[i].data.ptr = NULL;
}

/* A watch: a descriptor. */

struct sl_watch {
    struct sl_loop_item item;
    struct entry entry;
};

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
    sl_loop_item_enlist(&made->item);
    made->entry = (struct entry){.fd = fd, .ready = ready, .ctx = ctx};
    *watch = made;
    return SL_OK;
}

enum sl_status sl_watch_set(struct sl_watch *watch, bool readable, bool writable)
{
    return wait_for(watch->item.loop, &watch->entry,
                    (readable ? (uint32_t)EPOLLIN : 0) | (writable ? (uint32_t)EPOLLOUT : 0));
}

void sl_watch_close(struct sl_watch *watch)
{
    if (watch == NULL)
        return;
    forget(watch->item.loop, &watch->entry);
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

/*
 * An inbox: wakes from other threads. Not a uv_async, whose loop spins until the thread that wakes
 * it has come back from the system call.
 */

struct sl_inbox {
    struct sl_loop_item item;
    struct entry entry; /* of an eventfd */
    atomic_bool woken;  /* set by wakes, cleared before the callback; orders their memory */
    sl_inbox_fn *wake;
    void *ctx;
};

static void inbox_woken(void *ctx, bool readable, bool writable)
{
    struct sl_inbox *inbox = ctx;
    uint64_t wakes;
    (void)readable;
    (void)writable;
    /* Read first: a wake that comes after the exchange writes again. */
    (void)!read(inbox->entry.fd, &wakes, sizeof wakes);
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
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum sl_status status = made == NULL ? SL_NOMEM : SL_IO;
    if (made != NULL && fd >= 0) {
        atomic_init(&made->woken, false);
        made->entry = (struct entry){.fd = fd, .ready = inbox_woken, .ctx = made};
        made->wake = wake;
        made->ctx = ctx;
        status = wait_for(loop, &made->entry, EPOLLIN);
    }
    if (status == SL_OK) {
        sl_loop_item_enlist(&made->item);
        *inbox = made;
        return SL_OK;
    }
    if (fd >= 0)
        (void)close(fd);
    if (made != NULL)
        sl_loop_item_drop(&made->item);
    return status;
}

void sl_inbox_wake(struct sl_inbox *inbox)
{
    uint64_t one = 1;
    if (!atomic_exchange(&inbox->woken, true))
        (void)!write(inbox->entry.fd, &one, sizeof one); /* fails only where it would overflow */
}

void sl_inbox_close(struct sl_inbox *inbox)
{
    if (inbox == NULL)
        return;
    forget(inbox->item.loop, &inbox->entry);
    (void)close(inbox->entry.fd);
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
