# SPDX-License-Identifier: Apache-2.0
"""Durable readings a second: acknowledged after the sync, and counted in the store afterwards.

Peers get the same readings from the same sensors, one run of theirs after one of ours. They
acknowledge nothing or nothing that is on a disk, and none of them syncs: see docs/benchmarks.md.
"""

import shutil
import statistics
import time

from machine import row

NAME = "ingest"
TITLE = "durable readings a second, acknowledged after the disk's sync"

SESSIONS = (10, 1000)
BATCHES = (1, 20, 200)
COMPARED = 10  # sessions, against the peers, with the following batches and how much
SECONDS = ("--seconds", 2)
WINDOW = 16  # records of a session that aren't acknowledged, unless said otherwise
AMOUNTS = {1: ("--readings", 60000), 200: SECONDS}
PER_ADDRESS = ("--quiet", "--max-connections-per-address", 2000)

GOALS = {"syslog-ng": 1, "rsyslog": 1, "mosquitto": 10}  # times the peer's rate, at 200 a record


# A run removes its files, so that the next one need not wait for their way to the disk.


class Result:
    """Of one run: readings, how long and how much server's CPU until all were in the file."""

    def __init__(self, readings, seconds, cpu_seconds):
        self.readings, self.rate = readings, readings / seconds
        self.cpu_us = 1e6 * cpu_seconds / readings


def ours(place, sessions, batch, amount=SECONDS):
    with place.server(*PER_ADDRESS) as server:
        done = place.load("--sessions", sessions, "--batch", batch, *amount, "--resume", "--pid",
                          server.pid, port=server.port)
        stored = server.count()
    shutil.rmtree(server.store.parent)
    if not done["readings"] == done["acknowledged"] == stored:
        raise RuntimeError(f"sent {done['readings']}, acknowledged {done['acknowledged']}, "
                           f"stored {stored}")
    return Result(stored, done["seconds"], done["peer_cpu_seconds"])


def plain(place, sessions, batch):
    """Plain lines are answered by nothing: all is stored once the server has ended in order."""
    with place.server(*PER_ADDRESS) as server:
        done = place.load("--mode", "plain", "--sessions", sessions, "--batch", batch, *SECONDS,
                          "--pid", server.pid, port=server.port)
    stored = server.count()
    shutil.rmtree(server.store.parent)
    if done["readings"] != stored:
        raise RuntimeError(f"sent {done['readings']}, stored {stored}")
    return Result(stored, done["seconds"], done["peer_cpu_seconds"])


def theirs(place, peer, sessions, batch, amount=SECONDS):
    """It is over once all lines are in the file, which may be a while after the last was sent."""
    begun = {}
    # A message has one reading, and as many readings are to be under way as with us.
    window = ("--window", WINDOW * batch) if peer.MODE == "mqtt" else ()
    with peer.start(place) as running:
        def begin():
            begun.update(at=time.time(), spent=running.cpu_seconds())
        done = place.load("--mode", peer.MODE, "--sessions", sessions, "--batch", batch, *amount,
                          *window, port=running.port, begin=begin)
        written = running.wait_lines(done["readings"])
        spent = running.cpu_seconds() - begun["spent"]
    shutil.rmtree(running.folder)
    return Result(done["readings"], written - begun["at"], spent)


def rows(what, results, note=""):
    yield row(f"{what}: readings a second", [each.rate for each in results], "/s", note=note)
    yield row(f"{what}: server's CPU a reading", [each.cpu_us for each in results], "µs",
              note=note)


def compare(peer, batch, pairs):
    """Rows about pairs of (ours, theirs)."""
    goal = GOALS.get(peer.NAME) if batch == 200 else None
    for what, unit, figure in (("readings a second", "/s", lambda each: each.rate),
                               ("server's CPU a reading", "µs", lambda each: each.cpu_us)):
        rate = unit == "/s"
        our = [figure(each) for each, _ in pairs]
        their = statistics.median(figure(each) for _, each in pairs)
        ratio = statistics.median(figure(each) / figure(other) for each, other in pairs)
        yield row(f"beside {peer.NAME}, {batch} a record: {what}", our, unit,
                  peer=f"{peer.NAME} {their:,.{0 if rate else 2}f} {unit}: {ratio:.2f} ×",
                  goal=f"over {goal} × its rate" if goal and rate else "",
                  met=ratio > goal if goal and rate else None)


def beside(place, runs, peer):
    for batch, amount in AMOUNTS.items():
        pairs = []
        for number in range(runs):
            place.progress(f"ingest: beside {peer.NAME}, {batch} a record, run {number + 1}")
            pairs.append((ours(place, COMPARED, batch, amount),
                          theirs(place, peer, COMPARED, batch, amount)))
        yield from compare(peer, batch, pairs)


def measure(place, runs, peers):
    for sessions in SESSIONS:
        for batch in BATCHES:
            what = f"{sessions:,} sessions, {batch} a record"
            place.progress(f"ingest: {what}")
            yield from rows(what, [ours(place, sessions, batch) for _ in range(runs)])
    place.progress("ingest: plain lines")
    yield from rows("plain lines, 10 sessions, 20 a record", [plain(place, 10, 20)],
                    "one run; the server answers nothing")
    for peer in peers:
        with place.failures.kept(f"ingest beside {peer.NAME}"):
            yield from beside(place, runs, peer)
