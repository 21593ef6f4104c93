/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_power_store.c -- the store when the power goes: at every write of a scripted run, several
 * times with other remains, and in every other run again while it recovers.
 *
 * What has to be there afterwards is exact: the streams as they were after the last commit that
 * said SL_OK, or after the one under way, every number once and with its own reading. Two tests
 * show that the check can fail: with a disk whose syncs lie, and with a store that doesn't sync.
 *
 * SENSORLINK_POWER_SEEDS  how many runs for each cut point (3)
 * SENSORLINK_POWER_SEED   the first one's seed (1)
 */
#include "store_place.h"
#include "store_version_1.h"

#include <inttypes.h>

#include "store/reader.h"
#include "store/sqlite.h"
#include "support/forgetful_vfs.h"

enum {
    COMMITS = 12,
    NUMBERS_MAX = 400,
    CHECKPOINT_PAGES = 8, /* so that some come in the middle */
    CUTS_MAX = 2000       /* the run has fewer writes */
};

enum { ATTIC, CELLAR, STREAMS };

/* One run: the streams' last numbers after each commit, and how many commits said SL_OK. */
struct story {
    int committed;
    int64_t last[COMMITS + 2][STREAMS];
};

struct scene {
    struct place *place;
    struct sl_forgetful *disk;
    bool unsynced; /* PRAGMA synchronous = OFF */
    bool lies;     /* the disk's syncs do nothing */
    bool old;      /* the script begins with a store of version 1 */
};

static const char *const names[STREAMS] = {STREAM_A, STREAM_B};

/* Numbers that the script declares a gap; the others are readings. */
static bool is_gap(int64_t seq)
{
    return seq % 17 == 0;
}

static enum sl_status open_here(const struct scene *scene, struct sl_store **store)
{
    char error[ERROR_SIZE];
    enum sl_status status = sl_store_open_sqlite(scene->place->path, store, error, sizeof error);

    if (status != SL_OK)
        return status;

    struct sl_sqlite_store *self = (struct sl_sqlite_store *)*store;

    self->checkpointer.pages = self->checkpointer.next = CHECKPOINT_PAGES;
    if (scene->unsynced)
        (void)sqlite3_exec(self->db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    return SL_OK;
}

static const struct sl_peer *peer_of(const struct scene *scene, int stream)
{
    return stream == ATTIC ? scene->place->attic : scene->place->cellar;
}

/* Appends readings from last + 1 on, up to the next gap at most, or that gap. */
static enum sl_status append_some(const struct scene *scene, struct sl_store *store, int stream,
                                  int64_t id, int64_t received_us, int64_t *last)
{
    const struct sl_peer *peer = peer_of(scene, stream);
    int64_t first = *last + 1;
    int64_t count = 0;

    if (is_gap(first)) {
        enum sl_status status =
            sl_store_gap(store, peer, id, received_us, first, first, sl_bytes_of("spool-full"));

        *last += status == SL_OK;
        return status;
    }
    while (count < 9 && !is_gap(first + count))
        count++;
    return append(store, peer, id, received_us, first, count, last);
}

/* One transaction; `last` is what the streams are after it, if it is committed. */
static enum sl_status transact(const struct scene *scene, struct sl_store *store, int turn,
                               int64_t last[STREAMS])
{
    int64_t received_us = NOON + turn * SECOND;
    enum sl_status status = sl_store_begin(store);

    for (int stream = ATTIC; stream < STREAMS && status == SL_OK; stream++) {
        struct sl_store_stream found;

        if (stream == CELLAR && turn % 3 != 0)
            continue;
        status = sl_store_stream(store, peer_of(scene, stream), names[stream], received_us, &found);
        for (int i = 0; i < 1 + turn % 4 && status == SL_OK; i++)
            status = append_some(scene, store, stream, found.id, received_us, &last[stream]);
    }
    if (status == SL_OK)
        return sl_store_commit(store);
    sl_store_rollback(store);
    return status;
}

/* The script. It ends with the power, or by itself. */
static void play(const struct scene *scene, struct story *story)
{
    struct sl_store *store = NULL;

    *story = (struct story){0};
    if (scene->old)
        story->last[0][ATTIC] = story->last[1][ATTIC] = VERSION_1_LAST;
    if (open_here(scene, &store) != SL_OK)
        return;
    for (int turn = 0; turn < COMMITS; turn++) {
        memcpy(story->last[turn + 1], story->last[turn], sizeof story->last[turn]);
        if (transact(scene, store, turn, story->last[turn + 1]) != SL_OK)
            break;
        story->committed++;
    }
    memcpy(story->last[COMMITS + 1], story->last[COMMITS], sizeof story->last[COMMITS]);
    sl_store_close(store);
}

/* --- what is there afterwards --- */

struct found {
    int64_t last[STREAMS];
    bool seen[STREAMS][NUMBERS_MAX];
    int64_t received_us;
    const char *wrong;
};

static int stream_of(struct sl_bytes stream)
{
    return sl_bytes_equal(stream, sl_bytes_of(STREAM_A)) ? ATTIC : CELLAR;
}

static enum sl_status see(struct found *found, struct sl_bytes stream, int64_t seq)
{
    int which = stream_of(stream);

    if (seq < 1 || seq >= NUMBERS_MAX || found->seen[which][seq])
        found->wrong = "a number is there twice";
    else
        found->seen[which][seq] = true;
    return SL_OK;
}

static enum sl_status take_reading(void *ctx, const struct sl_logged *logged)
{
    struct found *found = ctx;
    char value[32];

    (void)snprintf(value, sizeof value, "%" PRId64, logged->seq);
    if (!sl_bytes_equal(logged->value, sl_bytes_of(value)) || is_gap(logged->seq))
        found->wrong = "a number has another reading";
    if (logged->received_us < found->received_us)
        found->wrong = "the received time goes back";
    found->received_us = logged->received_us;
    return see(found, logged->stream, logged->seq);
}

static enum sl_status take_gap(void *ctx, const struct sl_logged_gap *gap)
{
    struct found *found = ctx;

    if (gap->first != gap->last || !is_gap(gap->first))
        found->wrong = "a gap is another one";
    return see(found, gap->stream, gap->first);
}

static enum sl_status take_verdict(void *ctx, const struct sl_verified *verified)
{
    struct found *found = ctx;

    found->last[stream_of(verified->stream)] = verified->last;
    if (verified->missing != 0 || verified->twice != 0 || verified->damaged != 0)
        found->wrong = "sl_reader_verify() finds something missing, twice or damaged";
    return SL_OK;
}

static const char *read_all(const struct scene *scene, struct found *found)
{
    static const struct sl_reader_filter all = {.since_us = SL_TIME_NONE, .until_us = SL_TIME_NONE};
    struct sl_reader *reader = NULL;
    char error[ERROR_SIZE];

    if (sl_reader_open(scene->place->path, &reader, error, sizeof error) != SL_OK)
        return "it can't be read";

    bool good = sl_reader_readings(reader, &all, SL_READER_ALL, take_reading, found) == SL_OK &&
                sl_reader_gaps(reader, &all, take_gap, found) == SL_OK &&
                sl_reader_verify(reader, &all, take_verdict, found) == SL_OK;

    sl_reader_close(reader);
    return good ? found->wrong : "it can't be read to its end";
}

/* Null where the store holds what it has to, else what is wrong with it. */
static const char *judge(const struct scene *scene, const struct story *story)
{
    struct found found = {0};
    const char *wrong = read_all(scene, &found);

    if (wrong != NULL)
        return wrong;
    for (int stream = ATTIC; stream < STREAMS; stream++)
        for (int64_t seq = 1; seq < NUMBERS_MAX; seq++)
            if (found.seen[stream][seq] != (seq <= found.last[stream]))
                return "a number is missing, or beyond the last";
    if (memcmp(found.last, story->last[story->committed], sizeof found.last) == 0 ||
        memcmp(found.last, story->last[story->committed + 1], sizeof found.last) == 0)
        return NULL;
    return found.last[ATTIC] < story->last[story->committed][ATTIC]
               ? "what was committed is missing"
               : "it isn't what was committed";
}

/* The store takes the next number, and no number that it has. */
static const char *go_on(const struct scene *scene, struct sl_store *store)
{
    struct sl_store_stream found;
    int64_t last = 0;
    const struct sl_peer *peer = peer_of(scene, ATTIC);

    if (sl_store_begin(store) != SL_OK ||
        sl_store_stream(store, peer, STREAM_A, NOON, &found) != SL_OK)
        return "it takes nothing";
    if (found.last > 0 && append(store, peer, found.id, NOON, found.last, 1, &last) != SL_DENIED)
        return "it takes a number again";
    if (append(store, peer, found.id, NOON, found.last + 1, 1, &last) != SL_OK ||
        sl_store_commit(store) != SL_OK)
        return "it doesn't go on";
    return NULL;
}

/* The power goes once more, somewhere in opening and closing. */
static void cut_in_recovery(const struct scene *scene)
{
    struct sl_store *store = NULL;

    sl_forgetful_cut_at(scene->disk, 1 + sl_forgetful_draw(scene->disk, 8));
    if (open_here(scene, &store) == SL_OK)
        sl_store_close(store);
    sl_forgetful_power_on(scene->disk);
    sl_forgetful_cut_at(scene->disk, 0);
}

/*
 * One run whose power goes at write `cut`; null where all is well after. `*done`: it went nowhere.
 */
static const char *run(const struct scene *scene, int64_t cut, uint32_t seed, bool *done)
{
    struct story story;
    struct sl_store *store = NULL;

    sl_forgetful_clear(scene->disk, seed * 7919 + (uint32_t)cut);
    sl_forgetful_lie(scene->disk, scene->lies);
    if (scene->old)
        make_version_1(scene->place);
    sl_forgetful_cut_at(scene->disk, cut);
    play(scene, &story);
    *done = !sl_forgetful_is_off(scene->disk);
    sl_forgetful_power_on(scene->disk);
    if (!*done && sl_forgetful_draw(scene->disk, 2) == 0)
        cut_in_recovery(scene);

    sl_forgetful_lie(scene->disk, false);
    if (open_here(scene, &store) != SL_OK)
        return "it doesn't open";
    sl_store_close(store); /* this disk's locks keep no two connections apart */

    const char *wrong = judge(scene, &story);

    if (wrong != NULL)
        return wrong;
    if (open_here(scene, &store) != SL_OK)
        return "it doesn't open again";
    wrong = go_on(scene, store);
    sl_store_close(store);
    return wrong;
}

static uint32_t setting(const char *name, uint32_t preset)
{
    const char *value = getenv(name);

    return value != NULL ? (uint32_t)strtoul(value, NULL, 10) : preset;
}

struct sum {
    int64_t cuts;
    int64_t runs;
    int64_t wrong;
};

/* Cuts at each write until the script comes to its end. */
static struct sum cut_everywhere(const struct scene *scene, bool expect_none)
{
    uint32_t first_seed = setting("SENSORLINK_POWER_SEED", 1);
    uint32_t seeds = setting("SENSORLINK_POWER_SEEDS", 3);
    struct sum sum = {0};
    bool done = false;

    for (int64_t cut = 1; !done && cut < CUTS_MAX; cut++) {
        for (uint32_t seed = first_seed; seed < first_seed + seeds && !done; seed++) {
            const char *wrong = run(scene, cut, seed, &done);

            sum.runs++;
            sum.wrong += wrong != NULL;
            if (wrong != NULL && expect_none)
                fail_msg("cut at %" PRId64 ", seed %" PRIu32 ": %s", cut, seed, wrong);
        }
        sum.cuts += !done;
    }
    assert_true(done);
    print_message("power cut at each of %" PRId64 " writes, %" PRId64 " runs, seeds from %" PRIu32
                  ": %" PRId64 " wrong\n",
                  sum.cuts, sum.runs, first_seed, sum.wrong);
    return sum;
}

static void test_store_power_cut_at_any_write_loses_nothing_committed(void **state)
{
    struct sum sum = cut_everywhere(*state, true);

    assert_true(sum.cuts > 2 * COMMITS); /* a commit is a write and a sync at least */
}

static void test_store_power_cut_at_any_write_of_an_upgrade_loses_nothing(void **state)
{
    struct scene *scene = *state;

    scene->old = true;
    assert_true(cut_everywhere(scene, true).cuts > 2 * COMMITS);
}

static void test_power_check_notices_a_disk_whose_syncs_lie(void **state)
{
    struct scene *scene = *state;

    scene->lies = true;
    assert_true(cut_everywhere(scene, false).wrong > 0);
}

static void test_power_check_notices_a_store_that_does_not_sync(void **state)
{
    struct scene *scene = *state;

    scene->unsynced = true;
    assert_true(cut_everywhere(scene, false).wrong > 0);
}

static int make_scene(void **state)
{
    void *place = NULL;
    struct scene *scene;

    if (make_place(&place) != 0)
        return -1;
    scene = calloc(1, sizeof *scene);
    scene->place = place;
    scene->disk = sl_forgetful_new();
    *state = scene;
    return 0;
}

static int clear_scene(void **state)
{
    struct scene *scene = *state;
    void *place = scene->place;

    sl_forgetful_free(scene->disk);
    free(scene);
    return clear_place(&place);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, clear_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(test_store_power_cut_at_any_write_loses_nothing_committed),
        SCENE(test_store_power_cut_at_any_write_of_an_upgrade_loses_nothing),
        SCENE(test_power_check_notices_a_disk_whose_syncs_lie),
        SCENE(test_power_check_notices_a_store_that_does_not_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
