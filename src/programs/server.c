/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c -- sensorlink-server: authenticates sensors and logs their readings. Options in, exit
 * code out.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/options.h"
#include "programs/report.h"
#include "server/check.h"
#include "server/memory.h"
#include "server/server.h"
#include "server/user.h"
#include "tls/expiry.h"

static const char usage[] =
    "usage: sensorlink-server --cafile F --cert F --key F [OPTION]...\n"
    "Authenticates sensors with mutual TLS and logs their readings, each once,\n"
    "under the name in the sensor's certificate. SIGTERM and SIGINT end it in order,\n"
    "SIGHUP reloads certificates, CRLs and the allow list.\n"
    "\n"
    "Options";

static const char exit_codes[] =
    "\nExit codes (sysexits.h)\n"
    "   0  told to end, and everything received is stored; --check: no fault\n"
    "  64  the command line is wrong\n"
    "  71  the system refuses (memory, rights)\n"
    "  73  the log file can't be opened\n"
    "  74  the store is damaged, or it or an address can't be used\n"
    "  75  another server uses this store\n"
    "  78  a file, address, user or another's store can't be used; --check: a fault\n";

static const int64_t YEAR_MS = INT64_C(365) * 86400 * 1000;

/* The command line, as read. */
struct arguments {
    bool help;
    bool help_all;
    bool version;
    bool check;
    bool quiet;
    bool stamp;
    const char *config;
    const char *on_corrupt;
    const char *crl_policy;
    const char *log_file;
    const char *user;
    const char *confine;
    struct sl_option_list listen;
    int64_t io_threads;
    int64_t handshake_threads;
    struct sl_server_config server;
};

static int64_t processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count < 1 ? 1 : count;
}

static void set_defaults(struct arguments *arguments)
{
    *arguments = (struct arguments){0};
    arguments->io_threads = (processors() + 3) / 4;
    arguments->handshake_threads = processors();
    arguments->server.store = "readings.db";
    arguments->server.resume_max_age_ms = 43200000;
    arguments->on_corrupt = "refuse";
    arguments->confine = "yes";
    arguments->server.limits = (struct sl_server_limits){
        .door = {.connections = 10000, .per_address = 256, .handshakes = 256},
        .handshake_ms = 10000,
        .handshake_bytes = 3072,
        .idle_ms = 1800000,
        .line_bytes = 512,
        .drain_ms = 10000,
        .queued_batches = 1024,
        .expiry_warning_ms = SL_EXPIRY_WARNING_MS,
    };
}

static int fail(const char *sentence, int code)
{
    (void)fprintf(stderr, "sensorlink-server: %s\n", sentence);
    return code;
}

static int show_version(void)
{
    char library[96];

    (void)printf("sensorlink-server %s, %s\n", SENSORLINK_VERSION,
                 sl_tls_version(library, sizeof library));
    return EX_OK;
}

/* What an error of sl_server_open() is as an exit code (sysexits.h). */
static int exit_code(enum sl_status status)
{
    switch (status) {
    case SL_BAD_INPUT:
        return EX_CONFIG;
    case SL_NOMEM:
    case SL_DENIED:
        return EX_OSERR;
    case SL_LIMIT:
        return EX_TEMPFAIL;
    default:
        return EX_IOERR;
    }
}

/* The orderly end, and whether it was one. */
static int leave(struct sl_server *server, struct sl_log *log)
{
    enum sl_status status = sl_server_close(server);

    if (status == SL_OK)
        sl_log_line(log, SL_LOG_STORY, "everything received is stored; goodbye");
    else
        sl_log_line(log, SL_LOG_ERROR,
                    "not everything received is stored, because the store failed; what wasn't "
                    "acknowledged is still with its sensor, plain lines are lost");
    sl_log_free(log);
    return status == SL_OK ? EX_OK : EX_IOERR;
}

static void take_addresses(struct arguments *arguments)
{
    arguments->server.listen_count = arguments->listen.count;
    memcpy(arguments->server.listen, arguments->listen.at,
           arguments->listen.count * sizeof *arguments->listen.at);
}

/* --check: looks at everything that serve() would use. */
static int check(struct arguments *arguments)
{
    struct sl_report report;

    sl_report_init(&report, stdout, arguments->config);
    sl_server_check(&arguments->server, arguments->user, &report.list);
    return sl_report_end(&report);
}

static int serve(struct arguments *arguments)
{
    enum sl_log_level level = arguments->quiet ? SL_LOG_STORY : SL_LOG_READING;
    char error[SL_SERVER_ERROR_SIZE];
    struct sl_server *server = NULL;
    struct sl_log *log = NULL;
    enum sl_status status;

    sl_memory_prepare();
    if (arguments->user != NULL) {
        status = sl_user_become(arguments->user, error, sizeof error);
        if (status != SL_OK)
            return fail(error, exit_code(status));
    }
    status = sl_log_open(arguments->log_file, level,
                         arguments->stamp || arguments->log_file != NULL, &log);
    if (status != SL_OK) {
        perror(arguments->log_file == NULL ? "sensorlink-server" : arguments->log_file);
        return EX_CANTCREAT;
    }
    arguments->server.log = log;
    status = sl_server_open(&arguments->server, &server, error);
    if (status == SL_OK) {
        sl_server_run(server);
        return leave(server, log);
    }
    sl_log_free(log);
    return fail(error, exit_code(status));
}

/* The files that must be named, checked here so that the sentence speaks of options. */
static const char *missing(const struct arguments *arguments)
{
    if (arguments->server.files.ca == NULL)
        return "--cafile is missing: the CA that signs your sensors' certificates, such as "
               "certs/demo/ca.crt (make one with scripts/certs.sh)";
    if (arguments->server.files.cert == NULL)
        return "--cert is missing: the server's certificate (scripts/certs.sh server DIR NAME)";
    if (arguments->server.files.key == NULL)
        return "--key is missing: the server's private key";
    if (arguments->listen.count > SL_SERVER_LISTENERS_MAX)
        return "--listen is given more than 16 times";
    if (strcmp(arguments->on_corrupt, "refuse") != 0 &&
        strcmp(arguments->on_corrupt, "move-aside") != 0)
        return "--on-corrupt is refuse or move-aside";
    if (arguments->crl_policy != NULL && strcmp(arguments->crl_policy, "require") != 0 &&
        strcmp(arguments->crl_policy, "if-present") != 0)
        return "--crl-policy is require or if-present";
    if (strcmp(arguments->confine, "yes") != 0 && strcmp(arguments->confine, "no") != 0)
        return "--confine is yes or no";
    return NULL;
}

/* Who names revocation lists means them: a CA without one is then a fault, unless it's said. */
static bool crl_required(const struct arguments *arguments)
{
    return arguments->crl_policy == NULL ? arguments->server.files.crl != NULL
                                         : strcmp(arguments->crl_policy, "require") == 0;
}

/* Does what the command line asks for; the exit code. */
static int act(struct arguments *arguments, const struct sl_options *options)
{
    if (arguments->help || arguments->help_all) {
        sl_options_help(options, usage, arguments->help_all, stdout);
        if (arguments->help_all)
            (void)fputs(exit_codes, stdout);
        return EX_OK;
    }
    if (arguments->version)
        return show_version();
    if (missing(arguments) != NULL)
        return fail(missing(arguments), EX_USAGE);
    arguments->server.files.crl_required = crl_required(arguments);
    arguments->server.confine = strcmp(arguments->confine, "yes") == 0;
    arguments->server.move_aside = strcmp(arguments->on_corrupt, "move-aside") == 0;
    arguments->server.log_file = arguments->log_file;
    arguments->server.io_threads = (size_t)arguments->io_threads;
    arguments->server.handshake_threads = (size_t)arguments->handshake_threads;
    take_addresses(arguments);
    return arguments->check ? check(arguments) : serve(arguments);
}

/* Whom to trust, and for how long. Returns how many options it put into `table`. */
static size_t trust_options(struct arguments *a, struct sl_option *table)
{
    struct sl_trust_files *files = &a->server.files;
    struct sl_server_limits *limits = &a->server.limits;
    const struct sl_option options[] = {
        {"cafile", "FILE", SL_OPTION_TEXT, &files->ca, 0, 0,
         "CA certificates that sign sensors (PEM)", false},
        {"cert", "FILE", SL_OPTION_TEXT, &files->cert, 0, 0, "the server's certificate", false},
        {"key", "FILE", SL_OPTION_TEXT, &files->key, 0, 0,
         "its private key, readable by its owner only", false},
        {"crlfile", "FILE", SL_OPTION_TEXT, &files->crl, 0, 0, "revocation lists of the CAs",
         false},
        {"crl-policy", "HOW", SL_OPTION_TEXT, &a->crl_policy, 0, 0,
         "require: each CA must have a list; if-present: a CA without one revokes nobody "
         "[require with --crlfile, if-present without]",
         true},
        {"crl-grace", "S", SL_OPTION_SECONDS, &files->crl_grace_ms, 0, YEAR_MS,
         "how long a list holds after its next update is due [0s]", true},
        {"allow", "FILE", SL_OPTION_TEXT, &files->allow, 0, 0,
         "the sensors that may come in [all that the CAs signed]", false},
        {"watch", NULL, SL_OPTION_FLAG, &a->server.watch, 0, 0,
         "reload by itself when one of these files changes", false},
        {"resume-max-age", "S", SL_OPTION_SECONDS, &a->server.resume_max_age_ms, 0, 604800000,
         "sessions are resumed so long after the certificate was shown; 0: never [12h]", true},
        {"ticket-keys", "FILE", SL_OPTION_TEXT, &a->server.ticket_keys, 0, 0,
         "keeps the keys of resumption over a restart; as secret as the key", true},
        {"expiry-warning", "S", SL_OPTION_SECONDS, &limits->expiry_warning_ms, 0, 10 * YEAR_MS,
         "warn this long before a certificate ends; 0: never [14d]", true},
        {"max-session-age", "S", SL_OPTION_SECONDS, &limits->session_ms, 100, YEAR_MS,
         "then a sensor must connect and authenticate anew [no limit]", true},
    };

    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

/* Everything else. */
static size_t other_options(struct arguments *a, struct sl_option *table)
{
    struct sl_server_limits *limits = &a->server.limits;
    const struct sl_option options[] = {
        {"listen", "ADDR:PORT", SL_OPTION_LIST, &a->listen, 0, 0,
         "where to listen; may be repeated [[::]:23456]", false},
        {"store", "FILE", SL_OPTION_TEXT, &a->server.store, 0, 0,
         "the readings' file [readings.db]", false},
        {"on-corrupt", "HOW", SL_OPTION_TEXT, &a->on_corrupt, 0, 0,
         "a damaged store: refuse, or move-aside and begin anew [refuse]", true},
        {"config", "FILE", SL_OPTION_TEXT, &a->config, 0, 0, "options from a file, one a line",
         false},
        {"check", NULL, SL_OPTION_FLAG, &a->check, 0, 0,
         "say whether everything it would use is in order", false},
        {"quiet", NULL, SL_OPTION_FLAG, &a->quiet, 0, 0, "don't print each reading", false},
        {"log-file", "FILE", SL_OPTION_TEXT, &a->log_file, 0, 0,
         "write the log there, not to the console; SIGUSR1 reopens it", true},
        {"stamp", NULL, SL_OPTION_FLAG, &a->stamp, 0, 0, "put the time before each line of the log",
         true},
        {"user", "NAME", SL_OPTION_TEXT, &a->user, 0, 0,
         "whose rights to have, when started as root", true},
        {"confine", "HOW", SL_OPTION_TEXT, &a->confine, 0, 0,
         "give up rights that aren't needed: yes, or no for debuggers [yes]", true},
        {"io-threads", "N", SL_OPTION_NUMBER, &a->io_threads, 1, 256,
         "threads for sensors that are in [one for four processors]", true},
        {"handshake-threads", "N", SL_OPTION_NUMBER, &a->handshake_threads, 1, 256,
         "threads for handshakes [one a processor]", true},
        {"max-connections", "N", SL_OPTION_NUMBER, &limits->door.connections, 1, 1000000,
         "connections at once [10000]", true},
        {"max-connections-per-address", "N", SL_OPTION_NUMBER, &limits->door.per_address, 1,
         1000000, "of one IPv4 address or IPv6 /64 [256]", true},
        {"max-handshakes", "N", SL_OPTION_NUMBER, &limits->door.handshakes, 1, 1000000,
         "handshakes under way at once [256]", true},
        {"handshake-timeout", "S", SL_OPTION_SECONDS, &limits->handshake_ms, 100, 600000,
         "for connecting and handshake [10s]", true},
        {"handshake-bytes", "N", SL_OPTION_BYTES, &limits->handshake_bytes, 1024, 65536,
         "read of a peer's hello, and 3/4 of it until it's authenticated [3072]", true},
        {"idle-timeout", "S", SL_OPTION_SECONDS, &limits->idle_ms, 100, 31536000000,
         "without a byte from a sensor [30m]", true},
        {"max-line", "N", SL_OPTION_BYTES, &limits->line_bytes, 16, 512,
         "longest line, with its ending [512]", true},
        {"drain-timeout", "S", SL_OPTION_SECONDS, &limits->drain_ms, 100, 600000,
         "for goodbyes at the end [10s]", true},
        {"max-queued", "N", SL_OPTION_NUMBER, &limits->queued_batches, 1, 1000000,
         "batches waiting for the store, then sensors are held back [1024]", true},
        {"version", NULL, SL_OPTION_FLAG, &a->version, 0, 0,
         "print the version and what TLS can do", false},
        {"help", NULL, SL_OPTION_FLAG, &a->help, 0, 0, "print this", false},
        {"help-all", NULL, SL_OPTION_FLAG, &a->help_all, 0, 0, "print this and limits and threads",
         false},
    };

    memcpy(table, options, sizeof options);
    return sizeof options / sizeof *options;
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct sl_option table[SL_OPTION_TABLE_MAX];
    struct sl_options options = {.program = "sensorlink-server", .table = table};
    int code;

    set_defaults(&a);
    options.count = trust_options(&a, table);
    options.count += other_options(&a, table + options.count);
    /* A console that went away, or a file size limit, must not take the server with it. */
    (void)sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    (void)sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    code = sl_options_parse(&options, argc, argv, NULL) == SL_OK ? act(&a, &options)
                                                                 : fail(options.error, EX_USAGE);
    sl_options_clear(&options);
    return code;
}
