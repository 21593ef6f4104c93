/* SPDX-License-Identifier: Apache-2.0 */
/* test_checklist.c -- the points of --check: their sentences, their counts, and what both programs
 * say of the clock and of files that aren't there. */
#include "cases.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/checklist.h"
#include "base/floor.h"

struct said {
    struct sl_checklist list;
    char text[4096];
};

static void told(void *ctx, enum sl_verdict verdict, const char *about, const char *text)
{
    struct said *said = ctx;

    (void)snprintf(said->text, sizeof said->text, "%s %s %s", sl_verdict_word(verdict), about,
                   text);
}

static struct said new_said(void)
{
    return (struct said){.list = {.told = told}};
}

static void test_checklist_counts_what_it_is_told(void **state)
{
    struct said said = new_said();

    (void)state;
    said.list.ctx = &said;
    sl_checklist_add(&said.list, SL_VERDICT_OK, "--cert", "%s is %d", "a.crt", 1);
    assert_string_equal(said.text, "ok --cert a.crt is 1");
    sl_checklist_add(&said.list, SL_VERDICT_FAULT, "--cert", "--cert %s can't be read", "a.crt");
    assert_string_equal(said.text, "fault --cert a.crt can't be read");
    sl_checklist_add(&said.list, SL_VERDICT_FAULT, "--cert", "--certificates");
    assert_string_equal(said.text, "fault --cert --certificates");
    assert_int_equal(said.list.counts[SL_VERDICT_OK], 1);
    assert_int_equal(said.list.counts[SL_VERDICT_WARNING], 0);
    assert_int_equal(said.list.counts[SL_VERDICT_FAULT], 2);
}

static void test_checklist_lets_no_control_character_through(void **state)
{
    struct said said = new_said();

    (void)state;
    said.list.ctx = &said;
    sl_checklist_add(&said.list, SL_VERDICT_WARNING, "--cert", "a\033[2Jb\nok 'c' \xc3\xa9 \xff");
    assert_string_equal(said.text, "warning --cert a?[2Jb?ok 'c' \xc3\xa9 ?");
}

static void test_clock_before_the_build_is_a_fault(void **state)
{
    struct said said = new_said();
    int64_t built_us = sl_floor_built_us();

    (void)state;
    said.list.ctx = &said;
    sl_checklist_add_clock(&said.list, built_us, 0);
    assert_non_null(strstr(said.text, "fault clock it shows 1970-01-01T00:00:00.000Z"));
    assert_non_null(strstr(said.text, "set it"));
    sl_checklist_add_clock(&said.list, built_us, built_us);
    assert_non_null(strstr(said.text, "ok clock "));
}

static void test_file_that_can_not_be_made_is_a_fault(void **state)
{
    struct said said = new_said();

    (void)state;
    said.list.ctx = &said;
    sl_checklist_add_new_file(&said.list, "--store", "/nowhere/at/all/x.db", "it will be made");
    assert_non_null(strstr(said.text, "fault --store /nowhere/at/all/x.db isn't there"));
    sl_checklist_add_new_file(&said.list, "--store", "x.db", "it will be made");
    assert_string_equal(said.text, "ok --store x.db isn't there yet: it will be made");
    assert_int_equal(access("x.db", F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checklist_counts_what_it_is_told),
        cmocka_unit_test(test_checklist_lets_no_control_character_through),
        cmocka_unit_test(test_clock_before_the_build_is_a_fault),
        cmocka_unit_test(test_file_that_can_not_be_made_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
