/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_version_1.h -- a store as the first version of sensorlink left it: readings 1 to 3 of one
 * stream of `attic`. Its statements stand here in full, because the sources only
 * know how to make the present version.
 */
#ifndef SL_TESTS_STORE_VERSION_1_H
#define SL_TESTS_STORE_VERSION_1_H

#include "store_place.h"

#include <sqlite3.h>

enum { VERSION_1_LAST = 3 };

static const char store_version_1[] =
    "PRAGMA journal_mode = WAL;"
    "BEGIN;"
    "CREATE TABLE sensors("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
    " first_seen INTEGER NOT NULL,"
    " last_seen INTEGER NOT NULL);"
    "CREATE TABLE streams("
    " id INTEGER PRIMARY KEY,"
    " sensor INTEGER NOT NULL REFERENCES sensors(id),"
    " stream TEXT NOT NULL,"
    " last INTEGER NOT NULL DEFAULT 0,"
    " readings INTEGER NOT NULL DEFAULT 0,"
    " tail INTEGER NOT NULL DEFAULT 0,"
    " opened INTEGER NOT NULL,"
    " received INTEGER,"
    " UNIQUE(sensor, stream));"
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
    "CREATE INDEX blocks_by_time ON blocks(sensor, newest, oldest);"
    "CREATE TABLE gaps("
    " id INTEGER PRIMARY KEY,"
    " stream INTEGER NOT NULL REFERENCES streams(id),"
    " first INTEGER NOT NULL,"
    " last INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " received INTEGER NOT NULL,"
    " CHECK(first >= 1 AND last >= first));"
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
    " JOIN json_each(b.readings) r;"
    "PRAGMA application_id = 1397517415; PRAGMA user_version = 1;"
    "INSERT INTO sensors VALUES(1, 'attic', 1764000000000000, 1764000000000000);"
    "INSERT INTO streams VALUES(1, 1, '" STREAM_A "', 3, 3, 1, 1764000000000000, 1764000000000000);"
    "INSERT INTO blocks VALUES(1, 1, 1, 1, 3, 1764000000000000, 1764000000000000, 1764000000000000,"
    " '[[null,\"n\",1],[null,\"n\",2],[null,\"n\",3]]');"
    "COMMIT";

static inline void make_version_1(const struct place *place)
{
    sqlite3 *db = NULL;
    char *error = NULL;

    assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, store_version_1, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#endif
