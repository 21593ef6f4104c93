/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_reading.c -- a reading that is taken prints as one that reads back as the same, and its
 * value is the number that the C library reads, in a form that JSON has.
 *
 * Input: the text of a reading; its first eight bytes are also printed as a double.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "wire/frame.h"
#include "wire/reading.h"

static size_t digits_at(const char *text)
{
    return strspn(text, "0123456789");
}

/* RFC 8259, section 6, written down anew and not with the functions under test. */
static bool is_json_number(const char *text)
{
    text += *text == '-';
    if (digits_at(text) == 0 || (text[0] == '0' && digits_at(text) > 1))
        return false;
    text += digits_at(text);
    if (*text == '.') {
        text++;
        if (digits_at(text) == 0)
            return false;
        text += digits_at(text);
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (digits_at(text) == 0)
            return false;
        text += digits_at(text);
    }
    return *text == '\0';
}

static void copy(struct sl_bytes bytes, char *text, size_t size)
{
    require(bytes.len < size, "a part is within its limit");
    memcpy(text, bytes.at, bytes.len);
    text[bytes.len] = '\0';
}

static void check_value(struct sl_bytes value)
{
    char sent[SL_VALUE_SIZE];
    char canonical[SL_VALUE_SIZE];
    char again[SL_VALUE_SIZE];
    size_t len = sl_value_canonical(value, canonical);

    copy(value, sent, sizeof(sent));
    require(len == strlen(canonical) && len <= SL_VALUE_MAX, "the canonical form's length");
    require(is_json_number(canonical), "the canonical form is a JSON number");
    require(isfinite(strtod(sent, NULL)), "a value that is taken is finite");
    require(strtod(canonical, NULL) == strtod(sent, NULL), "it is the same number");
    sl_value_canonical((struct sl_bytes){.at = canonical, .len = len}, again);
    require(strcmp(canonical, again) == 0, "the canonical form of the canonical form is itself");
}

/* A value that isn't canonical because of a zero in front comes to the same form. */
static void check_longer(struct sl_bytes value)
{
    size_t sign = value.at[0] == '-' || value.at[0] == '+';
    char text[SL_VALUE_SIZE];
    char form[SL_VALUE_SIZE];
    char form_of_longer[SL_VALUE_SIZE];

    if (value.len == SL_VALUE_MAX)
        return;
    memcpy(text, value.at, sign);
    text[sign] = '0';
    memcpy(text + sign + 1, value.at + sign, value.len - sign);
    sl_value_canonical(value, form);
    sl_value_canonical((struct sl_bytes){.at = text, .len = value.len + 1}, form_of_longer);
    require(strcmp(form, form_of_longer) == 0, "a zero in front changes nothing");
}

static void check_taken(struct sl_bytes in, const struct sl_reading *reading)
{
    char text[SL_LINE_MAX];
    char again[SL_LINE_MAX];
    size_t len = 0;
    struct sl_reading second = {.time_us = 0};
    enum sl_flaw flaw = SL_FLAW_NONE;

    require(reading->name.at >= in.at && reading->name.at + reading->name.len <= in.at + in.len &&
                reading->unit.at + reading->unit.len <= in.at + in.len,
            "the parts lie in the text");
    check_value(reading->value);
    check_longer(reading->value);
    require(sl_reading_check(reading, &flaw) == SL_OK, "the parts pass the check of parts");
    require(sl_reading_print(reading, text, sizeof(text), &len) == SL_OK, "it fits a line");
    struct sl_bytes printed = {.at = text, .len = len};

    require(sl_reading_parse(printed, &second, &flaw) == SL_OK, "what is printed is taken");
    require(sl_bytes_equal(second.name, reading->name) &&
                sl_bytes_equal(second.unit, reading->unit),
            "name and unit survive");
    require(sl_reading_print(&second, again, sizeof(again), &len) == SL_OK &&
                strcmp(text, again) == 0,
            "printed again it is the same");
}

static void check_double(struct sl_bytes in)
{
    double number;
    char text[SL_VALUE_SIZE];
    size_t len = 0;

    if (in.len < sizeof(number))
        return;
    memcpy(&number, in.at, sizeof(number));
    if (sl_value_print(number, text, &len) != SL_OK) {
        require(!isfinite(number), "a finite number is printed");
        return;
    }
    require(isfinite(number) && strtod(text, NULL) == number, "it reads back as the same number");
    check_value((struct sl_bytes){.at = text, .len = len});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_bytes in = {.at = (const char *)data, .len = size};
    struct sl_reading reading = {.time_us = 0};
    enum sl_flaw flaw = SL_FLAW_NONE;

    check_double(in);
    if (sl_reading_parse(in, &reading, &flaw) == SL_OK) {
        require(flaw == SL_FLAW_NONE && sl_text_is_clean(in), "it is text without a flaw");
        check_taken(in, &reading);
    } else {
        require(flaw != SL_FLAW_NONE, "a refusal has its reason");
        require((flaw == SL_FLAW_NOT_TEXT) != sl_text_is_clean(in), "what isn't text is found out");
    }
    if (flaw == SL_FLAW_NOT_FINITE) {
        char sent[SL_VALUE_SIZE];

        copy(reading.value, sent, sizeof(sent));
        require(isinf(strtod(sent, NULL)), "what isn't finite is infinite");
    }
    return 0;
}
