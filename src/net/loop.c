/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c -- the loop itself, and the items that hang on it; what each kind of item does is in
 * watch.c.
 */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/loop_item.h"

struct sl_loop {
    uv_loop_t uv;
    uv_async_t stop;
    struct sl_ready ready;
    bool running;
    struct sl_loop_item *items;
};

enum sl_status sl_loop_status(int uv_error)
{
    return uv_error == UV_ENOMEM ? SL_NOMEM : SL_IO;
}

uv_loop_t *sl_loop_uv(struct sl_loop *loop)
{
    return &loop->uv;
}

struct sl_ready *sl_loop_ready(struct sl_loop *loop)
{
    return &loop->ready;
}

static void stop_asked(uv_async_t *async)
{
    uv_stop(async->loop);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    sl_ready_turn(poll->data);
}

/* Closes what hangs on the loop inside; a stop that is still pending ends a run early. */
static void close_inside(struct sl_loop *loop)
{
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_DEFAULT);
}

/* Neither being ready to be stopped nor an empty set is anything to wait for. */
static int open_inside(struct sl_loop *loop)
{
    struct sl_ready *ready = &loop->ready;
    int error = uv_async_init(&loop->uv, &loop->stop, stop_asked);

    if (error != 0)
        return error;
    uv_unref((uv_handle_t *)&loop->stop);
    ready->epoll = epoll_create1(EPOLL_CLOEXEC);
    error = ready->epoll < 0 ? uv_translate_sys_error(errno)
                             : uv_poll_init(&loop->uv, &ready->poll, ready->epoll);
    if (error == 0) {
        uv_unref((uv_handle_t *)&ready->poll);
        ready->poll.data = ready;
        error = uv_poll_start(&ready->poll, UV_READABLE, on_ready);
        if (error != 0)
            uv_close((uv_handle_t *)&ready->poll, NULL);
    }
    if (error != 0)
        uv_close((uv_handle_t *)&loop->stop, NULL);
    return error;
}

enum sl_status sl_loop_new(struct sl_loop **loop)
{
    struct sl_loop *made = calloc(1, sizeof *made);
    if (made == NULL)
        return SL_NOMEM;

    int error = uv_loop_init(&made->uv);
    if (error != 0) {
        free(made);
        return sl_loop_status(error);
    }
    made->ready.epoll = -1;
    error = open_inside(made);
    if (error != 0) {
        close_inside(made);
        if (made->ready.epoll >= 0)
            (void)close(made->ready.epoll);
        free(made);
        return sl_loop_status(error);
    }
    *loop = made;
    return SL_OK;
}

void sl_loop_run(struct sl_loop *loop)
{
    assert(!loop->running);
    loop->running = true;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->running = false;
}

void sl_loop_stop(struct sl_loop *loop)
{
    /* Fails only for a handle that isn't an async. */
    (void)uv_async_send(&loop->stop);
}

void sl_loop_free(struct sl_loop *loop)
{
    if (loop == NULL)
        return;
    assert(!loop->running);
    while (loop->items != NULL)
        loop->items->close(loop->items);
    uv_close((uv_handle_t *)&loop->stop, NULL);
    uv_close((uv_handle_t *)&loop->ready.poll, NULL);
    close_inside(loop);
    (void)close(loop->ready.epoll);
    free(loop);
}

int64_t sl_loop_now_ms(const struct sl_loop *loop)
{
    /* Outside a run the time of the last turn may be long gone. */
    return loop->running ? (int64_t)uv_now(&loop->uv) : (int64_t)(uv_hrtime() / 1000000);
}

void *sl_loop_item_new(struct sl_loop *loop, size_t size, void (*close)(void *item))
{
    assert(size >= sizeof(struct sl_loop_item));
    struct sl_loop_item *item = calloc(1, size);
    if (item == NULL)
        return NULL;
    item->loop = loop;
    item->close = close;
    return item;
}

void sl_loop_item_add_handle(struct sl_loop_item *item, uv_handle_t *handle)
{
    handle->data = item;
    item->handles++;
}

void sl_loop_item_enlist(struct sl_loop_item *item)
{
    struct sl_loop *loop = item->loop;
    assert(item->link == NULL);
    item->next = loop->items;
    item->link = &loop->items;
    if (item->next != NULL)
        item->next->link = &item->next;
    loop->items = item;
}

static void handle_closed(uv_handle_t *handle)
{
    struct sl_loop_item *item = handle->data;
    item->handles--;
    if (item->handles == 0 && item->dropped)
        free(item);
}

void sl_loop_item_close_handle(struct sl_loop_item *item, uv_handle_t *handle)
{
    assert(handle->data == item);
    uv_close(handle, handle_closed);
}

void sl_loop_item_drop(struct sl_loop_item *item)
{
    assert(!item->dropped);
    if (item->link != NULL) {
        *item->link = item->next;
        if (item->next != NULL)
            item->next->link = item->link;
    }
    item->dropped = true;
    if (item->handles == 0)
        free(item);
}
