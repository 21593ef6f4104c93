/* SPDX-License-Identifier: Apache-2.0 */
/* session.c -- see session.h. */
#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "schedule.h"
#include "socket.h"

enum { PUMP_TURNS = 4, PUMP_BYTES = 32768 };

/* --- beginning and end */

static bool open_tls(struct session *session)
{
    const struct plan *plan = session->worker->plan;

    if (sl_session_new_client(plan->trusts.at[session->talk.number % plan->trusts.count],
                              socket_transport(session), plan->server_name, &session->tls) != SL_OK)
        return false;
    sl_session_resume(session->tls, session->resumption);
    return true;
}

void session_start(struct session *session)
{
    char fault[FAULT_SPACE];

    session->state = STATE_HANDSHAKE;
    session->finished = false;
    session->error = 0;
    session->talk.welcomed = false;
    session->begun_ns = now_ns();
    session->worker->under_way++;
    if (!socket_open(session)) {
        (void)snprintf(fault, sizeof fault, "can't connect: %s", strerror(errno));
        session_fail(session, fault);
    } else if (!open_tls(session)) {
        session_fail(session, "no memory for its TLS session");
    } else {
        session_step(session, 0);
    }
}

/* The phase doesn't wait for it any more. */
static void uncount(struct session *session)
{
    if (session->counted) {
        session->counted = false;
        session->worker->busy--;
    }
}

/* Gives its connection back. One that only connects begins again. */
static void end(struct session *session)
{
    struct worker *worker = session->worker;

    if (session->state == STATE_HANDSHAKE || session->state == STATE_GREETING)
        worker->under_way--;
    session->state = STATE_NONE;
    sl_session_free(session->tls);
    session->tls = NULL;
    if (session->fd >= 0)
        (void)close(session->fd);
    session->fd = -1;
    if (worker->phase == PHASE_MEASURE && worker->connects > 0) {
        worker->connects--;
        worker_ready(worker, session);
    } else {
        uncount(session);
    }
}

void session_fail(struct session *session, const char *fault)
{
    struct worker *worker = session->worker;

    if (worker->phase != PHASE_CLOSE) {
        worker->tally.failed++;
        plan_complain(worker->plan, session->talk.number, fault);
    }
    session->left = 0;
    session->due = 0;
    end(session);
}

/* A status of the TLS session that ends it. */
static void fail_status(struct session *session, enum sl_status status)
{
    const struct sl_refusal *refusal = sl_session_refusal(session->tls);
    char fault[FAULT_SPACE];

    if (session->error != 0)
        (void)snprintf(fault, sizeof fault, "%s", strerror(session->error));
    else if (status == SL_CLOSED || status == SL_CUT)
        (void)snprintf(fault, sizeof fault, "the server ended the connection (%s)",
                       sl_status_name(status));
    else
        (void)snprintf(fault, sizeof fault, "%s: %s %.180s", sl_status_name(status),
                       sl_reason_id(refusal->reason), refusal->facts);
    session_fail(session, fault);
}

/* --- sending */

/* Sends what waits; false where that ended the session. */
static bool flush(struct session *session)
{
    enum sl_status status = sl_session_flush(session->tls);

    if (status != SL_OK && status != SL_WANT_WRITE) {
        fail_status(session, status);
        return false;
    }
    return true;
}

static bool may_send(const struct session *session)
{
    const struct worker *worker = session->worker;

    return session->state == STATE_OPEN && worker->phase == PHASE_MEASURE && session->left > 0 &&
           (worker->plan->rate == 0 || session->due > 0) &&
           (session->marks == NULL || session->marks_count < session->marks_size);
}

/* Notes when this record is sent, or should have been. */
static void mark(struct session *session)
{
    struct worker *worker = session->worker;
    int64_t now = now_ns();
    int64_t from = now;
    size_t at = session->marks_first + session->marks_count;

    if (worker->plan->rate > 0) {
        from = schedule_due_ns(worker, session->event);
        session->event += worker->count;
        session->due--;
        histogram_add(&worker->tally.lag, now - from);
    }
    if (session->marks == NULL)
        return;
    session->marks[at < session->marks_size ? at : at - session->marks_size] =
        (struct mark){session->talk.sent, from};
    session->marks_count++;
}

/* False where that ended the session. */
static bool write_record(struct session *session)
{
    const struct plan *plan = session->worker->plan;
    uint64_t batch = (uint64_t)plan->batch;
    unsigned count = (unsigned)(session->left < batch ? session->left : batch);
    struct sl_bytes rest = {session->worker->record, 0};

    if (plan->rate > 0)
        session->talk.time_us = sl_clock_wall_us() - session->talk.step_us * (int64_t)(count - 1);
    rest.len = plan->speech->record(&session->talk, count, session->worker->record);
    session->left -= count;
    mark(session);
    while (rest.len > 0) {
        size_t taken = 0;
        enum sl_status status = sl_session_write(session->tls, rest, &taken);

        if (status != SL_OK) {
            fail_status(session, status);
            return false;
        }
        rest.at += taken;
        rest.len -= taken;
    }
    return true;
}

/* Everything was sent and, where there are answers, acknowledged. */
static void settle(struct session *session)
{
    if (session->state != STATE_OPEN || session->worker->phase != PHASE_MEASURE ||
        session->left > 0 || sl_session_waiting(session->tls) > 0)
        return;
    if (session->worker->plan->speech->hello == NULL)
        session_finish(session);
    else if (session->talk.acknowledged >= session->talk.sent)
        uncount(session);
}

void session_pump(struct session *session)
{
    for (int turns = 0; may_send(session) && sl_session_waiting(session->tls) == 0; turns++) {
        if (turns == PUMP_TURNS) {
            worker_ready(session->worker, session);
            return;
        }
        while (may_send(session) && sl_session_waiting(session->tls) < PUMP_BYTES)
            if (!write_record(session))
                return;
        if (!flush(session))
            return;
    }
    settle(session);
}

/* The goodbye is out: so is everything. */
static void finish_sending(struct session *session)
{
    if (!session->finished && sl_session_waiting(session->tls) == 0) {
        session->finished = true;
        (void)shutdown(session->fd, SHUT_WR);
    }
}

void session_finish(struct session *session)
{
    enum sl_status status;

    if (session->state == STATE_GREETING || session->state == STATE_HANDSHAKE)
        session->worker->under_way--;
    session->state = STATE_CLOSING;
    status = sl_session_close(session->tls);
    if (status == SL_OK || status == SL_WANT_WRITE)
        finish_sending(session);
    else
        fail_status(session, status);
}

/* --- receiving */

/* The handshake is over, and the greeting where there is one. */
static void opened(struct session *session)
{
    struct worker *worker = session->worker;
    const struct plan *plan = worker->plan;

    worker->tally.handshakes++;
    if (sl_session_resumed(session->tls))
        worker->tally.resumed++;
    if (plan->connects > 0) {
        histogram_add(&worker->tally.latency, now_ns() - session->begun_ns);
        session_finish(session);
        return;
    }
    session->state = STATE_OPEN;
    worker->under_way--;
    uncount(session);
}

static void greet(struct session *session)
{
    const struct speech *speech = session->worker->plan->speech;
    char hello[HELLO_SPACE];
    struct sl_bytes said = {hello, 0};
    size_t taken = 0;

    if (speech->hello == NULL) {
        opened(session);
        return;
    }
    session->state = STATE_GREETING;
    said.len = speech->hello(&session->talk, hello);
    if (said.len == 0 || sl_session_write(session->tls, said, &taken) != SL_OK)
        session_fail(session, "can't greet");
    else
        (void)flush(session);
}

static void shake_hands(struct session *session)
{
    enum sl_status status = sl_session_handshake(session->tls);

    if (status == SL_OK)
        greet(session);
    else if (status != SL_WANT_READ && status != SL_WANT_WRITE)
        fail_status(session, status);
}

/* Notes the latency of the records that are acknowledged now. */
static void take_acknowledgement(struct session *session)
{
    int64_t now = now_ns();

    while (session->marks_count > 0 &&
           session->marks[session->marks_first].last <= session->talk.acknowledged) {
        histogram_add(&session->worker->tally.latency,
                      now - session->marks[session->marks_first].from_ns);
        session->marks_first++;
        if (session->marks_first == session->marks_size)
            session->marks_first = 0;
        session->marks_count--;
    }
}

/* Reads until nothing more is there. False where the session isn't what it was any more. */
static bool read_all(struct session *session)
{
    const struct speech *speech = session->worker->plan->speech;
    char bytes[SL_SESSION_RECORD_MAX];
    char fault[FAULT_SPACE];
    size_t len = 0;
    enum sl_status status;

    while ((status = sl_session_read(session->tls, bytes, sizeof bytes, &len)) == SL_OK)
        if (session->state != STATE_CLOSING &&
            !speech->take(&session->talk, (struct sl_bytes){bytes, len}, fault)) {
            session_fail(session, fault);
            return false;
        }
    if (status == SL_WANT_READ)
        return true;
    if (session->state == STATE_CLOSING && (status == SL_CLOSED || status == SL_CUT))
        end(session);
    else
        fail_status(session, status);
    return false;
}

void session_step(struct session *session, uint32_t events)
{
    struct worker *worker = session->worker;

    worker->input_at = 0;
    worker->input_len = 0;
    worker->drained = false;
    worker->hangup = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (session->state == STATE_HANDSHAKE)
        shake_hands(session);
    if (session->state == STATE_NONE || session->state == STATE_HANDSHAKE)
        return;
    if ((events & EPOLLOUT) != 0 && sl_session_waiting(session->tls) > 0 && !flush(session))
        return;
    if (!read_all(session))
        return;
    take_acknowledgement(session);
    if (session->state == STATE_GREETING && session->talk.welcomed)
        opened(session);
    if (session->state == STATE_OPEN)
        session_pump(session);
    else if (session->state == STATE_CLOSING)
        finish_sending(session);
}

/* --- memory */

bool session_init(struct session *session, struct worker *worker, unsigned number)
{
    const struct plan *plan = worker->plan;

    session->worker = worker;
    session->fd = -1;
    session->talk.lines = &plan->lines;
    session->talk.number = number;
    session->talk.at = number % (LINES_COUNT / 3) * 3;
    if (plan->speech->hello == NULL || plan->connects > 0)
        return true;
    session->marks_size = (size_t)plan->window;
    if (plan->speech == &speech_mqtt)
        session->marks_size = (size_t)(plan->window > plan->batch ? plan->window / plan->batch : 1);
    session->marks = calloc(session->marks_size, sizeof *session->marks);
    return session->marks != NULL;
}

void session_clear(struct session *session)
{
    sl_session_free(session->tls);
    if (session->fd >= 0)
        (void)close(session->fd);
    free(session->marks);
}
