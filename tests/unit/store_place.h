/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_place.h -- what the tests of the store share: a folder for each test, peers, and blocks
 * made of readings as a sensor would write them.
 */
#ifndef SL_TESTS_STORE_PLACE_H
#define SL_TESTS_STORE_PLACE_H

#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"
#include "support/test_peer.h"

enum { PATH_SIZE = 128, ERROR_SIZE = 512, BLOCK_LIMIT = 65536 };

#define STREAM_A "0123456789abcdef0123456789abcdef"
#define STREAM_B "ffffffffffffffffffffffffffffffff"
#define NOON INT64_C(1764000000000000)
#define SECOND INT64_C(1000000)

/* A folder of its own for each test, with the store's path in it, and two sensors. */
struct place {
    char folder[PATH_SIZE];
    char path[PATH_SIZE + 16];
    struct sl_store *store;
    struct sl_peer *attic;
    struct sl_peer *cellar;
};

static inline int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *root = getenv("TMPDIR");

    assert_non_null(place);
    (void)snprintf(place->folder, sizeof place->folder, "%s/sl-store-XXXXXX", root ? root : "/tmp");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->path, sizeof place->path, "%s/readings.db", place->folder);
    place->attic = sl_test_peer("attic");
    place->cellar = sl_test_peer("cellar");
    *state = place;
    return 0;
}

static inline int clear_place(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal", ".lock"};
    struct place *place = *state;

    sl_store_close(place->store);
    sl_peer_unref(place->attic);
    sl_peer_unref(place->cellar);
    for (size_t i = 0; i < COUNT(endings); i++) {
        char name[PATH_SIZE + 32];

        (void)snprintf(name, sizeof name, "%s%s", place->path, endings[i]);
        (void)unlink(name);
    }
    int failed = rmdir(place->folder);

    free(place);
    return failed;
}

static inline void open_file(struct place *place)
{
    char error[ERROR_SIZE] = "";
    enum sl_status status = sl_store_open_sqlite(place->path, &place->store, error, sizeof error);

    if (status != SL_OK)
        fail_msg("sl_store_open_sqlite: %s: %s", sl_status_name(status), error);
    assert_non_null(place->store);
}

static inline void close_file(struct place *place)
{
    sl_store_close(place->store);
    place->store = NULL;
}

/* Each test of the contract runs with a file and with a store in memory. */
static inline int make_file(void **state)
{
    int failed = make_place(state);

    open_file(*state);
    return failed;
}

static inline int make_memory(void **state)
{
    int failed = make_place(state);
    struct place *place = *state;

    assert_int_equal(sl_store_open_memory(&place->store), SL_OK);
    return failed;
}

#define OF_SENSORS(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)
#define ON_BOTH(test)                                                                              \
    {#test " (file)", test, make_file, clear_place, NULL},                                         \
    {                                                                                              \
#test " (memory)", test, make_memory, clear_place, NULL                                    \
    }

static inline void begin(struct sl_store *store)
{
    assert_int_equal(sl_store_begin(store), SL_OK);
}

static inline void commit(struct sl_store *store)
{
    assert_int_equal(sl_store_commit(store), SL_OK);
}

static inline struct sl_store_stream open_stream(struct sl_store *store, const struct sl_peer *peer,
                                                 const char *stream)
{
    struct sl_store_stream found = {0};

    assert_int_equal(sl_store_stream(store, peer, stream, NOON, &found), SL_OK);
    return found;
}

/* Adds `text`, taken at `time_us`, to a block. */
static inline void add(struct sl_block *block, int64_t time_us, const char *text)
{
    struct sl_reading reading = {0};
    enum sl_flaw flaw = SL_FLAW_NONE;

    assert_int_equal(sl_reading_parse(sl_bytes_of(text), &reading, &flaw), SL_OK);
    reading.time_us = time_us;
    assert_int_equal(sl_block_add(block, &reading, BLOCK_LIMIT), SL_OK);
}

/* Appends `count` readings `n: <number>` from number `first` on; 0 lets the store number them. */
static inline enum sl_status append(struct sl_store *store, const struct sl_peer *peer,
                                    int64_t stream, int64_t received_us, int64_t first,
                                    int64_t count, int64_t *last)
{
    struct sl_block block = {.first = first};

    for (int64_t i = 0; i < count; i++) {
        char text[32];
        long long number = first + i;

        (void)snprintf(text, sizeof text, "n: %lld", number);
        add(&block, received_us - SECOND, text);
    }

    enum sl_status status = sl_store_append(store, peer, stream, received_us, &block, last);

    sl_block_clear(&block);
    return status;
}

/* The same, which has to work, in a transaction of its own. */
static inline int64_t put(struct sl_store *store, const struct sl_peer *peer, const char *stream,
                          int64_t received_us, int64_t count)
{
    int64_t last = 0;

    begin(store);

    struct sl_store_stream found = open_stream(store, peer, stream);

    assert_int_equal(append(store, peer, found.id, received_us, found.last + 1, count, &last),
                     SL_OK);
    commit(store);
    return last;
}

/* What the stream's last is, in a transaction of its own. */
static inline int64_t last_of(struct sl_store *store, const struct sl_peer *peer,
                              const char *stream)
{
    begin(store);

    struct sl_store_stream found = open_stream(store, peer, stream);

    commit(store);
    return found.last;
}

#endif
