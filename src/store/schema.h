/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h -- the tables of a store, for those that write and those that read them. docs/store.md
 * explains them to people.
 *
 * Times are microseconds since 1970-01-01 UTC in tables and Unix seconds in the view.
 */
#ifndef SL_STORE_SCHEMA_H
#define SL_STORE_SCHEMA_H

#include <stdint.h>

/* "SLlg" in the file's header (PRAGMA application_id): this file is ours. */
#define SL_STORE_APPLICATION_ID INT64_C(0x534c6c67)

/* PRAGMA user_version: a program refuses a later one than its own. */
#define SL_STORE_VERSION INT64_C(2)

/* The statements that make version SL_STORE_VERSION in an empty database. Static storage. */
const char *sl_store_schema(void);

/*
 * The statements that make of a database of `version` (1 to SL_STORE_VERSION - 1) one of the next
 * version. Static storage.
 */
const char *sl_store_upgrade(int64_t version);

#endif
