#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The load generator counts right: what it says that it sent is what the server has."""

import json
import os
import pathlib
import subprocess
import unittest

import programs

BENCH_LOAD = pathlib.Path(os.environ["SENSORLINK_BENCH_LOAD"])
SENSORS = ("attic", "cellar")
READINGS = 2000


class LoadTest(programs.SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certs = cls.new_folder()
        for name in SENSORS:
            for file in cls.pki.sensor(name):
                (cls.certs / file.name).symlink_to(file)

    def setUp(self):
        self.server = programs.Server(self.new_folder(), self.pki)
        self.addCleanup(self.server.kill)

    def load(self, *options, **more):
        done = programs.run(
            BENCH_LOAD, "--connect", "{}:{}".format(*self.server.address), "--server-name",
            "localhost", "--cafile", self.pki.good_ca.cert, "--certs", self.certs, *options, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        said, brace, figures = done.stdout.partition("{")
        return said, json.loads(brace + figures)

    def stored(self):
        """(sensor, stream, number) of each reading, as sensorlink-log tells them."""
        self.server.stop()
        log = programs.run(programs.LOG, "--store", self.server.store, "readings", "--format",
                           "csv")
        self.assertEqual(log.returncode, 0, log.stderr)
        rows = [line.split(",") for line in log.stdout.splitlines()[1:]]
        return sorted((row[2], row[6], int(row[7] or 0)) for row in rows)

    def test_every_acknowledged_reading_is_in_the_store_once(self):
        _, figures = self.load("--sessions", 5, "--threads", 2, "--readings", READINGS,
                               "--batch", 7, "--window", 3, "--pid", self.server.pid)
        self.assertEqual((figures["readings"], figures["acknowledged"]), (READINGS, READINGS))
        self.assertEqual((figures["sessions"], figures["handshakes"], figures["failed"]), (5, 5, 0))
        self.assertGreater(figures["peer_cpu_seconds"], 0)
        self.assertLessEqual(figures["latency_us"]["p50"], figures["latency_us"]["max"])
        stored = self.stored()
        streams = {stream for _, stream, _ in stored}
        self.assertEqual(len(streams), 5)
        self.assertEqual({sensor for sensor, _, _ in stored}, set(SENSORS))
        for stream in streams:
            numbers = [number for _, of, number in stored if of == stream]
            self.assertEqual(numbers, list(range(1, READINGS // 5 + 1)))

    def test_plain_lines_arrive_all(self):
        _, figures = self.load("--mode", "plain", "--sessions", 3, "--readings", READINGS,
                               "--batch", 50)
        self.assertEqual((figures["readings"], figures["acknowledged"]), (READINGS, 0))
        self.assertIsNone(figures["latency_us"]["p50"])
        self.assertEqual(len(self.stored()), READINGS)

    def test_readings_that_are_due_are_sent_at_the_rate_asked_for(self):
        _, figures = self.load("--sessions", 4, "--rate", 200, "--readings", 100)
        self.assertEqual((figures["acknowledged"], figures["unsent"]), (100, 0))
        self.assertGreater(figures["seconds"], 0.48)  # the 100th is due after 99/200 s or more
        self.assertGreaterEqual(figures["latency_us"]["max"], figures["lag_us"]["p50"])
        self.assertEqual(len(self.stored()), 100)

    def test_sessions_that_come_back_resume(self):
        _, figures = self.load("--connects", 20, "--sessions", 3, "--resume")
        self.assertEqual((figures["handshakes"], figures["resumed"]), (20, 20))
        self.assertGreater(figures["latency_us"]["p50"], 0)
        _, figures = self.load("--connects", 5, "--sessions", 3)
        self.assertEqual((figures["handshakes"], figures["resumed"]), (5, 0))

    def test_idle_sessions_stay_until_standard_input_ends(self):
        said, figures = self.load("--sessions", 6, "--sources", 3, "--idle")
        self.assertEqual((said, figures["sessions"]), ("open 6\n", 6))

    def test_a_server_that_isn_t_there_is_a_failure_that_is_told(self):
        self.server.stop()
        done = subprocess.run(
            programs.command(BENCH_LOAD, "--connect", "{}:{}".format(*self.server.address),
                             "--cafile", self.pki.good_ca.cert, "--certs", self.certs,
                             "--sessions", 2, "--readings", 1),
            capture_output=True, text=True, timeout=programs.DEADLINE, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "bench_load: session 0: Connection refused\n"))
        self.assertEqual(json.loads(done.stdout)["failed"], 2)


if __name__ == "__main__":
    unittest.main()
