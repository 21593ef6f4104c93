/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c -- see probe.h. */
#include "client/probe.h"

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/client.h"
#include "tls/inspect.h"
#include "wire/message.h"

enum { ERROR_SIZE = 1024, OFFSET_US = 1000000 /* clocks that differ by less are fine */ };

struct probe {
    struct sl_spool spool; /* first: the two are the same address */
    struct sl_client *client;
    struct sl_checklist *list;
    int64_t warning_ms;
    bool verified; /* the handshake is over, and was told */
    bool over;     /* there was an answer, or there won't be one */
};

/* What can be said once the server has proved who it is, and before it has judged us. */
static void tell_session(struct probe *probe)
{
    const struct sl_dial *dial = probe->client->dial;

    probe->verified = true;
    sl_checklist_add(probe->list, SL_VERDICT_OK, "--host", "%s port %u: connected to %s",
                     dial->host, (unsigned)dial->port, dial->server);
    sl_checklist_add(probe->list, SL_VERDICT_OK, "TLS", "%s with %s",
                     sl_session_protocol(dial->session), sl_session_suite(dial->session));
    sl_inspect_peer(dial->session, probe->warning_ms, probe->list);
}

static void tell_clocks(const struct probe *probe, int64_t offset_us)
{
    bool apart = offset_us <= -OFFSET_US || offset_us >= OFFSET_US;
    double seconds = (double)(offset_us < 0 ? -offset_us : offset_us) / 1e6;

    sl_checklist_add(probe->list, apart ? SL_VERDICT_WARNING : SL_VERDICT_OK, "clock",
                     "it is %.3f s %s the server's%s", seconds,
                     offset_us < 0 ? "ahead of" : "behind",
                     apart ? ": set the one that is wrong, for readings have this one's time" : "");
}

static void tell_welcome(const struct probe *probe, const struct sl_client_event *event)
{
    int64_t trip_us = sl_clock_wall_us() - probe->client->hello_us;

    sl_checklist_add(probe->list, SL_VERDICT_OK, "admission",
                     "the server admits this sensor as %s; its answer took %.1f ms", event->name,
                     (double)trip_us / 1e3);
    /* Nothing is kept of a check, so the server isn't told how far the clocks are apart. */
    probe->client->offset_us = SL_TIME_NONE;
    if (event->server_us != SL_TIME_NONE)
        tell_clocks(probe, event->offset_us);
}

static void on_event(void *ctx, const struct sl_client_event *event)
{
    struct probe *probe = ctx;

    if (probe->over)
        return;
    if (event->kind == SL_CLIENT_CONNECTED)
        tell_welcome(probe, event);
    else if (event->kind == SL_CLIENT_DISCONNECTED || event->kind == SL_CLIENT_FAULT)
        sl_checklist_add(probe->list, SL_VERDICT_FAULT, probe->verified ? "admission" : "--host",
                         "%s [%s]", event->text, event->reason);
    else
        return;
    probe->over = true;
}

/*
 * An empty spool. The client asks for its stream when the handshake is over and before it hears
 * what the server thinks of us: the one moment at which there always is a session to look at.
 */
static void probe_state(const struct sl_spool *spool, struct sl_spool_state *state)
{
    struct probe *probe = (struct probe *)spool;

    *state = (struct sl_spool_state){.stream = SL_STREAM_CHECK, .first = 1};
    if (probe->client != NULL && !probe->verified && probe->client->dial->state == SL_DIAL_READY)
        tell_session(probe);
}

static enum sl_status probe_append(struct sl_spool *spool, int64_t time_us, const char *text,
                                   size_t len, int64_t *seq)
{
    (void)spool, (void)time_us, (void)text, (void)len, (void)seq;
    return SL_LIMIT;
}

static enum sl_status probe_commit(struct sl_spool *spool)
{
    (void)spool;
    return SL_OK;
}

static enum sl_status probe_read(struct sl_spool *spool, int64_t seq,
                                 int (*each)(void *ctx, const struct sl_spool_item *item),
                                 void *ctx)
{
    (void)spool, (void)seq, (void)each, (void)ctx;
    return SL_OK;
}

static enum sl_status probe_forget(struct sl_spool *spool, int64_t seq)
{
    (void)spool, (void)seq;
    return SL_OK;
}

static const char *probe_error(const struct sl_spool *spool)
{
    (void)spool;
    return "nothing failed";
}

static void probe_close(struct sl_spool *spool)
{
    (void)spool;
}

static const struct sl_spool_functions functions = {.state = probe_state,
                                                    .append = probe_append,
                                                    .commit = probe_commit,
                                                    .read = probe_read,
                                                    .forget = probe_forget,
                                                    .error = probe_error,
                                                    .close = probe_close};

/* Waits until the next step is due. */
static void wait_for(const struct sl_client *client)
{
    int wants = sl_client_wants(client);
    struct pollfd ready = {.fd = sl_client_fd(client),
                           .events = (short)((wants & SL_CLIENT_READABLE ? POLLIN : 0) |
                                             (wants & SL_CLIENT_WRITABLE ? POLLOUT : 0))};

    (void)poll(&ready, 1, (int)sl_client_deadline_ms(client)); /* an hour at most */
}

void sl_probe_server(const struct sl_client_config *config, struct sl_checklist *list)
{
    struct probe probe = {
        .spool = {.functions = &functions}, .list = list, .warning_ms = config->expiry_warning_ms};
    struct sl_client_config once = *config;
    char error[ERROR_SIZE];

    once.spool = &probe.spool;
    once.spool_full = SL_CLIENT_BLOCK;
    once.spool_max_readings = 0;
    once.spool_max_age_ms = 0;
    once.resolve = NULL;
    once.on_event = on_event;
    once.ctx = &probe;
    if (sl_client_open(&once, &probe.client, error, sizeof error) != SL_OK) {
        sl_checklist_add(list, SL_VERDICT_FAULT, "--host", "nothing is tried: %s", error);
        return;
    }
    while (!probe.over) {
        (void)!sl_client_step(probe.client);
        if (!probe.over)
            wait_for(probe.client);
    }
    sl_client_close(probe.client);
}
