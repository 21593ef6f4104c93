#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README promises and no other test looks at: names, revocation, crowds of one address.

Whom the server refuses in the handshake is in test_refusals.py.
"""

import socket
import subprocess
import unittest

from client_fixture import DEADLINE, EX_NOPERM, ClientTest


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


if __name__ == "__main__":
    unittest.main()
