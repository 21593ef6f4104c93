# SPDX-License-Identifier: Apache-2.0
"""One reading a record, as most sensors send: from when it is due until it is acknowledged.

Beside it stands what the disk alone takes at the same rate in the same run (bench_sync.c): the
least that a server can take that acknowledges only what is on the disk.
"""

import json
import statistics
import subprocess

from machine import row

NAME = "latency"
TITLE = "time until one reading is acknowledged, beside the disk's own sync"

# (readings a second, sessions that share them, seconds of a run)
RATES = ((1, 1, 6), (100, 100, 4), (1000, 100, 3))
WARM = (2000, 100, 3)  # before each run: until the write-ahead log has been around once
SHARES = (("p50", "median"), ("p99", "p99"), ("p999", "p99.9"), ("max", "most"))
GOAL = 2.0


def sync(place, rate, seconds):
    """Milliseconds of the disk alone."""
    path = place.folder / "sync"
    done = subprocess.run([place.bench / "bench_sync", path, str(rate), str(seconds)],
                          capture_output=True, text=True, check=True, timeout=10 * seconds)
    path.unlink()
    return in_ms(json.loads(done.stdout))


def in_ms(result):
    return {share: us / 1000 for share, us in result["latency_us"].items()}


def one_run(place, rate, sessions, seconds):
    """(ours, the disk's) in milliseconds; the disk is tried alone, just before."""
    disk = sync(place, rate, seconds)
    with place.server("--quiet") as server:
        before = report(place, server, *WARM)["readings"]
        result = report(place, server, rate, sessions, seconds)
        stored = server.count() - before
    if result["readings"] != stored:
        raise RuntimeError(f"sent {result['readings']}, stored {stored}")
    return in_ms(result), disk


def report(place, server, rate, sessions, seconds):
    """What the load generator says after a run; all is acknowledged."""
    result = place.load("--sessions", sessions, "--batch", 1, "--rate", rate, "--seconds", seconds,
                        port=server.port)
    if result["readings"] != result["acknowledged"] or result["unsent"]:
        raise RuntimeError(f"sent {result['readings']}, acknowledged {result['acknowledged']}, "
                           f"not sent {result['unsent']}")
    return result


def rows(rate, count, runs):
    """`count` readings a run aren't enough for every share: p99.9 of 40 is the most."""
    for share, words in SHARES:
        if share in ("p99", "p999") and count < (200 if share == "p99" else 2000):
            continue
        if share == "max" and count >= 200:
            continue
        ours = [run[share] for run, _ in runs]
        disk = statistics.median(run[share] for _, run in runs)
        times = statistics.median(run[share] / alone[share] for run, alone in runs)
        judged = share == "p99"
        yield row(f"{rate:,} a second: {words}", ours, "ms",
                  goal=f"under {GOAL:g} × the disk's" if judged else "",
                  met=times < GOAL if judged else None,
                  peer=f"disk alone {disk:.2f} ms: {times:.1f} ×")


def measure(place, runs, peers):
    del peers  # they don't sync
    for rate, sessions, seconds in RATES:
        found = []
        for number in range(runs):
            place.progress(f"latency: {rate} a second, run {number + 1} of {runs}")
            found.append(one_run(place, rate, sessions, seconds))
        yield from rows(rate, rate * seconds, found)
