/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_options.c -- any command line with any configuration file: targets stay in their bounds,
 * arguments are moved and never lost, and each refusal is one clean sentence.
 *
 * Input: the arguments, each ended by '\n', up to a byte 0xff; then the configuration file, which
 * the argument `@` names.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/options.h"

enum { ARGS_MAX = 64, TEXT_MAX = 4096, PATH_SIZE = 64, PORT_MAX = 65535, TIME_MAX = 3600000 };

struct settings {
    bool quiet;
    const char *cert;
    const char *config;
    struct sl_option_list listen;
    int64_t port, idle_ms, bytes;
};

struct command {
    int argc;
    char *argv[ARGS_MAX + 1];
    char text[TEXT_MAX];
};

/* The configuration file, in memory; -1 where there is none. */
static int make_file(struct sl_bytes content, char path[static PATH_SIZE])
{
    int fd = memfd_create("config", MFD_CLOEXEC);

    require(fd >= 0, "a file in memory can be made");
    require(write(fd, content.at, content.len) == (ssize_t)content.len, "and be written");
    (void)snprintf(path, PATH_SIZE, "/proc/self/fd/%d", fd);
    return fd;
}

static void make_command(struct command *command, struct sl_bytes in, char *path)
{
    size_t len = in.len < TEXT_MAX - 1 ? in.len : TEXT_MAX - 1;
    char *at = command->text;

    if (len > 0)
        memcpy(command->text, in.at, len);
    command->text[len] = '\0';
    command->argc = 0;
    command->argv[command->argc++] = "program";
    while (*at != '\0' && command->argc < ARGS_MAX) {
        char *end = at + strcspn(at, "\n");
        bool last = *end == '\0';

        *end = '\0';
        command->argv[command->argc++] = strcmp(at, "@") == 0 ? path : at;
        at = last ? end : end + 1;
    }
    command->argv[command->argc] = NULL;
}

static void check_sentence(const struct sl_options *options, enum sl_status status)
{
    size_t len = strnlen(options->error, sizeof(options->error));

    require(len < sizeof(options->error), "the sentence ends");
    require((len > 0) == (status != SL_OK), "there is a sentence exactly where something is wrong");
    for (size_t i = 0; i < len; i++)
        require((unsigned char)options->error[i] >= ' ' && options->error[i] != 0x7f,
                "no control byte gets into a sentence");
}

static void check_targets(const struct settings *settings)
{
    require(settings->port >= 1 && settings->port <= PORT_MAX, "the number is within its bounds");
    require(settings->idle_ms >= 0 && settings->idle_ms <= TIME_MAX, "so is the time");
    require(settings->bytes >= 0, "so is the size");
    require(settings->listen.count <= SL_OPTION_LIST_MAX, "so is the list");
    for (size_t i = 0; i < settings->listen.count; i++)
        require(settings->listen.at[i][0] != '\0', "no item is empty");
    require(settings->cert[0] != '\0', "no text is empty");
}

/* Each argument is there once, wherever it is now; those at the end are in their old order. */
static void check_moved(const struct command *before, const struct command *after, int rest)
{
    int from = 1;
    bool ended = false; /* there was a "--", after which everything is plain */

    for (int i = 0; i < before->argc; i++) {
        int count = 0;

        for (int k = 0; k < after->argc; k++)
            count += after->argv[k] == before->argv[i] ? 1 : 0;
        require(count >= 1, "no argument is lost");
        ended = ended || strcmp(before->argv[i], "--") == 0;
    }
    require(rest >= 1 && rest <= after->argc, "the rest starts within the arguments");
    for (int i = rest; i < after->argc; i++) {
        require(ended || after->argv[i][0] != '-' || after->argv[i][1] == '\0',
                "no option is left in the rest");
        while (from < before->argc && before->argv[from] != after->argv[i])
            from++;
        require(from < before->argc, "the rest is in its old order");
        from++;
    }
}

static void run(struct sl_bytes arguments, struct sl_bytes content)
{
    char path[PATH_SIZE];
    struct command command = {0};
    struct command before;
    struct settings s = {.cert = "default", .port = 23456, .listen = {.count = 1, .at = {"x"}}};
    const struct sl_option table[] = {
        {.name = "quiet", .kind = SL_OPTION_FLAG, .target = &s.quiet},
        {.name = "cert", .argument = "FILE", .kind = SL_OPTION_TEXT, .target = &s.cert},
        {.name = "config", .argument = "FILE", .kind = SL_OPTION_TEXT, .target = &s.config},
        {.name = "listen", .argument = "A", .kind = SL_OPTION_LIST, .target = &s.listen},
        {.name = "port", .kind = SL_OPTION_NUMBER, .target = &s.port, .min = 1, .max = PORT_MAX},
        {.name = "idle", .kind = SL_OPTION_SECONDS, .target = &s.idle_ms, .max = TIME_MAX},
        {.name = "bytes", .kind = SL_OPTION_BYTES, .target = &s.bytes, .max = INT64_MAX},
    };
    struct sl_options options = {
        .program = "program", .table = table, .count = sizeof(table) / sizeof(table[0])};
    int rest = -1;
    int fd = make_file(content, path);

    make_command(&command, arguments, path);
    before = command;

    enum sl_status status = sl_options_parse(&options, command.argc, command.argv, &rest);

    check_sentence(&options, status);
    check_targets(&s);
    if (status == SL_OK)
        check_moved(&before, &command, rest);
    sl_options_clear(&options);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_bytes arguments = {.at = (const char *)data, .len = size};
    const uint8_t *mark = size > 0 ? memchr(data, 0xff, size) : NULL;
    struct sl_bytes content = {.at = (const char *)data, .len = 0};

    if (mark != NULL) {
        arguments.len = (size_t)(mark - data);
        content.at = (const char *)mark + 1;
        content.len = size - arguments.len - 1;
    }
    /* Only our own file may be named: any other would make the outcome depend on this machine. */
    for (size_t i = 0; i < arguments.len; i++)
        if (arguments.at[i] == '/' || arguments.at[i] == '.')
            return 0;
    run(arguments, content);
    return 0;
}
