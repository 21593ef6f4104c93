/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c -- see plan.h. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/options.h"

enum {
    SESSIONS_MAX = 100000,
    THREADS_MAX = 64,
    SOURCES_MAX = 65000,
    BATCH_MAX = 500,
    WINDOW_MAX = 100000,
    SECONDS_MAX_MS = 86400000,
    TEXT_SIZE = 4096
};

static int complain(const char *sentence)
{
    (void)fprintf(stderr, "bench_load: %s\n", sentence);
    return EX_USAGE;
}

static enum sl_status parse(struct plan *plan, struct sl_options *options, int argc, char **argv)
{
    const int64_t most = INT64_MAX;
    const struct sl_option table[] = {
        {"connect", "H:P,...", SL_OPTION_TEXT, &plan->connect, 0, 0,
         "servers, which the sessions use in turn", false},
        {"server-name", "NAME", SL_OPTION_TEXT, &plan->name, 0, 0,
         "the name in the server's certificate; the first H is the default", false},
        {"cafile", "F", SL_OPTION_TEXT, &plan->ca, 0, 0, "CAs of the servers", false},
        {"certs", "DIR", SL_OPTION_TEXT, &plan->certs, 0, 0,
         "pairs NAME.crt and NAME.key, which the sessions use in turn", false},
        {"mode", "MODE", SL_OPTION_TEXT, &plan->mode, 0, 0, "link, plain, syslog, mqtt or raw",
         false},
        {"sessions", "N", SL_OPTION_NUMBER, &plan->sessions, 1, SESSIONS_MAX, "sessions at once",
         false},
        {"threads", "N", SL_OPTION_NUMBER, &plan->threads, 1, THREADS_MAX, "threads", false},
        {"sources", "N", SL_OPTION_NUMBER, &plan->sources, 1, SOURCES_MAX,
         "come from 127.0.0.1, 127.0.0.2 and so on", false},
        {"batch", "LINES", SL_OPTION_NUMBER, &plan->batch, 1, BATCH_MAX, "readings a record",
         false},
        {"window", "N", SL_OPTION_NUMBER, &plan->window, 1, WINDOW_MAX,
         "records (mqtt: messages) that a session has unacknowledged at most", false},
        {"readings", "N", SL_OPTION_NUMBER, &plan->readings, 1, most, "end after N in all", false},
        {"seconds", "S", SL_OPTION_SECONDS, &plan->milliseconds, 1, SECONDS_MAX_MS, "end after S",
         false},
        {"rate", "N", SL_OPTION_NUMBER, &plan->rate, 1, most,
         "readings a second in all, at fixed times", false},
        {"idle", NULL, SL_OPTION_FLAG, &plan->idle, 0, 0,
         "say 'open N', and end when standard input does", false},
        {"connects", "N", SL_OPTION_NUMBER, &plan->connects, 1, most,
         "only connect, N times in all, and no readings", false},
        {"resume", NULL, SL_OPTION_FLAG, &plan->resume, 0, 0, "resume TLS sessions", false},
        {"hold", NULL, SL_OPTION_FLAG, &plan->hold, 0, 0,
         "say 'open N', and wait for a line before measuring", false},
        {"pid", "PID,...", SL_OPTION_TEXT, &plan->pids_text, 0, 0,
         "processes whose CPU time is measured", false},
        {"help", NULL, SL_OPTION_FLAG, &plan->help, 0, 0, "print this", false},
    };
    enum sl_status status;

    options->table = table;
    options->count = sizeof table / sizeof table[0];
    status = sl_options_parse(options, argc, argv, NULL);
    if (status == SL_OK && plan->help)
        sl_options_help(options, "bench_load --connect HOST:PORT --cafile F --certs DIR ...", true,
                        stdout);
    return status;
}

/* Adds what `text` names: `[::1]:23456`, `127.0.0.1:23456` or `localhost:23456`. */
static bool add_server(struct plan *plan, char *text)
{
    char error[SL_ADDRESS_ERROR_SIZE] = "this is no HOST:PORT";
    struct sl_addresses found = {NULL, 0};
    struct sl_address address = {.len = 0};
    char host[SL_ADDRESS_TEXT_SIZE] = "";
    char *colon = strrchr(text, ':');

    if (sl_address_parse(text, 0, &address) == SL_OK) {
        (void)sl_address_print_host(&address, host);
    } else if (colon != NULL) {
        unsigned long port = strtoul(colon + 1, NULL, 10);

        *colon = '\0';
        (void)snprintf(host, sizeof host, "%s", text);
        if (sl_addresses_resolve(host, (uint16_t)port, &found, error, sizeof error) == SL_OK)
            address = found.at[0];
        sl_addresses_clear(&found);
    }
    if (sl_address_port(&address) == 0 || plan->server_count == SERVERS_MAX) {
        (void)fprintf(stderr, "bench_load: --connect %s: %s\n", text, error);
        return false;
    }
    if (plan->server_count == 0)
        (void)snprintf(plan->server_name, NAME_SIZE, "%s", plan->name == NULL ? host : plan->name);
    plan->servers[plan->server_count++] = address;
    return true;
}

static bool read_servers(struct plan *plan)
{
    char text[TEXT_SIZE];
    char *rest = text;
    char *part;

    (void)snprintf(text, sizeof text, "%s", plan->connect);
    while ((part = strsep(&rest, ",")) != NULL)
        if (!add_server(plan, part))
            return false;
    return true;
}

static void read_pids(struct plan *plan)
{
    char text[TEXT_SIZE];
    char *rest = text;
    char *part;

    (void)snprintf(text, sizeof text, "%s", plan->pids_text == NULL ? "" : plan->pids_text);
    while ((part = strsep(&rest, ",")) != NULL && plan->pid_count < PIDS_MAX)
        if (*part != '\0')
            plan->pids[plan->pid_count++] = (int)strtol(part, NULL, 10);
}

/* What the options mean together. */
static int check(const struct plan *plan)
{
    if (plan->connect == NULL || plan->ca == NULL || plan->certs == NULL)
        return complain("--connect, --cafile and --certs are needed ('--help' says more)");
    if (plan->speech == NULL)
        return complain("--mode is link, plain, syslog, mqtt or raw");
    if (plan->readings == 0 && plan->milliseconds == 0 && plan->connects == 0 && !plan->idle)
        return complain("when to end? Give --readings, --seconds, --connects or --idle");
    if (plan->connects > 0 && (plan->readings > 0 || plan->rate > 0 || plan->idle))
        return complain("--connects sends no readings");
    if (plan->idle && plan->hold)
        return complain("--idle and --hold both wait for standard input");
    if (plan->idle && plan->speech->hello == NULL)
        return complain("--idle is for the modes link and mqtt");
    if (plan->threads > plan->sessions)
        return complain("more --threads than --sessions");
    return -1;
}

int plan_make(struct plan *plan, int argc, char **argv)
{
    struct sl_options options = {.program = "bench_load"};
    int code;

    *plan = (struct plan){.mode = "link",
                          .sessions = 1,
                          .threads = 1,
                          .sources = 1,
                          .batch = 1,
                          .window = 16,
                          .stop_fd = -1};
    if (parse(plan, &options, argc, argv) != SL_OK)
        return complain(options.error);
    if (plan->help)
        return EX_OK;
    plan->speech = speech_find(plan->mode);
    code = check(plan);
    if (code != -1)
        return code;
    read_pids(plan);
    if (!read_servers(plan) || !trusts_load(&plan->trusts, plan->ca, plan->certs,
                                            (size_t)plan->sessions, plan->speech->acknowledged))
        return EX_USAGE;
    lines_fill(&plan->lines);
    plan->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (plan->stop_fd < 0 ||
        pthread_barrier_init(&plan->barrier, NULL, (unsigned)plan->threads + 1) != 0)
        return EX_OSERR;
    return -1;
}

void plan_clear(struct plan *plan)
{
    trusts_clear(&plan->trusts);
    if (plan->stop_fd >= 0)
        (void)close(plan->stop_fd);
}

void plan_complain(struct plan *plan, unsigned session, const char *fault)
{
    if (!atomic_flag_test_and_set(&plan->complained))
        (void)fprintf(stderr, "bench_load: session %u: %s\n", session, fault);
}
