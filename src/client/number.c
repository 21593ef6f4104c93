/* SPDX-License-Identifier: Apache-2.0 */
/* number.c -- numbers in text; see number.h. */
#include "client/number.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 18, PLACES_MAX = 24, TEXT_SIZE = 128 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t count_digits(struct sl_bytes text, size_t from)
{
    size_t at = from;
    while (at < text.len && is_digit(text.at[at]))
        at++;
    return at - from;
}

/* Length of the exponent at `from`, 0 where there is none. */
static size_t exponent_len(struct sl_bytes text, size_t from)
{
    size_t at = from;
    if (at >= text.len || (text.at[at] != 'e' && text.at[at] != 'E'))
        return 0;
    at++;
    if (at < text.len && (text.at[at] == '+' || text.at[at] == '-'))
        at++;
    size_t digits = count_digits(text, at);
    return digits > 0 ? at + digits - from : 0;
}

/* Length of the number that begins at `from` (with its sign), 0 where none does. */
static size_t number_len(struct sl_bytes text, size_t from)
{
    size_t at = from;
    if (at < text.len && (text.at[at] == '+' || text.at[at] == '-'))
        at++;
    size_t whole = count_digits(text, at);
    at += whole;
    size_t part = 0;
    if (at < text.len && text.at[at] == '.') {
        part = count_digits(text, at + 1);
        if (whole + part > 0)
            at += 1 + part;
    }
    if (whole + part == 0)
        return 0;
    return at + exponent_len(text, at) - from;
}

/* Length of a word, digits and hyphens in it included; 0 where no word begins. */
static size_t word_len(struct sl_bytes text, size_t from)
{
    size_t at = from;
    while (at < text.len &&
           (is_letter(text.at[at]) || (at > from && (is_digit(text.at[at]) || text.at[at] == '-'))))
        at++;
    return at - from;
}

static bool is_hexadecimal(struct sl_bytes text, size_t at)
{
    if (at < text.len && (text.at[at] == '+' || text.at[at] == '-'))
        at++;
    return at + 1 < text.len && text.at[at] == '0' &&
           (text.at[at + 1] == 'x' || text.at[at + 1] == 'X');
}

bool sl_number_find(struct sl_bytes text, struct sl_bytes *number)
{
    size_t at = 0;
    while (at < text.len) {
        size_t word = word_len(text, at);
        size_t len = word > 0 ? 0 : number_len(text, at);
        if (len > 0 && is_hexadecimal(text, at)) {
            at += len;
            at += word_len(text, at);
        } else if (len > 0) {
            *number = (struct sl_bytes){text.at + at, len};
            return true;
        } else {
            at += word > 0 ? word : 1;
        }
    }
    return false;
}

bool sl_number_is(struct sl_bytes text)
{
    return text.len > 0 && number_len(text, 0) == text.len;
}

/* A number as mantissa * 10^exponent; false where its digits don't fit. */
struct decimal {
    int64_t mantissa;
    int64_t exponent;
};

static bool to_decimal(struct sl_bytes text, struct decimal *decimal)
{
    bool negative = text.at[0] == '-';
    bool point = false;
    int digits = 0;
    size_t at = text.at[0] == '+' || text.at[0] == '-';

    *decimal = (struct decimal){0, 0};
    for (; at < text.len && (is_digit(text.at[at]) || text.at[at] == '.'); at++) {
        if (text.at[at] == '.') {
            point = true;
            continue;
        }
        digits += digits > 0 || text.at[at] != '0';
        if (digits > DIGITS_MAX)
            return false;
        decimal->mantissa = decimal->mantissa * 10 + (text.at[at] - '0');
        decimal->exponent -= point;
    }
    if (at < text.len) {
        char exponent[8] = "";
        if (text.len - at - 1 >= sizeof(exponent))
            return false;
        memcpy(exponent, text.at + at + 1, text.len - at - 1);
        decimal->exponent += strtol(exponent, NULL, 10);
    }
    if (negative)
        decimal->mantissa = -decimal->mantissa;
    return true;
}

/* Prints without an exponent where that is short enough; false where it isn't. */
static bool print_plain(struct decimal decimal, char *out, size_t *len)
{
    char digits[PLACES_MAX];
    int64_t magnitude = decimal.mantissa < 0 ? -decimal.mantissa : decimal.mantissa;
    int count = snprintf(digits, sizeof(digits), "%" PRId64, magnitude);
    const char *sign = decimal.mantissa < 0 ? "-" : "";
    int printed = 0;

    if (decimal.mantissa == 0)
        decimal.exponent = 0;
    if (decimal.exponent > 0 || decimal.exponent < -PLACES_MAX)
        return false;
    int places = (int)-decimal.exponent;
    if (places == 0)
        printed = snprintf(out, SL_VALUE_SIZE, "%s%s", sign, digits);
    else if (places < count)
        printed = snprintf(out, SL_VALUE_SIZE, "%s%.*s.%s", sign, count - places, digits,
                           digits + count - places);
    else
        printed = snprintf(out, SL_VALUE_SIZE, "%s0.%0*d%s", sign, places - count, 0, digits);
    if (places == count) /* "%0*d" prints one zero at least */
        printed = snprintf(out, SL_VALUE_SIZE, "%s0.%s", sign, digits);
    *len = (size_t)printed;
    return printed > 0 && printed < SL_VALUE_SIZE;
}

/* strtod() of a view; the programs never set a locale, so the decimal sign is a point. */
static double to_double(struct sl_bytes text)
{
    char copy[TEXT_SIZE];
    size_t len = text.len < sizeof(copy) - 1 ? text.len : sizeof(copy) - 1;
    memcpy(copy, text.at, len);
    copy[len] = '\0';
    return strtod(copy, NULL);
}

enum sl_status sl_number_scale(struct sl_bytes number, struct sl_bytes scale,
                               char out[static SL_VALUE_SIZE], size_t *len)
{
    struct decimal a;
    struct decimal b;
    struct decimal product;

    if (to_decimal(number, &a) && to_decimal(scale, &b) &&
        !__builtin_mul_overflow(a.mantissa, b.mantissa, &product.mantissa)) {
        product.exponent = a.exponent + b.exponent;
        if (product.mantissa != INT64_MIN && print_plain(product, out, len))
            return SL_OK;
    }
    return sl_value_print(to_double(number) * to_double(scale), out, len);
}
