/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder.h -- says when something in a folder changes.
 *
 * A folder and not a file, because files are best replaced by renaming a new one into their place,
 * which a watch on the old file never sees. Folders below it aren't watched.
 *
 * Memory   Made by sl_folder_new(), given back by sl_folder_close().
 * Limits   The system's: each folder takes one of the watches that a user may have. On network
 *          file systems changes by other machines aren't seen.
 * Threads  The loop's.
 */
#ifndef SL_NET_FOLDER_H
#define SL_NET_FOLDER_H

#include "net/loop.h"

struct sl_folder;

/* Something in the folder was made, written, renamed or deleted, or changed its mode or owner. */
typedef void sl_folder_fn(void *ctx);

/*
 * SL_OK     `*folder` is the caller's; give it back with sl_folder_close().
 * SL_IO     There is no such folder, or it can't be watched.
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_folder_new(struct sl_loop *loop, const char *path,
                                         sl_folder_fn *changed, void *ctx,
                                         struct sl_folder **folder);

/*
 * Watches what has the path now, which may be another folder than before. SL_IO where there is none
 * at the moment: nothing is watched then.
 */
SL_MUST_USE enum sl_status sl_folder_renew(struct sl_folder *folder);

void sl_folder_close(struct sl_folder *folder); /* null is allowed */

#endif
