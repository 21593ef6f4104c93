/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h -- a session's socket: its source address, and the transport that TLS uses.
 *
 * Sockets are watched edge-triggered in both directions from beginning to end, so that there is
 * nothing to switch; what is received is read ahead into the worker's buffer, so that a turn takes
 * one call of the system.
 *
 * Threads  The worker's.
 */
#ifndef BENCH_LOAD_SOCKET_H
#define BENCH_LOAD_SOCKET_H

#include "session.h"

/* Begins to connect, to be watched by the worker's epoll. False: errno says why. */
bool socket_open(struct session *session);

struct sl_transport socket_transport(struct session *session);

#endif
