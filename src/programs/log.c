/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c -- sensorlink-log: reads what sensorlink-server logged. Options in, exit code out; the
 * commands are in log_commands.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/options.h"
#include "programs/log_commands.h"
#include "programs/log_when.h"

enum { TAIL_LAST = 10, ERROR_SIZE = 768 };

static const char usage[] =
    "usage: sensorlink-log [--store FILE] COMMAND [OPTION]...\n"
    "Reads what sensorlink-server logged, also while it runs.\n"
    "\n"
    "  sensors     who has sent something, days left of certificates, clocks\n"
    "  readings    what was logged, in the order of storing\n"
    "  gaps        numbers that a sensor said will never come, or that were refused\n"
    "  tail        the last 10 readings, and then new ones as they are logged\n"
    "  plot        one sensor's readings of one name and unit, as lines of text\n"
    "  verify      is all there that was acknowledged? Exit code 0 means yes, 1 no\n"
    "\n"
    "Options";

/* The command line, as read. */
struct arguments {
    bool help;
    bool version;
    const char *store;
    const char *sensor;
    const char *name;
    const char *unit;
    const char *since;
    const char *until;
    const char *format;
    int64_t last;
    int64_t count;
    const char *command;
};

static int refuse(const char *option, const char *value, const char *expected)
{
    (void)fprintf(stderr, "sensorlink-log: %s '%s': %s\n", option, value, expected);
    return EX_USAGE;
}

/* EX_OK: read, with help or the version asked for, perhaps. */
static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    struct sl_option table[] = {
        {"store", "FILE", SL_OPTION_TEXT, &arguments->store, 0, 0,
         "the server's store [readings.db]", false},
        {"sensor", "S", SL_OPTION_TEXT, &arguments->sensor, 0, 0, "only this sensor", false},
        {"name", "N", SL_OPTION_TEXT, &arguments->name, 0, 0, "only readings of this name", false},
        {"unit", "U", SL_OPTION_TEXT, &arguments->unit, 0, 0,
         "only readings of this unit; - for those without", false},
        {"since", "T", SL_OPTION_TEXT, &arguments->since, 0, 0,
         "from T on: Unix seconds, ISO 8601, or ago: 90s, 5m, 1h, 2d, 1w", false},
        {"until", "T", SL_OPTION_TEXT, &arguments->until, 0, 0, "before T", false},
        {"format", "F", SL_OPTION_TEXT, &arguments->format, 0, 0,
         "table, csv, json; senml, influx: readings and tail", false},
        {"last", "N", SL_OPTION_NUMBER, &arguments->last, 0, INT64_MAX - 1,
         "readings, tail, plot: only the N stored last", false},
        {"count", "N", SL_OPTION_NUMBER, &arguments->count, 1, INT64_MAX,
         "tail: end after N new readings", false},
        {"version", NULL, SL_OPTION_FLAG, &arguments->version, 0, 0, "print the version", false},
        {"help", NULL, SL_OPTION_FLAG, &arguments->help, 0, 0, "print this", false},
    };
    struct sl_options options = {
        .program = "sensorlink-log", .table = table, .count = sizeof table / sizeof table[0]};
    int rest = 0;

    if (sl_options_parse(&options, argc, argv, &rest) != SL_OK) {
        (void)fprintf(stderr, "sensorlink-log: %s\n", options.error);
        return EX_USAGE;
    }
    if (arguments->help) {
        sl_options_help(&options, usage, false, stdout);
        return EX_OK;
    }
    if (arguments->version)
        return EX_OK;
    if (argc - rest != 1) {
        (void)fprintf(stderr,
                      "sensorlink-log: name one command: sensors, readings, gaps, tail, plot or "
                      "verify ('sensorlink-log --help' says more)\n");
        return EX_USAGE;
    }
    arguments->command = argv[rest];
    return EX_OK;
}

static int read_time(const char *option, const char *text, int64_t now_us, int64_t *time_us)
{
    *time_us = SL_TIME_NONE;
    if (text == NULL || sl_when_parse(text, now_us, time_us) == SL_OK)
        return EX_OK;
    return refuse(
        option, text,
        "this isn't a time; examples: 1764000000, 2026-11-23T03:09:01Z, 2026-11-23, 1h, 2d");
}

/* Checks what the arguments mean together. EX_OK: `*request` and `*command` are set. */
static int make_request(const struct arguments *arguments, struct sl_log_request *request,
                        const struct sl_log_command **command)
{
    int64_t now_us = sl_clock_wall_us();
    const char *format = arguments->format != NULL ? arguments->format : "table";
    bool tail = strcmp(arguments->command, "tail") == 0;
    int code = read_time("--since", arguments->since, now_us, &request->filter.since_us);

    *command = sl_log_command_find(arguments->command);
    if (*command == NULL)
        return refuse("command", arguments->command,
                      "there is sensors, readings, gaps, tail, plot and verify");
    if (code == EX_OK)
        code = read_time("--until", arguments->until, now_us, &request->filter.until_us);
    if (code != EX_OK)
        return code;
    if (sl_format_find(format, &request->format) != SL_OK)
        return refuse("--format", format, "there is table, csv, json, senml and influx");
    if (request->format > SL_FORMAT_JSON && (*command)->formats && !(*command)->points)
        return refuse("--format", format, "this one is for readings and tail");
    if (arguments->format != NULL && !(*command)->formats)
        return refuse("--format", format, "this command has one form only");
    if (arguments->count != 0 && !tail)
        return refuse("--count", arguments->command, "only tail counts; --last limits readings");
    if (arguments->last >= 0 && !(*command)->last)
        return refuse("--last", arguments->command, "this is for readings, tail and plot");

    request->filter.sensor = arguments->sensor;
    request->filter.name = arguments->name;
    request->filter.unit = arguments->unit;
    if (arguments->unit != NULL && strcmp(arguments->unit, "-") == 0)
        request->filter.unit = "";
    request->count = arguments->count;
    request->last = arguments->last >= 0 ? arguments->last : tail ? TAIL_LAST : SL_READER_ALL;
    return EX_OK;
}

static int open_failed(enum sl_status status, const char *error)
{
    (void)fprintf(stderr, "sensorlink-log: %s\n", error);
    switch (status) {
    case SL_DENIED:
        return EX_NOINPUT;
    case SL_BAD_INPUT:
        return EX_DATAERR;
    case SL_NOMEM:
        return EX_OSERR;
    default:
        return EX_IOERR;
    }
}

/* An output that nobody reads any more, as of `| head`, is no fault. */
static int command_failed(const struct sl_log_request *request, enum sl_status status)
{
    int code = errno;

    if (status == SL_CUT)
        return EX_OK;
    if (status == SL_NOMEM) {
        (void)fprintf(stderr, "sensorlink-log: no memory\n");
        return EX_OSERR;
    }
    if (ferror(request->out)) {
        (void)fprintf(stderr, "sensorlink-log: can't write the output: %s\n", strerror(code));
        return EX_IOERR;
    }
    (void)fprintf(stderr, "sensorlink-log: can't read the store: %s\n",
                  sl_reader_error(request->reader));
    return status == SL_BAD_INPUT ? EX_DATAERR : EX_IOERR;
}

static int run(const struct arguments *arguments)
{
    char error[ERROR_SIZE];
    const struct sl_log_command *command = NULL;
    struct sl_log_request request = {.out = stdout, .terminal = isatty(STDOUT_FILENO) == 1};
    int code = make_request(arguments, &request, &command);

    if (code != EX_OK)
        return code;

    enum sl_status status = sl_reader_open(arguments->store, &request.reader, error, sizeof error);

    if (status != SL_OK)
        return open_failed(status, error);
    status = command->run(&request, &code);
    if (status != SL_OK)
        code = command_failed(&request, status);
    sl_reader_close(request.reader);
    return code;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.store = "readings.db", .last = -1};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int code = read_arguments(&arguments, argc, argv);

    /* A closed pipe then is an error of write() like others, and each ends with its exit code. */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (code == EX_OK && arguments.version)
        (void)printf("sensorlink-log %s\n", SENSORLINK_VERSION);
    else if (code == EX_OK && !arguments.help)
        return run(&arguments);
    if (code == EX_OK && (fflush(stdout) != 0 || ferror(stdout)))
        return errno == EPIPE ? EX_OK : EX_IOERR;
    return code;
}
