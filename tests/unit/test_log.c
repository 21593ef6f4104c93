/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_log.c -- lines that don't mix, readers that don't read, and peers' bytes made fit to print.
 */
#include "cases.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/guard.h"

enum { PATH_SIZE = 128, THREADS = 4, LINES = 500 };

struct place {
    char folder[PATH_SIZE];
    char path[2 * PATH_SIZE];
    char moved[2 * PATH_SIZE];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    if (place == NULL)
        return -1;
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/sensorlink-log-XXXXXX");
    if (mkdtemp(place->folder) == NULL) {
        free(place);
        return -1;
    }
    (void)snprintf(place->path, sizeof(place->path), "%s/log", place->folder);
    (void)snprintf(place->moved, sizeof(place->moved), "%s/log.1", place->folder);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;

    (void)unlink(place->path);
    (void)unlink(place->moved);
    (void)rmdir(place->folder);
    free(place);
    return 0;
}

/* The file's text in memory that the caller frees. */
static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(text);
    assert_in_range(fread(text, 1, (1 << 20) - 1, file), 0, (1 << 20) - 2);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void assert_file(const char *path, const char *expected)
{
    char *text = read_all(path);

    assert_string_equal(text, expected);
    free(text);
}

static void test_log_shows_lines_up_to_its_level_only(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;

    assert_int_equal(sl_log_open(place->path, SL_LOG_STORY, false, &log), SL_OK);
    assert_true(sl_log_shows(log, SL_LOG_STORY));
    assert_false(sl_log_shows(log, SL_LOG_READING));
    sl_log_line(log, SL_LOG_ERROR, "error %d", 1);
    sl_log_line(log, SL_LOG_STORY, "story");
    sl_log_line(log, SL_LOG_READING, "reading");
    sl_log_text(log, SL_LOG_STORY, sl_bytes_of("two\nlines\n"));
    sl_log_text(log, SL_LOG_DEBUG, sl_bytes_of("none\n"));
    sl_log_free(log);
    assert_file(place->path, "error 1\nstory\ntwo\nlines\n");
}

static void test_log_that_is_null_takes_everything(void **state)
{
    (void)state;
    assert_false(sl_log_shows(NULL, SL_LOG_ERROR));
    sl_log_line(NULL, SL_LOG_ERROR, "nothing");
    sl_log_text(NULL, SL_LOG_ERROR, sl_bytes_of("nothing\n"));
    assert_int_equal(sl_log_reopen(NULL), SL_OK);
    sl_log_free(NULL);
}

static void test_log_that_cannot_be_opened_says_so(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;

    assert_int_equal(sl_log_open(place->folder, SL_LOG_STORY, false, &log), SL_IO);
    assert_int_equal(errno, EISDIR);
    assert_null(log);
}

static void test_log_line_too_long_is_cut_and_still_a_line(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;
    char longest[2 * SL_LOG_LINE_MAX];
    char *text;

    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(sl_log_open(place->path, SL_LOG_STORY, true, &log), SL_OK);
    sl_log_line(log, SL_LOG_STORY, "%s", longest);
    sl_log_line(log, SL_LOG_STORY, "next");
    sl_log_free(log);
    text = read_all(place->path);
    char *end = strchr(text, '\n');

    assert_non_null(end);
    assert_in_range(end + 1 - text, SL_LOG_LINE_MAX - 8, SL_LOG_LINE_MAX);
    assert_non_null(strstr(end, "Z next\n"));
    free(text);
}

static void test_log_reopened_goes_on_in_a_file_of_the_same_name(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;

    assert_int_equal(sl_log_open(place->path, SL_LOG_STORY, false, &log), SL_OK);
    sl_log_line(log, SL_LOG_STORY, "before");
    assert_int_equal(rename(place->path, place->moved), 0);
    sl_log_line(log, SL_LOG_STORY, "between");
    assert_int_equal(sl_log_reopen(log), SL_OK);
    sl_log_line(log, SL_LOG_STORY, "after");
    sl_log_free(log);
    assert_file(place->moved, "before\nbetween\n");
    assert_file(place->path, "after\n");
}

static void test_log_that_cannot_be_reopened_goes_on_in_the_old_file(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;

    assert_int_equal(sl_log_open(place->path, SL_LOG_STORY, false, &log), SL_OK);
    assert_int_equal(rename(place->path, place->moved), 0);
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_int_equal(sl_log_reopen(log), SL_IO);
    sl_log_line(log, SL_LOG_STORY, "still here");
    sl_log_free(log);
    assert_int_equal(rmdir(place->path), 0);
    assert_file(place->moved, "still here\n");
}

struct writer {
    struct sl_log *log;
    char letter;
};

static void *write_lines(void *context)
{
    struct writer *writer = context;
    char word[101];

    memset(word, writer->letter, sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    for (int i = 0; i < LINES; i++) {
        sl_log_line(writer->log, SL_LOG_STORY, "%s", word);
        if (i % 50 == 0 && sl_log_reopen(writer->log) != SL_OK)
            return NULL;
    }
    return writer;
}

static void test_log_lines_of_several_threads_never_mix(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;
    pthread_t threads[THREADS];
    struct writer writers[THREADS];
    int count = 0;

    assert_int_equal(sl_log_open(place->path, SL_LOG_STORY, false, &log), SL_OK);
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.log = log, .letter = (char)('a' + i)};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *done = NULL;

        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_ptr_equal(done, &writers[i]);
    }
    sl_log_free(log);

    char *text = read_all(place->path);

    for (char *line = text; *line != '\0'; line += 101, count++) {
        assert_int_equal(strspn(line, (char[]){line[0], '\0'}), 100);
        assert_int_equal(line[100], '\n');
    }
    assert_int_equal(count, THREADS * LINES);
    free(text);
}

/* A log on a standard output whose other end is `reader`. */
struct console {
    struct sl_log *log;
    int saved;
    int writer;
    int reader;
    char text[1 << 20];
    size_t len;
    int written;  /* the number of the next line */
    int told;     /* lines that the reader knows of: those read and those said to be left out */
    int left_out; /* the latter */
};

enum { WAIT_MS = 200, PLENTY = 20000, LONG_MS = 20000 };

static int make_console(void **state)
{
    struct console *console = calloc(1, sizeof(*console));

    if (console == NULL)
        return -1;
    console->reader = console->writer = -1;
    console->saved = dup(STDOUT_FILENO);
    *state = console;
    return console->saved < 0 ? -1 : 0;
}

static int remove_console(void **state)
{
    struct console *console = *state;

    sl_log_free(console->log);
    (void)dup2(console->saved, STDOUT_FILENO);
    (void)close(console->saved);
    (void)close(console->writer);
    (void)close(console->reader);
    free(console);
    return 0;
}

/* `writer` becomes standard output, and the log's. */
static void start_console(struct console *console, int reader, int writer)
{
    assert_true(reader >= 0 && writer >= 0);
    console->reader = reader;
    console->writer = writer;
    assert_int_equal(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(dup2(writer, STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(sl_log_open(NULL, SL_LOG_STORY, false, &console->log), SL_OK);
}

static void write_numbers(struct console *console, int count)
{
    while (count-- > 0)
        sl_log_line(console->log, SL_LOG_STORY, "line %08d and some more words",
                    console->written++);
}

/* Each line is whole, and is the next one, but for those that are said to be left out before it. */
static void take_line(struct console *console, const char *line)
{
    static const char note[] = "lines left out here because they couldn't be written: ";
    char expected[64];

    if (strncmp(line, note, sizeof(note) - 1) == 0) {
        int left_out = (int)strtol(line + sizeof(note) - 1, NULL, 10);

        console->left_out += left_out;
        console->told += left_out;
        return;
    }
    (void)snprintf(expected, sizeof(expected), "line %08d and some more words", console->told++);
    assert_string_equal(line, expected);
}

static void read_console(struct console *console)
{
    char *text = console->text;
    ssize_t count;
    char *end;

    while ((count = read(console->reader, text + console->len,
                         sizeof(console->text) - 1 - console->len)) > 0)
        console->len += (size_t)count;
    text[console->len] = '\0';
    while ((end = strchr(text, '\n')) != NULL) {
        *end = '\0';
        if (end > text && end[-1] == '\r') /* a terminal's */
            end[-1] = '\0';
        take_line(console, text);
        console->len -= (size_t)(end + 1 - text);
        memmove(text, end + 1, console->len + 1);
    }
}

/* Goes on logging until the reader, which reads now, knows of every line. */
static void catch_up(struct console *console)
{
    int64_t deadline = sl_clock_monotonic_ms() + LONG_MS;

    read_console(console);
    do {
        assert_true(sl_clock_monotonic_ms() < deadline);
        write_numbers(console, 1);
        (void)poll(&(struct pollfd){.fd = console->reader, .events = POLLIN}, 1, 10);
        read_console(console);
    } while (console->told < console->written);
}

static void check_nobody_reads(struct console *console)
{
    int64_t begin = sl_clock_monotonic_ms();

    write_numbers(console, PLENTY);
    assert_in_range(sl_clock_monotonic_ms() - begin, WAIT_MS, LONG_MS);
    assert_int_equal(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0);
    catch_up(console);
    assert_in_range(console->left_out, 1, PLENTY);
}

static void test_log_on_a_pipe_that_nobody_reads_leaves_lines_out_and_says_how_many(void **state)
{
    struct console *console = *state;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    start_console(console, ends[0], ends[1]);
    check_nobody_reads(console);
}

static void test_log_on_a_socket_that_nobody_reads_leaves_lines_out_and_says_how_many(void **state)
{
    struct console *console = *state;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    start_console(console, ends[0], ends[1]);
    check_nobody_reads(console);
}

static void test_log_on_a_terminal_that_hangs_leaves_lines_out_and_says_how_many(void **state)
{
    struct console *console = *state;
    int reader = posix_openpt(O_RDWR | O_NOCTTY);

    assert_true(reader >= 0);
    assert_int_equal(grantpt(reader), 0);
    assert_int_equal(unlockpt(reader), 0);
    start_console(console, reader, open(ptsname(reader), O_RDWR | O_NOCTTY));
    check_nobody_reads(console);
}

static void test_log_does_not_wait_each_time_for_a_reader_that_is_always_late(void **state)
{
    struct console *console = *state;
    int64_t begin = sl_clock_monotonic_ms();
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    start_console(console, ends[0], ends[1]);
    assert_true(fcntl(ends[0], F_SETPIPE_SZ, 4096) >= 4096);
    for (int i = 0; i < 50; i++) {
        write_numbers(console, PLENTY / 50);
        catch_up(console);
    }
    assert_in_range(sl_clock_monotonic_ms() - begin, WAIT_MS, 50 * WAIT_MS / 2);
}

static void test_log_text_longer_than_a_pipe_takes_at_once_stays_whole_lines(void **state)
{
    struct console *console = *state;
    size_t size = (size_t)PLENTY * 64;
    char *text = calloc(1, size);
    size_t len = 0;
    int ends[2];

    assert_non_null(text);
    assert_int_equal(pipe(ends), 0);
    start_console(console, ends[0], ends[1]);
    while (console->written < PLENTY)
        len += (size_t)snprintf(text + len, size - len, "line %08d and some more words\n",
                                console->written++);
    sl_log_text(console->log, SL_LOG_STORY, (struct sl_bytes){.at = text, .len = len});
    free(text);
    catch_up(console);
    assert_in_range(console->left_out, 1, PLENTY);
}

static void test_log_on_a_fifo_without_a_reader_is_refused_and_not_waited_for(void **state)
{
    struct place *place = *state;
    struct sl_log *log = NULL;

    assert_int_equal(mkfifo(place->path, 0600), 0);
    assert_int_equal(sl_log_open(place->path, SL_LOG_STORY, false, &log), SL_IO);
    assert_int_equal(errno, ENXIO);
}

static void test_log_clean_leaves_text_and_escapes_the_rest(void **state)
{
    static const struct {
        struct sl_bytes in;
        const char *out;
    } cases[] = {
        {BYTES(""), ""},
        {BYTES("shed 1: 22.5 \xc2\xb0\x43"), "shed 1: 22.5 \xc2\xb0\x43"},
        {BYTES("a\nb\r\0c"), "a\\x0ab\\x0d\\x00c"},
        {BYTES("\x1b[31m"), "\\x1b[31m"},
        {BYTES("'\"\\"), "\\x27\\x22\\x5c"},
        {BYTES("\xff\xc3("), "\\xff\\xc3("},
        {BYTES("\xc2\x9b"), "\\xc2\\x9b"},
        {BYTES("\xe2\x80\xaeoof"), "\\xe2\\x80\\xaeoof"},
        {BYTES("cut \xe2\x82"), "cut \\xe2\\x82"},
    };
    struct sl_guard guard;

    (void)state;
    sl_guard_open(&guard);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[64];

        assert_ptr_equal(sl_log_clean(sl_guard_at_end(&guard, cases[i].in), out, sizeof(out)), out);
        assert_string_equal(out, cases[i].out);
    }
    sl_guard_close(&guard);
}

static void test_log_clean_cuts_with_dots_where_room_is_short(void **state)
{
    static const struct {
        size_t size;
        const char *in, *out;
    } cases[] = {
        {6, "12345", "12345"},
        {6, "123456", "12..."},
        {6, "12\n45", "12..."},
        {6, "1\n", "1\\x0a"},
        {6, "12\xc2\xb0\xc2\xb0", "12..."},
        {4, "12345", "..."},
        {3, "12345", ".."},
        {1, "12345", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[16];

        memset(out, '#', sizeof(out));
        assert_ptr_equal(sl_log_clean(sl_bytes_of(cases[i].in), out, cases[i].size), out);
        assert_string_equal(out, cases[i].out);
        assert_int_equal(out[cases[i].size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_log_shows_lines_up_to_its_level_only, make_place,
                                        remove_place),
        cmocka_unit_test(test_log_that_is_null_takes_everything),
        cmocka_unit_test_setup_teardown(test_log_that_cannot_be_opened_says_so, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(test_log_line_too_long_is_cut_and_still_a_line, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(test_log_reopened_goes_on_in_a_file_of_the_same_name,
                                        make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_log_that_cannot_be_reopened_goes_on_in_the_old_file,
                                        make_place, remove_place),
        cmocka_unit_test_setup_teardown(test_log_lines_of_several_threads_never_mix, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(
            test_log_on_a_pipe_that_nobody_reads_leaves_lines_out_and_says_how_many, make_console,
            remove_console),
        cmocka_unit_test_setup_teardown(
            test_log_on_a_socket_that_nobody_reads_leaves_lines_out_and_says_how_many, make_console,
            remove_console),
        cmocka_unit_test_setup_teardown(
            test_log_on_a_terminal_that_hangs_leaves_lines_out_and_says_how_many, make_console,
            remove_console),
        cmocka_unit_test_setup_teardown(
            test_log_does_not_wait_each_time_for_a_reader_that_is_always_late, make_console,
            remove_console),
        cmocka_unit_test_setup_teardown(
            test_log_text_longer_than_a_pipe_takes_at_once_stays_whole_lines, make_console,
            remove_console),
        cmocka_unit_test_setup_teardown(
            test_log_on_a_fifo_without_a_reader_is_refused_and_not_waited_for, make_place,
            remove_place),
        cmocka_unit_test(test_log_clean_leaves_text_and_escapes_the_rest),
        cmocka_unit_test(test_log_clean_cuts_with_dots_where_room_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
