#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The queries that docs/store.md gives to people: they find what sensorlink-log finds, and without
going through the store where the page says so."""

import contextlib
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["SENSORLINK_BIN_DIR"])
LOG = BIN / "sensorlink-log"
MAKE_STORE = BIN.parent / "tests" / "support" / "make_store"
PAGE = pathlib.Path(os.environ["SENSORLINK_SOURCE_DIR"]) / "docs" / "store.md"
DEADLINE = 120

SENSORS = ("cellar", "attic", "roof", "shed")
BLOCKS = 3000
FIRST = 1763856000  # 2025-11-23
STEP = 40           # so that they last for more than a day
EACH = 100          # instructions of SQLite's between two looks at them


def queries():
    """{heading: statement} of the page's SQL, a comment before each."""
    text = "\n".join(re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    found = {}
    for part in filter(str.strip, text.split(";")):
        heading, _, statement = part.strip().partition("\n")
        found[heading.removeprefix("-- ").partition(",")[0]] = statement
    return found


def script():
    """Lines for make_store: blocks of one or two readings of the sensors in turn."""
    for number, name in enumerate(SENSORS):
        yield f"stream {name} {number:032x}"
    for number in range(BLOCKS):
        which, time = number % len(SENSORS), FIRST + number * STEP
        yield f"stream {SENSORS[which]} {which:032x}"
        yield f"received {time + 1}"
        yield f"reading {time} temperature: {number / 10} Cel"
        if number % 3 == 0:
            yield f"reading {time + 0.25} humidity: {number % 100} %RH"
    yield "commit"


class StoreQueryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sl-queries-")
        cls.addClassCleanup(folder.cleanup)
        cls.store = pathlib.Path(folder.name) / "readings.db"
        subprocess.run([MAKE_STORE, cls.store], input="\n".join(script()) + "\n", text=True,
                       check=True, stdout=subprocess.DEVNULL, timeout=DEADLINE)
        cls.queries = queries()

    def ask(self, statement):
        """(rows as dicts, hundreds of instructions that SQLite took)."""
        steps = 0

        def count():
            nonlocal steps
            steps += 1

        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            store.row_factory = sqlite3.Row
            store.set_progress_handler(count, EACH)
            return [dict(row) for row in store.execute(statement)], steps

    def logged(self, *arguments):
        done = subprocess.run([LOG, "--store", self.store, "readings", "--format", "json",
                               *arguments], capture_output=True, check=True, timeout=DEADLINE)
        return json.loads(done.stdout)

    @staticmethod
    def only(rows, *columns):
        return [tuple(row[column] for column in columns) for row in rows]

    def test_a_day_of_one_sensor_is_found_by_the_index(self):
        statement = self.queries["a day of one sensor"]
        statement = statement.replace("2026-11-23", "2025-11-23").replace("2026-11-24", "2025-11-24")
        rows, _ = self.ask(statement)
        expected = self.logged("--sensor", "attic", "--since", "2025-11-23", "--until",
                               "2025-11-24")
        self.assertEqual(self.only(rows, "time", "name", "value"),
                         self.only(expected, "time", "name", "value"))
        self.assertGreater(len(rows), 500)
        plan, _ = self.ask("EXPLAIN QUERY PLAN " + statement)
        self.assertIn("blocks_by_time (sensor=? AND newest>? AND newest<?)",
                      "\n".join(each["detail"] for each in plan))

    def test_the_last_value_of_every_sensor_is_found_at_once(self):
        statement = self.queries["the last value of every sensor"]
        rows, steps = self.ask(statement)
        expected = [each for name in SENSORS for each in self.logged("--sensor", name, "--last", "1")]
        columns = ("sensor", "received", "name", "value")
        self.assertEqual(sorted(self.only(rows, *columns)), sorted(self.only(expected, *columns)))
        self.assertLess(steps * EACH, 1000)
        one, _ = self.ask(f"{statement} WHERE s.name = 'attic'")
        self.assertEqual([each["sensor"] for each in one], ["attic"])

    def test_the_ten_newest_are_found_at_once(self):
        rows, steps = self.ask(self.queries["the ten newest"])
        expected = self.logged("--last", "10")
        columns = ("received", "sensor", "name", "value")
        self.assertEqual(self.only(rows, *columns), self.only(reversed(expected), *columns))
        self.assertLess(steps * EACH, 2000)

    def test_averages_by_the_hour_are_of_all_readings(self):
        rows, _ = self.ask(self.queries["averages by the hour"])
        self.assertEqual({(each["sensor"], each["name"]) for each in rows},
                         {(each["sensor"], each["name"]) for each in self.logged()})
        first = [each["value"] for each in self.logged("--sensor", "attic", "--name", "temperature",
                                                       "--until", str(FIRST + 3600))]
        found, = (each for each in rows if each["sensor"] == "attic" and each["hour"] ==
                  "2025-11-23 00:00" and each["name"] == "temperature")
        self.assertAlmostEqual(found["avg(value)"], sum(first) / len(first))


if __name__ == "__main__":
    unittest.main()
