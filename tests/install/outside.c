/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outside.c -- a sensor of its own, built against the installed library and nothing else.
 *
 *   outside HOST PORT CA CERT KEY    logs three readings and ends when the server has them
 *
 * It is the smallest honest user of the library: one descriptor, one deadline, poll().
 */
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sensorlink/sensorlink.h>

enum { READINGS = 3, PATIENCE_S = 30 };

static void report(void *ctx, const struct sl_client_event *event)
{
    (void)ctx;
    if (event->kind == SL_CLIENT_CONNECTED)
        printf("connected as %s with %s\n", event->name, event->protocol);
    else if (event->kind == SL_CLIENT_ACKNOWLEDGED)
        printf("on the server's disk: %" PRId64 "\n", event->seq);
    else
        printf("%s: %s\n", event->reason, event->text);
}

static int submit_readings(struct sl_client *client)
{
    for (int i = 0; i < READINGS; i++) {
        enum sl_status status =
            sl_client_submit(client, INT64_MIN, "temperature", 20.5 + i, "Cel", NULL);

        if (status != SL_OK) {
            fprintf(stderr, "%s: %s\n", sl_status_name(status), sl_client_error(client));
            return 0;
        }
    }
    return 1;
}

/* Waits for what the client asks for, a second at most. */
static void wait_for(const struct sl_client *client)
{
    int wants = sl_client_wants(client);
    int64_t deadline_ms = sl_client_deadline_ms(client);
    struct pollfd item = {.fd = sl_client_fd(client)};

    if (wants & SL_CLIENT_READABLE)
        item.events |= POLLIN;
    if (wants & SL_CLIENT_WRITABLE)
        item.events |= POLLOUT;
    (void)poll(&item, 1, deadline_ms < 1000 ? (int)deadline_ms : 1000);
}

static int deliver(struct sl_client *client)
{
    struct sl_client_progress progress = {0};
    time_t end = time(NULL) + PATIENCE_S;

    while (progress.acknowledged < READINGS) {
        if (time(NULL) > end) {
            fprintf(stderr, "no acknowledgement in %d seconds: %s\n", PATIENCE_S,
                    sl_client_error(client));
            return 0;
        }
        if (sl_client_step(client) != SL_OK) {
            fprintf(stderr, "%s\n", sl_client_error(client));
            return 0;
        }
        sl_client_progress(client, &progress);
        if (progress.acknowledged < READINGS)
            wait_for(client);
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct sl_client_config config = {.on_event = report};
    struct sl_client *client = NULL;
    char error[512] = "";
    char version[128];
    int ok;

    printf("%s\n", sl_client_version(version, sizeof version));
    if (argc != 6) {
        fprintf(stderr, "usage: %s HOST PORT CA CERT KEY\n", argv[0]);
        return EXIT_FAILURE;
    }
    config.host = argv[1];
    config.port = (uint16_t)strtoul(argv[2], NULL, 10);
    config.ca_file = argv[3];
    config.cert_file = argv[4];
    config.key_file = argv[5];
    if (sl_client_open(&config, &client, error, sizeof(error)) != SL_OK) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FAILURE;
    }
    ok = submit_readings(client) && deliver(client);
    sl_client_close(client);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
