/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c -- the command line, and the help.
 */
#include "base/options.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/option_value.h"

enum { SHOWN_SIZE = 96, HELP_WIDTH = 80, HELP_COLUMN = 30 };

enum sl_status sl_options_fail(struct sl_options *options, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(options->error, sizeof(options->error), format, args);
    va_end(args);
    return SL_BAD_INPUT;
}

const struct sl_option *sl_options_find(const struct sl_options *options, struct sl_bytes name)
{
    for (size_t i = 0; i < options->count; i++)
        if (sl_bytes_equal(name, sl_bytes_of(options->table[i].name)))
            return &options->table[i];
    return NULL;
}

/* What stands at one place of the command line. */
struct item {
    enum { ITEM_OPTION, ITEM_PLAIN, ITEM_END } kind;
    const struct sl_option *option;
    const char *value; /* null where there is none */
    int args;          /* how many arguments it takes */
};

static const struct sl_option *find_word(const struct sl_options *options, const char *word)
{
    if (strncmp(word, "--", 2) != 0)
        return NULL;

    size_t len = strcspn(word + 2, "=");

    return sl_options_find(options, (struct sl_bytes){.at = word + 2, .len = len});
}

static enum sl_status read_option(struct sl_options *options, int argc, char **argv, int at,
                                  struct item *item)
{
    const char *word = argv[at];
    const char *equals = strchr(word, '=');
    char shown[SHOWN_SIZE];

    item->kind = ITEM_OPTION;
    item->option = find_word(options, word);
    item->value = equals != NULL ? equals + 1 : NULL;
    item->args = 1;
    if (item->option == NULL) {
        struct sl_bytes name = {.at = word,
                                .len = equals != NULL ? (size_t)(equals - word) : strlen(word)};

        return sl_options_fail(options, "unknown option %s: '%s --help' lists them",
                               sl_log_clean(name, shown, sizeof(shown)), options->program);
    }
    if (item->option->kind == SL_OPTION_FLAG || equals != NULL)
        return SL_OK;
    /* An option's name here means a forgotten value; as a value it is written `--name=--value`. */
    if (at + 1 >= argc || find_word(options, argv[at + 1]) != NULL)
        return sl_options_fail(options, "--%s needs a value: --%s %s", item->option->name,
                               item->option->name,
                               item->option->argument != NULL ? item->option->argument : "VALUE");
    item->value = argv[at + 1];
    item->args = 2;
    return SL_OK;
}

static enum sl_status read_item(struct sl_options *options, int argc, char **argv, int at,
                                struct item *item)
{
    const char *word = argv[at];

    *item = (struct item){.kind = ITEM_PLAIN, .args = 1};
    if (word[0] != '-' || word[1] == '\0')
        return SL_OK;
    if (strcmp(word, "--") == 0) {
        item->kind = ITEM_END;
        return SL_OK;
    }
    return read_option(options, argc, argv, at, item);
}

static enum sl_status refuse_plain(struct sl_options *options, const char *word)
{
    char shown[SHOWN_SIZE];

    return sl_options_fail(options, "unexpected argument '%s': '%s --help' lists the options",
                           sl_log_clean(sl_bytes_of(word), shown, sizeof(shown)), options->program);
}

/* First pass: is each argument one that there can be, and where is the configuration file? */
static enum sl_status check(struct sl_options *options, int argc, char **argv, bool plain_allowed)
{
    bool seen[SL_OPTION_TABLE_MAX] = {false};

    for (int at = 1; at < argc;) {
        struct item item;
        enum sl_status status = read_item(options, argc, argv, at, &item);

        if (status != SL_OK)
            return status;
        if (item.kind == ITEM_PLAIN && !plain_allowed)
            return refuse_plain(options, argv[at]);
        at += item.args;
        if (item.kind == ITEM_END)
            return at < argc && !plain_allowed ? refuse_plain(options, argv[at]) : SL_OK;
        if (item.kind == ITEM_PLAIN)
            continue;

        bool *again = &seen[item.option - options->table];

        if (*again && item.option->kind != SL_OPTION_LIST)
            return sl_options_fail(options, "--%s is given twice", item.option->name);
        *again = true;
        if (item.option->kind == SL_OPTION_TEXT && strcmp(item.option->name, "config") == 0)
            options->config = item.value;
    }
    return SL_OK;
}

/* Moves the `plain` arguments before `at` behind the `args` ones from `at` on. */
static void move_behind(char **argv, int at, int plain, int args)
{
    for (int i = 0; i < args; i++) {
        char *moved = argv[at + i];

        memmove(&argv[at + i - plain + 1], &argv[at + i - plain], (size_t)plain * sizeof(*argv));
        argv[at + i - plain] = moved;
    }
}

/* Second pass, after the file: sets the targets, and moves what is no option to the end. */
static enum sl_status apply(struct sl_options *options, int argc, char **argv, int *rest)
{
    bool seen[SL_OPTION_TABLE_MAX] = {false};
    int plain = 0;
    int at = 1;

    while (at < argc) {
        struct item item;
        char where[SHOWN_SIZE];
        enum sl_status status = read_item(options, argc, argv, at, &item);

        if (status != SL_OK)
            return status;
        if (item.kind == ITEM_PLAIN) {
            plain++;
            at++;
            continue;
        }
        move_behind(argv, at, plain, item.args);
        at += item.args;
        if (item.kind == ITEM_END)
            break;

        bool *again = &seen[item.option - options->table];

        (void)snprintf(where, sizeof(where), "--%s", item.option->name);
        status = sl_option_set(options, item.option, item.value, where, !*again);
        if (status != SL_OK)
            return status;
        *again = true;
    }
    if (rest != NULL)
        *rest = at - plain;
    return SL_OK;
}

enum sl_status sl_options_parse(struct sl_options *options, int argc, char **argv, int *rest)
{
    assert(options->count <= SL_OPTION_TABLE_MAX);
    sl_options_clear(options);
    options->config = NULL;
    options->error[0] = '\0';

    enum sl_status status = check(options, argc, argv, rest != NULL);

    if (status != SL_OK)
        return status;
    if (options->config != NULL) {
        if (options->config[0] == '\0')
            return sl_options_fail(options, "--config needs a value: --config FILE");
        status = sl_options_read_file(options);
        if (status != SL_OK)
            return status;
    }
    return apply(options, argc, argv, rest);
}

/* Prints `text` from column HELP_COLUMN on, broken between words before HELP_WIDTH. */
static void print_wrapped(const char *text, FILE *out)
{
    const size_t width = HELP_WIDTH - HELP_COLUMN;

    while (strlen(text) > width) {
        size_t len = width;

        while (len > 0 && text[len] != ' ')
            len--;
        if (len == 0)
            len = strcspn(text, " "); /* a word that is wider than the column stays whole */
        fprintf(out, "%.*s\n%*s", (int)len, text, (int)HELP_COLUMN, "");
        text += len;
        text += strspn(text, " ");
    }
    fprintf(out, "%s\n", text);
}

void sl_options_help(const struct sl_options *options, const char *usage, bool all, FILE *out)
{
    fprintf(out, "%s\n", usage);
    for (size_t i = 0; i < options->count; i++) {
        const struct sl_option *option = &options->table[i];

        if (option->hidden && !all)
            continue;

        int len = fprintf(out, "  --%s%s%s", option->name, option->argument != NULL ? " " : "",
                          option->argument != NULL ? option->argument : "");

        if (len + 2 > HELP_COLUMN)
            fprintf(out, "\n%*s", (int)HELP_COLUMN, "");
        else
            fprintf(out, "%*s", (int)HELP_COLUMN - len, "");
        print_wrapped(option->help, out);
    }
}

void sl_options_clear(struct sl_options *options)
{
    free(options->owned);
    options->owned = NULL;
    options->owned_len = 0;
}
