#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Short runs of the chaos harness with fixed seeds, and that its verdict can be a bad one."""

import csv
import io
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

CHAOS = pathlib.Path(__file__).resolve().parent / "chaos"
sys.path.insert(0, str(CHAOS))

import programs  # noqa: E402
from verdict import COUNTS, Produced, judge, reading_name  # noqa: E402

SECONDS = 20
# A sanitizer's runtime has to be loaded first, so the clock isn't stepped under one.
KINDS = ["server killed", "client killed", "server ended", "cut", "reset", "all cut", "stalled",
         "delayed", "trickled", "server's disk full", "sensor's disk full", "certificate renewed",
         "server's certificate renewed", *([] if programs.SLOW else ["clock stepped"])]
# Where everything takes many times as long, not every kind comes in so short a time.
FEWEST_KINDS = 6 if programs.SLOW else len(KINDS)
FEWEST_KILLS = 3 if programs.SLOW else 20


class ChaosTest(unittest.TestCase):
    def run_chaos(self, seed):
        """Runs the harness, which must print its seed and leave nothing running; the output."""
        words = [sys.executable, CHAOS / "chaos.py", "--minutes", f"{SECONDS / 60}", "--seed", seed,
                 "--sensors", 3 if programs.SLOW else 6]
        run = subprocess.Popen([*map(str, words)], stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output = run.communicate(timeout=SECONDS + 300)[0]
        finally:
            try:
                os.killpg(run.pid, signal.SIGKILL)
                left = True
            except ProcessLookupError:
                left = False
        self.assertFalse(left, f"something was left running:\n{output}")
        self.assertIn(f"seed {seed}", output)
        self.assertEqual(run.returncode, 0, output)
        return output

    def assert_good(self, output):
        for what in (*COUNTS, "gaps"):
            self.assertRegex(output, rf"\b{what} 0\b")
        produced, stored = map(int, re.search(r"produced (\d+), stored (\d+)", output).groups())
        self.assertEqual(produced, stored)
        self.assertGreater(produced, 100)
        counts = {kind: int(re.search(rf"\b{kind} (\d+)", output)[1]) for kind in KINDS}
        self.assertGreaterEqual(sum(1 for count in counts.values() if count), FEWEST_KINDS, output)
        self.assertGreaterEqual(counts["server killed"] + counts["client killed"], FEWEST_KILLS)

    def test_chaos_with_seed_1_loses_nothing_and_stores_nothing_twice(self):
        self.assert_good(self.run_chaos(1))

    def test_chaos_with_seed_2_loses_nothing_and_stores_nothing_twice(self):
        self.assert_good(self.run_chaos(2))

    def test_chaos_with_seed_3_loses_nothing_and_stores_nothing_twice(self):
        self.assert_good(self.run_chaos(3))


class VerdictTest(unittest.TestCase):
    """Each fault that the harness looks for, made by hand in what a good run would have stored."""

    COLUMNS = ["received", "time", "sensor", "name", "value", "unit", "stream", "seq"]
    PRODUCED = [Produced("attic", "a" * 32, 5), Produced("cellar", "c" * 32, 5)]

    def rows(self):
        return [{"received": f"{1700000000 + value}.5", "time": "", "sensor": one.sensor,
                 "name": reading_name(one.sensor), "value": str(value), "unit": "",
                 "stream": one.stream, "seq": str(value)}
                for value in range(1, 6) for one in self.PRODUCED]

    def judge(self, rows):
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        return judge(self.PRODUCED, text.getvalue().splitlines())

    def assert_counts(self, rows, **wanted):
        wanted = {what.replace("_", " "): count for what, count in wanted.items()}
        found = {what: count for what, count in self.judge(rows).counts.items() if count}
        self.assertEqual(found, wanted)

    def test_verdict_on_what_was_produced_finds_nothing(self):
        verdict = self.judge(self.rows())
        self.assertEqual(set(verdict.counts.values()), {0})
        self.assertEqual(verdict.rows, 10)

    def test_verdict_on_a_missing_reading_finds_it_lost(self):
        rows = self.rows()
        del rows[4]
        self.assert_counts(rows, lost=1)

    def test_verdict_on_missing_last_readings_finds_them_lost(self):
        self.assert_counts(self.rows()[:6], lost=4)

    def test_verdict_on_a_repeated_reading_finds_it_twice(self):
        rows = self.rows()
        rows.insert(5, rows[4])
        self.assert_counts(rows, twice=1)

    def test_verdict_on_a_reading_under_two_numbers_finds_it_twice_and_renumbered(self):
        rows = self.rows()
        rows.insert(5, dict(rows[4], seq="4"))
        self.assert_counts(rows, twice=1, renumbered=1)

    def test_verdict_on_readings_that_changed_places_finds_them_out_of_order(self):
        rows = self.rows()
        values = [dict(rows[at], received=rows[2]["received"]) for at in (4, 2)]
        rows[2], rows[4] = values
        self.assert_counts(rows, out_of_order=1)

    def test_verdict_on_a_reading_of_another_sensor_finds_the_wrong_name(self):
        rows = self.rows()
        rows[3]["sensor"] = "attic"
        self.assert_counts(rows, under_a_wrong_name=1)

    def test_verdict_on_a_reading_of_another_stream_finds_the_wrong_name(self):
        rows = self.rows()
        rows[3]["stream"] = "a" * 32
        self.assert_counts(rows, under_a_wrong_name=1)

    def test_verdict_on_a_reading_nobody_fed_finds_it(self):
        rows = self.rows()
        rows.append(dict(rows[-1], value="6", seq="6"))
        self.assert_counts(rows, never_produced=1)

    def test_verdict_on_a_time_that_went_back_finds_it(self):
        rows = self.rows()
        rows[5]["received"] = "1700000001.499999"
        self.assert_counts(rows, received_went_back=1)


if __name__ == "__main__":
    unittest.main()
