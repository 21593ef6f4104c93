/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_value.c -- from an option's text to its target.
 */
#include "base/option_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { SHOWN_SIZE = 96, MS_PER_S = 1000 };

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit time_units[] = {{"", MS_PER_S},         {"ms", 1},
                                         {"s", MS_PER_S},        {"m", 60 * MS_PER_S},
                                         {"h", 3600 * MS_PER_S}, {"d", INT64_C(86400) * MS_PER_S}};

static const struct unit byte_units[] = {{"", 1},        {"k", 1 << 10}, {"K", 1 << 10},
                                         {"m", 1 << 20}, {"M", 1 << 20}, {"g", 1 << 30},
                                         {"G", 1 << 30}};

static const struct unit no_units[] = {{"", 1}};

/* What a number of this kind may look like, for the error sentence. */
struct form {
    const struct unit *units;
    size_t count;
    const char *what;
};

static const struct form forms[] = {
    [SL_OPTION_NUMBER] = {no_units, sizeof(no_units) / sizeof(no_units[0]), "a whole number"},
    [SL_OPTION_SECONDS] = {time_units, sizeof(time_units) / sizeof(time_units[0]),
                           "a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
    [SL_OPTION_BYTES] = {byte_units, sizeof(byte_units) / sizeof(byte_units[0]),
                         "a size such as 3072, 3k or 1M"},
};

/*
 * Reads `[-]digits[.digits]suffix` as a whole number of the kind's own unit. Exactly: no floating
 * point, and nothing is rounded.
 */
static bool read_scaled(const char *text, const struct form *form, int64_t *result)
{
    bool negative = *text == '-';
    const char *at = negative ? text + 1 : text;
    int64_t value = 0;
    int64_t parts = 1; /* how many of `value` make one */
    bool pointed = false;
    size_t digits = 0;

    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !pointed && digits > 0); at++) {
        if (*at == '.') {
            pointed = true;
            digits = 0;
            continue;
        }
        if (value > (INT64_MAX - 9) / 10 || parts > INT64_MAX / 10)
            return false;
        value = value * 10 + (*at - '0');
        parts = pointed ? parts * 10 : parts;
        digits++;
    }
    if (digits == 0)
        return false;
    for (size_t i = 0; i < form->count; i++) {
        int64_t factor = form->units[i].factor;

        if (strcmp(at, form->units[i].suffix) != 0)
            continue;
        if (value > INT64_MAX / factor || value * factor % parts != 0)
            return false;
        *result = value * factor / parts * (negative ? -1 : 1);
        return true;
    }
    return false;
}

static void print_bound(enum sl_option_kind kind, int64_t bound, char *text, size_t size)
{
    if (kind == SL_OPTION_SECONDS && bound % MS_PER_S == 0)
        (void)snprintf(text, size, "%" PRId64 "s", bound / MS_PER_S);
    else
        (void)snprintf(text, size, "%" PRId64 "%s", bound, kind == SL_OPTION_SECONDS ? "ms" : "");
}

static enum sl_status set_number(struct sl_options *options, const struct sl_option *option,
                                 const char *value, const char *where)
{
    const struct form *form = &forms[option->kind];
    char shown[SHOWN_SIZE];
    char least[32];
    char most[32];
    int64_t number = 0;

    sl_log_clean(sl_bytes_of(value), shown, sizeof(shown));
    if (!read_scaled(value, form, &number))
        return sl_options_fail(options, "%s: '%s' isn't %s", where, shown, form->what);
    if (number < option->min || number > option->max) {
        print_bound(option->kind, option->min, least, sizeof(least));
        print_bound(option->kind, option->max, most, sizeof(most));
        return sl_options_fail(options, "%s: '%s' isn't between %s and %s", where, shown, least,
                               most);
    }
    *(int64_t *)option->target = number;
    return SL_OK;
}

static enum sl_status set_flag(struct sl_options *options, const struct sl_option *option,
                               const char *value, const char *where)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    bool *target = option->target;
    char shown[SHOWN_SIZE];

    if (value == NULL) {
        *target = true;
        return SL_OK;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int set = 0; set < 2; set++) {
            if (strcmp(value, words[i][set]) == 0) {
                *target = set == 1;
                return SL_OK;
            }
        }
    }
    sl_log_clean(sl_bytes_of(value), shown, sizeof(shown));
    return sl_options_fail(options, "%s: '%s' is neither yes nor no", where, shown);
}

static enum sl_status add_to_list(struct sl_options *options, const struct sl_option *option,
                                  const char *value, const char *where, bool fresh)
{
    struct sl_option_list *list = option->target;

    if (fresh)
        list->count = 0;
    if (list->count == SL_OPTION_LIST_MAX)
        return sl_options_fail(options, "%s: given more than %d times, the most there can be",
                               where, (int)SL_OPTION_LIST_MAX);
    list->at[list->count++] = value;
    return SL_OK;
}

enum sl_status sl_option_set(struct sl_options *options, const struct sl_option *option,
                             const char *value, const char *where, bool fresh)
{
    if (option->kind == SL_OPTION_FLAG)
        return set_flag(options, option, value, where);
    if (value == NULL || *value == '\0')
        return sl_options_fail(options, "%s needs a value: %s", where,
                               option->argument != NULL ? option->argument : "VALUE");
    switch (option->kind) {
    case SL_OPTION_TEXT:
        *(const char **)option->target = value;
        return SL_OK;
    case SL_OPTION_LIST:
        return add_to_list(options, option, value, where, fresh);
    default:
        return set_number(options, option, value, where);
    }
}
