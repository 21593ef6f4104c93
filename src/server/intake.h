/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.h -- the way of a connection's readings: decrypted bytes -> receiver -> batch ->
 * committer, and the answer -> acknowledgement.
 *
 * Threads  The connection's worker's.
 */
#ifndef SL_SERVER_INTAKE_H
#define SL_SERVER_INTAKE_H

#include "server/connection.h"

/*
 * Reads and takes what is there, within one turn's share.
 * SL_OK         More may be there: come again.
 * SL_WANT_READ  Nothing more now.
 * SL_LIMIT      Paused: batches or replies are full, or the stream is being opened.
 * SL_DENIED     The session's grammar is broken, or the store refused: sl_connection_end() was
 *               called.
 * SL_CLOSED, SL_CUT, SL_IO, SL_NOMEM  As of sl_session_read().
 */
SL_MUST_USE enum sl_status sl_intake_read(struct sl_connection *connection);

/*
 * Gives the filled batch to the committer where none is under way. What a sensor told of its clock,
 * and nothing else, waits for readings to go with, or for the session's end.
 */
void sl_intake_submit(struct sl_connection *connection);

/* Takes the committer's answer: welcome, acknowledgement, console lines, or the end. */
void sl_intake_answer(struct sl_connection *connection, struct sl_batch *batch);

/*
 * True where nothing may be read now: batches or replies are full, the stream is being opened, or
 * the sensor has sent more than its rate.
 */
bool sl_intake_paused(struct sl_connection *connection);

/* True where nothing waits for the committer. */
bool sl_intake_idle(const struct sl_connection *connection);

/* Appends a due `ack` to the replies. */
void sl_intake_acknowledge(struct sl_connection *connection);

#endif
