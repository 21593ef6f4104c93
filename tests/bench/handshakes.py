# SPDX-License-Identifier: Apache-2.0
"""What a handshake costs the server, full and resumed, and whether readings wait for handshakes.

The least that a full one can cost are the five operations that it is made of; bench_primitives
measures them and whole handshakes in one process, one after the other. Then real connections:
accept, TLS, admission, the stream's opening, `welcome`, goodbye. The load generator calculates as
much as the server, on the same processors, so rates say little here, and processor time counts.

That handshake threads are saturated is the work of `openssl s_time`, which needs a tenth of the
server's time for a handshake; it runs at nice 19, as if it were on another machine.
"""

import contextlib
import json
import shutil
import statistics
import subprocess
import time

from machine import row
from server import Place

NAME = "handshakes"
TITLE = "what handshakes cost the server, and the readings of others"

ROUNDS = 40
FULL = ("--connects", 150, "--sessions", 16)
RESUMED = ("--connects", 3000, "--sessions", 32, "--resume")
ONE_BY_ONE = ("--connects", 1000, "--sessions", 1, "--resume")
ADDRESSES = ("--sources", 8)
RATIO, RESUMED_US, WAIT = 1.15, 150, 2
READINGS = ("--sessions", 20, "--batch", 1, "--rate", 100, "--seconds", 4)
FLOODS = 6  # more than the handshake threads, which then always have something to do
SETTLE_S = 1
NEW_SESSIONS = ("-new", "-time", 60)


def authority(place, kind):
    """A CA with a key of that kind, a server and a sensor; made once for a build."""
    folder = place.bench / f"authority-{kind}"
    if not (folder / "sensor.key").exists():
        shutil.rmtree(folder, ignore_errors=True)
        Place.certs("init", folder, "--ca-key", kind)
        Place.certs("server", folder, "server", "localhost")
        Place.certs("sensor", folder, "sensor")
    return folder


def primitives(place, kind="p256", threads=1, rounds=ROUNDS):
    folder = authority(place, kind)
    return json.loads(subprocess.run(
        [place.bench / "bench_primitives", "--cafile", folder / "ca.crt", "--server",
         folder / "server", "--sensor", folder / "sensor", "--rounds", str(rounds), "--threads",
         str(threads)], stdout=subprocess.PIPE, check=True, timeout=120).stdout)


def in_memory(place, runs):
    """Whole handshakes without sockets, beside the sum of what they are made of."""
    for kind, words in (("p256", "EC"), ("rsa3072", "RSA")):
        place.progress(f"handshakes: {words} CA, in memory")
        found = [primitives(place, kind) for _ in range(runs)]
        for version in ("1.2", "1.3"):
            if f"full {version}" not in found[0]["us"]:
                continue
            ratio = statistics.median(each[f"ratio {version}"] for each in found)
            total = statistics.median(each["us"]["sum"]["median"] for each in found)
            yield row(f"full, {words} CA, TLS {version}, in memory: CPU",
                      [each["us"][f"full {version}"]["median"] / 1000 for each in found], "ms",
                      peer=f"its operations {total / 1000:.2f} ms: {ratio:.2f} ×",
                      goal=f"at most {RATIO} × them", met=ratio <= RATIO)
            yield row(f"resumed, {words} CA, TLS {version}, in memory: CPU",
                      [each["us"][f"resumed {version}"]["median"] for each in found], "µs")


def scaling(place, runs):
    """The same with two threads that share all that a server's share: does each cost more?"""
    place.progress("handshakes: two threads")
    ratios = []
    for _ in range(runs):
        one, two = primitives(place), primitives(place, threads=2)
        ratios.append({what: two["us"][what]["median"] / one["us"][what]["median"]
                       for what in ("full 1.2", "resumed 1.2")})
    for what in ratios[0]:
        yield row(f"{what}: CPU in each of two threads", [each[what] for each in ratios],
                  "× one", goal="at most 1.1",
                  note="where it's 1, two threads do twice as many as one")


def connections(place, what, server_options=()):
    """(CPU µs of the server, handshakes a second) of a run of bench_load; what it printed."""
    with place.server("--quiet", *server_options) as server:
        done = place.load(*what, *ADDRESSES, "--pid", server.pid, port=server.port)
    if done["failed"] or ("--resume" in what and done["resumed"] != done["handshakes"]):
        raise RuntimeError(f"not all as they should be: {done}")
    return 1e6 * done["peer_cpu_seconds"] / done["handshakes"], done


def full(place, runs):
    pairs = []
    for _ in range(runs):
        place.progress("handshakes: full ones")
        total = primitives(place)["us"]["sum"]["median"]
        pairs.append((connections(place, FULL), total))
    ratio = statistics.median(us / total for (us, _), total in pairs)
    total = statistics.median(total for _, total in pairs)
    yield row("full connection: server's CPU", [us / 1000 for (us, _), _ in pairs], "ms",
              peer=f"its operations {total / 1000:.2f} ms: {ratio:.2f} ×",
              goal=f"at most {RATIO} × them", met=ratio <= RATIO,
              note="from accept to close, 16 at a time, with the stream's opening and `welcome`")


def resumed(place, runs):
    new = "1.3" in primitives(place, rounds=1)["library"]
    version = "1.3" if new else "1.2"
    for words, what in (("32 at a time", RESUMED), ("one at a time", ONE_BY_ONE)):
        place.progress(f"handshakes: resumed ones, {words}")
        found = [connections(place, what)[0] for _ in range(runs)]
        judged = not new and what is RESUMED
        yield row(f"resumed connection, TLS {version}, {words}: server's CPU", found, "µs",
                  goal=f"at most {RESUMED_US}" if judged else "",
                  note="each sensor comes back with its stream within a minute")


def threads(place, runs):
    for count in (1, 2):
        place.progress(f"handshakes: {count} handshake threads")
        found = [connections(place, FULL, ("--handshake-threads", count))[1]
                 for _ in range(runs)]
        yield row(f"full connections a second, {count} handshake thread{'s' * (count > 1)}",
                  [each["handshakes"] / each["seconds"] for each in found], "/s",
                  note="the load generator calculates as much on the same processors")


@contextlib.contextmanager
def flood(place, port):
    """Full handshakes without end, as many as the handshake threads can do."""
    certificates = place.certificates()
    pair = certificates / "sensors" / "sensor-1"
    with contextlib.ExitStack() as stack:
        for _ in range(FLOODS):
            process = stack.enter_context(subprocess.Popen(
                ["nice", "-n", "19", "openssl", "s_time", "-connect", f"127.0.0.1:{port}",
                 "-cert", f"{pair}.crt", "-key", f"{pair}.key", "-CAfile",
                 certificates / "ca.crt", *map(str, NEW_SESSIONS)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(process.kill)
        time.sleep(SETTLE_S)
        yield


def beside_a_flood(place):
    """(quiet, flooded) p99 in ms, and how many processors the server had in the flood."""
    with place.server("--quiet") as server:
        quiet = place.load(*READINGS, port=server.port)
        with flood(place, server.port):
            spent, begin = server.cpu_seconds(), time.monotonic()
            flooded = place.load(*READINGS, port=server.port)
            busy = (server.cpu_seconds() - spent) / (time.monotonic() - begin)
    return quiet["latency_us"]["p99"] / 1000, flooded["latency_us"]["p99"] / 1000, busy


def waiting(place, runs):
    place.progress("handshakes: readings beside a flood of handshakes")
    found = [beside_a_flood(place) for _ in range(runs)]
    quiet = statistics.median(quiet for quiet, _, _ in found)
    times = statistics.median(flooded / quiet for quiet, flooded, _ in found)
    busy = statistics.median(busy for _, _, busy in found)
    yield row("readings of sensors that are in, beside a flood of handshakes: p99",
              [flooded for _, flooded, _ in found], "ms",
              peer=f"quiet {quiet:.2f} ms: {times:.1f} ×", goal=f"under {WAIT} × the quiet one",
              met=times < WAIT,
              note=f"100 readings a second of 20 sensors; the server had {busy:.1f} processors")


def measure(place, runs, peers):
    del peers  # their handshakes are OpenSSL's
    for part in (in_memory, scaling, full, resumed, threads, waiting):
        yield from part(place, runs)
