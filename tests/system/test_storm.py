#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred sensors whose server restarts: they come back spread, when they were told, and all."""

import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "chaos"))

import programs  # noqa: E402
import storm  # noqa: E402

SENSORS = 20 if programs.SLOW else 100
STORM = pathlib.Path(os.environ["SENSORLINK_STORM"])
DEADLINE_S = 240
# bye's retry times are drawn evenly from 2 s and 10 ms for each sensor, and the sensor adds up to
# 1 s. That so many independent draws all fall into a part this short, or so many of them into one
# second, has a probability below one in a million.
SPREAD_AT_LEAST_S = 0.8 if programs.SLOW else 2.0
SHARE_OF_A_SECOND = 0.95 if programs.SLOW else 0.6


class StormTest(programs.SystemTest):
    def run_storm(self, signum, sensors=SENSORS, handshakes=None, more=()):
        done, figures = storm.run(programs, self.new_folder(), STORM, sensors, 0.5, signum,
                                  [*storm.limits(sensors, handshakes), *more], DEADLINE_S)
        print("\n".join(done.report()))
        self.resumed = figures["sessions resumed"]
        return done

    def test_storm_after_a_goodbye_is_spread_and_nobody_comes_before_its_time(self):
        done = self.run_storm(signal.SIGTERM)
        self.assertEqual(done.first_reasons(), {"shutting-down": SENSORS})
        self.assertEqual(done.too_early, [])
        self.assertEqual(len(done.back), SENSORS)
        self.assertGreater(done.spread(), SPREAD_AT_LEAST_S)
        self.assertLess(done.busiest_second(), SHARE_OF_A_SECOND * SENSORS)
        self.assertEqual(done.refused, set())
        self.assertEqual(self.resumed, 0)

    def test_storm_on_a_server_that_keeps_its_ticket_keys_is_one_of_resumed_sessions(self):
        done = self.run_storm(signal.SIGTERM, more=("--ticket-keys", "tickets"))
        self.assertEqual(len(done.back), SENSORS)
        # Who is cut off in a handshake forgets its session, and a busy machine may do that to some.
        self.assertGreater(self.resumed, SENSORS / 2)
        # A resumed session costs so little that bye asks all back within 1 s and 0.5 ms for each,
        # and each adds up to 1 s. Without, it is 2 s and 10 ms for each, of 100 draws.
        self.assertLess(done.pauses()[-1], 2 + 0.0005 * SENSORS + 0.1)

    def test_storm_after_a_kill_is_spread_by_the_sensors_themselves(self):
        done = self.run_storm(signal.SIGKILL)
        self.assertNotIn("shutting-down", done.reasons)
        self.assertEqual(done.too_early, [])
        self.assertEqual(len(done.back), SENSORS)
        self.assertGreater(done.spread(), 0.3)  # of 1 s
        self.assertEqual(done.refused, set())

    def test_storm_on_a_server_that_takes_one_handshake_at_a_time_brings_all_back(self):
        done = self.run_storm(signal.SIGKILL, sensors=40, handshakes=1)
        self.assertEqual(done.too_early, [])
        self.assertEqual(len(done.back), 40)
        self.assertGreater(done.reasons["handshake-cut"], 0, "somebody was turned away")
        self.assertEqual(done.refused, set(), "who was turned away for want of room isn't refused")


if __name__ == "__main__":
    unittest.main()
