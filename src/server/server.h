/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h -- the whole server: listeners, workers, committer, store, and its orderly end.
 *
 *   main thread        listens, accepts, counts at the door, takes signals
 *   handshake threads  strangers, until they are admitted or refused
 *   I/O threads        sensors that are in
 *   committer          the store: one transaction for everything that waits
 *
 * Memory   Made by sl_server_open(), freed by sl_server_close().
 * Threads  open, run and close from one thread, which must be the process's first: it starts the
 *          TLS library.
 */
#ifndef SL_SERVER_SERVER_H
#define SL_SERVER_SERVER_H

#include "net/address.h"
#include "server/confine.h"
#include "server/shared.h"

enum { SL_SERVER_LISTENERS_MAX = 16, SL_SERVER_ERROR_SIZE = 512 };

struct sl_server_config {
    struct sl_trust_files files;
    bool watch;                                  /* reload when one of these files changes */
    const char *listen[SL_SERVER_LISTENERS_MAX]; /* "ADDR:PORT" */
    size_t listen_count;                         /* 0: "[::]:23456" */
    const char *store;                           /* file */
    int64_t resume_max_age_ms;                   /* after a full handshake; 0: no resumption */
    const char *ticket_keys;                     /* file that keeps ticket keys; null: none */
    bool move_aside;                             /* a damaged store is renamed, not refused */
    const char *log_file;                        /* that `log` writes to, or null */
    bool confine;                                /* see server/confine.h */
    size_t io_threads;                           /* 1 or more */
    size_t handshake_threads;                    /* 1 or more */
    struct sl_server_limits limits;
    struct sl_log *log; /* borrowed */
};

struct sl_server;

/*
 * Loads and checks everything, opens the store, listens, gives up what rights of the process it no
 * longer needs (for good), and starts the threads.
 * SL_OK         `*server` is the caller's; the strings of `config` must outlive it.
 * SL_BAD_INPUT  A file or value can't be used; `error` has one sentence; likewise
 * SL_IO         (store, address, threads), SL_LIMIT (the store is in use), SL_DENIED (rights that
 *               can't be given up) and SL_NOMEM.
 */
SL_MUST_USE enum sl_status sl_server_open(const struct sl_server_config *config,
                                          struct sl_server **server,
                                          char error[static SL_SERVER_ERROR_SIZE]);

/*
 * What --check shares with the server: where it listens if not told; an address of --listen
 * (SL_BAD_INPUT: `error` has one sentence); whether `store` can be a file (SQLite has names for
 * what isn't one); how many descriptors its connections and threads need, and how many of so many
 * this process has after its limit was raised as far as the system lets us.
 */
#define SL_SERVER_LISTEN_DEFAULT "[::]"
SL_MUST_USE enum sl_status sl_server_parse_address(const char *text, struct sl_address *address,
                                                   char error[static SL_SERVER_ERROR_SIZE]);
bool sl_server_store_is_file(const char *store);
int64_t sl_server_descriptors(const struct sl_server_config *config);
int64_t sl_server_raise_descriptors(int64_t wanted);

/*
 * What would be left of the rights of this process after it became `user` (null: nobody else) and
 * opened the server; tried in a child. SL_IO: none could be made.
 */
SL_MUST_USE enum sl_status sl_server_try_confinement(const struct sl_server_config *config,
                                                     const char *user,
                                                     struct sl_confinement *confinement);

/*
 * Serves until SIGTERM or SIGINT; SIGHUP reloads trust, SIGUSR1 reopens the log. Then drains:
 * everything received is committed and acknowledged.
 */
void sl_server_run(struct sl_server *server);

/*
 * Drains and frees; null is allowed. SL_IO where the store failed and not everything received is
 * stored.
 */
enum sl_status sl_server_close(struct sl_server *server);

#endif
