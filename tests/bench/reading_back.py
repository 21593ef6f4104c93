# SPDX-License-Identifier: Apache-2.0
"""Reading back out of a large store, by whole commands with their start; and what followers cost
the server.

Two stores, because sensors send in two ways: what comes late comes in blocks of hundreds of
readings, and what comes at once in blocks of one. In the second every reading of a sensor lies in
a page of its own. It has a tenth of the readings and of the sensors, which makes no difference to
that, and takes a tenth of the time to make.
"""

import contextlib
import os
import statistics
import subprocess
import time

from machine import row
from server import Process, programs

NAME = "reading-back"
TITLE = "reading back out of 10 million readings, and what followers cost the server"

END = 1764000000
INTERVAL_S = 10
DAY_S = 86400
TIMES = 5  # a command, in each run

# what: sensors, readings, readings a block
STORES = {"blocks of 200": (1000, 10_000_000, 200), "blocks of one": (100, 1_000_000, 1)}
EXPORTED = 1_000_000
FORMATS = ("table", "csv", "json", "senml", "influx")

FOLLOWERS = 10
LOAD = ("--sessions", 100, "--batch", 1, "--rate", 1000, "--seconds", 3)


def fill(place, what):
    sensors, readings, block = STORES[what]
    place.progress(f"reading-back: making a store, {what}")
    store = place.new_folder() / "readings.db"
    subprocess.run([place.bench / "bench_fill", store, *map(str, (
        sensors, readings, block, INTERVAL_S, END))], check=True)
    return store


def run(place, store, *arguments, forget=False, out=os.devnull):
    """(seconds, CPU seconds) of one sensorlink-log, from before its start until after its end."""
    command = [place.bin / "sensorlink-log", "--store", store, *arguments]
    if forget:
        with open(store, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], [str(each) for each in command], os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)])
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {status}")
    return seconds, usage.ru_utime + usage.ru_stime


def check(place, store, arguments, count):
    """A command that is measured gives what it should."""
    out = place.folder / "out"
    run(place, store, *arguments, "--format", "csv", out=str(out))
    with open(out, "rb") as file:
        given = sum(1 for _ in file) - 1
    out.unlink()
    if given != count:
        raise RuntimeError(f"{arguments}: {given} readings, not {count}")


def timed(place, runs, store, what, arguments, count, goal_ms, note=""):
    """Rows of one question: in memory, and from the disk."""
    check(place, store, arguments, count)
    warm = [1000 * run(place, store, *arguments)[0] for _ in range(runs * TIMES)]
    cold = [1000 * run(place, store, *arguments, forget=True)[0] for _ in range(runs)]
    yield row(what, warm, "ms", goal=f"{goal_ms} ms or less", met=statistics.median(warm) <= goal_ms, note=note)
    yield row(f"{what}, nothing of it in memory", cold, "ms")


def questions(place, runs, store, what):
    sensor = f"sensor-{STORES[what][0] // 2}"
    day = ("readings", "--sensor", sensor, "--since", str(END - DAY_S))
    last = ("readings", "--sensor", sensor, "--last", "1")
    readings = DAY_S // INTERVAL_S
    yield from timed(place, runs, store, f"{what}: one sensor's last day", day, readings, 50,
                     f"{readings:,} readings")
    yield from timed(place, runs, store, f"{what}: one sensor's last value", last, 1, 5)
    sensors = [1000 * run(place, store, "sensors")[0] for _ in range(runs * TIMES)]
    yield row(f"{what}: all sensors", sensors, "ms", note=f"{STORES[what][0]:,}")


def exports(place, runs, store, what, formats):
    """What a reading costs where many are read."""
    sensors = STORES[what][0]
    since = str(END - EXPORTED // sensors * INTERVAL_S)
    check(place, store, ("readings", "--since", since), EXPORTED)
    for name in formats:
        place.progress(f"reading-back: {what}, {name}")
        spent = [run(place, store, "readings", "--since", since, "--format", name)[1]
                 for _ in range(runs)]
        yield row(f"{what}: a million readings as {name}, CPU of one",
                  [1e6 * each / EXPORTED for each in spent], "µs")


@contextlib.contextmanager
def following(place, server, count):
    """So many followers, which all have to see everything in the end."""
    folder = place.new_folder()
    followers = [Process(folder, place.bin / "sensorlink-log", "--store", server.store, "tail",
                         "--format", "csv") for _ in range(count)]
    try:
        for each in followers:
            each.wait_for("received,time")
        yield
        expected = 1 + server.count()
        for each in followers:
            programs.wait_for(lambda each=each: each.output.count("\n") == expected,
                              programs.DEADLINE, f"{expected} lines of a follower")
    finally:
        for each in followers:
            each.kill()


def follow(place, count):
    """(server's CPU us a reading, p99 in ms, MiB of the server's log) with so many followers."""
    with place.server("--quiet") as server, following(place, server, count):
        done = place.load(*LOAD, "--pid", server.pid, port=server.port)
        log = server.store.with_name(server.store.name + "-wal").stat().st_size
    if done["readings"] != done["acknowledged"]:
        raise RuntimeError(f"sent {done['readings']}, acknowledged {done['acknowledged']}")
    return (1e6 * done["peer_cpu_seconds"] / done["readings"], done["latency_us"]["p99"] / 1000,
            log / 2**20)


def followers(place, runs):
    """Rows: with followers, beside the same without, one after the other."""
    pairs = []
    for number in range(runs):
        place.progress(f"reading-back: followers, run {number + 1} of {runs}")
        pairs.append((follow(place, 0), follow(place, FOLLOWERS)))
    for at, (what, unit) in enumerate((("server's CPU a reading", "µs"),
                                       ("p99 until it is acknowledged", "ms"),
                                       ("server's write-ahead log", "MiB"))):
        alone = statistics.median(without[at] for without, _ in pairs)
        times = statistics.median(with_them[at] / without[at] for without, with_them in pairs)
        yield row(f"{FOLLOWERS} followers, 1,000 readings a second: {what}",
                  [with_them[at] for _, with_them in pairs], unit,
                  peer=f"without followers {alone:.2f} {unit}: {times:.2f} ×",
                  goal="nothing measurable" if at == 0 else "")


def measure(place, runs, peers):
    del peers  # they keep files of text
    for what, formats in (("blocks of 200", FORMATS), ("blocks of one", ("csv",))):
        store = fill(place, what)
        yield from questions(place, runs, store, what)
        yield from exports(place, runs, store, what, formats)
        store.unlink()
    yield from followers(place, runs)
