#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README says that sensorlink protects against, tried from outside: through openssl,
Python's ssl and bare sockets. Each refusal has its reason, logs nothing, and the server goes on."""

import contextlib
import os
import socket
import ssl
import struct
import subprocess
import unittest

from client_fixture import DEADLINE, EX_NOPERM, ClientTest

LINE = b"temperature: 99\n"


def client_hello(version, suites):
    """A ClientHello record, complete but for the suites that a server of ours would take."""
    groups = struct.pack("!HHHHH", 0x000A, 6, 4, 0x0017, 0x001D)
    points = bytes.fromhex("000b00020100")
    signatures = struct.pack("!HHHHH", 0x000D, 6, 4, 0x0403, 0x0503)
    extensions = groups + points + signatures
    listed = b"".join(struct.pack("!H", suite) for suite in suites)
    body = (struct.pack("!H", version) + os.urandom(32) + b"\0" +
            struct.pack("!H", len(listed)) + listed + b"\x01\0" +
            struct.pack("!H", len(extensions)) + extensions)
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", 22, 0x0301, len(handshake)) + handshake


class PromisesTest(ClientTest):
    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        self.addCleanup(connection.close)
        return connection

    def send_plain_line(self, *certificate):
        """A plain line through openssl s_client, with or without a certificate."""
        subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-quiet", "-no_ign_eof",
             *map(str, certificate)], input=LINE, capture_output=True, timeout=DEADLINE,
            check=False)

    def assert_refused(self, server, reason, times=1):
        server.wait_for(rf"(?s)(refused [0-9.:]+: {reason}: .*){{{times}}}")
        self.assertEqual(self.rows(), [])

    def assert_still_serving(self, server):
        """A good sensor gets its reading logged, and it is the only one there."""
        self.run_client("--message", "t: 1", "--timeout", "20")
        self.assertEqual([(row["sensor"], row["name"], row["value"]) for row in self.rows()],
                         [("weather-1", "t", "1")])
        self.assertEqual(server.end(), 0)

    def test_stranger_without_a_certificate_gets_nothing_logged(self):
        server = self.start_server()
        self.send_plain_line()
        self.assert_refused(server, "client-cert-missing")
        self.assert_still_serving(server)

    def test_certificates_that_are_not_right_are_refused_with_their_reason(self):
        pki = self.pki
        server = self.start_server()
        cases = (
            ("client-cert-untrusted", pki.leaf("weather-1", ca=pki.ca("other"))),
            ("client-cert-untrusted", pki.impostor("weather-1")),
            ("client-cert-untrusted", pki.self_signed("weather-1")),
            ("client-cert-expired", pki.expired("weather-1")),
            ("client-cert-not-yet-valid", pki.not_yet_valid("weather-1")),
            ("client-cert-wrong-usage", pki.server_only("weather-1")),
            ("client-cert-no-usage", pki.no_usage("weather-1")),
        )
        seen = []
        for reason, pair in cases:
            with self.subTest(reason=reason, certificate=pair.cert.name):
                seen.append(reason)
                self.send_plain_line("-cert", pair.cert, "-key", pair.key)
                self.assert_refused(server, reason, seen.count(reason))
        self.assert_still_serving(server)

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
        self.assert_refused(server, "client-cert-revoked")
        self.spool.unlink()
        self.assert_still_serving(server)

    def test_old_versions_and_weak_suites_are_refused(self):
        cases = (
            ("old-tls", 0x0301, [0xC009, 0xC02B]),       # TLS 1.0
            ("old-tls", 0x0302, [0xC009, 0xC02B]),       # TLS 1.1
            ("no-common-suite", 0x0303, [0xC009, 0xC023]),  # AES-CBC
            ("no-common-suite", 0x0303, [0xC007]),       # RC4
            ("no-common-suite", 0x0303, [0xC018]),       # anonymous
            ("no-common-suite", 0x0303, [0xC006]),       # no encryption
            ("no-common-suite", 0x0303, [0x009C]),       # RSA key exchange
        )
        server = self.start_server()
        seen = []
        for reason, version, suites in cases:
            with self.subTest(version=hex(version), suites=list(map(hex, suites))):
                seen.append(reason)
                connection = self.connect()
                connection.sendall(client_hello(version, suites))
                answer = connection.recv(100)
                self.assertTrue(answer == b"" or answer[0] == 21, "an alert, or the end")
                self.assert_refused(server, reason, seen.count(reason))
        self.assert_still_serving(server)

    def test_plain_text_and_http_are_refused(self):
        server = self.start_server()
        for reason, said in (("plain-text", b"temperature: 15\n"),
                             ("http", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")):
            connection = self.connect()
            connection.sendall(said)
            while connection.recv(100):
                pass
            self.assert_refused(server, reason)
        self.assert_still_serving(server)

    def test_connections_of_one_address_are_limited(self):
        server = self.start_server("--max-connections-per-address", "2")
        held = [self.connect(), self.connect()]
        self.assertEqual(self.connect().recv(1), b"")
        server.wait_for("turned away 1 .*--?max-connections-per-address")
        for connection in held:
            connection.close()
        self.assert_still_serving(server)

    def test_handshake_that_takes_too_long_is_ended(self):
        server = self.start_server("--handshake-timeout", "300ms")
        connection = self.connect()
        connection.sendall(client_hello(0x0303, [0xC02B])[:20])
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(connection.recv(100), b"")
        self.assert_refused(server, "handshake-timeout")
        self.assert_still_serving(server)

    def test_handshake_that_is_too_large_is_ended(self):
        rogue = self.pki.rogue_chain()
        self.assertGreater(rogue.cert.stat().st_size, 11_000)
        server = self.start_server()
        context = ssl.create_default_context(cafile=self.pki.good_ca.cert)
        context.load_cert_chain(rogue.cert, rogue.key)
        with contextlib.suppress(OSError):
            with context.wrap_socket(self.connect(), server_hostname="localhost") as connection:
                connection.sendall(LINE)
                connection.recv(100)
        self.assert_refused(server, "handshake-too-large")
        self.assert_still_serving(server)


if __name__ == "__main__":
    unittest.main()
