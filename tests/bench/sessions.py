# SPDX-License-Identifier: Apache-2.0
"""Many sessions that are open and say nothing, or a reading each minute: memory and CPU of each.

Memory is what is resident (VmRSS), less what the server has without sessions; the kernel's own for
a connection isn't in it. All sessions but a few are resumed, so that thousands are soon open; what
a full handshake leaves behind is measured with fewer. Sources are 100 addresses of loopback.
"""

import resource
import time

from machine import row

NAME = "sessions"
TITLE = "many sessions: what an idle one costs"

COUNTS = (100, 1000, 5000, 20000)
FULL = 500
SOURCES = 100
IDLE_S, REPORT_S = 3, 6
SETTLE_S = 0.5
KEPT = 100  # descriptors that a server needs beside its sessions
GOAL_KIB = 20


def possible(count):
    """As many of `count` sessions as one process may have descriptors for, in hundreds."""
    wanted = count + KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:  # as server and generator will: root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, wanted))
        except (ValueError, PermissionError):
            return (hard - KEPT) // 100 * 100
    return count


class Figures:
    """Of one server with `count` sessions: at first they say nothing, then they report."""

    def __init__(self, place, count, *options):
        self.rate = max(1, round(count / 60))
        with place.server("--quiet", "--max-connections", count + KEPT,
                          "--max-connections-per-address", count) as server:
            without, begin = server.rss_kib(), time.monotonic()

            def look():
                self.seconds = time.monotonic() - begin
                time.sleep(SETTLE_S)
                self.kib = (server.rss_kib() - without) / count
                self.idle = processor(server, IDLE_S)

            done = place.load("--sessions", count, "--sources", SOURCES, "--rate", self.rate,
                              "--seconds", REPORT_S, "--pid", server.pid, *options,
                              port=server.port, begin=look)
        if not done["sessions"] - done["failed"] == count or done["unsent"] or \
                done["acknowledged"] != done["readings"]:
            raise RuntimeError(f"not all of {count} sessions did what they should: {done}")
        self.reporting = 100 * done["peer_cpu_seconds"] / done["seconds"]
        self.each_us = 1e6 * done["peer_cpu_seconds"] / done["readings"]


def processor(server, seconds):
    """Percent of one processor that the server uses in this time."""
    before, begin = server.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return 100 * (server.cpu_seconds() - before) / (time.monotonic() - begin)


def rows(place, wanted, runs):
    count = possible(wanted)
    note = "" if count == wanted else f"no {wanted:,}: the system allows no process more open files"
    done = []
    for number in range(runs):
        place.progress(f"sessions: {count:,}, run {number + 1} of {runs}")
        done.append(Figures(place, count, "--resume"))
    yield row(f"{count:,} idle: memory of each", [each.kib for each in done], "KiB",
              goal=f"at most {GOAL_KIB}" if wanted == COUNTS[-1] else "", note=note)
    yield row(f"{count:,} idle: CPU", [each.idle for each in done], "%", note=note)
    yield row(f"{count:,}, a reading a minute each: CPU", [each.reporting for each in done], "%",
              peer=f"{done[0].rate} readings a second, each synced: {done[0].each_us:.0f} µs each",
              note=note)
    yield row(f"{count:,}: all open after", [each.seconds for each in done], "s", note=note)


def measure(place, runs, peers):
    del peers
    for count in COUNTS:
        yield from rows(place, count, runs if count <= 1000 else 1)
    place.progress(f"sessions: {FULL} after full handshakes")
    yield row(f"{FULL} idle, none resumed: memory of each", [Figures(place, FULL).kib], "KiB")
