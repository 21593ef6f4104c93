#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A flood of strangers with chains of rogue CAs: each is refused with the right reason, and the
sensor that is in gets every reading acknowledged. How fast is measured by strangers.py, not here.
"""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "strangers"))

import programs  # noqa: E402
import strangers  # noqa: E402

RATE = 5 if programs.SLOW else 50
SECONDS = 3


class StrangersTest(programs.SystemTest):
    def flood(self, *options):
        """Returns what the strangers were told, and what the server says of them."""
        wanted = strangers.options([
            "--bin", str(programs.BIN), "--quiet", "0.2", "--minutes", str(SECONDS / 60), "--rate",
            str(RATE), "--pace", "0", "--no-newcomers", *options])
        quiet, flooded, flood, said = strangers.run(programs, self.new_folder(), wanted)
        self.assertGreater(len(quiet.acks), 0)
        self.assertGreater(len(flooded.acks), 0)
        self.assertEqual(flood["begun"], RATE * SECONDS)
        self.assertEqual(sum(flood["told"].values()), RATE * SECONDS)
        return flood["told"], said

    def test_strangers_with_rogue_cas_are_told_why_and_a_sensor_that_is_in_goes_on(self):
        told, said = self.flood("--tls", "1.2")
        self.assertEqual(said, {"handshake-too-many-certs": RATE * SECONDS})
        self.assertEqual(told, {"sslv3 alert bad certificate": RATE * SECONDS})

    def test_strangers_whose_rogue_cas_cant_be_read_are_refused_at_the_limit_of_bytes(self):
        if programs.ssl.TLSVersion.TLSv1_3 not in programs.tls_versions():
            self.skipTest("the server has no TLS 1.3")
        _, said = self.flood("--tls", "1.3")
        self.assertEqual(said, {"handshake-too-large": RATE * SECONDS})

    def test_strangers_with_one_unknown_ca_are_judged(self):
        # The control of the others: it is the number of certificates that they are refused for.
        _, said = self.flood("--tls", "1.2", "--chain", "1", "--curve", "p256")
        self.assertEqual(said, {"client-cert-untrusted": RATE * SECONDS})


class ThreadsTest(programs.SystemTest):
    def test_threads_for_handshakes_are_as_many_as_told_and_come_after_the_others(self):
        server = self.start_server("--io-threads", "2", "--handshake-threads", "5")
        tasks = pathlib.Path(f"/proc/{server.pid}/task").iterdir()
        given = sorted(os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        self.assertGreaterEqual(len(given), 1 + 1 + 2 + 5)  # main, committer, I/O, handshakes
        self.assertEqual(given, [own] * (len(given) - 5) + [min(own + 10, 19)] * 5)
        server.stop()


if __name__ == "__main__":
    unittest.main()
