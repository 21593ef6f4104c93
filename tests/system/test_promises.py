#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README promises and no other test looks at: names, revocation, reloads, the allow list.

Whom the server refuses in the handshake is in test_refusals.py.
"""

import datetime
import signal
import socket
import subprocess
import unittest

from client_fixture import DEADLINE, EX_DATAERR, EX_NOPERM, ClientTest


class PromisesTest(ClientTest):
    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        self.addCleanup(connection.close)
        return connection

    def send_plain_line(self, *certificate):
        """A plain line through openssl s_client."""
        subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-quiet", "-no_ign_eof",
             *map(str, certificate)], input=b"temperature: 22\n", capture_output=True,
            timeout=DEADLINE, check=False)

    def assert_still_serving(self, server):
        """A good sensor gets its reading logged, and it is the only one there."""
        self.run_client("--message", "t: 1", "--timeout", "20")
        self.assertEqual([(row["sensor"], row["name"], row["value"]) for row in self.rows()],
                         [("weather-1", "t", "1")])
        self.assertEqual(server.end(), 0)

    def test_sensor_is_logged_under_the_name_in_its_certificate(self):
        pair = self.pki.leaf("attic", subject="weather-1", san=[("uri", "urn:sensor:attic")])
        server = self.start_server()
        self.send_plain_line("-cert", pair.cert, "-key", pair.key)
        server.wait_for("no more data from attic .*, 1 reading logged")
        self.assertEqual([row["sensor"] for row in self.rows()], ["attic"])

    def test_revoked_sensor_is_refused_and_others_are_not(self):
        lost = self.pki.sensor("lost")
        self.pki.certs_sh("revoke", "lost")
        server = self.start_server("--crlfile", self.pki.good / "crl.pem")
        output = self.run_client("--message", "t: 9", "--timeout", "2", sensor=lost,
                                 expect=EX_NOPERM)
        self.assertIn("client-cert-revoked", output)
        server.wait_for("refused [0-9.:]+: client-cert-revoked: ")
        self.assertEqual(self.rows(), [])
        self.spool.unlink()
        self.assert_still_serving(server)

    def test_connections_of_one_address_are_limited(self):
        server = self.start_server("--max-connections-per-address", "2")
        held = [self.connect(), self.connect()]
        self.assertEqual(self.connect().recv(1), b"")
        server.wait_for("turned away 1 .*--?max-connections-per-address")
        for connection in held:
            connection.close()
        self.assert_still_serving(server)

    def live_sensor(self, sensor, *more):
        """A client whose session goes on for as long as the test does."""
        client = self.start_client("--read", "load=/proc/loadavg", "--interval", "100ms", *more,
                                   sensor=sensor)
        client.wait_for("acknowledged up to 1")
        return client

    def reload(self, server, says="trust is reloaded"):
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(says)

    def test_revoked_sensor_is_sent_away_when_the_server_reloads(self):
        stolen = self.pki.sensor("stolen")
        server = self.start_server("--crlfile", self.pki.good / "crl.pem")
        client = self.live_sensor(stolen)
        self.pki.certs_sh("revoke", "stolen")
        self.reload(server)
        client.wait_for(r"\[client-cert-revoked\]")
        server.wait_for("no longer admitted: stolen .*: client-cert-revoked: ")
        client.close()
        self.spool.unlink()
        self.run_client("--message", "t: 1", "--timeout", "20")

    def test_reload_of_a_broken_file_leaves_the_old_trust_in_force(self):
        crl = self.folder / "crl.pem"
        crl.write_bytes((self.pki.good / "crl.pem").read_bytes())
        server = self.start_server("--crlfile", crl)
        crl.write_text("nothing")
        self.reload(server, "trust isn't reloaded, the old one stays: the revocation list ")
        self.run_client("--message", "t: 1", "--timeout", "20")
        self.assertEqual(server.end(), 0)

    def test_session_ends_with_its_certificate(self):
        pair = self.pki.leaf("brief", not_after=datetime.timedelta(seconds=8))
        server = self.start_server()
        client = self.live_sensor(pair)
        server.wait_for("no longer admitted: brief .*: client-cert-expired: ")
        client.wait_for(r"\[client-cert-expired\]")

    def test_sensor_that_is_not_on_the_allow_list_is_refused(self):
        allow = self.folder / "allow"
        allow.write_text("attic\n")
        server = self.start_server("--allow", allow)
        output = self.run_client("--message", "t: 9", "--timeout", "2", expect=EX_NOPERM)
        self.assertIn("client-not-allowed", output)
        self.assertEqual(self.rows(), [])
        allow.write_text("weather-*\n")
        self.reload(server)
        self.run_client("--message", "t: 1", "--timeout", "20")
        self.assertEqual(self.values(), [("t", "9"), ("t", "1")])

    def test_reading_of_a_name_that_is_not_allowed_is_refused_and_the_rest_goes_on(self):
        allow = self.folder / "allow"
        allow.write_text("weather-1 names=temperature,wind.*\n")
        self.start_server("--allow", allow)
        output = self.run_client(
            "--message", "temperature: 22", "--message", "door: 1", "--message", "wind.speed: 3",
            "--timeout", "20", expect=EX_DATAERR)
        self.assertIn("name-not-allowed", output)
        self.assertEqual(self.values(), [("temperature", "22"), ("wind.speed", "3")])

    def test_sensor_faster_than_its_rate_is_held_back_and_loses_nothing(self):
        allow = self.folder / "allow"
        allow.write_text("weather-1 rate=1000\n")
        self.start_server("--allow", allow)
        lines = "".join(f"t: {number}\n" for number in range(3000))
        self.run_client("--stdin", "--timeout", "25", stdin=lines.encode())
        rows = self.rows()
        self.assertEqual([row["value"] for row in rows], [str(number) for number in range(3000)])
        took = float(rows[-1]["received"]) - float(rows[0]["received"])
        self.assertGreater(took, 1, "a second's credit, and two seconds for the rest")


if __name__ == "__main__":
    unittest.main()
