#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on can itself fail: a sanitizer's words from a killed program, a skip in CI."""

import pathlib
import subprocess
import tempfile
import unittest

import client_fixture
import programs

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class KilledProgramTest(unittest.TestCase):
    WORDS = ("WARNING: ThreadSanitizer: data race", "==1==ERROR: AddressSanitizer: heap-use-after-free",
             "a.c:1:2: runtime error: signed integer overflow", "==1==ERROR: LeakSanitizer: leaks")

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sensorlink-support-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def started(self, words):
        """A program of each of the two kinds, which has said these words and goes on."""
        script = ("-c", 'echo "$0"; echo said; exec sleep 100', words)
        yield programs.Program(self.folder, "/bin/sh", *script), "kill"
        yield client_fixture.Program(["/bin/sh", *script], self.folder), "close"

    def test_killed_program_of_which_a_sanitizer_complained_fails_the_test(self):
        for words in self.WORDS:
            for program, method in self.started(words):
                program.wait_for("said")
                with self.assertRaisesRegex(AssertionError, "a sanitizer complains"):
                    getattr(program, method)()
                self.assertIsNotNone(program.process.poll(), "it is ended all the same")

    def test_killed_program_without_a_complaint_passes(self):
        for program, method in self.started("all is well"):
            program.wait_for("said")
            getattr(program, method)()


class CountTest(unittest.TestCase):
    """scripts/count_tests.py"""

    def count(self, output, ci):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "junit.xml"
            path.write_text('<testsuite><testcase name="some_test" status="run"><system-out>'
                            f"{output}</system-out></testcase></testsuite>", encoding="utf-8")
            done = subprocess.run(
                [REPOSITORY / "scripts" / "count_tests.py", path], env={"PATH": "/usr/bin:/bin", **ci},
                capture_output=True, text=True, timeout=programs.DEADLINE, check=False)
            return done.returncode, done.stdout.strip(), done.stderr

    CMOCKA = ("[ RUN      ] test_one\n[       OK ] test_one\n"
              "[ RUN      ] test_two\n[  SKIPPED ] test_two\n")
    UNITTEST = ("test_one (__main__.Some.test_one) ... ok\n"
                "test_two (__main__.Some.test_two)\nWhat it is about. ... skipped 'no reason'\n"
                "\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n")
    ALLOWED = "test_readme_systemd_unit_is_taken_by_systemd"

    def test_skip_in_ci_is_a_failure_and_named(self):
        for output in (self.CMOCKA, self.UNITTEST):
            code, counts, errors = self.count(output, {"CI": "true"})
            self.assertEqual((code, counts), (1, "1 1 0"))
            self.assertRegex(errors, "some_test: .*skipped.* test_two")

    def test_skip_elsewhere_is_a_skip_and_named(self):
        for output in (self.CMOCKA, self.UNITTEST):
            code, counts, errors = self.count(output, {})
            self.assertEqual((code, counts), (0, "1 0 1"))
            self.assertRegex(errors, "some_test: .*skipped.* test_two")

    def test_skip_on_the_list_is_one_in_ci_too(self):
        for output in (self.CMOCKA, self.UNITTEST):
            code, counts, errors = self.count(output.replace("test_two", self.ALLOWED), {"CI": "true"})
            self.assertEqual((code, counts), (0, "1 0 1"))
            self.assertIn(self.ALLOWED, errors)


if __name__ == "__main__":
    unittest.main()
