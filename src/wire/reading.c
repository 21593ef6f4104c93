/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reading.c -- `name: value[ unit]`.
 */
#include "wire/reading.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/value.h"

static const struct {
    const char *id;
    const char *text;
} flaws[] = {
    [SL_FLAW_NONE] = {"none", "nothing is wrong with it"},
    [SL_FLAW_NO_COLON] = {"no-colon", "a reading is written as 'name: value', and there is no ':'"},
    [SL_FLAW_NAME] = {"bad-name", "a name is a letter and then up to 63 letters, digits, '_', '.' "
                                  "or '-'"},
    [SL_FLAW_NO_VALUE] = {"no-value", "there is no value after the ':'"},
    [SL_FLAW_NOT_A_NUMBER] = {"not-a-number", "a value is a decimal number of up to 48 characters, "
                                              "such as 22, -0.5 or 1.2e-3"},
    [SL_FLAW_NOT_FINITE] = {"not-finite", "a value is below 1.8e308 and above -1.8e308"},
    [SL_FLAW_UNIT] = {"bad-unit", "a unit is one word of up to 16 printable characters"},
    [SL_FLAW_NOT_TEXT] = {"not-text", "a reading is UTF-8 text without control characters"},
};

enum { FLAW_COUNT = sizeof(flaws) / sizeof(flaws[0]) };

const char *sl_flaw_id(enum sl_flaw flaw)
{
    return (size_t)flaw < FLAW_COUNT ? flaws[flaw].id : "unknown";
}

const char *sl_flaw_text(enum sl_flaw flaw)
{
    return (size_t)flaw < FLAW_COUNT ? flaws[flaw].text : "something is wrong with it";
}

/* True where all eight bytes are ASCII from ' ' to '~'. */
static bool eight_are_clean(const char *at)
{
    const uint64_t tops = UINT64_C(0x8080808080808080);
    const uint64_t spaces = UINT64_C(0x2020202020202020);
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    /* A byte below ' ' borrows into its top bit, and 0x7f carries into it. */
    return ((word | (word - spaces) | (word + ones)) & tops) == 0;
}

/* The length of the character at the front, 0 where it is none or a control. */
static size_t clean_character(struct sl_bytes text)
{
    uint32_t code = 0;

    if (text.at[0] >= ' ' && text.at[0] <= '~')
        return 1;

    size_t len = sl_utf8_next(text, &code);

    return len > 0 && !sl_utf8_is_control(code) ? len : 0;
}

bool sl_text_is_clean(struct sl_bytes text)
{
    while (text.len > 0) {
        bool eight = text.len >= 8 && eight_are_clean(text.at);
        size_t len = eight ? 8 : clean_character(text);

        if (len == 0)
            return false;
        text.at += len;
        text.len -= len;
    }
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_in_name(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static const char *name_end(const char *at, const char *end)
{
    while (at < end && is_in_name(*at))
        at++;
    return at;
}

/* Of a name whose characters are those of names. */
static bool name_fits(struct sl_bytes name)
{
    return name.len > 0 && name.len <= SL_NAME_MAX && is_letter(name.at[0]);
}

/* The length of the character at the front, 0 where it can't be in a unit. */
static size_t unit_character(struct sl_bytes text)
{
    uint32_t code = 0;

    if (text.at[0] > ' ' && text.at[0] <= '~')
        return 1;

    size_t len = sl_utf8_next(text, &code);

    return len > 0 && sl_utf8_is_visible(code) ? len : 0;
}

static bool unit_is_sound(struct sl_bytes unit)
{
    if (unit.len > SL_UNIT_BYTES_MAX)
        return false;
    for (size_t count = 0; unit.len > 0; count++) {
        size_t len = unit_character(unit);

        if (len == 0 || count == SL_UNIT_MAX)
            return false;
        unit.at += len;
        unit.len -= len;
    }
    return true;
}

/* In the order in which a person would want to hear it; the name was looked at before. */
static enum sl_flaw flaw_of_parts(const struct sl_reading *reading)
{
    if (!name_fits(reading->name))
        return SL_FLAW_NAME;
    if (reading->value.len == 0)
        return SL_FLAW_NO_VALUE;

    enum sl_flaw flaw = sl_value_check(reading->value);

    if (flaw != SL_FLAW_NONE)
        return flaw;
    return unit_is_sound(reading->unit) ? SL_FLAW_NONE : SL_FLAW_UNIT;
}

static struct sl_bytes between(const char *from, const char *to)
{
    return (struct sl_bytes){.at = from, .len = (size_t)(to - from)};
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

/* Takes the text apart from left to right; each byte of a sound reading is looked at once. */
static enum sl_flaw parse(struct sl_bytes text, struct sl_reading *reading)
{
    if (text.len == 0)
        return SL_FLAW_NO_COLON;

    const char *end = text.at + text.len;
    const char *at = skip_blanks(text.at, end);

    reading->name = between(at, name_end(at, end));
    at = skip_blanks(reading->name.at + reading->name.len, end);
    if (at == end || *at != ':')
        return memchr(text.at, ':', text.len) == NULL ? SL_FLAW_NO_COLON : SL_FLAW_NAME;

    const char *value = skip_blanks(at + 1, end);

    for (at = value; at < end && *at != ' ';)
        at++;
    reading->value = between(value, at);
    at = skip_blanks(at, end);
    while (at < end && end[-1] == ' ')
        end--;
    reading->unit = between(at, end);
    return flaw_of_parts(reading);
}

enum sl_status sl_reading_parse(struct sl_bytes text, struct sl_reading *reading,
                                enum sl_flaw *flaw)
{
    *flaw = parse(text, reading);
    /* What is sound is text; only where something is wrong it may be that this isn't even text. */
    if (*flaw != SL_FLAW_NONE && !sl_text_is_clean(text))
        *flaw = SL_FLAW_NOT_TEXT;
    return *flaw == SL_FLAW_NONE ? SL_OK : SL_BAD_INPUT;
}

static bool all_is_clean(const struct sl_reading *reading)
{
    return sl_text_is_clean(reading->name) && sl_text_is_clean(reading->value) &&
           sl_text_is_clean(reading->unit);
}

enum sl_status sl_reading_check(const struct sl_reading *reading, enum sl_flaw *flaw)
{
    struct sl_bytes name = reading->name;

    if (name.len == 0 || name_end(name.at, name.at + name.len) != name.at + name.len)
        *flaw = SL_FLAW_NAME;
    else
        *flaw = flaw_of_parts(reading);
    if (*flaw != SL_FLAW_NONE && !all_is_clean(reading))
        *flaw = SL_FLAW_NOT_TEXT;
    return *flaw == SL_FLAW_NONE ? SL_OK : SL_BAD_INPUT;
}

enum sl_status sl_reading_print(const struct sl_reading *reading, char *text, size_t size,
                                size_t *len)
{
    char value[SL_VALUE_SIZE];
    size_t value_len = sl_value_canonical(reading->value, value);
    size_t unit_len = reading->unit.len > 0 ? reading->unit.len + 1 : 0;
    size_t need = reading->name.len + 2 + value_len + unit_len;

    if (size <= need)
        return SL_LIMIT;
    memcpy(text, reading->name.at, reading->name.len);
    text += reading->name.len;
    *text++ = ':';
    *text++ = ' ';
    memcpy(text, value, value_len);
    text += value_len;
    if (unit_len > 0) {
        *text++ = ' ';
        memcpy(text, reading->unit.at, reading->unit.len);
        text += reading->unit.len;
    }
    *text = '\0';
    *len = need;
    return SL_OK;
}
