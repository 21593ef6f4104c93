/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket.c -- see socket.h.
 */
#include "net/socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_INTERVAL_S = 20, KEEPALIVE_PROBES = 3 };

/* Options that can be missing: not every descriptor is TCP. */
void sl_socket_tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

static enum sl_status io_failed(struct sl_socket *sock, int error)
{
    sock->error = error;
    return SL_IO;
}

void sl_socket_adopt(struct sl_socket *socket, int fd)
{
    *socket = (struct sl_socket){.fd = fd};
}

enum sl_status sl_socket_connect(struct sl_socket *sock, const struct sl_address *address)
{
    *sock = (struct sl_socket){.fd = -1};
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return io_failed(sock, errno);
    sl_socket_tune(fd);
    sock->fd = fd;
    if (connect(fd, (const struct sockaddr *)&address->at, address->len) == 0)
        return SL_OK;
    /* Interrupted means that it goes on by itself, as POSIX has it. */
    if (errno == EINPROGRESS || errno == EINTR)
        return SL_WANT_WRITE;
    int error = errno;
    sl_socket_close(sock, false);
    return io_failed(sock, error);
}

enum sl_status sl_socket_connected(struct sl_socket *socket)
{
    if (socket->error != 0)
        return SL_IO;
    struct pollfd poll_fd = {.fd = socket->fd, .events = POLLOUT};
    int ready = poll(&poll_fd, 1, 0);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return SL_WANT_WRITE;
    if (ready < 0)
        return io_failed(socket, errno);

    int error = 0;
    socklen_t error_len = sizeof error;
    if (getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0)
        error = errno;
    if (error != 0)
        return io_failed(socket, error);
    return SL_OK;
}

static bool ended_by_network(int error)
{
    return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT || error == ECONNABORTED ||
           error == ENETRESET || error == EHOSTUNREACH || error == ENETUNREACH;
}

static enum sl_status transfer_failed(struct sl_socket *sock, int error, enum sl_status again)
{
    if (error == EAGAIN)
        return again;
    sock->error = error;
    return ended_by_network(error) ? SL_CUT : SL_IO;
}

static enum sl_status socket_receive(void *ctx, void *bytes, size_t cap, size_t *len)
{
    struct sl_socket *sock = ctx;
    assert(cap > 0);
    ssize_t got = 0;
    do {
        got = recv(sock->fd, bytes, cap, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return transfer_failed(sock, errno, SL_WANT_READ);
    if (got == 0)
        return SL_CUT;
    *len = (size_t)got;
    return SL_OK;
}

static enum sl_status socket_send(void *ctx, const void *bytes, size_t len, size_t *sent)
{
    struct sl_socket *sock = ctx;
    assert(len > 0);
    ssize_t put = 0;
    do {
        put = send(sock->fd, bytes, len, MSG_NOSIGNAL | (sock->last ? MSG_MORE : 0));
    } while (put < 0 && errno == EINTR);
    if (put < 0)
        return transfer_failed(sock, errno, SL_WANT_WRITE);
    *sent = (size_t)put;
    return SL_OK;
}

struct sl_transport sl_socket_transport(struct sl_socket *socket)
{
    return (struct sl_transport){.ctx = socket, .receive = socket_receive, .send = socket_send};
}

void sl_socket_last(struct sl_socket *socket)
{
    socket->last = true;
}

void sl_socket_finish(struct sl_socket *socket)
{
    /* Fails where the other side is gone, and then there is nobody to tell. */
    if (socket->fd >= 0)
        (void)shutdown(socket->fd, SHUT_WR);
}

void sl_socket_close(struct sl_socket *socket, bool reset)
{
    if (socket->fd < 0)
        return;
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    /* Linux closes even where close() is interrupted. */
    (void)close(socket->fd);
    socket->fd = -1;
}
