/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h -- prints the points of --check in three columns, and the counts at the end. A terminal
 * gets colours, unless NO_COLOR is set (https://no-color.org), and sentences wrapped at its width;
 * anything else gets plain text, one point a line.
 *
 * Memory   The caller's struct.
 * Threads  One.
 */
#ifndef SL_PROGRAMS_REPORT_H
#define SL_PROGRAMS_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/checklist.h"

struct sl_report {
    struct sl_checklist list; /* for those who look */
    FILE *out;
    bool colours;
    int width; /* of the terminal; 0: none, or not known */
};

/*
 * Gets ready; `report` must stay in place. `config` is the file of options that was read, or null.
 */
void sl_report_init(struct sl_report *report, FILE *out, const char *config);

/* Prints the counts. The program's exit code: EX_OK, or EX_CONFIG where there is a fault. */
int sl_report_end(const struct sl_report *report);

#endif
