/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_power_spool.c -- the spool when the power goes: at every write of a scripted run, several
 * times with other remains, and in every other run again while it recovers.
 *
 * What has to be there afterwards is exact: the spool as it was after the last commit that said
 * SL_OK, or after the one under way. Two tests show that the check can fail: with a disk whose
 * syncs lie, and with a spool that doesn't sync.
 *
 * SENSORLINK_POWER_SEEDS  how many runs for each cut point (3)
 * SENSORLINK_POWER_SEED   the first one's seed (1)
 */
#include "spool_place.h"

#include <inttypes.h>

#include "spool/sqlite_file.h"
#include "support/forgetful_vfs.h"

enum {
    COMMITS = 14,
    NUMBERS_MAX = 200,
    BACKLOG = 60,
    TEXT_SIZE = 200,      /* twenty readings to a page */
    CHECKPOINT_PAGES = 6, /* so that some come in the middle */
    CUTS_MAX = 2000,      /* the run has fewer writes */
    FULL = 1,             /* "spool-full" */
    NOT_KEPT = 2
};

static const char *const reasons[] = {NULL, "spool-full", "not-kept"};

/* What a spool holds: number by number a reading (0) or a gap's reason. */
struct snapshot {
    int64_t first;
    int64_t last;
    char of[NUMBERS_MAX];
};

/* One run: what the spool said, and what it must be after. */
struct story {
    char stream[SL_SPOOL_STREAM_SIZE];
    bool opened;
    bool let_be;   /* forgotten ones weren't deleted at some time */
    int committed; /* how many commits said SL_OK */
    struct snapshot after[COMMITS + 2];
};

struct scene {
    struct place *place;
    struct sl_forgetful *disk;
    bool unsynced; /* PRAGMA synchronous = OFF */
    bool lies;     /* the disk's syncs do nothing */
    int64_t few;   /* 0: the spool's own; else it begins with a backlog, which drains in portions */
};

static int print_text(int64_t seq, char text[static TEXT_SIZE])
{
    return snprintf(text, TEXT_SIZE, "n: %" PRId64 " %0150d", seq, 0);
}

static enum sl_status open_here(const struct scene *scene, struct sl_spool **spool, char *error)
{
    enum sl_status status = sl_spool_open(scene->place->path, spool, error, ERROR_SIZE);
    if (status == SL_OK)
        (void)sqlite3_wal_autocheckpoint(((struct sl_sqlite *)*spool)->db, CHECKPOINT_PAGES);
    if (status == SL_OK && scene->few > 0) {
        ((struct sl_sqlite *)*spool)->few = scene->few;
        ((struct sl_sqlite *)*spool)->portion = scene->few;
    }
    if (status == SL_OK && scene->unsynced)
        (void)sqlite3_exec(((struct sl_sqlite *)*spool)->db, "PRAGMA synchronous = OFF", NULL, NULL,
                           NULL);
    return status;
}

static void plan_drop(struct snapshot *plan, int64_t count)
{
    for (int64_t seq = plan->first; seq <= plan->last && count > 0; seq++) {
        if (plan->of[seq] != 0)
            continue;
        plan->of[seq] = FULL;
        count--;
    }
}

/* One transaction on the spool, and on the plan, which holds if it is committed. */
static enum sl_status transact(const struct scene *scene, struct sl_spool *spool, int turn,
                               struct snapshot *plan)
{
    enum sl_status status = SL_OK;
    int64_t last = 0;
    int more = 3 + turn % 5 + (scene->few > 0 && turn == 0 ? BACKLOG : 0);

    if (turn % 2 == 1) { /* the server has some of them */
        int64_t seq = plan->first + turn / 2 * (scene->few > 0 ? 3 : 1);
        status = spool->functions->forget(spool, seq);
        plan->first = seq < plan->last ? seq + 1 : plan->last + 1;
    }
    for (int i = 0; i < more && status == SL_OK; i++) {
        char text[TEXT_SIZE];
        int64_t seq = 0;
        int len = print_text(plan->last + 1, text);
        status = spool->functions->append(spool, 1764000000000000, text, (size_t)len, &seq);
        if (status == SL_OK)
            assert_int_equal(seq, ++plan->last);
    }
    if (turn % 3 == 1 && status == SL_OK) {
        status = spool->functions->drop(spool, 2, reasons[FULL], &last);
        plan_drop(plan, 2);
    }
    if (turn % 4 == 2 && status == SL_OK) {
        status = spool->functions->omit(spool, 3, reasons[NOT_KEPT]);
        for (int i = 0; i < 3; i++)
            plan->of[++plan->last] = NOT_KEPT;
    }
    return status == SL_OK ? spool->functions->commit(spool) : status;
}

/* The script. It ends with the power, or by itself. */
static void play(const struct scene *scene, struct story *story)
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];

    *story = (struct story){.after = {{.first = 1}}};
    if (open_here(scene, &spool, error) != SL_OK)
        return;
    story->opened = true;
    memcpy(story->stream, state_of(spool).stream, sizeof(story->stream));
    for (int turn = 0; turn < COMMITS; turn++) {
        struct snapshot *plan = &story->after[turn + 1];
        *plan = story->after[turn];
        if (transact(scene, spool, turn, plan) != SL_OK)
            break;
        story->committed++;
        const struct sl_sqlite *file = (const struct sl_sqlite *)spool;
        story->let_be = story->let_be || file->swept < file->forgotten;
    }
    if (story->committed == COMMITS) { /* closing is the last one: the server has all of them */
        struct snapshot *plan = &story->after[COMMITS + 1];
        *plan = story->after[COMMITS];
        (void)spool->functions->forget(spool, plan->last);
        plan->first = plan->last + 1;
    }
    sl_spool_close(spool);
    if (story->committed == COMMITS && !sl_forgetful_is_off(scene->disk))
        story->committed++;
}

/* --- what is there afterwards --- */

struct found {
    struct snapshot snapshot;
    int64_t next;
    bool wrong; /* out of order, or another text than was given */
};

static int take(void *ctx, const struct sl_spool_item *item)
{
    struct found *found = ctx;
    char text[TEXT_SIZE];
    int64_t last = item->reason ? item->last : item->seq;

    if (item->seq != found->next || last >= NUMBERS_MAX) {
        found->wrong = true;
        return 1;
    }
    for (; found->next <= last; found->next++) {
        int len = print_text(found->next, text);
        if (item->reason)
            found->snapshot.of[found->next] =
                strcmp(item->reason, reasons[FULL]) == 0 ? FULL : NOT_KEPT;
        else if (item->len != (size_t)len || memcmp(item->text, text, item->len) != 0)
            found->wrong = true;
    }
    return 0;
}

static bool same(const struct snapshot *is, const struct snapshot *planned)
{
    size_t from = (size_t)planned->first;
    return is->first == planned->first && is->last == planned->last &&
           memcmp(is->of + from, planned->of + from, (size_t)(planned->last + 1) - from) == 0;
}

/* Null where the spool holds what it has to, else what is wrong with it. */
static const char *judge(struct sl_spool *spool, const struct story *story)
{
    struct sl_spool_state state = state_of(spool);
    struct found found = {.next = state.first};
    found.snapshot.first = state.first;
    found.snapshot.last = state.last;

    if (spool->functions->read(spool, 1, take, &found) != SL_OK)
        return "it can't be read";
    if (found.wrong || found.next != state.last + 1)
        return "a reading is missing, twice, or another one";
    if (!story->opened)
        return state.last == 0 ? NULL : "it was never made, and isn't empty";
    if (strcmp(state.stream, story->stream) != 0)
        return "it is another stream";
    struct snapshot planned = story->after[story->committed];
    if (same(&found.snapshot, &planned))
        return NULL;
    if (story->committed <= COMMITS) {
        const struct snapshot *next = &story->after[story->committed + 1];
        planned.first = next->first; /* what the server has may be known before the commit */
        if (same(&found.snapshot, &planned) || same(&found.snapshot, next))
            return NULL;
    }
    return state.last < story->after[story->committed].last ? "what was committed is missing"
                                                            : "it isn't what was committed";
}

/* Goes on where the spool is: the next number is new, and is there after a restart. */
static const char *go_on(const struct scene *scene, struct sl_spool **spool)
{
    char error[ERROR_SIZE];
    char text[TEXT_SIZE];
    int64_t last = state_of(*spool).last;
    int64_t seq = 0;
    int len = print_text(last + 1, text);

    if ((*spool)->functions->append(*spool, INT64_MIN, text, (size_t)len, &seq) != SL_OK ||
        (*spool)->functions->commit(*spool) != SL_OK || seq != last + 1)
        return "it doesn't go on";
    sl_spool_close(*spool);
    *spool = NULL;
    if (open_here(scene, spool, error) != SL_OK || state_of(*spool).last != last + 1)
        return "what was added after the power cut is missing";
    return NULL;
}

/* The power goes once more, somewhere in opening and closing. */
static void cut_in_recovery(const struct scene *scene)
{
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];

    sl_forgetful_cut_at(scene->disk, 1 + sl_forgetful_draw(scene->disk, 8));
    if (open_here(scene, &spool, error) == SL_OK)
        sl_spool_close(spool);
    sl_forgetful_power_on(scene->disk);
    sl_forgetful_cut_at(scene->disk, 0);
}

/*
 * One run whose power goes at write `cut`; null where all is well after. `*done`: it went nowhere.
 */
static const char *run(const struct scene *scene, int64_t cut, uint32_t seed, bool *done,
                       bool *let_be)
{
    struct story story;
    struct sl_spool *spool = NULL;
    char error[ERROR_SIZE];

    sl_forgetful_clear(scene->disk, seed * 7919 + (uint32_t)cut);
    sl_forgetful_lie(scene->disk, scene->lies);
    sl_forgetful_cut_at(scene->disk, cut);
    play(scene, &story);
    *done = !sl_forgetful_is_off(scene->disk);
    *let_be = *let_be || story.let_be;
    sl_forgetful_power_on(scene->disk);
    if (!*done && sl_forgetful_draw(scene->disk, 2) == 0)
        cut_in_recovery(scene);

    sl_forgetful_lie(scene->disk, false);
    if (open_here(scene, &spool, error) != SL_OK)
        return "it doesn't open";
    const char *wrong = judge(spool, &story);
    if (!wrong)
        wrong = go_on(scene, &spool);
    sl_spool_close(spool);
    return wrong;
}

static uint32_t setting(const char *name, uint32_t preset)
{
    const char *value = getenv(name);
    return value ? (uint32_t)strtoul(value, NULL, 10) : preset;
}

struct sum {
    int64_t cuts;
    int64_t runs;
    int64_t wrong;
    bool let_be; /* in some run */
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
            const char *wrong = run(scene, cut, seed, &done, &sum.let_be);
            sum.runs++;
            sum.wrong += wrong != NULL;
            if (wrong && expect_none)
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

static void test_spool_power_cut_at_any_write_loses_nothing_committed(void **state)
{
    struct sum sum = cut_everywhere(*state, true);
    assert_true(sum.cuts > COMMITS); /* a commit is a write and a sync at least */
}

static void test_spool_power_cut_while_a_backlog_drains_loses_nothing_committed(void **state)
{
    struct scene *scene = *state;
    scene->few = 14; /* the script lets some be */
    assert_true(cut_everywhere(scene, true).let_be);
}

static void test_power_check_notices_a_disk_whose_syncs_lie(void **state)
{
    struct scene *scene = *state;
    scene->lies = true;
    assert_true(cut_everywhere(scene, false).wrong > 0);
}

static void test_power_check_notices_a_spool_that_does_not_sync(void **state)
{
    struct scene *scene = *state;
    scene->unsynced = true;
    assert_true(cut_everywhere(scene, false).wrong > 0);
}

static int make_scene(void **state)
{
    void *place = NULL;
    if (make_place(&place) != 0)
        return -1;
    struct scene *scene = calloc(1, sizeof(*scene));
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
        SCENE(test_spool_power_cut_at_any_write_loses_nothing_committed),
        SCENE(test_spool_power_cut_while_a_backlog_drains_loses_nothing_committed),
        SCENE(test_power_check_notices_a_disk_whose_syncs_lie),
        SCENE(test_power_check_notices_a_spool_that_does_not_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
