/* SPDX-License-Identifier: Apache-2.0 */
/* ends.c -- see ends.h. */
#include "ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "store/sqlite.h"

enum { BUFFER_MAX = 1 << 24, BLOCK_TEXT = 1 << 18, PACK_MAX = 8192, QUIET_ROUNDS = 3 };

/* Not for what is under test: a test program without memory or store ends. */
static void must(enum sl_status status, const char *what)
{
    if (status != SL_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, sl_status_name(status));
        abort();
    }
}

/* --- the disk */

void disk_open(struct disk *disk)
{
    must(sl_store_open_memory(&disk->store), "sl_store_open_memory");
    atomic_init(&disk->durable, 0);
}

void disk_close(struct disk *disk)
{
    sl_store_close(disk->store);
    disk->store = NULL;
}

static sqlite3_stmt *ask(const struct disk *disk, const char *sql)
{
    const struct sl_sqlite_store *store = (const struct sl_sqlite_store *)disk->store;
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
    return statement;
}

int64_t disk_count(const struct disk *disk)
{
    sqlite3_stmt *statement = ask(disk, "SELECT count(*) FROM readings");
    int64_t count;

    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    count = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return count;
}

void disk_holds(const struct disk *disk, const char *sensor, int64_t count)
{
    sqlite3_stmt *statement =
        ask(disk, "SELECT count(*), count(DISTINCT seq), coalesce(min(seq), 1),"
                  " coalesce(max(seq), 0), coalesce(sum(seq <> value OR name <> 'n'), 0)"
                  " FROM readings WHERE sensor = ?1");

    assert_int_equal(sqlite3_bind_text(statement, 1, sensor, -1, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(statement, 0), count);
    assert_int_equal(sqlite3_column_int64(statement, 1), count);
    assert_int_equal(sqlite3_column_int64(statement, 2), 1);
    assert_int_equal(sqlite3_column_int64(statement, 3), count);
    assert_int_equal(sqlite3_column_int64(statement, 4), 0);
    (void)sqlite3_finalize(statement);
    assert_int_equal(disk_count(disk), count);
}

/* --- the server's end */

void server_open(struct server_end *server, struct disk *disk, struct sl_trust *trust,
                 struct sl_memory_link *link)
{
    *server = (struct server_end){.disk = disk, .status = SL_WANT_READ};
    must(sl_session_new_server(trust, sl_memory_server(link), ENDS_BUDGET, &server->session),
         "sl_session_new_server");
}

void server_close(struct server_end *server)
{
    sl_session_free(server->session);
    sl_peer_unref(server->peer);
    sl_buffer_clear(&server->input);
    sl_buffer_clear(&server->reply);
    sl_block_clear(&server->block);
}

static void end_server(struct server_end *server, enum sl_status status)
{
    if (sl_session_refusal(server->session)->reason != SL_REASON_NONE)
        server->refusal = *sl_session_refusal(server->session);
    server->status = status;
}

static void reply(struct server_end *server, const char *line, size_t len)
{
    must(sl_buffer_add(&server->reply, (struct sl_bytes){line, len}, BUFFER_MAX), "reply");
}

static void admit(struct server_end *server)
{
    enum sl_status status;

    if (!sl_session_established(server->session))
        server->fault = "a handshake that isn't over was taken for one that is";
    status = sl_admission_decide(server->session, sl_session_trust(server->session),
                                 sl_clock_wall_us(), &server->peer, &server->refusal);
    if (status != SL_OK) {
        if (server->peer != NULL)
            server->fault = "a refusal made a peer";
        server->status = status;
        return;
    }
    sl_receiver_init(&server->receiver, sl_session_acknowledged(server->session), 0);
}

static void open_stream(struct server_end *server, const char *id)
{
    must(sl_store_begin(server->disk->store), "begin");
    must(
        sl_store_stream(server->disk->store, server->peer, id, sl_clock_wall_us(), &server->stream),
        "stream");
    must(sl_store_commit(server->disk->store), "commit");
}

static void welcome(struct server_end *server)
{
    char line[SL_LINE_MAX];
    size_t len = 0;

    open_stream(server, server->receiver.stream);
    must(sl_receiver_opened(&server->receiver, server->stream.last, sl_clock_wall_us(),
                            sl_bytes_of(sl_peer_name(server->peer)), line, sizeof line, &len),
         "sl_receiver_opened");
    reply(server, line, len);
}

/* What gathered goes to the store; only after the commit is it called durable. */
static void commit(struct server_end *server)
{
    int64_t last = 0;

    if (server->block.count == 0)
        return;
    if (server->stream.id == 0)
        open_stream(server, SL_STREAM_PLAIN);
    must(sl_store_begin(server->disk->store), "begin");
    must(sl_store_append(server->disk->store, server->peer, server->stream.id, sl_clock_wall_us(),
                         &server->block, &last),
         "append");
    must(sl_store_commit(server->disk->store), "commit");
    atomic_store(&server->disk->durable, last);
    sl_receiver_committed(&server->receiver, last);
    sl_block_reset(&server->block);
}

static void acknowledge(struct server_end *server)
{
    char line[SL_LINE_MAX];
    size_t len = 0;

    must(sl_receiver_acknowledge(&server->receiver, line, sizeof line, &len), "acknowledge");
    reply(server, line, len);
}

static void take_reading(struct server_end *server, const struct sl_receiver_step *step)
{
    if (server->block.count == 0)
        server->block.first = step->seq;
    if (sl_block_add(&server->block, &step->reading, BLOCK_TEXT) != SL_OK)
        server->fault = "the block is full; the test sends too much at once";
}

static void take(struct server_end *server, struct sl_bytes bytes)
{
    struct sl_receiver_step step;

    do {
        size_t taken = 0;

        sl_receiver_next(&server->receiver, bytes, &taken, &step);
        bytes.at += taken;
        bytes.len -= taken;
        if (step.kind == SL_STEP_STREAM)
            welcome(server);
        else if (step.kind == SL_STEP_READING)
            take_reading(server, &step);
        else if (step.kind == SL_STEP_CLOCK)
            server->offset_us = step.offset_us;
        else if (step.kind == SL_STEP_BYE || step.kind == SL_STEP_REFUSED)
            server->fault = "an honest sensor's line was refused";
    } while (step.kind != SL_STEP_MORE);
    acknowledge(server); /* Nothing of this is on disk yet: see serve(). */
}

static enum sl_status write_all(struct sl_session *session, struct sl_buffer *lines)
{
    enum sl_status status = SL_OK;

    while (status == SL_OK && lines->len > 0) {
        size_t taken = 0;

        status = sl_session_write(session, (struct sl_bytes){lines->at, lines->len}, &taken);
        sl_buffer_drop(lines, taken);
    }
    if (status == SL_OK || status == SL_WANT_WRITE)
        status = sl_session_flush(session);
    return status == SL_WANT_WRITE ? SL_OK : status;
}

/*
 * As with the real committer, what came in one step is on disk only by the next one: whoever
 * acknowledges it earlier is found out. What came last before a cut is lost, as in a crash.
 */
static void serve(struct server_end *server)
{
    char bytes[SL_SESSION_RECORD_MAX];
    size_t len = 0;
    enum sl_status status;

    commit(server);
    acknowledge(server);
    while ((status = sl_session_read(server->session, bytes, sizeof bytes, &len)) == SL_OK)
        take(server, (struct sl_bytes){bytes, len});
    if (write_all(server->session, &server->reply) != SL_OK && status == SL_WANT_READ)
        status = SL_CUT;
    if (status == SL_CLOSED) {
        commit(server);
        (void)!sl_session_close(server->session);
    }
    if (status != SL_WANT_READ && status != SL_WANT_WRITE)
        end_server(server, status);
}

void server_step(struct server_end *server)
{
    enum sl_status status;

    if (server->status != SL_WANT_READ)
        return;
    if (server->peer != NULL) {
        serve(server);
        return;
    }
    status = sl_session_handshake(server->session);
    if (status == SL_OK)
        admit(server);
    else if (status != SL_WANT_READ && status != SL_WANT_WRITE)
        end_server(server, status);
    if (server->peer != NULL)
        serve(server);
}

/* --- the sensor's end */

void sensor_open(struct sensor_end *sensor, struct disk *disk, struct sl_trust *trust,
                 struct sl_memory_link *link, const char *host, int64_t total, int64_t window)
{
    *sensor = (struct sensor_end){.disk = disk, .status = SL_WANT_READ, .total = total};
    must(sl_session_new_client(trust, sl_memory_sensor(link), host, &sensor->session),
         "sl_session_new_client");
    sl_sender_init(&sensor->sender, window);
}

void sensor_close(struct sensor_end *sensor)
{
    sl_session_free(sensor->session);
    sl_buffer_clear(&sensor->out);
}

static void greet(struct sensor_end *sensor)
{
    char line[SL_LINE_MAX];
    size_t len = 0;

    must(sl_sender_hello(&sensor->sender, ENDS_STREAM, line, sizeof line, &len), "hello");
    must(sl_buffer_add(&sensor->out, (struct sl_bytes){line, len}, BUFFER_MAX), "hello");
    sensor->greeted = true;
}

static void tell_clock(struct sensor_end *sensor)
{
    char line[SL_LINE_MAX];
    size_t len = 0;

    must(sl_sender_clock(&sensor->sender, ENDS_OFFSET_US, line, sizeof line, &len), "clock");
    must(sl_buffer_add(&sensor->out, (struct sl_bytes){line, len}, BUFFER_MAX), "clock");
}

static void act(struct sensor_end *sensor, const struct sl_sender_event *event)
{
    if (event->kind == SL_EVENT_BYE || event->kind == SL_EVENT_BROKEN ||
        event->kind == SL_EVENT_REFUSED)
        sensor->fault = "an honest server's line was refused";
    if (event->kind != SL_EVENT_ACK && event->kind != SL_EVENT_WELCOME)
        return;
    if (event->kind == SL_EVENT_WELCOME)
        tell_clock(sensor);
    sensor->acks += event->kind == SL_EVENT_ACK;
    if (event->seq > atomic_load(&sensor->disk->durable))
        sensor->fault = "something was acknowledged that isn't stored";
}

static enum sl_status hear(struct sensor_end *sensor)
{
    char bytes[4096];
    size_t len = 0;
    enum sl_status status;

    while ((status = sl_session_read(sensor->session, bytes, sizeof bytes, &len)) == SL_OK) {
        struct sl_bytes rest = {bytes, len};
        struct sl_sender_event event;

        do {
            size_t taken = 0;

            sl_sender_next(&sensor->sender, rest, &taken, &event);
            rest.at += taken;
            rest.len -= taken;
            act(sensor, &event);
        } while (event.kind != SL_EVENT_MORE);
    }
    return status;
}

/* Packs readings as far as the window, and what one should hold in memory, allow. */
static void pack(struct sensor_end *sensor)
{
    struct sl_sender *sender = &sensor->sender;

    while (sl_sender_room(sender) > 0 && sender->next <= sensor->total &&
           sensor->out.len < PACK_MAX) {
        struct sl_reading reading = {.time_us = SL_TIME_NONE, .name = sl_bytes_of("n")};
        char value[32], line[SL_LINE_MAX];
        size_t len = 0;
        int64_t on_way = sender->next - sender->acknowledged;

        (void)snprintf(value, sizeof value, "%lld", (long long)sender->next);
        reading.value = sl_bytes_of(value);
        must(sl_sender_reading(sender, &reading, line, sizeof line, &len), "sl_sender_reading");
        must(sl_buffer_add(&sensor->out, (struct sl_bytes){line, len}, BUFFER_MAX), "reading");
        if (on_way > sensor->most_on_way)
            sensor->most_on_way = on_way;
    }
}

static void end_sensor(struct sensor_end *sensor, enum sl_status status)
{
    sensor->refusal = *sl_session_refusal(sensor->session);
    sensor->status = status;
}

/* Everything is acknowledged: goodbye. */
static void part(struct sensor_end *sensor)
{
    enum sl_status status =
        sensor->parting ? sl_session_flush(sensor->session) : sl_session_close(sensor->session);

    sensor->parting = true;
    if (status != SL_WANT_WRITE)
        end_sensor(sensor, status == SL_OK ? SL_CLOSED : status);
}

static void talk(struct sensor_end *sensor)
{
    enum sl_status status;

    if (!sensor->greeted)
        greet(sensor);
    status = hear(sensor);
    if (status == SL_WANT_READ || status == SL_WANT_WRITE) {
        pack(sensor);
        status = write_all(sensor->session, &sensor->out);
        /* What came before the cut counts, as it does in the client. */
        if (status != SL_OK && hear(sensor) == SL_IO)
            status = SL_IO;
    }
    if (status != SL_OK) {
        end_sensor(sensor, status);
        return;
    }
    if (sensor->sender.welcomed && sensor->sender.acknowledged >= sensor->total)
        part(sensor);
}

void sensor_step(struct sensor_end *sensor)
{
    enum sl_status status;

    if (sensor->status != SL_WANT_READ)
        return;
    if (sl_session_established(sensor->session)) {
        talk(sensor);
        return;
    }
    status = sl_session_handshake(sensor->session);
    if (status == SL_OK)
        talk(sensor);
    else if (status != SL_WANT_READ && status != SL_WANT_WRITE)
        end_sensor(sensor, status);
}

void ends_run(struct server_end *server, struct sensor_end *sensor, struct sl_memory_link *link)
{
    int64_t before = -1;

    for (int quiet = 0; quiet < QUIET_ROUNDS;) {
        int64_t now;

        sensor_step(sensor);
        server_step(server);
        now = sl_memory_sent(link, SL_MEMORY_UP) + sl_memory_received(link, SL_MEMORY_UP) +
              sl_memory_sent(link, SL_MEMORY_DOWN) + sl_memory_received(link, SL_MEMORY_DOWN);
        quiet = now == before ? quiet + 1 : 0;
        before = now;
    }
}
