# SPDX-License-Identifier: Apache-2.0
"""Compares what sensors produced with what the store holds.

Every sensor feeds the values 1, 2, 3, ... in that order, under a reading name that says which
sensor it is. Its spool numbers readings 1, 2, 3, ... too. So wherever a reading turns up, it says
by itself whose it is and which one: the reading with number n must be there once, have the value
n, stand behind n - 1 in the order of storing, and carry the name of the sensor's certificate.
"""

import csv
import decimal
from typing import NamedTuple


class Produced(NamedTuple):
    """What one sensor produced: the values 1 to `last`, on this stream."""

    sensor: str
    stream: str
    last: int


COUNTS = ("lost", "twice", "out of order", "under a wrong name", "never produced",
          "renumbered", "received went back")


def reading_name(sensor):
    """The name of a sensor's readings."""
    return f"of-{sensor}"


class Verdict:
    """Takes the rows of `sensorlink-log readings --format csv` in the order of storing."""

    def __init__(self, produced):
        self.counts = dict.fromkeys(COUNTS, 0)
        self.examples = []
        self.rows = 0
        self._produced = {reading_name(one.sensor): one for one in produced}
        self._seen = {name: bytearray(one.last + 1) for name, one in self._produced.items()}
        self._highest = dict.fromkeys(self._produced, 0)
        self._received = decimal.Decimal(0)

    def take(self, row):
        self.rows += 1
        received = decimal.Decimal(row["received"])
        if received < self._received:
            self._count("received went back", row)
        self._received = received
        one = self._produced.get(row["name"])
        value = int(row["value"]) if row["value"].isdigit() else 0
        if one is None or not 1 <= value <= one.last:
            self._count("never produced", row)
            return
        if row["sensor"] != one.sensor or row["stream"] != one.stream:
            self._count("under a wrong name", row)
        if int(row["seq"]) != value:
            self._count("renumbered", row)
        seen = self._seen[row["name"]]
        if seen[value]:
            self._count("twice", row)
        elif value < self._highest[row["name"]]:
            self._count("out of order", row)
        seen[value] = 1
        self._highest[row["name"]] = max(value, self._highest[row["name"]])

    def finish(self):
        """Counts what never came; returns the sum of all faults."""
        for name, seen in self._seen.items():
            missing = seen.count(0) - 1  # there is no reading 0
            self.counts["lost"] += missing
            if missing:
                self.examples.append(f"lost: {name} {seen.find(0, 1)}")
        return sum(self.counts.values())

    def _count(self, what, row):
        self.counts[what] += 1
        if len(self.examples) < 20:
            self.examples.append(f"{what}: {dict(row)}")


def judge(produced, csv_lines):
    """A finished Verdict on an iterable of lines of CSV."""
    verdict = Verdict(produced)
    for row in csv.DictReader(csv_lines):
        verdict.take(row)
    verdict.finish()
    return verdict
