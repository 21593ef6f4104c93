/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.h -- one non-blocking TCP connection, and the transport over it.
 *
 * Small writes leave at once (TCP_NODELAY). A peer that vanished without a word is noticed by
 * keep-alive after about two minutes; who wants to know earlier has a timer of its own.
 *
 * Memory   struct sl_socket is the caller's and must stay in place while a transport points to it.
 * Threads  One thread at a time.
 */
#ifndef SL_NET_SOCKET_H
#define SL_NET_SOCKET_H

#include <stdbool.h>

#include "base/transport.h"
#include "net/address.h"

struct sl_socket {
    int fd;    /* -1 where closed */
    int error; /* errno of the last failure; 0 where the other side ended the stream in order */
    bool last; /* the stream ends after what is sent now */
};

/*
 * Sets what makes a connection better, TCP_NODELAY and keep-alive. On a descriptor that listens
 * it's set for all connections that come there, which saves each of them the system calls.
 */
void sl_socket_tune(int fd);

/* Takes over a connection that was accepted: non-blocking, close-on-exec and tuned. */
void sl_socket_adopt(struct sl_socket *socket, int fd);

/*
 * Starts connecting; whatever was in `*socket` is overwritten.
 *
 * SL_OK          Connected.
 * SL_WANT_WRITE  Under way: wait until the descriptor is writable and call sl_socket_connected().
 * SL_IO          `error` says why; the socket is closed.
 */
SL_MUST_USE enum sl_status sl_socket_connect(struct sl_socket *socket,
                                             const struct sl_address *address);

/*
 * SL_OK          Connected.
 * SL_WANT_WRITE  Still under way.
 * SL_IO          Failed, `error` says why. The caller closes.
 */
SL_MUST_USE enum sl_status sl_socket_connected(struct sl_socket *socket);

/* The receive and send functions over this socket (SIGPIPE never comes). */
struct sl_transport sl_socket_transport(struct sl_socket *socket);

/*
 * What is sent from now on is the last, and finish or close follows: the end travels with it rather
 * than in a packet of its own.
 */
void sl_socket_last(struct sl_socket *socket);

/* Says that no more will be sent (shutdown of the sending half). */
void sl_socket_finish(struct sl_socket *socket);

/* Closes; may be called twice. `reset` drops what is unsent and resets the connection. */
void sl_socket_close(struct sl_socket *socket, bool reset);

#endif
