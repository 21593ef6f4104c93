/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stages.c -- what each stage of a reading's way costs the server's worker: processor time in one
 * thread, without sockets and without the store.
 *
 *   bench_stages FOLDER SENSOR [ROUNDS]
 *
 * FOLDER holds ca.crt, server.crt and server.key; SENSOR.crt and SENSOR.key are the sensor's, from
 * there on. Prints one JSON object: for each stage the median and the least of ROUNDS rounds, in
 * nanoseconds a reading.
 *
 *   frame      bytes -> lines
 *   receiver   bytes -> lines -> readings -> steps
 *   batch      readings -> a batch's blocks
 *   tls-N      records of N lines -> bytes
 *   intake-N   all of that as the worker does it, with the acknowledgement: one for each batch, and
 *              a batch is what came together, READ_RECORDS records
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "server/farewell.h"
#include "server/intake.h"
#include "server/memory.h"
#include "tls/admission.h"

enum {
    LINES = 20000,      /* a round's readings */
    ROUNDS_MAX = 100,   /* that are kept */
    READ_RECORDS = 4,   /* that lie in the socket when the worker reads */
    RECORD_MAX = 16000, /* bytes in a record of the sensor's */
    PATH_SIZE = 512
};

#define FIRST_US INT64_C(1764000000000000)
#define STREAM "0123456789abcdef0123456789abcdef"

/* One direction of a link in memory; what was read goes when all of it was. */
struct pipe {
    struct sl_buffer bytes;
    size_t at;
};

struct side {
    struct pipe *in, *out;
};

struct bench {
    struct sl_buffer lines; /* of one round */
    struct sl_reading *readings;
    struct pipe up, down;
    struct side sensor_side, server_side;
    struct sl_trust *sensor_trust, *server_trust;
    struct sl_session *sensor;
    struct sl_shared shared;
    struct sl_batch_spares spares;
    struct sl_connection connection; /* the server's; it isn't watched by any loop */
    int lines_a_record;
};

/* A bench without memory or certificates ends. */
static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "bench_stages: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- a link in memory */

static enum sl_status pipe_receive(void *ctx, void *bytes, size_t cap, size_t *len)
{
    struct pipe *pipe = ((struct side *)ctx)->in;
    size_t rest = pipe->bytes.len - pipe->at;

    if (rest == 0)
        return SL_WANT_READ;
    *len = cap < rest ? cap : rest;
    memcpy(bytes, pipe->bytes.at + pipe->at, *len);
    pipe->at += *len;
    if (*len == rest)
        pipe->at = pipe->bytes.len = 0;
    return SL_OK;
}

static enum sl_status pipe_send(void *ctx, const void *bytes, size_t len, size_t *sent)
{
    struct pipe *pipe = ((struct side *)ctx)->out;

    *sent = len;
    return sl_buffer_add(&pipe->bytes, (struct sl_bytes){bytes, len}, SIZE_MAX / 2);
}

static struct sl_transport transport(struct side *side)
{
    return (struct sl_transport){.ctx = side, .receive = pipe_receive, .send = pipe_send};
}

static struct sl_trust *load(enum sl_role role, const char *folder, const char *name)
{
    char ca[PATH_SIZE], cert[PATH_SIZE], key[PATH_SIZE], error[PATH_SIZE] = "";
    struct sl_trust_files files = {.ca = ca, .cert = cert, .key = key};
    struct sl_trust *trust = NULL;

    (void)snprintf(ca, sizeof ca, "%s/ca.crt", folder);
    (void)snprintf(cert, sizeof cert, "%s/%s.crt", folder, name);
    (void)snprintf(key, sizeof key, "%s/%s.key", folder, name);
    must(sl_trust_load(role, &files, &trust, error, sizeof error) == SL_OK, error);
    return trust;
}

/* Both ends, after their handshake and the admission. */
static void connect_ends(struct bench *bench)
{
    struct sl_connection *connection = &bench->connection;
    struct sl_refusal refusal = {0};
    enum sl_status sensor = SL_WANT_READ, server = SL_WANT_READ;

    must(sl_session_new_client(bench->sensor_trust, transport(&bench->sensor_side), "localhost",
                               &bench->sensor) == SL_OK &&
             sl_session_new_server(bench->server_trust, transport(&bench->server_side), 65536,
                                   &connection->session) == SL_OK,
         "no session");
    while (sensor == SL_WANT_READ || server == SL_WANT_READ) {
        if (sensor == SL_WANT_READ)
            sensor = sl_session_handshake(bench->sensor);
        if (server == SL_WANT_READ)
            server = sl_session_handshake(connection->session);
    }
    must(sensor == SL_OK, sl_session_refusal(bench->sensor)->facts);
    must(server == SL_OK, sl_session_refusal(connection->session)->facts);
    must(sl_admission_decide(connection->session, bench->server_trust, sl_clock_wall_us(),
                             &connection->peer, &refusal) == SL_OK,
         refusal.facts);
    connection->shared = &bench->shared;
    connection->spares = &bench->spares;
    connection->state = SL_CONNECTION_READING;
    sl_receiver_init(&connection->receiver, true, 0);
}

/* --- the stages; each gives the time that a round of LINES readings took */

static void open_receiver(struct sl_receiver *receiver)
{
    struct sl_receiver_step step;
    size_t taken, len = 0;
    char line[SL_LINE_MAX];

    sl_receiver_init(receiver, true, 0);
    sl_receiver_next(receiver, sl_bytes_of("stream " STREAM "\n"), &taken, &step);
    must(step.kind == SL_STEP_STREAM && sl_receiver_opened(receiver, 0, FIRST_US, sl_bytes_of("s"),
                                                           line, sizeof line, &len) == SL_OK,
         "the stream didn't open");
}

static int64_t run_frame(struct bench *bench)
{
    struct sl_frame frame;
    struct sl_bytes rest = {bench->lines.at, bench->lines.len};
    struct sl_bytes line;
    size_t taken;
    int count = 0;
    int64_t begin = cpu_ns();

    sl_frame_init(&frame, 0);
    while (sl_frame_push(&frame, rest, &taken, &line) == SL_OK) {
        rest.at += taken;
        rest.len -= taken;
        count++;
    }
    begin = cpu_ns() - begin;
    must(count == LINES, "lines are missing");
    return begin;
}

static int64_t run_receiver(struct bench *bench)
{
    struct sl_receiver receiver;
    struct sl_receiver_step step;
    struct sl_bytes rest = {bench->lines.at, bench->lines.len};
    size_t taken;
    int64_t begin;

    open_receiver(&receiver);
    begin = cpu_ns();
    do {
        sl_receiver_next(&receiver, rest, &taken, &step);
        rest.at += taken;
        rest.len -= taken;
    } while (step.kind == SL_STEP_READING);
    begin = cpu_ns() - begin;
    must(receiver.received == LINES, "readings are missing");
    return begin;
}

static int64_t run_batch(struct bench *bench)
{
    struct sl_batch *batch = NULL;
    int64_t begin = cpu_ns();

    for (int64_t seq = 1; seq <= LINES; seq++) {
        if (batch == NULL) {
            must(sl_batch_new(bench->connection.peer, &batch) == SL_OK, "no memory");
            batch->spares = &bench->spares;
        }
        must(sl_batch_reading(batch, seq, &bench->readings[seq - 1]) == SL_OK, "no memory");
        if (sl_batch_full(batch)) {
            sl_batch_free(batch);
            batch = NULL;
        }
    }
    sl_batch_free(batch);
    return cpu_ns() - begin;
}

/* The sensor sends the next READ_RECORDS records; false where the lines are all sent. */
static bool send_records(struct bench *bench, size_t *at)
{
    for (int records = 0; records < READ_RECORDS && *at < bench->lines.len; records++) {
        struct sl_bytes record = {bench->lines.at + *at, 0};
        size_t taken;

        for (int lines = 0; lines < bench->lines_a_record && *at < bench->lines.len; lines++) {
            const char *end = memchr(bench->lines.at + *at, '\n', bench->lines.len - *at);

            *at = (size_t)(end + 1 - bench->lines.at);
        }
        record.len = (size_t)(bench->lines.at + *at - record.at);
        must(record.len <= RECORD_MAX && sl_session_write(bench->sensor, record, &taken) == SL_OK &&
                 taken == record.len && sl_session_flush(bench->sensor) == SL_OK,
             "the sensor can't send");
    }
    return *at < bench->lines.len;
}

static int64_t run_tls(struct bench *bench)
{
    char bytes[SL_SESSION_RECORD_MAX];
    int64_t spent = 0;
    size_t at = 0, got = 0;
    bool more;

    do {
        size_t len = 0;
        enum sl_status status;
        int64_t begin;

        more = send_records(bench, &at);
        begin = cpu_ns();
        while ((status = sl_session_read(bench->connection.session, bytes, sizeof bytes, &len)) ==
               SL_OK)
            got += len;
        spent += cpu_ns() - begin;
        must(status == SL_WANT_READ, "the server can't read");
    } while (more);
    must(got == bench->lines.len, "bytes are missing");
    return spent;
}

/* What the committer would do, but for storing, and then the answer. */
static void answer(struct sl_connection *connection)
{
    struct sl_batch *batch = connection->filling;

    connection->filling = NULL;
    batch->status = SL_OK;
    sl_intake_answer(connection, batch);
    (void)!sl_farewell_send(connection);
}

static int64_t run_intake(struct bench *bench)
{
    struct sl_connection *connection = &bench->connection;
    char bytes[SL_SESSION_RECORD_MAX];
    int64_t spent = 0;
    size_t at = 0, len;
    bool more;

    open_receiver(&connection->receiver);
    do {
        int64_t begin;
        enum sl_status status;

        more = send_records(bench, &at);
        begin = cpu_ns();
        do
            status = sl_intake_read(connection);
        while (status == SL_OK);
        answer(connection);
        spent += cpu_ns() - begin;
        must(status == SL_WANT_READ, "the intake stopped");
        while (sl_session_read(bench->sensor, bytes, sizeof bytes, &len) == SL_OK)
            continue;
    } while (more);
    must(connection->receiver.acknowledged == LINES, "acknowledgements are missing");
    return spent;
}

/* --- */

/* Lines as sensors send them: several quantities in turn, half of them with a unit. */
static void make_lines(struct bench *bench)
{
    static const struct {
        const char *name, *unit;
        int whole;
    } kinds[] = {{"temperature", "Cel", 21}, {"humidity", "%RH", 48}, {"battery", "", 3},
                 {"pressure", "hPa", 1013},  {"co2", "", 612},        {"wind-speed", "m/s", 4},
                 {"door.open", "", 0},       {"power_in", "W", 230}};

    bench->readings = calloc(LINES, sizeof *bench->readings);
    must(bench->readings != NULL, "no memory");
    for (int i = 0; i < LINES; i++) {
        size_t kind = (size_t)i % (sizeof kinds / sizeof kinds[0]);

        must(sl_buffer_print(&bench->lines, SIZE_MAX / 2, "%d %lld.%d %s: %d.%d%s%s\n", i + 1,
                             (long long)(FIRST_US / 1000000 + i / 10), i % 10, kinds[kind].name,
                             kinds[kind].whole, i * 7 % 100, kinds[kind].unit[0] ? " " : "",
                             kinds[kind].unit) == SL_OK,
             "no memory");
    }
}

/* The same as readings, which point into the lines. */
static void parse_lines(struct bench *bench)
{
    const char *at = bench->lines.at;

    for (int i = 0; i < LINES; i++) {
        const char *end = strchr(at, '\n');
        struct sl_message message;

        must(sl_message_parse_from_sensor((struct sl_bytes){at, (size_t)(end - at)}, &message) ==
                     SL_OK &&
                 message.flaw == SL_FLAW_NONE,
             "a line of its own is refused");
        bench->readings[i] = message.reading;
        at = end + 1;
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static void measure(struct bench *bench, const char *name, int rounds,
                    int64_t (*run)(struct bench *bench), const char *after)
{
    double ns[ROUNDS_MAX] = {0};

    (void)run(bench); /* warms caches and allocations */
    for (int i = 0; i < rounds; i++)
        ns[i] = (double)run(bench) / (double)LINES;
    qsort(ns, (size_t)rounds, sizeof ns[0], compare);
    (void)printf("\"%s\": {\"median\": %.1f, \"least\": %.1f}%s\n", name, ns[rounds / 2], ns[0],
                 after);
}

int main(int argc, char **argv)
{
    static const int lines_a_record[] = {1, 20, 200};
    static struct bench bench;
    int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 21;

    must(argc >= 3 && rounds >= 1 && rounds <= ROUNDS_MAX,
         "usage: bench_stages FOLDER SENSOR [ROUNDS, 1 to 100]");
    sl_memory_prepare();
    make_lines(&bench);
    parse_lines(&bench);
    bench.sensor_trust = load(SL_ROLE_SENSOR, argv[1], argv[2]);
    bench.server_trust = load(SL_ROLE_SERVER, argv[1], "server");
    bench.sensor_side = (struct side){&bench.down, &bench.up};
    bench.server_side = (struct side){&bench.up, &bench.down};
    connect_ends(&bench);

    (void)printf("{\"suite\": \"%s %s\",\n\"bytes\": %.1f,\n", sl_session_protocol(bench.sensor),
                 sl_session_suite(bench.sensor), (double)bench.lines.len / (double)LINES);
    measure(&bench, "frame", rounds, run_frame, ",");
    measure(&bench, "receiver", rounds, run_receiver, ",");
    measure(&bench, "batch", rounds, run_batch, ",");
    for (int i = 0; i < 3; i++) {
        char name[32];

        bench.lines_a_record = lines_a_record[i];
        (void)snprintf(name, sizeof name, "tls-%d", lines_a_record[i]);
        measure(&bench, name, rounds, run_tls, ",");
        (void)snprintf(name, sizeof name, "intake-%d", lines_a_record[i]);
        measure(&bench, name, rounds, run_intake, i < 2 ? "," : "}");
    }
    return EXIT_SUCCESS;
}
