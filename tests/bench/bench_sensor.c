/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_sensor.c -- the least program that is a sensor: libsensorlink, readings in memory.
 *
 *   bench_sensor PORT CAFILE CERT KEY
 *
 * Logs a reading at localhost's PORT where nothing else happens for half a second, until its
 * standard input ends. What it weighs and how much memory it has is what the library costs.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <sensorlink/sensorlink.h>

enum { STEP_MS = 500 };

enum turn { TURN_STEP, TURN_READING, TURN_END };

/* Waits for what the client asks for; where nothing came, it's time for a reading. */
static enum turn wait_for(const struct sl_client *client)
{
    int wants = sl_client_wants(client);
    int64_t deadline_ms = sl_client_deadline_ms(client);
    struct pollfd items[] = {{.fd = sl_client_fd(client)}, {.fd = 0, .events = POLLIN}};
    int came;

    if (wants & SL_CLIENT_READABLE)
        items[0].events |= POLLIN;
    if (wants & SL_CLIENT_WRITABLE)
        items[0].events |= POLLOUT;
    came = poll(items, 2, deadline_ms < STEP_MS ? (int)deadline_ms : STEP_MS);
    if (items[1].revents)
        return TURN_END;
    return came == 0 && deadline_ms >= STEP_MS ? TURN_READING : TURN_STEP;
}

int main(int argc, char **argv)
{
    struct sl_client_config config = {.host = "localhost"};
    struct sl_client *client = NULL;
    enum turn turn = TURN_READING;
    char error[SL_CLIENT_ERROR_SIZE] = "";

    if (argc != 5)
        return EXIT_FAILURE;
    config.port = (uint16_t)strtoul(argv[1], NULL, 10);
    config.ca_file = argv[2];
    config.cert_file = argv[3];
    config.key_file = argv[4];
    if (sl_client_open(&config, &client, error, sizeof(error)) != SL_OK) {
        (void)fprintf(stderr, "%s\n", error);
        return EXIT_FAILURE;
    }
    while (turn != TURN_END) {
        if (turn == TURN_READING &&
            sl_client_submit(client, INT64_MIN, "temperature", 20.5, "Cel", NULL) != SL_OK)
            break;
        if (sl_client_step(client) != SL_OK)
            break;
        turn = wait_for(client);
    }
    sl_client_close(client);
    return EXIT_SUCCESS;
}
