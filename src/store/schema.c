/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c -- the store's tables, as SQL with the reasons beside them.
 *
 * What a crash or a power cut leaves is what sl_store_commit() had answered SL_OK for, because the
 * database runs in WAL mode with synchronous=FULL. Within one transaction a block goes in and its
 * stream's `last` moves on, so neither is ever there without the other.
 *
 * Tables aren't STRICT and the view uses json_extract() instead of `->>`, so that an older sqlite3
 * shell than our own can still read a store.
 */
#include "store/schema.h"

#include <assert.h>

static const char schema[] =
    /*
     * NOCASE, because `Weather-1` beside `weather-1` would be two sensors to a program and one to
     * people: the second spelling is refused.
     */
    "CREATE TABLE sensors("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    " first_seen INTEGER NOT NULL," /* when it opened its first stream */
    " last_seen INTEGER NOT NULL,"  /* when it opened a stream last, to the minute */
    /* What isn't known is null. */
    " cert_until INTEGER,"   /* when the certificate that it came with last is no longer good */
    " clock_offset INTEGER," /* the server's clock minus its own, as it told last */
    " clock_told INTEGER);"  /* when it told that */

    /*
     * `last` is what exactly-once rests on: the highest number that is stored or declared a gap. It
     * only ever moves by "set it to n where it is m". `readings` and `received` spare a count
     * over all blocks and cost nothing, because the row is written anyway.
     */
    "CREATE TABLE streams("
    " id INTEGER PRIMARY KEY,"
    " sensor INTEGER NOT NULL REFERENCES sensors(id),"
    " stream TEXT NOT NULL," /* 32 hex digits, or `plain` */
    " last INTEGER NOT NULL DEFAULT 0,"
    " readings INTEGER NOT NULL DEFAULT 0," /* how many of 1..last are readings, not gaps */
    " tail INTEGER NOT NULL DEFAULT 0,"     /* its newest block; 0 where it has none */
    " opened INTEGER NOT NULL,"
    " received INTEGER," /* when its newest block or gap came */
    " UNIQUE(sensor, stream));"

    /*
     * Consecutive readings of one stream that came in one commit: [[time,"name",value,"unit"],...].
     * `oldest` and `newest` are the sensor's times, or `received` where it had no clock (a block
     * has times throughout or not at all). `received` never decreases with `id`.
     */
    "CREATE TABLE blocks("
    " id INTEGER PRIMARY KEY,"
    " stream INTEGER NOT NULL REFERENCES streams(id),"
    " sensor INTEGER NOT NULL REFERENCES sensors(id),"
    " first INTEGER NOT NULL,"
    " last INTEGER NOT NULL,"
    " received INTEGER NOT NULL,"
    " oldest INTEGER NOT NULL,"
    " newest INTEGER NOT NULL,"
    " readings TEXT NOT NULL,"
    " CHECK(first >= 1 AND last >= first AND newest >= oldest));"

    /*
     * A block spans a day at most (SL_BLOCK_SPAN_US), so a time is in a block only if `newest` lies
     * within a day after it: a range of this index, however long the log is.
     */
    "CREATE INDEX blocks_by_time ON blocks(sensor, newest, oldest);"

    "CREATE TABLE gaps("
    " id INTEGER PRIMARY KEY,"
    " stream INTEGER NOT NULL REFERENCES streams(id),"
    " first INTEGER NOT NULL,"
    " last INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " received INTEGER NOT NULL,"
    " CHECK(first >= 1 AND last >= first));"

    /* Unix seconds; `time` is null where the sensor had no clock, `unit` where it gave none. */
    "CREATE VIEW readings(received, time, sensor, name, value, unit, stream, seq) AS"
    " SELECT b.received / 1e6,"
    " CAST(json_extract(r.value, '$[0]') AS REAL),"
    " s.name,"
    " json_extract(r.value, '$[1]'),"
    " json_extract(r.value, '$[2]'),"
    " json_extract(r.value, '$[3]'),"
    " t.stream,"
    " b.first + r.key"
    " FROM blocks b"
    " JOIN sensors s ON s.id = b.sensor"
    " JOIN streams t ON t.id = b.stream"
    " JOIN json_each(b.readings) r;";

/* Version 2 added what a sensor's certificate and clock are like. */
static const char from_1_to_2[] = "ALTER TABLE sensors ADD COLUMN cert_until INTEGER;"
                                  "ALTER TABLE sensors ADD COLUMN clock_offset INTEGER;"
                                  "ALTER TABLE sensors ADD COLUMN clock_told INTEGER;";

const char *sl_store_schema(void)
{
    return schema;
}

const char *sl_store_upgrade(int64_t version)
{
    assert(version == 1);
    (void)version;
    return from_1_to_2;
}
