/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_spool_gaps.c -- numbers that will never come: what is given up and what couldn't be kept
 * stands in the spool as gaps, in order, whole, and on disk.
 *
 * Each test of the contract runs with a file and with a spool in memory.
 */
#include "spool_place.h"

#include <inttypes.h>

#include <sqlite3.h>

enum { STORY_SIZE = 4096 };

/* A place and the spool in it. */
struct held {
    struct place *place;
    struct sl_spool *spool;
};

static int make_file(void **state)
{
    void *place = NULL;
    if (make_place(&place) != 0)
        return -1;
    struct held *held = calloc(1, sizeof(*held));
    held->place = place;
    held->spool = open_spool(held->place);
    *state = held;
    return 0;
}

static int make_memory(void **state)
{
    int failed = make_file(state);
    struct held *held = *state;
    sl_spool_close(held->spool);
    return sl_spool_open_memory(200, &held->spool) == SL_OK ? failed : -1;
}

static int clear_held(void **state)
{
    struct held *held = *state;
    void *place = held->place;
    sl_spool_close(held->spool);
    free(held);
    return clear_place(&place);
}

/* Tells what the spool gives from a number on: "1 2 3-5:spool-full 6". */
static int tell(void *ctx, const struct sl_spool_item *item)
{
    char *story = ctx;
    size_t len = strlen(story);
    if (item->reason)
        (void)snprintf(story + len, STORY_SIZE - len, "%s%" PRId64 "-%" PRId64 ":%s",
                       len > 0 ? " " : "", item->seq, item->last, item->reason);
    else
        (void)snprintf(story + len, STORY_SIZE - len, "%s%" PRId64, len > 0 ? " " : "", item->seq);
    return 0;
}

static void assert_story(struct sl_spool *spool, int64_t from, const char *expected)
{
    char story[STORY_SIZE] = "";
    assert_int_equal(spool->functions->read(spool, from, tell, story), SL_OK);
    assert_string_equal(story, expected);
}

static int64_t drop(struct sl_spool *spool, int64_t count, const char *reason)
{
    int64_t last = -1;
    assert_int_equal(spool->functions->drop(spool, count, reason, &last), SL_OK);
    return last;
}

static void omit(struct sl_spool *spool, int64_t count, const char *reason)
{
    assert_int_equal(spool->functions->omit(spool, count, reason), SL_OK);
}

static void test_spool_dropped_readings_are_one_gap(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    fill(spool, 1, 6);
    commit(spool);
    assert_int_equal(state_of(spool).readings, 6);

    assert_int_equal(drop(spool, 2, "spool-full"), 2);
    assert_int_equal(drop(spool, 1, "spool-full"), 3);
    commit(spool);
    assert_story(spool, 1, "1-3:spool-full 4 5 6");
    assert_story(spool, 3, "3-3:spool-full 4 5 6");
    assert_story(spool, 5, "5 6");
    assert_int_equal(state_of(spool).first, 1);
    assert_int_equal(state_of(spool).last, 6);
    assert_int_equal(state_of(spool).readings, 3);
}

static void test_spool_gaps_of_two_reasons_stay_two(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    fill(spool, 1, 3);
    assert_int_equal(drop(spool, 1, "too-old"), 1);
    assert_int_equal(drop(spool, 1, "spool-full"), 2);
    omit(spool, 3, "not-kept");
    fill(spool, 7, 1);
    commit(spool);
    assert_story(spool, 1, "1-1:too-old 2-2:spool-full 3 4-6:not-kept 7");

    /* What is given up later goes round the gap that is there. */
    assert_int_equal(drop(spool, 2, "spool-full"), 7);
    commit(spool);
    assert_story(spool, 1, "1-1:too-old 2-3:spool-full 4-6:not-kept 7-7:spool-full");
    assert_int_equal(state_of(spool).readings, 0);
    assert_int_equal(drop(spool, 5, "spool-full"), -1);
    assert_int_equal(state_of(spool).last, 7);
}

static void test_spool_readings_not_committed_can_be_dropped(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    fill(spool, 1, 2);
    commit(spool);
    fill(spool, 3, 3);
    assert_int_equal(state_of(spool).readings, 5);
    assert_int_equal(drop(spool, 4, "spool-full"), 4);
    assert_int_equal(state_of(spool).readings, 1);
    assert_int_equal(state_of(spool).last, 2);
    assert_story(spool, 1, "1-2:spool-full"); /* the rest isn't committed yet */
    commit(spool);
    assert_story(spool, 1, "1-4:spool-full 5");
}

static void test_spool_forgets_a_gap_and_part_of_one(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    fill(spool, 1, 4);
    omit(spool, 4, "not-kept");
    fill(spool, 9, 2);
    commit(spool);
    assert_int_equal(drop(spool, 3, "spool-full"), 3);
    commit(spool);
    assert_story(spool, 1, "1-3:spool-full 4 5-8:not-kept 9 10");

    assert_int_equal(spool->functions->forget(spool, 6), SL_OK);
    assert_int_equal(state_of(spool).first, 7);
    assert_int_equal(state_of(spool).readings, 2);
    assert_story(spool, 1, "7-8:not-kept 9 10");
    fill(spool, 11, 1);
    commit(spool);
    assert_story(spool, 1, "7-8:not-kept 9 10 11");
    /* What the server has is no reading that could be given up. */
    assert_int_equal(drop(spool, 1, "spool-full"), 9);
    commit(spool);
    assert_story(spool, 1, "7-8:not-kept 9-9:spool-full 10 11");
    assert_int_equal(spool->functions->forget(spool, 11), SL_OK);
    assert_story(spool, 1, "");
    assert_int_equal(state_of(spool).readings, 0);
}

static void test_spool_nothing_but_a_gap_goes_on_after_it(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    omit(spool, 5, "not-kept");
    assert_int_equal(state_of(spool).last, 0);
    commit(spool);
    assert_int_equal(state_of(spool).last, 5);
    omit(spool, 2, "not-kept");
    commit(spool);
    assert_story(spool, 1, "1-7:not-kept");
    fill(spool, 8, 1);
}

static void test_spool_gap_that_cannot_be_is_refused(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    char reason[SL_SPOOL_REASON_MAX + 2];
    int64_t last = -1;
    memset(reason, 'a', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    fill(spool, 1, 1);
    assert_int_equal(spool->functions->drop(spool, 1, reason, &last), SL_BAD_INPUT);
    assert_int_equal(last, -1);
    assert_int_equal(spool->functions->omit(spool, 1, reason), SL_BAD_INPUT);
    assert_int_equal(spool->functions->omit(spool, 0, "not-kept"), SL_BAD_INPUT);
    assert_int_equal(spool->functions->omit(spool, INT64_MAX, "not-kept"), SL_BAD_INPUT);
    commit(spool);
    assert_story(spool, 1, "1");
}

/* What a spool of this many numbers should hold, number by number: 0 a reading, else a reason. */
enum { MODEL_MAX = 4000 };
struct model {
    char of[MODEL_MAX + 1];
    int64_t first;
    int64_t next;
};

static const char *const reasons[] = {"", "spool-full", "too-old", "not-kept"};

static int64_t model_readings(const struct model *model)
{
    int64_t count = 0;
    for (int64_t seq = model->first; seq < model->next; seq++)
        count += model->of[seq] == 0;
    return count;
}

static void model_drop(struct model *model, int64_t count, char reason)
{
    for (int64_t seq = model->first; seq < model->next && count > 0; seq++) {
        if (model->of[seq] != 0)
            continue;
        model->of[seq] = reason;
        count--;
    }
}

struct check {
    const struct model *model;
    int64_t next;
    bool exact; /* else gaps may have lost their own reasons, as there were so many */
};

static int check_one(void *ctx, const struct sl_spool_item *item)
{
    struct check *check = ctx;
    int64_t last = item->reason ? item->last : item->seq;
    assert_int_equal(item->seq, check->next);
    for (int64_t seq = item->seq; seq <= last; seq++) {
        const char *reason = reasons[(int)check->model->of[seq]];
        assert_int_equal(reason[0] == '\0', item->reason == NULL);
        if (item->reason && check->exact)
            assert_string_equal(item->reason, reason);
    }
    check->next = last + 1;
    return 0;
}

/* Marsaglia's xorshift: the same run for the same seed on every machine. */
static int draw(uint32_t *random, int below)
{
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return (int)(*random % (uint32_t)below);
}

/* One step at random, on the spool and on the model alike. */
static void step(struct sl_spool *spool, struct model *model, uint32_t *random)
{
    int64_t count = 1 + draw(random, 3);
    char reason = (char)(1 + draw(random, 2));
    int64_t last = 0;

    switch (draw(random, 5)) {
    case 0:
        assert_int_equal(spool->functions->drop(spool, count, reasons[(int)reason], &last), SL_OK);
        model_drop(model, count, reason);
        break;
    case 1:
        omit(spool, count, "not-kept");
        for (int64_t i = 0; i < count; i++)
            model->of[model->next++] = 3;
        break;
    case 2:
        commit(spool);
        last = model->first + draw(random, 4);
        if (last >= model->next)
            last = model->next - 1;
        assert_int_equal(spool->functions->forget(spool, last), SL_OK);
        if (last >= model->first)
            model->first = last + 1;
        break;
    default:
        (void)append(spool, "n: 1");
        model->of[model->next++] = 0;
    }
    assert_int_equal(state_of(spool).readings, model_readings(model));
}

static void test_spool_at_random_is_what_a_simple_model_says(void **state)
{
    struct held *held = *state;
    uint32_t seed = (uint32_t)getpid();
    uint32_t random = seed;
    struct model model = {.first = 1, .next = 1};
    print_message("seed %" PRIu32 "\n", seed);
    for (int turn = 0; turn < 1000; turn++) {
        step(held->spool, &model, &random);
        if (turn % 10 != 0)
            continue;
        commit(held->spool);
        struct check check = {.model = &model, .next = model.first, .exact = true};
        assert_int_equal(held->spool->functions->read(held->spool, 1, check_one, &check), SL_OK);
        assert_int_equal(check.next, model.next);
    }
}

static void test_spool_file_keeps_its_gaps_over_a_restart(void **state)
{
    struct held *held = *state;
    fill(held->spool, 1, 4);
    commit(held->spool);
    (void)drop(held->spool, 2, "spool-full");
    omit(held->spool, 2, "not-kept");
    commit(held->spool);
    sl_spool_close(held->spool);
    held->spool = open_spool(held->place);
    assert_story(held->spool, 1, "1-2:spool-full 3 4 5-6:not-kept");
    assert_int_equal(state_of(held->spool).readings, 2);
    fill(held->spool, 7, 1);
}

static void test_spool_file_many_gaps_become_one_before_they_fill_the_disk(void **state)
{
    struct held *held = *state;
    fill(held->spool, 1, 1500);
    commit(held->spool);
    for (int i = 0; i < 1400; i++)
        (void)drop(held->spool, 1, reasons[1 + i % 2]);
    commit(held->spool);
    struct model model = {.first = 1, .next = 1501};
    for (int64_t seq = 1; seq <= 1400; seq++)
        model.of[seq] = 1;
    struct check check = {.model = &model, .next = 1};
    assert_int_equal(held->spool->functions->read(held->spool, 1, check_one, &check), SL_OK);
    assert_int_equal(check.next, 1501);
    sl_spool_close(held->spool);

    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(held->place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM gaps", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 1000);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    held->spool = open_spool(held->place);
}

static void change_file(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_spool_file_of_the_version_before_is_taken_over(void **state)
{
    struct held *held = *state;
    fill(held->spool, 1, 3);
    commit(held->spool);
    sl_spool_close(held->spool);
    change_file(held->place, "DROP TABLE gaps; ALTER TABLE meta DROP COLUMN sensor;"
                             "ALTER TABLE meta DROP COLUMN swept; PRAGMA user_version = 1");
    held->spool = open_spool(held->place);
    assert_int_equal(state_of(held->spool).readings, 3);
    (void)drop(held->spool, 1, "too-old");
    commit(held->spool);
    assert_story(held->spool, 1, "1-1:too-old 2 3");
}

static void test_spool_belongs_to_the_first_sensor_that_it_is_told(void **state)
{
    struct sl_spool *spool = ((struct held *)*state)->spool;
    const struct sl_spool_functions *functions = spool->functions;
    char long_name[SL_SPOOL_SENSOR_SIZE + 1];
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';

    assert_int_equal(functions->belong(spool, ""), SL_BAD_INPUT);
    assert_int_equal(functions->belong(spool, long_name), SL_BAD_INPUT);
    long_name[SL_SPOOL_SENSOR_SIZE - 1] = '\0'; /* the longest that can be */
    assert_int_equal(functions->belong(spool, long_name), SL_OK);
    assert_int_equal(functions->belong(spool, "attic"), SL_DENIED);
    assert_non_null(strstr(functions->error(spool), "this spool belongs to nnn"));
    assert_int_equal(functions->belong(spool, long_name), SL_OK);
}

static void test_spool_file_knows_its_sensor_after_a_crash(void **state)
{
    struct held *held = *state;
    sl_spool_close(held->spool);
    held->spool = NULL;
    pid_t child = fork();
    if (child == 0) {
        struct sl_spool *spool = NULL;
        char error[ERROR_SIZE];
        int64_t seq = 0;
        bool good = sl_spool_open(held->place->path, &spool, error, sizeof(error)) == SL_OK &&
                    spool->functions->append(spool, 0, "n: 1", 4, &seq) == SL_OK &&
                    spool->functions->belong(spool, "weather-1") == SL_OK;
        _exit(good ? 0 : 1); /* without a commit or a close */
    }
    assert_int_equal(exit_code_of(child), 0);
    held->spool = open_spool(held->place);
    assert_int_equal(held->spool->functions->belong(held->spool, "attic"), SL_DENIED);
    assert_non_null(strstr(held->spool->functions->error(held->spool), "belongs to weather-1"));
    assert_int_equal(held->spool->functions->belong(held->spool, "weather-1"), SL_OK);
    fill(held->spool, 2, 1);
    commit(held->spool);
    sl_spool_close(held->spool); /* a commit that has nothing to do with it keeps it */
    held->spool = open_spool(held->place);
    assert_int_equal(held->spool->functions->belong(held->spool, "attic"), SL_DENIED);
}

static void test_spool_file_of_version_2_gets_its_sensor_with_the_next_welcome(void **state)
{
    struct held *held = *state;
    fill(held->spool, 1, 3);
    commit(held->spool);
    sl_spool_close(held->spool);
    change_file(held->place, "ALTER TABLE meta DROP COLUMN sensor;"
                             "ALTER TABLE meta DROP COLUMN swept; PRAGMA user_version = 2");
    held->spool = open_spool(held->place);
    assert_int_equal(count_from(held->spool, 1), 3);
    assert_int_equal(held->spool->functions->belong(held->spool, "attic"), SL_OK);
    assert_int_equal(held->spool->functions->belong(held->spool, "weather-1"), SL_DENIED);
}

static void test_spool_file_of_version_3_keeps_what_it_had_forgotten(void **state)
{
    struct held *held = *state;
    fill(held->spool, 1, 5);
    commit(held->spool);
    assert_int_equal(held->spool->functions->forget(held->spool, 2), SL_OK);
    sl_spool_close(held->spool);
    change_file(held->place, "ALTER TABLE meta DROP COLUMN swept; PRAGMA user_version = 3");
    held->spool = open_spool(held->place);
    assert_int_equal(state_of(held->spool).first, 3);
    assert_int_equal(count_from(held->spool, 3), 3);
}

static void test_spool_file_whose_gaps_contradict_its_readings_is_refused(void **state)
{
    static const char *const wrongs[] = {
        "UPDATE gaps SET last = 3",            /* also a reading */
        "DELETE FROM gaps",                    /* numbers missing */
        "INSERT INTO gaps VALUES (2, 2, 'x')", /* twice */
        "UPDATE gaps SET first = 0",           /* before the first */
        "UPDATE meta SET last = 5; INSERT INTO gaps VALUES (6, 6, 'x')",
        "UPDATE meta SET swept = 1",                   /* number 1 is there */
        "UPDATE meta SET swept = 2; DELETE FROM gaps", /* more than is forgotten */
        "UPDATE meta SET forgotten = 5",               /* more than there ever were */
    };
    struct held *held = *state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        char error[ERROR_SIZE] = "";
        struct sl_spool *spool = NULL;
        sl_spool_close(held->spool);
        (void)unlink(held->place->path);
        held->spool = open_spool(held->place);
        fill(held->spool, 1, 4);
        (void)drop(held->spool, 2, "spool-full");
        commit(held->spool);
        sl_spool_close(held->spool);
        held->spool = NULL;
        change_file(held->place, wrongs[i]);
        assert_int_equal(sl_spool_open(held->place->path, &spool, error, sizeof(error)),
                         SL_BAD_INPUT);
        assert_non_null(strstr(error, "contradict"));
    }
}

#define OF_BOTH(test)                                                                              \
    {#test " (file)", test, make_file, clear_held, NULL},                                          \
    {                                                                                              \
#test " (memory)", test, make_memory, clear_held, NULL                                     \
    }
#define OF_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, clear_held)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OF_BOTH(test_spool_dropped_readings_are_one_gap),
        OF_BOTH(test_spool_gaps_of_two_reasons_stay_two),
        OF_BOTH(test_spool_readings_not_committed_can_be_dropped),
        OF_BOTH(test_spool_forgets_a_gap_and_part_of_one),
        OF_BOTH(test_spool_nothing_but_a_gap_goes_on_after_it),
        OF_BOTH(test_spool_gap_that_cannot_be_is_refused),
        OF_BOTH(test_spool_belongs_to_the_first_sensor_that_it_is_told),
        OF_FILE(test_spool_file_knows_its_sensor_after_a_crash),
        OF_FILE(test_spool_file_of_version_2_gets_its_sensor_with_the_next_welcome),
        OF_FILE(test_spool_file_of_version_3_keeps_what_it_had_forgotten),
        OF_FILE(test_spool_at_random_is_what_a_simple_model_says),
        OF_FILE(test_spool_file_keeps_its_gaps_over_a_restart),
        OF_FILE(test_spool_file_many_gaps_become_one_before_they_fill_the_disk),
        OF_FILE(test_spool_file_of_the_version_before_is_taken_over),
        OF_FILE(test_spool_file_whose_gaps_contradict_its_readings_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
