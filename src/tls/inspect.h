/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect.h -- the report of --check on certificates, key, revocation lists and allow list.
 *
 * It takes the very steps of sl_trust_load() (trust_files.h, revocation.h), so it calls a fault
 * what that refuses, and nothing else; but it goes on after one, as far as later points don't
 * stand on it. What works today and won't tomorrow, or is refused by the other side, is a warning.
 *
 * Memory   Nothing is kept.
 * Threads  One at a time, before any session: it starts the TLS library.
 */
#ifndef SL_TLS_INSPECT_H
#define SL_TLS_INSPECT_H

#include "base/checklist.h"
#include "tls/session.h"
#include "tls/trust.h"

/*
 * Adds a point for each thing that is right or wrong with the files. What ends within `warning_ms`
 * is a warning. `name` is the sensor's name in the own certificate, empty where it has none or
 * can't be read.
 */
void sl_inspect_trust(enum sl_role role, const struct sl_trust_files *files, int64_t warning_ms,
                      struct sl_checklist *list, char name[static SL_SENSOR_NAME_MAX + 1]);

/* Adds a point about the certificate that the other side of an established session has shown. */
void sl_inspect_peer(const struct sl_session *session, int64_t warning_ms,
                     struct sl_checklist *list);

#endif
