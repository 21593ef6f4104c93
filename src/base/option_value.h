/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_value.h -- what the parts of options.c share; others use options.h.
 */
#ifndef SL_BASE_OPTION_VALUE_H
#define SL_BASE_OPTION_VALUE_H

#include "base/options.h"

/* Writes the error sentence and returns SL_BAD_INPUT, so that callers can return it at once. */
SL_MUST_USE enum sl_status sl_options_fail(struct sl_options *options, const char *format, ...)
    SL_PRINTF(2, 3);

/* The table's option of this name; null where there is none. */
const struct sl_option *sl_options_find(const struct sl_options *options, struct sl_bytes name);

/*
 * Sets the option's target. `value` lives as long as the options; null is a flag without a value.
 * `where` is what an error sentence starts with; `fresh` empties a list first.
 */
SL_MUST_USE enum sl_status sl_option_set(struct sl_options *options, const struct sl_option *option,
                                         const char *value, const char *where, bool fresh);

/* Reads the file options->config and sets what it says. */
SL_MUST_USE enum sl_status sl_options_read_file(struct sl_options *options);

#endif
