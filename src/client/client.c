/* SPDX-License-Identifier: Apache-2.0 */
/* client.c -- the library's face, and the client's way from stage to stage. */
#include "client/client.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/floor.h"

enum {
    PORT = 23456,
    WINDOW = 10000,
    CONNECT_MS = 10000,
    IDLE_MS = 60000,
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 60000,
    REFUSED_MS = 300000,
    MEMORY_READINGS = 1000,
    HELD_MS = 10000,       /* a session that lasted this long was a good one */
    LONG_WAIT_MS = 3600000 /* nothing is due */
};

static int64_t or_default(int64_t value, int64_t preset)
{
    return value > 0 ? value : preset;
}

void sl_client_tell(struct sl_client *client, struct sl_client_event event)
{
    if (event.text && event.kind != SL_CLIENT_REFUSED)
        (void)snprintf(client->error, sizeof(client->error), "%s", event.text);
    if (!client->on_event)
        return;
    const char **const strings[] = {&event.name,  &event.server, &event.protocol,
                                    &event.suite, &event.reason, &event.text};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        if (!*strings[i])
            *strings[i] = "";
    client->on_event(client->ctx, &event);
}

static enum sl_status check_config(const struct sl_client_config *config, char *error,
                                   size_t error_size)
{
    const char *wrong = NULL;
    if (!config->host || config->host[0] == '\0')
        wrong = "a host to connect to is needed";
    else if (!config->ca_file || !config->cert_file || !config->key_file)
        wrong = "a CA file, a certificate and its key are needed";
    else if (config->window < 0 || config->connect_ms < 0 || config->idle_ms < 0 ||
             config->backoff_min_ms < 0 || config->backoff_max_ms < 0 || config->refused_ms < 0 ||
             config->renewal_check_ms < 0 || config->expiry_warning_ms < SL_CLIENT_NEVER ||
             config->spool_sync_ms < 0)
        wrong = "window and times can't be negative";
    else if (config->spool_max_readings < 0 || config->spool_max_age_ms < 0 ||
             config->spool_max_age_ms > INT64_MAX / 1000000)
        wrong = "the spool's caps can't be negative, or an age of centuries";
    else if (config->spool && !config->spool->functions->drop &&
             (config->spool_full == SL_CLIENT_DROP_OLDEST || config->spool_max_age_ms > 0))
        wrong = "this spool can't give readings up";
    if (!wrong)
        return SL_OK;
    (void)snprintf(error, error_size, "%s", wrong);
    return SL_BAD_INPUT;
}

static void configure(struct sl_client *client, const struct sl_client_config *config)
{
    int64_t min_ms = or_default(config->backoff_min_ms, BACKOFF_MIN_MS);
    int64_t max_ms = or_default(config->backoff_max_ms, BACKOFF_MAX_MS);

    sl_backoff_init(&client->backoff, min_ms, max_ms < min_ms ? min_ms : max_ms,
                    or_default(config->refused_ms, REFUSED_MS));
    client->window = or_default(config->window, WINDOW);
    client->idle_ms = or_default(config->idle_ms, IDLE_MS);
    client->sync_ms = config->spool_sync_ms;
    client->cap = (struct sl_cap){.max_readings = config->spool_max_readings,
                                  .max_age_ms = config->spool_max_age_ms,
                                  .drops = config->spool_full == SL_CLIENT_DROP_OLDEST};
    client->floor_us = sl_floor_built_us();
    if (config->clock_floor_us > client->floor_us)
        client->floor_us = config->clock_floor_us;
    client->on_event = config->on_event;
    client->ctx = config->ctx;
    for (size_t i = 0; i < 2; i++)
        client->dials[i] = (struct sl_dial){
            .host = client->host,
            .port = config->port ? config->port : PORT,
            .connect_ms = or_default(config->connect_ms, CONNECT_MS),
            .resumption = sl_resumption_new(), /* without memory each handshake is a full one */
            .socket = {.fd = -1},
        };
    client->dial = &client->dials[0];
    client->other = &client->dials[1];
    client->resolve = config->resolve;
}

static bool copy_strings(struct sl_client *client, const struct sl_client_config *config)
{
    client->host = strdup(config->host);
    client->files[0] = strdup(config->ca_file);
    client->files[1] = strdup(config->cert_file);
    client->files[2] = strdup(config->key_file);
    return client->host && client->files[0] && client->files[1] && client->files[2];
}

/* A spool in memory for a client that was given none. */
static enum sl_status make_spool(struct sl_client *client, char *error, size_t error_size)
{
    int64_t capacity = MEMORY_READINGS;
    if (client->cap.max_readings > 0)
        capacity = client->cap.max_readings;
    else
        client->cap.max_readings = capacity;
    enum sl_status status = sl_spool_open_memory((size_t)capacity, &client->spool);
    if (status != SL_OK)
        (void)snprintf(error, error_size, "a spool in memory for %" PRId64 " readings can't be: %s",
                       capacity, sl_status_name(status));
    return status;
}

enum sl_status sl_client_open(const struct sl_client_config *config, struct sl_client **client,
                              char *error, size_t error_size)
{
    enum sl_status status = check_config(config, error, error_size);
    if (status != SL_OK)
        return status;

    struct sl_client *made = calloc(1, sizeof(*made));
    if (!made || !copy_strings(made, config)) {
        (void)snprintf(error, error_size, "out of memory");
        sl_client_close(made);
        return SL_NOMEM;
    }

    configure(made, config);
    status = sl_renewal_open(made, config, error, error_size);
    if (status == SL_OK && config->spool &&
        !sl_renewal_fits(made->renewal.trust, config->spool, error, error_size))
        status = SL_BAD_INPUT;
    if (status == SL_OK && !config->spool)
        status = make_spool(made, error, error_size);
    if (status != SL_OK) {
        sl_client_close(made);
        return status == SL_NOMEM ? SL_NOMEM : SL_BAD_INPUT;
    }
    if (config->spool)
        made->spool = config->spool;
    struct sl_spool_state state;
    made->spool->functions->state(made->spool, &state);
    made->acknowledged = state.first - 1;
    *client = made;
    return SL_OK;
}

uint64_t sl_client_draw(int64_t now_ms)
{
    uint64_t random = 0;
    /* Without the system's randomness the clock must do: this only spreads retries. */
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random = (uint64_t)now_ms * UINT64_C(0x9E3779B97F4A7C15) >> 16;
    return random;
}

/*
 * The try or session is over, for dial->failure: goes back to the session before where this one was
 * to show a renewed certificate; else closes it, tells, and pauses.
 */
static void give_up(struct sl_client *client)
{
    /* The step may have been long (a commit, a handshake), and `bye` asks for a pause from now. */
    int64_t now_ms = sl_clock_monotonic_ms();

    if (sl_renewal_back(client, now_ms)) {
        client->stage = SL_STAGE_UP;
        client->again = true;
        return;
    }
    if (client->stage == SL_STAGE_UP && now_ms - client->up_ms >= HELD_MS)
        sl_backoff_success(&client->backoff);
    bool refused = sl_backoff_is_refusal(&client->backoff, client->dial->failure.cause);
    bool another = sl_renewal_failed(client, refused);
    struct sl_failure failure = client->dial->failure;
    sl_dial_clear(client->dial);
    int64_t pause_ms = sl_backoff_pause(&client->backoff, another ? SL_PAUSE_FAILED : failure.cause,
                                        failure.retry_ms, sl_client_draw(now_ms));
    client->stage = SL_STAGE_PAUSE;
    client->stage_end_ms = now_ms + pause_ms;
    client->again = false;
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_DISCONNECTED,
                                                    .refused = refused,
                                                    .seq = client->acknowledged,
                                                    .retry_ms = pause_ms,
                                                    .reason = failure.reason,
                                                    .text = failure.text});
}

/*
 * True where the clock can be right. Else every certificate would look "not valid yet", or an old
 * one valid again: dial->failure says so, and nothing is sent.
 */
static bool clock_can_be_right(struct sl_client *client)
{
    char shows[SL_TIME_TEXT_SIZE];
    char past[SL_TIME_TEXT_SIZE];
    int64_t now_us = sl_clock_wall_us();
    int64_t floor_us = sl_client_clock_floor_us(client);

    if (!sl_floor_is_above(floor_us, now_us))
        return true;
    (void)sl_time_print_iso(now_us, shows);
    (void)sl_time_print_iso(floor_us, past);
    sl_failure_set(&client->dial->failure, SL_PAUSE_FAILED, "clock-behind",
                   "this machine's clock says %.10s, but %.10s is past: %s; set the clock, or no "
                   "certificate can be judged",
                   shows, past,
                   floor_us == sl_floor_built_us() ? "this program was built then"
                                                   : "it was seen before");
    return false;
}

/* The dial's session is through its handshake. */
static void greet(struct sl_client *client, int64_t now_ms)
{
    client->stage = SL_STAGE_WELCOMING;
    client->stage_end_ms = now_ms + client->dial->connect_ms;
    if (sl_uplink_hello(client) != SL_OK)
        give_up(client);
}

/*
 * Where a server's certificate is refused for its dates: how far our clock is from a server's, by
 * what one said when it welcomed us, and the clock that can't step since then.
 */
static void add_difference(const struct sl_client *client, int64_t now_ms)
{
    struct sl_failure *failure = &client->dial->failure;
    size_t used = strlen(failure->text);
    double ahead_s;

    if (client->server_ms == 0 || (strcmp(failure->reason, "server-cert-expired") != 0 &&
                                   strcmp(failure->reason, "server-cert-not-yet-valid") != 0))
        return;
    ahead_s =
        (double)(sl_clock_wall_us() - client->server_us - (now_ms - client->server_ms) * 1000) /
        1e6;
    (void)snprintf(failure->text + used, sizeof(failure->text) - used,
                   "; since the last welcome it is known to be %.0f s %s the server's",
                   ahead_s < 0 ? -ahead_s : ahead_s, ahead_s < 0 ? "behind" : "ahead of");
}

static void step_dial(struct sl_client *client, int64_t now_ms)
{
    client->wanted = sl_dial_step(client->dial, now_ms);
    if (client->wanted == SL_WANT_READ || client->wanted == SL_WANT_WRITE)
        return;
    if (client->wanted == SL_OK) {
        greet(client, now_ms);
        return;
    }
    add_difference(client, now_ms);
    give_up(client);
}

/* True where nothing came in time; dial->failure says so then. */
static bool too_late(struct sl_client *client, int64_t now_ms)
{
    struct sl_failure *failure = &client->dial->failure;

    if (client->stage == SL_STAGE_WELCOMING && now_ms >= client->stage_end_ms) {
        sl_failure_set(failure, SL_PAUSE_FAILED, "welcome-timeout",
                       "%s took the connection but doesn't answer", client->dial->server);
        return true;
    }
    if (client->stage == SL_STAGE_UP && sl_uplink_busy(client) &&
        now_ms - client->progress_ms >= client->idle_ms) {
        sl_failure_set(failure, SL_PAUSE_FAILED, "no-acknowledgement",
                       "%s has acknowledged nothing for %" PRId64 " seconds", client->dial->server,
                       client->idle_ms / 1000);
        return true;
    }
    return false;
}

static void step_uplink(struct sl_client *client, int64_t now_ms)
{
    sl_renewal_listen(client, now_ms);
    enum sl_status status = sl_uplink_step(client, now_ms);
    if (client->stage == SL_STAGE_WELCOMING && client->at_home) {
        client->stage = SL_STAGE_UP;
        sl_renewal_welcomed(client);
    }
    if (status != SL_OK || too_late(client, now_ms))
        give_up(client);
}

enum sl_status sl_client_step(struct sl_client *client)
{
    (void)!sl_submit_check_ages(client);      /* what can't be given up is sent, old as it is */
    int64_t now_ms = sl_clock_monotonic_ms(); /* not before that: what it gave up is due now */
    enum sl_status status = sl_submit_commit(client, now_ms);

    client->again = false;
    if (client->stage == SL_STAGE_PAUSE && now_ms >= client->stage_end_ms) {
        if (clock_can_be_right(client)) {
            sl_renewal_dial(client, now_ms);
            client->stage = SL_STAGE_DIALLING;
        } else {
            give_up(client);
        }
    }
    if (client->stage == SL_STAGE_DIALLING)
        step_dial(client, now_ms);
    if (client->stage == SL_STAGE_UP && sl_renewal_step(client, now_ms))
        greet(client, now_ms);
    /* A welcome may commit the sensor's name: who submitted has to know what went with it. */
    if (status == SL_OK && client->stage == SL_STAGE_WELCOMING) {
        client->commit_now = true;
        status = sl_submit_commit(client, now_ms);
    }
    if (client->stage == SL_STAGE_WELCOMING || client->stage == SL_STAGE_UP)
        step_uplink(client, now_ms);
    if (status != SL_OK) /* outranks what failed since on the network */
        (void)snprintf(client->error, sizeof(client->error), "%s",
                       client->spool->functions->error(client->spool));
    return status;
}

int sl_client_fd(const struct sl_client *client)
{
    return client->stage == SL_STAGE_PAUSE ? -1 : client->dial->socket.fd;
}

int sl_client_wants(const struct sl_client *client)
{
    if (sl_client_fd(client) < 0)
        return 0;
    if (client->stage == SL_STAGE_DIALLING)
        return client->wanted == SL_WANT_READ ? SL_CLIENT_READABLE : SL_CLIENT_WRITABLE;
    bool waits = sl_session_waiting(client->dial->session) > 0;
    return SL_CLIENT_READABLE | (waits ? SL_CLIENT_WRITABLE : 0);
}

int64_t sl_client_deadline_ms(const struct sl_client *client)
{
    int64_t now_ms = sl_clock_monotonic_ms();
    int64_t due_ms = now_ms + LONG_WAIT_MS;

    if (client->again)
        return 0;
    if (client->stage == SL_STAGE_PAUSE || client->stage == SL_STAGE_WELCOMING)
        due_ms = client->stage_end_ms;
    else if (client->stage == SL_STAGE_DIALLING)
        due_ms = client->dial->deadline_ms;
    else if (sl_uplink_busy(client))
        due_ms = client->progress_ms + client->idle_ms;
    int64_t renewal_ms = sl_renewal_due_ms(client, now_ms);
    if (renewal_ms < due_ms)
        due_ms = renewal_ms;
    if (client->dirty && sl_submit_due_ms(client) < due_ms)
        due_ms = sl_submit_due_ms(client);

    if (due_ms <= now_ms)
        return 0;
    return due_ms - now_ms < LONG_WAIT_MS ? due_ms - now_ms : LONG_WAIT_MS;
}

void sl_client_progress(const struct sl_client *client, struct sl_client_progress *progress)
{
    struct sl_spool_state state;
    client->spool->functions->state(client->spool, &state);

    bool up = client->stage == SL_STAGE_UP || sl_renewal_hands_over(client);
    progress->submitted = state.last;
    progress->kept = state.readings;
    progress->uncommitted = client->uncommitted;
    progress->acknowledged = client->acknowledged;
    progress->sent = up && client->sender.next - 1 > client->acknowledged ? client->sender.next - 1
                                                                          : client->acknowledged;
    progress->connected = up;
}

int64_t sl_client_clock_floor_us(const struct sl_client *client)
{
    if (client->floor_ms == 0)
        return client->floor_us;
    /* The clock that can't step says how much time passed since. */
    return client->floor_us + (sl_clock_monotonic_ms() - client->floor_ms) * 1000;
}

void sl_client_retry_now(struct sl_client *client)
{
    if (client->stage == SL_STAGE_PAUSE)
        client->stage_end_ms = sl_clock_monotonic_ms();
}

const char *sl_client_error(const struct sl_client *client)
{
    return client->error[0] ? client->error : "nothing failed";
}

void sl_client_close(struct sl_client *client)
{
    if (!client)
        return;
    if (client->stage == SL_STAGE_WELCOMING || client->stage == SL_STAGE_UP)
        (void)!sl_session_close(client->dial->session);
    if (sl_renewal_hands_over(client))
        (void)!sl_session_close(client->other->session);
    for (size_t i = 0; i < 2; i++) {
        sl_dial_clear(&client->dials[i]);
        sl_resumption_free(client->dials[i].resumption);
    }
    sl_renewal_clear(&client->renewal);
    sl_spool_close(client->spool);
    for (size_t i = 0; i < sizeof(client->files) / sizeof(client->files[0]); i++)
        free(client->files[i]);
    free(client->host);
    free(client);
}

const char *sl_client_version(char *text, size_t size)
{
    char tls[64];
    (void)snprintf(text, size, "sensorlink " SENSORLINK_VERSION ", %s",
                   sl_tls_version(tls, sizeof(tls)));
    return text;
}
