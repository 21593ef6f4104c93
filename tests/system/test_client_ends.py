#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How sensorlink-client ends: its exit codes and last sentences where not everything went well."""

import array
import csv
import fcntl
import io
import re
import resource
import signal
import socket
import subprocess
import termios
import threading
import time
import unittest

from client_fixture import (
    DEADLINE, EX_DATAERR, EX_NOPERM, EX_TEMPFAIL, EX_USAGE, LOG, ClientTest)
from pki import free_port, wait_for


def lines(first, last):
    return b"".join(b"t: %d\n" % number for number in range(first, last + 1))


class LossTest(ClientTest):
    def gap_numbers(self):
        """How many numbers the store's gaps have together."""
        done = subprocess.run([LOG, "--store", self.store, "gaps", "--format", "csv"],
                              capture_output=True, text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return sum(int(row["last"]) - int(row["first"]) + 1
                   for row in csv.DictReader(io.StringIO(done.stdout)))

    def test_client_that_gave_readings_up_says_how_many_and_exits_65(self):
        self.port = free_port()
        client = self.start_client("--stdin", "--spool-full", "drop-oldest",
                                   "--spool-max-readings", "3", "--timeout", "25",
                                   stdin=subprocess.PIPE)
        client.process.stdin.write(lines(1, 50))
        client.process.stdin.close()
        client.wait_for(r"\[spool-full\]")
        client.wait_for("Connection refused")
        self.start_server("--quiet")
        self.assertEqual(client.wait(), EX_DATAERR, client.output)
        self.assertNotIn("everything is on", client.output)
        self.assertIn("what wasn't given up is on the server's disk, up to reading 50",
                      client.output)
        self.assertIn("47 readings were given up or couldn't be kept, and became gaps",
                      client.output)
        self.assertEqual(self.gap_numbers(), 47)
        self.assertEqual([row["value"] for row in self.rows()], ["48", "49", "50"])

    def test_client_counts_readings_that_wait_without_the_gaps_before_them(self):
        self.port = free_port()
        options = ("--stdin", "--spool-full", "drop-oldest", "--spool-max-readings", "3")
        output = self.run_client(*options, "--timeout", "300ms", stdin=lines(1, 50),
                                 expect=EX_TEMPFAIL)
        self.assertIn("3 readings are not acknowledged yet; the spool keeps them", output)
        self.assertIn("47 readings were given up", output)
        self.start_server("--quiet")
        output = self.run_client("--stdin", "--timeout", "20")
        self.assertIn("3 readings wait to be sent", output)
        self.assertEqual(self.gap_numbers(), 47)

    def test_client_measuring_without_a_number_exits_65_after_its_rounds(self):
        self.start_server()
        path = self.folder / "value"
        path.write_text("no number here\n")
        output = self.run_client("--read", f"t={path}", "--exec", "u=exit 3", "--interval", "10ms",
                                 "--count", "3", "--timeout", "20", expect=EX_DATAERR)
        self.assertIn("6 measurements gave no reading", output)
        output = self.run_client("--read", f"t={path}", "--read", "up=/proc/uptime", "--interval",
                                 "10ms", "--count", "1", "--timeout", "20", expect=EX_DATAERR)
        self.assertIn("1 measurement gave no reading", output)
        self.assertEqual([row["name"] for row in self.rows()], ["up"])
        self.run_client("--read", "up=/proc/uptime", "--count", "1", "--timeout", "20")

    def test_client_samples_cannot_wait_for_a_full_spool(self):
        self.port = free_port()
        for source in ("--read", "--exec"):
            output = self.run_client(source, "t=/proc/uptime", "--spool-full", "block",
                                     expect=EX_USAGE)
            self.assertEqual(output.count("\n"), 1, output)
            self.assertIn("--spool-full=block is for sources that can wait", output)
        self.assertFalse(self.spool.exists())

    def test_client_with_nothing_but_bad_input_does_not_connect(self):
        server = self.start_python_server(lambda session: None)
        output = self.run_client("--message", "bad line", expect=EX_DATAERR)
        self.assertIn("'bad line' is not a reading", output)
        self.assertIn("1 line of the input couldn't be taken", output)
        server.close()
        self.assertEqual(server.accepted, [])

    def test_client_tells_bad_input_also_where_a_reading_waits(self):
        self.port = free_port()
        output = self.run_client("--message", "bad line", "--message", "t: 1", "--timeout", "200ms",
                                 expect=EX_TEMPFAIL)
        self.assertIn("1 line of the input couldn't be taken", output)
        self.assertIn("1 reading is not acknowledged yet", output)


class WaitTest(ClientTest):
    def test_client_timeout_bounds_input_that_is_held_back(self):
        self.port = free_port()
        client = self.start_client("--stdin", "--spool-max-readings", "10", "--timeout", "300ms",
                                   stdin=subprocess.PIPE)
        client.process.stdin.write(lines(1, 500))
        client.process.stdin.flush()  # the pipe stays open: the source doesn't end
        self.assertEqual(client.wait(), EX_TEMPFAIL, client.output)
        self.assertIn("10 readings are not acknowledged yet; the spool keeps them", client.output)
        self.assertIn("the rest of the input wasn't taken", client.output)

    def test_client_timeout_does_not_end_input_that_goes_on_after_it_was_held_back(self):
        self.port = free_port()
        client = self.start_client("--stdin", "--spool-max-readings", "10", "--timeout", "4",
                                   stdin=subprocess.PIPE)
        client.process.stdin.write(lines(1, 100))
        client.process.stdin.flush()
        client.wait_for("the spool is full with 10 readings")
        self.start_server("--quiet")
        client.wait_for("connected to")
        begun = time.monotonic()
        with self.assertRaises(subprocess.TimeoutExpired):
            client.process.wait(timeout=4.5)  # longer than the time that it was given
        self.assertGreater(time.monotonic() - begun, 4)
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual([row["value"] for row in self.rows()],
                         [str(number) for number in range(1, 101)])

    def test_client_refused_by_name_and_told_to_leave_exits_77(self):
        def bye(session):
            session.line()
            session.say("bye 0 client-cert-revoked the certificate is revoked")
            session.line()

        self.start_python_server(bye)
        for signum in (signal.SIGTERM, signal.SIGINT):
            client = self.start_client("--message", "t: 1")
            client.wait_for(r"not welcome.*\[client-cert-revoked\]")
            self.assertEqual(client.end(signum), EX_NOPERM, client.output)


class SyncTest(ClientTest):
    """--spool-sync: readings wait for each other, but nobody waits for them."""

    def start_held(self, *more):
        client = self.start_client("--stdin", *more, stdin=subprocess.PIPE)
        client.wait_for("connected to")
        return client

    @staticmethod
    def write(client, text):
        """Gives the client lines, and waits until it has read them."""
        def all_taken():
            left = array.array("i", [0])
            fcntl.ioctl(client.process.stdin.fileno(), termios.FIONREAD, left)
            return left[0] == 0

        client.process.stdin.write(text)
        client.process.stdin.flush()
        wait_for(all_taken, DEADLINE, "the client to read what was written")

    def test_client_writes_readings_together_and_sends_them_then(self):
        came = []

        def script(session):
            session.welcome(0)
            came.extend((session.line(), time.monotonic(), session.line()))
            session.say("ack 2")
            session.line()

        server = self.start_python_server(script)
        client = self.start_held("--spool-sync", "600ms")
        begun = time.monotonic()
        self.write(client, lines(1, 1))
        self.write(client, lines(2, 2))
        wait_for(lambda: len(came) == 3, DEADLINE, "the readings to come")
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)
        server.close()
        self.assertEqual(server.failures, [])
        self.assertGreaterEqual(came[1] - begun, 0.6)

    def test_client_commits_what_waits_before_a_welcome(self):
        taken = threading.Event()
        came = []

        def first(session):
            session.welcome(0)
            session.line()
            session.say("ack 1")
            session.line()

        def second(session):
            taken.wait(DEADLINE)
            session.welcome(1)
            came.append(session.line())
            session.say("ack 2")
            session.line()

        server = self.start_python_server(first, second)
        self.run_client("--message", "t: 1", "--timeout", "20")  # the spool knows its sensor now
        client = self.start_client("--stdin", "--spool-sync", "1h", stdin=subprocess.PIPE)
        self.write(client, lines(2, 2))
        taken.set()
        wait_for(lambda: came, DEADLINE, "the reading to come")
        self.assertRegex(came[0], r"\A2 \S+ t: 2\Z")
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)
        server.close()
        self.assertEqual(server.failures, [])

    def test_client_whose_source_ends_or_that_is_told_to_leave_waits_for_nothing(self):
        self.start_server("--quiet")
        self.run_client("--stdin", "--spool-sync", "1h", "--timeout", "20", stdin=lines(1, 5))
        client = self.start_held("--spool-sync", "1h")
        self.write(client, lines(6, 10))
        self.assertEqual(client.end(), 0, client.output)
        self.assertEqual([row["value"] for row in self.rows()], [str(n) for n in range(1, 11)])

    def test_client_whose_source_is_held_back_waits_for_nothing(self):
        self.start_server("--quiet")
        client = self.start_held("--spool-sync", "1h", "--spool-max-readings", "2")
        self.write(client, lines(1, 11))
        wait_for(lambda: len(self.rows()) >= 9, DEADLINE, "all but the last to be stored")
        self.assertEqual(client.end(), 0, client.output)
        self.assertEqual(len(self.rows()), 11)

    def test_client_spool_that_fails_is_tried_again_at_once(self):
        self.port = free_port()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if before[1] != resource.RLIM_INFINITY:
            self.skipTest("this machine limits the size of files itself")
        resource.setrlimit(resource.RLIMIT_FSIZE, (120 * 1024, resource.RLIM_INFINITY))
        try:
            client = self.start_client("--stdin", "--spool-sync", "1h", "--timeout", "25",
                                       stdin=subprocess.PIPE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        client.process.stdin.write(lines(1, 6000))
        client.process.stdin.flush()
        client.wait_for("nothing more is taken until it works again")
        resource.prlimit(client.process.pid, resource.RLIMIT_FSIZE, before)
        client.wait_for("the spool works again")
        client.process.stdin.close()
        self.start_server("--quiet")
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual(client.output.count("the spool works again"), 1, client.output)
        self.assertEqual([row["value"] for row in self.rows()], [str(n) for n in range(1, 6001)])


class PortTest(ClientTest):
    def serve(self, answer):
        """A port whose listener says `answer` to whatever comes."""
        listener = socket.create_server(("127.0.0.1", 0))

        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(DEADLINE)
                    try:
                        connection.recv(4096)
                        connection.sendall(answer)
                        while connection.recv(4096):
                            pass
                    except OSError:
                        pass

        thread = threading.Thread(target=run)
        thread.start()

        def close():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(DEADLINE)

        self.addCleanup(close)
        self.port = listener.getsockname()[1]

    def test_client_at_a_port_without_tls_asks_whether_it_is_the_right_one(self):
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail.example ESMTP ready\r\n",
                       b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09"):
            with self.subTest(answer=answer):
                self.serve(answer)
                output = self.run_client("--message", "t: 1", "--timeout", "400ms",
                                         expect=EX_TEMPFAIL)
                found = re.search(rf"what listens at 127\.0\.0\.1:{self.port} doesn't speak TLS: "
                                  r"is it the right port\? \[(http|plain-text|not-tls)\]", output)
                self.assertTrue(found, output)
                self.assertNotIn("this port is for sensors", output)

    def test_client_host_with_a_port_names_the_option_for_it(self):
        self.port = 1
        for host in ("localhost:23456", "192.0.2.7:23456", "[::1]:23456"):
            output = self.run_client("--message", "t: 1", host=host, expect=EX_USAGE)
            self.assertEqual(output.count("\n"), 1, output)
            self.assertIn("--port", output)
        self.assertFalse(self.spool.exists())


if __name__ == "__main__":
    unittest.main()
