/* SPDX-License-Identifier: Apache-2.0 */
/* folder.c -- see folder.h. */
#include "net/folder.h"

#include <limits.h>
#include <stdio.h>

#include "net/loop_item.h"

struct sl_folder {
    struct sl_loop_item item;
    uv_fs_event_t event;
    char path[PATH_MAX];
    sl_folder_fn *changed;
    void *ctx;
};

static void event_came(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct sl_folder *folder = event->data;

    /* An error is a change as well: the owner looks for itself. */
    (void)name;
    (void)events;
    (void)status;
    folder->changed(folder->ctx);
}

enum sl_status sl_folder_renew(struct sl_folder *folder)
{
    int error;

    (void)uv_fs_event_stop(&folder->event);
    error = uv_fs_event_start(&folder->event, event_came, folder->path, 0);
    return error == 0 ? SL_OK : sl_loop_status(error);
}

static void folder_item_close(void *item)
{
    sl_folder_close(item);
}

enum sl_status sl_folder_new(struct sl_loop *loop, const char *path, sl_folder_fn *changed,
                             void *ctx, struct sl_folder **folder)
{
    struct sl_folder *made = sl_loop_item_new(loop, sizeof *made, folder_item_close);
    enum sl_status status;
    int len;

    if (made == NULL)
        return SL_NOMEM;
    made->changed = changed;
    made->ctx = ctx;
    len = snprintf(made->path, sizeof made->path, "%s", path);
    if (len < 0 || (size_t)len >= sizeof made->path) {
        sl_loop_item_drop(&made->item);
        return SL_IO;
    }
    /* Can't fail. */
    (void)uv_fs_event_init(sl_loop_uv(loop), &made->event);
    sl_loop_item_add_handle(&made->item, (uv_handle_t *)&made->event);
    sl_loop_item_enlist(&made->item);
    status = sl_folder_renew(made);
    if (status != SL_OK) {
        sl_folder_close(made);
        return status;
    }
    *folder = made;
    return SL_OK;
}

void sl_folder_close(struct sl_folder *folder)
{
    if (folder == NULL)
        return;
    sl_loop_item_close_handle(&folder->item, (uv_handle_t *)&folder->event);
    sl_loop_item_drop(&folder->item);
}
