#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""strangers.py [--minutes M] [--rate N] [--tls V] [--chain N] -- what strangers cost the others.

A server with its defaults, and a sensor that is in and sends a reading at a time. First it's quiet
for --quiet seconds; then --rate strangers a second from --addresses addresses try a chain of
--chain rogue CAs (flood.py). Printed are the sensor's times from reading to acknowledgement, how
long sensors need that come in meanwhile, what the server spent, and what it said of the strangers.
Quiet and flood are measured in one run, because what counts is their ratio.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
NEWCOMER = "127.0.2.1"
NEWCOMER_PATIENCE_S = 20


class Phase:
    """What was measured in one stretch of time."""

    def __init__(self, name):
        self.name, self.acks, self.welcomes, self.kept_out = name, [], [], 0
        self.processor_s = self.seconds = 0.0

    def report(self):
        acks, welcomes = sorted(self.acks), sorted(self.welcomes)
        text = (f"{self.name}: {len(acks)} readings, to acknowledgement ms: median "
                f"{1000 * statistics.median(acks):.2f}, p99 {1000 * acks[len(acks) * 99 // 100]:.2f}, "
                f"most {1000 * acks[-1]:.2f}; server's processor time "
                f"{self.processor_s:.1f} s in {self.seconds:.1f} s")
        if welcomes or self.kept_out:
            middle = f"{1000 * statistics.median(welcomes):.0f} ms" if welcomes else "never"
            text += f"; newcomers in: {len(welcomes)}, median {middle}, not in: {self.kept_out}"
        return text


class Newcomers(threading.Thread):
    """A sensor a second, each from the same address that no stranger has, until stop()."""

    def __init__(self, programs, server, pair):
        super().__init__()
        self.programs, self.server, self.phase = programs, server, None
        self.context = programs.client_context(pair)
        self.ended = threading.Event()

    def come(self, number):
        begin = time.monotonic()
        with self.programs.socket.create_connection(
                self.server.address, NEWCOMER_PATIENCE_S, (NEWCOMER, 0)) as raw, \
                self.context.wrap_socket(raw, server_hostname="localhost") as sensor:
            sensor.sendall(b"stream %032x\n" % number)
            if not sensor.recv(4096).startswith(b"welcome "):
                raise ConnectionError("no welcome")
        return time.monotonic() - begin

    def run(self):
        number = 0
        while not self.ended.wait(1.0):
            number += 1
            phase = self.phase
            try:
                phase.welcomes.append(self.come(number))
            except OSError:
                phase.kept_out += 1

    def stop(self):
        self.ended.set()
        self.join()


class Reporter:
    """The sensor that is in."""

    def __init__(self, programs, server, pair, pace_s):
        self.sensor = programs.Sensor(server, pair)
        self.sensor.open()
        self.last, self.pace_s = 0, pace_s

    def report(self, phase, until):
        """Sends a reading at a time until until() is true."""
        while not until():
            self.last += 1
            begin = time.monotonic()
            self.sensor.say(f"{self.last} - t: {self.last}")
            self.sensor.wait_ack(self.last)
            phase.acks.append(time.monotonic() - begin)
            if self.pace_s:
                time.sleep(self.pace_s)


def reasons(server):
    """How often the log has each reason, and how many lines and connections it left out."""
    said = collections.Counter(re.findall(r"refused 127\.0\.1\.\d+:\d+: ([a-z0-9-]+): ",
                                          server.output))
    for name, pattern in (("not told", r"(\d+) lines about connections"),
                          ("turned away", r"turned away (\d+) conn")):
        count = sum(map(int, re.findall(pattern, server.output)))
        if count:
            said[name] = count
    return dict(said)


def flatten(server):
    """Gives all threads of the server the same priority, which takes root."""
    for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(task.name), os.getpriority(os.PRIO_PROCESS, server.pid))


def run(programs, folder, wanted):
    """Returns (quiet, flood, what the strangers say, what the server says)."""
    pki = programs.Pki(folder / "pki")
    rogue = pki.rogue_chain(wanted.chain, wanted.curve)
    server = programs.Server(folder, pki, "--quiet", *wanted.server)
    strangers = newcomers = None
    try:
        if wanted.flat:
            flatten(server)
        reporter = Reporter(programs, server, pki.sensor("attic"), wanted.pace)
        phases = [Phase("quiet"), Phase("strangers")]
        if wanted.newcomers:
            newcomers = Newcomers(programs, server, pki.sensor("newcomer"))
            newcomers.phase = phases[0]
            newcomers.start()
        for phase in phases:
            spent, begin = server.processor_seconds(), time.monotonic()
            if phase is phases[0]:
                reporter.report(phase, lambda: time.monotonic() - begin >= wanted.quiet)
            else:
                if newcomers:
                    newcomers.phase = phase
                strangers = subprocess.Popen(
                    [sys.executable, *map(str, (
                        HERE / "flood.py", server.address[1], rogue.cert, rogue.key, wanted.rate,
                        wanted.minutes * 60, wanted.addresses, wanted.tls))],
                    stdout=subprocess.PIPE)
                reporter.report(phase, lambda: strangers.poll() is not None)
            phase.seconds = time.monotonic() - begin
            phase.processor_s = server.processor_seconds() - spent
        if strangers.returncode != 0:
            raise AssertionError(f"the strangers ended with {strangers.returncode}")
        flood = json.loads(strangers.stdout.read())
        if newcomers:
            newcomers.stop()
        reporter.sensor.close()
        stored = server.numbers()
        if stored != list(range(1, reporter.last + 1)):
            raise AssertionError(f"{reporter.last} acknowledged, {len(stored)} stored")
        server.stop()
        return *phases, flood, reasons(server)
    finally:
        if newcomers and newcomers.is_alive():
            newcomers.stop()
        if strangers:
            strangers.kill()
            strangers.wait()
            strangers.stdout.close()
        server.kill()


def options(arguments=None):
    parser = argparse.ArgumentParser(description="What strangers cost the sensors that are in.")
    parser.add_argument("--minutes", type=float, default=0.5, help="of strangers [0.5]")
    parser.add_argument("--quiet", type=float, default=20.0, help="seconds without them before [20]")
    parser.add_argument("--rate", type=float, default=200.0, help="strangers a second [200]")
    parser.add_argument("--addresses", type=int, default=8, help="that they come from [8]")
    parser.add_argument("--chain", type=int, default=24, help="rogue CAs of each [24]")
    parser.add_argument("--curve", default="brainpoolP512r1", help="of their keys [brainpoolP512r1]")
    parser.add_argument("--tls", choices=("1.2", "1.3"), default="1.2", help="version [1.2]")
    parser.add_argument("--pace", type=float, default=0.05,
                        help="seconds between two readings [0.05]")
    parser.add_argument("--no-newcomers", dest="newcomers", action="store_false",
                        help="without a sensor that comes in each second")
    parser.add_argument("--flat", action="store_true",
                        help="as if handshake threads had the priority of the others (root only)")
    parser.add_argument("--server", action="append", default=[], metavar="OPTION",
                        help="an option for the server; may be repeated")
    parser.add_argument("--bin", default=os.environ.get("SENSORLINK_BIN_DIR"),
                        help="folder of the programs [$SENSORLINK_BIN_DIR]")
    wanted = parser.parse_args(arguments)
    if not wanted.bin:
        parser.error("--bin must name the folder of the built programs, such as build/gcc/bin")
    return wanted


def main():
    wanted = options()
    os.environ["SENSORLINK_BIN_DIR"] = str(pathlib.Path(wanted.bin).resolve())
    sys.path.insert(0, str(HERE.parents[1] / "support"))
    import programs
    with tempfile.TemporaryDirectory(prefix="sensorlink-strangers-") as name:
        quiet, strangers, flood, said = run(programs, pathlib.Path(name), wanted)
    print(f"{wanted.rate:g} strangers a second from {wanted.addresses} addresses, TLS {wanted.tls}, "
          f"{wanted.chain} CAs on {wanted.curve}: {flood['begun']} strangers were told "
          f"{flood['told']}, after {flood['median_s']:.3f} s in the median and "
          f"{flood['most_s']:.3f} s at most")
    print(f"the server said: {said}")
    print(quiet.report())
    print(strangers.report())
    before, after = statistics.median(quiet.acks), statistics.median(strangers.acks)
    late = sum(1 for ack in strangers.acks if ack > 5 * before) / len(strangers.acks)
    print(f"median under strangers by quiet median: {after / before:.2f}; "
          f"{100 * (1 - late):.1f} % of the readings within 5 quiet medians")
    return 0


if __name__ == "__main__":
    sys.exit(main())
