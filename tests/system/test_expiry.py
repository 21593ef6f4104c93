#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs out: revocation lists, with grace and without, the server's certificate, sessions."""

import datetime
import os
import re
import shutil
import signal
import struct
import subprocess
import unittest

import pki as make
from certificates import crl
from pki import DAY, REPOSITORY
from programs import CLIENT, EX_CONFIG, EX_USAGE, SERVER, SLOW, Sensor, SystemTest, run

HOUR = DAY / 24
OTHER_STREAM = "fedcba9876543210fedcba9876543210"


class ExpiryTest(SystemTest):
    def write_list(self, path, ca=None, **options):
        """A list of that CA (the good one) in the file, which is replaced as a whole."""
        fresh = path.with_suffix(".new")
        fresh.write_text(make.pem("X509 CRL", crl(ca or self.pki.good_ca, **options)))
        fresh.rename(path)

    def new_list(self, **options):
        path = self.new_folder() / "crl.pem"
        self.write_list(path, **options)
        return path

    def reload(self, server, expect="trust is reloaded"):
        mark = server.mark()
        server.send_signal(signal.SIGHUP)
        return server.wait_for(expect, since=mark)

    def refused_at_start(self, *more, cafile=None):
        """The exit code of a server that doesn't start, and what it says."""
        pair = self.pki.server("localhost")
        done = run(SERVER, "--cafile", cafile or self.pki.good_ca.cert, "--cert", pair.cert,
                   "--key", pair.key, "--store", self.new_folder() / "r.db", "--listen",
                   "127.0.0.1:0", *more)
        return done.returncode, done.stderr

    def assert_admitted(self, server, name):
        with Sensor(server, self.pki.sensor(name)) as sensor:
            self.assertEqual(sensor.open(OTHER_STREAM), (0, name))


class TestPolicy(ExpiryTest):
    def test_server_wants_a_list_of_each_ca_where_lists_are_named(self):
        other = self.pki.ca("second-ca")
        both = self.new_folder() / "both.crt"
        both.write_text(self.pki.good_ca.cert.read_text() + other.cert.read_text())
        lists = ("--crlfile", self.pki.crl)
        sentence = "crl.pem holds none of the CA 'CN=second-ca' of --cafile: add it"
        for more in ((), ("--crl-policy", "require")):
            code, said = self.refused_at_start(*lists, *more, cafile=both)
            self.assertEqual((code, said.count(sentence)), (EX_CONFIG, 1), said)
        server = self.start_server(*lists, "--crl-policy", "if-present", cafile=both)
        with Sensor(server, self.pki.leaf("guest", ca=other)) as sensor:
            self.assertEqual(sensor.open(), (0, "guest"))
        server.stop()

    def test_policy_require_without_lists_is_refused_at_the_start(self):
        code, said = self.refused_at_start("--crl-policy", "require")
        self.assertEqual(code, EX_CONFIG)
        self.assertIn("--crl-policy require needs revocation lists", said)
        code, said = self.refused_at_start("--crl-policy", "perhaps")
        self.assertEqual(code, EX_USAGE)
        self.assertIn("--crl-policy is require or if-present", said)


class TestOlderLists(ExpiryTest):
    def assert_keeps(self, server, name, fault):
        self.reload(server, f"trust isn't reloaded, the old one stays: .*crl.pem {fault}")
        with Sensor(server, self.pki.sensor(name)) as sensor:
            sensor.wait_bye("client-cert-revoked")

    def test_list_that_is_older_than_the_one_in_force_isnt_taken(self):
        self.pki.sensor("stolen-1")
        path = self.new_folder() / "crl.pem"
        older = self.pki.crl.read_text()
        self.pki.certs_sh("revoke", "stolen-1")
        shutil.copy(self.pki.crl, path)
        server = self.start_server("--crlfile", path)
        # An attacker, or a copy that went wrong, brings the list from before the theft.
        path.write_text(older)
        self.assert_keeps(server, "stolen-1", "of the CA .* (is of .*, older than|has a smaller CRL "
                                              "number than) the one in force")
        self.write_list(path, this_update=-2 * DAY)
        self.assert_keeps(server, "stolen-1",
                          "of the CA .* is of .*, older than the one in force, of .*Z")
        self.pki.certs_sh("crl")
        shutil.copy(self.pki.crl, path)
        self.reload(server)
        server.stop()

    def test_list_cant_be_left_out_once_it_is_in_force(self):
        other = self.pki.ca("other-ca")
        both = self.new_folder() / "both.crt"
        both.write_text(self.pki.good_ca.cert.read_text() + other.cert.read_text())
        self.pki.sensor("stolen-2")
        self.pki.certs_sh("revoke", "stolen-2")
        path = self.new_folder() / "crl.pem"
        shutil.copy(self.pki.crl, path)
        server = self.start_server("--crlfile", path, "--crl-policy", "if-present", cafile=both)
        self.write_list(path, ca=other)
        self.assert_keeps(server, "stolen-2", "no longer holds one of the CA")
        server.stop()


class TestListThatRunsOut(ExpiryTest):
    def test_sensors_that_come_after_it_are_refused_and_those_that_are_in_stay(self):
        early, late = self.pki.sensor("early"), self.pki.sensor("late")
        ends_in = datetime.timedelta(seconds=60 if SLOW else 5)
        path = self.new_list(next_update=ends_in)
        server = self.start_server("--crlfile", path)
        sensor = self.connect(server, early)
        sensor.open()
        server.wait_for("the revocation list .*crl.pem of the CA '.*' is out of date since "
                        ".*Z: sensors of this CA that connect are refused", deadline=120)
        mark = server.mark()
        with Sensor(server, late) as refused:
            refused.wait_bye("crl-expired")
        server.wait_for(r"refused \S+: crl-expired: .*\(subject CN=late, .*, the list's next update "
                        r"was due 20.*Z\)", since=mark)
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        # It can't be loaded again either; what was in force is said to stay.
        self.reload(server, "trust isn't reloaded, the old one stays: .* is out of date since")
        self.write_list(path, this_update=-HOUR)
        self.reload(server)
        self.assert_admitted(server, "late")
        sensor.say("2 - t: 2")
        sensor.wait_ack(2)
        server.stop()

    def test_list_out_of_date_is_refused_at_the_start_without_a_grace(self):
        path = self.new_list(this_update=-20 * DAY, next_update=-2 * HOUR)
        code, said = self.refused_at_start("--crlfile", path)
        self.assertEqual(code, EX_CONFIG)
        self.assertRegex(said, r"crl\.pem is out of date since 20.*Z: make a new one with "
                               "scripts/certs.sh crl")
        code, said = self.refused_at_start("--crlfile", path, "--crl-grace", "1h")
        self.assertEqual(code, EX_CONFIG)
        self.assertIn("longer than --crl-grace", said)

    def test_revoked_sensor_is_refused_however_its_issuers_name_is_written(self):
        # As a PrintableString and in capitals: for the library that is the CA's name.
        name = make.subject_of(self.pki.good_ca.cert).upper()
        stolen = self.pki.leaf("stolen", serial=0x4711, issuer_name=name.replace(b"\x0c", b"\x13"))
        path = self.new_list(serials=[])
        server = self.start_server("--crlfile", path)
        self.connect(server, stolen).open()
        self.write_list(path, serials=[0x4711])
        self.reload(server)
        with Sensor(server, stolen) as sensor:
            sensor.wait_bye("client-cert-revoked")
        server.stop()

    def test_list_in_its_grace_holds_and_is_warned_of(self):
        revoked = self.pki.leaf("stolen", serial=0x4711)
        path = self.new_list(this_update=-20 * DAY, next_update=-2 * HOUR, serials=[0x4711])
        server = self.start_server("--crlfile", path, "--crl-grace", "1d")
        warning = "is out of date since .*Z, and holds for 21 hours more only"
        server.wait_for(warning)
        self.assert_admitted(server, "good")
        with Sensor(server, revoked) as sensor:
            sensor.wait_bye("client-cert-revoked")
        mark = server.mark()
        self.reload(server)
        server.wait_for(warning, since=mark)
        server.stop()


class TestWarnings(ExpiryTest):
    def warnings(self, server):
        return re.findall(r"^.*(?:the certificate|the CA '|the revocation list) .*$",
                          server.output, re.MULTILINE)

    def test_nothing_is_warned_of_while_there_is_time(self):
        server = self.start_server("--crlfile", self.pki.crl)
        self.assert_admitted(server, "calm")
        server.stop()
        self.assertEqual(self.warnings(server), [])

    def test_ends_are_warned_of_at_start_and_at_each_reload(self):
        path = self.new_list(this_update=-40 * DAY, next_update=2.5 * DAY)
        server = self.start_server("--crlfile", path, "--expiry-warning", "100d")
        wanted = (r"the certificate \S+/localhost\.crt is good for (89|90) days, to 20.*Z: renew it",
                  r"the revocation list \S+/crl\.pem of the CA '.*' is good for 2 days, to 20.*Z: "
                  r"make a new one")
        for pattern in wanted:
            server.wait_for(pattern)
        # The CA has years, and a list of 42 days has a quarter of them to be warned of.
        self.assertEqual(len(self.warnings(server)), 2)
        mark = server.mark()
        self.reload(server)
        for pattern in wanted:
            server.wait_for(pattern, since=mark)
        server.stop()

    def start_with_clock(self, start):
        """What start() starts, and a function that steps its clock to so many days from now."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if SLOW or not compiler:
            self.skipTest("a sanitizer's runtime would have to come before the stepped clock")
        folder = self.new_folder()
        library, offset = folder / "clock_step.so", folder / "clock"
        subprocess.run([compiler, "-D_GNU_SOURCE", "-std=c11", "-shared", "-fPIC", "-o", library,
                        REPOSITORY / "tests" / "system" / "chaos" / "clock_step.c"],
                       check=True, timeout=60)

        def step_to(days):
            with open(offset, "r+b") as file:
                file.write(struct.pack("=q", int(days * 86400e6)))

        offset.write_bytes(bytes(8))
        os.environ.update(LD_PRELOAD=str(library), SENSORLINK_CLOCK_STEP=str(offset))
        try:
            return start(), step_to
        finally:
            del os.environ["LD_PRELOAD"], os.environ["SENSORLINK_CLOCK_STEP"]

    def test_client_whose_clock_went_ahead_says_by_how_much(self):
        pair = self.pki.sensor("steady")
        server = self.start_server("--resume-max-age", "0")
        client, step_to = self.start_with_clock(lambda: self.start(
            CLIENT, "--host", "localhost", "--port", server.address[1], "--cafile",
            self.pki.good_ca.cert, "--cert", pair.cert, "--key", pair.key, "--stdin", "--retry-min",
            "10ms", stdin=subprocess.PIPE))
        client.wait_for("connected to")
        step_to(100)
        server.stop()
        self.start_server(listen=f"127.0.0.1:{server.address[1]}")
        found = client.wait_for(
            r"server's certificate has expired.*; this machine's clock says (\S+)Z\); since the "
            r"last welcome it is known to be (\d+) s ahead of the server's \[server-cert-expired\]")
        said = datetime.datetime.fromisoformat(found[1])
        today = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        self.assertEqual(round((said - today).total_seconds() / 86400), 100)
        self.assertEqual(round(int(found[2]) / 86400), 100)

    def test_ends_are_warned_of_once_a_day_while_the_server_runs(self):
        server, step_to = self.start_with_clock(lambda: self.start_server("--quiet"))
        self.assertEqual(self.warnings(server), [])
        step_to(76.5)
        server.wait_for(r"localhost\.crt is good for 13 days")
        for left in (12, 11):
            step_to(89.5 - left)
            server.wait_for(rf"localhost\.crt is good for {left} days")
        step_to(90.5)
        server.wait_for(r"localhost\.crt has expired \(20.*Z\): no peer takes it; renew it")
        server.stop()
        self.assertEqual(len(self.warnings(server)), 4)


class TestSessionAge(ExpiryTest):
    def test_session_that_is_old_enough_ends_and_its_sensor_comes_again(self):
        pair = self.pki.sensor("steady")
        server = self.start_server("--max-session-age", "2s")
        sensor = self.connect(server, pair)
        sensor.open()
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        sensor.wait_bye("session-too-old")
        with Sensor(server, pair) as again:
            self.assertEqual(again.open(), (1, "steady"))
            again.say("2 - t: 2")
            again.wait_ack(2)
        self.assertEqual(server.numbers(), [1, 2])
        server.stop()


if __name__ == "__main__":
    unittest.main()
