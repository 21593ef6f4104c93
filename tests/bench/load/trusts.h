/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trusts.h -- the sensors' certificates in a folder, each loaded once and used by many sessions.
 *
 * Memory   Made by trusts_load(), given back by trusts_clear().
 * Threads  Immutable once loaded.
 */
#ifndef BENCH_LOAD_TRUSTS_H
#define BENCH_LOAD_TRUSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "tls/trust.h"

struct trusts {
    struct sl_trust **at;
    size_t count;
};

/*
 * Loads NAME.crt and NAME.key for each NAME in `folder` that has both, in the order of their names,
 * up to `most` pairs. `alpn` false: these sessions won't offer `sensorlink/1`. False where that
 * fails, and standard error says why.
 */
bool trusts_load(struct trusts *trusts, const char *ca, const char *folder, size_t most, bool alpn);

void trusts_clear(struct trusts *trusts);

#endif
