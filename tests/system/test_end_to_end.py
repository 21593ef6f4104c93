#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job: what a sensor measured is on the server's disk exactly once, whatever is killed.

A real sensorlink-client reads a real file while it and the server are killed (SIGKILL) and started
again at random moments. The seed is printed; SENSORLINK_SEED sets it.
"""

import csv
import io
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
import unittest

from pki import free_port, wait_for
from programs import CLIENT, DEADLINE, LOG, SLOW, SystemTest, run

LINES = 5_000 if SLOW else 100_000
KILLS = 6 if SLOW else 14


class EndToEndTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.attic = cls.pki.sensor("attic")

    def setUp(self):
        self.place = self.new_folder()
        self.spool = self.place / "spool.db"
        self.store = self.place / "readings.db"
        self.port = free_port()

    def start_it(self, *more):
        return self.start_server("--quiet", *more, folder=self.place, store=self.store,
                                 listen=f"127.0.0.1:{self.port}")

    def client_arguments(self, *more):
        return ["--host", "localhost", "--port", self.port, "--cafile", self.pki.good_ca.cert,
                "--cert", self.attic.cert, "--key", self.attic.key, "--spool", self.spool,
                "--retry-min", "20ms", "--retry-max", "100ms", *more]

    def start_client(self, *more, **options):
        return self.start(CLIENT, *self.client_arguments(*more), folder=self.place, **options)

    def rows(self):
        done = run(LOG, "--store", self.store, "readings", "--format", "csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        return list(csv.DictReader(io.StringIO(done.stdout)))

    def verify(self):
        done = run(LOG, "--store", self.store, "verify")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def assert_each_number_once(self, rows):
        """One stream, its numbers 1..last, each once and in order, and no gap."""
        self.assertEqual({row["sensor"] for row in rows}, {"attic"})
        self.assertEqual(len({row["stream"] for row in rows}), 1)
        self.assertEqual([int(row["seq"]) for row in rows], list(range(1, len(rows) + 1)))
        done = run(LOG, "--store", self.store, "gaps", "--format", "csv")
        self.assertEqual(len(done.stdout.splitlines()), 1, done.stdout)
        self.verify()


class ChaosTest(EndToEndTest):
    def test_reading_a_file_under_proc_survives_kills_of_both_sides(self):
        seed = int(os.environ.get("SENSORLINK_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"\nSENSORLINK_SEED={seed}", flush=True)
        dice = random.Random(seed)
        source = ("--read", "uptime:s=/proc/uptime", "--interval", "10ms")
        server, client = self.start_it(), self.start_client(*source)
        promised, outputs = 0, [client]
        for _ in range(KILLS):
            # Some progress first, so that each kill hits something; then a random moment.
            self.wait_for_rows(self.count() + dice.randrange(1, 30))
            time.sleep(dice.uniform(0, 0.05))
            victims = dice.choice(("client", "server", "both"))
            if victims != "client":
                server.kill()
            if victims != "server":
                client.kill()
            promised = max(promised, self.acknowledged(outputs))
            if victims != "client":
                server = self.start_it()
                # What was acknowledged before the kill is there right after it.
                self.assertGreaterEqual(self.count(), promised)
            if victims != "server":
                client = self.start_client(*source)
                outputs.append(client)
        last_client = self.start_last_round(client)
        outputs.append(last_client)
        self.assertEqual(last_client.wait(), 0, last_client.output)
        server.stop()
        rows = self.rows()
        self.assertGreater(self.acknowledged(outputs), 0, "the clients reported acknowledgements")
        self.assertGreaterEqual(len(rows), self.acknowledged(outputs))
        self.assertEqual(self.waiting(), 0)
        self.assert_each_number_once(rows)
        # They are what /proc/uptime said: numbers that never go back.
        values = [float(row["value"]) for row in rows]
        self.assertEqual(values, sorted(values))
        self.assertEqual({(row["name"], row["unit"]) for row in rows}, {("uptime", "s")})

    def start_last_round(self, client):
        """Ends the client in order, and lets another one bring the rest of its spool."""
        client.send_signal(signal.SIGTERM)
        client.wait()
        return self.start_client("--read", "uptime:s=/proc/uptime", "--count", "1", "--timeout",
                                 str(DEADLINE))

    def count(self):
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=DEADLINE) as store:
            total, = store.execute('SELECT coalesce(sum("last"), 0) FROM streams').fetchone()
        store.close()
        return total

    def wait_for_rows(self, more_than):
        wait_for(lambda: self.count() > more_than, DEADLINE, f"more than {more_than} readings")

    def waiting(self):
        """How many readings the spool still keeps."""
        with sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True, timeout=DEADLINE) as spool:
            tables = [name for name, in spool.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%reading%'")]
            self.assertTrue(tables, "the spool has a table of readings")
            total = sum(spool.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                        for name in tables)
        spool.close()
        return total

    @staticmethod
    def acknowledged(clients):
        return max((int(number) for client in clients
                    for number in re.findall(r"acknowledged up to (\d+)", client.output)),
                   default=0)


class ExchangeTest(EndToEndTest):
    def test_tutorials_exchange_is_logged_in_order(self):
        server = self.start_server(folder=self.place, store=self.store,
                                   listen=f"127.0.0.1:{self.port}")
        client = self.start_client("--demo", "--interval", "20ms", "--timeout", str(DEADLINE))
        self.assertEqual(client.wait(), 0, client.output)
        output = server.stop()
        told = re.findall(r"attic  (temperature: \d+)\n", output)
        self.assertEqual(told, [f"temperature: {value}" for value in (15, 22, 21, 26, 25, 19)])
        rows = self.rows()
        self.assertEqual([row["value"] for row in rows], ["15", "22", "21", "26", "25", "19"])
        self.assert_each_number_once(rows)
        done = run(LOG, "--store", self.store, "sensors", "--format", "csv")
        [row] = csv.DictReader(io.StringIO(done.stdout))
        self.assertLess(abs(float(row["clock"])), 5, "one machine, one clock")
        self.assertEqual(row["cert_days"], "89")  # of the 90 that certs.sh gives

    def test_exchange_without_a_server_waits_for_one(self):
        client = self.start_client("--demo", "--interval", "10ms", "--timeout", str(DEADLINE))
        client.wait_for(r"can't connect to \S+: .*; trying again")
        server = self.start_it()
        self.assertEqual(client.wait(), 0, client.output)
        server.stop()
        self.assertEqual(len(self.rows()), 6)

    def test_a_hundred_thousand_lines_of_standard_input_are_stored_each_once(self):
        server = self.start_it()
        client = self.start_client("--stdin", "--timeout", str(DEADLINE), stdin=subprocess.PIPE)
        client.process.stdin.write("".join(f"n: {n}\n" for n in range(1, LINES + 1)).encode())
        client.process.stdin.close()
        self.assertEqual(client.wait(3 * DEADLINE), 0, client.output[-2000:])
        server.stop()
        rows = self.rows()
        self.assertEqual([row["value"] for row in rows], [str(n) for n in range(1, LINES + 1)])
        self.assert_each_number_once(rows)

    def test_lines_taken_while_the_server_is_killed_are_stored_each_once(self):
        server = self.start_it()
        client = self.start_client("--stdin", "--timeout", str(DEADLINE), stdin=subprocess.PIPE)
        lines = LINES // 5
        for part in range(4):
            first = part * lines // 4 + 1
            client.process.stdin.write(
                "".join(f"n: {n}\n" for n in range(first, first + lines // 4)).encode())
            client.process.stdin.flush()
            server.wait_for("authenticated")
            server.kill()
            server = self.start_it()
        client.process.stdin.close()
        self.assertEqual(client.wait(3 * DEADLINE), 0, client.output[-2000:])
        server.stop()
        rows = self.rows()
        self.assertEqual([row["value"] for row in rows], [str(n) for n in range(1, lines + 1)])
        self.assert_each_number_once(rows)


if __name__ == "__main__":
    unittest.main()
