/* SPDX-License-Identifier: Apache-2.0 */
/* test_reason.c -- the table of reasons: whole, unambiguous, and fit for the protocol. */
#include "cases.h"

#include <string.h>

#include "tls/reason.h"
#include "wire/frame.h"
#include "wire/message.h"

static void test_reason_every_entry_has_an_id_and_a_sentence(void **state)
{
    (void)state;
    for (int i = SL_REASON_NONE; i < SL_REASON_COUNT; i++) {
        const char *id = sl_reason_id((enum sl_reason)i);
        const char *text = sl_reason_text((enum sl_reason)i);

        if (id == NULL || text == NULL)
            fail_msg("reason %d has no entry", i);
        else if (strlen(text) < 8 || strchr(text, '\n') != NULL || text[strlen(text) - 1] == '.' ||
                 !sl_text_is_clean(sl_bytes_of(text)))
            fail_msg("%s: not a sentence without its stop: '%s'", id, text);
    }
}

/* What is wrong comes first, and what to do about it, or what the rule is, behind `;` or `:`. */
static void test_reason_every_sentence_goes_on_to_say_what_to_do(void **state)
{
    (void)state;
    for (int i = SL_REASON_NONE + 1; i < SL_REASON_COUNT; i++) {
        const char *text = sl_reason_text((enum sl_reason)i);

        if (strstr(text, "; ") == NULL && strstr(text, ": ") == NULL)
            fail_msg("%s: what is to be done? '%s'", sl_reason_id((enum sl_reason)i), text);
    }
}

static void test_reason_ids_follow_the_grammar_of_the_protocol(void **state)
{
    (void)state;
    for (int i = SL_REASON_NONE; i < SL_REASON_COUNT; i++) {
        const char *id = sl_reason_id((enum sl_reason)i);
        size_t len = strlen(id);

        if (len < 1 || len > SL_REASON_MAX ||
            strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
            fail_msg("'%s' isn't [a-z0-9-]{1,48}", id);
    }
}

static void test_reason_ids_are_unique(void **state)
{
    (void)state;
    for (int i = SL_REASON_NONE; i < SL_REASON_COUNT; i++)
        for (int j = i + 1; j < SL_REASON_COUNT; j++)
            if (strcmp(sl_reason_id((enum sl_reason)i), sl_reason_id((enum sl_reason)j)) == 0)
                fail_msg("'%s' stands for two reasons", sl_reason_id((enum sl_reason)i));
}

static void test_reason_every_entry_fits_a_goodbye_whole(void **state)
{
    (void)state;
    for (int i = SL_REASON_NONE; i < SL_REASON_COUNT; i++) {
        struct sl_message bye = {.kind = SL_MESSAGE_BYE,
                                 .retry_ms = INT32_MAX,
                                 .reason = sl_bytes_of(sl_reason_id((enum sl_reason)i)),
                                 .text = sl_bytes_of(sl_reason_text((enum sl_reason)i))};
        struct sl_message read;
        char line[SL_LINE_MAX];
        size_t len = 0;

        assert_int_equal(sl_message_print(&bye, line, sizeof line, &len), SL_OK);
        assert_int_equal(sl_message_parse_from_server((struct sl_bytes){line, len - 1}, &read),
                         SL_OK);
        assert_true(sl_bytes_equal(read.reason, bye.reason));
        if (!sl_bytes_equal(read.text, bye.text))
            fail_msg("'%.*s' was cut to '%.*s'", (int)bye.text.len, bye.text.at, (int)read.text.len,
                     read.text.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reason_every_entry_has_an_id_and_a_sentence),
        cmocka_unit_test(test_reason_every_sentence_goes_on_to_say_what_to_do),
        cmocka_unit_test(test_reason_ids_follow_the_grammar_of_the_protocol),
        cmocka_unit_test(test_reason_ids_are_unique),
        cmocka_unit_test(test_reason_every_entry_fits_a_goodbye_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
