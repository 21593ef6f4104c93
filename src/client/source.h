/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h -- where readings come from: a list, standard input, files and commands.
 *
 * Each begins to work by itself in the loop's next turn, gives its readings to the runner, and says
 * when it has no more. A source that fails now and then says so once, goes on, and never ends the
 * program.
 *
 * Memory   Made here; the runner frees them (sl_runner_set_source()).
 * Threads  The loop's.
 */
#ifndef SL_CLIENT_SOURCE_H
#define SL_CLIENT_SOURCE_H

#include "client/runner.h"
#include "client/sample.h"

/*
 * `lines` in their order, `interval_ms` apart; lines and array stay the caller's until it is freed.
 * A line that is no reading is rejected. SL_OK, SL_NOMEM.
 */
SL_MUST_USE enum sl_status sl_source_list_new(struct sl_loop *loop, struct sl_runner *runner,
                                              const char *const *lines, size_t count,
                                              int64_t interval_ms, struct sl_source **source);

/*
 * Lines of descriptor `fd` (spec.h) up to its end. With `name`, which stays the caller's, a line
 * may be a bare number. The descriptor stays open and gets its flags back. SL_OK, SL_IO, SL_NOMEM.
 */
SL_MUST_USE enum sl_status sl_source_stdin_new(struct sl_loop *loop, struct sl_runner *runner,
                                               int fd, const char *name, struct sl_source **source);

/*
 * Takes the first number of each of `samples` (copied) every `interval_ms`, `rounds` times
 * (0: for ever). A command is killed after `command_ms`; while it runs its next turn is left out.
 * SL_OK, SL_NOMEM.
 */
SL_MUST_USE enum sl_status sl_source_sampler_new(struct sl_loop *loop, struct sl_runner *runner,
                                                 const struct sl_sample *samples, size_t count,
                                                 int64_t interval_ms, int64_t rounds,
                                                 int64_t command_ms, struct sl_source **source);

#endif
