/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c -- the loop itself, and the items that hang on it; what each kind of item does is in
 * watch.c.
 */
#include "net/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "net/loop_item.h"

struct sl_loop {
    uv_loop_t uv;
    uv_async_t stop;
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

static void stop_asked(uv_async_t *async)
{
    uv_stop(async->loop);
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
    error = uv_async_init(&made->uv, &made->stop, stop_asked);
    if (error != 0) {
        int busy = uv_loop_close(&made->uv);
        assert(busy == 0);
        free(made);
        return sl_loop_status(error);
    }
    /* Being ready to be stopped is nothing to wait for. */
    uv_unref((uv_handle_t *)&made->stop);
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

    /* A stop that is still pending ends a run early, hence the loop around it. */
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_DEFAULT);
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
