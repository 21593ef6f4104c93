/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_item.h -- what the files of this room share about things that hang on a loop.
 *
 * libuv asks that a handle's memory stays until its close callback ran, so whatever holds handles
 * can't be freed where it is closed. An item counts its handles and frees itself with the last one.
 *
 * Memory   A struct that hangs on a loop has its item as the first member and comes from calloc();
 *          the item frees it.
 * Threads  The loop's.
 */
#ifndef SL_NET_LOOP_ITEM_H
#define SL_NET_LOOP_ITEM_H

#include <sys/epoll.h>
#include <uv.h>

#include "net/loop.h"

struct sl_loop_item {
    struct sl_loop *loop;
    void (*close)(void *item); /* what sl_loop_free() calls where the owner didn't close */
    struct sl_loop_item *next;
    struct sl_loop_item **link; /* the pointer that points here; null where not on the list */
    unsigned handles;           /* open, or closing and not yet closed */
    bool dropped;
};

uv_loop_t *sl_loop_uv(struct sl_loop *loop);

/*
 * The loop's watches stand in an epoll set of their own, which is one handle to libuv: a uv_poll
 * for each would cost a connection about ten system calls more.
 */
enum { SL_READY_MAX = 64 };
struct sl_ready {
    uv_poll_t poll;
    int epoll;
    int watched;                             /* how many wait for something */
    struct epoll_event events[SL_READY_MAX]; /* of this turn, */
    int at, count;                           /* the one under way, and how many there are */
};
struct sl_ready *sl_loop_ready(struct sl_loop *loop);

/* Calls whoever watches what is ready. */
void sl_ready_turn(struct sl_ready *ready);

/*
 * Memory for a struct of `size` bytes that starts with an item, zeroed. It isn't on the loop's list
 * yet. Null where there is no memory.
 */
void *sl_loop_item_new(struct sl_loop *loop, size_t size, void (*close)(void *item));

/* Counts a handle that libuv has initialised; its `data` becomes the item. */
void sl_loop_item_add_handle(struct sl_loop_item *item, uv_handle_t *handle);

/* Puts a finished item on the loop's list, so that sl_loop_free() finds it. */
void sl_loop_item_enlist(struct sl_loop_item *item);

/* Starts closing one counted handle. */
void sl_loop_item_close_handle(struct sl_loop_item *item, uv_handle_t *handle);

/*
 * Takes the item off the list and gives its memory up: at once where it has no handles, otherwise
 * when libuv has closed the last of them. The memory may be gone when this returns, so it is the
 * last thing that its owner does with it.
 */
void sl_loop_item_drop(struct sl_loop_item *item);

/* libuv's error as a status: SL_NOMEM or SL_IO. */
enum sl_status sl_loop_status(int uv_error);

#endif
