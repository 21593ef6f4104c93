#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whom sensorlink-server refuses: each with its reason, nothing logged, and the next one served.

The strangers are Python's ssl, `openssl s_client` and raw sockets, because sensorlink's own client
would be too polite. Where a machine's OpenSSL can't say something any more (RC4), the ClientHello
is put together here.
"""

import base64
import contextlib
import os
import re
import socket
import ssl
import struct
import subprocess
import time
import unittest

from pki import Pair, Pki, children, der_of, integer, oid, pem, sequence, subject_of, tlv, wait_for
from programs import ALPN, DEADLINE, SLOW, Sensor, Server, SystemTest, client_context, connect, reset, \
    tls_versions

NAMES = {ssl.TLSVersion.TLSv1_2: "TLS 1.2", ssl.TLSVersion.TLSv1_3: "TLS 1.3"}

# How long a handshake may take in the server that strangers try to hold up.
SHORT_HANDSHAKE_S = 15 if SLOW else 2


def close_by_peer(raw, deadline=DEADLINE):
    """Reads until the peer ends the connection; returns what it said. Fails if it doesn't end."""
    raw.settimeout(deadline)
    said = b""
    try:
        while data := raw.recv(65536):
            said += data
    except ConnectionError:
        pass
    except TimeoutError:
        raise AssertionError(f"not closed within {deadline} s, got {said!r}") from None
    return said


def mixed_key(cert, key, path):
    """A key file with the public half of a certificate and the private half of another key.

    OpenSSL compares public halves when it loads a pair, and signs with the private one: so it
    presents a certificate whose key it doesn't have.
    """
    wrapped = children(der_of(key))[2]  # an OCTET STRING with the ECPrivateKey in it (RFC 5958)
    private = children(wrapped[wrapped.index(b"\x30"):])[1]
    public = children(children(children(der_of(cert))[0])[6])[1]
    der = sequence(integer(1), private, tlv(0xA0, oid("1.2.840.10045.3.1.7")), tlv(0xA1, public))
    path.write_text(pem("EC PRIVATE KEY", der))
    return path


def client_hello(suites, version=0x0303, curves=(29, 23)):
    """A TLS ClientHello as bytes, with these cipher suites (RFC 5246, section 7.4.1.2)."""
    def extension(number, body):
        return struct.pack("!HH", number, len(body)) + body

    def vector(items):
        body = b"".join(struct.pack("!H", item) for item in items)
        return struct.pack("!H", len(body)) + body

    extensions = (
        extension(10, vector(curves))
        + extension(11, b"\x01\x00")
        + extension(13, vector((0x0403, 0x0503, 0x0603, 0x0401, 0x0203, 0x0201))))
    body = (struct.pack("!H", version) + os.urandom(32) + b"\0" + vector(suites) + b"\x01\x00"
            + struct.pack("!H", len(extensions)) + extensions)
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake


class Refusals(SystemTest):
    """What all refusals have in common."""

    options = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.versions = tls_versions()
        # A second CA without a path length: only below such a one a leaf could sign (issue of
        # Mbed TLS with CA:FALSE,pathlen:1).
        cls.long_ca = cls.pki.ca("long")
        cafile = cls.folder / "both.crt"
        cafile.write_text(cls.pki.good_ca.cert.read_text() + cls.long_ca.cert.read_text())
        cls.attic = cls.pki.sensor("attic")
        cls.server = cls.start_shared_server(*cls.options, cafile=cafile)
        cls.good = 0

    def assert_still_serves(self):
        """A good sensor's reading is stored, and nothing but good sensors' readings ever were."""
        type(self).good += 1
        with Sensor(self.server, self.attic) as sensor:
            last, name = sensor.open()
            self.assertEqual((last, name), (self.good - 1, "attic"))
            sensor.say(f"{self.good} - good: {self.good}")
            sensor.wait_ack(self.good)
            sensor.close()
        self.assert_nothing_logged_but_good()

    def assert_nothing_logged_but_good(self):
        self.assertEqual(self.server.sensors(), ["attic"])
        self.assertEqual(self.server.readings(),
                         [("good", number) for number in range(1, self.good + 1)])

    def connect_stranger(self):
        """A TCP connection. Ports come again, so only what is said from here on is about it."""
        self.mark = self.server.mark()
        return contextlib.closing(connect(self.server.address))

    def wait_refused(self, port):
        """What the server says of the refusal of this very connection."""
        return self.server.wait_for(rf"refused 127\.0\.0\.1:{port}: (.*)\n", since=self.mark)[1]

    def assert_refused(self, port, reason):
        """The server says so, and goes on. Returns what it says."""
        line = self.wait_refused(port)
        self.assertEqual(line.partition(":")[0], reason, line)
        self.assertGreater(len(line), len(reason) + 20)
        self.assert_still_serves()
        return line

    def stranger(self, pair, version=None, alpn=True, ciphers=None):
        """Tries to log a reading, whatever it takes. Returns (local port, what came back)."""
        said = b""
        context = client_context(pair, version, alpn, ciphers)
        with self.connect_stranger() as raw:
            port = raw.getsockname()[1]
            with contextlib.suppress(OSError):
                # In TLS 1.3 the client is done before the server has judged it.
                with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                    if alpn:
                        wrapped.sendall(b"stream 11111111111111111111111111111111\n1 - bad: 1\n")
                    else:
                        wrapped.sendall(b"bad: 1\n")
                    while data := wrapped.recv(65536):
                        said += data
        return port, said

    def raw_stranger(self, *chunks):
        """Sends bytes over TCP. Returns (local port, what came back before the server closed)."""
        with self.connect_stranger() as raw:
            port = raw.getsockname()[1]
            with contextlib.suppress(ConnectionError):
                for chunk in chunks:
                    raw.sendall(chunk)
            return port, close_by_peer(raw)


class CertificateTest(Refusals):
    def refuse(self, pair, reason, verified=False, facts="subject .*issuer .*serial "):
        """Over both protocols and each TLS version the server can do."""
        for version in self.versions:
            for alpn in (True, False):
                with self.subTest(tls=NAMES[version], alpn=alpn):
                    port, said = self.stranger(pair, version, alpn)
                    if verified and alpn:
                        self.assertRegex(said.decode(), rf"\Abye \d+ {reason} .+\n\Z")
                    else:
                        self.assertEqual(said, b"")
                    self.assertRegex(self.assert_refused(port, reason), facts)

    def test_sensor_without_certificate_is_refused(self):
        self.refuse(None, "client-cert-missing", facts="certificate")

    def test_sensor_of_another_ca_is_refused(self):
        self.refuse(self.pki.leaf("attic", ca=self.pki.ca("other")), "client-cert-untrusted")

    def test_sensor_of_another_ca_of_the_same_name_is_refused(self):
        self.refuse(self.pki.impostor("attic"), "client-cert-untrusted")

    def test_sensor_that_signed_its_certificate_itself_is_refused(self):
        self.refuse(self.pki.self_signed("attic"), "client-cert-untrusted")

    def test_sensor_with_the_cas_own_name_that_signed_itself_is_refused(self):
        self.refuse(self.pki.self_signed("attic", subject=subject_of(self.pki.good_ca.cert)),
                    "client-cert-untrusted")

    def test_sensor_with_expired_certificate_is_refused(self):
        self.refuse(self.pki.expired("attic"), "client-cert-expired")

    def test_sensor_with_certificate_not_yet_valid_is_refused(self):
        self.refuse(self.pki.not_yet_valid("attic"), "client-cert-not-yet-valid")

    def test_sensor_with_a_servers_certificate_is_refused(self):
        self.refuse(self.pki.server_only("attic"), "client-cert-wrong-usage")

    def test_sensor_with_the_servers_very_certificate_is_refused(self):
        self.refuse(self.pki.server("localhost"), "client-cert-wrong-usage")

    def test_sensor_whose_certificate_says_no_usage_is_refused(self):
        self.refuse(self.pki.no_usage("attic"), "client-cert-no-usage", verified=True)

    def test_sensor_whose_certificate_is_for_any_usage_is_refused(self):
        self.refuse(self.pki.leaf("attic", eku=("any",)), "client-cert-no-usage", verified=True)

    def test_sensor_whose_key_may_not_sign_is_refused(self):
        self.refuse(self.pki.leaf("attic", ku=("keyEncipherment",)), "client-cert-wrong-usage")

    def test_sensor_without_the_certificates_key_is_refused(self):
        cert, key = self.pki.wrong_key("attic")
        self.refuse(Pair(cert, mixed_key(cert, key, self.folder / "mixed.key")),
                    "client-key-mismatch")

    def test_sensor_with_a_bad_name_is_refused(self):
        for name in ("at tic", "../attic", "-attic", "a" * 65, "att\nic", "\u00e4ttic", "attic,"):
            with self.subTest(name=name):
                pair = self.pki.leaf("x", subject="x", san=[("uri", f"urn:sensor:{name}")])
                self.refuse(pair, "client-name-bad", verified=True)

    def test_sensor_with_an_empty_name_is_refused(self):
        for san in ([("uri", "urn:sensor:")], [("dns", "")]):
            with self.subTest(san=san):
                self.refuse(self.pki.leaf("x", subject="attic", san=san), "client-name-bad",
                            verified=True)
        with self.subTest("CN"):
            self.refuse(self.pki.leaf("x", subject="", san=None), "client-name-bad", verified=True)

    def test_sensor_without_any_name_is_refused(self):
        self.refuse(self.pki.leaf("x", subject=(), san=None), "client-name-missing", verified=True)

    def test_sensor_with_a_zero_in_its_name_is_refused(self):
        self.refuse(self.pki.zero_in_uri("attic"), "client-name-bad", verified=True)
        self.refuse(self.pki.zero_in_cn("attic"), "client-name-bad", verified=True)

    def test_sensor_that_is_named_twice_is_refused(self):
        self.refuse(self.pki.several_uris("attic", "cellar"), "client-name-ambiguous",
                    verified=True)
        self.refuse(self.pki.several_uris("attic", "attic"), "client-name-ambiguous",
                    verified=True)
        other = self.pki.leaf("x", subject=[("CN", "attic"), ("CN", "cellar")], san=None)
        self.refuse(other, "client-name-ambiguous", verified=True)

    def test_sensor_that_is_named_twice_in_another_spelling_is_refused(self):
        san = [("uri", "urn:sensor:cellar"), ("uri", "URN:Sensor:attic")]
        self.refuse(self.pki.leaf("x", san=san), "client-name-ambiguous", verified=True)

    def test_sensor_whose_name_differs_only_in_case_is_refused(self):
        self.assert_still_serves()  # So attic is known.
        sensor = self.connect(self.server, self.pki.leaf("Attic"))
        sensor.say("stream 22222222222222222222222222222222", "1 - bad: 1")
        self.assertEqual(sensor.wait_bye("client-name-spelling"), [])
        self.server.wait_for(rf"ending Attic \(127.0.0.1:{sensor.port}\): client-name-spelling: ")
        plain = self.connect(self.server, self.pki.leaf("ATTIC"), alpn=False)
        plain.say("bad: 1")
        self.assertIsNone(plain.line())
        self.server.wait_for(rf"ending ATTIC \(127.0.0.1:{plain.port}\): client-name-spelling: ")
        self.assert_still_serves()

    def test_sensor_whose_certificate_a_leaf_signed_is_refused(self):
        # 2.28 and 3.6 up to 3.6.6 themselves accept the first of these chains.
        for ca in (self.long_ca, None):
            with self.subTest(pathlen="none" if ca else 0):
                pair = self.pki.leaf_that_signs("attic", ca=ca)
                port, said = self.stranger(pair, self.versions[0])
                self.assertEqual(said, b"")
                line = self.assert_refused(
                    port, "client-chain-unknown-ca" if ca else "client-cert-untrusted")
                self.assertRegex(line, "subject .*issuer .*serial ")

    def test_sensor_of_an_intermediate_ca_that_the_server_wasnt_given_is_refused(self):
        between = self.pki.ca("between", issuer=self.long_ca)
        pair = self.pki.chain(self.pki.leaf("attic", ca=between), between)
        self.refuse(pair, "client-chain-unknown-ca")

    def test_sensor_with_a_weak_certificate_is_refused(self):
        self.refuse(self.pki.leaf("attic", key="rsa1024"), "client-cert-weak")
        self.refuse(self.pki.leaf("attic", digest="sha1"), "client-cert-weak")

    def test_sensors_of_both_cas_are_served(self):
        # The control of everything above: with nothing wrong, it isn't refused.
        pair = self.pki.leaf("attic", ca=self.long_ca)
        for version in self.versions:
            type(self).good += 1
            with Sensor(self.server, pair, version=version) as sensor:
                sensor.open()
                sensor.say(f"{self.good} - good: {self.good}")
                sensor.wait_ack(self.good)
                self.assertEqual(sensor.socket.version(), NAMES[version].replace(" ", "v"))
                sensor.close()
        self.assert_still_serves()


class OldProtocolTest(Refusals):
    SUITES = {
        "rc4": (0xC007, 0xC011, 0x0005),
        "cbc": (0xC009, 0xC00A, 0xC023, 0xC024, 0xC013, 0x002F, 0x0035, 0x003C, 0x000A),
        "anonymous": (0xC018, 0xC019, 0x006C, 0x00A6, 0x00A7),
        "null": (0xC006, 0x0001, 0x003B),
        "static rsa": (0x009C, 0x009D),
        "pre-shared key": (0x00A8, 0xC0A4),
    }
    ALLOWED = 0xC02B  # ECDHE-ECDSA with AES-128-GCM

    def test_a_hand_made_hello_with_an_allowed_suite_is_answered(self):
        # The control of the next ones: it's the suites that they are refused for.
        with self.connect_stranger() as raw:
            port = raw.getsockname()[1]
            raw.sendall(client_hello((*self.SUITES["cbc"], self.ALLOWED)))
            header = raw.recv(5)
            self.assertEqual(header[0], 22, "a handshake record")
            hello = raw.recv(6 + 32 + 1)
            self.assertEqual(hello[0], 2, "ServerHello")
            suite = raw.recv(2 + hello[38])[-2:]
            self.assertEqual(struct.unpack("!H", suite)[0], self.ALLOWED)
        self.assert_refused(port, "handshake-cut")

    def test_suites_that_arent_allowed_are_refused(self):
        for kind, suites in self.SUITES.items():
            with self.subTest(kind):
                port, said = self.raw_stranger(client_hello(suites))
                # A fatal alert and nothing else: handshake_failure.
                self.assertEqual(said[:1] + said[5:], b"\x15\x02\x28")
                self.assert_refused(port, "no-common-suite")

    def test_openssl_with_cbc_or_without_authentication_is_refused(self):
        for ciphers in ("ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", "aNULL:@SECLEVEL=0"):
            with self.subTest(ciphers):
                port, said = self.stranger(self.attic, ssl.TLSVersion.TLSv1_2, ciphers=ciphers)
                self.assertEqual(said, b"")
                self.assert_refused(port, "no-common-suite")

    def test_curves_that_arent_allowed_are_refused(self):
        port, said = self.raw_stranger(client_hello((self.ALLOWED,), curves=(25, 19)))
        self.assertEqual(said[:1], b"\x15")
        self.assert_refused(port, "no-common-suite")

    def test_tls_before_1_2_is_refused(self):
        for minor, name in ((0, "SSL 3"), (1, "TLS 1.0"), (2, "TLS 1.1")):
            with self.subTest(name):
                hello = client_hello((self.ALLOWED, 0xC009), version=0x0300 + minor)
                port, said = self.raw_stranger(hello)
                # protocol_version
                self.assertEqual(said[:1] + said[5:], b"\x15\x02\x46")
                self.assert_refused(port, "old-tls")

    def test_openssl_with_tls_1_1_is_refused(self):
        port, said = self.stranger(self.attic, ssl.TLSVersion.TLSv1_1)
        self.assertEqual(said, b"")
        self.assert_refused(port, "old-tls")

    def test_renegotiation_is_refused(self):
        mark = self.server.mark()
        client = subprocess.Popen(
            ["openssl", "s_client", "-tls1_2", "-connect", "%s:%d" % self.server.address,
             "-cert", str(self.attic.cert), "-key", str(self.attic.key), "-no_ign_eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            self.server.wait_for("authenticated .* as attic", since=mark)
            # "R" alone on a line asks for it; the end of the input ends s_client.
            output, _ = client.communicate(b"R\n", timeout=DEADLINE)
        finally:
            client.kill()
            client.wait(timeout=DEADLINE)
        text = output.decode(errors="replace")
        self.assertIn("RENEGOTIATING", text)
        self.assertRegex(text, "(?i)no.renegotiation")
        story = self.server.wait_for(
            r"(?s)authenticated (\S+) as attic with .*no more data from attic \(\1\)", since=mark)
        self.assertEqual(story[0].count("authenticated"), 1)
        self.assert_still_serves()


class NotTlsTest(Refusals):
    options = ("--handshake-timeout", f"{SHORT_HANDSHAKE_S}s")
    BYSTANDER = "33333333333333333333333333333333"  # a stream

    def test_http_is_refused(self):
        for text in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n"):
            port, _ = self.raw_stranger(text)
            self.assert_refused(port, "http")

    def test_plain_text_of_the_tutorial_is_refused(self):
        port, said = self.raw_stranger(b"temperature: 15\n", b"temperature: 22\n")
        self.assertNotIn(b"ack", said)
        self.assert_refused(port, "plain-text")

    def test_bytes_that_are_nothing_are_refused(self):
        port, _ = self.raw_stranger(bytes(range(128, 256)))
        self.assert_refused(port, "not-tls")

    def test_handshake_that_is_none_is_refused(self):
        port, _ = self.raw_stranger(b"\x16\x03\x01\x00\x05\xff\x00\x00\x01\x00")
        self.assert_refused(port, "handshake-failed")

    def test_silence_is_refused_in_time(self):
        begin = time.monotonic()
        port, said = self.raw_stranger()
        self.assertEqual(said, b"")
        # Who says nothing at all has a third of the time that a handshake has.
        self.assertGreater(time.monotonic() - begin, SHORT_HANDSHAKE_S * 0.3)
        self.assert_refused(port, "handshake-timeout")

    def test_silence_after_the_hello_is_refused_in_time(self):
        port, said = self.raw_stranger(client_hello((OldProtocolTest.ALLOWED,)))
        self.assertEqual(said[:1], b"\x16")
        self.assert_refused(port, "handshake-timeout")

    def test_a_byte_now_and_then_is_refused_in_time(self):
        # Each byte restarts nothing: the whole handshake has one deadline.
        hello = client_hello((OldProtocolTest.ALLOWED,))
        begin = time.monotonic()
        sent = 0
        with self.connect_stranger() as raw:
            port = raw.getsockname()[1]
            raw.settimeout(SHORT_HANDSHAKE_S / 20)  # between two bytes
            while time.monotonic() - begin < DEADLINE:
                raw.sendall(hello[sent:sent + 1])
                sent += 1
                try:
                    if not raw.recv(1):
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
        lasted = time.monotonic() - begin
        self.assertGreater(sent, 5)
        self.assertLess(sent, len(hello))
        self.assertLess(lasted, SHORT_HANDSHAKE_S * 3)
        self.assert_refused(port, "handshake-timeout")

    def test_many_silent_ones_dont_keep_a_sensor_out(self):
        with contextlib.ExitStack() as stack:
            mark = self.server.mark()
            ports = [stack.enter_context(self.connect_stranger()).getsockname()[1]
                     for _ in range(50)]
            self.assert_still_serves()
            for port in ports:
                self.server.wait_for(rf"refused 127\.0\.0\.1:{port}: handshake-timeout", since=mark)

    def test_rogue_cas_are_refused_before_they_cost_anything(self):
        rogue = self.pki.rogue_chain()
        size = sum(len(base64.b64decode(body)) for body in
                   re.findall(r"BEGIN CERT[^-]+-----(.*?)-----END", rogue.cert.read_text(),
                              re.DOTALL))
        self.assertGreater(size, 11000)
        # In TLS 1.2 the chain can be read, in TLS 1.3 only the limit of bytes stops it.
        reasons = {ssl.TLSVersion.TLSv1_2: "handshake-too-many-certs",
                   ssl.TLSVersion.TLSv1_3: "handshake-too-large"}
        for number, version in enumerate(self.versions, 1):
            with self.subTest(tls=NAMES[version]), Sensor(self.server, self.attic) as sensor:
                sensor.open(self.BYSTANDER)
                before = self.server.processor_seconds()
                port, said = self.stranger(rogue, version)
                self.assertEqual(said, b"")
                self.wait_refused(port)
                spent = self.server.processor_seconds() - before
                if not SLOW:
                    self.assertLess(spent, 0.5, "an unguarded server spends seconds")
                # Who was in didn't notice.
                sensor.say(f"gap {number} {number} test")
                sensor.wait_ack(number)
                sensor.close()
                self.assert_refused(port, reasons[version])
        self.assertEqual(len(self.server.gaps(self.BYSTANDER)), len(self.versions))

    def test_hello_and_certificates_have_limits_of_their_own(self):
        # A hello of almost 3 KB, as long lists of keys or a ticket make it; then the leaf and its
        # CA with an RSA key, which alone take two thirds of that.
        rsa = Pki(self.folder / "rsa", ca_key="rsa3072")
        pair = rsa.chain(rsa.sensor("attic"), rsa.good_ca)
        server = Server(self.new_folder(), rsa)
        self.addCleanup(server.kill)
        # OpenSSL 3.5 adds a kilobyte of keys of its own to a hello of TLS 1.3.
        for version, more in ((version, more) for version in self.versions for more in (0, 6)):
            with self.subTest(tls=NAMES[version], more=more):
                context = client_context(pair, version)
                context.set_ecdh_curve("prime256v1")
                context.set_alpn_protocols([ALPN] + ["x" * 250] * (9 + more))
                mark = server.mark()
                if more:
                    with self.assertRaises(OSError), Sensor(server, pair, context=context):
                        pass
                    server.wait_for("refused [^ ]*: handshake-too-large: ", since=mark)
                else:
                    with Sensor(server, pair, context=context) as sensor:
                        sensor.open()
                        sensor.close()

    def test_a_hello_that_never_ends_is_refused_at_the_limit(self):
        # One message of 16,000 bytes, of which no more than --handshake-bytes are read.
        body = b"\x01" + (16000 - 4).to_bytes(3, "big") + b"\x03\x03" + bytes(16000 - 6)
        port, _ = self.raw_stranger(b"\x16\x03\x01" + struct.pack("!H", len(body)) + body)
        self.assert_refused(port, "handshake-too-large")


class CutTest(Refusals):
    """Connections that end where they shouldn't."""

    def handshake_sizes(self, version):
        """How many bytes a whole handshake sends, for each flight summed up."""
        with self.partial(version, 1 << 20) as (sizes, _):
            return sizes

    @contextlib.contextmanager
    def partial(self, version, limit):
        """Sends the first `limit` bytes of a sensor's side; yields (sizes, the raw socket)."""
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context(self.attic, version)
        tls = context.wrap_bio(inward, outward, server_hostname="localhost")
        sizes, sent = [], 0
        with self.connect_stranger() as raw:
            while sent < limit:
                try:
                    tls.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    done = False
                data = outward.read()[:limit - sent]
                if data:
                    raw.sendall(data)
                    sent += len(data)
                    sizes.append(sent)
                if done or sent >= limit:
                    break
                inward.write(raw.recv(65536))
            yield sizes, raw

    def places(self, version):
        """Where to cut: before anything, around each flight's end, and in between."""
        sizes = self.handshake_sizes(version)
        whole = sizes[-1]
        step = whole // (4 if SLOW else 12)
        around = {size + off for size in sizes for off in (-1, 0, 1)}
        # A signature's length varies by a few bytes from one handshake to the next.
        return sorted(place for place in {0, 1, 4, 5, 6, whole - 10} | around |
                      set(range(step, whole, step)) if place <= whole - 10)

    def cut_everywhere(self, how):
        for version in self.versions:
            for place in self.places(version):
                with self.subTest(tls=NAMES[version], place=place):
                    with self.partial(version, place) as (_, raw):
                        port = raw.getsockname()[1]
                        how(raw)
                        self.assertRegex(self.wait_refused(port), "^handshake-cut: ")
        self.assert_still_serves()

    def test_reset_at_each_step_of_the_handshake_is_refused(self):
        self.cut_everywhere(reset)

    def test_end_at_each_step_of_the_handshake_is_refused(self):
        self.cut_everywhere(lambda raw: raw.shutdown(socket.SHUT_WR))

    def cut_session(self, end):
        """A whole line, half a line, and the end. Returns the sensor's port."""
        type(self).good += 1
        with Sensor(self.server, self.attic) as sensor:
            sensor.open()
            sensor.say(f"{self.good} - good: {self.good}")
            sensor.wait_ack(self.good)
            sensor.send(f"{self.good + 1} - bad: 1".encode())
            end(sensor)
            self.server.wait_for(rf"no more data from attic \(127\.0\.0\.1:{sensor.port}\), "
                                 "1 reading logged")
        self.assert_nothing_logged_but_good()
        return sensor.port

    def test_session_cut_without_close_notify_keeps_whole_lines_only(self):
        port = self.cut_session(Sensor.cut)
        self.server.wait_for(rf"attic \(127\.0\.0\.1:{port}\) was cut off in the middle of a line, "
                             "which isn't logged")
        self.assert_still_serves()

    def test_reset_session_keeps_whole_lines_only(self):
        self.cut_session(Sensor.reset)
        self.assert_still_serves()

    def test_damaged_record_ends_the_session(self):
        type(self).good += 1
        with Sensor(self.server, self.attic) as sensor:
            sensor.open()
            sensor.say(f"{self.good} - good: {self.good}")
            sensor.wait_ack(self.good)
            raw = sensor.detach()
            with contextlib.closing(raw):
                raw.sendall(b"\x17\x03\x03\x00\x20" + os.urandom(32))
                close_by_peer(raw)
            self.server.wait_for(rf"attic \(127\.0\.0\.1:{sensor.port}\): tls-broken: ")
        self.assert_still_serves()


if __name__ == "__main__":
    unittest.main()
