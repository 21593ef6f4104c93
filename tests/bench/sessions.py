# SPDX-License-Identifier: Apache-2.0
"""What sessions cost that do nothing, and that report once a minute: memory and processor time.

Sessions come from several addresses of the loopback. Most of them are resumed, because the load
generator would take minutes for so many full handshakes; what a session costs afterwards is the
same but for a copy of the sensor's certificate, which a resumed one has from its ticket.
"""

import contextlib
import json
import resource
import subprocess
import time

from machine import row

NAME = "sessions"
TITLE = "idle sessions, up to 20,000"

COUNTS = (100, 1000, 5000, 20000)
SPARE = 100  # open files of a process that aren't sessions
ADDRESSES = 8
GOAL_KIB = 20
IDLE_S, REPORT_S = 4, 10
SETTLE_S = 1
DEADLINE_S = 180


def most_sessions():
    """As many as the hard limit of open files allows; more can't be had by asking."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE


@contextlib.contextmanager
def held(place, server, count, *options):
    """`count` sessions that stay open; yields the process and the seconds that opening took."""
    begin = time.monotonic()
    with subprocess.Popen(
            place.load_command("--sessions", count, "--sources", ADDRESSES, "--resume", "--idle",
                               *options, port=server.port),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            if said.split() != ["open", str(count)]:
                raise RuntimeError(f"of {count} sessions: {said.strip() or 'nothing'}")
            yield process, time.monotonic() - begin
        except BaseException:
            process.kill()
            raise


def busy(server, seconds):
    """The share of a processor that the server has in the next seconds, in percent."""
    begin, cpu = time.monotonic(), server.cpu_seconds()
    time.sleep(seconds)
    return 100 * (server.cpu_seconds() - cpu) / (time.monotonic() - begin)


def limits(count):
    return ("--quiet", "--max-connections", count + SPARE // 2, "--max-connections-per-address",
            count, "--idle-timeout", DEADLINE_S)


def one_size(place, count):
    """(KiB a session, seconds to open all, percent idle, percent reporting once a minute)."""
    with place.server(*limits(count)) as server:
        empty = server.rss_kib()
        with held(place, server, count) as (process, seconds):
            time.sleep(SETTLE_S)  # goodbyes of the load generator's first sessions
            each = (server.rss_kib() - empty) / count
            idle = busy(server, IDLE_S)
            process.communicate("\n", timeout=DEADLINE_S)
    with place.server(*limits(count)) as server:
        with held(place, server, count, "--rate", max(1, round(count / 60))) as (process, _):
            time.sleep(SETTLE_S)
            reporting = busy(server, REPORT_S)
            said, _ = process.communicate("\n", timeout=DEADLINE_S)
        done = json.loads(said)
        if done["failed"] or done["acknowledged"] != server.count():
            raise RuntimeError(f"not all as they should be: {done}")
    return each, seconds, idle, reporting


def measure(place, runs, peers):
    """One run a size: opening so many takes long, and what they cost then hardly varies."""
    del runs, peers
    for count in COUNTS:
        count = min(count, most_sessions())
        place.progress(f"sessions: {count:,}")
        each, seconds, idle, reporting = one_size(place, count)
        yield row(f"{count:,} sessions: resident memory of the server, each", [each], "KiB",
                  goal=f"at most {GOAL_KIB}", met=each <= GOAL_KIB,
                  note=f"all open after {seconds:.1f} s, nearly all resumed")
        yield row(f"{count:,} sessions: the server's CPU, idle", [idle], "% of one")
        yield row(f"{count:,} sessions: one reading a minute each", [reporting], "% of one",
                  note="each synced and acknowledged")
