/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_net_resolve.c -- look-ups that are answered, that fail, and that nobody answers.
 *
 * The linker sends getaddrinfo() through this file, so that a test can be a silent name service.
 */
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/resolve.h"
#include "net_fixture.h"

/* The name service; one per program, as the linker's wrapping is. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int asked;    /* for silent.test */
    int inside;   /* threads that are waiting for that answer */
    bool answers; /* also for silent.test */
} service = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false};

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    if (strcmp(host, "unknown.test") == 0)
        return EAI_NONAME;
    if (strcmp(host, "broken.test") == 0)
        return EAI_AGAIN;
    if (strcmp(host, "silent.test") != 0)
        return __real_getaddrinfo(host, port, hints, found);

    pthread_mutex_lock(&service.mutex);
    service.asked++;
    service.inside++;
    pthread_cond_broadcast(&service.changed);
    while (!service.answers)
        pthread_cond_wait(&service.changed, &service.mutex);
    service.inside--;
    pthread_cond_broadcast(&service.changed);
    pthread_mutex_unlock(&service.mutex);
    return __real_getaddrinfo("127.0.0.9", port, hints, found);
}

static void wait_until_asked(int times)
{
    pthread_mutex_lock(&service.mutex);
    while (service.asked < times)
        pthread_cond_wait(&service.changed, &service.mutex);
    pthread_mutex_unlock(&service.mutex);
}

static void let_it_answer(void)
{
    pthread_mutex_lock(&service.mutex);
    service.answers = true;
    pthread_cond_broadcast(&service.changed);
    pthread_mutex_unlock(&service.mutex);
}

/* Silent again for the next test, once nobody of this one waits any more. */
static int fall_silent(void **state)
{
    let_it_answer();
    pthread_mutex_lock(&service.mutex);
    while (service.inside > 0)
        pthread_cond_wait(&service.changed, &service.mutex);
    service.asked = 0;
    service.answers = false;
    pthread_mutex_unlock(&service.mutex);
    return net_teardown(state);
}

struct answer {
    struct net_fixture *fixture;
    int calls;
    enum sl_status status;
    struct sl_addresses addresses;
    char error[SL_ADDRESS_ERROR_SIZE];
};

static void done(void *ctx, enum sl_status status, struct sl_addresses *addresses,
                 const char *error)
{
    struct answer *answer = ctx;
    answer->calls++;
    answer->status = status;
    answer->addresses = *addresses;
    if (status != SL_OK)
        memcpy(answer->error, error, strlen(error) + 1);
    sl_loop_stop(answer->fixture->loop);
}

static struct sl_resolve *ask(struct answer *answer, const char *host)
{
    struct sl_resolve *resolve = NULL;
    assert_int_equal(sl_resolve_start(answer->fixture->loop, host, 23456, done, answer, &resolve),
                     SL_OK);
    assert_int_equal(answer->calls, 0); /* never from inside */
    return resolve;
}

static void test_resolve_answer_comes_in_a_later_turn(void **state)
{
    struct answer answer = {.fixture = *state};
    char text[SL_ADDRESS_TEXT_SIZE];
    (void)ask(&answer, "127.0.0.5");
    net_run(answer.fixture);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.status, SL_OK);
    assert_int_equal(answer.addresses.count, 1);
    assert_string_equal(sl_address_print(&answer.addresses.at[0], text), "127.0.0.5:23456");
    sl_addresses_clear(&answer.addresses);
    sl_loop_run(answer.fixture->loop); /* nothing of it holds the loop */
}

static void test_resolve_failures_come_with_a_sentence(void **state)
{
    static const struct {
        const char *host, *error;
        enum sl_status status;
    } table[] = {
        {"unknown.test",
         "can't find the host 'unknown.test': no such name; check its spelling, or give an address",
         SL_IO},
        {"broken.test", "can't find the host 'broken.test': the name service doesn't answer",
         SL_IO},
        {"", "can't find a host without a name", SL_BAD_INPUT},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct answer answer = {.fixture = *state};
        (void)ask(&answer, table[i].host);
        net_run(answer.fixture);
        assert_int_equal(answer.status, table[i].status);
        assert_string_equal(answer.error, table[i].error);
        assert_null(answer.addresses.at);
        assert_int_equal(answer.addresses.count, 0);
    }
}

static void test_resolve_does_not_hold_the_loop_while_the_name_service_is_silent(void **state)
{
    struct answer silent = {.fixture = *state};
    struct answer quick = {.fixture = *state};
    (void)ask(&silent, "silent.test");
    wait_until_asked(1);
    (void)ask(&quick, "127.0.0.5");
    net_run(quick.fixture);
    assert_int_equal(quick.calls, 1);
    assert_int_equal(silent.calls, 0);
    sl_addresses_clear(&quick.addresses);

    let_it_answer();
    net_run(silent.fixture);
    assert_int_equal(silent.calls, 1);
    assert_int_equal(silent.status, SL_OK);
    sl_addresses_clear(&silent.addresses);
}

static void test_resolve_cancelled_before_the_answer_never_calls_back(void **state)
{
    struct answer answer = {.fixture = *state};
    struct sl_resolve *resolve = ask(&answer, "silent.test");
    wait_until_asked(1);
    sl_resolve_cancel(resolve);
    sl_resolve_cancel(NULL);
    sl_loop_run(answer.fixture->loop); /* returns: nobody is waited for */
    let_it_answer();
    sl_loop_run(answer.fixture->loop);
    assert_int_equal(answer.calls, 0);
}

static void test_resolve_cancelled_while_the_answer_comes_never_calls_back(void **state)
{
    enum { ROUNDS = 300 };
    struct answer answer = {.fixture = *state};
    let_it_answer();
    for (int i = 1; i <= ROUNDS; i++) {
        struct sl_resolve *resolve = ask(&answer, "silent.test");
        if (i % 2 == 0)
            wait_until_asked(i); /* the thread is on its way out now */
        sl_resolve_cancel(resolve);
        sl_loop_run(answer.fixture->loop);
    }
    wait_until_asked(ROUNDS);
    assert_int_equal(answer.calls, 0);
}

static void test_resolve_under_way_lets_its_loop_be_freed(void **state)
{
    struct net_fixture other = {0};
    struct answer answer = {.fixture = &other};
    (void)state;
    assert_int_equal(sl_loop_new(&other.loop), SL_OK);
    (void)ask(&answer, "silent.test");
    wait_until_asked(1);
    sl_loop_free(other.loop);
    let_it_answer();
    assert_int_equal(answer.calls, 0);
}

/* A program that leaves while the name service is silent: exit() and all that it runs. */
static void leave_program(void)
{
    struct net_fixture own = {0};
    struct answer answer = {.fixture = &own};
    struct sl_resolve *resolve = NULL;
    if (sl_loop_new(&own.loop) != SL_OK ||
        sl_resolve_start(own.loop, "silent.test", 1, done, &answer, &resolve) != SL_OK)
        _exit(1);
    wait_until_asked(1);
    sl_loop_free(own.loop);
    exit(0);
}

static void test_resolve_under_way_does_not_hold_up_the_programs_exit(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        leave_program();
    close(ends[1]);
    struct pollfd poll_fd = {.fd = ends[0], .events = POLLIN};
    int ended = poll(&poll_fd, 1, PATIENCE_MS);
    if (ended == 0)
        (void)kill(child, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, net_setup, fall_silent)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First, while this process has one thread: the thread sanitizer can't fork with more. */
        NET_TEST(test_resolve_under_way_does_not_hold_up_the_programs_exit),
        NET_TEST(test_resolve_answer_comes_in_a_later_turn),
        NET_TEST(test_resolve_failures_come_with_a_sentence),
        NET_TEST(test_resolve_does_not_hold_the_loop_while_the_name_service_is_silent),
        NET_TEST(test_resolve_cancelled_before_the_answer_never_calls_back),
        NET_TEST(test_resolve_cancelled_while_the_answer_comes_never_calls_back),
        NET_TEST(test_resolve_under_way_lets_its_loop_be_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
