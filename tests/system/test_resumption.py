#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions that are resumed, by OpenSSL (Python's ssl) and by sensorlink-client, and those that
mustn't be."""

import contextlib
import datetime
import signal
import subprocess
import time
import unittest

from pki import wait_for
from programs import CLIENT, SLOW, Sensor, SystemTest, client_context, tls_versions


class Comer:
    """A sensor that keeps its TLS session from one visit to the next."""

    def __init__(self, pair, version):
        self.pair = pair
        self.context = client_context(pair, version)
        self.session = None

    def visit(self, server, name):
        """Comes, opens its stream, and leaves. Returns whether the session was resumed."""
        with Sensor(server, self.pair, context=self.context, session=self.session) as sensor:
            _, known_as = sensor.open()
            assert known_as == name, known_as
            self.session = sensor.socket.session  # TLS 1.3's ticket came before `welcome`
            resumed = sensor.socket.session_reused
            sensor.close()
        return resumed

    def refused(self, server):
        """Comes with its session; returns whether that was resumed, and the last line."""
        with Sensor(server, self.pair, context=self.context, session=self.session) as sensor:
            return sensor.socket.session_reused, sensor.lines_to_end()[-1]


class ResumptionTest(SystemTest):
    _names = 0

    def each_version(self):
        """(a sensor that is new to everybody, its name) for each version of TLS."""
        for version in tls_versions():
            ResumptionTest._names += 1
            name = f"comer-{ResumptionTest._names}"
            with self.subTest(version=version.name):
                yield Comer(self.pki.sensor(name), version), name

    def reload(self, server):
        mark = server.mark()
        server.send_signal(signal.SIGHUP)
        server.wait_for("trust is reloaded", since=mark)


class TestResumption(ResumptionTest):
    def test_sensor_that_comes_back_is_resumed_under_its_name(self):
        server = self.start_server("--crlfile", self.pki.crl)
        for comer, name in self.each_version():
            mark = server.mark()
            self.assertFalse(comer.visit(server, name))
            self.assertTrue(comer.visit(server, name))
            self.reload(server)
            self.assertTrue(comer.visit(server, name), "a reload alone ended the resumption")
            server.wait_for(rf"authenticated \S+ as {name} with \S+ \S+ sensorlink/1\n", since=mark)
            server.wait_for(rf"authenticated \S+ as {name} with .*, resumed\n", since=mark)
        server.stop()

    def test_sensor_revoked_since_is_refused_with_its_session(self):
        server = self.start_server("--crlfile", self.pki.crl)
        for comer, name in self.each_version():
            comer.visit(server, name)
            self.assertTrue(comer.visit(server, name))
            self.pki.certs_sh("revoke", name)
            self.reload(server)
            resumed, line = comer.refused(server)
            self.assertFalse(resumed)
            self.assertRegex(line, r"^bye \d+ client-cert-revoked ")
        server.stop()

    def test_sensor_whose_certificate_ended_since_is_refused_with_its_session(self):
        server = self.start_server()
        for version in tls_versions():
            with self.subTest(version=version.name):
                name = f"brief-{version.name}"
                ends = time.time() + (60 if SLOW else 4)
                comer = Comer(self.pki.leaf(name, not_after=datetime.datetime.fromtimestamp(
                    ends, datetime.timezone.utc)), version)
                comer.visit(server, name)
                self.assertTrue(comer.visit(server, name))
                wait_for(lambda at=ends: time.time() > at + 1, 120, "the certificate's end")
                mark, resumed = server.mark(), False
                with contextlib.suppress(OSError), Sensor(
                        server, comer.pair, context=comer.context, session=comer.session) as sensor:
                    resumed = sensor.socket.session_reused
                    sensor.lines_to_end()
                self.assertFalse(resumed)
                server.wait_for(rf"refused \S+: client-cert-expired: .*CN={name},", since=mark)
        server.stop()

    def test_sensor_taken_off_the_list_since_is_refused_with_its_session(self):
        allow = self.new_folder() / "allow"
        allow.write_text("comer-*\n")
        server = self.start_server("--allow", allow)
        for comer, name in self.each_version():
            allow.write_text("comer-*\n")
            self.reload(server)
            comer.visit(server, name)
            self.assertTrue(comer.visit(server, name))
            allow.write_text("other\n")
            self.reload(server)
            resumed, line = comer.refused(server)
            self.assertFalse(resumed)
            self.assertRegex(line, r"^bye \d+ client-not-allowed ")
        server.stop()

    def test_sessions_are_resumed_after_a_restart_only_where_the_keys_are_kept(self):
        for kept in (True, False):
            folder = self.new_folder()
            options = ("--ticket-keys", folder / "tickets") if kept else ()
            server = self.start_server(*options, folder=folder)
            comers = list(self.each_version())
            for comer, name in comers:
                comer.visit(server, name)
            server.stop()
            server = self.start_server(*options, folder=folder)
            for comer, name in comers:
                self.assertEqual(comer.visit(server, name), kept)
            server.stop()

    def test_server_told_to_resume_nothing_gives_no_ticket(self):
        server = self.start_server("--resume-max-age", "0")
        for comer, name in self.each_version():
            self.assertFalse(comer.visit(server, name))
            self.assertFalse(comer.session and comer.session.has_ticket)
            self.assertFalse(comer.visit(server, name))
        server.stop()


class TestClient(ResumptionTest):
    def test_client_comes_back_with_its_session_and_loses_nothing(self):
        folder = self.new_folder()
        pair = self.pki.sensor("weather-1")
        options = ("--ticket-keys", folder / "tickets")
        server = self.start_server(*options, folder=folder)
        client = self.start(
            CLIENT, "--host", "127.0.0.1", "--port", server.address[1], "--cafile",
            self.pki.good_ca.cert, "--cert", pair.cert, "--key", pair.key, "--stdin", "--retry-min",
            "0.01", folder=folder, stdin=subprocess.PIPE)
        client.process.stdin.write(b"t: 1\n")
        client.process.stdin.flush()
        client.wait_for(r"connected to \S+ as weather-1 \(TLSv1\.[23], [-_A-Z0-9]+\)")
        server.wait_for("weather-1  t: 1")
        server.stop()
        again = self.start_server(
            *options, folder=folder, listen=f"127.0.0.1:{server.address[1]}")
        client.wait_for(r"connected to \S+ as weather-1 \(.*, resumed\)")
        client.process.stdin.write(b"t: 2\n")
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual(again.readings(), [("t", 1), ("t", 2)])
        again.stop()


if __name__ == "__main__":
    unittest.main()
