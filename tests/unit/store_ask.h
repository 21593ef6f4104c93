/* SPDX-License-Identifier: Apache-2.0 */
/* store_ask.h -- what is in a store's tables, for tests that look there themselves. */
#ifndef SL_TESTS_STORE_ASK_H
#define SL_TESTS_STORE_ASK_H

#include "cases.h"

#include <sqlite3.h>

/* The one number that a query answers. */
static inline int64_t ask(sqlite3 *db, const char *query)
{
    sqlite3_stmt *statement = NULL;

    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t answer = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return answer;
}

#endif
