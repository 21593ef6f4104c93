#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The runner of the benchmarks tells the truth: its tables, goals, failures and words."""

import contextlib
import io
import pathlib
import re
import sys
import tempfile
import types
import unittest
import unittest.mock

import docs

BENCH = docs.REPOSITORY / "tests" / "bench"
sys.path.insert(0, str(BENCH))

import bench  # noqa: E402 (these are found by now)
import peers  # noqa: E402
import tables  # noqa: E402
from machine import row  # noqa: E402

DOCUMENT = docs.REPOSITORY / "docs" / "benchmarks.md"


class Place:
    def __init__(self):
        self.failures = bench.Failures()


def measure(function, name="spool"):
    """What the runner makes of a point whose measure() is `function`: (point, failures, words)."""
    module = types.ModuleType(name)
    module.TITLE, module.measure = "a title", lambda place, runs, found: function()
    place, words = Place(), io.StringIO()
    saved = sys.modules.get(name)
    sys.modules[name] = module
    try:
        with contextlib.redirect_stderr(words):
            point = bench.measure(name, place, 1, [])
    finally:
        del sys.modules[name]
        if saved:
            sys.modules[name] = saved
    return point, place.failures, words.getvalue()


class TablesTest(unittest.TestCase):
    def test_row_has_the_median_and_the_spread(self):
        self.assertEqual(tables.cells(row("x", [1200, 900, 100000], "/s"))[:4],
                         ("x", "1,200", "/s", "900 to 100,000"))
        self.assertEqual(tables.cells(row("x", [5], "ms"))[3], "", "one run has no spread")

    def test_goals_are_met_by_figures_and_not_by_their_neighbours(self):
        for goal, value, met in (("at most 50 ms", 50, "yes"), ("at most 50 ms", 50.1, "no"),
                                 ("at least 20,000 /s", 20000, "yes"), ("over 1,000", 1000, "no"),
                                 ("under 2 ms", 2, "no"), ("as good as can be", 1, "")):
            self.assertEqual(tables.is_met(row("x", [value], "", goal=goal)), met, (goal, value))
        self.assertEqual(tables.is_met(row("x", [1], "", goal="under twice", met=False)), "no")

    def test_columns_are_aligned_and_notes_stand_below(self):
        lines = list(tables.lines([row("a", [1], "ms", note="why"), row("bbb", [1000], "ms")]))
        self.assertEqual(len({line.index("ms") for line in lines[1:3]}), 1, lines)
        self.assertEqual(lines[3], "  [1] why")

    def test_document_gets_the_tables_of_what_was_measured_and_no_others(self):
        result = {"machine": {"date": "today"},
                  "points": [{"name": "spool", "rows": [row("x|y", [1], "ms")]}]}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "benchmarks.md"
            path.write_text(DOCUMENT.read_text("utf-8"), "utf-8")
            before = docs.part(path, "benchmark", "machine").text
            tables.write(path, result, whole=False)
            self.assertEqual(docs.part(path, "benchmark", "spool").rows(), [["x|y", "1.00", "ms"]])
            self.assertEqual(docs.part(path, "benchmark", "machine").text, before)
            tables.write(path, result, whole=True)
            self.assertEqual(docs.part(path, "benchmark", "machine").rows(), [["date", "today"]])


class RunnerTest(unittest.TestCase):
    def test_point_that_fails_keeps_its_rows_and_is_named(self):
        def two_rows_and_a_fault():
            yield row("good", [1], "ms")
            raise RuntimeError("no disk")
        point, failures, words = measure(two_rows_and_a_fault)
        self.assertEqual([each["what"] for each in point["rows"]], ["good"])
        self.assertEqual(failures, ["spool"])
        self.assertIn("spool failed: RuntimeError: no disk", words)

    def test_point_that_works_is_no_failure(self):
        point, failures, words = measure(lambda: [row("good", [1], "ms")])
        self.assertEqual((point["title"], len(point["rows"]), failures, words),
                         ("a title", 1, [], ""))

    def test_whole_run_is_meant_to_take_a_quarter_of_an_hour_at_most(self):
        self.assertLessEqual(sum(bench.POINTS.values()), 15 * 60)

    def test_point_that_is_not_there_is_refused_by_name(self):
        with contextlib.redirect_stderr(io.StringIO()) as words, self.assertRaises(SystemExit):
            bench.options(["--only", "nothing"])
        self.assertIn("no point 'nothing'; there are: ingest", words.getvalue())

    def test_recorded_command_has_all_that_changes_what_is_measured(self):
        for words in ("", " --peers", " --only spool --only ingest", " --runs 5", " --folder DIR"):
            self.assertEqual(bench.command(bench.options(words.split())),
                             "scripts/bench.sh" + words)

    def test_script_lists_the_options_of_the_runner(self):
        listed = set(re.findall(r"^#   (--[a-z-]+)", docs.source("scripts/bench.sh"), re.MULTILINE))
        taken = set(re.findall(r'add_argument\("(--[a-z-]+)"', docs.source("tests/bench/bench.py")))
        self.assertEqual(listed, taken - {"--build", "--fetched"} | {"--fetch-peers"})

    def test_every_point_has_a_table_in_the_document(self):
        for module in bench.POINTS:
            docs.part(DOCUMENT, "benchmark", module.replace("_", "-"))


class PeersTest(unittest.TestCase):
    def test_peers_that_are_not_here_are_left_out_and_their_packages_named(self):
        with tempfile.TemporaryDirectory() as folder, \
                unittest.mock.patch.object(peers, "SYSTEM_FOLDERS", ("/nowhere",)), \
                contextlib.redirect_stderr(io.StringIO()) as words:
            found = peers.found(folder)
        self.assertEqual([each.NAME for each in found], ["Python's ssl"])
        for package in ("mosquitto and mosquitto-clients", "syslog-ng-core", "stunnel4"):
            self.assertIn(f"lacks the package {package}", words.getvalue())

    def test_peers_are_those_whose_packages_the_script_downloads(self):
        script = re.search(r"^PEERS=\((.*)\)$", docs.source("scripts/bench.sh"), re.MULTILINE)[1]
        packages = {package for peer in peers.all_of("/nowhere")
                    for package in (*peer.PACKAGES.values(), *peer.MODULES.values())}
        self.assertEqual(set(script.split()), packages)


if __name__ == "__main__":
    unittest.main()
