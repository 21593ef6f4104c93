/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_store.c -- makes a store for system tests, through the store itself: make_store FILE, with
 * lines on standard input. After each `commit` it prints "ok", so a test can write while a reader
 * follows.
 *
 *   until SECONDS              when the certificates of the following streams' sensors end
 *   stream SENSOR STREAM       which stream the following lines are of
 *   received SECONDS           the server's clock, as Unix seconds
 *   reading TIME TEXT          TIME is Unix seconds or `-`; TEXT is `name: value[ unit]`
 *   gap FIRST LAST REASON
 *   clock MICROSECONDS         the sensor's clock is so far behind the server's
 *   block                      ends the block: what comes is the next one
 *   commit
 *
 * Exit code 1 and a sentence for anything that goes wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/store.h"
#include "support/test_peer.h"

enum { LINE_SIZE = 1024, WORD_SIZE = 128, BLOCK_LIMIT = 65536 };

struct maker {
    struct sl_store *store;
    struct sl_peer *peer;
    struct sl_store_stream stream;
    struct sl_block block;
    int64_t received_us;
    int64_t until_us; /* 0: late */
    bool open;        /* a transaction is */
};

static void need(struct maker *maker, bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "make_store: %s: %s\n", what,
                  maker->store != NULL ? sl_store_error(maker->store) : "");
    exit(1);
}

static void begin(struct maker *maker)
{
    if (!maker->open)
        need(maker, sl_store_begin(maker->store) == SL_OK, "begin");
    maker->open = true;
}

static void end_block(struct maker *maker)
{
    if (maker->block.count == 0)
        return;
    maker->block.first = maker->stream.last + 1;
    begin(maker);
    need(maker,
         sl_store_append(maker->store, maker->peer, maker->stream.id, maker->received_us,
                         &maker->block, &maker->stream.last) == SL_OK,
         "append");
    sl_block_reset(&maker->block);
}

/* Copies the line's word number `which`, counted from 0. */
static void take_word(struct maker *maker, const char *line, int which, char word[static WORD_SIZE])
{
    const char *at = line;

    for (int i = 0; i < which; i++) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    size_t len = strcspn(at, " ");

    need(maker, len > 0 && len < WORD_SIZE, line);
    memcpy(word, at, len);
    word[len] = '\0';
}

static int64_t take_integer(struct maker *maker, const char *line, int which)
{
    char word[WORD_SIZE];
    char *end = NULL;

    take_word(maker, line, which, word);
    long long number = strtoll(word, &end, 10);

    need(maker, *end == '\0', line);
    return number;
}

static void open_stream(struct maker *maker, const char *line)
{
    char sensor[WORD_SIZE];
    char stream[WORD_SIZE];

    take_word(maker, line, 1, sensor);
    take_word(maker, line, 2, stream);
    end_block(maker);
    begin(maker);
    sl_peer_unref(maker->peer);
    maker->peer =
        maker->until_us == 0 ? sl_test_peer(sensor) : sl_test_peer_until(sensor, maker->until_us);
    need(maker,
         sl_store_stream(maker->store, maker->peer, stream, maker->received_us, &maker->stream) ==
             SL_OK,
         line);
}

static void add_reading(struct maker *maker, const char *line)
{
    struct sl_reading reading = {0};
    enum sl_flaw flaw = SL_FLAW_NONE;
    const char *time = line + strlen("reading ");
    size_t len = strcspn(time, " ");

    need(maker, time[len] == ' ', line);
    need(maker, sl_reading_parse(sl_bytes_of(time + len + 1), &reading, &flaw) == SL_OK, line);
    need(maker, sl_time_parse_unix((struct sl_bytes){time, len}, &reading.time_us) == SL_OK, line);
    enum sl_status status = sl_block_add(&maker->block, &reading, BLOCK_LIMIT);
    if (status == SL_LIMIT) {
        end_block(maker);
        status = sl_block_add(&maker->block, &reading, BLOCK_LIMIT);
    }
    need(maker, status == SL_OK, line);
}

static void add_gap(struct maker *maker, const char *line)
{
    int64_t first = take_integer(maker, line, 1);
    int64_t last = take_integer(maker, line, 2);
    char reason[WORD_SIZE];

    take_word(maker, line, 3, reason);
    end_block(maker);
    begin(maker);
    need(maker,
         sl_store_gap(maker->store, maker->peer, maker->stream.id, maker->received_us, first, last,
                      sl_bytes_of(reason)) == SL_OK,
         line);
    maker->stream.last = last;
}

static void tell_clock(struct maker *maker, const char *line)
{
    begin(maker);
    need(maker,
         sl_store_clock(maker->store, maker->peer, maker->received_us,
                        take_integer(maker, line, 1)) == SL_OK,
         line);
}

static void take_line(struct maker *maker, const char *line)
{
    if (line[0] == '\0')
        return;
    if (strncmp(line, "stream ", 7) == 0) {
        open_stream(maker, line);
    } else if (strncmp(line, "received ", 9) == 0) {
        end_block(maker);
        need(maker, sl_time_parse_unix(sl_bytes_of(line + 9), &maker->received_us) == SL_OK, line);
    } else if (strncmp(line, "reading ", 8) == 0) {
        add_reading(maker, line);
    } else if (strncmp(line, "gap ", 4) == 0) {
        add_gap(maker, line);
    } else if (strncmp(line, "until ", 6) == 0) {
        need(maker, sl_time_parse_unix(sl_bytes_of(line + 6), &maker->until_us) == SL_OK, line);
    } else if (strncmp(line, "clock ", 6) == 0) {
        tell_clock(maker, line);
    } else if (strcmp(line, "block") == 0) {
        end_block(maker);
    } else {
        need(maker, strcmp(line, "commit") == 0, line);
        end_block(maker);
        begin(maker);
        need(maker, sl_store_commit(maker->store) == SL_OK, line);
        maker->open = false;
        (void)puts("ok");
        (void)fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    struct maker maker = {0};
    char line[LINE_SIZE];
    char error[LINE_SIZE] = "usage: make_store FILE";

    if (argc != 2 || sl_store_open_sqlite(argv[1], &maker.store, error, sizeof error) != SL_OK) {
        (void)fprintf(stderr, "make_store: %s\n", error);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        take_line(&maker, line);
    }
    sl_store_close(maker.store);
    sl_block_clear(&maker.block);
    sl_peer_unref(maker.peer);
    return 0;
}
