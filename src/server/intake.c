/* SPDX-License-Identifier: Apache-2.0 */
/* intake.c -- from decrypted bytes to the committer and back; see intake.h. */
#include "server/intake.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/rates.h"
#include "server/streams.h"
#include "server/worker.h"

enum {
    CHUNK = SL_SESSION_RECORD_MAX + 1, /* one record's content */
    SHARE = 4 * CHUNK, /* bytes a turn, so that one sensor can't hold the others up, */
    RECORD_COST = 512, /* and a record costs as much as so many bytes, however short it is */
    REFUSED_TOLD = 20, /* refused readings of a session that are told one by one */
    RETRY_STORE_MS = 10000,
    RETRY_GRAMMAR_MS = 60000,
    RETRY_REFUSED_MS = 300000,
};

static enum sl_status reply(struct sl_connection *connection, const char *line, size_t len)
{
    return sl_buffer_add(&connection->reply, (struct sl_bytes){line, len}, SIZE_MAX / 2);
}

/* The batch being filled; null where there's no memory. */
static struct sl_batch *filling(struct sl_connection *connection)
{
    if (connection->filling != NULL)
        return connection->filling;
    if (sl_batch_new(connection->peer, &connection->filling) == SL_OK)
        connection->filling->spares = connection->spares;
    return connection->filling;
}

/* A console line for a reading; it is shown once the reading is on disk. */
static enum sl_status tell(struct sl_connection *connection, struct sl_batch *batch,
                           const struct sl_reading *reading)
{
    struct sl_bytes name = sl_bytes_of(sl_peer_name(connection->peer));
    char line[SL_SENSOR_NAME_MAX + 2 + SL_LINE_MAX];
    size_t len;

    if (!sl_log_shows(connection->shared->log, SL_LOG_READING))
        return SL_OK;
    memcpy(line, name.at, name.len);
    memcpy(line + name.len, "  ", 2);
    if (sl_reading_print(reading, line + name.len + 2, SL_LINE_MAX, &len) != SL_OK)
        return SL_OK;
    len += name.len + 2;
    line[len++] = '\n';
    return sl_buffer_add(&batch->console, (struct sl_bytes){line, len}, SIZE_MAX / 2);
}

/* A few lines are told one by one, then one a second: a flood of bad lines isn't a flood of log. */
static void tell_refused(struct sl_connection *connection, const struct sl_receiver_step *step)
{
    int64_t now_ms = sl_clock_monotonic_ms();
    char left_out[48] = "";

    if (connection->refused >= REFUSED_TOLD && now_ms - connection->refused_ms < 1000) {
        connection->refused_untold++;
        return;
    }
    if (connection->refused_untold > 0)
        (void)snprintf(left_out, sizeof left_out, " (and %lld more before it)",
                       (long long)connection->refused_untold);
    connection->refused++;
    connection->refused_untold = 0;
    connection->refused_ms = now_ms;
    sl_log_line(connection->shared->log, SL_LOG_WARNING, "%s (%s): %s %lld isn't logged: %s: %s%s",
                sl_peer_name(connection->peer), connection->address_text,
                step->seq == 0 ? "line" : "reading",
                (long long)(step->seq == 0 ? connection->receiver.lines : step->seq),
                step->reason.at, step->text, left_out);
}

static enum sl_status take_refused(struct sl_connection *connection,
                                   const struct sl_receiver_step *step)
{
    struct sl_batch *batch;
    char line[SL_LINE_MAX];
    size_t len = 0;

    tell_refused(connection, step);
    if (step->seq == 0)
        return SL_OK;
    batch = filling(connection);
    if (batch == NULL || sl_batch_gap(batch, step->seq, step->seq, step->reason) != SL_OK)
        return SL_NOMEM;
    if (sl_receiver_refuse(&connection->receiver, step, line, sizeof line, &len) != SL_OK)
        return SL_NOMEM;
    return reply(connection, line, len);
}

static enum sl_status take_reading(struct sl_connection *connection,
                                   const struct sl_receiver_step *step)
{
    struct sl_batch *batch;

    if (!sl_allow_names(&connection->rule, step->reading.name))
        return take_refused(connection,
                            &(struct sl_receiver_step){
                                .kind = SL_STEP_REFUSED,
                                .seq = step->seq,
                                .reason = sl_bytes_of(sl_reason_id(SL_REASON_NAME_NOT_ALLOWED)),
                                .text = sl_reason_text(SL_REASON_NAME_NOT_ALLOWED)});
    batch = filling(connection);
    if (batch == NULL || sl_batch_reading(batch, step->seq, &step->reading) != SL_OK)
        return SL_NOMEM;
    return tell(connection, batch, &step->reading);
}

/*
 * The first number sent again in a session shows whether the sensor's spool is the one that the
 * stored readings came from, and not a copy that went its own way: then acknowledging would lose
 * what the copy holds.
 */
static enum sl_status take_duplicate(struct sl_connection *connection,
                                     const struct sl_receiver_step *step)
{
    struct sl_batch *batch;

    if (connection->proved || step->reading.name.len == 0)
        return SL_OK;
    batch = filling(connection);
    if (batch == NULL)
        return SL_NOMEM;
    connection->proved = true;
    connection->proving = true;
    return sl_batch_proof(batch, step->seq, &step->reading);
}

/* The stream is open: the sensor hears what is stored of it. */
static enum sl_status welcome(struct sl_connection *connection, int64_t last)
{
    char line[SL_LINE_MAX];
    size_t len = 0;
    enum sl_status status =
        sl_receiver_opened(&connection->receiver, last, sl_clock_wall_us(),
                           sl_bytes_of(sl_peer_name(connection->peer)), line, sizeof line, &len);

    return status == SL_OK ? reply(connection, line, len) : status;
}

static enum sl_status take_stream(struct sl_connection *connection)
{
    struct sl_batch *batch;

    /* A check only asks whether it may come in, so it leaves nothing behind. */
    if (connection->receiver.checking)
        return welcome(connection, 0);
    batch = filling(connection);
    if (batch == NULL)
        return SL_NOMEM;
    batch->opens = true;
    memcpy(batch->stream, connection->receiver.stream, sizeof batch->stream);
    return SL_OK;
}

static enum sl_status take_clock(struct sl_connection *connection, int64_t offset_us)
{
    struct sl_batch *batch = filling(connection);

    if (batch == NULL)
        return SL_NOMEM;
    sl_batch_clock(batch, offset_us);
    return SL_OK;
}

static enum sl_status take_step(struct sl_connection *connection,
                                const struct sl_receiver_step *step)
{
    struct sl_batch *batch;

    switch (step->kind) {
    case SL_STEP_STREAM:
        return take_stream(connection);
    case SL_STEP_READING:
        return take_reading(connection, step);
    case SL_STEP_GAP:
        batch = filling(connection);
        return batch == NULL ? SL_NOMEM : sl_batch_gap(batch, step->seq, step->last, step->reason);
    case SL_STEP_REFUSED:
        return take_refused(connection, step);
    case SL_STEP_BYE:
        sl_connection_end(connection, step->reason.at, step->text, RETRY_GRAMMAR_MS);
        return SL_DENIED;
    case SL_STEP_DUPLICATE:
        return take_duplicate(connection, step);
    case SL_STEP_CLOCK:
        return take_clock(connection, step->offset_us);
    case SL_STEP_MORE:
        break;
    }
    return SL_OK;
}

/* Lets the receiver take the bytes; what it can't take yet is kept. */
static enum sl_status take_bytes(struct sl_connection *connection, struct sl_bytes bytes)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK) {
        struct sl_receiver_step step;
        size_t taken = 0;

        sl_receiver_next(&connection->receiver, bytes, &taken, &step);
        bytes.at += taken;
        bytes.len -= taken;
        if (step.kind == SL_STEP_MORE)
            break;
        status = take_step(connection, &step);
    }
    if (status == SL_OK && bytes.len > 0)
        status = sl_buffer_add(&connection->input, bytes, CHUNK);
    return status;
}

/* What was kept while the stream was being opened. */
static enum sl_status take_kept(struct sl_connection *connection)
{
    struct sl_buffer kept = connection->input;
    enum sl_status status;

    if (kept.len == 0)
        return SL_OK;
    connection->input = (struct sl_buffer){0};
    status = take_bytes(connection, (struct sl_bytes){kept.at, kept.len});
    sl_buffer_clear(&kept);
    return status;
}

/* Every line counts, whatever it says: what is refused costs as much as what is logged. */
static bool over_rate(struct sl_connection *connection)
{
    int64_t lines = connection->receiver.lines - connection->charged;

    connection->charged = connection->receiver.lines;
    connection->held_back =
        connection->rule.rate > 0 &&
        sl_rates_charge(connection->shared->rates, sl_peer_name(connection->peer),
                        connection->rule.rate, lines, sl_clock_monotonic_ms());
    return connection->held_back;
}

bool sl_intake_paused(struct sl_connection *connection)
{
    return over_rate(connection) || connection->receiver.state == SL_RECEIVER_OPENING ||
           (connection->receiver.plain && connection->stream_id == 0) ||
           (connection->filling != NULL && sl_batch_full(connection->filling)) ||
           connection->reply.len > SL_REPLY_MAX;
}

/* An orderly end makes a last line without '\n' a whole one in plain mode: nothing was cut off. */
static enum sl_status take_last_line(struct sl_connection *connection)
{
    if (connection->receiver.state != SL_RECEIVER_PLAIN || connection->receiver.frame.len == 0)
        return SL_OK;
    return take_bytes(connection, sl_bytes_of("\n"));
}

/* A plain session has no `stream` line: its stream is opened before anything else. */
static enum sl_status open_plain(struct sl_connection *connection)
{
    struct sl_batch *batch;

    if (!connection->receiver.plain || connection->stream_id != 0)
        return SL_OK;
    if (connection->under_way != NULL)
        return SL_LIMIT;
    batch = filling(connection);
    if (batch == NULL)
        return SL_NOMEM;
    batch->opens = true;
    memcpy(batch->stream, SL_STREAM_PLAIN, sizeof SL_STREAM_PLAIN);
    return SL_LIMIT;
}

/* Reads records until nothing more is there, this turn's share is used up, or it's paused. */
static enum sl_status read_share(struct sl_connection *connection)
{
    char chunk[CHUNK];
    size_t used = 0;
    enum sl_status status = SL_OK;

    while (status == SL_OK && used < SHARE) {
        size_t len = 0;

        if (sl_intake_paused(connection)) {
            status = SL_LIMIT;
            break;
        }
        status = sl_session_read(connection->session, chunk, sizeof chunk, &len);
        if (status == SL_OK) {
            used += len + RECORD_COST;
            status = take_bytes(connection, (struct sl_bytes){chunk, len});
        }
    }
    if (used > 0)
        connection->deadline_ms = sl_clock_monotonic_ms() + connection->shared->limits.idle_ms;
    return status;
}

enum sl_status sl_intake_read(struct sl_connection *connection)
{
    enum sl_status status = open_plain(connection);

    if (status == SL_OK)
        status = take_kept(connection);
    if (status == SL_OK)
        status = read_share(connection);
    if (status == SL_CLOSED && take_last_line(connection) == SL_DENIED)
        status = SL_DENIED;
    return status == SL_WANT_WRITE ? SL_WANT_READ : status;
}

bool sl_intake_idle(const struct sl_connection *connection)
{
    return connection->under_way == NULL && connection->filling == NULL;
}

void sl_intake_submit(struct sl_connection *connection)
{
    struct sl_batch *batch = connection->filling;
    bool more_may_come = connection->state == SL_CONNECTION_READING;
    enum sl_status status;

    if (batch == NULL || connection->under_way != NULL ||
        (more_may_come && sl_batch_can_wait(batch)))
        return;
    batch->owner = connection;
    batch->worker = connection->worker;
    if (!batch->opens)
        batch->stream_id = connection->stream_id;
    connection->filling = NULL;
    connection->under_way = batch;
    status = sl_committer_submit(connection->shared->committer, batch);
    if (status == SL_OK)
        return;
    if (status == SL_LIMIT)
        sl_worker_wait_for_room(connection->worker, connection);
    connection->under_way = NULL;
    connection->filling = batch;
}

static void opened(struct sl_connection *connection, const struct sl_batch *batch)
{
    connection->stream_id = batch->stream_id;
    if (connection->receiver.state != SL_RECEIVER_OPENING)
        return;
    if (sl_streams_take(connection->shared->streams, batch->stream_id, batch->opening,
                        connection) != SL_OK ||
        welcome(connection, batch->last) != SL_OK)
        connection->dead = true;
}

static void stored(struct sl_connection *connection, const struct sl_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->items[i].proof_seq == 0)
            connection->logged += batch->items[i].block.count;
        else
            connection->proving = false;
    }
    if (!connection->receiver.plain)
        sl_receiver_committed(&connection->receiver, batch->last);
    sl_log_text(connection->shared->log, SL_LOG_READING,
                (struct sl_bytes){batch->console.at, batch->console.len});
    sl_intake_acknowledge(connection);
}

static void end_for(struct sl_connection *connection, enum sl_reason reason, int64_t retry_ms)
{
    /* What follows a batch that isn't stored can't be stored either. */
    sl_batch_free(connection->filling);
    connection->filling = NULL;
    sl_connection_end(connection, sl_reason_id(reason), sl_reason_text(reason), retry_ms);
}

void sl_intake_answer(struct sl_connection *connection, struct sl_batch *batch)
{
    connection->under_way = NULL;
    if (batch->status == SL_OK && batch->opens)
        opened(connection, batch);
    else if (batch->status == SL_OK)
        stored(connection, batch);
    else if (batch->status == SL_DENIED && batch->opens)
        end_for(connection, SL_REASON_CLIENT_NAME_SPELLING, RETRY_REFUSED_MS);
    else if (batch->status == SL_DENIED && batch->diverged)
        end_for(connection, SL_REASON_STREAM_DIVERGED, RETRY_REFUSED_MS);
    else if (batch->status == SL_DENIED)
        end_for(connection, SL_REASON_STREAM_CONFLICT, 0);
    else
        end_for(connection, SL_REASON_STORE_FAILED,
                sl_connection_retry_ms(connection, RETRY_STORE_MS));
    sl_batch_free(batch);
}

void sl_intake_acknowledge(struct sl_connection *connection)
{
    char line[SL_LINE_MAX];
    size_t len = 0;

    if (connection->proving)
        return;
    if (sl_receiver_acknowledge(&connection->receiver, line, sizeof line, &len) != SL_OK ||
        reply(connection, line, len) != SL_OK)
        connection->dead = true;
}
