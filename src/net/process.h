/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h -- runs one command through /bin/sh and gives back the beginning of what it printed.
 *
 * The command has /dev/null for standard input and our standard error. It ended when its shell has
 * and nobody holds its standard output any more, so `sleep 9 &` lasts nine seconds.
 *
 * Limits   The first SL_PROCESS_OUTPUT_MAX bytes of standard output are kept; the rest is read and
 *          dropped. A command that takes longer than its deadline is killed with its process group.
 * Threads  Belongs to the loop's thread.
 */
#ifndef SL_NET_PROCESS_H
#define SL_NET_PROCESS_H

#include <stdint.h>

#include "base/bytes.h"
#include "net/loop.h"

enum { SL_PROCESS_OUTPUT_MAX = 4096 };

struct sl_process;

/*
 * The command ended; called once, in a later turn. `output` is valid during the call. The process
 * is given back before it: its pointer is dead.
 *
 * SL_OK       Exit code 0.
 * SL_IO       Another exit code, or 128 and the number of the signal that ended it.
 * SL_TIMEOUT  Killed after the deadline; `exit_code` is -1.
 */
typedef void sl_process_fn(void *ctx, enum sl_status status, int exit_code, struct sl_bytes output);

/*
 * SL_OK     Started; `*process` is for sl_process_cancel() and dead once `ended` was called.
 * SL_IO     It can't be started (no descriptors or processes left).
 * SL_NOMEM  No memory.
 */
SL_MUST_USE enum sl_status sl_process_start(struct sl_loop *loop, const char *command,
                                            int64_t deadline_ms, sl_process_fn *ended, void *ctx,
                                            struct sl_process **process);

/* Kills it with its process group; the callback is not called. Null is allowed. */
void sl_process_cancel(struct sl_process *process);

#endif
