/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item.h -- takes a block's text apart again, reading by reading, for those that read the log.
 *
 * Values stay the text that was stored: no number passes through a double on its way to people.
 *
 * Memory   An item points into the text, or into itself where the text has escapes. Nothing
 *          allocates.
 * Limits   Those of reading.h: longer parts are damage.
 * Threads  Pure functions.
 */
#ifndef SL_STORE_ITEM_H
#define SL_STORE_ITEM_H

#include "wire/reading.h"

struct sl_item {
    int64_t time_us; /* SL_TIME_NONE where the sensor had no clock */
    struct sl_bytes name;
    struct sl_bytes value; /* a JSON number, exactly as stored */
    struct sl_bytes unit;  /* empty where there is none */
    char plain_name[SL_NAME_MAX];
    char plain_unit[SL_UNIT_BYTES_MAX];
};

/*
 * Reads the next reading of `text` from `*at` on, which starts at 0 and belongs to this function.
 * SL_OK         `*item` is set; valid as long as `text`, and not to be copied.
 * SL_CLOSED     There are no more.
 * SL_BAD_INPUT  This isn't the text of a block.
 */
SL_MUST_USE enum sl_status sl_item_next(struct sl_bytes text, size_t *at, struct sl_item *item);

#endif
