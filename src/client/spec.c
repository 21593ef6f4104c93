/* SPDX-License-Identifier: Apache-2.0 */
/* spec.c -- reads what spec.h describes. */
#include "client/spec.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "client/number.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct sl_bytes trimmed(struct sl_bytes text)
{
    while (text.len > 0 && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && (is_blank(text.at[text.len - 1]) || text.at[text.len - 1] == '\r'))
        text.len--;
    return text;
}

/* Cuts `text` at the first `c`: false where there is none. */
static bool cut(struct sl_bytes text, char c, struct sl_bytes *before, struct sl_bytes *after)
{
    const char *at = text.len > 0 ? memchr(text.at, c, text.len) : NULL;
    if (!at)
        return false;
    *before = (struct sl_bytes){text.at, (size_t)(at - text.at)};
    *after = (struct sl_bytes){at + 1, text.len - before->len - 1};
    return true;
}

/* Takes `*SCALE` off the end of spec->what. */
static void take_scale(struct sl_spec *spec)
{
    for (size_t at = spec->what.len; at > 0; at--) {
        if (spec->what.at[at - 1] != '*')
            continue;
        struct sl_bytes scale = {spec->what.at + at, spec->what.len - at};
        if (sl_number_is(scale)) {
            spec->scale = scale;
            spec->what.len = at - 1;
        }
        return;
    }
}

enum sl_status sl_spec_parse(const char *text, bool scaled, struct sl_spec *spec,
                             const char **wrong)
{
    struct sl_bytes left;
    enum sl_flaw flaw = SL_FLAW_NONE;

    *spec = (struct sl_spec){0};
    if (!cut(sl_bytes_of(text), '=', &left, &spec->what)) {
        *wrong = "there is no '=' after the name";
        return SL_BAD_INPUT;
    }
    spec->name = left;
    (void)cut(left, ':', &spec->name, &spec->unit);
    struct sl_reading probe = {.name = spec->name, .value = {"0", 1}, .unit = spec->unit};
    if (sl_reading_check(&probe, &flaw) != SL_OK) {
        *wrong = sl_flaw_text(flaw);
        return SL_BAD_INPUT;
    }
    if (scaled)
        take_scale(spec);
    if (spec->what.len == 0) {
        *wrong = "there is nothing after the '='";
        return SL_BAD_INPUT;
    }
    return SL_OK;
}

/* The first word of `*rest`, which is left after it. */
static struct sl_bytes take_word(struct sl_bytes *rest)
{
    struct sl_bytes word = {rest->at, 0};
    while (word.len < rest->len && !is_blank(rest->at[word.len]))
        word.len++;
    *rest = trimmed((struct sl_bytes){rest->at + word.len, rest->len - word.len});
    return word;
}

static bool parse_time(struct sl_bytes text, int64_t *time_us)
{
    return sl_time_parse_unix(text, time_us) == SL_OK || sl_time_parse_iso(text, time_us) == SL_OK;
}

/* Takes a time off the start of `*rest`; false where there is none, and then nothing is taken. */
static bool take_time(struct sl_bytes *rest, int64_t *time_us)
{
    struct sl_bytes after = *rest;
    struct sl_bytes first = take_word(&after);
    struct sl_bytes later = after;
    struct sl_bytes second = take_word(&later);

    /* Date and time of day in two words come first, for the date alone is a time too. */
    struct sl_bytes both = {first.at, (size_t)(second.at + second.len - first.at)};
    if (second.len > 0 && sl_time_parse_iso(both, time_us) == SL_OK) {
        *rest = later;
        return true;
    }
    if (!parse_time(first, time_us))
        return false;
    *rest = after;
    return true;
}

static bool starts_with_letter(struct sl_bytes text)
{
    return text.len > 0 &&
           ((text.at[0] >= 'a' && text.at[0] <= 'z') || (text.at[0] >= 'A' && text.at[0] <= 'Z'));
}

static bool starts_with_number(struct sl_bytes text)
{
    struct sl_bytes number;
    return sl_number_find(text, &number) && number.at == text.at;
}

/*
 * Takes the time off a line. A bare value may look like one (`22 Cel` is no reading of Cel at 22
 * seconds past 1970): where values may be bare, what follows a time has to be one or a whole
 * reading.
 */
static void take_line_time(struct sl_bytes *rest, bool bare, int64_t *time_us)
{
    struct sl_bytes after = *rest;
    int64_t found = 0;
    if (!take_time(&after, &found) || after.len == 0)
        return;
    bool whole = starts_with_letter(after) && memchr(after.at, ':', after.len);
    if (bare && !whole && !starts_with_number(after))
        return;
    *rest = after;
    *time_us = found;
}

enum sl_status sl_spec_parse_line(struct sl_bytes line, const char *name, int64_t *time_us,
                                  char *out, size_t size, size_t *len, const char **wrong)
{
    struct sl_bytes rest = trimmed(line);
    if (!starts_with_letter(rest) && rest.len > 0)
        take_line_time(&rest, name != NULL, time_us);

    bool bare = name && !starts_with_letter(rest);
    if (!bare && !starts_with_letter(rest)) {
        *wrong = starts_with_number(rest) ? "a number without a name; give one with --name"
                                          : "neither a name nor a time stands at its beginning";
        return SL_BAD_INPUT;
    }
    int printed = snprintf(out, size, "%s%s%.*s", bare ? name : "", bare ? ": " : "", (int)rest.len,
                           rest.len > 0 ? rest.at : "");
    if (printed < 0 || (size_t)printed >= size) {
        *wrong = "it is too long";
        return SL_BAD_INPUT;
    }
    *len = (size_t)printed;
    /* snprintf() stops at a zero byte in the line, but no reading may have one. */
    if (memchr(rest.at, '\0', rest.len)) {
        *wrong = sl_flaw_text(SL_FLAW_NOT_TEXT);
        return SL_BAD_INPUT;
    }
    return SL_OK;
}
