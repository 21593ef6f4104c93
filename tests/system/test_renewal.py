#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates that are renewed while sensorlink-client is connected, and those that end soon."""

import datetime
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from client_fixture import DEADLINE, ClientTest, PythonServer
from pki import DAY, Pair, openssl, wait_for


class ParallelServer(PythonServer):
    """One script a session as before, but the next session needn't wait for the one before."""

    def _run(self):
        self.threads = []
        super()._run()
        for thread in self.threads:
            thread.join(DEADLINE)

    def _serve(self, connection, script):
        thread = threading.Thread(target=super()._serve, args=(connection, script))
        self.threads.append(thread)
        thread.start()


class RenewalTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.cafile = self.folder / "ca.crt"
        self.own = Pair(self.folder / "own.crt", self.folder / "own.key")
        self.sent = 0
        self.renew(self.sensor)
        self.give_ca(self.pki.good_ca)

    # --- the sensor's files

    def put(self, source, place, before=b""):
        """As install(1) does it: whole or not at all, and for its owner only."""
        beside = self.folder / "beside"
        beside.write_bytes(before + source.read_bytes())
        beside.chmod(0o600)
        os.replace(beside, place)

    def renew(self, pair):
        self.put(pair.key, self.own.key)
        self.put(pair.cert, self.own.cert)

    def give_ca(self, *cas):
        self.put(cas[-1].cert, self.cafile, b"".join(ca.cert.read_bytes() for ca in cas[:-1]))

    def fresh(self, **options):
        return self.pki.leaf("weather-1", **options)

    # --- the client

    def start(self, *more):
        client = self.start_client("--stdin", *more, cafile=self.cafile, sensor=self.own,
                                   stdin=subprocess.PIPE)
        client.wait_for("connected to")
        return client

    def start_at_python(self, *scripts, more=()):
        server = ParallelServer(self.pki, *scripts)
        self.addCleanup(server.close)
        self.port = server.port
        return server, self.start(*more)

    def reload(self, client):
        client.process.send_signal(signal.SIGHUP)

    def send(self, client, count=1):
        for _ in range(count):
            self.sent += 1
            client.process.stdin.write(b"t: %d\n" % self.sent)
        client.process.stdin.flush()

    def send_and_see(self, client, count=1):
        """Readings that have reached the server's disk when this returns."""
        self.send(client, count)
        wait_for(lambda: len(self.rows()) >= self.sent, DEADLINE, "the readings")

    def finish(self, client):
        """Everything that was sent is on the server's disk, once and in order."""
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual(self.values(), [("t", str(n)) for n in range(1, self.sent + 1)])

    def finish_at_python(self, server, client):
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)
        server.close()
        self.assertEqual(server.failures, [])

    def assert_undisturbed(self, client):
        self.assertNotIn("no connection", client.output)
        self.assertNotIn("not welcome:", client.output)

    # --- the server

    def pin(self, pair):
        """An allow list with this very certificate."""
        text = openssl("x509", "-in", pair.cert, "-noout", "-fingerprint", "-sha256").decode()
        allow = self.folder / "allow"
        allow.write_text(f"weather-1 sha256={text.strip().rpartition('=')[2]}\n")
        return allow

    def handovers(self, server):
        """How many sessions there were; checks that each began before the one before it ended."""
        story = [line for line in server.output.splitlines()
                 if re.match("(authenticated|no more data from|ending) ", line)]
        began = [at for at, line in enumerate(story) if line.startswith("authenticated")]
        ended = [at for at, line in enumerate(story) if line.startswith("no more data from")]
        for later, end in zip(began[1:], ended):
            self.assertLess(later, end, "\n".join(story))
        return len(began)


class TakenTest(RenewalTest):
    def test_client_takes_up_renewed_certificates_while_it_is_connected(self):
        server = self.start_server()
        client = self.start()
        descriptors = len(os.listdir(f"/proc/{client.process.pid}/fd"))
        for turn in range(1, 5):
            self.send(client, 500)
            self.renew(self.fresh())
            self.send(client, 500)
            self.reload(client)
            self.send(client, 500)
            wait_for(lambda turn=turn: client.output.count("with a renewed certificate") == turn,
                     DEADLINE, f"renewal {turn}")
        wait_for(lambda: len(os.listdir(f"/proc/{client.process.pid}/fd")) == descriptors, DEADLINE,
                 "the descriptors of the first connection to be given back")
        self.finish(client)
        self.assert_undisturbed(client)
        self.assertEqual(self.handovers(server), 5)

    def test_client_notices_renewed_files_by_itself(self):
        server = self.start_server()
        client = self.start("--renewal-check", "50ms")
        self.send_and_see(client)
        self.renew(self.fresh())
        client.wait_for("with a renewed certificate")
        self.send_and_see(client)
        self.finish(client)
        self.assert_undisturbed(client)
        self.assertEqual(self.handovers(server), 2)

    def test_client_session_outlives_the_certificate_that_it_began_with(self):
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
        self.renew(self.fresh(not_after=end))
        server = self.start_server()
        client = self.start()
        self.send_and_see(client)
        self.renew(self.fresh())
        self.reload(client)
        client.wait_for("with a renewed certificate")
        late = end.timestamp() + 2.5
        wait_for(lambda: self.send_and_see(client) or time.time() > late, DEADLINE, "the end")
        self.finish(client)
        self.assert_undisturbed(client)
        self.assertNotIn("no longer admitted", server.output)

    def test_client_with_half_of_a_renewal_goes_on_and_takes_the_whole(self):
        server = self.start_server()
        client = self.start("--renewal-check", "50ms")
        fresh = self.fresh()
        self.put(fresh.cert, self.own.cert)
        client.wait_for(r"own\.key doesn't belong to --cert .*own\.crt \[renewal-unusable\]")
        for _ in range(10):
            self.send_and_see(client)
        self.assertEqual(client.output.count("renewal-unusable"), 1)
        self.assertEqual(self.handovers(server), 1)
        self.put(fresh.key, self.own.key)
        client.wait_for("with a renewed certificate")
        self.send_and_see(client)
        self.finish(client)
        self.assert_undisturbed(client)

    def test_client_sends_again_what_the_older_session_did_not_acknowledge(self):
        older, newer = [], []
        held = threading.Event()

        def first(session):
            session.welcome(0)
            older.extend(session.lines(4))
            session.say("ack 1")
            held.set()
            self.assertIsNone(session.line())  # the client leaves, without a word more

        def second(session):
            session.welcome(1)
            newer.extend(session.lines(3))
            session.say("ack 4")
            self.assertIsNone(session.line())

        server, client = self.start_at_python(first, second)
        self.send(client, 4)
        self.assertTrue(held.wait(DEADLINE))
        self.renew(self.fresh())
        self.reload(client)
        client.wait_for("with a renewed certificate")
        self.finish_at_python(server, client)
        self.assertEqual(newer, older[1:])
        self.assert_undisturbed(client)


class RefusedTest(RenewalTest):
    def test_client_keeps_its_session_where_the_renewed_certificate_is_not_allowed(self):
        server = self.start_server("--allow", self.pin(self.sensor))
        client = self.start("--renewal-check", "50ms", "--retry-refused", "200ms")
        self.send_and_see(client)
        fresh = self.fresh()
        self.renew(fresh)
        client.wait_for(r"isn't taken.*\[client-not-allowed\] \[renewal-refused\]")
        for _ in range(10):
            self.send_and_see(client)
        self.assertEqual(server.output.count("refused "), 1, "it was tried again and again")
        self.assertEqual(self.handovers(server), 1)
        self.assert_undisturbed(client)

        self.reload(client)  # somebody asks: once more
        wait_for(lambda: client.output.count("renewal-refused") == 2, DEADLINE, "the second word")
        self.send_and_see(client)

        # After a break the one that works is shown, and the other one only where that is refused.
        server.end()
        server = self.start_server("--allow", self.folder / "allow")
        self.send_and_see(client)
        self.assertNotIn("refused ", server.output)
        self.pin(fresh)
        server.process.send_signal(signal.SIGHUP)
        client.wait_for("with a renewed certificate")
        self.send_and_see(client)
        self.finish(client)
        self.assertEqual(client.output.count("renewal-refused"), 2)

    def test_client_keeps_its_session_where_the_server_does_not_know_the_new_ca(self):
        other = self.pki.ca("other")
        server = self.start_server()
        client = self.start()
        self.send_and_see(client)
        self.give_ca(self.pki.good_ca, other)
        self.renew(self.pki.leaf("weather-1", ca=other))
        self.reload(client)
        client.wait_for(r"isn't taken.*\[renewal-refused\]")
        self.send_and_see(client)
        self.finish(client)
        self.assert_undisturbed(client)
        self.assertEqual(self.handovers(server), 1)
        self.assertIn("client-cert-untrusted", server.output)

    def test_client_keeps_its_session_where_the_renewed_ca_does_not_know_the_server(self):
        other = self.pki.ca("elsewhere")
        server = self.start_server()
        client = self.start()
        self.send_and_see(client)
        self.give_ca(other)
        self.renew(self.pki.leaf("weather-1", ca=other))
        self.reload(client)
        client.wait_for(r"isn't taken.*\[server-cert-untrusted\] \[renewal-refused\]")
        server.end()
        self.start_server()
        self.send_and_see(client)
        self.finish(client)

    def test_client_does_not_take_up_the_certificate_of_another_sensor(self):
        server = self.start_server()
        client = self.start()
        self.send_and_see(client)
        self.renew(self.pki.sensor("weather-2"))
        self.reload(client)
        client.wait_for(r"this certificate is weather-2's.*\[renewal-unusable\]")
        self.send_and_see(client)
        self.finish(client)
        self.assertEqual(self.handovers(server), 1)

    def test_client_refused_after_a_break_shows_the_certificate_from_before(self):
        server = self.start_server("--allow", self.pin(self.sensor))
        client = self.start()
        self.send_and_see(client)
        server.end()
        client.wait_for("no connection")
        self.renew(self.fresh())
        self.start_server("--allow", self.folder / "allow")
        client.wait_for(r"isn't taken.*\[client-not-allowed\] \[renewal-refused\]")
        self.send_and_see(client)
        self.finish(client)

    def test_client_goes_on_with_the_older_session_after_bye_to_the_newer_one(self):
        def second(session):
            session.line()
            session.say("bye 1 client-not-allowed no")

        self.go_back(second, "renewal-refused")

    def test_client_goes_on_with_the_older_session_where_the_newer_one_gets_no_answer(self):
        self.go_back(lambda session: (session.line(), session.line()), "renewal-waits",
                     more=("--connect-timeout", "300ms"))

    def test_client_goes_on_with_the_older_session_where_the_newer_one_is_welcomed_as_another(self):
        def second(session):
            session.line()
            session.say(f"welcome 0 {time.time():.3f} somebody-else")

        self.go_back(second, "renewal-waits")

    def test_client_goes_on_with_the_older_session_where_the_newer_one_knows_too_much(self):
        def second(session):
            session.line()
            session.say(f"welcome 99 {time.time():.3f} weather-1")

        self.go_back(second, "renewal-waits")

    def go_back(self, second, reason, more=()):
        refused = threading.Event()

        def first(session):
            session.welcome(0)
            session.lines(2)
            refused.wait(DEADLINE)
            session.say("ack 2")
            self.assertRegex(session.line(), r"^3 \S+ t: 3$")
            session.say("ack 3")
            session.line()

        server, client = self.start_at_python(first, second, more=more)
        self.send(client, 2)
        self.renew(self.fresh())
        self.reload(client)
        client.wait_for(rf"\[{reason}\]")
        refused.set()
        self.send(client)
        self.finish_at_python(server, client)
        self.assert_undisturbed(client)

    def test_client_told_to_end_meanwhile_hears_the_older_sessions_acknowledgement(self):
        greeted, told = threading.Event(), threading.Event()

        def first(session):
            session.welcome(0)
            session.line()
            told.wait(DEADLINE)
            session.say("ack 1")
            session.line()

        def second(session):
            session.line()
            greeted.set()
            session.line()

        server, client = self.start_at_python(first, second)
        self.send(client)
        self.renew(self.fresh())
        self.reload(client)
        self.assertTrue(greeted.wait(DEADLINE))
        client.process.send_signal(signal.SIGTERM)
        told.set()
        self.finish_at_python(server, client)

    def test_client_whose_stream_was_taken_over_for_nothing_comes_back_soon(self):
        greeted, back = threading.Event(), threading.Event()

        def second(session):
            session.line()
            greeted.set()

        for wait in (back, greeted):  # `bye` comes after the client went back, or before it can
            with self.subTest(wait="back" if wait is back else "greeted"):
                greeted.clear()
                back.clear()
                self.sent = 0
                self.spool.unlink(missing_ok=True)

                def first(session, wait=wait):
                    session.welcome(0)
                    session.line()
                    wait.wait(DEADLINE)
                    session.say("bye 60000 stream-taken-over a newer session is open")
                    session.line()

                def third(session):
                    session.welcome(0)
                    self.assertRegex(session.line(), r"^1 \S+ t: 1$")
                    session.say("ack 1")
                    session.line()

                server, client = self.start_at_python(first, second, third)
                self.send(client)
                self.renew(self.fresh())
                self.reload(client)
                if wait is back:
                    client.wait_for(r"\[renewal-waits\]")
                    back.set()
                client.wait_for(r"no connection.*trying again in 0\.\d s")
                self.finish_at_python(server, client)


class EndTest(RenewalTest):
    def test_client_warns_of_a_certificate_that_ends_soon(self):
        self.renew(self.fresh(not_after=9 * DAY + DAY / 2))
        day = (datetime.datetime.now(datetime.timezone.utc) + 9 * DAY + DAY / 2).date()
        server = self.start_server()
        client = self.start()
        client.wait_for(rf"own\.crt ends in 9 days, on {day}: renew it.*\[cert-expires-soon\]")
        server.end()
        self.start_server()
        wait_for(lambda: client.output.count("connected to") == 2, DEADLINE, "the new connection")
        self.finish(client)
        self.assertEqual(client.output.count("cert-expires-soon"), 1)

    def test_client_warns_as_early_as_it_is_told_to(self):
        self.renew(self.fresh(not_after=30 * DAY))
        self.start_server()
        for more, times in (((), 0), (("--expiry-warning", "40d"), 1)):
            with self.subTest(more=more):
                client = self.start(*more)
                self.finish(client)
                self.assertEqual(client.output.count("cert-expires-soon"), times)

    def test_client_expiry_warning_of_zero_warns_of_nothing(self):
        self.renew(self.fresh(not_after=DAY / 2))
        self.start_server()
        client = self.start("--expiry-warning", "0")
        self.finish(client)
        self.assertNotIn("cert-expires-soon", client.output)


if __name__ == "__main__":
    unittest.main()
