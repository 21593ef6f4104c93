/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c -- decimal numbers as text: their grammar, their range and their canonical form.
 *
 * Whether a number is finite is decided on its digits and not by strtod(), which is slow, knows
 * names and hexadecimal, and reads the decimal point of the locale.
 */
#include "wire/value.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGEST_POWER = 308,      /* of ten, in the largest finite double */
    EXPONENT_ENOUGH = 1000000 /* beyond any that can matter: a value has 48 digits at most */
};

/*
 * The first 48 digits of 2^1024 - 2^970, from which on an IEEE double rounds to infinity. It has
 * 309 digits and no zeros after these 48 only, so no value of at most 48 digits equals it: digits
 * that are the same as far as they go belong to a smaller number.
 */
static const char first_infinite[] = "179769313486231580793728971405303415079934132710";

/* A number taken apart; the parts point into its text. */
struct number {
    bool negative;
    struct sl_bytes whole; /* digits before the point, without zeros in front */
    struct sl_bytes part;  /* digits after the point, without zeros at the end */
    bool exponent_negative;
    struct sl_bytes exponent; /* digits, without zeros in front; empty where it is zero */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct sl_bytes take_digits(struct sl_bytes *text)
{
    struct sl_bytes digits = {.at = text->at, .len = 0};

    while (digits.len < text->len && is_digit(text->at[digits.len]))
        digits.len++;
    text->at += digits.len;
    text->len -= digits.len;
    return digits;
}

static bool take_char(struct sl_bytes *text, char a, char b)
{
    if (text->len == 0 || (text->at[0] != a && text->at[0] != b))
        return false;
    text->at++;
    text->len--;
    return true;
}

/* True where a '-' was there; a '+' is taken as well. */
static bool take_sign(struct sl_bytes *text)
{
    bool negative = text->len > 0 && text->at[0] == '-';

    (void)take_char(text, '+', '-');
    return negative;
}

static void drop_zeros_in_front(struct sl_bytes *digits)
{
    while (digits->len > 0 && digits->at[0] == '0') {
        digits->at++;
        digits->len--;
    }
}

static bool scan(struct sl_bytes text, struct number *number)
{
    *number = (struct number){0};
    if (text.len > SL_VALUE_MAX)
        return false;

    size_t sent = text.len;

    number->negative = take_sign(&text);
    number->whole = take_digits(&text);
    if (take_char(&text, '.', '.'))
        number->part = take_digits(&text);
    if (number->whole.len == 0) {
        /* The canonical form puts a zero before the point, and that has to fit as well. */
        if (number->part.len == 0 || sent >= SL_VALUE_MAX)
            return false;
    }
    if (take_char(&text, 'e', 'E')) {
        number->exponent_negative = take_sign(&text);
        number->exponent = take_digits(&text);
        if (number->exponent.len == 0)
            return false;
    }
    drop_zeros_in_front(&number->whole);
    drop_zeros_in_front(&number->exponent);
    while (number->part.len > 0 && number->part.at[number->part.len - 1] == '0')
        number->part.len--;
    return text.len == 0;
}

static bool is_zero(const struct number *number)
{
    return number->whole.len == 0 && number->part.len == 0;
}

static int exponent_of(const struct number *number)
{
    int exponent = 0;

    for (size_t i = 0; i < number->exponent.len && exponent < EXPONENT_ENOUGH; i++)
        exponent = exponent * 10 + (number->exponent.at[i] - '0');
    return number->exponent_negative ? -exponent : exponent;
}

/* True where the digits of `a` and then `b`, read as a fraction, are below those of the border. */
static bool digits_below_border(struct sl_bytes a, struct sl_bytes b)
{
    for (size_t i = 0; i < a.len + b.len; i++) {
        char digit = i < a.len ? a.at[i] : b.at[i - a.len];

        assert(i < sizeof(first_infinite) - 1);
        if (digit != first_infinite[i])
            return digit < first_infinite[i];
    }
    return true;
}

static bool is_finite(const struct number *number)
{
    struct sl_bytes part = number->part;
    int power; /* of ten, of the first digit that isn't zero */

    if (is_zero(number))
        return true;
    if (number->whole.len > 0) {
        power = (int)number->whole.len - 1 + exponent_of(number);
    } else {
        drop_zeros_in_front(&part);
        power = exponent_of(number) - (int)(number->part.len - part.len) - 1;
    }
    if (power != LARGEST_POWER)
        return power < LARGEST_POWER;
    return digits_below_border(number->whole, part);
}

/* strcasecmp() would ask the locale, and in Turkish an I is no i. */
static bool is_word(struct sl_bytes text, const char *lower)
{
    if (text.len != strlen(lower))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((text.at[i] | 0x20) != lower[i])
            return false;
    return true;
}

static bool names_infinity(struct sl_bytes text)
{
    (void)take_sign(&text);
    return is_word(text, "inf") || is_word(text, "infinity");
}

/*
 * True for `-?digits[.digits]` in canonical form, which is what nearly all sensors send: such a
 * value is sound, finite and stays as it is, and needs no taking apart.
 */
static bool is_plain(struct sl_bytes value)
{
    const char *end = value.at + value.len;
    const char *whole = value.len > 0 && value.at[0] == '-' ? value.at + 1 : value.at;
    const char *at = whole;

    if (value.len == 0 || value.len > SL_VALUE_MAX)
        return false;
    while (at < end && is_digit(*at))
        at++;
    if (at == whole || (*whole == '0' && at > whole + 1))
        return false;
    if (at == end)
        return *whole != '0' || whole == value.at; /* `-0` is written `0` */
    if (*at++ != '.')
        return false;

    const char *part = at;

    while (at < end && is_digit(*at))
        at++;
    return at == end && at > part && at[-1] != '0';
}

enum sl_flaw sl_value_check(struct sl_bytes value)
{
    struct number number;

    if (is_plain(value))
        return SL_FLAW_NONE;
    if (!scan(value, &number))
        return names_infinity(value) ? SL_FLAW_NOT_FINITE : SL_FLAW_NOT_A_NUMBER;
    return is_finite(&number) ? SL_FLAW_NONE : SL_FLAW_NOT_FINITE;
}

static size_t put(char *out, size_t len, struct sl_bytes bytes)
{
    if (bytes.len > 0)
        memcpy(out + len, bytes.at, bytes.len);
    return len + bytes.len;
}

size_t sl_value_canonical(struct sl_bytes value, char out[static SL_VALUE_SIZE])
{
    struct number number;
    size_t len = 0;

    if (is_plain(value)) {
        memcpy(out, value.at, value.len);
        out[value.len] = '\0';
        return value.len;
    }

    bool sound = scan(value, &number);

    assert(sound);
    if (is_zero(&number)) {
        out[0] = '0';
        out[1] = '\0';
        return 1;
    }
    if (number.negative)
        out[len++] = '-';
    if (number.whole.len > 0)
        len = put(out, len, number.whole);
    else
        out[len++] = '0';
    if (number.part.len > 0) {
        out[len++] = '.';
        len = put(out, len, number.part);
    }
    if (number.exponent.len > 0) {
        out[len++] = 'e';
        if (number.exponent_negative)
            out[len++] = '-';
        len = put(out, len, number.exponent);
    }
    assert(len <= SL_VALUE_MAX);
    out[len] = '\0';
    return len;
}

/* What printf() wrote, with the locale's decimal point (of any length) made a '.'. */
static size_t without_locale(const char *text, char *out)
{
    size_t len = 0;
    bool pointed = false;

    for (; *text != '\0'; text++) {
        if (is_digit(*text) || *text == '-' || *text == '+' || *text == 'e') {
            out[len++] = *text;
        } else if (!pointed) {
            out[len++] = '.';
            pointed = true;
        }
    }
    return len;
}

enum sl_status sl_value_print(double number, char out[static SL_VALUE_SIZE], size_t *len)
{
    char text[64];
    char plain[64];

    if (!isfinite(number))
        return SL_BAD_INPUT;

    /* 15 digits say every normal double that has a text that short; subnormal ones know fewer. */
    int digits = fabs(number) < DBL_MIN ? 1 : DBL_DIG;

    do {
        (void)snprintf(text, sizeof(text), "%.*g", digits++, number);
    } while (digits <= DBL_DECIMAL_DIG && strtod(text, NULL) != number);

    struct sl_bytes value = {.at = plain, .len = without_locale(text, plain)};

    *len = sl_value_canonical(value, out);
    return SL_OK;
}
