/* SPDX-License-Identifier: Apache-2.0 */
/* renewal.c -- a certificate that is renewed while the client runs; see renewal.h. */
#include "client/renewal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/floor.h"
#include "client/client.h"
#include "tls/expiry.h"

enum {
    CHECK_MS = 60000, /* between two looks at the files */
    POLL_MS = 20,     /* the owner waits for one descriptor only: the other session is asked */
    DAY_MS = 86400000,
    WHEN_SIZE = 48
};

/* The session in use and the one beside it change places. */
static void swap(struct sl_client *client)
{
    struct sl_sender sender = client->sender;
    struct sl_dial *dial = client->dial;

    client->sender = client->other_sender;
    client->other_sender = sender;
    client->dial = client->other;
    client->other = dial;
}

static void mark_files(const struct sl_client *client, struct sl_file_mark marks[SL_RENEWAL_FILES])
{
    for (size_t i = 0; i < SL_RENEWAL_FILES; i++)
        marks[i] = sl_file_mark(client->files[i]);
}

static enum sl_status load(const struct sl_client *client, struct sl_trust **trust, char *error,
                           size_t error_size)
{
    struct sl_trust_files files = {
        .ca = client->files[0], .cert = client->files[1], .key = client->files[2]};
    return sl_trust_load(SL_ROLE_SENSOR, &files, trust, error, error_size);
}

enum sl_status sl_renewal_open(struct sl_client *client, const struct sl_client_config *config,
                               char *error, size_t error_size)
{
    struct sl_renewal *renewal = &client->renewal;

    renewal->backoff = client->backoff;
    renewal->check_ms = config->renewal_check_ms > 0 ? config->renewal_check_ms : CHECK_MS;
    renewal->warning_ms =
        config->expiry_warning_ms != 0 ? config->expiry_warning_ms : SL_EXPIRY_WARNING_MS;
    mark_files(client, renewal->marks); /* before reading: what is written meanwhile is noticed */
    return load(client, &renewal->trust, error, error_size);
}

void sl_renewal_clear(struct sl_renewal *renewal)
{
    sl_trust_unref(renewal->trust);
    sl_trust_unref(renewal->fresh);
}

bool sl_renewal_fits(const struct sl_trust *trust, struct sl_spool *spool, char *error,
                     size_t error_size)
{
    struct sl_spool_state state = {0};
    char name[SL_SENSOR_NAME_MAX + 1];

    spool->functions->state(spool, &state);
    if (state.sensor[0] == '\0' || !sl_trust_own_name(trust, name) ||
        strcmp(state.sensor, name) == 0)
        return true;
    (void)snprintf(error, error_size,
                   "this spool belongs to %s, and this certificate is %s's: give each sensor its "
                   "own --spool",
                   state.sensor, name);
    return false;
}

/* Tells it unless as much was told of the files as they are. */
static void tell(struct sl_client *client, enum sl_renewal_told level, const char *reason,
                 const char *text)
{
    if (client->renewal.told >= level)
        return;
    client->renewal.told = level;
    sl_client_tell(
        client, (struct sl_client_event){.kind = SL_CLIENT_FAULT, .reason = reason, .text = text});
}

/* What was read is what to show next. One that no server has welcomed yet has nothing to defend. */
static void take(struct sl_client *client, struct sl_trust *trust)
{
    struct sl_renewal *renewal = &client->renewal;
    struct sl_trust **place = renewal->welcomed ? &renewal->fresh : &renewal->trust;

    sl_dial_clear(client->other); /* it may be on its way with what is replaced here */
    sl_trust_unref(*place);
    *place = trust;
    renewal->aside = false;
    renewal->retry_ms = 0;
    renewal->warned_ms = 0;
    sl_backoff_success(&renewal->backoff);
}

/* Reads the files where they have changed since, or couldn't be used the last time. */
static void look(struct sl_client *client, int64_t now_ms)
{
    struct sl_renewal *renewal = &client->renewal;
    struct sl_file_mark marks[SL_RENEWAL_FILES];
    struct sl_trust *trust = NULL;
    char error[SL_FAILURE_TEXT_SIZE];

    renewal->look_ms = now_ms + renewal->check_ms;
    mark_files(client, marks);
    bool same = memcmp(marks, renewal->marks, sizeof(marks)) == 0;
    if (same && !renewal->fails)
        return;
    if (!same)
        renewal->told = SL_RENEWAL_TOLD_NOTHING;
    memcpy(renewal->marks, marks, sizeof(marks));

    bool good = load(client, &trust, error, sizeof(error)) == SL_OK;
    renewal->fails = !good || !sl_renewal_fits(trust, client->spool, error, sizeof(error));
    if (!renewal->fails) {
        take(client, trust);
        return;
    }
    sl_trust_unref(trust);
    tell(client, SL_RENEWAL_TOLD_FAULT, "renewal-unusable", error);
}

/* Warns once a day of a certificate that ends soon. */
static void warn_of_end(struct sl_client *client, const struct sl_trust *trust, int64_t now_ms)
{
    struct sl_renewal *renewal = &client->renewal;
    int64_t end_us = sl_trust_own_end_us(trust);
    int64_t left_ms = (end_us - sl_clock_wall_us()) / 1000;
    int64_t days = left_ms / DAY_MS;
    char when[WHEN_SIZE];
    char end[SL_TIME_TEXT_SIZE];
    char text[SL_FAILURE_TEXT_SIZE];

    if (left_ms >= renewal->warning_ms ||
        (renewal->warned_ms > 0 && now_ms - renewal->warned_ms < DAY_MS))
        return;
    renewal->warned_ms = now_ms;
    (void)sl_time_print_iso(end_us - 1, end); /* the last moment that it is good */
    if (left_ms <= 0)
        (void)snprintf(when, sizeof(when), "ended");
    else if (days == 0)
        (void)snprintf(when, sizeof(when), "ends in less than a day,");
    else
        (void)snprintf(when, sizeof(when), "ends in %" PRId64 " %s,", days,
                       days == 1 ? "day" : "days");
    (void)snprintf(text, sizeof(text),
                   "--cert %s %s on %.10s: renew it with scripts/certs.sh renew", client->files[1],
                   when, end);
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_FAULT,
                                                    .reason = "cert-expires-soon",
                                                    .text = text});
}

static struct sl_trust *choose(struct sl_renewal *renewal)
{
    if (renewal->fresh && sl_clock_wall_us() >= sl_trust_own_end_us(renewal->trust))
        renewal->aside = false;
    return renewal->fresh && !renewal->aside ? renewal->fresh : renewal->trust;
}

void sl_renewal_dial(struct sl_client *client, int64_t now_ms)
{
    struct sl_dial *dial = client->dial;

    look(client, now_ms);
    dial->trust = choose(&client->renewal);
    dial->resolve = client->resolve;
    dial->ctx = client->ctx;
    warn_of_end(client, dial->trust, now_ms);
    sl_dial_start(dial);
}

/* A look-up may block, and another address may be another server: the one in use is asked. */
static enum sl_status same_address(void *ctx, const char *host,
                                   struct sl_client_addresses *addresses)
{
    const struct sl_client *client = ctx;
    const struct sl_client_addresses *used = &client->dial->addresses;

    (void)host;
    addresses->count = 1;
    memcpy(addresses->at[0], used->at[client->dial->next - 1], SL_CLIENT_ADDRESS_SIZE);
    return SL_OK;
}

/* True where the fault lies with what we showed or believe, so that another trust may do better. */
static bool blames_trust(const struct sl_failure *failure, bool refused)
{
    return refused || strncmp(failure->reason, "server-", 7) == 0;
}

static void put_aside(struct sl_client *client, const struct sl_failure *failure)
{
    char text[SL_FAILURE_TEXT_SIZE];

    client->renewal.aside = true;
    (void)snprintf(text, sizeof(text),
                   "the renewed certificate isn't taken, the one before stays in use: %.512s [%s]",
                   failure->text, failure->reason);
    tell(client, SL_RENEWAL_TOLD_FAULT, "renewal-refused", text);
}

/* The second connection came to nothing; the session in use isn't concerned. */
static void try_failed(struct sl_client *client, const struct sl_failure *failure, int64_t now_ms)
{
    struct sl_renewal *renewal = &client->renewal;
    char text[SL_FAILURE_TEXT_SIZE];
    bool refused = sl_backoff_is_refusal(&renewal->backoff, failure->cause);

    renewal->retry_ms = now_ms + sl_backoff_pause(&renewal->backoff, failure->cause,
                                                  failure->retry_ms, sl_client_draw(now_ms));
    if (blames_trust(failure, refused)) {
        put_aside(client, failure);
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "the renewed certificate can't be tried yet, the one before stays in use: "
                   "%.512s [%s]",
                   failure->text, failure->reason);
    tell(client, SL_RENEWAL_TOLD_WAIT, "renewal-waits", text);
}

bool sl_renewal_step(struct sl_client *client, int64_t now_ms)
{
    struct sl_renewal *renewal = &client->renewal;
    struct sl_dial *second = client->other;

    if (now_ms >= renewal->look_ms) {
        look(client, now_ms);
        warn_of_end(client, renewal->trust, now_ms);
    }
    if (second->state == SL_DIAL_IDLE) {
        if (!renewal->fresh || renewal->aside || now_ms < renewal->retry_ms)
            return false;
        second->trust = renewal->fresh;
        second->resolve = same_address;
        second->ctx = client;
        sl_dial_start(second);
    }
    enum sl_status status = sl_dial_step(second, now_ms);
    if (status == SL_WANT_READ || status == SL_WANT_WRITE)
        return false;
    if (status != SL_OK) {
        try_failed(client, &second->failure, now_ms);
        return false;
    }
    swap(client);
    return true;
}

bool sl_renewal_hands_over(const struct sl_client *client)
{
    return client->stage == SL_STAGE_WELCOMING && client->other->state == SL_DIAL_READY;
}

void sl_renewal_listen(struct sl_client *client, int64_t now_ms)
{
    if (!sl_renewal_hands_over(client))
        return;
    swap(client);
    if (sl_uplink_listen(client, now_ms) != SL_OK)
        sl_dial_clear(client->dial);
    swap(client);
}

void sl_renewal_welcomed(struct sl_client *client)
{
    struct sl_renewal *renewal = &client->renewal;
    struct sl_dial *before = client->other;

    if (before->state == SL_DIAL_READY)
        (void)!sl_session_close(before->session);
    sl_dial_clear(before);
    renewal->welcomed = true;
    renewal->greeted = false;
    renewal->look_ms = sl_clock_monotonic_ms() + renewal->check_ms;
    if (!renewal->fresh || client->dial->trust != renewal->fresh)
        return;
    sl_trust_unref(renewal->trust);
    renewal->trust = renewal->fresh;
    renewal->fresh = NULL;
    renewal->aside = false;
}

bool sl_renewal_back(struct sl_client *client, int64_t now_ms)
{
    if (!sl_renewal_hands_over(client) || client->at_home)
        return false;
    struct sl_failure failure = client->dial->failure;
    sl_dial_clear(client->dial);
    swap(client);
    client->progress_ms = now_ms; /* it was we who didn't send */
    try_failed(client, &failure, now_ms);
    client->renewal.greeted = !client->renewal.aside; /* who is refused takes nothing over */
    return true;
}

bool sl_renewal_failed(struct sl_client *client, bool refused)
{
    struct sl_renewal *renewal = &client->renewal;
    struct sl_failure *failure = &client->dial->failure;

    sl_dial_clear(client->other);
    /* Our own second connection took the stream over, but its `welcome` never came. */
    if (renewal->greeted && strcmp(failure->reason, sl_reason_id(SL_REASON_STREAM_TAKEN_OVER)) == 0)
        failure->cause = SL_PAUSE_FAILED;
    renewal->greeted = false;
    if (!renewal->fresh || !blames_trust(failure, refused))
        return false;
    if (client->dial->trust != renewal->fresh) {
        renewal->aside = false;
        return client->stage == SL_STAGE_UP; /* else two that are refused would take turns fast */
    }
    put_aside(client, failure);
    return true;
}

int64_t sl_renewal_due_ms(const struct sl_client *client, int64_t now_ms)
{
    const struct sl_renewal *renewal = &client->renewal;

    if (client->other->state != SL_DIAL_IDLE)
        return now_ms + POLL_MS;
    if (client->stage != SL_STAGE_UP)
        return INT64_MAX;
    if (renewal->fresh && !renewal->aside && renewal->retry_ms < renewal->look_ms)
        return renewal->retry_ms;
    return renewal->look_ms;
}

void sl_client_reload(struct sl_client *client)
{
    struct sl_renewal *renewal = &client->renewal;

    renewal->look_ms = 0;
    renewal->retry_ms = 0;
    renewal->aside = false;
    renewal->told = SL_RENEWAL_TOLD_NOTHING;
}
