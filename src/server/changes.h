/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changes.h -- notices that files were changed, and that they have then been left alone for a
 * moment.
 *
 * Their folders are watched, so that a file that is renamed into its place is seen; whether it is a
 * change is decided by looking at the files themselves (what a name leads to, size, times), so that
 * other files of the folder, symbolic links and whole folders that are swapped make no difference.
 *
 * Memory   Made by sl_changes_new(), freed by sl_changes_free().
 * Limits   A symbolic link's target in another folder that is written in place isn't noticed; nor
 *          are changes that another machine makes on a network file system.
 * Threads  The loop's.
 */
#ifndef SL_SERVER_CHANGES_H
#define SL_SERVER_CHANGES_H

#include <stddef.h>

#include "net/loop.h"

enum { SL_CHANGES_FILES_MAX = 8 };

struct sl_changes;

/* The files aren't what they were at the last sl_changes_note(), and nobody is writing to them. */
typedef void sl_changes_fn(void *ctx);

/*
 * Watches up to SL_CHANGES_FILES_MAX files, whose names are borrowed; null ones are passed over.
 * SL_OK, SL_NOMEM; SL_IO: the folder of `*at_fault`, one of the files, can't be watched.
 */
SL_MUST_USE enum sl_status sl_changes_new(struct sl_loop *loop, const char *const *files,
                                          size_t count, sl_changes_fn *changed, void *ctx,
                                          struct sl_changes **changes, const char **at_fault);

/* The files are read now: what they are at this moment is known. */
void sl_changes_note(struct sl_changes *changes);

void sl_changes_free(struct sl_changes *changes); /* null is allowed */

#endif
