# SPDX-License-Identifier: Apache-2.0
"""The sensor's end: readings into its spool, a backlog out of it, and what its disk has to bear.

A reading a second is measured in a hundredth of the time: sensorlink-client reads a file a hundred
times a second, and --spool-sync is a hundredth as well. It does the same as in real time, for each
reading is committed and acknowledged before the next one comes. What it writes is what the kernel
counts for it (write_bytes of /proc/PID/io): the pages of files that it made the disk write. What a
file system writes for itself (a journal) comes on top.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

from machine import row
from server import Process, programs
from pki import free_port  # noqa: E402 (server.py says where that is)

NAME = "spool"
TITLE = "the sensor's spool: readings in, a backlog out, and what is written to its disk"

READINGS = 500_000
AWAY_S = 0.3  # how long a client without a server waits at the end of its input
LEAST_IN = 20_000
WINDOW = 10_000  # of client and load generator, in readings
BATCH = 200
NEAR = 0.9  # a drain is as fast as the load generator where it has so much of its rate

COMPRESSED = 100
SYNCS_S = (0, 5, 10, 60)  # --spool-sync
WARM_UP_S, WEAR_S = 1.5, 6

PUTS = 500


def lines(path):
    """The readings that are fed to a client, some 24 bytes each."""
    with open(path, "w", encoding="ascii") as file:
        for number in range(READINGS):
            file.write(f"temperature: {20 + number % 500 / 100:.2f} Cel\n")


def command(place, port, spool, *source, sensor=1):
    certificates = place.certificates()
    pair = certificates / "sensors" / f"sensor-{sensor}"
    return [str(each) for each in (
        place.bin / "sensorlink-client", "--host", "localhost", "--port", port, "--cafile",
        certificates / "ca.crt", "--cert", f"{pair}.crt", "--key", f"{pair}.key", "--spool", spool,
        *source)]


def run_client(arguments, stdin, expect, look=lambda line: None):
    """Runs it to its end; (seconds, CPU seconds). `look` sees each line that it prints."""
    begin = time.monotonic()
    with subprocess.Popen(arguments, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as client:
        said = []
        for line in client.stdout:
            look(line)
            said.append(line)
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
    if client.returncode != expect:
        raise RuntimeError(f"sensorlink-client ended with {client.returncode}: {''.join(said)}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime


def fill(place, path, spool):
    """Everything into the spool while there is no server; (readings/s, CPU us each)."""
    port = free_port()
    with open(path, "rb") as source:
        seconds, spent = run_client(
            command(place, port, spool, "--stdin", "--timeout", f"{AWAY_S}s", "--retry-min", "60s"),
            source, os.EX_TEMPFAIL)
    return READINGS / (seconds - AWAY_S), 1e6 * spent / READINGS


def drain(place, spool):
    """A waiting spool to the server; (readings/s, client's and server's CPU us each)."""
    moments = {}

    def look(line):
        for name, text in (("begin", "connected to"), ("end", "no more data: everything is on")):
            if line.startswith(text):
                moments[name] = time.monotonic()

    with place.server("--quiet") as server:
        spent_there = server.cpu_seconds()
        _, spent = run_client(command(place, server.port, spool, "--stdin", "--timeout", "60s",
                                      "--window", WINDOW), subprocess.DEVNULL, os.EX_OK, look)
        spent_there = server.cpu_seconds() - spent_there
        stored = server.count()
    if stored != READINGS:
        raise RuntimeError(f"{READINGS} waited, {stored} are stored")
    return (READINGS / (moments["end"] - moments["begin"]), 1e6 * spent / READINGS,
            1e6 * spent_there / READINGS)


def generated(place):
    """The same readings from the load generator; readings/s."""
    with place.server("--quiet") as server:
        done = place.load("--sessions", 1, "--batch", BATCH, "--window", WINDOW // BATCH,
                          "--readings", READINGS, port=server.port)
        stored = server.count()
    if stored != READINGS:
        raise RuntimeError(f"{READINGS} were sent, {stored} are stored")
    return done["rate"]


def backlogs(place, runs):
    """Rows about a backlog: in, and out."""
    folder = place.new_folder()
    lines(folder / "lines")
    filled, drained = [], []
    for number in range(runs):
        place.progress(f"spool: a backlog in and out, run {number + 1} of {runs}")
        filled.append(fill(place, folder / "lines", folder / "spool.db"))
        rate = generated(place)
        drained.append((*drain(place, folder / "spool.db"), rate))
        (folder / "spool.db").unlink()
    shutil.rmtree(folder)
    rates, spent = zip(*filled)
    yield row("into the spool with --stdin, no server: readings a second", rates, "/s",
              goal=f"{LEAST_IN:,} or more", met=statistics.median(rates) >= LEAST_IN,
              note=f"{READINGS:,} lines, from the start of the program to its end")
    yield row("into the spool: client's CPU a reading", spent, "µs")
    rates, spent, spent_there, generator = zip(*drained)
    share = statistics.median(rate / other for rate, other in zip(rates, generator))
    yield row(f"out of the spool, {READINGS:,} waiting: readings a second", rates, "/s",
              goal=f"as fast as records of {BATCH} lines", met=share >= NEAR,
              peer=f"load generator, one session: {statistics.median(generator):,.0f} /s "
                   f"({share:.2f} ×)",
              note="from welcome until all are acknowledged and forgotten")
    yield row("out of the spool: client's CPU a reading", spent, "µs",
              note="from the start of the program to its end")
    yield row("out of the spool: server's CPU a reading", spent_there, "µs")


def written(pid):
    text = pathlib.Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    return int(re.search(r"^write_bytes: (\d+)", text, re.MULTILINE)[1])


def readings_of(server, sensor):
    with contextlib.closing(programs.sqlite3.connect(f"file:{server.store}?mode=ro", uri=True,
                                                     timeout=programs.DEADLINE)) as store:
        return store.execute("SELECT count(*) FROM readings WHERE sensor = ?",
                             (f"sensor-{sensor}",)).fetchone()[0]


def wear(place):
    """[(bytes, CPU us) a reading for each of SYNCS_S]: one client each, all at the same time."""
    folder = place.new_folder()
    (folder / "source").write_text("21.37\n", encoding="ascii")
    clients = []
    with place.server("--quiet") as server, contextlib.ExitStack() as stack:
        for number, sync_s in enumerate(SYNCS_S):
            client = Process(folder, *command(
                place, server.port, folder / f"spool-{number}.db", "--read",
                f"temperature:Cel={folder / 'source'}", "--interval", f"{1000 // COMPRESSED}ms",
                "--spool-sync", f"{1000 * sync_s // COMPRESSED}ms", "--quiet", sensor=number + 1))
            stack.callback(client.kill)
            clients.append(client)

        def look():
            return [(written(client.pid), client.cpu_seconds(), readings_of(server, number + 1))
                    for number, client in enumerate(clients)]

        time.sleep(WARM_UP_S)
        before = look()
        time.sleep(WEAR_S)
        after = look()
    found = []
    for sync_s, (bytes0, spent0, count0), (bytes1, spent1, count1) in zip(SYNCS_S, before, after):
        if bytes1 == bytes0 or count1 - count0 < WEAR_S * COMPRESSED / 2:
            raise RuntimeError(f"--spool-sync {sync_s}s: {count1 - count0} readings, "
                               f"{bytes1 - bytes0} bytes")
        found.append(((bytes1 - bytes0) / (count1 - count0),
                      1e6 * (spent1 - spent0) / (count1 - count0)))
    return found


def flash(place, runs):
    """Rows about a sensor that measures once a second."""
    found = []
    for number in range(runs):
        place.progress(f"spool: a reading a second, run {number + 1} of {runs}")
        found.append(wear(place))
    usual = statistics.median(run[0][0] for run in found)
    for number, sync_s in enumerate(SYNCS_S):
        values = [run[number][0] for run in found]
        times = usual / statistics.median(values)
        yield row(f"one a second, --spool-sync {sync_s}s: bytes to the disk a reading", values, "",
                  note="the default" if sync_s == 0 else f"{times:.1f} times less; a crash loses "
                       f"{sync_s} s at most")
    yield row("one a second: client's CPU a reading", [run[0][1] for run in found], "µs",
              note="measure, commit, send, receive the acknowledgement")


def puts(place, runs):
    """Rows about how long a reading takes until it is safe, beside the disk alone."""
    found, disk = [], []
    for _ in range(runs):
        folder = place.new_folder()
        done = subprocess.run([place.bench / "bench_sync", folder / "sync", "1e6", "1"],
                              capture_output=True, text=True, check=True, timeout=60)
        disk.append(json.loads(done.stdout)["latency_us"])
        done = subprocess.run([place.bench / "bench_spool", folder / "spool.db", str(PUTS)],
                              capture_output=True, text=True, check=True, timeout=60)
        found.append(json.loads(done.stdout)["put_us"])
        shutil.rmtree(folder)
    for share, words in (("p50", "median"), ("p99", "p99")):
        alone = statistics.median(run[share] for run in disk) / 1000
        yield row(f"until one reading is safe: {words}", [run[share] / 1000 for run in found], "ms",
                  peer=f"disk alone {alone:.2f} ms")


def measure(place, runs, peers):
    del peers  # they keep nothing at the sensor
    yield from backlogs(place, runs)
    yield from flash(place, runs)
    yield from puts(place, runs)
