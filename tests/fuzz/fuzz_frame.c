/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_frame.c -- however the bytes are split, the same lines come out.
 *
 * Input: one byte for the limit, one for the size of the pieces, then what the peer sends.
 */
#include "fuzz.h"

#include <string.h>

#include "wire/frame.h"

/* All lines, each with its length before it, as a sum that depends on their order. */
struct sum {
    uint64_t hash;
    size_t lines;
    size_t pending; /* bytes taken of a line that isn't complete yet */
    bool cut;
};

static void add(struct sum *sum, struct sl_bytes line)
{
    for (size_t i = 0; i < line.len; i++)
        sum->hash = (sum->hash ^ (unsigned char)line.at[i]) * UINT64_C(1099511628211);
    sum->hash = (sum->hash ^ (line.len + 256)) * UINT64_C(1099511628211);
    sum->lines++;
}

static struct sum run(size_t limit, struct sl_bytes bytes, size_t piece)
{
    struct sl_frame frame;
    struct sum sum = {.hash = UINT64_C(14695981039346656037)};

    sl_frame_init(&frame, limit);
    while (bytes.len > 0 && !sum.cut) {
        struct sl_bytes in = {.at = bytes.at, .len = bytes.len < piece ? bytes.len : piece};

        bytes.at += in.len;
        bytes.len -= in.len;
        while (in.len > 0 && !sum.cut) {
            struct sl_bytes line;
            size_t taken = 0;
            enum sl_status status = sl_frame_push(&frame, in, &taken, &line);

            require(taken > 0 && taken <= in.len, "something is taken, and no more than is there");
            in.at += taken;
            in.len -= taken;
            sum.pending = status == SL_OK ? 0 : sum.pending + taken;
            require(status == SL_LIMIT || sum.pending < limit,
                    "a line that can't fit is found out");
            if (status == SL_OK) {
                require(line.len < limit, "a line is within the limit");
                require(line.len == 0 || memchr(line.at, '\n', line.len) == NULL,
                        "a line holds no line end");
                add(&sum, line);
            }
            sum.cut = status == SL_LIMIT;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_bytes in = {.at = (const char *)data, .len = size};
    size_t limit = 16 + take_byte(&in) * 2 % (SL_LINE_MAX - 15);
    size_t piece = 1 + take_byte(&in);
    struct sum whole = run(limit, in, SIZE_MAX);
    struct sum bytewise = run(limit, in, 1);
    struct sum pieces = run(limit, in, piece);

    require(whole.hash == bytewise.hash && whole.lines == bytewise.lines &&
                whole.cut == bytewise.cut,
            "a byte at a time gives the same lines");
    require(whole.hash == pieces.hash && whole.lines == pieces.lines && whole.cut == pieces.cut,
            "pieces give the same lines");
    return 0;
}
