/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_link_farewell.c -- the end of a server's connection while its last batch is still on its way
 * to the disk: what was answered before goes out, and doesn't wait for that.
 */
#include "unit/cases.h"

#include "server/farewell.h"
#include "support/certificates.h"
#include "support/memory_transport.h"

enum { BUDGET = 3072, ROUNDS = 400 };

#define ANSWER "refused 1 no-value there is no value\n"

/* A connection that no loop watches, and the sensor at its other end. */
struct visit {
    struct sl_memory_link link;
    struct sl_trust *server_trust, *trust;
    struct sl_session *sensor;
    struct sl_connection connection;
};

static void begin(struct visit *visit)
{
    enum sl_status at_sensor = SL_WANT_READ, at_server = SL_WANT_READ;

    *visit = (struct visit){.server_trust = sl_test_trust(SL_ROLE_SERVER, "ca", "server", NULL),
                            .trust = sl_test_trust(SL_ROLE_SENSOR, "ca", "attic", NULL)};
    sl_memory_link_init(&visit->link);
    assert_int_equal(sl_session_new_server(visit->server_trust, sl_memory_server(&visit->link),
                                           BUDGET, &visit->connection.session),
                     SL_OK);
    assert_int_equal(sl_session_new_client(visit->trust, sl_memory_sensor(&visit->link),
                                           "localhost", &visit->sensor),
                     SL_OK);
    for (int round = 0; round < ROUNDS && (at_sensor != SL_OK || at_server != SL_OK); round++) {
        if (at_sensor != SL_OK)
            at_sensor = sl_session_handshake(visit->sensor);
        if (at_server != SL_OK)
            at_server = sl_session_handshake(visit->connection.session);
    }
    assert_int_equal(at_sensor, SL_OK);
    assert_int_equal(at_server, SL_OK);
}

static void end(struct visit *visit)
{
    sl_buffer_clear(&visit->connection.reply);
    sl_session_free(visit->connection.session);
    sl_session_free(visit->sensor);
    sl_memory_link_clear(&visit->link);
    sl_trust_unref(visit->server_trust);
    sl_trust_unref(visit->trust);
}

static void test_link_farewell_sends_what_waits_while_the_store_is_slow(void **state)
{
    struct sl_batch batch = {.count = 1}; /* the committer's until it's answered */
    struct visit visit;
    struct sl_connection *connection = &visit.connection;
    char bytes[128];
    size_t len = 0;

    (void)state;
    begin(&visit);
    connection->state = SL_CONNECTION_ENDING;
    connection->under_way = &batch;
    assert_int_equal(sl_buffer_add(&connection->reply, sl_bytes_of(ANSWER), SIZE_MAX / 2), SL_OK);
    sl_memory_stop(&visit.link, SL_MEMORY_DOWN, true);
    sl_farewell_prepare(connection);
    assert_int_equal(sl_session_read(visit.sensor, bytes, sizeof bytes, &len), SL_WANT_READ);

    /* The sensor makes room, which wakes the server; and once all is out, it needn't any more. */
    sl_memory_stop(&visit.link, SL_MEMORY_DOWN, false);
    sl_farewell_prepare(connection);
    assert_int_equal(sl_session_read(visit.sensor, bytes, sizeof bytes, &len), SL_OK);
    assert_bytes((struct sl_bytes){bytes, len}, ANSWER);
    assert_int_equal(sl_session_waiting(connection->session), 0);
    assert_int_equal(connection->state, SL_CONNECTION_ENDING);
    assert_ptr_equal(connection->under_way, &batch);
    assert_false(connection->dead);
    end(&visit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_farewell_sends_what_waits_while_the_store_is_slow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
