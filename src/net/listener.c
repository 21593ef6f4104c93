/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c -- see listener.h.
 *
 * uv_poll and accept4() rather than uv_tcp: the descriptor goes to another thread's loop, and
 * libuv can't give one back.
 */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/loop_item.h"
#include "net/socket.h"

enum { ACCEPTS_PER_TURN = 64, PAUSE_MS = 100 };

struct sl_listener {
    struct sl_loop_item item;
    uv_poll_t poll;
    uv_timer_t pause;
    int fd;      /* -1 once closed, which ends a batch that is under way */
    int reserve; /* a descriptor to give up when there are no others; -1 where there is none */
    uint64_t turned_away;
    struct sl_address address;
    sl_listener_fn *accepted;
    void *ctx;
};

static void listener_ready(uv_poll_t *poll, int status, int events);

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_over(uv_timer_t *timer)
{
    struct sl_listener *listener = timer->data;
    if (listener->reserve < 0)
        listener->reserve = open_reserve();
    (void)uv_poll_start(&listener->poll, UV_READABLE, listener_ready);
}

/* Not worth a busy loop: whatever is wrong with the machine, it may be better a little later. */
static void pause_listening(struct sl_listener *listener)
{
    (void)uv_poll_stop(&listener->poll);
    (void)uv_timer_start(&listener->pause, pause_over, PAUSE_MS, 0);
}

/* Closes the waiting connections in the reserve descriptor's place. */
static void turn_away(struct sl_listener *listener)
{
    if (listener->reserve < 0)
        return;
    (void)close(listener->reserve);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        (void)close(fd);
        listener->turned_away++;
    }
    listener->reserve = open_reserve();
}

/* The connection that waited is gone, or Linux hands its network error on; see accept(2). */
static bool concerns_one_connection(int error)
{
    static const int errors[] = {EINTR,        ECONNABORTED, EPERM,       EPROTO,
                                 ENETDOWN,     EHOSTDOWN,    ENOPROTOOPT, ENONET,
                                 EHOSTUNREACH, EOPNOTSUPP,   ENETUNREACH, ETIMEDOUT};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i] == error)
            return true;
    return false;
}

static void listener_ready(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct sl_listener *listener = poll->data;
    if (status < 0) {
        pause_listening(listener);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN && listener->fd >= 0; i++) {
        struct sl_address peer = {.len = sizeof peer.at};
        int fd = accept4(listener->fd, (struct sockaddr *)&peer.at, &peer.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->accepted(listener->ctx, fd, &peer);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (concerns_one_connection(errno))
            continue;
        if (errno == EMFILE || errno == ENFILE)
            turn_away(listener);
        pause_listening(listener);
        return;
    }
}

static bool is_every_v6(const struct sl_address *address)
{
    struct sockaddr_in6 v6;
    if (address->at.ss_family != AF_INET6)
        return false;
    memcpy(&v6, &address->at, sizeof v6);
    return IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

/* A descriptor bound to the address, which listens where `listens`; or -1 and errno. */
static int listen_on(const struct sl_address *address, bool listens)
{
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    int off = 0;
    sl_socket_tune(fd);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!is_every_v6(address) ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
        bind(fd, (const struct sockaddr *)&address->at, address->len) == 0 &&
        (!listens || listen(fd, SOMAXCONN) == 0))
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

/* Without IPv6 in the kernel there is no such socket; with IPv6 turned off there is no `::`. */
static int listen_on_either(const struct sl_address *address, bool listens)
{
    int fd = listen_on(address, listens);
    if (fd >= 0 || !is_every_v6(address) || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(sl_address_port(address))};
    struct sl_address every_v4 = {.len = sizeof v4};
    memcpy(&every_v4.at, &v4, sizeof v4);
    return listen_on(&every_v4, listens);
}

static void explain(const struct sl_address *address, int code, char *error, size_t error_size)
{
    char text[SL_ADDRESS_TEXT_SIZE];
    char detail[128];
    const char *why = NULL;
    switch (code) {
    case EADDRINUSE:
        why = "the port is taken by another program; stop that one or choose another with --listen";
        break;
    case EACCES:
        why = "ports below 1024 are reserved; choose another with --listen";
        break;
    case EADDRNOTAVAIL:
        why = "this machine doesn't have that address; choose one that it has, or [::] for all";
        break;
    case EAFNOSUPPORT:
        why = "this machine doesn't have that kind of address; choose another with --listen";
        break;
    default:
        why = strerror_r(code, detail, sizeof detail);
    }
    snprintf(error, error_size, "can't listen on %s: %s", sl_address_print(address, text), why);
}

/*
 * SO_REUSEADDR lets two sockets be bound to one address as long as neither listens, so a server
 * that starts at this very moment isn't kept from it.
 */
enum sl_status sl_listener_try(const struct sl_address *address, char *error, size_t error_size)
{
    int fd = listen_on_either(address, false);
    int code = errno;

    if (fd >= 0) {
        (void)close(fd);
        return SL_OK;
    }
    explain(address, code, error, error_size);
    return code == EADDRINUSE ? SL_LIMIT : SL_IO;
}

static void listener_item_close(void *item)
{
    sl_listener_close(item);
}

/* Hangs a listening descriptor on the loop. Where it returns libuv's error, all is given back. */
static int start(struct sl_loop *loop, struct sl_listener *listener)
{
    int error = uv_poll_init(sl_loop_uv(loop), &listener->poll, listener->fd);
    if (error != 0) {
        (void)close(listener->fd);
        sl_loop_item_drop(&listener->item);
        return error;
    }
    sl_loop_item_add_handle(&listener->item, (uv_handle_t *)&listener->poll);
    (void)uv_timer_init(sl_loop_uv(loop), &listener->pause);
    sl_loop_item_add_handle(&listener->item, (uv_handle_t *)&listener->pause);
    sl_loop_item_enlist(&listener->item);
    listener->address.len = sizeof listener->address.at;
    (void)getsockname(listener->fd, (struct sockaddr *)&listener->address.at,
                      &listener->address.len);
    listener->reserve = open_reserve();
    error = uv_poll_start(&listener->poll, UV_READABLE, listener_ready);
    if (error != 0)
        sl_listener_close(listener);
    return error;
}

enum sl_status sl_listener_open(struct sl_loop *loop, const struct sl_address *address,
                                sl_listener_fn *accepted, void *ctx, struct sl_listener **listener,
                                char *error, size_t error_size)
{
    struct sl_listener *made = sl_loop_item_new(loop, sizeof *made, listener_item_close);
    if (made == NULL) {
        explain(address, ENOMEM, error, error_size);
        return SL_NOMEM;
    }
    made->accepted = accepted;
    made->ctx = ctx;
    made->fd = listen_on_either(address, true);
    if (made->fd < 0) {
        explain(address, errno, error, error_size);
        sl_loop_item_drop(&made->item);
        return SL_IO;
    }
    int code = start(loop, made);
    if (code != 0) {
        explain(address, -code, error, error_size); /* libuv's codes are errno's, negative */
        return sl_loop_status(code);
    }
    *listener = made;
    return SL_OK;
}

const struct sl_address *sl_listener_address(const struct sl_listener *listener)
{
    return &listener->address;
}

uint64_t sl_listener_turned_away(const struct sl_listener *listener)
{
    return listener->turned_away;
}

void sl_listener_close(struct sl_listener *listener)
{
    if (listener == NULL)
        return;
    sl_loop_item_close_handle(&listener->item, (uv_handle_t *)&listener->poll);
    sl_loop_item_close_handle(&listener->item, (uv_handle_t *)&listener->pause);
    (void)close(listener->fd);
    listener->fd = -1;
    if (listener->reserve >= 0)
        (void)close(listener->reserve);
    listener->reserve = -1;
    sl_loop_item_drop(&listener->item);
}
