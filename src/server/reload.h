/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reload.h -- the server's trust, read at start and again whenever it is asked for: by SIGHUP, and
 * where files are watched when one of them changes.
 *
 * New trust is loaded and checked whole before anybody sees it; a fault leaves the old one in
 * force, and the log says which file and why. It's loaded on a thread of its own, because a long
 * revocation list takes a while, and nobody shall wait for that. Then all sensors that are in are
 * reviewed.
 *
 * Memory   Made by sl_reload_open(), freed by sl_reload_close().
 * Threads  The main loop's, and the one above while it loads.
 */
#ifndef SL_SERVER_RELOAD_H
#define SL_SERVER_RELOAD_H

#include "net/loop.h"
#include "server/shared.h"

struct sl_reload;

/*
 * Loads the first trust into `shared` and gets ready for the next. `files` is copied; its names are
 * borrowed. Statuses as for sl_trust_load(), SL_BAD_INPUT also where the files can't be watched;
 * `error` has one sentence. `*reload` is the caller's to close, after a fault too.
 */
SL_MUST_USE enum sl_status sl_reload_open(struct sl_loop *loop, struct sl_shared *shared,
                                          const struct sl_trust_files *files, bool watch,
                                          struct sl_reload **reload, char *error,
                                          size_t error_size);

/* Waits for a load that is under way. Null is allowed. */
void sl_reload_close(struct sl_reload *reload);

#endif
