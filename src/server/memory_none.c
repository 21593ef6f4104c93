/* SPDX-License-Identifier: Apache-2.0 */
/* memory_none.c -- memory.h where the C library has no mallopt(). */
#include "server/memory.h"

void sl_memory_prepare(void)
{
}
