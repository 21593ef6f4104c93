/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h -- the one answer that every function which can fail gives.
 *
 * The values say what the caller does next, not what went wrong in detail; the
 * detail stays on the object that failed.
 */
#ifndef SENSORLINK_STATUS_H
#define SENSORLINK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define SL_MUST_USE __attribute__((warn_unused_result))
#define SL_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define SL_MUST_USE
#define SL_PRINTF(text, first)
#endif

enum sl_status {
    SL_OK = 0,     /* done; results are in the out-parameters */
    SL_WANT_READ,  /* call again when there is more to read */
    SL_WANT_WRITE, /* call again when what is pending could be written */
    SL_CLOSED,     /* ended in order by the other side */
    SL_CUT,        /* ended by the other side or the network without a goodbye */
    SL_DENIED,     /* refused: a reason stands on the object */
    SL_BAD_INPUT,  /* what was given can't be taken; giving it again won't help */
    SL_LIMIT,      /* over a limit or full; try again when there is room, if ever */
    SL_TIMEOUT,    /* a deadline passed */
    SL_IO,         /* the operating system, disk or network failed */
    SL_NOMEM       /* no memory */
};

/* The status's name in lower case for logs ("want-read"); never null. Static storage. */
const char *sl_status_name(enum sl_status status);

#ifdef __cplusplus
}
#endif

#endif
