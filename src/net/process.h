/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.h -- runs one command through /bin/sh and gives back the beginning of what it printed.
 *
 * Limits   The first SL_PROCESS_OUTPUT_MAX bytes of standard output are kept; the rest is read and dropped. A
 *          command that takes longer than its deadline is killed with its process group.
 * Threads  Belongs to the loop's thread.
 */
#ifndef SL_NET_PROCESS_H
#define SL_NET_PROCESS_H

#include "base/bytes.h"
#include "net/loop.h"

enum { SL_PROCESS_OUTPUT_MAX = 4096 };

struct sl_process;

/*
 * The command ended (called once, in a later turn): SL_OK with exit code 0; SL_IO with another code, or a signal;
 * SL_TIMEOUT after the deadline. `output` is valid during the call. The process frees itself after it.
 */
typedef void sl_process_fn(void *ctx, enum sl_status status, int exit_code, struct sl_bytes output);

SL_MUST_USE enum sl_status sl_process_start(struct sl_loop *loop, const char *command,
                                            int64_t deadline_ms, sl_process_fn *ended, void *ctx,
                                            struct sl_process **process);

/* Kills it; the callback is not called. */
void sl_process_cancel(struct sl_process *process);

#endif
