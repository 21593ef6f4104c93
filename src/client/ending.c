/* SPDX-License-Identifier: Apache-2.0 */
/* ending.c -- the last sentences and the exit code; see ending.h. */
#include "client/ending.h"

#include <inttypes.h>
#include <sysexits.h>

void sl_ending_count_refused(struct sl_ending *ending, int64_t seq)
{
    if (seq <= ending->refused_seq)
        return;
    ending->refused_seq = seq;
    ending->not_logged++;
}

/* Says what of the input won't ever be at the server; true where nothing is. */
static bool tell_losses(const struct sl_ending *ending, struct sl_runner *runner, bool ended)
{
    bool no_readings = ended && ending->no_readings > 0;

    if (ending->rejected > 0)
        sl_runner_warn(runner, "%" PRId64 " %s of the input couldn't be taken", ending->rejected,
                       ending->rejected == 1 ? "line" : "lines");
    if (ending->not_logged > 0)
        sl_runner_warn(runner,
                       "%" PRId64 " %s refused by the server and became %s; the lines above say "
                       "why, and so do its log and sensorlink-log gaps",
                       ending->not_logged,
                       ending->not_logged == 1 ? "reading was" : "readings were",
                       ending->not_logged == 1 ? "a gap" : "gaps");
    if (ending->given_up > 0)
        sl_runner_warn(runner, "%" PRId64 " %s given up or couldn't be kept, and became %s",
                       ending->given_up, ending->given_up == 1 ? "reading was" : "readings were",
                       ending->given_up == 1 ? "a gap" : "gaps");
    if (no_readings)
        sl_runner_warn(runner, "%" PRId64 " %s gave no reading", ending->no_readings,
                       ending->no_readings == 1 ? "measurement" : "measurements");
    return ending->rejected == 0 && ending->not_logged == 0 && ending->given_up == 0 &&
           !no_readings;
}

int sl_ending_tell_done(const struct sl_ending *ending, struct sl_runner *runner,
                        int64_t acknowledged, const char *why, bool ended)
{
    const char *what = "everything";

    if (ending->not_logged > 0)
        what = "what it could log";
    else if (ending->given_up > 0)
        what = "what wasn't given up";
    if (acknowledged > 0)
        sl_runner_tell(runner, "%s: %s is on the server's disk, up to reading %" PRId64, why, what,
                       acknowledged);
    else
        sl_runner_tell(runner, "%s: there was nothing to send", why);
    return tell_losses(ending, runner, ended) ? EX_OK : EX_DATAERR;
}

int sl_ending_tell_rest(const struct sl_ending *ending, struct sl_runner *runner,
                        const struct sl_rest *rest, const char *why, bool ended)
{
    if (rest->kept > 0)
        sl_runner_warn(
            runner, "%s: %" PRId64 " %s not acknowledged yet; the spool keeps %s for the next run",
            why, rest->kept, rest->kept == 1 ? "reading is" : "readings are",
            rest->kept == 1 ? "it" : "them");
    else if (rest->lost == 0)
        sl_runner_warn(runner, "%s: the server isn't told of all gaps yet; the next run does that",
                       why);
    if (rest->input)
        sl_runner_warn(runner, "%s: the rest of the input wasn't taken", why);
    (void)tell_losses(ending, runner, ended);
    if (rest->lost > 0) {
        sl_runner_warn(runner, "%s: %" PRId64 " %s couldn't be written to the spool and %s lost",
                       why, rest->lost, rest->lost == 1 ? "reading" : "readings",
                       rest->lost == 1 ? "is" : "are");
        return EX_IOERR;
    }
    if (ending->misfit)
        return EX_CONFIG;
    return ending->refused ? EX_NOPERM : EX_TEMPFAIL;
}
