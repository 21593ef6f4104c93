/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm.c -- thousands of sensors in one process, to see how they come back to a server that
 * restarts.
 *
 *   storm PORT CAFILE CERTIFICATES COUNT PACE
 *
 * Opens COUNT links of libsensorlink to localhost:PORT, one in PACE milliseconds. Sensor i uses
 * CERTIFICATES/storm-<i mod 16>.crt and .key, and has a spool of its own in memory, hence a stream
 * of its own. Each hands over a reading at the start and at each welcome. What happens is told on
 * standard output, a line an event, in milliseconds of the monotonic clock:
 *
 *   MS SENSOR welcome LAST
 *   MS SENSOR ack SEQ
 *   MS SENSOR pause RETRY_MS REFUSED REASON
 *
 * It ends when its standard input does. storm.py starts it and reads the lines.
 *
 * Memory   About 100 KB a sensor.
 * Threads  One.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <time.h>

#include "sensorlink/sensorlink.h"

enum { COUNT_MAX = 20000, CERTIFICATES = 16, PATH_SIZE = 512, DESCRIPTORS_MORE = 64 };

struct sensor {
    struct sl_client *client;
    int number;
    int64_t due_ms; /* step it then, whatever its descriptor says */
};

struct storm {
    struct sensor *sensors;
    struct pollfd *polled; /* one for each sensor, then standard input */
    int count;
};

static int64_t now_ms(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void hand_over(struct sensor *sensor)
{
    enum sl_status status =
        sl_client_submit(sensor->client, INT64_MIN, "storm", sensor->number, NULL, NULL);

    if (status != SL_OK && status != SL_LIMIT)
        (void)fprintf(stderr, "storm: sensor %d: %s\n", sensor->number,
                      sl_client_error(sensor->client));
}

static void on_event(void *ctx, const struct sl_client_event *event)
{
    struct sensor *sensor = ctx;

    if (event->kind == SL_CLIENT_CONNECTED) {
        (void)printf("%" PRId64 " %d welcome %" PRId64 "\n", now_ms(), sensor->number, event->seq);
        hand_over(sensor);
    } else if (event->kind == SL_CLIENT_ACKNOWLEDGED) {
        (void)printf("%" PRId64 " %d ack %" PRId64 "\n", now_ms(), sensor->number, event->seq);
    } else if (event->kind == SL_CLIENT_DISCONNECTED) {
        (void)printf("%" PRId64 " %d pause %" PRId64 " %d %s\n", now_ms(), sensor->number,
                     event->retry_ms, event->refused, event->reason);
    } else {
        (void)printf("%" PRId64 " %d trouble %s\n", now_ms(), sensor->number, event->reason);
    }
}

/* What every one of them would look up, without asking anybody. */
static enum sl_status resolve(void *ctx, const char *host, struct sl_client_addresses *addresses)
{
    (void)ctx;
    (void)host;
    addresses->count = 1;
    (void)snprintf(addresses->at[0], sizeof(addresses->at[0]), "127.0.0.1");
    return SL_OK;
}

static bool open_sensor(struct sensor *sensor, char **argv)
{
    char cert[PATH_SIZE];
    char key[PATH_SIZE];
    char error[SL_CLIENT_ERROR_SIZE] = "";
    struct sl_client_config config = {.host = "localhost",
                                      .port = (uint16_t)strtoul(argv[1], NULL, 10),
                                      .ca_file = argv[2],
                                      .cert_file = cert,
                                      .key_file = key,
                                      .resolve = resolve,
                                      .on_event = on_event,
                                      .ctx = sensor};
    int pair = sensor->number % CERTIFICATES;

    (void)snprintf(cert, sizeof(cert), "%s/storm-%d.crt", argv[3], pair);
    (void)snprintf(key, sizeof(key), "%s/storm-%d.key", argv[3], pair);
    if (sl_spool_open_memory(CERTIFICATES, &config.spool) != SL_OK)
        return false;
    if (sl_client_open(&config, &sensor->client, error, sizeof(error)) != SL_OK) {
        sl_spool_close(config.spool);
        (void)fprintf(stderr, "storm: %s\n", error);
        return false;
    }
    hand_over(sensor);
    return true;
}

static bool open_all(struct storm *storm, char **argv)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)storm->count + DESCRIPTORS_MORE;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    storm->sensors = calloc((size_t)storm->count, sizeof(*storm->sensors));
    storm->polled = calloc((size_t)storm->count + 1, sizeof(*storm->polled));
    if (!storm->sensors || !storm->polled)
        return false;
    for (int i = 0; i < storm->count; i++) {
        storm->sensors[i].number = i;
        storm->sensors[i].due_ms = now_ms() + i * strtol(argv[5], NULL, 10);
        if (!open_sensor(&storm->sensors[i], argv))
            return false;
    }
    return true;
}

/* Fills storm->polled; returns for how long to wait at most. */
static int prepare(struct storm *storm)
{
    int64_t now = now_ms();
    int64_t wait_ms = 1000;

    for (int i = 0; i < storm->count; i++) {
        struct sensor *sensor = &storm->sensors[i];
        int wants = sl_client_wants(sensor->client);
        int64_t left_ms = sensor->due_ms - now;

        storm->polled[i].fd = sl_client_fd(sensor->client);
        storm->polled[i].events = (short)((wants & SL_CLIENT_READABLE ? POLLIN : 0) |
                                          (wants & SL_CLIENT_WRITABLE ? POLLOUT : 0));
        storm->polled[i].revents = 0;
        if (left_ms < wait_ms)
            wait_ms = left_ms < 0 ? 0 : left_ms;
    }
    storm->polled[storm->count] = (struct pollfd){.fd = 0, .events = POLLIN};
    return (int)wait_ms;
}

/* One turn for everybody who can do something. False when it is time to leave. */
static bool turn(struct storm *storm)
{
    int wait_ms = prepare(storm);

    if (poll(storm->polled, (nfds_t)storm->count + 1, wait_ms) < 0)
        return false;
    for (int i = 0; i < storm->count; i++) {
        struct sensor *sensor = &storm->sensors[i];

        if (storm->polled[i].revents == 0 && now_ms() < sensor->due_ms)
            continue;
        if (sl_client_step(sensor->client) != SL_OK)
            (void)fprintf(stderr, "storm: sensor %d: %s\n", i, sl_client_error(sensor->client));
        sensor->due_ms = now_ms() + sl_client_deadline_ms(sensor->client);
    }
    (void)fflush(stdout);
    return storm->polled[storm->count].revents == 0;
}

int main(int argc, char **argv)
{
    struct storm storm = {NULL, NULL, argc == 6 ? (int)strtol(argv[4], NULL, 10) : 0};

    if (storm.count < 1 || storm.count > COUNT_MAX) {
        (void)fprintf(stderr, "usage: storm PORT CAFILE CERTIFICATES COUNT PACE\n");
        return EX_USAGE;
    }
    bool opened = open_all(&storm, argv);
    if (opened) {
        (void)printf("%" PRId64 " -1 begin\n", now_ms());
        bool more = true;
        while (more)
            more = turn(&storm);
    }
    for (int i = 0; storm.sensors && i < storm.count; i++)
        sl_client_close(storm.sensors[i].client);
    free(storm.sensors);
    free(storm.polled);
    return opened ? EX_OK : EX_SOFTWARE;
}
