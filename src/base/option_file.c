/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_file.c -- options from a configuration file.
 *
 * libinih splits the lines; it is given them one by one by a reader of our own, for three reasons.
 * It doesn't tell its handler which line it is at; it takes an indented line for the rest of the
 * value before it, which here would silently be a second value; and a line that is too long for
 * it would become two.
 */
#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/option_value.h"

enum { FILE_MAX = 64 * 1024, WHERE_SIZE = 320, SHOWN_SIZE = 96 };

struct source {
    struct sl_options *options;
    const char *at; /* what is left of the file */
    const char *end;
    int line; /* number of the last line read */
    enum sl_status status;
    bool seen[SL_OPTION_TABLE_MAX];
};

static const char *where_of(const struct source *source, int line, char text[static WHERE_SIZE])
{
    char path[WHERE_SIZE - 32];

    sl_log_clean(sl_bytes_of(source->options->config), path, sizeof(path));
    (void)snprintf(text, WHERE_SIZE, "%s:%d", path, line);
    return text;
}

static void fail_line(struct source *source, const char *what)
{
    char where[WHERE_SIZE];

    source->status =
        sl_options_fail(source->options, "%s: %s", where_of(source, source->line, where), what);
}

/* The next line without blanks at its ends; a comment is an empty line. */
static struct sl_bytes next_line(struct source *source)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    static const char blanks[] = " \t\v\f\r";
    const char *from = source->at;
    const char *newline = memchr(from, '\n', (size_t)(source->end - from));
    const char *to = newline != NULL ? newline : source->end;

    source->at = newline != NULL ? newline + 1 : source->end;
    source->line++;
    if (source->line == 1 && to - from >= 3 && memcmp(from, byte_order_mark, 3) == 0)
        from += 3;
    while (from < to && *from != '\0' && strchr(blanks, *from) != NULL)
        from++;
    while (from < to && to[-1] != '\0' && strchr(blanks, to[-1]) != NULL)
        to--;
    if (from < to && (*from == '#' || *from == ';'))
        to = from;
    return (struct sl_bytes){.at = from, .len = (size_t)(to - from)};
}

/* libinih's reader, as fgets(): null ends the parsing. */
static char *read_line(char *out, int size, void *context)
{
    struct source *source = context;

    if (source->status != SL_OK || source->at == source->end)
        return NULL;

    struct sl_bytes line = next_line(source);

    if (line.len > 0 && memchr(line.at, '\0', line.len) != NULL)
        fail_line(source, "there is a zero byte in this line: is it a text file?");
    else if (line.len > 0 && line.at[0] == '[')
        fail_line(source, "there are no sections in this file: write 'name = value' lines only");
    else if (size < 3 || line.len > (size_t)size - 3)
        fail_line(source, "this line is too long");
    if (source->status != SL_OK)
        return NULL;
    memcpy(out, line.at, line.len);
    out[line.len] = '\n';
    out[line.len + 1] = '\0';
    return out;
}

/* A copy that lives as long as the options. All values together are shorter than their file. */
static const char *keep(struct sl_options *options, const char *value)
{
    size_t size = strlen(value) + 1;
    char *kept = options->owned + options->owned_len;

    memcpy(kept, value, size);
    options->owned_len += size;
    return kept;
}

static enum sl_status take_pair(struct source *source, const char *name, const char *value)
{
    struct sl_options *options = source->options;
    const struct sl_option *option = sl_options_find(options, sl_bytes_of(name));
    char line[WHERE_SIZE];
    char where[WHERE_SIZE + 64];
    char shown[SHOWN_SIZE];

    where_of(source, source->line, line);
    sl_log_clean(sl_bytes_of(name), shown, sizeof(shown));
    if (option == NULL)
        return sl_options_fail(options, "%s: unknown key '%s': '%s --help' lists them", line, shown,
                               options->program);
    if (strcmp(name, "config") == 0)
        return sl_options_fail(options, "%s: 'config' is for the command line only", line);

    bool *seen = &source->seen[option - options->table];

    if (*seen && option->kind != SL_OPTION_LIST)
        return sl_options_fail(options, "%s: '%s' is set a second time", line, shown);
    (void)snprintf(where, sizeof(where), "%s: %s", line, option->name);

    bool fresh = !*seen;

    *seen = true;
    /* A flag's null is "given without a value", which a file can't do. */
    return sl_option_set(options, option, keep(options, value), where, fresh);
}

static int handle_pair(void *context, const char *section, const char *name, const char *value)
{
    struct source *source = context;

    (void)section; /* always empty: read_line() lets no section through */
    if (source->status == SL_OK)
        source->status = take_pair(source, name, value != NULL ? value : "");
    return source->status == SL_OK;
}

static enum sl_status parse(struct sl_options *options, const char *text, size_t len)
{
    struct source source = {.options = options, .at = text, .end = text + len, .status = SL_OK};
    int bad_line = ini_parse_stream(read_line, &source, handle_pair, &source);

    /* It goes on after a line without '='; the first fault is the one to tell. */
    if (bad_line > 0 && (source.status == SL_OK || bad_line < source.line)) {
        source.line = bad_line;
        fail_line(&source, "a line is written as 'name = value'");
    }
    if (bad_line < 0 && source.status == SL_OK) {
        (void)snprintf(options->error, sizeof(options->error), "no memory for the configuration");
        return SL_NOMEM;
    }
    return source.status;
}

static enum sl_status fail_reading(struct sl_options *options, int error)
{
    char path[SHOWN_SIZE * 2];

    sl_log_clean(sl_bytes_of(options->config), path, sizeof(path));
    (void)snprintf(options->error, sizeof(options->error),
                   "can't read the configuration file '%s': %s", path, strerror(error));
    return SL_IO;
}

/* The file's bytes in memory of malloc(), one byte longer than any file may be. */
static enum sl_status load(struct sl_options *options, char *text, size_t *len)
{
    FILE *file = fopen(options->config, "re");

    if (file == NULL)
        return fail_reading(options, errno);
    *len = fread(text, 1, FILE_MAX + 1, file);

    enum sl_status status = SL_OK;

    if (ferror(file))
        status = fail_reading(options, errno);
    else if (*len > FILE_MAX)
        status = sl_options_fail(options, "the configuration file is larger than %d KiB",
                                 FILE_MAX / 1024);
    (void)fclose(file);
    return status;
}

enum sl_status sl_options_read_file(struct sl_options *options)
{
    size_t len = 0;
    char *text = malloc(FILE_MAX + 1);
    enum sl_status status = SL_NOMEM;

    if (text == NULL)
        goto out;
    status = load(options, text, &len);
    if (status != SL_OK)
        goto out;
    /* A value and its zero are no longer than its line, whose '\n' the last one may lack. */
    options->owned = malloc(len + 1);
    status = options->owned != NULL ? parse(options, text, len) : SL_NOMEM;
out:
    if (status == SL_NOMEM)
        (void)snprintf(options->error, sizeof(options->error), "no memory for the configuration");
    free(text);
    return status;
}
