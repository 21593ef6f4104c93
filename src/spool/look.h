/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look.h -- looks at a spool file without taking, changing or making anything: for --check.
 *
 * Memory   Nothing is kept.
 * Threads  One at a time.
 */
#ifndef SL_SPOOL_LOOK_H
#define SL_SPOOL_LOOK_H

#include "sensorlink/spool.h"

/* What was found. */
struct sl_spool_look {
    int64_t version;             /* 0: an empty file, which becomes a spool when it is opened */
    int64_t newest;              /* the version that this program writes */
    struct sl_spool_state state; /* where version == newest; else nothing is known yet */
};

/*
 * The same tests as in sl_spool_open(), but read-only. The file must be there.
 * SL_OK         `*look` is filled.
 * SL_LIMIT      A client has it open, so that nothing can be seen of it.
 * SL_BAD_INPUT, SL_IO, SL_NOMEM  As sl_spool_open(); `error` has one sentence.
 */
SL_MUST_USE enum sl_status sl_spool_look(const char *path, struct sl_spool_look *look, char *error,
                                         size_t error_size);

#endif
