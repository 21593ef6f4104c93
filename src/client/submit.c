/* SPDX-License-Identifier: Apache-2.0 */
/* submit.c -- readings into a client's spool: checked, capped, numbered, committed. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/floor.h"
#include "client/client.h"

enum { UNCOMMITTED_MAX = 1000 }; /* however long they may wait: so many are committed at once */

/* The last microsecond of the year 9999, as in base/clock.h. */
#define TIME_MAX_US INT64_C(253402300799999999)

/* Something waits for the commit. */
static void note(struct sl_client *client, int64_t readings)
{
    if (!client->dirty)
        client->dirty_ms = sl_clock_monotonic_ms();
    client->dirty = true;
    client->uncommitted += readings;
}

/* What is wrong is told with the next step, and so is what it did to readings before this one. */
static enum sl_status spool_failed(struct sl_client *client, enum sl_status status)
{
    client->commit_now = true;
    (void)snprintf(client->error, sizeof(client->error), "%s",
                   client->spool->functions->error(client->spool));
    return status;
}

enum sl_status sl_submit_check_ages(struct sl_client *client)
{
    int64_t now_us;

    if (client->cap.max_age_ms == 0)
        return SL_OK;
    now_us = sl_clock_wall_us();
    if (sl_floor_is_above(sl_client_clock_floor_us(client), now_us))
        return SL_OK;
    enum sl_status status =
        sl_cap_check_ages(&client->cap, client->spool, now_us, sl_clock_monotonic_ms());
    if (client->cap.dropped > 0)
        note(client, 0);
    return status;
}

/* Gives up what is too old, and what a full spool has to. */
static enum sl_status make_room(struct sl_client *client)
{
    bool full = false;
    enum sl_status status = sl_submit_check_ages(client);
    if (status == SL_OK)
        status = sl_cap_make_room(&client->cap, client->spool, &full);
    if (client->cap.dropped > 0)
        note(client, 0);
    if (status == SL_OK)
        return SL_OK;
    if (!full)
        return spool_failed(client, status);
    (void)snprintf(client->error, sizeof(client->error),
                   "the spool holds %" PRId64 " readings, as many as it may",
                   client->cap.max_readings);
    return status;
}

/* Keeps a reading that was checked. */
static enum sl_status keep(struct sl_client *client, const struct sl_reading *reading, int64_t *seq)
{
    char text[SL_LINE_MAX];
    size_t len = 0;
    int64_t number = 0;

    if (reading->time_us != SL_TIME_NONE &&
        (reading->time_us < 0 || reading->time_us > TIME_MAX_US)) {
        (void)snprintf(client->error, sizeof(client->error),
                       "a reading's time must lie between 1970 and the year 9999");
        return SL_BAD_INPUT;
    }
    enum sl_status status = sl_reading_print(reading, text, sizeof(text), &len);
    assert(status == SL_OK); /* a valid reading always fits a line */
    status = make_room(client);
    if (status != SL_OK)
        return status;
    status = client->spool->functions->append(client->spool, reading->time_us, text, len, &number);
    if (status != SL_OK)
        return spool_failed(client, status);
    note(client, 1);
    if (seq)
        *seq = number;
    return SL_OK;
}

enum sl_status sl_client_omit(struct sl_client *client, int64_t count, const char *reason)
{
    if (!client->spool->functions->omit) {
        (void)snprintf(client->error, sizeof(client->error), "this spool can't keep gaps");
        return SL_BAD_INPUT;
    }
    if (!sl_cap_reason_valid(reason)) {
        (void)snprintf(client->error, sizeof(client->error),
                       "a gap's reason is 1 to 48 lower-case letters, digits and '-'");
        return SL_BAD_INPUT;
    }
    enum sl_status status = client->spool->functions->omit(client->spool, count, reason);
    if (status != SL_OK)
        return spool_failed(client, status);
    note(client, 0);
    return SL_OK;
}

static enum sl_status flawed(struct sl_client *client, enum sl_flaw flaw)
{
    (void)snprintf(client->error, sizeof(client->error), "%s", sl_flaw_text(flaw));
    return SL_BAD_INPUT;
}

enum sl_status sl_client_submit(struct sl_client *client, int64_t time_us, const char *name,
                                double value, const char *unit, int64_t *seq)
{
    char number[SL_VALUE_SIZE];
    size_t len = 0;
    enum sl_flaw flaw = SL_FLAW_NONE;

    if (sl_value_print(value, number, &len) != SL_OK)
        return flawed(client, SL_FLAW_NOT_FINITE);
    struct sl_reading reading = {.time_us = time_us,
                                 .name = sl_bytes_of(name),
                                 .value = {number, len},
                                 .unit = sl_bytes_of(unit ? unit : "")};
    if (sl_reading_check(&reading, &flaw) != SL_OK)
        return flawed(client, flaw);
    return keep(client, &reading, seq);
}

enum sl_status sl_client_submit_line(struct sl_client *client, int64_t time_us, const char *line,
                                     size_t len, int64_t *seq)
{
    struct sl_reading reading;
    enum sl_flaw flaw = SL_FLAW_NONE;

    if (sl_reading_parse((struct sl_bytes){line, len}, &reading, &flaw) != SL_OK)
        return flawed(client, flaw);
    reading.time_us = time_us;
    return keep(client, &reading, seq);
}

static void tell_dropped(struct sl_client *client, int64_t seq, int64_t count)
{
    bool old = strcmp(client->cap.reason, SL_GAP_TOO_OLD) == 0;
    char text[SL_FAILURE_TEXT_SIZE];

    if (old)
        (void)snprintf(text, sizeof(text),
                       "readings older than %" PRId64 " s are given up, now up to %" PRId64,
                       client->cap.max_age_ms / 1000, seq);
    else
        (void)snprintf(text, sizeof(text),
                       "the spool is full with %" PRId64
                       " readings: the oldest are given up, now up to %" PRId64,
                       client->cap.max_readings, seq);
    sl_client_tell(client, (struct sl_client_event){.kind = SL_CLIENT_DROPPED,
                                                    .seq = seq,
                                                    .count = count,
                                                    .reason = client->cap.reason,
                                                    .text = text});
}

int64_t sl_submit_due_ms(const struct sl_client *client)
{
    bool now = client->commit_now || client->uncommitted >= UNCOMMITTED_MAX;

    return now ? 0 : client->dirty_ms + client->sync_ms;
}

enum sl_status sl_submit_commit(struct sl_client *client, int64_t now_ms)
{
    bool due = client->dirty && now_ms >= sl_submit_due_ms(client);
    int64_t dropped = client->cap.dropped;
    int64_t count = client->cap.count;

    client->commit_now = false;
    if (!due)
        return SL_OK;
    client->dirty = false;
    client->uncommitted = 0;
    client->cap.dropped = 0;
    client->cap.count = 0;
    enum sl_status status = client->spool->functions->commit(client->spool);
    if (status == SL_OK && dropped > 0)
        tell_dropped(client, dropped, count);
    if (status == SL_OK || status == SL_NOMEM)
        return status;
    return SL_IO;
}

void sl_client_commit_now(struct sl_client *client)
{
    client->commit_now = true;
}
