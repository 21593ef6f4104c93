# SPDX-License-Identifier: Apache-2.0
"""2,000 sensors whose server restarts: how long until all are welcome again.

The sensors are those of tests/system/chaos/storm.py: links of libsensorlink in one process, with
the client's default pauses, each with a stream and a TLS session of its own. They see three
restarts in turn, each a second long: one whose server can't read their tickets, one whose server
can (--ticket-keys), and one after a kill, whose server can. Seconds count from when the new server
listens. Sensors and server share the machine, so a full handshake costs it both halves.
"""

import pathlib
import signal
import sys

from machine import row
from server import REPOSITORY, programs

sys.path.insert(0, str(REPOSITORY / "tests" / "system" / "chaos"))
import storm  # noqa: E402 (the line above says where it is)

NAME = "restart"
TITLE = "2,000 sensors come back after their server restarts"

SENSORS = 2000
PACE_MS = 14  # between two first connections: what two halves of a handshake take
DOWN_S = 1.0
DEADLINE_S = 240
TIMES = 10
KEYS = ("--ticket-keys", "tickets")  # in the server's folder

# After a goodbye it's the server that says when to come back, so the killed ones are compared.
ROUNDS = (
    ("killed, full handshakes", signal.SIGKILL, KEYS),  # the server before it kept no keys
    ("killed, sessions resumed", signal.SIGKILL, KEYS),
    ("ended with goodbyes, sessions resumed", signal.SIGTERM, KEYS),
)


def rounds(place, folder):
    """(words, seconds of each sensor, figures) of each restart."""
    limits = storm.limits(SENSORS, 256)
    pki = programs.Pki(folder / "pki")
    server = programs.Server(folder, pki, "--quiet", *limits)
    sensors = None
    try:
        begin = storm.now_ms()
        sensors = storm.Storm(place.build / "tests" / "system" / "storm", folder, pki,
                              server.address[1], SENSORS, PACE_MS)
        sensors.wait("ack", SENSORS, begin, DEADLINE_S)
        for words, signum, more in ROUNDS:
            place.progress(f"restart: {words}")
            server, done, figures = storm.restart(programs, server, sensors, SENSORS, DOWN_S,
                                                  signum, [*limits, *more], DEADLINE_S)
            yield words, sorted(done.back.values()), figures
        sensors.close()
        server.stop()
    finally:
        if sensors and sensors.process.poll() is None:
            sensors.process.kill()
            sensors.process.wait()
        server.kill()


def measure(place, runs, peers):
    """One run, however many are asked for: it takes a minute."""
    del runs, peers
    place.progress("restart: 2,000 sensors connect")
    slowest = None
    for words, back, figures in rounds(place, pathlib.Path(place.new_folder())):
        last, resumed = back[-1], figures["sessions resumed"]
        if (resumed == 0) != (slowest is None):
            raise RuntimeError(f"{words}: {resumed:.0f} sessions were resumed")
        ordinary = slowest is not None and words == "killed, sessions resumed"
        yield row(f"{words}: all are welcome after", [last], "s",
                  goal=f"at least {TIMES} × faster" if ordinary else "",
                  met=slowest / last >= TIMES if ordinary else None,
                  peer=f"full handshakes {slowest:.1f} s: {slowest / last:.1f} ×"
                  if slowest else "", note="one run")
        yield row(f"{words}: half of them after", [back[len(back) // 2]], "s", note="one run")
        yield row(f"{words}: server's CPU for all", [figures["server's processor seconds"]], "s",
                  note="one run")
        slowest = slowest or last
