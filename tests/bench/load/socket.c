/* SPDX-License-Identifier: Apache-2.0 */
/* socket.c -- see socket.h. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* The first failure is the cause, what follows (`Broken pipe`) isn't. */
static enum sl_status failed(struct session *session, enum sl_status again)
{
    if (errno == EAGAIN || errno == EINTR)
        return again;
    if (session->error == 0)
        session->error = errno;
    return errno == ECONNRESET || errno == EPIPE ? SL_CUT : SL_IO;
}

static enum sl_status receive(void *ctx, void *bytes, size_t cap, size_t *len)
{
    struct session *session = ctx;
    struct worker *worker = session->worker;

    if (worker->input_at == worker->input_len) {
        ssize_t got;

        if (worker->drained)
            return SL_WANT_READ;
        got = recv(session->fd, worker->input, INPUT_SIZE, 0);
        if (got < 0)
            return failed(session, SL_WANT_READ);
        if (got == 0)
            return SL_CUT;
        worker->input_at = 0;
        worker->input_len = (size_t)got;
        /* Then it would be told of more; but not of an end that was told with this. */
        worker->drained = got < INPUT_SIZE && !worker->hangup;
    }
    *len = worker->input_len - worker->input_at < cap ? worker->input_len - worker->input_at : cap;
    memcpy(bytes, worker->input + worker->input_at, *len);
    worker->input_at += *len;
    return SL_OK;
}

static enum sl_status put(void *ctx, const void *bytes, size_t len, size_t *sent)
{
    struct session *session = ctx;
    ssize_t done = send(session->fd, bytes, len, MSG_NOSIGNAL);

    if (done < 0)
        return failed(session, SL_WANT_WRITE);
    *sent = (size_t)done;
    return SL_OK;
}

struct sl_transport socket_transport(struct session *session)
{
    return (struct sl_transport){session, receive, put};
}

/* The source addresses in turn: each has ports of its own, and limits of its own at the server. */
static bool bind_source(const struct plan *plan, int fd, unsigned number)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int yes = 1;

    if (plan->sources == 1)
        return true;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % (uint32_t)plan->sources);
    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) == 0 &&
           bind(fd, (const struct sockaddr *)&source, sizeof source) == 0;
}

bool socket_open(struct session *session)
{
    const struct plan *plan = session->worker->plan;
    const struct sl_address *address = &plan->servers[session->talk.number % plan->server_count];
    struct epoll_event watch = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = session};
    int yes = 1;

    session->fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return session->fd >= 0 &&
           setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 &&
           bind_source(plan, session->fd, session->talk.number) &&
           (connect(session->fd, (const struct sockaddr *)&address->at, address->len) == 0 ||
            errno == EINPROGRESS) &&
           epoll_ctl(session->worker->epoll, EPOLL_CTL_ADD, session->fd, &watch) == 0;
}
