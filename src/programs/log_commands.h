/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_commands.h -- what sensorlink-log can do with an open store.
 */
#ifndef SL_PROGRAMS_LOG_COMMANDS_H
#define SL_PROGRAMS_LOG_COMMANDS_H

#include "store/format.h"
#include "store/reader.h"

/* What the command line asked for. */
struct sl_log_request {
    const char *program;
    struct sl_reader *reader;
    struct sl_reader_filter filter;
    enum sl_format format;
    int64_t last;  /* only so many of the newest; SL_READER_ALL for all */
    int64_t count; /* tail: end after so many new readings; 0 for never */
    FILE *out;
    bool terminal; /* `out` is one */
};

struct sl_log_command {
    const char *name;
    /*
     * SL_OK         Done; `*result` is the exit code (verify: 1 where the store isn't complete,
     *               EX_NOINPUT where it doesn't know the sensor).
     * SL_CUT        Nobody reads the output any more.
     * SL_BAD_INPUT  The store is damaged: sl_reader_error().
     * SL_IO         Reading the store failed (sl_reader_error()), or writing the output (errno;
     *               ferror(out)).
     * SL_NOMEM      No memory.
     */
    enum sl_status (*run)(struct sl_log_request *request, int *result);
    bool formats; /* offers --format */
    bool points;  /* and in it senml and influx */
    bool last;    /* offers --last */
};

/* The command of this name; null where there is none. */
const struct sl_log_command *sl_log_command_find(const char *name);

#endif
