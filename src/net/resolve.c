/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve.c -- see resolve.h.
 */
#include "net/resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop_item.h"

/* What the thread and the loop share; whoever is done with it last frees it. */
struct lookup {
    pthread_mutex_t mutex;
    struct sl_inbox *inbox; /* whom to wake; null once cancelled. Under the mutex. */
    bool answered;          /* the thread is through. Under the mutex. */
    enum sl_status status;  /* this and the next two: the thread's until `answered` */
    struct sl_addresses addresses;
    char error[SL_ADDRESS_ERROR_SIZE];
    uint16_t port;
    char *host;
};

struct sl_resolve {
    struct sl_loop_item item;
    struct sl_inbox *inbox;
    struct lookup *lookup;
    sl_resolve_fn *done;
    void *ctx;
};

static struct lookup *lookup_new(const char *host, uint16_t port)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    lookup->port = port;
    lookup->host = strdup(host);
    if (lookup->host == NULL || pthread_mutex_init(&lookup->mutex, NULL) != 0) {
        free(lookup->host);
        free(lookup);
        return NULL;
    }
    return lookup;
}

/* The addresses go too, unless they were taken. */
static void lookup_free(struct lookup *lookup)
{
    if (lookup == NULL)
        return;
    sl_addresses_clear(&lookup->addresses);
    pthread_mutex_destroy(&lookup->mutex);
    free(lookup->host);
    free(lookup);
}

static void *look_up(void *arg)
{
    struct lookup *lookup = arg;
    lookup->status = sl_addresses_resolve(lookup->host, lookup->port, &lookup->addresses,
                                          lookup->error, sizeof lookup->error);
    pthread_mutex_lock(&lookup->mutex);
    lookup->answered = true;
    bool cancelled = lookup->inbox == NULL;
    if (!cancelled)
        sl_inbox_wake(lookup->inbox); /* inside the mutex, or it could be closed by now */
    pthread_mutex_unlock(&lookup->mutex);
    if (cancelled)
        lookup_free(lookup);
    return NULL;
}

/* Leaves the look-up to its thread, or frees it where the thread is through. */
static void abandon(struct lookup *lookup)
{
    pthread_mutex_lock(&lookup->mutex);
    lookup->inbox = NULL;
    bool answered = lookup->answered;
    pthread_mutex_unlock(&lookup->mutex);
    if (answered)
        lookup_free(lookup);
}

static void answer_came(void *ctx)
{
    struct sl_resolve *resolve = ctx;
    struct lookup *lookup = resolve->lookup;
    sl_resolve_fn *done = resolve->done;
    void *done_ctx = resolve->ctx;

    /* The thread may still hold the mutex that it woke us under. */
    pthread_mutex_lock(&lookup->mutex);
    pthread_mutex_unlock(&lookup->mutex);
    sl_inbox_close(resolve->inbox);
    sl_loop_item_drop(&resolve->item);

    struct sl_addresses addresses = lookup->addresses;
    lookup->addresses = (struct sl_addresses){0};
    done(done_ctx, lookup->status, &addresses, lookup->error);
    lookup_free(lookup);
}

/* Signals are the business of the thread that runs the loop. */
static int start_thread(struct lookup *lookup)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, look_up, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error;
}

static void resolve_item_close(void *item)
{
    sl_resolve_cancel(item);
}

enum sl_status sl_resolve_start(struct sl_loop *loop, const char *host, uint16_t port,
                                sl_resolve_fn *done, void *ctx, struct sl_resolve **resolve)
{
    struct sl_resolve *made = sl_loop_item_new(loop, sizeof *made, resolve_item_close);
    if (made == NULL)
        return SL_NOMEM;
    made->done = done;
    made->ctx = ctx;

    enum sl_status status = SL_NOMEM;
    made->lookup = lookup_new(host, port);
    if (made->lookup == NULL)
        goto out;
    status = sl_inbox_new(loop, answer_came, made, &made->inbox);
    if (status != SL_OK)
        goto out;
    made->lookup->inbox = made->inbox;
    status = SL_IO;
    if (start_thread(made->lookup) != 0)
        goto out;
    /* After the inbox, so that sl_loop_free() finds the look-up first. */
    sl_loop_item_enlist(&made->item);
    *resolve = made;
    return SL_OK;

out:
    sl_inbox_close(made->inbox);
    lookup_free(made->lookup);
    sl_loop_item_drop(&made->item);
    return status;
}

void sl_resolve_cancel(struct sl_resolve *resolve)
{
    if (resolve == NULL)
        return;
    abandon(resolve->lookup);
    sl_inbox_close(resolve->inbox);
    sl_loop_item_drop(&resolve->item);
}
