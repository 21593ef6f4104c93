/* SPDX-License-Identifier: Apache-2.0 */
/* test_reminder.c -- which certificates are warned of, and how often; the clock is the test's. */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/reminder.h"
#include "support/test_peer.h"

#define NOW INT64_C(1764000000000000)
#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define DAY_MS INT64_C(86400000)

enum { TEXT_SIZE = 1 << 20 };

static int64_t monotonic_ms;

int64_t __wrap_sl_clock_monotonic_ms(void);
int64_t __wrap_sl_clock_monotonic_ms(void)
{
    return monotonic_ms;
}

struct place {
    struct sl_reminder *reminder;
    struct sl_log *log;
    char path[64];
    char text[TEXT_SIZE];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    int fd;

    assert_non_null(place);
    (void)snprintf(place->path, sizeof place->path, "/tmp/sl-reminder-XXXXXX");
    fd = mkstemp(place->path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(sl_log_open(place->path, SL_LOG_WARNING, false, &place->log), SL_OK);
    assert_int_equal(sl_reminder_new(&place->reminder), SL_OK);
    monotonic_ms = 5;
    *state = place;
    return 0;
}

static int clear_place(void **state)
{
    struct place *place = *state;

    sl_reminder_free(place->reminder);
    sl_log_free(place->log);
    (void)unlink(place->path);
    free(place);
    return 0;
}

static void look(struct place *place, const char *name, int64_t expires_us, int64_t warning_ms)
{
    struct sl_peer *peer = sl_test_peer_until(name, expires_us);

    sl_reminder_look(place->reminder, place->log, peer, warning_ms, NOW);
    sl_peer_unref(peer);
}

/* The log so far. */
static const char *told(struct place *place)
{
    FILE *file = fopen(place->path, "r");

    assert_non_null(file);
    place->text[fread(place->text, 1, sizeof place->text - 1, file)] = '\0';
    (void)fclose(file);
    return place->text;
}

static int count_told(struct place *place)
{
    int count = 0;

    for (const char *at = told(place); (at = strstr(at, "certificate ends in")) != NULL; at++)
        count++;
    return count;
}

static void test_reminder_within_the_time_is_told_with_its_days_and_date(void **state)
{
    struct place *place = *state;

    look(place, "attic", NOW + 5 * DAY, 14 * DAY_MS);
    assert_non_null(strstr(told(place), "attic's certificate ends in 5 days (2025-11-29T16:00Z): "
                                        "renew it with scripts/certs.sh renew\n"));
    look(place, "barn", NOW + DAY, 14 * DAY_MS);
    assert_non_null(strstr(told(place), "barn's certificate ends in 1 day (2025-11-25T16:00Z)"));
    look(place, "cellar", NOW + DAY - 1, 14 * DAY_MS);
    assert_non_null(strstr(told(place), "cellar's certificate ends in less than a day ("));
}

static void test_reminder_outside_of_the_time_is_not_told(void **state)
{
    struct place *place = *state;

    look(place, "attic", NOW + 14 * DAY, 14 * DAY_MS);
    look(place, "attic", NOW, 14 * DAY_MS);
    look(place, "attic", NOW - DAY, 14 * DAY_MS);
    look(place, "attic", NOW + 1, 0);
    assert_string_equal(told(place), "");
    look(place, "attic", NOW + 14 * DAY - 1, 14 * DAY_MS);
    assert_int_equal(count_told(place), 1);
}

static void test_reminder_is_told_once_a_day_for_each_sensor(void **state)
{
    struct place *place = *state;

    for (int hour = 0; hour < 49; hour++) {
        look(place, "attic", NOW + DAY, 14 * DAY_MS);
        look(place, "barn", NOW + DAY, 14 * DAY_MS);
        monotonic_ms += DAY_MS / 24;
    }
    assert_int_equal(count_told(place), 6);
}

/* A sensor that shares its slot with another is told too often, and never too seldom. */
static void test_reminder_of_more_sensors_than_slots_leaves_none_out(void **state)
{
    struct place *place = *state;
    char name[16];

    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "s%d", i * 7919);
        look(place, name, NOW + DAY, 14 * DAY_MS);
    }
    assert_int_equal(count_told(place), 5000);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, clear_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(test_reminder_within_the_time_is_told_with_its_days_and_date),
        WITH_PLACE(test_reminder_outside_of_the_time_is_not_told),
        WITH_PLACE(test_reminder_is_told_once_a_day_for_each_sensor),
        WITH_PLACE(test_reminder_of_more_sensors_than_slots_leaves_none_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
