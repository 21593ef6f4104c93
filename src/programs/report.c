/* SPDX-License-Identifier: Apache-2.0 */
/* report.c -- see report.h. */
#include "programs/report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

/*
 * Sentences stand in the third column. A terminal that leaves less than this for them wraps by
 * itself.
 */
enum { WORD_WIDTH = 7, ABOUT_WIDTH = 13, INDENT = WORD_WIDTH + ABOUT_WIDTH + 4, TEXT_LEAST = 30 };

/* Prints a sentence, on a terminal without leaving its column. Bytes are counted as characters. */
static void print_text(const struct sl_report *report, const char *text)
{
    size_t room = report->width > INDENT + TEXT_LEAST ? (size_t)report->width - INDENT : SIZE_MAX;

    while (strlen(text) > room) {
        size_t len = room;

        while (len > 0 && text[len] != ' ')
            len--;
        if (len == 0)
            len = strcspn(text, " ");
        (void)fprintf(report->out, "%.*s\n", (int)len, text);
        text += len;
        if (*text == '\0')
            return;
        text++;
        (void)fprintf(report->out, "%*s", INDENT, "");
    }
    (void)fprintf(report->out, "%s\n", text);
}

static void told(void *ctx, enum sl_verdict verdict, const char *about, const char *text)
{
    static const char *const colours[SL_VERDICTS] = {"\033[32m", "\033[33m", "\033[31m"};
    const struct sl_report *report = ctx;

    (void)fprintf(report->out, "%s%-*s%s  %-*s  ", report->colours ? colours[verdict] : "",
                  WORD_WIDTH, sl_verdict_word(verdict), report->colours ? "\033[0m" : "",
                  ABOUT_WIDTH, about);
    print_text(report, text);
}

void sl_report_init(struct sl_report *report, FILE *out, const char *config)
{
    const char *unwanted = getenv("NO_COLOR");
    bool terminal = isatty(fileno(out)) == 1;
    struct winsize size = {0};

    *report = (struct sl_report){.list = {.told = told, .ctx = report}, .out = out};
    report->colours = terminal && (unwanted == NULL || *unwanted == '\0');
    if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
        report->width = size.ws_col;
    if (config != NULL)
        sl_checklist_add(&report->list, SL_VERDICT_OK, "--config", "%s is read", config);
}

int sl_report_end(const struct sl_report *report)
{
    const int64_t *counts = report->list.counts;
    long long warnings = counts[SL_VERDICT_WARNING];
    long long faults = counts[SL_VERDICT_FAULT];

    (void)fprintf(report->out, "%lld ok, %lld warning%s, %lld fault%s\n",
                  (long long)counts[SL_VERDICT_OK], warnings, warnings == 1 ? "" : "s", faults,
                  faults == 1 ? "" : "s");
    return faults == 0 ? EX_OK : EX_CONFIG;
}
