/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_options.c -- the command line and the configuration file, taken and refused.
 */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/options.h"

enum { ARGS_MAX = 160, PATH_SIZE = 128 };

/* A program's settings with their defaults, and what parsing made of them. */
struct settings {
    bool quiet;
    const char *cert;
    const char *config;
    struct sl_option_list listen;
    int64_t port;
    int64_t idle_ms;
    int64_t input;
    struct sl_option table[7];
    struct sl_options options;
    char *argv[ARGS_MAX];
    int argc;
    int rest;
    char folder[PATH_SIZE];
    char path[2 * PATH_SIZE];
};

static void reset(struct settings *s)
{
    s->quiet = false;
    s->cert = "default.pem";
    s->config = NULL;
    s->listen = (struct sl_option_list){.count = 1, .at = {"[::]:23456"}};
    s->port = 23456;
    s->idle_ms = 60000;
    s->input = 3072;
    s->rest = -1;
    const struct sl_option table[] = {
        {.name = "quiet", .kind = SL_OPTION_FLAG, .target = &s->quiet, .help = "say less"},
        {.name = "cert",
         .argument = "FILE",
         .kind = SL_OPTION_TEXT,
         .target = &s->cert,
         .help = "certificate chain, from the leaf up, in PEM, so long that it needs more lines "
                 "than one to say what it is"},
        {.name = "config",
         .argument = "FILE",
         .kind = SL_OPTION_TEXT,
         .target = &s->config,
         .help = "configuration file"},
        {.name = "listen",
         .argument = "ADDR:PORT",
         .kind = SL_OPTION_LIST,
         .target = &s->listen,
         .help = "where to listen"},
        {.name = "port",
         .argument = "N",
         .kind = SL_OPTION_NUMBER,
         .target = &s->port,
         .min = 1,
         .max = 65535,
         .help = "port"},
        {.name = "idle",
         .argument = "TIME",
         .kind = SL_OPTION_SECONDS,
         .target = &s->idle_ms,
         .min = 100,
         .max = INT64_C(30) * 86400000,
         .help = "idle time",
         .hidden = true},
        {.name = "input-before-authentication",
         .argument = "BYTES",
         .kind = SL_OPTION_BYTES,
         .target = &s->input,
         .min = 0,
         .max = INT64_C(1) << 40,
         .help = "input"},
    };

    memcpy(s->table, table, sizeof(table));
    sl_options_clear(&s->options);
    s->options = (struct sl_options){
        .program = "sensorlink-test", .table = s->table, .count = COUNT(s->table)};
}

static int make_settings(void **state)
{
    struct settings *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -1;
    (void)snprintf(s->folder, sizeof(s->folder), "/tmp/sensorlink-options-XXXXXX");
    if (mkdtemp(s->folder) == NULL) {
        free(s);
        return -1;
    }
    (void)snprintf(s->path, sizeof(s->path), "%s/conf", s->folder);
    reset(s);
    *state = s;
    return 0;
}

static int free_settings(void **state)
{
    struct settings *s = *state;

    sl_options_clear(&s->options);
    (void)unlink(s->path);
    (void)rmdir(s->folder);
    free(s);
    return 0;
}

static void write_file(const struct settings *s, struct sl_bytes text)
{
    FILE *file = fopen(s->path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static void append(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);

    assert_true(len + strlen(more) < size);
    memcpy(text + len, more, strlen(more) + 1);
}

/* Parses fresh settings from words that blanks divide; `@` stands for the configuration file. */
static enum sl_status parse_words(struct settings *s, char *words, bool positional)
{
    char *rest = NULL;

    reset(s);
    s->argc = 1;
    s->argv[0] = "sensorlink-test";
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(s->argc + 1 < ARGS_MAX);
        s->argv[s->argc++] = strcmp(word, "@") == 0 ? s->path : word;
    }
    s->argv[s->argc] = NULL;
    return sl_options_parse(&s->options, s->argc, s->argv, positional ? &s->rest : NULL);
}

static void assert_taken(struct settings *s, char *words)
{
    enum sl_status status = parse_words(s, words, true);

    if (status != SL_OK)
        fail_msg("%s: %s", sl_status_name(status), s->options.error);
    assert_string_equal(s->options.error, "");
}

static void assert_refused(struct settings *s, const char *words, const char *sentence)
{
    static char copy[512];

    (void)snprintf(copy, sizeof(copy), "%s", words);
    assert_int_equal(parse_words(s, copy, false), SL_BAD_INPUT);
    assert_string_equal(s->options.error, sentence);
}

static void test_options_not_mentioned_keep_their_defaults(void **state)
{
    struct settings *s = *state;
    char words[] = "";

    assert_taken(s, words);
    assert_false(s->quiet);
    assert_string_equal(s->cert, "default.pem");
    assert_int_equal(s->listen.count, 1);
    assert_int_equal(s->port, 23456);
    assert_int_equal(s->rest, 1);
}

static void test_options_of_every_kind_are_set(void **state)
{
    struct settings *s = *state;
    char words[] = "--quiet --cert a.pem --listen 127.0.0.1:1 --listen=[::1]:2 --port=80 --idle 2m "
                   "--input-before-authentication 3k";

    assert_taken(s, words);
    assert_true(s->quiet);
    assert_string_equal(s->cert, "a.pem");
    assert_int_equal(s->listen.count, 2);
    assert_string_equal(s->listen.at[0], "127.0.0.1:1");
    assert_string_equal(s->listen.at[1], "[::1]:2");
    assert_int_equal(s->port, 80);
    assert_int_equal(s->idle_ms, 120000);
    assert_int_equal(s->input, 3072);
}

static void test_options_times_and_sizes_are_read_exactly(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } times[] = {{"2", 2000},    {"0.5", 500},    {"250ms", 250},      {"2s", 2000},
                 {"5m", 300000}, {"1h", 3600000}, {"30d", 2592000000}, {"1.5h", 5400000},
                 {"0.25s", 250}, {"0.1", 100},    {"000001", 1000}},
      sizes[] = {{"0", 0},        {"3072", 3072},     {"3k", 3072},
                 {"3K", 3072},    {"1.5k", 1536},     {"1M", 1048576},
                 {"1m", 1048576}, {"2g", 2147483648}, {"1024G", INT64_C(1) << 40}};
    struct settings *s = *state;

    for (size_t i = 0; i < COUNT(times); i++) {
        char words[64];

        (void)snprintf(words, sizeof(words), "--idle %s", times[i].text);
        assert_taken(s, words);
        assert_true(s->idle_ms == times[i].value);
    }
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char words[64];

        (void)snprintf(words, sizeof(words), "--input-before-authentication=%s", sizes[i].text);
        assert_taken(s, words);
        assert_true(s->input == sizes[i].value);
    }
}

static void test_options_flag_takes_yes_and_no_after_an_equals_sign(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    struct settings *s = *state;

    for (size_t i = 0; i < COUNT(yes); i++) {
        char words[64];

        (void)snprintf(words, sizeof(words), "--quiet=%s", yes[i]);
        assert_taken(s, words);
        assert_true(s->quiet);
        (void)snprintf(words, sizeof(words), "--quiet=%s", no[i]);
        assert_taken(s, words);
        assert_false(s->quiet);
    }
    assert_refused(s, "--quiet=maybe", "--quiet: 'maybe' is neither yes nor no");
    assert_refused(s, "--quiet=", "--quiet: '' is neither yes nor no");
}

static void test_options_that_are_wrong_are_refused_with_one_sentence(void **state)
{
    static const char *const cases[][2] = {
        {"--foo", "unknown option --foo: 'sensorlink-test --help' lists them"},
        {"--foo=secret", "unknown option --foo: 'sensorlink-test --help' lists them"},
        {"--por 1", "unknown option --por: 'sensorlink-test --help' lists them"},
        {"--PORT 1", "unknown option --PORT: 'sensorlink-test --help' lists them"},
        {"-q", "unknown option -q: 'sensorlink-test --help' lists them"},
        {"---quiet", "unknown option ---quiet: 'sensorlink-test --help' lists them"},
        {"--=x", "unknown option --: 'sensorlink-test --help' lists them"},
        {"--x\x1b[31m", "unknown option --x\\x1b[31m: 'sensorlink-test --help' lists them"},
        {"--cert", "--cert needs a value: --cert FILE"},
        {"--cert=", "--cert needs a value: FILE"},
        {"--cert --quiet", "--cert needs a value: --cert FILE"},
        {"--cert a --cert b", "--cert is given twice"},
        {"--quiet --quiet", "--quiet is given twice"},
        {"--quiet --quiet=no", "--quiet is given twice"},
        {"extra", "unexpected argument 'extra': 'sensorlink-test --help' lists the options"},
        {"--quiet no", "unexpected argument 'no': 'sensorlink-test --help' lists the options"},
        {"-- --quiet", "unexpected argument '--quiet': 'sensorlink-test --help' lists the options"},
        {"-", "unexpected argument '-': 'sensorlink-test --help' lists the options"},
        {"--port 0", "--port: '0' isn't between 1 and 65535"},
        {"--port 65536", "--port: '65536' isn't between 1 and 65535"},
        {"--port -1", "--port: '-1' isn't between 1 and 65535"},
        {"--port 1x", "--port: '1x' isn't a whole number"},
        {"--port 1.5", "--port: '1.5' isn't a whole number"},
        {"--port 0x10", "--port: '0x10' isn't a whole number"},
        {"--port +1", "--port: '+1' isn't a whole number"},
        {"--port 99999999999999999999", "--port: '99999999999999999999' isn't a whole number"},
        {"--port 1k", "--port: '1k' isn't a whole number"},
        {"--idle 50ms", "--idle: '50ms' isn't between 100ms and 2592000s"},
        {"--idle 31d", "--idle: '31d' isn't between 100ms and 2592000s"},
        {"--idle 1w", "--idle: '1w' isn't a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
        {"--idle 1.", "--idle: '1.' isn't a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
        {"--idle .5", "--idle: '.5' isn't a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
        {"--idle 1.2.3", "--idle: '1.2.3' isn't a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
        {"--idle 0.0005", "--idle: '0.0005' isn't a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
        {"--idle 99999999999999999d",
         "--idle: '99999999999999999d' isn't a time such as 2, 0.5, 250ms, 5m, 1h or 30d"},
        {"--input-before-authentication 0.3k",
         "--input-before-authentication: '0.3k' isn't a size such as 3072, 3k or 1M"},
    };
    struct settings *s = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_refused(s, cases[i][0], cases[i][1]);
    }
}

static void test_options_list_of_too_many_items_is_refused(void **state)
{
    struct settings *s = *state;
    char words[16 * (SL_OPTION_LIST_MAX + 1)] = "";

    for (int i = 0; i < SL_OPTION_LIST_MAX; i++)
        append(words, sizeof(words), "--listen=x ");
    char more[sizeof(words) + 16];

    (void)snprintf(more, sizeof(more), "%s --listen=y", words);
    assert_taken(s, words);
    assert_int_equal(s->listen.count, SL_OPTION_LIST_MAX);
    assert_int_equal(parse_words(s, more, false), SL_BAD_INPUT);
    assert_string_equal(s->options.error,
                        "--listen: given more than 64 times, the most there can be");
}

static void test_options_arguments_that_are_none_are_moved_to_the_end_in_order(void **state)
{
    static const struct {
        const char *words;
        const char *rest;
    } cases[] = {
        {"readings --quiet --port 5 more", "readings more "},
        {"--port 5 readings --quiet", "readings "},
        {"a b --port=5 c --quiet d", "a b c d "},
        {"a --quiet --port 5 -- --cert b", "a --cert b "},
        {"--quiet --port 5 --", ""},
        {"--quiet --port 5 - x", "- x "},
    };
    struct settings *s = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char words[128];
        char rest[128] = "";

        (void)snprintf(words, sizeof(words), "%s", cases[i].words);
        assert_taken(s, words);
        assert_true(s->quiet);
        assert_int_equal(s->port, 5);
        for (int at = s->rest; at < s->argc; at++) {
            append(rest, sizeof(rest), s->argv[at]);
            append(rest, sizeof(rest), " ");
        }
        assert_string_equal(rest, cases[i].rest);
        assert_null(s->argv[s->argc]);
    }
}

static void test_options_value_may_start_with_dashes_where_it_is_no_option(void **state)
{
    struct settings *s = *state;
    char two[] = "--cert --what";
    char equals[] = "--cert=--quiet";

    assert_taken(s, two);
    assert_string_equal(s->cert, "--what");
    assert_taken(s, equals);
    assert_string_equal(s->cert, "--quiet");
    assert_false(s->quiet);
}

static void test_options_file_sets_what_the_command_line_does_not(void **state)
{
    struct settings *s = *state;
    char words[] = "--config @ --port 99 --listen c";
    struct sl_bytes file = BYTES("\xef\xbb\xbf# comment\r\n"
                                 "; comment\n\n"
                                 "  cert = from file.pem  \r\n"
                                 "quiet=yes\n"
                                 "port = 88 ; taken from the command line\n"
                                 "listen = a\nlisten = b\n"
                                 "idle: 1.5s");

    write_file(s, file);
    assert_taken(s, words);
    assert_string_equal(s->cert, "from file.pem");
    assert_string_equal(s->config, s->path);
    assert_string_equal(s->options.config, s->path);
    assert_true(s->quiet);
    assert_int_equal(s->port, 99);
    assert_int_equal(s->listen.count, 1);
    assert_string_equal(s->listen.at[0], "c");
    assert_int_equal(s->idle_ms, 1500);
}

static void test_options_file_list_takes_the_place_of_the_default(void **state)
{
    struct settings *s = *state;
    char words[] = "--config @";
    struct sl_bytes file = BYTES("listen = a\nlisten = b\n");

    write_file(s, file);
    assert_taken(s, words);
    assert_int_equal(s->listen.count, 2);
    assert_string_equal(s->listen.at[0], "a");
    assert_string_equal(s->listen.at[1], "b");
}

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_options_file_that_is_wrong_is_refused_with_its_line(void **state)
{
    static const struct {
        struct sl_bytes file;
        const char *sentence; /* after the file's name */
    } cases[] = {
        {BYTES("port = 1\nfoo = 2\n"),
         ":2: unknown key 'foo': 'sensorlink-test --help' lists them"},
        {BYTES("Port = 1\n"), ":1: unknown key 'Port': 'sensorlink-test --help' lists them"},
        {BYTES("= 1\n"), ":1: unknown key '': 'sensorlink-test --help' lists them"},
        {BYTES("port = 1\n\nport = 2\n"), ":3: 'port' is set a second time"},
        {BYTES("quiet = yes\nquiet = no\n"), ":2: 'quiet' is set a second time"},
        {BYTES("port = 0\n"), ":1: port: '0' isn't between 1 and 65535"},
        {BYTES("quiet = perhaps\n"), ":1: quiet: 'perhaps' is neither yes nor no"},
        {BYTES("quiet =\n"), ":1: quiet: '' is neither yes nor no"},
        {BYTES("cert =\n"), ":1: cert needs a value: FILE"},
        {BYTES("cert = ; nothing\n"), ":1: cert needs a value: FILE"},
        {BYTES("port\n"), ":1: a line is written as 'name = value'"},
        {BYTES("\nport 1\nfoo = 2\n"), ":2: a line is written as 'name = value'"},
        {BYTES("[server]\nport = 1\n"),
         ":1: there are no sections in this file: write 'name = value' lines only"},
        {BYTES("port = 1\n[]"),
         ":2: there are no sections in this file: write 'name = value' lines only"},
        {BYTES("config = other\n"), ":1: 'config' is for the command line only"},
        {BYTES("port = 1\ncert = a\0b\n"),
         ":2: there is a zero byte in this line: is it a text file?"},
        {BYTES("cert = a\n  b = c\n"), ":2: unknown key 'b': 'sensorlink-test --help' lists them"},
        {BYTES("cert = a\n  b\n"), ":2: a line is written as 'name = value'"},
        {BYTES("\n\ncert = " X50 X50 X50 X50 "\n"), ":3: this line is too long"},
        {BYTES("a\x1b = 1\n"), ":1: unknown key 'a\\x1b': 'sensorlink-test --help' lists them"},
    };
    struct settings *s = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char sentence[512];

        (void)snprintf(sentence, sizeof(sentence), "%s%s", s->path, cases[i].sentence);
        write_file(s, cases[i].file);
        assert_refused(s, "--config @", sentence);
    }
}

static void test_options_file_comment_may_be_long(void **state)
{
    struct settings *s = *state;
    char words[] = "--config @";
    struct sl_bytes file = BYTES("# " X50 X50 X50 X50 X50 "\nport = 7\n");

    write_file(s, file);
    assert_taken(s, words);
    assert_int_equal(s->port, 7);
}

static void test_options_file_that_cannot_be_read_says_why(void **state)
{
    struct settings *s = *state;
    char *argv[] = {"sensorlink-test", "--config", s->path, NULL};
    char sentence[512];

    (void)snprintf(sentence, sizeof(sentence),
                   "can't read the configuration file '%s': No such file or directory", s->path);
    assert_int_equal(sl_options_parse(&s->options, 3, argv, NULL), SL_IO);
    assert_string_equal(s->options.error, sentence);
    argv[2] = s->folder;
    assert_int_equal(sl_options_parse(&s->options, 3, argv, NULL), SL_IO);
}

static void test_options_file_of_the_greatest_size_is_read_and_a_larger_one_is_not(void **state)
{
    enum { GREATEST = 65536 };
    struct settings *s = *state;
    char words[] = "--config @";
    char *text = calloc(1, GREATEST + 1);
    struct sl_bytes file = {.at = text, .len = GREATEST};

    assert_non_null(text);
    memset(text, '\n', GREATEST + 1);
    memcpy(text + GREATEST - 9, "port = 77", 9);
    write_file(s, file);
    assert_taken(s, words);
    assert_int_equal(s->port, 77);
    file.len++;
    write_file(s, file);
    assert_refused(s, "--config @", "the configuration file is larger than 64 KiB");
    free(text);
}

static void test_options_help_fits_80_columns_and_hides_what_is_hidden(void **state)
{
    struct settings *s = *state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    sl_options_help(&s->options, "usage: sensorlink-test", false, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(
        text, "usage: sensorlink-test\n"
              "  --quiet                     say less\n"
              "  --cert FILE                 certificate chain, from the leaf up, in PEM, so\n"
              "                              long that it needs more lines than one to say what\n"
              "                              it is\n"
              "  --config FILE               configuration file\n"
              "  --listen ADDR:PORT          where to listen\n"
              "  --port N                    port\n"
              "  --input-before-authentication BYTES\n"
              "                              input\n");
    free(text);
    out = open_memstream(&text, &size);
    assert_non_null(out);
    sl_options_help(&s->options, "", true, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "  --idle TIME                 idle time\n"));
    free(text);
}

#define OPTIONS_TEST(name) cmocka_unit_test_setup_teardown(name, make_settings, free_settings)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPTIONS_TEST(test_options_not_mentioned_keep_their_defaults),
        OPTIONS_TEST(test_options_of_every_kind_are_set),
        OPTIONS_TEST(test_options_times_and_sizes_are_read_exactly),
        OPTIONS_TEST(test_options_flag_takes_yes_and_no_after_an_equals_sign),
        OPTIONS_TEST(test_options_that_are_wrong_are_refused_with_one_sentence),
        OPTIONS_TEST(test_options_list_of_too_many_items_is_refused),
        OPTIONS_TEST(test_options_arguments_that_are_none_are_moved_to_the_end_in_order),
        OPTIONS_TEST(test_options_value_may_start_with_dashes_where_it_is_no_option),
        OPTIONS_TEST(test_options_file_sets_what_the_command_line_does_not),
        OPTIONS_TEST(test_options_file_list_takes_the_place_of_the_default),
        OPTIONS_TEST(test_options_file_that_is_wrong_is_refused_with_its_line),
        OPTIONS_TEST(test_options_file_comment_may_be_long),
        OPTIONS_TEST(test_options_file_that_cannot_be_read_says_why),
        OPTIONS_TEST(test_options_file_of_the_greatest_size_is_read_and_a_larger_one_is_not),
        OPTIONS_TEST(test_options_help_fits_80_columns_and_hides_what_is_hidden),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
