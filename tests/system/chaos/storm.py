#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""storm.py [--sensors N] [--down S] [--kill] [--resume] -- how sensors come back when their server restarts.

N sensors (storm.c: real links of libsensorlink, all in one process) connect to a server. When all
are welcome, it is ended with SIGTERM, which says `bye` to each, or with --kill by SIGKILL, which
says nothing, and started again --down seconds later. Printed are the pauses that the sensors drew,
how their returns spread, how many handshakes a second that made, and how long until all were back.
"""

import argparse
import collections
import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
CERTIFICATES = 16  # as in storm.c
PRINTED_LATER_MS = 100  # a busy machine may take so long between an event and its line


class Event(NamedTuple):
    at_ms: int
    sensor: int
    kind: str
    rest: list


def limits(sensors, handshakes=None):
    """Server options for sensors that all come from one address, `handshakes` of them at once.

    One address has a quarter of --max-handshakes, or all of a number below 8.
    """
    handshakes = handshakes or sensors + 100
    return ["--max-connections-per-address", sensors + 100, "--max-connections", sensors + 100,
            "--max-handshakes", handshakes if handshakes < 8 else 4 * handshakes]


class Storm:
    """Sensors in the background, whose events are read when asked for."""

    def __init__(self, program, folder, pki, port, sensors, pace_ms):
        self.certificates = certificates = folder / "certificates"
        certificates.mkdir()
        for number in range(CERTIFICATES):
            pair = pki.sensor(f"storm-{number}")
            for path in pair:
                (certificates / path.name).symlink_to(path)
        self._path = folder / "storm.out"
        with open(self._path, "wb") as output:
            self.process = subprocess.Popen(
                [*map(str, (program, port, pki.good_ca.cert, certificates, sensors, pace_ms))],
                stdin=subprocess.PIPE, stdout=output)
        self._read, self.events = 0, []

    def look(self):
        """Reads what was said since the last look; returns all events."""
        if self.process.poll() is not None:
            raise AssertionError(f"the sensors ended with {self.process.returncode}")
        with open(self._path, "rb") as output:
            output.seek(self._read)
            text = output.read()
        whole = text.rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        for line in whole.decode().splitlines():
            at_ms, sensor, kind, *rest = line.split()
            self.events.append(Event(int(at_ms), int(sensor), kind, rest))
        return self.events

    def wait(self, kind, sensors, since, deadline_s):
        """Waits until that kind of event has come from so many sensors; since in milliseconds."""
        end = time.monotonic() + deadline_s
        while True:
            here = {event.sensor for event in self.look()
                    if event.kind == kind and event.at_ms >= since}
            if len(here) == sensors:
                return
            if time.monotonic() > end:
                raise AssertionError(f"{len(here)} of {sensors} sensors: {kind} in {deadline_s} s")
            time.sleep(0.05)

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Return:
    """What the events between a server's end and the last welcome say. Times are in seconds."""

    def __init__(self, events, ended_ms, up_ms):
        events = [event for event in events if event.at_ms >= ended_ms]
        self.first = {}  # each sensor's first word after the end
        self.back = {}   # each sensor's first welcome, counted from the new server's start
        self.welcomes_ms = {}
        self.too_early = []
        self.reasons = collections.Counter()
        self.refused = set()
        self.attempts = collections.Counter()
        last_pause = {}
        for event in events:
            if event.kind not in ("pause", "welcome") or event.sensor in self.back:
                continue
            if event.sensor in last_pause:
                self.attempts[event.sensor] += 1
                before = last_pause[event.sensor]
                if event.at_ms + PRINTED_LATER_MS < before.at_ms + int(before.rest[0]):
                    self.too_early.append((before, event))
            if event.kind == "welcome":
                self.back[event.sensor] = (event.at_ms - up_ms) / 1000
                continue
            self.first.setdefault(event.sensor, event)
            last_pause[event.sensor] = event
            self.reasons[event.rest[2]] += 1
            if event.rest[1] != "0":
                self.refused.add(event.sensor)

    def pauses(self):
        """The first pause of each sensor."""
        return sorted(int(event.rest[0]) / 1000 for event in self.first.values())

    def first_reasons(self):
        return collections.Counter(event.rest[2] for event in self.first.values())

    def spread(self):
        """How far the first and the last moment lie apart at which sensors meant to return."""
        times = [event.at_ms + int(event.rest[0]) for event in self.first.values()]
        return (max(times) - min(times)) / 1000

    def busiest_second(self):
        """The most returns meant for one second, of any second that begins at such a return."""
        times = sorted(event.at_ms + int(event.rest[0]) for event in self.first.values())
        return max(sum(1 for at in times if begin <= at < begin + 1000) for begin in times)

    def welcomes_by_second(self):
        seconds = collections.Counter(int(at) for at in self.back.values())
        return [seconds[second] for second in range(max(seconds) + 1)]

    def report(self):
        pauses, back = self.pauses(), sorted(self.back.values())
        tries = sorted(self.attempts.values())
        yield f"first reasons: {dict(self.first_reasons())}"
        yield (f"first pauses: {pauses[0]:.2f} to {pauses[-1]:.2f} s, median "
               f"{statistics.median(pauses):.2f} s; returns spread over {self.spread():.2f} s, at "
               f"most {self.busiest_second()} in one second")
        yield f"tries until welcome: median {statistics.median(tries)}, most {tries[-1]}"
        yield f"all reasons: {dict(self.reasons)}; held for a refusal: {len(self.refused)} sensors"
        yield "back after the start, s: " + ", ".join(
            f"{name} {back[min(len(back) - 1, int(len(back) * part))]:.2f}"
            for name, part in (("first", 0), ("half", .5), ("90 %", .9), ("99 %", .99), ("all", 1)))
        yield f"welcomes in each second: {self.welcomes_by_second()}"
        yield f"returned before its pause was over: {len(self.too_early)}"


def restart(programs, server, storm, sensors, down_s, signum, more, deadline_s):
    """Ends the server and starts another; returns (that one, Return, a dict of figures)."""
    before, ended = storm.processor_seconds(), now_ms()
    if signum == signal.SIGTERM:
        server.stop()
    else:
        server.kill()
    figures = {"to say goodbye": (now_ms() - ended) / 1000}
    time.sleep(down_s)
    server = programs.Server(server.store.parent, server.pki, "--quiet", *more,
                             listen=f"127.0.0.1:{server.address[1]}")
    try:
        # Some are welcome before we see that it's up, so what counts is after the old one's end.
        up = now_ms()
        storm.wait("welcome", sensors, ended, deadline_s)
        done = Return(storm.events, ended, up)
        figures["server's processor seconds"] = server.processor_seconds()
        figures["sensors' processor seconds"] = storm.processor_seconds() - before
        figures["sessions resumed"] = server.output.count(", resumed\n")
        figures["server's peak memory, MiB"] = server.peak_memory() / (1 << 20)
        storm.wait("ack", sensors, ended, deadline_s)
    except BaseException:
        server.kill()
        raise
    return server, done, figures


def run(programs, folder, storm_program, sensors, down_s, signum, more, deadline_s, pace_ms=10):
    """One storm; returns (Return, a dict of figures)."""
    pki = programs.Pki(folder / "pki")
    server = programs.Server(folder, pki, "--quiet", *more)
    storm = None
    try:
        begin = now_ms()
        storm = Storm(storm_program, folder, pki, server.address[1], sensors, pace_ms)
        storm.wait("ack", sensors, begin, deadline_s)
        first, last = storm.events[0], storm.events[-1]
        opening_s = (last.at_ms - first.at_ms) / 1000
        server, done, figures = restart(programs, server, storm, sensors, down_s, signum, more,
                                        deadline_s)
        figures["first connections of all"] = opening_s
        code = storm.close()
        if code != 0:
            raise AssertionError(f"the sensors ended with {code}")
        server.stop()
        return done, figures
    finally:
        if storm and storm.process.poll() is None:
            storm.process.kill()
            storm.process.wait()
        server.kill()


def now_ms():
    return time.monotonic_ns() // 1_000_000


def main():
    parser = argparse.ArgumentParser(description="How sensors come back to a server that restarts.")
    parser.add_argument("--sensors", type=int, default=2000)
    parser.add_argument("--down", type=float, default=1.0, help="seconds without a server [1]")
    parser.add_argument("--pace", type=int, default=20,
                        help="milliseconds between two first connections [20]")
    parser.add_argument("--kill", action="store_true", help="SIGKILL instead of SIGTERM")
    parser.add_argument("--resume", action="store_true",
                        help="the server keeps its ticket keys, so sessions are resumed")
    parser.add_argument("--handshakes", type=int, default=256,
                        help="handshakes at once that the server takes [256]")
    parser.add_argument("--deadline", type=float, default=400.0, help="for each stage [400]")
    parser.add_argument("--bin", default=os.environ.get("SENSORLINK_BIN_DIR"),
                        help="folder of the programs [$SENSORLINK_BIN_DIR]")
    parser.add_argument("--storm", help="the program made of storm.c [beside the tests' programs]")
    wanted = parser.parse_args()
    if not wanted.bin:
        parser.error("--bin must name the folder of the built programs, such as build/gcc/bin")
    os.environ["SENSORLINK_BIN_DIR"] = str(pathlib.Path(wanted.bin).resolve())
    sys.path.insert(0, str(HERE.parents[1] / "support"))
    import programs
    storm = wanted.storm or programs.BIN.parent / "tests" / "system" / "storm"
    more = limits(wanted.sensors, wanted.handshakes)
    if wanted.resume:
        more += ["--ticket-keys", "tickets"]  # in the server's folder
    with tempfile.TemporaryDirectory(prefix="sensorlink-storm-") as name:
        done, figures = run(programs, pathlib.Path(name), storm, wanted.sensors, wanted.down,
                            signal.SIGKILL if wanted.kill else signal.SIGTERM, more,
                            wanted.deadline, wanted.pace)
    print(f"{wanted.sensors} sensors, {'SIGKILL' if wanted.kill else 'SIGTERM'}, down for "
          f"{wanted.down:g} s, {wanted.handshakes} handshakes at once"
          f"{', sessions resumed' if wanted.resume else ''}")
    print("\n".join(done.report()))
    print(", ".join(f"{what}: {value:.2f}" for what, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
