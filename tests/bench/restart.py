# SPDX-License-Identifier: Apache-2.0
"""2,000 sensors come back after the server was killed: how long until the last is welcome?

With --ticket-keys the next server can read the tickets of the one before, so their sessions are
resumed; without, each makes a full handshake. The sensors are links of libsensorlink with its
pauses (tests/system/chaos/storm.py, which says more about each return).
"""

import os
import pathlib
import signal
import sys
import tempfile

from machine import row
from server import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests" / "system" / "chaos"))

import programs  # noqa: E402 (server.py has said where)
import storm  # noqa: E402

NAME = "restart"
TITLE = "2,000 sensors come back after the server was killed"

SENSORS = 2000
HANDSHAKES = 256  # at once that the server takes
DOWN_S = 1
PACE_MS = 10  # between two first connections
DEADLINE_S = 240
GOAL = 10
PROCESSOR = "server's processor seconds"  # as storm.py calls it


def back(place, *more):
    """(seconds from the new server's start until all are welcome, figures of storm.py)."""
    with tempfile.TemporaryDirectory(dir=place.folder) as name:
        done, figures = storm.run(
            programs, pathlib.Path(name), place.build / "tests" / "system" / "storm", SENSORS,
            DOWN_S, signal.SIGKILL, [*storm.limits(SENSORS, HANDSHAKES), *more], DEADLINE_S,
            PACE_MS)
    return max(done.back.values()), figures


def measure(place, runs, peers):
    """One run each: opening 2,000 sessions takes longer than what is measured."""
    del runs, peers
    os.environ["SENSORLINK_BIN_DIR"] = str(place.bin)
    place.progress("restart: without resumption")
    full, figures = back(place)
    yield row("without resumption: until all are welcome", [full], "s",
              note=f"{figures[PROCESSOR]:.1f} s of the server's CPU; sensors on the same machine")
    place.progress("restart: with resumption")
    resumed, figures = back(place, "--ticket-keys", "tickets")
    if figures["sessions resumed"] < SENSORS:
        raise RuntimeError(f"{figures['sessions resumed']:.0f} of {SENSORS} were resumed")
    yield row("with --ticket-keys", [resumed], "s", goal=f"a {GOAL}th of that, or less",
              met=resumed * GOAL <= full, peer=f"without: {full / resumed:.1f} × as long",
              note=f"{figures[PROCESSOR]:.1f} s of the server's CPU")
