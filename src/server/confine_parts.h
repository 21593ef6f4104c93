/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine_parts.h -- the two filters of confine.h, each of which alone knows its kernel interface.
 * Both need `no new privileges` to be set.
 */
#ifndef SL_SERVER_CONFINE_PARTS_H
#define SL_SERVER_CONFINE_PARTS_H

#include "server/confine.h"

/* Adds a sentence to confinement->lacks; beyond the limit it is dropped. */
void sl_confine_lack(struct sl_confinement *confinement, const char *format, ...) SL_PRINTF(2, 3);

/*
 * The folder of a file, which may not be there yet; a device or a pipe stands for itself, because
 * nobody replaces it. False where the name is too long.
 */
bool sl_confine_place(const char *file, char *place, size_t size);

/* Landlock (confine_files.c). The version of its interface that is in force; 0: none. */
int sl_confine_files(const struct sl_confine_path *paths, size_t count,
                     struct sl_confinement *confinement);

/* A first filter, that takes io_uring away; see sl_confine_prepare(). */
void sl_confine_rings(void);

/* seccomp (confine_calls.c). True where it is in force. */
bool sl_confine_calls(struct sl_confinement *confinement);

#endif
