/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checklist.h -- the points of --check: what was looked at, whether it is well, and what to do.
 *
 * Those who look (tls/inspect.h, server/check.h, client/check.h) add points; whoever gave the list
 * is told of each one at once, and has the counts at the end.
 *
 * Memory   The list is the caller's; what it is told is valid during the call.
 * Limits   A point's sentence is cut at SL_CHECKLIST_TEXT_MAX bytes.
 * Threads  One thread at a time.
 */
#ifndef SL_BASE_CHECKLIST_H
#define SL_BASE_CHECKLIST_H

#include <stdbool.h>
#include <stdint.h>

#include "sensorlink/status.h"

enum { SL_CHECKLIST_TEXT_MAX = 1500 };

enum sl_verdict {
    SL_VERDICT_OK,
    SL_VERDICT_WARNING, /* works today, and wants looking after */
    SL_VERDICT_FAULT,   /* the program couldn't do its job */
    SL_VERDICTS
};

struct sl_checklist {
    /* `about` is an option (`--cert`) or a word (`clock`); `text` one sentence, fit to print. */
    void (*told)(void *ctx, enum sl_verdict verdict, const char *about, const char *text);
    void *ctx;
    int64_t counts[SL_VERDICTS]; /* zero at first */
};

/*
 * Adds a point; the sentence is made by printf's rules. Where it begins with `about` and a blank,
 * as the sentences of programs that end over a fault do, that isn't said twice.
 */
void sl_checklist_add(struct sl_checklist *list, enum sl_verdict verdict, const char *about,
                      const char *format, ...) SL_PRINTF(4, 5);

/* "ok", "warning" or "fault". Never null. */
const char *sl_verdict_word(enum sl_verdict verdict);

/*
 * Adds what can be said of a file that doesn't exist yet and that `path` would be made as: whether
 * its folder is there and this user may write in it. `made` says who makes it and when.
 */
void sl_checklist_add_new_file(struct sl_checklist *list, const char *about, const char *path,
                               const char *made);

/*
 * Adds what is wrong with the way to a database at `path`: this user must be able to read and write
 * it and what SQLite and a server keep beside it, and to make files in its folder. True where
 * nothing is, and the file is there to be looked into; where it isn't there yet, that is the point.
 */
bool sl_checklist_reaches_database(struct sl_checklist *list, const char *about, const char *path,
                                   const char *made);

/*
 * Adds whether the clock, which shows `now_us`, can be right, `floor_us` having been seen
 * (floor.h).
 */
void sl_checklist_add_clock(struct sl_checklist *list, int64_t floor_us, int64_t now_us);

/* True where this user may make files in the folder that `path` is in. */
bool sl_checklist_folder_writable(const char *path);

#endif
