/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h -- the id of a numbering of readings: 128 random bits as 32 hex digits.
 *
 * Two spools never have the same one, so a server can't take a new spool's reading 1 for an old
 * spool's.
 *
 * Memory   The caller's.
 * Threads  Any.
 */
#ifndef SL_SPOOL_STREAM_H
#define SL_SPOOL_STREAM_H

#include <stdbool.h>

#include "sensorlink/spool.h"

/* A fresh id, zero-terminated. SL_IO where the system gives no randomness (getrandom(2)). */
SL_MUST_USE enum sl_status sl_spool_stream_make(char stream[static SL_SPOOL_STREAM_SIZE]);

/* True for 32 lower-case hex digits. */
bool sl_spool_stream_valid(const char *text);

#endif
