/* SPDX-License-Identifier: Apache-2.0 */
/* server.c -- start, accept, drain; see server.h. */
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/listener.h"
#include "server/connection.h"
#include "server/rates.h"
#include "server/reload.h"
#include "server/reminder.h"
#include "server/streams.h"
#include "server/tickets.h"
#include "server/user.h"
#include "server/worker.h"

enum {
    DEFAULT_PORT = 23456,
    DESCRIPTORS_KEPT = 64,    /* for files, listeners and what libraries open */
    DESCRIPTORS_A_THREAD = 4, /* its loop's */
    TELL_EVERY_MS = 1000,
    CONFINE_PATHS = 8
};

struct sl_server {
    struct sl_shared shared;
    struct sl_store *store; /* until the committer has it */
    struct sl_loop *loop;
    struct sl_listener *listeners[SL_SERVER_LISTENERS_MAX];
    size_t listener_count;
    struct sl_signal *terminate;
    struct sl_signal *interrupt;
    struct sl_signal *reopen;
    struct sl_reload *reload;
    struct sl_tickets *tickets;
    size_t next_handshake; /* the worker whose turn it is */
    int64_t turned_away;   /* at the door, since the log last said so */
    int64_t told_ms;
};

/* One line a second at most, so that a flood of connections isn't a flood of lines. */
static void tell_turned_away(struct sl_server *server, const char *address, const char *which)
{
    int64_t now_ms = sl_clock_monotonic_ms();

    server->turned_away++;
    if (now_ms - server->told_ms < TELL_EVERY_MS)
        return;
    sl_log_line(server->shared.log, SL_LOG_WARNING,
                "turned away %lld connection(s), the last from %s: %s is reached",
                (long long)server->turned_away, address, which);
    server->turned_away = 0;
    server->told_ms = now_ms;
}

static void on_accepted(void *ctx, int fd, const struct sl_address *address)
{
    struct sl_server *server = ctx;
    struct sl_connection *connection;
    char text[SL_ADDRESS_TEXT_SIZE];
    const char *which = "memory";
    int64_t now_ms = sl_clock_monotonic_ms();
    struct sl_worker *worker;

    (void)sl_address_print(address, text);
    if (sl_door_enter(server->shared.door, address, now_ms, &which) != SL_OK) {
        tell_turned_away(server, text, which);
        (void)close(fd);
        return;
    }
    if (sl_shared_may_tell(&server->shared))
        sl_log_line(server->shared.log, SL_LOG_STORY, "connection from %s", text);
    if (sl_connection_new(&server->shared, fd, address, &connection) != SL_OK) {
        sl_door_handshake_ended(server->shared.door, address, 0, now_ms);
        sl_door_leave(server->shared.door, address, now_ms);
        tell_turned_away(server, text, "memory");
        return;
    }
    worker = server->shared.handshakes[server->next_handshake++ % server->shared.handshake_count];
    if (sl_worker_adopt(worker, connection) != SL_OK)
        sl_connection_free(connection);
}

static void on_answered(void *ctx, struct sl_batch *batch)
{
    (void)ctx;
    sl_worker_answer(batch->worker, batch);
}

static void on_committed(void *ctx)
{
    struct sl_server *server = ctx;

    for (size_t i = 0; i < server->shared.io_count; i++)
        sl_worker_committed(server->shared.io[i]);
}

static void on_end_signal(void *ctx, int signum)
{
    struct sl_server *server = ctx;

    sl_log_line(server->shared.log, SL_LOG_STORY, "%s: finishing what was received, then leaving",
                signum == SIGINT ? "interrupted" : "told to end");
    sl_loop_stop(server->loop);
}

static void on_reopen_signal(void *ctx, int signum)
{
    struct sl_server *server = ctx;

    (void)signum;
    if (sl_log_reopen(server->shared.log) != SL_OK)
        sl_log_line(server->shared.log, SL_LOG_ERROR, "the log file can't be opened again");
}

int64_t sl_server_descriptors(const struct sl_server_config *config)
{
    int64_t threads = (int64_t)(config->io_threads + config->handshake_threads);

    return config->limits.door.connections + DESCRIPTORS_KEPT + DESCRIPTORS_A_THREAD * threads;
}

int64_t sl_server_raise_descriptors(int64_t wanted)
{
    rlim_t most = (rlim_t)wanted;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= most)
        return wanted;
    /* Root may have the hard limit raised too. */
    if (limit.rlim_max < most && setrlimit(RLIMIT_NOFILE, &(struct rlimit){most, most}) == 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : wanted;
}

/*
 * As many descriptors as connections need. Where there are fewer, connections are turned away
 * before there is none left for the store.
 */
static void raise_descriptors(struct sl_server *server, const struct sl_server_config *config)
{
    int64_t *connections = &server->shared.limits.door.connections;
    int64_t wanted = sl_server_descriptors(config);
    int64_t allowed = sl_server_raise_descriptors(wanted);

    if (allowed >= wanted)
        return;
    *connections -= wanted - allowed;
    if (*connections < 1)
        *connections = 1;
    sl_log_line(server->shared.log, SL_LOG_WARNING,
                "the system allows %lld open files: %lld connections may come in, and not the %lld "
                "of --max-connections; raise the limit (ulimit -Hn, LimitNOFILE=)",
                (long long)allowed, (long long)*connections,
                (long long)config->limits.door.connections);
}

/* A damaged store stops the server, or is moved aside, which is said: it is never deleted. */
static enum sl_status open_file(struct sl_server *server, const struct sl_server_config *config,
                                struct sl_store **store, char *error)
{
    struct sl_store_repair repair = {.move_aside = config->move_aside};
    enum sl_status status =
        sl_store_open_sqlite_repairing(config->store, &repair, store, error, SL_SERVER_ERROR_SIZE);

    if (repair.moved_to[0] != '\0')
        sl_log_line(server->shared.log, SL_LOG_ERROR,
                    "the store %s is damaged: it was moved to %s, where `sqlite3 FILE .recover` "
                    "may read what it held, and a new one is begun; sensors send again only what "
                    "wasn't acknowledged",
                    config->store, repair.moved_to);
    /* To people who run servers, damage is a disk that failed, not a setting to be mended. */
    return status == SL_BAD_INPUT && repair.damaged ? SL_IO : status;
}

/* SQLite's name for a store in memory: what is acknowledged would be on no disk. */
bool sl_server_store_is_file(const char *store)
{
    return strcmp(store, ":memory:") != 0;
}

static enum sl_status open_store(struct sl_server *server, const struct sl_server_config *config,
                                 char *error)
{
    if (!sl_server_store_is_file(config->store)) {
        (void)snprintf(error, SL_SERVER_ERROR_SIZE, "--store :memory: isn't a file");
        return SL_BAD_INPUT;
    }
    return open_file(server, config, &server->store, error);
}

static enum sl_status start_committer(struct sl_server *server)
{
    struct sl_committer_hooks hooks = {server, on_answered, on_committed};
    enum sl_status status =
        sl_committer_start(server->store, (size_t)server->shared.limits.queued_batches,
                           server->shared.log, hooks, &server->shared.committer);

    if (status == SL_OK)
        server->store = NULL;
    return status;
}

static enum sl_status start_workers(struct sl_server *server, enum sl_worker_kind kind,
                                    size_t wanted, struct sl_worker ***workers, size_t *count)
{
    *workers = calloc(wanted, sizeof(struct sl_worker *));
    if (*workers == NULL)
        return SL_NOMEM;
    for (*count = 0; *count < wanted; (*count)++) {
        enum sl_status status = sl_worker_start(&server->shared, kind, &(*workers)[*count]);

        if (status != SL_OK)
            return status;
    }
    return SL_OK;
}

static enum sl_status start_threads(struct sl_server *server, const struct sl_server_config *config,
                                    char *error)
{
    struct sl_shared *shared = &server->shared;
    enum sl_status status = sl_door_new(shared->limits.door, &shared->door);

    if (status == SL_OK)
        status = start_committer(server);
    if (status == SL_OK)
        status = sl_streams_new(&shared->streams);
    if (status == SL_OK)
        status = sl_rates_new(&shared->rates);
    if (status == SL_OK)
        status = sl_reminder_new(&shared->reminder);
    if (status == SL_OK)
        status =
            start_workers(server, SL_WORKER_IO, config->io_threads, &shared->io, &shared->io_count);
    if (status == SL_OK)
        status = start_workers(server, SL_WORKER_HANDSHAKES, config->handshake_threads,
                               &shared->handshakes, &shared->handshake_count);
    if (status != SL_OK)
        (void)snprintf(error, SL_SERVER_ERROR_SIZE, "no threads or memory for the workers");
    return status;
}

enum sl_status sl_server_parse_address(const char *text, struct sl_address *address,
                                       char error[static SL_SERVER_ERROR_SIZE])
{
    if (sl_address_parse(text, DEFAULT_PORT, address) == SL_OK)
        return SL_OK;
    (void)snprintf(error, SL_SERVER_ERROR_SIZE,
                   "--listen %.100s isn't an address and port such as 127.0.0.1:23456 or "
                   "[::]:23456",
                   text);
    return SL_BAD_INPUT;
}

static enum sl_status listen_on(struct sl_server *server, const char *text, char *error)
{
    struct sl_address address;
    char shown[SL_ADDRESS_TEXT_SIZE];
    enum sl_status status = sl_server_parse_address(text, &address, error);
    struct sl_listener **listener = &server->listeners[server->listener_count];

    if (status == SL_OK)
        status = sl_listener_open(server->loop, &address, on_accepted, server, listener, error,
                                  SL_SERVER_ERROR_SIZE);
    if (status != SL_OK)
        return status;
    server->listener_count++;
    sl_log_line(server->shared.log, SL_LOG_STORY, "starting up on %s",
                sl_address_print(sl_listener_address(*listener), shown));
    return SL_OK;
}

static enum sl_status listen_all(struct sl_server *server, const struct sl_server_config *config,
                                 char *error)
{
    enum sl_status status = SL_OK;

    if (config->listen_count == 0)
        return listen_on(server, SL_SERVER_LISTEN_DEFAULT, error);
    for (size_t i = 0; i < config->listen_count && status == SL_OK; i++)
        status = listen_on(server, config->listen[i], error);
    return status;
}

static enum sl_status take_signals(struct sl_server *server)
{
    enum sl_status status =
        sl_signal_new(server->loop, SIGTERM, on_end_signal, server, &server->terminate);

    if (status == SL_OK)
        status = sl_signal_new(server->loop, SIGINT, on_end_signal, server, &server->interrupt);
    if (status == SL_OK)
        status = sl_signal_new(server->loop, SIGUSR1, on_reopen_signal, server, &server->reopen);
    return status;
}

/* What is opened or made while the server runs: at a reload, and by the log and the store. */
static void name_paths(const struct sl_server_config *config,
                       struct sl_confine_path paths[static CONFINE_PATHS])
{
    const struct sl_confine_path all[CONFINE_PATHS] = {
        {"--cafile", config->files.ca, false},   {"--cert", config->files.cert, false},
        {"--key", config->files.key, false},     {"--crlfile", config->files.crl, false},
        {"--allow", config->files.allow, false}, {"--store", config->store, true},
        {"--log-file", config->log_file, true},  {"--ticket-keys", config->ticket_keys, true},
    };

    memcpy(paths, all, sizeof all);
}

enum sl_status sl_server_try_confinement(const struct sl_server_config *config, const char *user,
                                         struct sl_confinement *confinement)
{
    struct sl_confine_path paths[CONFINE_PATHS];

    name_paths(config, paths);
    return sl_confine_try(user, paths, CONFINE_PATHS, confinement);
}

/*
 * What can't be read can't be seen to change either: who asked for --watch would believe that a
 * revocation takes effect.
 */
static enum sl_status check_watched(const struct sl_server_config *config, char *error)
{
    struct sl_confine_path paths[CONFINE_PATHS];

    name_paths(config, paths);
    for (size_t i = 0; i < CONFINE_PATHS && config->watch; i++) {
        if (paths[i].file == NULL || paths[i].write || access(paths[i].file, R_OK) == 0)
            continue;
        (void)snprintf(error, SL_SERVER_ERROR_SIZE,
                       "--watch: %s %.200s can't be read any more once the server has the rights "
                       "of --user, so no change of it would be seen: let that user read it, or "
                       "leave --watch out",
                       paths[i].option, paths[i].file);
        return SL_BAD_INPUT;
    }
    return SL_OK;
}

static void confine(struct sl_server *server, const struct sl_server_config *config)
{
    struct sl_confine_path paths[CONFINE_PATHS];
    struct sl_confinement confinement;

    if (!config->confine) {
        sl_log_line(server->shared.log, SL_LOG_WARNING, "not confined, because of --confine no");
        return;
    }
    name_paths(config, paths);
    sl_confine(paths, CONFINE_PATHS, &confinement);
    sl_log_line(server->shared.log, SL_LOG_STORY, "confined: %s", confinement.in_force);
    for (size_t i = 0; i < confinement.lacks_count; i++)
        sl_log_line(server->shared.log, SL_LOG_WARNING, "confinement: %s", confinement.lacks[i]);
}

/* The order is that of confine.h: everything is open before, and threads come after. */
static enum sl_status set_up(struct sl_server *server, const struct sl_server_config *config,
                             char *error)
{
    enum sl_status status;

    if (config->confine)
        sl_confine_prepare();
    status = sl_loop_new(&server->loop);
    if (status == SL_OK)
        status = take_signals(server);
    if (status == SL_OK)
        status = sl_reload_open(server->loop, &server->shared, &config->files, config->watch,
                                &server->reload, error, SL_SERVER_ERROR_SIZE);
    if (status == SL_OK)
        status =
            sl_tickets_start(server->loop, config->log, config->resume_max_age_ms,
                             config->ticket_keys, &server->tickets, error, SL_SERVER_ERROR_SIZE);
    server->shared.ticket_keys = sl_tickets_keys(server->tickets);
    server->shared.keys_kept = config->ticket_keys != NULL;
    if (status == SL_OK)
        status = open_store(server, config, error);
    if (status == SL_OK)
        status = listen_all(server, config, error);
    if (status == SL_OK)
        status = sl_user_settle(error, SL_SERVER_ERROR_SIZE);
    if (status == SL_OK)
        status = check_watched(config, error);
    if (status != SL_OK)
        return status;
    confine(server, config);
    return start_threads(server, config, error);
}

static void tell_where(struct sl_server *server)
{
    char name[256], address[SL_ADDRESS_TEXT_SIZE];

    sl_address_self(name, sizeof name, address);
    sl_log_line(server->shared.log, SL_LOG_STORY, "working on %s (%s)", name, address);
}

enum sl_status sl_server_open(const struct sl_server_config *config, struct sl_server **server,
                              char error[static SL_SERVER_ERROR_SIZE])
{
    struct sl_server *made = calloc(1, sizeof *made);
    enum sl_status status;

    (void)snprintf(error, SL_SERVER_ERROR_SIZE, "out of memory");
    if (made == NULL)
        return SL_NOMEM;
    made->shared.limits = config->limits;
    made->shared.log = config->log;
    (void)pthread_mutex_init(&made->shared.trust_lock, NULL);
    (void)pthread_mutex_init(&made->shared.tell_lock, NULL);
    made->told_ms = sl_clock_monotonic_ms() - TELL_EVERY_MS;
    tell_where(made);
    raise_descriptors(made, config);
    status = set_up(made, config, error);
    if (status != SL_OK) {
        (void)sl_server_close(made);
        return status;
    }
    sl_log_line(config->log, SL_LOG_STORY, "waiting for sensors");
    *server = made;
    return SL_OK;
}

void sl_server_run(struct sl_server *server)
{
    sl_loop_run(server->loop);
}

static void stop_workers(struct sl_worker **workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_worker_drain(workers[i]);
    for (size_t i = 0; i < count; i++)
        sl_worker_join(workers[i]);
}

static void free_workers(struct sl_worker **workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sl_worker_free(workers[i]);
    free(workers);
}

/*
 * The order matters: nobody new comes in; then strangers go, because they could still become
 * sensors; then sensors go, which needs the committer; then the committer, which answers into
 * workers' queues.
 */
enum sl_status sl_server_close(struct sl_server *server)
{
    struct sl_shared *shared;
    enum sl_status status;

    if (server == NULL)
        return SL_OK;
    shared = &server->shared;
    for (size_t i = 0; i < server->listener_count; i++)
        sl_listener_close(server->listeners[i]);
    sl_reload_close(server->reload);
    stop_workers(shared->handshakes, shared->handshake_count);
    stop_workers(shared->io, shared->io_count);
    status = sl_committer_stop(shared->committer);
    sl_store_close(server->store);
    free_workers(shared->handshakes, shared->handshake_count);
    free_workers(shared->io, shared->io_count);
    sl_streams_free(shared->streams);
    sl_rates_free(shared->rates);
    sl_reminder_free(shared->reminder);
    sl_door_free(shared->door);
    sl_tickets_stop(server->tickets);
    sl_trust_unref(shared->trust);
    (void)pthread_mutex_destroy(&shared->trust_lock);
    (void)pthread_mutex_destroy(&shared->tell_lock);
    sl_loop_free(server->loop);
    free(server);
    return status;
}
