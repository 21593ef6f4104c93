/* SPDX-License-Identifier: Apache-2.0 */
/* changes.c -- see changes.h. */
#include "server/changes.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_mark.h"
#include "net/folder.h"

enum { QUIET_MS = 300, GONE_MS = 1000 };

struct stamps {
    struct sl_file_mark of[SL_CHANGES_FILES_MAX];
};

struct sl_changes {
    const char *files[SL_CHANGES_FILES_MAX];
    size_t count;
    struct sl_folder *folders[SL_CHANGES_FILES_MAX];
    size_t folder_count;
    struct sl_timer *timer;
    bool looking; /* the timer runs */
    struct stamps seen;
    struct stamps known;
    sl_changes_fn *changed;
    void *ctx;
};

static void take(const struct sl_changes *changes, struct stamps *stamps)
{
    *stamps = (struct stamps){0};
    for (size_t i = 0; i < changes->count; i++)
        stamps->of[i] = sl_file_mark(changes->files[i]);
}

static bool same(const struct stamps *one, const struct stamps *other)
{
    return memcmp(one, other, sizeof *one) == 0;
}

static void look_in(struct sl_changes *changes, int64_t in_ms)
{
    changes->looking = true;
    sl_timer_start(changes->timer, in_ms);
}

static void on_event(void *ctx)
{
    struct sl_changes *changes = ctx;

    if (changes->looking)
        return;
    take(changes, &changes->seen);
    look_in(changes, QUIET_MS);
}

/* Watches what has the folders' names now: they may have been renamed, and others put there. */
static bool renew(struct sl_changes *changes)
{
    bool all = true;

    for (size_t i = 0; i < changes->folder_count; i++)
        if (sl_folder_renew(changes->folders[i]) != SL_OK)
            all = false;
    return all;
}

static void on_timer(void *ctx)
{
    struct sl_changes *changes = ctx;
    struct stamps before = changes->seen;

    changes->looking = false;
    /* First the folders, then the files: what changes in between is an event. */
    if (!renew(changes))
        look_in(changes, GONE_MS);
    take(changes, &changes->seen);
    if (!same(&before, &changes->seen))
        look_in(changes, QUIET_MS);
    else if (!same(&changes->known, &changes->seen))
        changes->changed(changes->ctx);
}

/* The folder of a file's name; the name itself where it's too long, which then isn't a folder. */
static void folder_of(const char *file, char folder[static PATH_MAX])
{
    const char *slash = strrchr(file, '/');
    int len = slash == NULL ? 1 : slash == file ? 1 : (int)(slash - file);

    (void)snprintf(folder, PATH_MAX, "%.*s", len, slash == NULL ? "." : file);
}

static enum sl_status watch(struct sl_changes *changes, struct sl_loop *loop, const char **at_fault)
{
    char folder[PATH_MAX], earlier[PATH_MAX];
    enum sl_status status = SL_OK;

    for (size_t i = 0; i < changes->count && status == SL_OK; i++) {
        bool known = false;

        folder_of(changes->files[i], folder);
        for (size_t j = 0; j < i; j++) {
            folder_of(changes->files[j], earlier);
            known = known || strcmp(folder, earlier) == 0;
        }
        if (known)
            continue;
        *at_fault = changes->files[i];
        status = sl_folder_new(loop, folder, on_event, changes,
                               &changes->folders[changes->folder_count]);
        changes->folder_count += status == SL_OK;
    }
    return status;
}

enum sl_status sl_changes_new(struct sl_loop *loop, const char *const *files, size_t count,
                              sl_changes_fn *changed, void *ctx, struct sl_changes **changes,
                              const char **at_fault)
{
    struct sl_changes *made = calloc(1, sizeof *made);
    enum sl_status status = SL_NOMEM;

    assert(count <= SL_CHANGES_FILES_MAX);
    if (made == NULL)
        return status;
    for (size_t i = 0; i < count; i++)
        if (files[i] != NULL)
            made->files[made->count++] = files[i];
    made->changed = changed;
    made->ctx = ctx;
    status = sl_timer_new(loop, on_timer, made, &made->timer);
    if (status == SL_OK)
        status = watch(made, loop, at_fault);
    if (status != SL_OK) {
        sl_changes_free(made);
        return status;
    }
    sl_changes_note(made);
    *changes = made;
    return SL_OK;
}

void sl_changes_note(struct sl_changes *changes)
{
    take(changes, &changes->known);
}

void sl_changes_free(struct sl_changes *changes)
{
    if (changes == NULL)
        return;
    for (size_t i = 0; i < changes->folder_count; i++)
        sl_folder_close(changes->folders[i]);
    sl_timer_close(changes->timer);
    free(changes);
}
