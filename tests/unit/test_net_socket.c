/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_net_socket.c -- connections over loopback: connecting, moving bytes, and each way of ending.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/socket.h"
#include "net_fixture.h"

/* A connection: `near` is ours, `far` the other side's. */
struct pair {
    struct sl_socket near, far;
};

static int listen_somewhere(const char *text, struct sl_address *address)
{
    *address = net_address(text);
    int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    sl_socket_tune(fd);
    assert_int_equal(bind(fd, (struct sockaddr *)&address->at, address->len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address->at, &address->len), 0);
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
}

static struct pair make_pair(const char *text)
{
    struct pair pair;
    struct sl_address address;
    int listening = listen_somewhere(text, &address);
    enum sl_status status = sl_socket_connect(&pair.near, &address);
    if (status == SL_WANT_WRITE) {
        wait_for(pair.near.fd, POLLOUT);
        status = sl_socket_connected(&pair.near);
    }
    assert_int_equal(status, SL_OK);
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    int accepted = accept4(listening, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    sl_socket_adopt(&pair.far, accepted);
    close(listening);
    return pair;
}

static enum sl_status receive(struct sl_socket *socket, void *bytes, size_t cap, size_t *len)
{
    struct sl_transport transport = sl_socket_transport(socket);
    return transport.receive(transport.ctx, bytes, cap, len);
}

static enum sl_status send_to(struct sl_socket *socket, const void *bytes, size_t len, size_t *sent)
{
    struct sl_transport transport = sl_socket_transport(socket);
    return transport.send(transport.ctx, bytes, len, sent);
}

static void assert_carries(struct sl_socket *from, struct sl_socket *to, const char *text)
{
    size_t len = 0;
    char got[64] = "";
    assert_int_equal(send_to(from, text, strlen(text), &len), SL_OK);
    assert_int_equal(len, strlen(text));
    wait_for(to->fd, POLLIN);
    assert_int_equal(receive(to, got, sizeof(got) - 1, &len), SL_OK);
    assert_int_equal(len, strlen(text));
    assert_string_equal(got, text);
}

static void test_socket_carries_bytes_both_ways_over_ipv4_and_ipv6(void **state)
{
    (void)state;
    static const char *const places[] = {"127.0.0.1:0", "[::1]:0"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct pair pair = make_pair(places[i]);
        assert_carries(&pair.near, &pair.far, "temperature: 22\n");
        assert_carries(&pair.far, &pair.near, "ack 1\n");
        sl_socket_close(&pair.near, false);
        sl_socket_close(&pair.far, false);
    }
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void test_socket_is_non_blocking_close_on_exec_undelayed_and_kept_alive(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    const int fds[] = {pair.near.fd, pair.far.fd};
    for (size_t i = 0; i < 2; i++) {
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        assert_true(option_of(fds[i], IPPROTO_TCP, TCP_NODELAY) != 0);
        assert_true(option_of(fds[i], SOL_SOCKET, SO_KEEPALIVE) != 0);
        assert_in_range(option_of(fds[i], IPPROTO_TCP, TCP_KEEPIDLE), 1, 120);
    }
    sl_socket_close(&pair.near, false);
    sl_socket_close(&pair.far, false);
}

static void test_socket_without_bytes_wants_to_read(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    char byte = 0;
    size_t len = 0;
    assert_int_equal(receive(&pair.near, &byte, 1, &len), SL_WANT_READ);
    sl_socket_close(&pair.near, false);
    sl_socket_close(&pair.far, false);
}

static void test_socket_whose_peer_does_not_read_wants_to_write_and_loses_nothing(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    char block[65536];
    size_t sent = 0;
    size_t moved = 0;
    enum sl_status status = SL_OK;
    memset(block, 'x', sizeof(block));
    while ((status = send_to(&pair.near, block, sizeof(block), &moved)) == SL_OK)
        sent += moved;
    assert_int_equal(status, SL_WANT_WRITE);
    sl_socket_finish(&pair.near);

    size_t received = 0;
    while ((status = receive(&pair.far, block, sizeof(block), &moved)) != SL_CUT) {
        if (status == SL_WANT_READ)
            wait_for(pair.far.fd, POLLIN);
        else
            received += moved;
    }
    assert_int_equal(received, sent);
    sl_socket_close(&pair.near, false);
    sl_socket_close(&pair.far, false);
}

static void test_socket_finished_by_peer_is_cut_without_error_and_still_sends(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    char byte = 0;
    size_t len = 0;
    sl_socket_finish(&pair.far);
    wait_for(pair.near.fd, POLLIN);
    assert_int_equal(receive(&pair.near, &byte, 1, &len), SL_CUT);
    assert_int_equal(pair.near.error, 0);
    assert_carries(&pair.near, &pair.far, "last words\n");
    sl_socket_close(&pair.near, false);
    sl_socket_close(&pair.far, false);
}

static void test_socket_reset_by_peer_is_cut_and_says_so(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    char byte = 0;
    size_t len = 0;
    sl_socket_close(&pair.far, true);
    wait_for(pair.near.fd, POLLIN);
    assert_int_equal(receive(&pair.near, &byte, 1, &len), SL_CUT);
    assert_int_equal(pair.near.error, ECONNRESET);
    sl_socket_close(&pair.near, false);
}

static void test_socket_sending_to_nobody_is_cut_without_a_signal(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    size_t len = 0;
    sl_socket_close(&pair.far, true);
    wait_for(pair.near.fd, POLLIN);
    assert_int_equal(send_to(&pair.near, "x", 1, &len), SL_CUT);
    assert_int_equal(pair.near.error, ECONNRESET);
    assert_int_equal(send_to(&pair.near, "x", 1, &len), SL_CUT);
    assert_int_equal(pair.near.error, EPIPE);
    sl_socket_close(&pair.near, false);
}

static void test_socket_connect_to_closed_port_fails_and_says_so(void **state)
{
    (void)state;
    struct sl_address address;
    struct sl_socket socket;
    close(listen_somewhere("127.0.0.1:0", &address));
    enum sl_status status = sl_socket_connect(&socket, &address);
    if (status == SL_WANT_WRITE) {
        wait_for(socket.fd, POLLOUT);
        status = sl_socket_connected(&socket);
        assert_int_equal(sl_socket_connected(&socket), SL_IO); /* and goes on failing */
    }
    assert_int_equal(status, SL_IO);
    assert_int_equal(socket.error, ECONNREFUSED);
    sl_socket_close(&socket, false);
}

static void test_socket_connect_to_impossible_address_fails_closed(void **state)
{
    (void)state;
    struct sl_address address = net_address("255.255.255.255:1");
    struct sl_socket socket;
    assert_int_equal(sl_socket_connect(&socket, &address), SL_IO);
    assert_int_equal(socket.fd, -1);
    assert_true(socket.error != 0);

    address = (struct sl_address){.at.ss_family = AF_MAX, .len = sizeof(address.at)};
    assert_int_equal(sl_socket_connect(&socket, &address), SL_IO);
    assert_int_equal(socket.fd, -1);
}

static void test_socket_connect_to_full_backlog_is_under_way(void **state)
{
    (void)state;
    struct sl_address address = net_address("127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address.at, address.len), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address.at, &address.len), 0);

    /* Linux drops what doesn't fit, so one of these hangs. */
    enum { MANY = 8 };
    struct sl_socket sockets[MANY];
    int under_way = 0;
    for (int i = 0; i < MANY; i++) {
        enum sl_status status = sl_socket_connect(&sockets[i], &address);
        if (status == SL_WANT_WRITE)
            status = sl_socket_connected(&sockets[i]);
        assert_true(status == SL_OK || status == SL_WANT_WRITE);
        under_way += status == SL_WANT_WRITE;
    }
    assert_true(under_way > 0);
    for (int i = 0; i < MANY; i++)
        sl_socket_close(&sockets[i], true);
    close(fd);
}

static void test_socket_closed_twice_is_harmless(void **state)
{
    (void)state;
    struct pair pair = make_pair("127.0.0.1:0");
    int fd = pair.near.fd;
    sl_socket_close(&pair.near, false);
    assert_int_equal(pair.near.fd, -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    sl_socket_close(&pair.near, false);
    sl_socket_finish(&pair.near);
    sl_socket_close(&pair.far, true);
    sl_socket_close(&pair.far, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket_carries_bytes_both_ways_over_ipv4_and_ipv6),
        cmocka_unit_test(test_socket_is_non_blocking_close_on_exec_undelayed_and_kept_alive),
        cmocka_unit_test(test_socket_without_bytes_wants_to_read),
        cmocka_unit_test(test_socket_whose_peer_does_not_read_wants_to_write_and_loses_nothing),
        cmocka_unit_test(test_socket_finished_by_peer_is_cut_without_error_and_still_sends),
        cmocka_unit_test(test_socket_reset_by_peer_is_cut_and_says_so),
        cmocka_unit_test(test_socket_sending_to_nobody_is_cut_without_a_signal),
        cmocka_unit_test(test_socket_connect_to_closed_port_fails_and_says_so),
        cmocka_unit_test(test_socket_connect_to_impossible_address_fails_closed),
        cmocka_unit_test(test_socket_connect_to_full_backlog_is_under_way),
        cmocka_unit_test(test_socket_closed_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
