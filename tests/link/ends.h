/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends.h -- the two ends of a link as the programs put them together, but without their loops: real
 * sessions, the real receiver and sender, the real store in memory, joined by a link in memory.
 *
 * Each end has a step that works until it would block. A test calls steps in any order and from any
 * thread; nothing in here waits or looks at a clock, but for the server's time of receiving.
 *
 * What must never happen is watched in every step: `fault` says what happened, and stays null
 * otherwise. It isn't an assert of cmocka's, because steps run in threads as well.
 */
#ifndef SL_TESTS_LINK_ENDS_H
#define SL_TESTS_LINK_ENDS_H

#include <stdatomic.h>

#include "link/receiver.h"
#include "link/sender.h"
#include "store/store.h"
#include "support/memory_transport.h"
#include "tls/admission.h"

#define ENDS_STREAM "0123456789abcdef0123456789abcdef"

/* What a sensor tells of its clock. */
#define ENDS_OFFSET_US INT64_C(-250000)

enum { ENDS_BUDGET = 3072 };

/* What is on disk, beyond any one connection. */
struct disk {
    struct sl_store *store;
    atomic_llong durable; /* highest number committed, of the one stream */
};

struct server_end {
    struct disk *disk;
    struct sl_session *session;
    struct sl_peer *peer;      /* null until admitted */
    struct sl_refusal refusal; /* why not, or why it ended */
    enum sl_status status;     /* SL_WANT_READ while it goes on, then how it ended */
    struct sl_receiver receiver;
    struct sl_store_stream stream;
    struct sl_buffer input; /* decrypted, not taken yet */
    struct sl_buffer reply; /* lines that aren't records yet */
    struct sl_block block;
    int64_t offset_us; /* what the sensor told of its clock, last */
    const char *fault;
};

struct sensor_end {
    struct disk *disk; /* only to compare what is acknowledged with what is stored */
    struct sl_session *session;
    enum sl_status status; /* SL_WANT_READ while it goes on; SL_CLOSED: done and said goodbye */
    struct sl_refusal refusal;
    struct sl_sender sender;
    struct sl_buffer out; /* lines that aren't records yet */
    bool greeted;
    bool parting;        /* close_notify is written, not sent yet */
    int64_t total;       /* readings of the stream; number n says `n: n` */
    int64_t most_on_way; /* the most that ever were under way at once */
    int64_t acks;        /* `ack` lines that came */
    const char *fault;
};

void disk_open(struct disk *disk);
void disk_close(struct disk *disk);

/*
 * Fails the cmocka test unless exactly 1..count of `sensor` are stored, each once and with its own
 * value.
 */
void disk_holds(const struct disk *disk, const char *sensor, int64_t count);

/* The number of readings stored under any name. */
int64_t disk_count(const struct disk *disk);

void server_open(struct server_end *server, struct disk *disk, struct sl_trust *trust,
                 struct sl_memory_link *link);
void server_step(struct server_end *server);
void server_close(struct server_end *server);

void sensor_open(struct sensor_end *sensor, struct disk *disk, struct sl_trust *trust,
                 struct sl_memory_link *link, const char *host, int64_t total, int64_t window);
void sensor_step(struct sensor_end *sensor);
void sensor_close(struct sensor_end *sensor);

/* Steps both in turns until neither can go on. */
void ends_run(struct server_end *server, struct sensor_end *sensor, struct sl_memory_link *link);

#endif
