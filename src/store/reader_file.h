/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader_file.h -- the reader's own struct, shared by the reader*.c files and nobody else.
 */
#ifndef SL_STORE_READER_FILE_H
#define SL_STORE_READER_FILE_H

#include <sqlite3.h>

#include "store/reader.h"

enum { SL_READER_ERROR_SIZE = 512, SL_READER_TEXTS = 3 };

/* How much is done at a time, see reader_range.c. Tests make it less. */
struct sl_reader_limits {
    int64_t keys;   /* listed at a time */
    int64_t slice;  /* of blocks that one statement goes through */
    int64_t recent; /* so many newest blocks are cheaper to go through than to find by the index */
};

struct sl_reader {
    sqlite3 *db;
    int64_t position; /* key of the newest block that sl_reader_readings() came past */
    int64_t format;   /* the file's version (schema.h) when it was opened, perhaps an earlier one */
    int64_t version;  /* of the data, as sl_reader_changed() saw it last */
    struct sl_buffer texts[SL_READER_TEXTS]; /* copies of a row's texts, made before the row goes */
    struct sl_buffer portion;                /* of blocks, see reader_range.h */
    struct sl_reader_limits limits;
    char error[SL_READER_ERROR_SIZE];
};

/* Puts what SQLite says of the last failure into `error`. Returns the status to give. */
enum sl_status sl_reader_fail(struct sl_reader *reader);

/* Says that what is stored isn't what a store holds: SL_BAD_INPUT. */
enum sl_status sl_reader_damaged(struct sl_reader *reader, const char *what, int64_t key);

/* Prepares `query`; SL_OK: finalize `*statement`. */
SL_MUST_USE enum sl_status sl_reader_prepare(struct sl_reader *reader, const char *query,
                                             sqlite3_stmt **statement);

/* Steps to the next row; SL_CLOSED where there is none. */
SL_MUST_USE enum sl_status sl_reader_step(struct sl_reader *reader, sqlite3_stmt *statement);

/* Begins a transaction: what is read until its end is of one moment. */
SL_MUST_USE enum sl_status sl_reader_begin(struct sl_reader *reader);

/* Ends it; gives `status`, or where that is SL_OK what became of ending it. */
SL_MUST_USE enum sl_status sl_reader_end(struct sl_reader *reader, enum sl_status status);

/* Copies a text column into texts[which], where it outlives the row. */
SL_MUST_USE enum sl_status sl_reader_keep(struct sl_reader *reader, sqlite3_stmt *statement,
                                          int column, int which);

/* What sl_reader_keep() kept. */
struct sl_bytes sl_reader_kept(const struct sl_reader *reader, int which);

#endif
