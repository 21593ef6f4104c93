/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user.h -- whose rights the server has: it becomes another user before it opens anything.
 *
 * Of root's privileges two are kept while the server starts: to bind ports below 1024, and to read
 * files that only root may read, such as a key. So the log and the store are made by the user, and
 * nothing is ever written with root's rights. sl_user_settle() gives up those two as well.
 *
 * Threads  Before the process starts its second thread.
 */
#ifndef SL_SERVER_USER_H
#define SL_SERVER_USER_H

#include <stddef.h>

#include "sensorlink/status.h"

/*
 * Becomes `name`, with all of its groups and none of ours. Whoever already is that user goes on.
 * SL_BAD_INPUT  There is no such user, or only root could become it; `error` has one sentence.
 * SL_DENIED     The system refuses; likewise.
 */
SL_MUST_USE enum sl_status sl_user_become(const char *name, char *error, size_t size);

/* Gives up every privilege for good, unless this is root. SL_DENIED where the system refuses. */
SL_MUST_USE enum sl_status sl_user_settle(char *error, size_t size);

#endif
