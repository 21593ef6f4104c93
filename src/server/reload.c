/* SPDX-License-Identifier: Apache-2.0 */
/* reload.c -- see reload.h. */
#include "server/reload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/changes.h"
#include "server/expiries.h"
#include "server/worker.h"

enum { ERROR_SIZE = 1024 };

struct sl_reload {
    struct sl_shared *shared;
    struct sl_trust_files files;
    struct sl_signal *signal;
    struct sl_expiries *expiries;
    struct sl_changes *changes; /* null where files aren't watched */
    bool unasked;               /* the load under way is for changed files only */
    bool loading;               /* the thread runs, or its end wasn't noticed yet */
    bool again;                 /* asked for meanwhile */
    char told[ERROR_SIZE];      /* the fault that was told last, and not mended since */

    pthread_t thread;
    struct sl_inbox *loaded;
    enum sl_status status; /* these three: the thread's while it runs */
    struct sl_trust *trust;
    char error[ERROR_SIZE];
};

static void *load(void *argument)
{
    struct sl_reload *reload = argument;

    reload->status = sl_trust_load(SL_ROLE_SERVER, &reload->files, &reload->trust, reload->error,
                                   sizeof reload->error);
    sl_inbox_wake(reload->loaded);
    return NULL;
}

static void start(struct sl_reload *reload, bool unasked)
{
    reload->unasked = unasked;
    reload->again = false;
    reload->trust = NULL;
    if (reload->changes != NULL)
        sl_changes_note(reload->changes);
    reload->loading = pthread_create(&reload->thread, NULL, load, reload) == 0;
    if (!reload->loading)
        sl_log_line(reload->shared->log, SL_LOG_ERROR,
                    "trust isn't reloaded, the old one stays: no thread can be started");
}

static void tell_fault(struct sl_reload *reload)
{
    /* Files that are being written may be faulty for several looks: that is said once. */
    if (reload->unasked && strcmp(reload->told, reload->error) == 0)
        return;
    (void)snprintf(reload->told, sizeof reload->told, "%s", reload->error);
    sl_log_line(reload->shared->log, SL_LOG_ERROR, "trust isn't reloaded, the old one stays: %s",
                reload->error);
}

/* The new trust, in the place of today's: everybody who is in is judged again. */
static void take(struct sl_reload *reload)
{
    struct sl_shared *shared = reload->shared;

    reload->told[0] = '\0';
    sl_shared_set_trust(shared, reload->trust);
    reload->trust = NULL;
    for (size_t i = 0; i < shared->io_count; i++)
        sl_worker_review(shared->io[i]);
    sl_log_line(shared->log, SL_LOG_STORY, "trust is reloaded%s",
                reload->unasked ? ", because a file was changed" : "");
    sl_expiries_tell(reload->expiries);
}

static void on_loaded(void *ctx)
{
    struct sl_reload *reload = ctx;

    (void)pthread_join(reload->thread, NULL);
    reload->loading = false;
    /* Only this thread ever changes today's trust. */
    if (reload->status == SL_OK)
        reload->status = sl_trust_follows(reload->trust, reload->shared->trust, &reload->files,
                                          reload->error, sizeof reload->error);
    if (reload->status == SL_OK)
        take(reload);
    else
        tell_fault(reload);
    sl_trust_unref(reload->trust);
    reload->trust = NULL;
    if (reload->again)
        start(reload, reload->unasked);
}

static void ask(struct sl_reload *reload, bool unasked)
{
    if (!reload->loading) {
        start(reload, unasked);
        return;
    }
    /* What the thread has read may be from before: it has to be read again. */
    reload->unasked = reload->unasked && unasked;
    reload->again = true;
}

static void on_signal(void *ctx, int signum)
{
    (void)signum;
    ask(ctx, false);
}

static void on_changed(void *ctx)
{
    ask(ctx, true);
}

static enum sl_status watch(struct sl_reload *reload, struct sl_loop *loop, char *error,
                            size_t error_size)
{
    const struct sl_trust_files *files = &reload->files;
    const char *const names[] = {files->ca, files->cert, files->key, files->crl, files->allow};
    const char *at_fault = NULL;
    enum sl_status status = sl_changes_new(loop, names, sizeof names / sizeof *names, on_changed,
                                           reload, &reload->changes, &at_fault);

    if (status != SL_IO)
        return status;
    (void)snprintf(error, error_size,
                   "--watch: the folder of %s can't be watched: does it exist, and are there "
                   "inotify watches left (fs.inotify.max_user_watches, max_user_instances)?",
                   at_fault);
    return SL_BAD_INPUT;
}

enum sl_status sl_reload_open(struct sl_loop *loop, struct sl_shared *shared,
                              const struct sl_trust_files *files, bool watch_files,
                              struct sl_reload **reload, char *error, size_t error_size)
{
    struct sl_reload *made = calloc(1, sizeof *made);
    enum sl_status status;

    if (made == NULL)
        return SL_NOMEM;
    *reload = made;
    made->shared = shared;
    made->files = *files;
    status = sl_signal_new(loop, SIGHUP, on_signal, made, &made->signal);
    if (status == SL_OK)
        status = sl_inbox_new(loop, on_loaded, made, &made->loaded);
    /* Before the files are read, so that no change is missed. */
    if (status == SL_OK && watch_files)
        status = watch(made, loop, error, error_size);
    if (status == SL_OK)
        status = sl_trust_load(SL_ROLE_SERVER, files, &shared->trust, error, error_size);
    if (status == SL_OK)
        status = sl_expiries_new(loop, shared, &made->files, &made->expiries);
    if (status == SL_OK)
        sl_expiries_tell(made->expiries);
    return status; /* On a fault too it's the caller's to close. */
}

void sl_reload_close(struct sl_reload *reload)
{
    if (reload == NULL)
        return;
    if (reload->loading)
        (void)pthread_join(reload->thread, NULL);
    sl_trust_unref(reload->trust);
    sl_expiries_free(reload->expiries);
    sl_changes_free(reload->changes);
    sl_inbox_close(reload->loaded);
    sl_signal_close(reload->signal);
    free(reload);
}
