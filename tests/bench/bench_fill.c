/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_fill.c -- makes a large store, through the store itself, as fast as that goes:
 *
 *   bench_fill FILE SENSORS READINGS BLOCK INTERVAL END
 *
 * READINGS in all, of SENSORS sensors `sensor-0`, `sensor-1`, ... that each measured a temperature
 * every INTERVAL seconds until END (Unix seconds) and sent BLOCK readings at a time, in turn. So
 * what one sensor sent lies as far apart in the file as it does after a day of a server's life.
 *
 * Exit code 1 and a sentence for anything that goes wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "store/store.h"
#include "support/test_peer.h"

enum { SECOND_US = 1000000, COMMIT_BLOCKS = 20000, BLOCK_LIMIT = 65536, NUMBERS = 5 };

struct sensor {
    struct sl_peer *peer;
    struct sl_store_stream stream;
};

struct filler {
    struct sl_store *store;
    struct sensor *sensors;
    int64_t count; /* of sensors */
    int64_t readings;
    int64_t per_block;
    int64_t interval_us;
    int64_t begin_us;
    struct sl_block block;
    int64_t uncommitted;
};

static void need(const struct filler *filler, bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_fill: %s: %s\n", what,
                  filler->store != NULL ? sl_store_error(filler->store) : "");
    exit(1);
}

static void open_streams(struct filler *filler)
{
    need(filler, sl_store_begin(filler->store) == SL_OK, "begin");
    for (int64_t i = 0; i < filler->count; i++) {
        struct sensor *sensor = &filler->sensors[i];
        char name[32];
        char stream[33];

        (void)snprintf(name, sizeof name, "sensor-%" PRId64, i);
        (void)snprintf(stream, sizeof stream, "%032" PRIx64, (uint64_t)i);
        sensor->peer = sl_test_peer(name);
        need(filler,
             sl_store_stream(filler->store, sensor->peer, stream, filler->begin_us,
                             &sensor->stream) == SL_OK,
             "stream");
    }
}

/* Reading number `index` of a sensor: a day's curve with some noise, at a time of its own. */
static void add_reading(struct filler *filler, int64_t sensor, int64_t index)
{
    int64_t shift_us = sensor * filler->interval_us / filler->count;
    int64_t noise = (index * 7919 + sensor * 104729) % 97;
    int64_t hundredths = 1500 + index % 864 + noise;
    char text[64];
    struct sl_reading reading = {0};
    enum sl_flaw flaw = SL_FLAW_NONE;

    (void)snprintf(text, sizeof text, "temperature: %" PRId64 ".%02" PRId64 " Cel",
                   hundredths / 100, hundredths % 100);
    need(filler, sl_reading_parse(sl_bytes_of(text), &reading, &flaw) == SL_OK, text);
    reading.time_us = filler->begin_us + index * filler->interval_us + shift_us + noise;
    need(filler, sl_block_add(&filler->block, &reading, BLOCK_LIMIT) == SL_OK, "block");
}

static void append_block(struct filler *filler, int64_t which, int64_t first)
{
    struct sensor *sensor = &filler->sensors[which];

    sl_block_reset(&filler->block);
    for (int64_t i = 0; i < filler->per_block; i++)
        add_reading(filler, which, first + i);
    filler->block.first = sensor->stream.last + 1;
    need(filler,
         sl_store_append(filler->store, sensor->peer, sensor->stream.id,
                         filler->block.newest_us + SECOND_US / 100, &filler->block,
                         &sensor->stream.last) == SL_OK,
         "append");
    if (++filler->uncommitted < COMMIT_BLOCKS)
        return;
    need(filler, sl_store_commit(filler->store) == SL_OK, "commit");
    need(filler, sl_store_begin(filler->store) == SL_OK, "begin");
    filler->uncommitted = 0;
}

static void fill(struct filler *filler)
{
    int64_t each = filler->readings / filler->count;

    open_streams(filler);
    for (int64_t first = 0; first + filler->per_block <= each; first += filler->per_block)
        for (int64_t i = 0; i < filler->count; i++)
            append_block(filler, i, first);
    need(filler, sl_store_commit(filler->store) == SL_OK, "commit");
}

int main(int argc, char **argv)
{
    struct filler filler = {0};
    char error[512] = "usage: bench_fill FILE SENSORS READINGS BLOCK INTERVAL END";
    int64_t numbers[NUMBERS] = {0};
    bool good = argc == NUMBERS + 2;

    for (int i = 0; i < NUMBERS && good; i++) {
        numbers[i] = strtoll(argv[i + 2], NULL, 10);
        good = numbers[i] > 0;
    }
    if (!good || sl_store_open_sqlite(argv[1], &filler.store, error, sizeof error) != SL_OK) {
        (void)fprintf(stderr, "bench_fill: %s\n", error);
        return 1;
    }
    filler.count = numbers[0];
    filler.readings = numbers[1];
    filler.per_block = numbers[2];
    filler.interval_us = numbers[3] * SECOND_US;
    filler.begin_us = numbers[4] * SECOND_US - filler.readings / filler.count * filler.interval_us;
    filler.sensors = calloc((size_t)filler.count, sizeof *filler.sensors);
    need(&filler, filler.sensors != NULL, "no memory");
    fill(&filler);
    for (int64_t i = 0; i < filler.count; i++)
        sl_peer_unref(filler.sensors[i].peer);
    free(filler.sensors);
    sl_block_clear(&filler.block);
    sl_store_close(filler.store);
    return 0;
}
