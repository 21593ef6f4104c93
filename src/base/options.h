/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h -- command line options from a table; every long option is also a key of the
 * configuration file (INI: `max-connections = 100`, flags as `quiet = yes`; sections are refused).
 *
 * The command line wins over the file, for a list with all of its items. Each fault gives one
 * sentence: what, where (option, or file and line), and what to do.
 *
 * Memory   Strings point into argv, or into memory that the options own until sl_options_clear().
 * Limits   Configuration files up to 64 KiB and about 190 bytes a line (libinih's INI_MAX_LINE);
 *          lists up to SL_OPTION_LIST_MAX items, tables up to SL_OPTION_TABLE_MAX options.
 * Threads  One thread, at start.
 */
#ifndef SL_BASE_OPTIONS_H
#define SL_BASE_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

enum { SL_OPTION_LIST_MAX = 64, SL_OPTION_TABLE_MAX = 128, SL_OPTION_ERROR_SIZE = 512 };

enum sl_option_kind {
    SL_OPTION_FLAG,    /* target: bool * */
    SL_OPTION_TEXT,    /* target: const char ** */
    SL_OPTION_LIST,    /* target: struct sl_option_list *; may be repeated */
    SL_OPTION_NUMBER,  /* target: int64_t *; between min and max */
    SL_OPTION_SECONDS, /* target: int64_t * in ms; `2`, `0.5`, `250ms`, `2s`, `5m`, `1h`, `30d` */
    SL_OPTION_BYTES    /* target: int64_t *; `3072`, `3k`, `1M` (powers of 1024) */
};

struct sl_option_list {
    size_t count;
    const char *at[SL_OPTION_LIST_MAX];
};

/* In the order in which tables are written, though that leaves some padding. */
/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct sl_option {
    const char *name;     /* long name without dashes */
    const char *argument; /* what the help calls its argument; null for flags */
    enum sl_option_kind kind;
    void *target;
    int64_t min, max; /* NUMBER, SECONDS (ms), BYTES */
    const char *help; /* one line */
    bool hidden;      /* not in the short help */
};

struct sl_options {
    const char *program; /* for the help and error sentences */
    const struct sl_option *table;
    size_t count;
    const char *config; /* set by sl_options_parse() where --config was given */
    char *owned;        /* memory of strings from the file; private */
    size_t owned_len;
    char error[SL_OPTION_ERROR_SIZE]; /* one sentence after anything but SL_OK */
};

/*
 * Reads argv, then the file of `--config F` where the table has an option "config", then applies
 * the command line over it. `--name=value` and `--name value` both work; flags also take
 * `--name=yes|no`; names are never abbreviated; an empty value is refused; `--` ends options.
 *
 * Arguments that are no options may stand anywhere. They are moved to the end of argv, in their
 * order, and `*rest` is the index of the first one (argc where there is none); a null `rest`
 * refuses them. In the file `#` and `;` start a comment line, and ` ;` a comment after a value.
 *
 * SL_OK         Targets are set; those not mentioned keep their value (the default).
 * SL_BAD_INPUT  Unknown option or key, missing or bad argument, twice where once is allowed.
 * SL_IO         The configuration file can't be read.
 * SL_NOMEM      No memory.
 *
 * After anything but SL_OK `error` is one sentence, without the program's name before it and
 * without a '\n' after it, and some targets may be set already.
 */
SL_MUST_USE enum sl_status sl_options_parse(struct sl_options *options, int argc, char **argv,
                                            int *rest);

/* Prints `usage` and then the table's options that aren't hidden (or all), two columns, 80 wide. */
void sl_options_help(const struct sl_options *options, const char *usage, bool all, FILE *out);

/* Frees the strings that came from the file: targets that point to them are stale then. */
void sl_options_clear(struct sl_options *options);

#endif
