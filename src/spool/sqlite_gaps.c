/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_gaps.c -- the gaps of a SQLite spool, and how its prepared statements are run.
 *
 * What is given up is always the oldest, so numbers from the lowest reading on become gaps: next to
 * a gap with the same reason they make it wider, else they are a gap of their own.
 */
#include "spool/sqlite_file.h"

int sl_sqlite_bind(sqlite3_stmt *statement, const int64_t *numbers, int count)
{
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < count; i++)
        code = sqlite3_bind_int64(statement, i + 1, numbers[i]);
    return code;
}

int sl_sqlite_run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    int reset = sqlite3_reset(statement);
    if (code == SQLITE_DONE)
        return reset;
    return code == SQLITE_ROW ? SQLITE_MISUSE : code;
}

int sl_sqlite_ask(sqlite3_stmt *statement, const int64_t *numbers, int count, int64_t *answer)
{
    int code = sl_sqlite_bind(statement, numbers, count);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        if (sqlite3_column_type(statement, 0) != SQLITE_NULL)
            *answer = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    } else if (code == SQLITE_DONE) {
        code = SQLITE_OK;
    }
    (void)sqlite3_reset(statement); /* repeats the code that was judged above */
    return code;
}

/* Binds and runs one of the two statements that take a gap. */
static int write_gap(sqlite3_stmt *statement, int64_t first, int64_t last, const char *reason)
{
    int code = sl_sqlite_bind(statement, (int64_t[]){first, last}, 2);
    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 3, reason, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sl_sqlite_run(statement);
    (void)sqlite3_clear_bindings(statement); /* the reason is the caller's */
    return code;
}

int sl_sqlite_gaps_add(struct sl_sqlite *file, int64_t first, int64_t last, const char *reason)
{
    int code = write_gap(file->statements[SL_SPOOL_WIDEN_GAP], first, last, reason);
    if (code == SQLITE_OK && sqlite3_changes(file->db) == 0)
        code = write_gap(file->statements[SL_SPOOL_ADD_GAP], first, last, reason);
    return code;
}

/*
 * The readings that are given up next: from `*first` on, up to a gap, the end, or `count` of them.
 */
static int find_oldest(struct sl_sqlite *file, int64_t from, int64_t count, int64_t *first,
                       int64_t *last)
{
    int64_t gap = file->next;

    *first = file->next;
    int code = sl_sqlite_ask(file->statements[SL_SPOOL_LOWEST], &from, 1, first);
    if (code == SQLITE_OK)
        code = sl_sqlite_ask(file->statements[SL_SPOOL_NEXT_GAP], first, 1, &gap);
    *last = gap - *first > count ? *first + count - 1 : gap - 1;
    return code;
}

int sl_sqlite_gaps_drop(struct sl_sqlite *file, int64_t count, const char *reason, int64_t *last)
{
    /* What the server has already isn't given up, though it may still be on disk. */
    int64_t from = file->state.first;

    while (count > 0) {
        int64_t first = 0;
        int64_t end = 0;
        int code = find_oldest(file, from, count, &first, &end);
        if (code == SQLITE_OK && first >= file->next)
            return SQLITE_OK;
        if (code == SQLITE_OK)
            code = sl_sqlite_bind(file->statements[SL_SPOOL_DROP], (int64_t[]){first, end}, 2);
        if (code == SQLITE_OK)
            code = sl_sqlite_run(file->statements[SL_SPOOL_DROP]);
        if (code == SQLITE_OK)
            code = sl_sqlite_gaps_add(file, first, end, reason);
        if (code != SQLITE_OK)
            return code;
        *last = end;
        count -= end - first + 1;
        from = end + 1;
    }
    return SQLITE_OK;
}

int sl_sqlite_gaps_forget(struct sl_sqlite *file, int64_t seq)
{
    int code = sl_sqlite_bind(file->statements[SL_SPOOL_FORGET_GAPS], &seq, 1);
    if (code == SQLITE_OK)
        code = sl_sqlite_run(file->statements[SL_SPOOL_FORGET_GAPS]);
    if (code == SQLITE_OK)
        code = sl_sqlite_bind(file->statements[SL_SPOOL_TRIM_GAP], &seq, 1);
    if (code == SQLITE_OK)
        code = sl_sqlite_run(file->statements[SL_SPOOL_TRIM_GAP]);
    return code;
}

int sl_sqlite_gaps_count(struct sl_sqlite *file)
{
    return sl_sqlite_ask(file->statements[SL_SPOOL_COUNT_GAPS], &file->state.first, 1,
                         &file->gap_numbers);
}
