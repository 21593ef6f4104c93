/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sensorlink.h -- a sensor's secured link to a sensorlink server, as a library.
 *
 *   open -> submit readings -> step it from your loop -> be told of acknowledgements -> close
 *
 * A link keeps every reading in a spool until the server has acknowledged it, connects by itself
 * with mutual TLS, and reconnects for ever with growing, randomised pauses. It has no thread and no
 * global state: it works only inside sl_client_step(), and says which descriptor and until when to
 * wait before the next step.
 *
 * Memory   Made by sl_client_open() and freed by sl_client_close(). About 20 KiB, 45 KiB more while
 *          connected, plus the spool's and what the certificates take.
 * Threads  A client belongs to one thread at a time; several may run in several threads.
 * Blocking sl_client_step() never waits for the network, with one exception: a host *name* (not an
 *          address) is looked up with getaddrinfo(), which can block; give `resolve` to do it
 *          elsewhere. The spool file's commits wait for the disk.
 * Signals  None are touched, and SIGPIPE never comes.
 */
#ifndef SENSORLINK_SENSORLINK_H
#define SENSORLINK_SENSORLINK_H

#include <stddef.h>
#include <stdint.h>

#include "sensorlink/spool.h"
#include "sensorlink/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sl_client;

/* Addresses of a server for `resolve`: numeric text, as in "192.0.2.7" or "2001:db8::7". */
enum { SL_CLIENT_ADDRESS_SIZE = 64, SL_CLIENT_ADDRESSES_MAX = 8, SL_CLIENT_ERROR_SIZE = 320 };
struct sl_client_addresses {
    size_t count;
    char at[SL_CLIENT_ADDRESSES_MAX][SL_CLIENT_ADDRESS_SIZE];
    char error[SL_CLIENT_ERROR_SIZE]; /* with SL_IO: one sentence, or empty */
};

enum sl_client_event_kind {
    SL_CLIENT_CONNECTED,    /* the server answered `welcome`: it has authenticated us; a second
                               time without DISCONNECTED: a renewed certificate took over */
    SL_CLIENT_ACKNOWLEDGED, /* all up to `seq` is on the server's disk; the spool forgets it */
    SL_CLIENT_REFUSED,      /* the server will never log reading `seq`: `reason`, `text` */
    SL_CLIENT_DISCONNECTED, /* the session ended or a try failed: `reason`, `text`, `retry_ms` */
    SL_CLIENT_FAULT,        /* something needs a person: `reason`, `text` */
    SL_CLIENT_DROPPED       /* readings were given up, the last of them `seq`: `reason`, `text` */
};

/* Strings are never null, and valid during the call only. */
struct sl_client_event {
    enum sl_client_event_kind kind;
    int refused;          /* DISCONNECTED: 1 where the server doesn't want this sensor */
    int64_t seq;          /* CONNECTED: the server has all up to here; ACKNOWLEDGED, REFUSED,
                             DROPPED */
    int64_t count;        /* DROPPED: how many were given up since the last time */
    int64_t retry_ms;     /* DISCONNECTED: the next try is in so many milliseconds */
    int64_t offset_us;    /* CONNECTED: the server's clock minus ours, give or take a round trip */
    int64_t server_us;    /* CONNECTED: the server's clock, microseconds since 1970 UTC */
    const char *name;     /* CONNECTED: our name as the server read it in the certificate */
    const char *server;   /* CONNECTED: the address in use, with its port */
    const char *protocol; /* CONNECTED: "TLSv1.3" */
    const char *suite;    /* CONNECTED: "TLS1-3-AES-128-GCM-SHA256" */
    int resumed;          /* CONNECTED: 1 where the last session was resumed: no certificates */
    const char *reason;   /* a stable id such as "server-cert-expired" (docs/library.md);
                             CONNECTED: "renewed" where a renewed certificate is new there */
    const char *text;     /* one sentence for people */
};

/* What happens when the spool holds `spool_max_readings`. */
enum sl_client_full {
    SL_CLIENT_BLOCK,      /* submit answers SL_LIMIT until there is room */
    SL_CLIENT_DROP_OLDEST /* the oldest reading is given up for the newest: a gap `spool-full` */
};

enum { SL_CLIENT_NEVER = -1 }; /* for `expiry_warning_ms` */

struct sl_client_config {
    const char *host;       /* name or address; the server's certificate must carry it */
    uint16_t port;          /* 0: 23456 */
    const char *ca_file;    /* PEM; the CAs that may vouch for the server */
    const char *cert_file;  /* PEM; this sensor's certificate */
    const char *key_file;   /* PEM; its key, readable by its owner only */
    struct sl_spool *spool; /* the client's from SL_OK on; null: 1,000 readings in memory */
    int64_t window;         /* most readings under way unacknowledged; 0: 10,000 */
    int64_t connect_ms;     /* for connecting and handshake, per address; 0: 10,000 */
    int64_t idle_ms;        /* readings under way and no acknowledgement: reconnect; 0: 60,000 */
    int64_t backoff_min_ms; /* ceiling of the first pause (full jitter below it); 0: 1,000 */
    int64_t backoff_max_ms; /* ceiling of any pause; 0: 60,000 */
    int64_t refused_ms;     /* longest pause after being refused; 0: 300,000 */

    /* The certificate's end, and its renewal while the client runs (docs/library.md). */
    int64_t expiry_warning_ms; /* warn when it ends sooner than this; 0: 14 days; or
                                  SL_CLIENT_NEVER */
    int64_t renewal_check_ms;  /* connected, look for renewed files so often; 0: 60,000 */

    /*
     * Caps on the spool. Readings that are given up become gaps, which reach the server in their
     * place. Acknowledged or not: what was sent already is given up like the rest, and what the
     * server has of it counts. An age is this machine's clock minus the reading's time, and too old
     * ones are given up whatever `spool_full` says; a reading without a time has no age.
     */
    int64_t spool_max_readings;     /* 0: no limit (a spool in memory: its capacity) */
    int64_t spool_max_age_ms;       /* 0: no limit */
    enum sl_client_full spool_full; /* needs a spool with `drop` */

    /*
     * How long readings may wait to be committed to the spool together, which spares a flash disk;
     * 0: they are with the next step. Until then they are in memory only and aren't sent. However
     * long, 1,000 are committed at once.
     */
    int64_t spool_sync_ms;

    /*
     * The latest time that is known to be past, in microseconds since 1970; 0: none. The later of
     * this, the day of the library's build, and each server's time from then on is a floor: where
     * the machine's clock is more than a day before it, no connection is tried, for it couldn't
     * judge the server's certificate (reason `clock-behind`).
     */
    int64_t clock_floor_us;

    /*
     * Looks a host name up without blocking; null: getaddrinfo() in sl_client_step(). Called again
     * in each step until it answers other than SL_WANT_READ; step when it has an answer (the client
     * asks again four times a second by itself). SL_OK with at least one address, or SL_IO.
     */
    enum sl_status (*resolve)(void *ctx, const char *host, struct sl_client_addresses *addresses);

    /* Told of each event inside sl_client_step(). May submit; must not step or close. Or null. */
    void (*on_event)(void *ctx, const struct sl_client_event *event);
    void *ctx; /* for both */
};

/*
 * Checks the configuration and reads the certificates; nothing is sent before the first step.
 * All strings are copied. Files that are renewed later are noticed before each connection and while
 * there is one, and tried on a second connection beside it; where they can't be used or are
 * refused, the ones from before are used on.
 *
 * SL_OK         `*client` is the caller's, and owns config->spool.
 * SL_BAD_INPUT  A file or value can't be used, or the spool is another sensor's; `error` says
 *               which, why and what to do.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_client_open(const struct sl_client_config *config,
                                          struct sl_client **client, char *error,
                                          size_t error_size);

/*
 * Takes a reading. `name` is [A-Za-z][A-Za-z0-9_.-]{0,63}; `unit` up to 16 printable characters, by
 * preference from the SenML registry (RFC 8428, section 12.1: "Cel", "%RH", "Pa"), or null.
 * `time_us` is microseconds since 1970 UTC, up to the year 9999, or INT64_MIN where there is no
 * trusted clock. It is committed to the spool, and sent, in the next step (sl_client_deadline_ms()
 * is then 0), so several submits share one commit; with `spool_sync_ms`, in a step after that time.
 *
 * SL_OK         Taken as number `*seq` (null is allowed). Safe once sl_client_step() gave SL_OK and
 *               sl_client_progress() says that nothing is uncommitted.
 * SL_BAD_INPUT  Not a reading: sl_client_error() says why.
 * SL_LIMIT      The spool is full: its disk, or `spool_max_readings` with SL_CLIENT_BLOCK.
 * SL_IO         The spool failed.
 * SL_NOMEM      No memory.
 */
SL_MUST_USE enum sl_status sl_client_submit(struct sl_client *client, int64_t time_us,
                                            const char *name, double value, const char *unit,
                                            int64_t *seq);

/* The same for a line `name: value[ unit]`, whose value is kept digit for digit. */
SL_MUST_USE enum sl_status sl_client_submit_line(struct sl_client *client, int64_t time_us,
                                                 const char *line, size_t len, int64_t *seq);

/*
 * Declares that `count` readings (1 or more) couldn't be kept, for `reason` (`[a-z0-9-]{1,48}`):
 * they get the next numbers, and the server is told that these will never come. Committed with the
 * next step like a reading.
 *
 * SL_OK         Declared.
 * SL_BAD_INPUT  No such gap can be: sl_client_error() says why.
 * Others        As sl_client_submit().
 */
SL_MUST_USE enum sl_status sl_client_omit(struct sl_client *client, int64_t count,
                                          const char *reason);

/*
 * Does what can be done without waiting: commits, connects, sends, receives.
 * SL_OK     Go on: wait as below, then step again.
 * SL_IO     The spool failed, sl_client_error() says how. What was submitted since the last commit
 *           wasn't kept and its numbers are void: submit it again, after a while. Everything else
 *           went on as usual.
 * SL_NOMEM  Likewise, for want of memory.
 */
SL_MUST_USE enum sl_status sl_client_step(struct sl_client *client);

/*
 * The descriptor to wait for, or -1 (wait for the deadline only). A step may close it and open
 * another one of the same number: with epoll or the like, take it out before you step.
 */
int sl_client_fd(const struct sl_client *client);

/* What to wait for on it: bit 0 readable, bit 1 writable. */
enum { SL_CLIENT_READABLE = 1, SL_CLIENT_WRITABLE = 2 };
int sl_client_wants(const struct sl_client *client);

/* Milliseconds until a step is due even if nothing happens on the descriptor; 0 to 3,600,000. */
int64_t sl_client_deadline_ms(const struct sl_client *client);

/* Figures for progress: numbers given out, sent on this connection, acknowledged. */
struct sl_client_progress {
    int64_t submitted;    /* highest number committed to the spool */
    int64_t sent;         /* highest number sent on this connection, or acknowledged before */
    int64_t acknowledged; /* highest number on the server's disk, as far as known */
    int64_t kept;         /* readings in the spool; gaps are in the figures above, not in this */
    int64_t uncommitted;  /* of the readings in `kept`, those that a crash would lose */
    int connected;        /* 1 after `welcome` */
};
void sl_client_progress(const struct sl_client *client, struct sl_client_progress *progress);

/*
 * The floor under the clock (sl_client_config): microseconds since 1970. Keep it over a restart
 * where the machine's clock doesn't.
 */
int64_t sl_client_clock_floor_us(const struct sl_client *client);

/* Lets the next step commit what was submitted, whatever `spool_sync_ms` says. */
void sl_client_commit_now(struct sl_client *client);

/* Ends the pause before the next try (the network came back, say). */
void sl_client_retry_now(struct sl_client *client);

/* Looks at the certificate files now, and lets those be tried again that were refused. */
void sl_client_reload(struct sl_client *client);

/* One sentence about the last failure, valid until the next call; never null. */
const char *sl_client_error(const struct sl_client *client);

/* Says goodbye where that needs no waiting, closes and frees, the spool too. Null is allowed. */
void sl_client_close(struct sl_client *client);

/*
 * Prints the library's version and what it runs with into `text`, zero-terminated, and returns it:
 * "sensorlink 0.1.0, Mbed TLS 3.6.6 (TLS 1.2, TLS 1.3)". 80 bytes do.
 */
const char *sl_client_version(char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
