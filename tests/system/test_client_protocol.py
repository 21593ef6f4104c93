#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sensorlink-client against a server in Python that forgets, contradicts itself, or goes away."""

import contextlib
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from client_fixture import (
    DEADLINE, EX_CONFIG, EX_DATAERR, EX_NOPERM, EX_TEMPFAIL, ClientTest)
from pki import wait_for


def store_all(seen, last=0):
    """A script that acknowledges each reading and keeps its line in `seen`."""
    def script(session):
        session.welcome(last)
        while True:
            line = session.line()
            if line is None:
                return
            seen.append(line)
            numbers = line.split(" ")
            session.say("ack " + (numbers[2] if numbers[0] == "gap" else numbers[0]))
    return script


class ProtocolTest(ClientTest):
    def check(self, server):
        """What went wrong in the server's scripts counts as much as what the client printed."""
        server.close()
        self.assertEqual(server.failures, [])

    def test_client_sends_stream_first_and_readings_after_welcome(self):
        first = []

        def script(session):
            first.append(session.line())
            session.connection.settimeout(0.3)
            early = None
            try:
                early = session.connection.recv(100)
            except TimeoutError:
                pass
            first.append(early)
            session.connection.settimeout(DEADLINE)
            session.say(f"welcome 0 {time.time():.3f} weather-1")
            reading = session.connection.recv(1000).decode()
            first.append(reading)
            session.say("ack 1")
            first.append(session.connection.recv(100))

        server = self.start_python_server(script)
        output = self.run_client("--message", "t: 1", "--timeout", "20")
        self.check(server)
        self.assertRegex(first[0], "^stream [0-9a-f]{32}$")
        self.assertIsNone(first[1])
        self.assertRegex(first[2], r"^clock [+-]\d+(\.\d+)?\n1 \d+(\.\d+)? t: 1\n$")
        self.assertEqual(first[3], b"")  # the goodbye
        self.assertIn("connected to", output)

    def test_client_is_not_connected_before_welcome(self):
        server = self.start_python_server(lambda session: (session.line(), session.line()))
        output = self.run_client("--message", "t: 1", "--timeout", "500ms", expect=EX_TEMPFAIL)
        self.check(server)
        self.assertNotIn("connected to", output)

    def test_client_cut_before_the_acknowledgement_sends_again_what_is_missing(self):
        seen = []

        def cut_after_three(session):
            session.welcome(0)
            seen.extend(session.lines(3))
            session.say("ack 2")
            # The acknowledgement must be read before the end of the connection is.
            session.line()

        def rest(session):
            session.welcome(2)
            seen.append(session.line())
            session.say("ack 3")
            session.line()

        server = self.start_python_server(cut_after_three, rest)
        client = self.start_client("--message", "t: 1", "--message", "t: 2", "--message", "t: 3",
                                   "--ack-timeout", "300ms")
        self.assertEqual(client.wait(), 0, client.output)
        self.check(server)
        self.assertEqual([line.split(" ")[0] for line in seen], ["1", "2", "3", "3"])
        self.assertEqual(seen[2], seen[3])
        self.assertIn("no-acknowledgement", client.output)

    def test_client_gives_a_server_up_that_says_an_old_acknowledgement_again_and_again(self):
        def same(session):
            session.welcome(0)
            session.lines(2)
            with contextlib.suppress(OSError):  # the client goes, which is what is wanted
                while True:
                    session.say("ack 1")
                    time.sleep(0.02)

        def rest(session):
            session.welcome(1)
            session.line()
            session.say("ack 2")
            session.line()

        server = self.start_python_server(same, rest)
        output = self.run_client("--message", "t: 1", "--message", "t: 2", "--ack-timeout", "300ms",
                                 "--timeout", "20")
        self.check(server)
        self.assertIn("no-acknowledgement", output)

    def test_client_keeps_its_window(self):
        counts = []

        def script(session):
            session.welcome(0)
            for last in (10, 20, 25):
                session.lines(10 if last < 25 else 5)
                session.connection.settimeout(0.2)
                try:
                    counts.append(session.connection.recv(1))
                except TimeoutError:
                    counts.append(None)
                session.connection.settimeout(DEADLINE)
                session.say(f"ack {last}")

        server = self.start_python_server(script)
        self.run_client("--stdin", "--window", "10", "--timeout", "20",
                        stdin=b"".join(b"t: %d\n" % n for n in range(25)))
        self.check(server)
        self.assertEqual(counts, [None, None, None])

    def test_client_batches_a_backlog_into_large_records(self):
        sizes = []

        def script(session):
            session.welcome(0)
            received = b""
            while received.count(b": ") < 1000:
                part = session.connection.recv(65536)  # one record at most
                sizes.append(len(part))
                received += part
            session.say("ack 1000")
            session.line()

        server = self.start_python_server(script)
        self.run_client("--stdin", "--timeout", "20",
                        stdin=b"".join(b"temperature: %d\n" % n for n in range(1000)))
        self.check(server)
        self.assertLessEqual(len(sizes), 8, sizes)
        self.assertGreater(max(sizes), 8000, sizes)

    def test_client_declares_what_it_forgot_to_a_server_that_never_had_it(self):
        seen = []
        server = self.start_python_server(store_all(seen))
        self.run_client("--message", "t: 1", "--message", "t: 2", "--timeout", "20")
        self.check(server)
        del seen[:]
        server = self.start_python_server(store_all(seen))
        output = self.run_client("--message", "t: 3", "--timeout", "20")
        self.check(server)
        self.assertEqual(seen[0], "gap 1 2 forgotten")
        self.assertRegex(seen[1], r"^3 \S+ t: 3$")
        self.assertIn("server-behind", output)

    def test_client_with_an_old_copy_of_its_spool_sends_nothing(self):
        seen = []
        server = self.start_python_server(store_all(seen, last=99))
        output = self.run_client("--message", "t: 1", "--timeout", "400ms", expect=EX_TEMPFAIL)
        self.check(server)
        self.assertEqual(seen, [])
        self.assertIn("spool-behind", output)
        self.assertIn("up to 99", output)

    def test_client_with_the_spool_of_another_sensor_sends_nothing_and_exits_78(self):
        self.start_server("--quiet")
        self.run_client("--message", "t: 1", "--timeout", "20")
        attic = self.pki.sensor("attic")
        output = self.run_client("--message", "t: 2", "--timeout", "20", sensor=attic,
                                 expect=EX_CONFIG)
        self.assertEqual(output, "sensorlink-client: this spool belongs to weather-1, and this "
                                 "certificate is attic's: give each sensor its own --spool\n")
        self.run_client("--message", "t: 3", "--timeout", "20")
        self.assertEqual([(row["sensor"], row["value"]) for row in self.rows()],
                         [("weather-1", "1"), ("weather-1", "3")])

    def test_client_that_a_server_takes_for_another_sensor_sends_nothing_and_exits_78(self):
        seen = []

        def renamed(session):
            session.line()
            session.say(f"welcome 1 {time.time():.3f} attic")
            seen.append(session.line())

        server = self.start_python_server(store_all([]), renamed)
        self.run_client("--message", "t: 1", "--timeout", "20")
        output = self.run_client("--message", "t: 2", "--timeout", "20", expect=EX_CONFIG)
        self.assertIn("this spool belongs to weather-1, and this certificate is attic's: give each "
                      "sensor its own --spool [spool-of-another-sensor]", output)
        self.assertIn("1 reading is not acknowledged yet; the spool keeps it", output)
        # It asks rarely, and leaves with the same code when it is told to.
        client = self.start_client("--stdin", stdin=subprocess.PIPE)
        client.wait_for(r"spool-of-another-sensor\]; trying again in \d{2,}")
        self.assertEqual(client.end(), EX_CONFIG, client.output)
        self.check(server)
        self.assertEqual(seen, [None, None])

    def test_client_reading_that_the_server_refuses_is_said_and_exits_65(self):
        def script(session):
            session.welcome(0)
            session.lines(2)
            session.say("refused 1 not-finite this value is too large", "ack 2")
            session.line()

        server = self.start_python_server(script)
        output = self.run_client("--message", "t: 1", "--message", "t: 2", "--timeout", "20",
                                 expect=EX_DATAERR)
        self.check(server)
        self.assertIn("the server can't log reading 1: this value is too large [not-finite]",
                      output)
        self.assertNotIn("everything", output)
        self.assertIn("no more data: what it could log is on the server's disk, up to reading 2",
                      output)
        self.assertIn("1 reading was refused by the server and became a gap; the lines above say why",
                      output)

    def test_client_counts_a_refused_reading_once_though_the_server_says_it_twice(self):
        def cut(session):
            session.welcome(0)
            session.lines(2)
            session.say("refused 1 not-finite this value is too large")

        def rest(session):
            session.welcome(0)
            session.lines(2)
            session.say("refused 1 not-finite this value is too large",
                        "refused 2 not-finite this value is too large", "ack 2")
            session.line()

        server = self.start_python_server(cut, rest)
        output = self.run_client("--message", "t: 1", "--message", "t: 2", "--timeout", "20",
                                 expect=EX_DATAERR)
        self.check(server)
        self.assertIn("2 readings were refused by the server and became gaps", output)

    def test_client_comes_back_no_sooner_than_bye_asks(self):
        seen = []

        def bye(session):
            session.welcome(0)
            session.line()
            session.say("bye 700 shutting-down the server restarts")
            session.line()

        server = self.start_python_server(bye, store_all(seen))
        output = self.run_client("--message", "t: 1", "--timeout", "20")
        self.check(server)
        self.assertGreaterEqual(server.accepted[1] - server.accepted[0], 0.7)
        self.assertIn("the server restarts [shutting-down]", output)
        self.assertEqual(len(seen), 1)

    def test_client_shows_nothing_that_turns_the_line_around(self):
        def bye(session):
            session.line()
            session.say("bye 0 shutting-down isn\u2019t \u00fc: \u202enow\u2066\u2028\ufeff")
            session.line()

        server = self.start_python_server(bye)
        output = self.run_client("--message", "t: 1", "--timeout", "1", expect=EX_TEMPFAIL)
        self.check(server)
        self.assertIn("isn\u2019t \u00fc: ?now??? [shutting-down]", output)

    def test_client_refused_by_name_backs_off_far_and_exits_77(self):
        def bye(session):
            session.line()
            session.say("bye 0 client-cert-revoked the certificate is revoked")
            session.line()

        server = self.start_python_server(bye)
        output = self.run_client("--message", "t: 1", "--timeout", "1", expect=EX_NOPERM)
        self.check(server)
        self.assertIn("not welcome: the certificate is revoked [client-cert-revoked]", output)
        self.assertEqual(len(server.accepted), 1)

    def test_client_cut_off_silently_before_welcome_soon_counts_as_refused(self):
        server = self.start_python_server(lambda session: session.line())
        output = self.run_client("--message", "t: 1", "--timeout", "2", expect=EX_NOPERM)
        self.check(server)
        self.assertIn("not-welcomed", output)
        self.assertEqual(len(server.accepted), 6)
        self.assertEqual(output.count("trying again"), 5)
        self.assertEqual(output.count("asking again"), 1)

    def test_client_leaves_a_server_that_breaks_the_protocol(self):
        for lines, reason in ((["ack 5"], "ack-ahead"), (["hello"], "not-a-message"),
                              (["x" * 600], "line-too-long"),
                              (["welcome 0 1764000000 weather-1"], "welcome-twice")):
            with self.subTest(reason=reason):
                seen = []

                def script(session, lines=tuple(lines)):
                    session.welcome(0)
                    session.line()
                    session.say(*lines)
                    session.line()

                server = self.start_python_server(script, store_all(seen))
                output = self.run_client("--message", "t: 1", "--timeout", "20")
                self.check(server)
                self.assertIn(f"[{reason}]", output)
                self.spool.unlink()

    def test_client_tells_a_session_that_was_closed_from_one_that_was_cut(self):
        def closed(session):
            session.welcome(0)
            session.line()
            with contextlib.suppress(OSError):  # the client may go without a goodbye of its own
                session.connection.unwrap()

        def cut(session):
            session.welcome(0)
            session.line()

        for reason, script in (("closed", closed), ("cut", cut)):
            with self.subTest(reason=reason):
                server = self.start_python_server(script, store_all([]))
                output = self.run_client("--message", "t: 1", "--timeout", "20")
                self.check(server)
                self.assertEqual(re.findall(r"\[(closed|cut)\]", output), [reason])
                self.spool.unlink()

    def test_client_gives_up_on_a_port_that_takes_connections_and_says_nothing(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.port = listener.getsockname()[1]
        output = self.run_client("--message", "t: 1", "--connect-timeout", "100ms", "--timeout",
                                 "600ms", expect=EX_TEMPFAIL)
        self.assertIn("handshake-timeout", output)

    def test_client_without_acknowledged_protocol_at_the_server_does_not_send(self):
        server = self.start_python_server(lambda session: session.line())
        server.context.set_alpn_protocols(["other/1"])
        output = self.run_client("--message", "t: 1", "--timeout", "500ms", expect=EX_TEMPFAIL)
        server.close()
        self.assertNotIn("connected to", output)
        self.assertIn("[no-protocol]", output)

    def test_client_unknown_host_is_said_and_tried_again(self):
        self.port = 1
        output = self.run_client("--message", "t: 1", "--timeout", "1", host="no-such.invalid",
                                 expect=EX_TEMPFAIL)
        self.assertIn("name-unknown", output)

    def test_client_told_to_end_waits_a_moment_for_the_last_acknowledgement(self):
        told = threading.Event()

        def script(session):
            session.welcome(0)
            session.line()
            told.wait(DEADLINE)
            time_to_be_late = session.connection
            time_to_be_late.settimeout(0.3)
            try:
                time_to_be_late.recv(1)
            except TimeoutError:
                pass
            time_to_be_late.settimeout(DEADLINE)
            session.say("ack 1")
            session.line()

        server = self.start_python_server(script)
        client = self.start_client("--read", "up=/proc/uptime", "--interval", "10s")
        client.wait_for("connected to")
        client.process.send_signal(signal.SIGTERM)
        told.set()
        self.assertEqual(client.wait(), 0, client.output)
        self.check(server)

    def test_client_told_to_end_does_not_wait_for_ever(self):
        server = self.start_python_server(
            lambda session: (session.welcome(0), session.line(), session.line()))
        client = self.start_client("--read", "up=/proc/uptime", "--interval", "10s")
        client.wait_for("connected to")
        begun = time.monotonic()
        self.assertEqual(client.end(), EX_TEMPFAIL, client.output)
        self.assertLess(time.monotonic() - begun, 10)
        self.check(server)

    def test_client_leaks_no_descriptors_while_it_reconnects(self):
        server = self.start_python_server(
            lambda session: (session.welcome(0), session.line()))
        client = self.start_client("--message", "t: 1")

        def descriptors():
            done = subprocess.run(["ls", f"/proc/{client.process.pid}/fd"], capture_output=True,
                                  text=True, check=True)
            return len(done.stdout.split())

        client.wait_for(r"(?s)(connected to.*){3}")
        early = descriptors()
        wait_for(lambda: len(server.accepted) > 30, DEADLINE, "thirty sessions")
        self.assertLessEqual(descriptors(), early + 2)
        client.process.kill()
        client.wait()
        server.close()
        self.assertTrue(re.search(r"\[(cut|closed)\]", client.output), client.output)


if __name__ == "__main__":
    unittest.main()
