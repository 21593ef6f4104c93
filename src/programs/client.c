/* SPDX-License-Identifier: Apache-2.0 */
/* client.c -- sensorlink-client: a sensor's readings to the server. Options in, exit code out. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/options.h"
#include "client/check.h"
#include "client/floor_file.h"
#include "client/source.h"
#include "programs/report.h"
#include "tls/expiry.h"

static const char usage[] =
    "usage: sensorlink-client --host H --cafile F --cert F --key F SOURCE [OPTIONS]\n"
    "Keeps a sensor's readings on disk until they are on the server's.\n"
    "SOURCE: --demo, --stdin, --message, or any number of --read and --exec.\n"
    "\n"
    "Options";

static const char exit_codes[] =
    "\n"
    "Exit codes (sysexits.h)\n"
    "   0  everything is on the server's disk; --check: no fault\n"
    "  64  the command line is wrong\n"
    "  65  some readings weren't taken or became gaps; the server has the rest\n"
    "  66  a file isn't there\n"
    "  69  another client uses this spool\n"
    "  71  the system refuses (memory, descriptors)\n"
    "  73  the spool can't be made or opened\n"
    "  74  the spool's disk failed to the end; some readings are lost\n"
    "  75  not everything is acknowledged; the spool keeps it for the next run\n"
    "  77  as 75, and the server refused this sensor\n"
    "  78  a certificate, key, configuration or spool can't be used; --check: a fault\n"
    "\n"
    "Signals\n"
    "  SIGTERM, SIGINT  commit, wait 2 s for acknowledgements, leave; twice: at once\n"
    "  SIGHUP           connect now, with the certificates as they are on disk now\n";

static const char *const demo_lines[] = {"temperature: 15", "temperature: 22", "temperature: 21",
                                         "temperature: 26", "temperature: 25", "temperature: 19"};

enum {
    DEMO_INTERVAL_MS = 2000,
    SAMPLE_INTERVAL_MS = 10000,
    COMMAND_MS = 30000,
    HOUR_MS = 3600000,
    DAY_MS = 86400000,
    ERROR_SIZE = 1024,
    OPTION_COUNT = 38
};

/* The command line, as read. */
struct arguments {
    struct sl_client_config link;
    const char *spool;
    const char *config;
    const char *name;
    const char *spool_full;
    const char *floor_file;
    bool help, help_all, version, check, online, quiet, stamp, demo, from_stdin;
    struct sl_option_list messages, reads, commands;
    int64_t port, interval_ms, count, timeout_ms, command_ms;
    struct sl_sample samples[2 * SL_OPTION_LIST_MAX];
    size_t sample_count;
};

#define CENTURY_MS ((int64_t)36525 * DAY_MS)

static int fail(const char *sentence, int code)
{
    (void)fprintf(stderr, "sensorlink-client: %s\n", sentence);
    return code;
}

static struct sl_option flag(const char *name, bool *target, const char *help)
{
    return (struct sl_option){.name = name, .kind = SL_OPTION_FLAG, .target = target, .help = help};
}

static struct sl_option text(const char *name, const char *argument, const char **target,
                             const char *help)
{
    return (struct sl_option){
        .name = name, .argument = argument, .kind = SL_OPTION_TEXT, .target = target, .help = help};
}

static struct sl_option list(const char *name, const char *argument, struct sl_option_list *target,
                             const char *help)
{
    return (struct sl_option){
        .name = name, .argument = argument, .kind = SL_OPTION_LIST, .target = target, .help = help};
}

static struct sl_option number(const char *name, int64_t *target, int64_t max, const char *help)
{
    return (struct sl_option){.name = name,
                              .argument = "N",
                              .kind = SL_OPTION_NUMBER,
                              .target = target,
                              .min = 1,
                              .max = max,
                              .help = help};
}

static struct sl_option seconds_up_to(const char *name, int64_t *target, int64_t min_ms,
                                      int64_t max_ms, const char *help)
{
    return (struct sl_option){.name = name,
                              .argument = "S",
                              .kind = SL_OPTION_SECONDS,
                              .target = target,
                              .min = min_ms,
                              .max = max_ms,
                              .help = help};
}

static struct sl_option seconds(const char *name, int64_t *target, int64_t min_ms, const char *help)
{
    return seconds_up_to(name, target, min_ms, (int64_t)30 * DAY_MS, help);
}

static struct sl_option hidden(struct sl_option option)
{
    option.hidden = true;
    return option;
}

/* Fills `table`; returns how many there are. */
static size_t fill_table(struct arguments *a, struct sl_option table[static OPTION_COUNT])
{
    const struct sl_option all[] = {
        text("host", "H", &a->link.host, "the server's name or address"),
        number("port", &a->port, 65535, "its port [23456]"),
        text("cafile", "FILE", &a->link.ca_file, "CA certificates that sign the server (PEM)"),
        text("cert", "FILE", &a->link.cert_file, "this sensor's certificate"),
        text("key", "FILE", &a->link.key_file, "its private key, readable by its owner only"),
        text("spool", "FILE", &a->spool, "readings not acknowledged yet [spool.db]"),
        flag("demo", &a->demo, "six temperatures, two seconds apart"),
        flag("stdin", &a->from_stdin, "lines `[time ]name: value[ unit]`"),
        list("message", "LINE", &a->messages, "this reading; may be repeated"),
        list("read", "SPEC", &a->reads, "first number in a file: NAME[:UNIT]=PATH[*SCALE]"),
        list("exec", "SPEC", &a->commands, "first number a command prints: NAME[:UNIT]=COMMAND"),
        hidden(text("name", "NAME", &a->name, "for bare numbers on --stdin")),
        seconds("interval", &a->interval_ms, 10, "between readings [10s; --demo 2s]"),
        hidden(number("count", &a->count, INT64_MAX, "rounds of --read and --exec, then end")),
        seconds("timeout", &a->timeout_ms, 1, "at the end to be acknowledged, or while held back"),
        flag("check", &a->check, "say whether everything it would use is in order"),
        hidden(flag("online", &a->online, "with --check: connect as well, once")),
        flag("quiet", &a->quiet, "print only what needs a person"),
        hidden(text("config", "FILE", &a->config, "options from a file, one a line")),
        flag("version", &a->version, "print the version and what TLS can do"),
        flag("help", &a->help, "print this"),
        flag("help-all", &a->help_all, "print this, more options and exit codes"),
        hidden(flag("stamp", &a->stamp, "put the time before each line")),
        hidden(number("spool-max-readings", &a->link.spool_max_readings, INT64_MAX,
                      "readings kept in the spool [no limit]")),
        hidden(seconds_up_to("spool-max-age", &a->link.spool_max_age_ms, 1000, CENTURY_MS,
                             "older readings are given up [no limit]")),
        hidden(text("spool-full", "HOW", &a->spool_full,
                    "drop-oldest or block [block; --read and --exec: drop-oldest]")),
        hidden(seconds_up_to("spool-sync", &a->link.spool_sync_ms, 0, HOUR_MS,
                             "readings may wait so long to be written together [0s]")),
        hidden(text("clock-floor", "FILE", &a->floor_file,
                    "keeps the latest time seen; the clock can't be before it")),
        hidden(number("window", &a->link.window, 1000000, "readings under way at once [10000]")),
        hidden(seconds("connect-timeout", &a->link.connect_ms, 10,
                       "for connection and handshake, per address [10s]")),
        hidden(seconds("ack-timeout", &a->link.idle_ms, 10,
                       "without an acknowledgement, then connect anew [60s]")),
        hidden(seconds("retry-min", &a->link.backoff_min_ms, 1, "ceiling of the first pause [1s]")),
        hidden(seconds("retry-max", &a->link.backoff_max_ms, 1, "ceiling of any pause [60s]")),
        hidden(seconds("retry-refused", &a->link.refused_ms, 1,
                       "longest pause after being refused [5m]")),
        hidden(seconds("renewal-check", &a->link.renewal_check_ms, 10,
                       "look for renewed certificates so often [1m]")),
        hidden(seconds_up_to("expiry-warning", &a->link.expiry_warning_ms, 0, CENTURY_MS,
                             "warn this long before the certificate ends; 0: never [14d]")),
        hidden(seconds("exec-timeout", &a->command_ms, 10, "then a command is killed [30s]")),
    };
    _Static_assert(sizeof(all) / sizeof(all[0]) <= OPTION_COUNT, "room for each option");
    memcpy(table, all, sizeof(all));
    return sizeof(all) / sizeof(all[0]);
}

/* True for `host:23456`; an IPv6 address has more colons than one. */
static bool has_port(const char *host)
{
    const char *colon = strchr(host, ':');
    return colon && !strchr(colon + 1, ':');
}

/* What is missing or contradicts itself, as a sentence about options; null where nothing does. */
static const char *missing(const struct arguments *a)
{
    int sources = a->demo + a->from_stdin + (a->messages.count > 0) +
                  (a->reads.count + a->commands.count > 0);

    if (a->link.host && a->link.host[0] == '[')
        return "--host takes an IPv6 address without brackets; the port goes to --port";
    if (a->link.host && has_port(a->link.host))
        return "--host takes no port: give it with --port";
    if (!a->link.host)
        return "--host is missing: the server's name or address";
    if (!a->link.ca_file)
        return "--cafile is missing: the CA that signed the server's certificate, such as "
               "certs/demo/ca.crt";
    if (!a->link.cert_file)
        return "--cert is missing: this sensor's certificate (scripts/certs.sh sensor DIR NAME)";
    if (!a->link.key_file)
        return "--key is missing: this sensor's private key";
    if (sources == 0 && !a->check)
        return "there is no source: give --demo, --stdin, --message, --read or --exec";
    if (sources > 1)
        return "there is more than one source: only --read and --exec go together";
    if (a->name && !a->from_stdin)
        return "--name is for --stdin only";
    if (a->online && !a->check)
        return "--online is for --check only";
    if (a->count && a->reads.count + a->commands.count == 0)
        return "--count is for --read and --exec only";
    return NULL;
}

/* Adds one kind of samples; EX_OK, or EX_USAGE after saying what is wrong. */
static int add_samples(struct arguments *a, const struct sl_option_list *specs, bool command)
{
    for (size_t i = 0; i < specs->count; i++) {
        struct sl_sample *sample = &a->samples[a->sample_count++];
        const char *wrong = NULL;
        char error[ERROR_SIZE];

        sample->command = command;
        if (sl_spec_parse(specs->at[i], !command, &sample->spec, &wrong) == SL_OK)
            continue;
        (void)snprintf(error, sizeof(error), "--%s '%s': %s (expected NAME[:UNIT]=%s)",
                       command ? "exec" : "read", specs->at[i], wrong,
                       command ? "COMMAND" : "PATH[*SCALE]");
        return fail(error, EX_USAGE);
    }
    return EX_OK;
}

/* Judges what can be judged before anything is opened. */
static int judge(struct arguments *a)
{
    const char *wrong = missing(a);
    if (wrong)
        return fail(wrong, EX_USAGE);

    if (a->name) {
        enum sl_flaw flaw = SL_FLAW_NONE;
        struct sl_reading probe = {.name = sl_bytes_of(a->name), .value = {"0", 1}};
        if (sl_reading_check(&probe, &flaw) != SL_OK)
            return fail("--name: that is no name; 1 to 64 of A-Z a-z 0-9 _ . - with a letter first",
                        EX_USAGE);
    }
    const char *const files[] = {a->link.ca_file, a->link.cert_file, a->link.key_file};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char error[ERROR_SIZE];
        if (a->check || access(files[i], F_OK) == 0)
            continue; /* --check looks at them by itself */
        (void)snprintf(error, sizeof(error), "there is no file %s", files[i]);
        return fail(error, EX_NOINPUT);
    }
    int code = add_samples(a, &a->reads, false);
    return code == EX_OK ? add_samples(a, &a->commands, true) : code;
}

/* --spool-full, or its default: what a source can't wait with must be given up. */
static int choose_full(struct arguments *a)
{
    bool samples = a->reads.count + a->commands.count > 0;
    bool drops = samples;

    if (a->spool_full && strcmp(a->spool_full, "drop-oldest") == 0)
        drops = true;
    else if (a->spool_full && strcmp(a->spool_full, "block") == 0)
        drops = false;
    else if (a->spool_full)
        return fail("--spool-full is drop-oldest or block", EX_USAGE);
    if (samples && !drops)
        return fail("--spool-full=block is for sources that can wait: what --read and --exec can't "
                    "put into a full spool would be lost",
                    EX_USAGE);
    a->link.spool_full = drops ? SL_CLIENT_DROP_OLDEST : SL_CLIENT_BLOCK;
    return EX_OK;
}

/* Reads --clock-floor. */
static int read_floor(struct arguments *a)
{
    char error[ERROR_SIZE];

    if (!a->floor_file)
        return EX_OK;
    enum sl_status status = sl_floor_file_read(a->floor_file, &a->link.clock_floor_us);
    if (status == SL_OK)
        return EX_OK;
    if (status == SL_IO)
        (void)snprintf(error, sizeof(error), "--clock-floor %s can't be read: %s", a->floor_file,
                       strerror(errno));
    else
        (void)snprintf(error, sizeof(error),
                       "--clock-floor %s isn't a line with Unix seconds; remove it to start anew",
                       a->floor_file);
    return fail(error, status == SL_IO ? EX_NOINPUT : EX_CONFIG);
}

static int exit_code_of_spool(enum sl_status status)
{
    switch (status) {
    case SL_LIMIT:
        return EX_UNAVAILABLE;
    case SL_BAD_INPUT:
        return EX_CONFIG;
    case SL_NOMEM:
        return EX_OSERR;
    default:
        return EX_CANTCREAT;
    }
}

static enum sl_status make_source(const struct arguments *a, struct sl_loop *loop,
                                  struct sl_runner *runner, struct sl_source **source)
{
    if (a->from_stdin)
        return sl_source_stdin_new(loop, runner, STDIN_FILENO, a->name, source);
    if (a->sample_count > 0)
        return sl_source_sampler_new(loop, runner, a->samples, a->sample_count,
                                     a->interval_ms ? a->interval_ms : SAMPLE_INTERVAL_MS, a->count,
                                     a->command_ms, source);
    if (a->demo)
        return sl_source_list_new(loop, runner, demo_lines,
                                  sizeof(demo_lines) / sizeof(demo_lines[0]),
                                  a->interval_ms ? a->interval_ms : DEMO_INTERVAL_MS, source);
    return sl_source_list_new(loop, runner, a->messages.at, a->messages.count, a->interval_ms,
                              source);
}

/* Whoever types readings sees them already; of a file's or a pipe's there may be many. */
static enum sl_runner_echo echo_of(const struct arguments *a)
{
    if (a->quiet || (a->from_stdin && !isatty(STDIN_FILENO)))
        return SL_RUNNER_ECHO_NOTHING;
    return a->from_stdin ? SL_RUNNER_ECHO_ANSWERS : SL_RUNNER_ECHO_ALL;
}

/* Runs a link whose spool is open; the runner owns that from its start on. */
static int run_link(const struct arguments *a, struct sl_spool *spool, struct sl_loop *loop,
                    struct sl_log *log)
{
    struct sl_runner_config config = {.client = a->link,
                                      .log = log,
                                      .timeout_ms = a->timeout_ms,
                                      .floor_file = a->floor_file,
                                      .quiet = a->quiet,
                                      .echo = echo_of(a)};
    struct sl_runner *runner = NULL;
    struct sl_source *source = NULL;
    char error[ERROR_SIZE];

    config.client.port = (uint16_t)a->port;
    config.client.spool = spool;
    enum sl_status status = sl_runner_new(loop, &config, &runner, error, sizeof(error));
    if (status != SL_OK) {
        sl_spool_close(spool);
        return fail(error, status == SL_BAD_INPUT ? EX_CONFIG : EX_OSERR);
    }
    int code = EX_OSERR;
    status = make_source(a, loop, runner, &source);
    if (status == SL_OK) {
        sl_runner_set_source(runner, source);
        sl_log_line(log, SL_LOG_STORY, "connecting to %s port %d", a->link.host, (int)a->port);
        code = sl_runner_run(runner);
    } else {
        (void)fail("the source of readings can't be opened", code);
    }
    sl_runner_free(runner);
    return code;
}

/* --check: looks at everything that run() would use. */
static int check(struct arguments *a)
{
    struct sl_report report;
    struct sl_client_check what = {.link = &a->link,
                                   .spool = a->spool,
                                   .floor_file = a->floor_file,
                                   .samples = a->samples,
                                   .sample_count = a->sample_count,
                                   .messages = a->messages.at,
                                   .message_count = a->messages.count,
                                   .online = a->online};

    a->link.port = (uint16_t)a->port;
    sl_report_init(&report, stdout, a->config);
    sl_client_check(&what, &report.list);
    return sl_report_end(&report);
}

static int run(struct arguments *a)
{
    struct sl_spool *spool = NULL;
    struct sl_loop *loop = NULL;
    struct sl_log *log = NULL;
    char error[ERROR_SIZE];

    int code = judge(a);
    if (a->link.expiry_warning_ms == 0)
        a->link.expiry_warning_ms = SL_CLIENT_NEVER;
    if (code == EX_OK)
        code = choose_full(a);
    if (code == EX_OK && a->check)
        return check(a);
    if (code == EX_OK)
        code = read_floor(a);
    if (code != EX_OK)
        return code;
    enum sl_log_level level = a->quiet ? SL_LOG_WARNING : SL_LOG_READING;
    if (sl_log_open(NULL, level, a->stamp, &log) != SL_OK || sl_loop_new(&loop) != SL_OK) {
        sl_log_free(log);
        return fail("no memory or descriptors for the event loop", EX_OSERR);
    }
    enum sl_status status = sl_spool_open(a->spool, &spool, error, sizeof(error));
    code =
        status == SL_OK ? run_link(a, spool, loop, log) : fail(error, exit_code_of_spool(status));
    sl_loop_free(loop);
    sl_log_free(log);
    return code;
}

static int show_version(void)
{
    char library[96];

    (void)printf("sensorlink-client " SENSORLINK_VERSION ", %s\n",
                 sl_tls_version(library, sizeof(library)));
    return EX_OK;
}

int main(int argc, char **argv)
{
    struct arguments a = {.port = 23456,
                          .spool = "spool.db",
                          .command_ms = COMMAND_MS,
                          .link.expiry_warning_ms = SL_EXPIRY_WARNING_MS};
    struct sl_option table[OPTION_COUNT];
    struct sl_options options = {
        .program = "sensorlink-client", .table = table, .count = fill_table(&a, table)};
    int code = EX_OK;

    /* A console that went away, or a file size limit, must not take the sensor with it. */
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    (void)sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    if (sl_options_parse(&options, argc, argv, NULL) != SL_OK) {
        code = fail(options.error, EX_USAGE);
    } else if (a.help || a.help_all) {
        sl_options_help(&options, usage, a.help_all, stdout);
        if (a.help_all)
            (void)fputs(exit_codes, stdout);
    } else if (a.version) {
        code = show_version();
    } else {
        code = run(&a);
    }
    sl_options_clear(&options);
    return code;
}
