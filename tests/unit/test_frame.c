/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_frame.c -- lines out of chunks, however the chunks fall.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "support/guard.h"
#include "wire/frame.h"

enum { TRANSCRIPT_MAX = 16384 };

/* What a frame made of some bytes: each line in brackets, and what came after the last. */
struct transcript {
    char at[TRANSCRIPT_MAX];
    size_t len;
};

static void note(struct transcript *transcript, struct sl_bytes bytes, const char *around)
{
    assert_true(transcript->len + bytes.len + 2 <= sizeof(transcript->at));
    transcript->at[transcript->len++] = around[0];
    if (bytes.len > 0)
        memcpy(transcript->at + transcript->len, bytes.at, bytes.len);
    transcript->len += bytes.len;
    transcript->at[transcript->len++] = around[1];
}

/* Feeds one chunk whole; each chunk is placed against unreadable memory on its own. */
static enum sl_status feed(struct sl_frame *frame, struct sl_guard *guard, struct sl_bytes chunk,
                           struct transcript *transcript)
{
    struct sl_bytes in = sl_guard_at_end(guard, chunk);

    while (in.len > 0) {
        struct sl_bytes line = {0};
        size_t taken = SIZE_MAX;
        enum sl_status status = sl_frame_push(frame, in, &taken, &line);

        assert_in_range(taken, 1, in.len);
        in.at += taken;
        in.len -= taken;
        if (status == SL_LIMIT) {
            note(transcript, (struct sl_bytes){0}, "!!");
            return status;
        }
        if (status == SL_OK)
            note(transcript, line, "[]");
        else
            assert_int_equal(in.len, 0);
    }
    return SL_WANT_READ;
}

static void feed_in_pieces(size_t limit, struct sl_bytes bytes, size_t first, size_t piece,
                           struct transcript *transcript)
{
    struct sl_frame frame;
    struct sl_guard guard;

    transcript->len = 0;
    sl_frame_init(&frame, limit);
    sl_guard_open(&guard);
    for (size_t at = 0; at < bytes.len;) {
        size_t len = at == 0 && first > 0 ? first : piece;

        if (len > bytes.len - at)
            len = bytes.len - at;
        struct sl_bytes chunk = {.at = bytes.at + at, .len = len};

        if (feed(&frame, &guard, chunk, transcript) == SL_LIMIT)
            break;
        at += len;
    }
    sl_guard_close(&guard);
}

static struct sl_bytes seen(const struct transcript *transcript)
{
    return (struct sl_bytes){.at = transcript->at, .len = transcript->len};
}

static void assert_lines(size_t limit, struct sl_bytes bytes, struct sl_bytes expected)
{
    struct transcript whole;
    struct transcript other;

    feed_in_pieces(limit, bytes, 0, SIZE_MAX, &whole);
    assert_int_equal(whole.len, expected.len);
    assert_memory_equal(whole.at, expected.at, expected.len);
    for (size_t piece = 1; piece <= 3; piece++) {
        feed_in_pieces(limit, bytes, 0, piece, &other);
        assert_true(sl_bytes_equal(seen(&other), expected));
    }
    for (size_t first = 1; first < bytes.len; first++) {
        feed_in_pieces(limit, bytes, first, SIZE_MAX, &other);
        assert_true(sl_bytes_equal(seen(&other), expected));
    }
}

static void test_frame_gives_the_same_lines_however_the_bytes_are_split(void **state)
{
    static const struct {
        struct sl_bytes in, lines;
    } cases[] = {
        {BYTES("temperature: 22\n"), BYTES("[temperature: 22]")},
        {BYTES("a\nb\nc\n"), BYTES("[a][b][c]")},
        {BYTES("\n\n\n"), BYTES("[][][]")},
        {BYTES("\r\n"), BYTES("[]")},
        {BYTES("a\r\nb\r\n"), BYTES("[a][b]")},
        {BYTES("a\r\r\nb\n"), BYTES("[a\r][b]")},
        {BYTES("a\rb\n"), BYTES("[a\rb]")},
        {BYTES("no end"), BYTES("")},
        {BYTES("a\nno end"), BYTES("[a]")},
        {BYTES("\0\n\0a\0\n"), BYTES("[\0][\0a\0]")},
        {BYTES("\xff\xfe\n"), BYTES("[\xff\xfe]")},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_lines(0, cases[i].in, cases[i].lines);
}

/* A line of `len` bytes with its ending, and a short one after it. */
static void assert_limit(size_t limit, size_t len, const char *ending, bool taken)
{
    char in[2 * SL_LINE_MAX];
    char lines[2 * SL_LINE_MAX];
    size_t text = len - strlen(ending);
    struct sl_bytes expected = {.at = lines, .len = text + 5};

    memset(in, 'x', text);
    memcpy(in + text, ending, strlen(ending));
    memcpy(in + len, "y\n", 2);
    lines[0] = '[';
    memset(lines + 1, 'x', text);
    memcpy(lines + 1 + text, "][y]", 4);
    if (!taken)
        expected = sl_bytes_of("!!");
    assert_lines(limit, (struct sl_bytes){.at = in, .len = len + 2}, expected);
}

static void test_frame_line_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    assert_limit(0, SL_LINE_MAX, "\n", true);
    assert_limit(0, SL_LINE_MAX, "\r\n", true);
    assert_limit(0, SL_LINE_MAX + 1, "\n", false);
    assert_limit(0, SL_LINE_MAX + 1, "\r\n", false);
    assert_limit(16, 16, "\n", true);
    assert_limit(16, 17, "\n", false);
    assert_limit(SL_LINE_MAX, SL_LINE_MAX - 1, "\n", true);
}

static void test_frame_without_an_end_is_refused_as_soon_as_it_cannot_fit(void **state)
{
    struct sl_frame frame;
    char byte = 'x';
    struct sl_bytes in = {.at = &byte, .len = 1};
    struct sl_bytes line;
    size_t taken;

    (void)state;
    sl_frame_init(&frame, 0);
    for (size_t i = 1; i < SL_LINE_MAX; i++)
        assert_int_equal(sl_frame_push(&frame, in, &taken, &line), SL_WANT_READ);
    assert_int_equal(sl_frame_push(&frame, in, &taken, &line), SL_LIMIT);
}

static void test_frame_after_a_line_too_long_takes_nothing_more(void **state)
{
    struct sl_frame frame;
    struct sl_bytes line;
    size_t taken = 0;

    (void)state;
    sl_frame_init(&frame, 16);
    assert_int_equal(sl_frame_push(&frame, sl_bytes_of("0123456789abcdefg\n"), &taken, &line),
                     SL_LIMIT);
    assert_int_equal(sl_frame_push(&frame, sl_bytes_of("short\n"), &taken, &line), SL_LIMIT);
    assert_int_equal(taken, 6);
    assert_int_equal(sl_frame_push(&frame, (struct sl_bytes){0}, &taken, &line), SL_LIMIT);
}

static void test_frame_of_no_bytes_wants_more(void **state)
{
    struct sl_frame frame = {0};
    struct sl_bytes line;
    size_t taken = 1;

    (void)state;
    assert_int_equal(sl_frame_push(&frame, (struct sl_bytes){0}, &taken, &line), SL_WANT_READ);
    assert_int_equal(taken, 0);
}

static void test_frame_whole_line_in_a_chunk_is_not_copied(void **state)
{
    struct sl_frame frame = {0};
    struct sl_bytes in = BYTES("temperature: 22\nrest");
    struct sl_bytes line;
    size_t taken;

    (void)state;
    assert_int_equal(sl_frame_push(&frame, in, &taken, &line), SL_OK);
    assert_ptr_equal(line.at, in.at);
    assert_int_equal(line.len, 15);
    assert_int_equal(taken, 16);
}

static void test_frame_random_bytes_split_at_random_give_the_same_lines(void **state)
{
    static const char letters[] = "ab:\n\r\n \n";
    unsigned seed = 20261123;
    char in[1500];
    struct transcript whole;
    struct transcript other;

    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 200; round++) {
        size_t len = (size_t)rand_r(&seed) % sizeof(in);
        size_t limit = 16 + (size_t)rand_r(&seed) % 24;

        for (size_t i = 0; i < len; i++)
            in[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        struct sl_bytes bytes = {.at = in, .len = len};

        feed_in_pieces(limit, bytes, 0, SIZE_MAX, &whole);
        feed_in_pieces(limit, bytes, 0, 1 + (size_t)rand_r(&seed) % 40, &other);
        assert_true(sl_bytes_equal(seen(&whole), seen(&other)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_gives_the_same_lines_however_the_bytes_are_split),
        cmocka_unit_test(test_frame_line_of_exactly_the_limit_is_taken_and_one_byte_more_is_not),
        cmocka_unit_test(test_frame_without_an_end_is_refused_as_soon_as_it_cannot_fit),
        cmocka_unit_test(test_frame_after_a_line_too_long_takes_nothing_more),
        cmocka_unit_test(test_frame_of_no_bytes_wants_more),
        cmocka_unit_test(test_frame_whole_line_in_a_chunk_is_not_copied),
        cmocka_unit_test(test_frame_random_bytes_split_at_random_give_the_same_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
