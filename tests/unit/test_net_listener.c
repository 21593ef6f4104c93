/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_net_listener.c -- accepting on loopback, sentences for what can't be listened on, and a
 * process without descriptors.
 *
 * The linker sends socket() and bind() through this file, so that a test can be a machine without
 * IPv6.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/listener.h"
#include "net/socket.h"
#include "net_fixture.h"

enum { MANY = 300 };

/* What the machine lacks; one per program, as the linker's wrapping is. */
static int socket_v6_error;
static int bind_v6_error;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);

int __wrap_socket(int domain, int type, int protocol)
{
    if (domain == AF_INET6 && socket_v6_error != 0) {
        errno = socket_v6_error;
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET6 && bind_v6_error != 0) {
        errno = bind_v6_error;
        return -1;
    }
    return __real_bind(fd, address, len);
}

struct host {
    struct net_fixture *fixture;
    struct sl_listener *listener;
    int wanted; /* connections after which the loop stops */
    int accepted;
    int close_after; /* connections after which the listener is closed; 0 for never */
    bool keep;       /* keep the descriptors open */
    struct sl_address peer;
    int fd;
};

static void accepted(void *ctx, int fd, const struct sl_address *peer)
{
    struct host *host = ctx;
    host->accepted++;
    host->peer = *peer;
    host->fd = fd;
    if (!host->keep)
        close(fd);
    if (host->accepted == host->close_after) {
        sl_listener_close(host->listener);
        host->listener = NULL;
    }
    if (host->accepted == host->wanted)
        sl_loop_stop(host->fixture->loop);
}

static void open_on(struct host *host, const char *text)
{
    struct sl_address address = net_address(text);
    char error[SL_ADDRESS_ERROR_SIZE] = "";
    if (sl_listener_open(host->fixture->loop, &address, accepted, host, &host->listener, error,
                         sizeof(error)) != SL_OK)
        fail_msg("%s", error);
}

static struct sl_socket dial(const char *host, uint16_t port)
{
    struct sl_address address;
    struct sl_socket socket;
    assert_int_equal(sl_address_parse(host, port, &address), SL_OK);
    enum sl_status status = sl_socket_connect(&socket, &address);
    assert_true(status == SL_OK || status == SL_WANT_WRITE);
    return socket;
}

static uint16_t port_of(const struct host *host)
{
    return sl_address_port(sl_listener_address(host->listener));
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void test_listener_hands_on_descriptor_and_peer(void **state)
{
    struct host host = {.fixture = *state, .wanted = 1, .keep = true};
    open_on(&host, "127.0.0.1:0");
    assert_true(port_of(&host) != 0);
    struct sl_socket client = dial("127.0.0.1", port_of(&host));
    net_run(host.fixture);

    struct sl_address own = {.len = sizeof(own.at)};
    char expected[SL_ADDRESS_TEXT_SIZE];
    char got[SL_ADDRESS_TEXT_SIZE];
    assert_int_equal(getsockname(client.fd, (struct sockaddr *)&own.at, &own.len), 0);
    assert_string_equal(sl_address_print(&host.peer, got), sl_address_print(&own, expected));
    assert_true((fcntl(host.fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(host.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(option_of(host.fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_true(option_of(host.fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
    assert_in_range(option_of(host.fd, IPPROTO_TCP, TCP_KEEPIDLE), 1, 120);
    close(host.fd);
    sl_socket_close(&client, false);
    sl_listener_close(host.listener);
    sl_listener_close(NULL);
}

static void test_listener_on_every_address_takes_both_families(void **state)
{
    struct host host = {.fixture = *state, .wanted = 1};
    char text[SL_ADDRESS_TEXT_SIZE];
    open_on(&host, "[::]:0");
    struct sl_socket v4 = dial("127.0.0.1", port_of(&host));
    net_run(host.fixture);
    assert_string_equal(sl_address_print_host(&host.peer, text), "127.0.0.1");

    host.wanted = 2;
    struct sl_socket v6 = dial("::1", port_of(&host));
    net_run(host.fixture);
    assert_string_equal(sl_address_print_host(&host.peer, text), "::1");
    sl_socket_close(&v4, false);
    sl_socket_close(&v6, false);
}

static void assert_falls_back(struct net_fixture *fixture)
{
    struct host host = {.fixture = fixture, .wanted = 1};
    char text[SL_ADDRESS_TEXT_SIZE];
    open_on(&host, "[::]:0");
    assert_string_equal(sl_address_print_host(sl_listener_address(host.listener), text), "0.0.0.0");
    struct sl_socket client = dial("127.0.0.1", port_of(&host));
    net_run(fixture);
    sl_socket_close(&client, false);
    sl_listener_close(host.listener);

    /* One address of IPv6 is no wish for any of IPv4. */
    struct sl_address loopback = net_address("[::1]:0");
    char error[SL_ADDRESS_ERROR_SIZE];
    assert_int_equal(sl_listener_open(fixture->loop, &loopback, accepted, &host, &host.listener,
                                      error, sizeof(error)),
                     SL_IO);
    assert_non_null(strstr(error, "can't listen on [::1]:0: this machine doesn't have"));
}

static void test_listener_on_every_address_falls_back_to_ipv4_without_ipv6(void **state)
{
    socket_v6_error = EAFNOSUPPORT;
    assert_falls_back(*state);
    socket_v6_error = 0;
    bind_v6_error = EADDRNOTAVAIL;
    assert_falls_back(*state);
    bind_v6_error = 0;
}

static int forget_machine(void **state)
{
    socket_v6_error = 0;
    bind_v6_error = 0;
    return net_teardown(state);
}

static void test_listener_on_taken_port_says_who_to_stop(void **state)
{
    struct host first = {.fixture = *state};
    struct sl_listener *second = NULL;
    char error[SL_ADDRESS_ERROR_SIZE];
    char expected[SL_ADDRESS_ERROR_SIZE];
    char text[SL_ADDRESS_TEXT_SIZE];
    open_on(&first, "127.0.0.1:0");
    const struct sl_address *address = sl_listener_address(first.listener);
    assert_int_equal(sl_listener_open(first.fixture->loop, address, accepted, &first, &second,
                                      error, sizeof(error)),
                     SL_IO);
    snprintf(expected, sizeof(expected),
             "can't listen on %s: the port is taken by another program; stop that one or choose "
             "another with --listen",
             sl_address_print(address, text));
    assert_string_equal(error, expected);
    assert_null(second);
}

static void test_listener_try_says_what_listening_would_say(void **state)
{
    struct host host = {.fixture = *state};
    struct sl_address foreign = net_address("198.51.100.1:23456");
    char error[SL_ADDRESS_ERROR_SIZE] = "";
    open_on(&host, "127.0.0.1:0");
    struct sl_address address = *sl_listener_address(host.listener);
    assert_int_equal(sl_listener_try(&address, error, sizeof(error)), SL_LIMIT);
    assert_non_null(strstr(error, "the port is taken by another program"));
    assert_int_equal(sl_listener_try(&foreign, error, sizeof(error)), SL_IO);
    assert_non_null(strstr(error, "this machine doesn't have that address"));
    sl_listener_close(host.listener);
    assert_int_equal(sl_listener_try(&address, error, sizeof(error)), SL_OK);
}

/* A server may start while somebody tries its port. */
static void test_listener_opens_where_another_one_is_bound_and_does_not_listen(void **state)
{
    struct host host = {.fixture = *state};
    struct sl_address address = net_address("127.0.0.1:0");
    char error[SL_ADDRESS_ERROR_SIZE] = "";
    struct sl_listener *listener = NULL;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address.at, address.len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address.at, &address.len), 0);
    assert_int_equal(sl_listener_try(&address, error, sizeof(error)), SL_OK);
    assert_int_equal(sl_listener_open(host.fixture->loop, &address, accepted, &host, &listener,
                                      error, sizeof(error)),
                     SL_OK);
    close(fd);
    sl_listener_close(listener);
}

static void test_listener_on_foreign_address_says_so(void **state)
{
    struct host host = {.fixture = *state};
    struct sl_address address = net_address("198.51.100.1:23456");
    char error[SL_ADDRESS_ERROR_SIZE];
    assert_int_equal(sl_listener_open(host.fixture->loop, &address, accepted, &host, &host.listener,
                                      error, sizeof(error)),
                     SL_IO);
    assert_non_null(strstr(
        error, "can't listen on 198.51.100.1:23456: this machine doesn't have that address"));
}

static void test_listener_port_is_free_again_at_once_after_close(void **state)
{
    struct host host = {.fixture = *state, .wanted = 1};
    open_on(&host, "127.0.0.1:0");
    struct sl_address address = *sl_listener_address(host.listener);
    struct sl_socket client = dial("127.0.0.1", port_of(&host));
    net_run(host.fixture); /* our side closes first, so the connection lingers in TIME_WAIT */
    sl_socket_close(&client, false);
    sl_listener_close(host.listener);

    char text[SL_ADDRESS_TEXT_SIZE];
    open_on(&host, sl_address_print(&address, text));
    sl_listener_close(host.listener);
}

static void test_listener_takes_more_than_one_batch(void **state)
{
    struct host host = {.fixture = *state, .wanted = MANY};
    struct sl_socket clients[MANY];
    open_on(&host, "127.0.0.1:0");
    for (int i = 0; i < MANY; i++)
        clients[i] = dial("127.0.0.1", port_of(&host));
    net_run(host.fixture);
    assert_int_equal(host.accepted, MANY);
    assert_int_equal(sl_listener_turned_away(host.listener), 0);
    for (int i = 0; i < MANY; i++)
        sl_socket_close(&clients[i], true);
}

static void test_listener_closed_in_its_own_callback_accepts_no_more(void **state)
{
    struct host host = {.fixture = *state, .close_after = 2};
    struct sl_socket clients[4];
    open_on(&host, "127.0.0.1:0");
    uint16_t port = port_of(&host);
    for (int i = 0; i < 4; i++)
        clients[i] = dial("127.0.0.1", port);
    sl_timer_start(host.fixture->patience, PATIENCE_MS);
    while (host.listener != NULL && !host.fixture->late) {
        host.wanted = host.accepted + 1;
        sl_loop_run(host.fixture->loop);
    }
    sl_timer_stop(host.fixture->patience);
    sl_loop_run(host.fixture->loop);
    assert_int_equal(host.accepted, 2);
    for (int i = 0; i < 4; i++)
        sl_socket_close(&clients[i], true);
}

/*
 * Without descriptors. In a child, because the limit is the process's; its exit code says where it
 * went wrong, since cmocka belongs to the parent.
 */

enum { CLIENTS = 3 };

struct waiting {
    struct net_fixture *fixture;
    struct sl_socket socket;
    struct sl_watch *watch;
};

static void note_end(void *ctx, bool readable, bool writable)
{
    struct waiting *waiting = ctx;
    (void)readable;
    (void)writable;
    sl_watch_close(waiting->watch);
    sl_socket_close(&waiting->socket, true);
    waiting->fixture->calls++;
    sl_loop_stop(waiting->fixture->loop);
}

static void take_all_descriptors(void)
{
    while (fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) >= 0)
        continue;
}

static int starve(void)
{
    struct net_fixture fixture = {0};
    struct host host = {.fixture = &fixture, .wanted = 1};
    struct waiting clients[CLIENTS];
    struct sl_address address;
    char error[SL_ADDRESS_ERROR_SIZE];
    if (sl_loop_new(&fixture.loop) != SL_OK ||
        sl_timer_new(fixture.loop, net_fixture_late, &fixture, &fixture.patience) != SL_OK ||
        sl_address_parse("127.0.0.1:0", 0, &address) != SL_OK ||
        sl_listener_open(fixture.loop, &address, accepted, &host, &host.listener, error,
                         sizeof(error)) != SL_OK)
        return 1;
    for (int i = 0; i < CLIENTS; i++) {
        struct waiting *client = &clients[i];
        client->fixture = &fixture;
        enum sl_status status =
            sl_socket_connect(&client->socket, sl_listener_address(host.listener));
        if ((status != SL_OK && status != SL_WANT_WRITE) ||
            sl_watch_new(fixture.loop, client->socket.fd, note_end, client, &client->watch) !=
                SL_OK ||
            sl_watch_set(client->watch, true, false) != SL_OK)
            return 2;
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 3;
    /* The soft one: valgrind keeps descriptors of its own below the hard one. */
    limit.rlim_cur = 64;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 3;
    take_all_descriptors();

    /* All who wait meet their end, and nobody is handed on. */
    sl_timer_start(fixture.patience, PATIENCE_MS);
    while (fixture.calls < CLIENTS && !fixture.late)
        sl_loop_run(fixture.loop);
    if (fixture.late || host.accepted != 0 || sl_listener_turned_away(host.listener) == 0)
        return 4;

    /* Their descriptors are free now, one for a new client and one for us. */
    struct sl_socket late;
    enum sl_status status = sl_socket_connect(&late, sl_listener_address(host.listener));
    if (status != SL_OK && status != SL_WANT_WRITE)
        return 5;
    while (host.accepted == 0 && !fixture.late)
        sl_loop_run(fixture.loop);
    if (fixture.late)
        return 6;
    sl_socket_close(&late, true);
    sl_loop_free(fixture.loop);
    return 0;
}

static void test_listener_without_descriptors_closes_who_waits_and_recovers(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(starve());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, net_setup, forget_machine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(test_listener_hands_on_descriptor_and_peer),
        NET_TEST(test_listener_on_every_address_takes_both_families),
        NET_TEST(test_listener_on_every_address_falls_back_to_ipv4_without_ipv6),
        NET_TEST(test_listener_on_taken_port_says_who_to_stop),
        NET_TEST(test_listener_try_says_what_listening_would_say),
        NET_TEST(test_listener_opens_where_another_one_is_bound_and_does_not_listen),
        NET_TEST(test_listener_on_foreign_address_says_so),
        NET_TEST(test_listener_port_is_free_again_at_once_after_close),
        NET_TEST(test_listener_takes_more_than_one_batch),
        NET_TEST(test_listener_closed_in_its_own_callback_accepts_no_more),
        cmocka_unit_test(test_listener_without_descriptors_closes_who_waits_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
