/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h -- the check of a reading's value, for reading.c only; others use reading.h.
 */
#ifndef SL_WIRE_VALUE_H
#define SL_WIRE_VALUE_H

#include "wire/reading.h"

/* SL_FLAW_NONE for a value that can be taken, else NOT_A_NUMBER or NOT_FINITE. */
enum sl_flaw sl_value_check(struct sl_bytes value);

#endif
