/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utf8.c -- decoding of UTF-8 (RFC 3629, section 4).
 */
#include "base/utf8.h"

#include <string.h>

/* What a first byte says: the sequence's length, its own bits, and the least code there may be. */
struct lead {
    unsigned char mask, value;
    unsigned char len;
    unsigned char bits;
    uint32_t least;
};

static const struct lead leads[] = {
    {0xe0, 0xc0, 2, 0x1f, 0x80},
    {0xf0, 0xe0, 3, 0x0f, 0x800},
    {0xf8, 0xf0, 4, 0x07, 0x10000},
};

/* Ranges that are no visible characters though they are no controls, in order. */
static const struct range {
    uint32_t first, last;
} unseen[] = {
    {0xa0, 0xa0},       /* no-break space */
    {0xad, 0xad},       /* soft hyphen */
    {0x61c, 0x61c},     /* Arabic letter mark */
    {0x1680, 0x1680},   /* Ogham space */
    {0x180e, 0x180e},   /* Mongolian vowel separator */
    {0x2000, 0x200f},   /* spaces, zero-width characters and direction marks */
    {0x2028, 0x202f},   /* separators, direction embeddings and overrides, narrow space */
    {0x205f, 0x206f},   /* mathematical space, invisible operators, direction isolates */
    {0x3000, 0x3000},   /* ideographic space */
    {0xe000, 0xf8ff},   /* private use */
    {0xfdd0, 0xfdef},   /* noncharacters */
    {0xfeff, 0xfeff},   /* byte order mark */
    {0xfff0, 0xfffb},   /* specials: annotation marks */
    {0xfffe, 0xffff},   /* noncharacters */
    {0xe0000, 0x10ffff} /* tags and private use */
};

size_t sl_utf8_next(struct sl_bytes bytes, uint32_t *code)
{
    const unsigned char *at = (const unsigned char *)bytes.at;

    if (bytes.len == 0)
        return 0;
    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
        const struct lead *lead = &leads[i];

        if ((at[0] & lead->mask) != lead->value)
            continue;
        if (bytes.len < lead->len)
            return 0;

        uint32_t value = at[0] & lead->bits;

        for (size_t k = 1; k < lead->len; k++) {
            if ((at[k] & 0xc0) != 0x80)
                return 0;
            value = (value << 6) | (at[k] & 0x3fu);
        }
        if (value < lead->least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
            return 0;
        *code = value;
        return lead->len;
    }
    return 0;
}

bool sl_utf8_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

bool sl_utf8_is_visible(uint32_t code)
{
    if (code < 0x80)
        return code > ' ' && code < 0x7f;
    if (sl_utf8_is_control(code))
        return false;
    for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
        if (code >= unseen[i].first && code <= unseen[i].last)
            return false;
    return (code & 0xfffe) != 0xfffe; /* the last two of each plane are noncharacters */
}
