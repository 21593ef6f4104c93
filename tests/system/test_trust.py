#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trust that changes while the server runs: revocation, the allow list, reload, take-over."""

import datetime
import shutil
import signal
import time
import unittest

from pki import DAY, openssl
from programs import EX_CONFIG, SERVER, SLOW, Sensor, SystemTest, run

OTHER_STREAM = "fedcba9876543210fedcba9876543210"


class TrustTest(SystemTest):
    def reload(self, server, expect="trust is reloaded"):
        mark = server.mark()
        server.send_signal(signal.SIGHUP)
        server.wait_for(expect, since=mark)

    def assert_refused(self, server, pair, reason):
        """A new session of this sensor is refused with the reason, which the sensor is told."""
        mark = server.mark()
        with Sensor(server, pair) as sensor:
            lines = sensor.lines_to_end()
        self.assertRegex(lines[-1], rf"^bye \d+ {reason} ")
        server.wait_for(rf"refused \S+: {reason}: ", since=mark)


class TestRevocation(TrustTest):
    def test_server_ends_live_session_of_revoked_sensor_and_no_other(self):
        good, stolen = self.pki.sensor("good"), self.pki.sensor("stolen")
        server = self.start_server("--crlfile", self.pki.crl)
        first, second = self.connect(server, good), self.connect(server, stolen)
        for sensor in (first, second):
            sensor.open()
            sensor.say("1 - t: 1")
            sensor.wait_ack(1)
        second.say("2 - t: 2")
        self.pki.certs_sh("revoke", "stolen")
        self.reload(server)
        second.wait_bye("client-cert-revoked")
        self.assert_refused(server, stolen, "client-cert-revoked")
        first.say("2 - t: 2")
        first.wait_ack(2)
        self.assertEqual(server.readings("stolen"), [("t", 1), ("t", 2)])
        server.stop()

    def test_revoked_sensor_leaves_within_a_second_of_the_signal(self):
        server = self.start_server("--crlfile", self.pki.crl)
        took = []
        while not took or took[-1] >= (10 if SLOW else 1) and len(took) < 5:  # the machine is busy
            name = f"lost-{len(took)}"
            sensor = self.connect(server, self.pki.sensor(name))
            sensor.open()
            self.pki.certs_sh("revoke", name)
            began = time.monotonic()
            server.send_signal(signal.SIGHUP)
            sensor.wait_bye("client-cert-revoked")
            took.append(time.monotonic() - began)
        self.assertLess(took[-1], 10 if SLOW else 1, took)
        server.stop()

    def test_reload_ends_every_session_of_a_revoked_sensor_and_no_other(self):
        # More than the server looks at in one go.
        good, stolen, count = self.pki.sensor("good"), self.pki.sensor("stolen-often"), 150
        server = self.start_server("--crlfile", self.pki.crl, "--quiet", "--io-threads", "1")
        sensors = [self.connect(server, good if number == count // 2 else stolen)
                   for number in range(count)]
        for number, sensor in enumerate(sensors):
            sensor.open(f"{number:032x}")
        kept = sensors.pop(count // 2)
        self.pki.certs_sh("revoke", "stolen-often")
        self.reload(server)
        for sensor in sensors:
            sensor.wait_bye("client-cert-revoked")
        kept.say("1 - t: 1")
        kept.wait_ack(1)
        server.stop()

    def test_reload_with_a_fault_keeps_the_old_trust_and_says_which_file(self):
        pair = self.pki.sensor("steady")
        folder = self.new_folder()
        crl = folder / "crl.pem"
        shutil.copy(self.pki.crl, crl)
        server = self.start_server("--crlfile", crl, folder=folder)
        sensor = self.connect(server, pair)
        sensor.open()
        crl.write_text("not a list\n")
        self.reload(server, expect=r"trust isn't reloaded, the old one stays: .*crl\.pem")
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        with Sensor(server, pair) as again:
            self.assertEqual(again.open(OTHER_STREAM), (0, "steady"))
        server.stop()

    def test_server_certificate_is_renewed_without_a_restart(self):
        pair = self.pki.sensor("looker")
        server = self.start_server()
        with Sensor(server, pair) as sensor:
            old = sensor.socket.getpeercert(binary_form=True)
        self.pki.certs_sh("renew", "localhost")
        self.reload(server)
        with Sensor(server, pair) as sensor:
            self.assertNotEqual(sensor.socket.getpeercert(binary_form=True), old)
        server.stop()

    def test_live_session_ends_when_its_ca_is_no_longer_trusted(self):
        folder = self.new_folder()
        other = self.pki.ca("passing-ca")
        bundle = folder / "both.crt"
        good = self.pki.good_ca.cert.read_text()
        bundle.write_text(good + other.cert.read_text())
        guest = self.pki.leaf("guest", ca=other)
        server = self.start_server(folder=folder, cafile=bundle)
        sensor = self.connect(server, guest)
        self.assertEqual(sensor.open(), (0, "guest"))
        bundle.write_text(good)
        self.reload(server)
        sensor.wait_bye("client-cert-untrusted")
        server.stop()


class TestExpiry(TrustTest):
    WARNING = r"{}'s certificate ends in {} \(\d{{4}}-\d\d-\d\dT\d\d:\d\dZ\): renew it with " \
              r"scripts/certs\.sh renew\n"

    def visit(self, server, name, **options):
        with Sensor(server, self.pki.leaf(name, **options)) as sensor:
            sensor.open()

    def test_certificate_that_ends_soon_is_warned_of_once_a_day_for_a_sensor(self):
        server = self.start_server("--expiry-warning", "10d")
        for _ in range(3):
            self.visit(server, "soon", not_after=5.5 * DAY)
        self.visit(server, "later", not_after=10.5 * DAY)
        self.visit(server, "today", not_after=0.5 * DAY)
        output = server.stop()
        self.assertRegex(output, self.WARNING.format("soon", "5 days"))
        self.assertRegex(output, self.WARNING.format("today", "less than a day"))
        self.assertEqual(output.count("certificate ends in"), 2, output)

    def test_certificate_is_warned_of_when_its_sensor_has_stayed_until_then(self):
        server = self.start_server("--expiry-warning", "36h")
        pair = self.pki.leaf("staying", not_after=1.5 * DAY + datetime.timedelta(seconds=3))
        sensor = self.connect(server, pair)
        sensor.open()
        server.wait_for(self.WARNING.format("staying", "1 day"))
        server.stop()

    def test_expiry_warning_of_zero_warns_of_nothing(self):
        server = self.start_server("--expiry-warning", "0")
        self.visit(server, "soon", not_after=0.5 * DAY)
        self.assertNotIn("certificate ends in", server.stop())

    def test_expiry_is_warned_of_two_weeks_before_by_default(self):
        server = self.start_server()
        self.visit(server, "soon", not_after=13.5 * DAY)
        self.visit(server, "later", not_after=14.5 * DAY)
        output = server.stop()
        self.assertRegex(output, self.WARNING.format("soon", "13 days"))
        self.assertEqual(output.count("certificate ends in"), 1, output)


class TestAllowList(TrustTest):
    def write(self, text):
        self.list = self.new_folder() / "allow"
        self.list.write_text(text)
        return self.list

    def test_server_refuses_sensor_that_is_not_on_the_list(self):
        server = self.start_server("--allow", self.write("# ours\nroof-*\n"))
        with Sensor(server, self.pki.sensor("roof-1")) as sensor:
            self.assertEqual(sensor.open(), (0, "roof-1"))
        self.assert_refused(server, self.pki.sensor("cellar-1"), "client-not-allowed")
        self.assertEqual(server.sensors(), ["roof-1"])
        server.stop()

    def test_sensor_taken_off_the_list_leaves_at_the_reload(self):
        server = self.start_server("--allow", self.write("here-1\nhere-2\n"))
        stays = self.connect(server, self.pki.sensor("here-1"))
        goes = self.connect(server, self.pki.sensor("here-2"))
        stays.open()
        goes.open()
        self.list.write_text("here-1\n")
        self.reload(server)
        goes.wait_bye("client-not-allowed")
        stays.say("1 - t: 1")
        stays.wait_ack(1)
        server.stop()

    def test_fingerprint_pins_the_certificate(self):
        pair = self.pki.sensor("pinned")
        print_ = openssl("x509", "-in", pair.cert, "-noout", "-fingerprint", "-sha256")
        digits = print_.decode().strip().rpartition("=")[2]
        server = self.start_server("--allow", self.write(f"pinned sha256={digits}\n"))
        with Sensor(server, pair) as sensor:
            sensor.open()
        self.list.write_text(f"pinned sha256={'00' * 32}\n")
        self.reload(server)
        self.assert_refused(server, pair, "client-not-allowed")
        server.stop()

    def test_reading_of_a_name_that_is_not_allowed_becomes_a_gap(self):
        server = self.start_server("--allow", self.write("picky names=temp*,hum\n"))
        sensor = self.connect(server, self.pki.sensor("picky"))
        sensor.open()
        sensor.say("1 - temperature: 1", "2 - press: 2", "3 - hum: 3")
        others = sensor.wait_ack(3)
        self.assertEqual([line.split()[:3] for line in others],
                         [["refused", "2", "name-not-allowed"]])
        self.assertEqual(server.readings(), [("temperature", 1), ("hum", 3)])
        self.assertEqual(server.gaps(), [(2, 2, "name-not-allowed")])
        server.stop()

    def test_sensor_over_its_rate_is_held_back_and_loses_nothing(self):
        server = self.start_server("--allow", self.write("eager rate=50\n"))
        sensor = self.connect(server, self.pki.sensor("eager"))
        sensor.open()
        began = time.monotonic()
        for at in range(1, 201, 50):
            sensor.say(*(f"{n} - n: {n}" for n in range(at, at + 50)))
            sensor.wait_ack(at + 49)
        # 50 are free, 50 come on credit; the other 100 take two seconds at 50 a second.
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertEqual(server.numbers(), list(range(1, 201)))
        server.stop()

    def test_rate_is_the_sensors_whatever_connections_it_uses(self):
        server = self.start_server("--allow", self.write("eager rate=10\n"))
        pair = self.pki.sensor("eager")
        began = time.monotonic()
        for turn in range(6):
            with Sensor(server, pair) as sensor:
                last, _ = sensor.open(f"{turn:032x}")
                sensor.say(*(f"{n} - n: {n}" for n in range(last + 1, last + 11)))
                sensor.wait_ack(last + 10)
        # With `stream` 66 lines: ten are free, some on credit, the others take their time.
        self.assertGreater(time.monotonic() - began, 3)
        server.stop()

    def test_clocks_count_for_the_rate(self):
        server = self.start_server("--allow", self.write("ticking rate=20\n"))
        sensor = self.connect(server, self.pki.sensor("ticking"))
        sensor.open()
        began = time.monotonic()
        for number in range(1, 5):
            sensor.say(*["clock +0.5"] * 19, f"{number} - n: 1")
            sensor.wait_ack(number)
        # 20 are free, 20 come on credit; the other 40 take two seconds at 20 a second.
        self.assertGreater(time.monotonic() - began, 1.5)
        server.stop()

    def test_lines_that_are_no_readings_count_for_the_rate_and_fill_no_log(self):
        server = self.start_server("--allow", self.write("noisy rate=100\n"))
        sensor = self.connect(server, self.pki.sensor("noisy"), alpn=False)
        sensor.send(b"x\n" * 8000)
        server.wait_for("isn't logged: no-colon")
        sensor.cut()
        server.stop()
        told = server.output.count("isn't logged")
        self.assertLess(told, 100, "each bad line of a flood was told")

    def test_list_with_a_fault_is_refused_at_the_start_with_file_and_line(self):
        pair = self.pki.server("localhost")
        for text, words in (
                ("ok\nbad name=x\n", "line 2: after the name come"),
                ("-.%\n", "line 1: this can't be a sensor's name"),
                ("a rate=0\n", "line 1: a rate is"),
                ("a sha256=12\n", "line 1: a fingerprint is 64 hex digits")):
            with self.subTest(text=text):
                done = run(SERVER, "--cafile", self.pki.good_ca.cert, "--cert", pair.cert, "--key",
                           pair.key, "--store", self.new_folder() / "r.db", "--allow",
                           self.write(text))
                self.assertEqual(done.returncode, EX_CONFIG)
                self.assertIn(words, done.stderr)


class TestStreams(TrustTest):
    def test_newer_session_of_a_stream_takes_it_over(self):
        pair = self.pki.sensor("twin")
        server = self.start_server()
        older = self.connect(server, pair)
        older.open()
        older.say("1 - t: 1")
        older.wait_ack(1)
        newer = self.connect(server, pair)
        self.assertEqual(newer.open(), (1, "twin"))
        older.wait_bye("stream-taken-over")
        newer.say("2 - t: 2")
        newer.wait_ack(2)
        self.assertEqual(server.numbers(), [1, 2])
        server.stop()

    def test_copy_of_a_spool_that_went_its_own_way_is_refused(self):
        pair = self.pki.sensor("copied")
        server = self.start_server()
        with Sensor(server, pair) as sensor:
            sensor.open()
            sensor.say("1 1764000000 t: 1", "2 1764000001 t: 2")
            sensor.wait_ack(2)
        with Sensor(server, pair) as same:
            self.assertEqual(same.open(), (2, "copied"))
            same.say("2 1764000001 t: 2.0")
            same.wait_ack(2)
        with Sensor(server, pair) as copy:
            self.assertEqual(copy.open(), (2, "copied"))
            copy.say("2 1764000009 t: 9", "3 1764000010 t: 10")
            self.assertEqual(copy.wait_bye("stream-diverged"), [])
        self.assertEqual(server.readings(), [("t", 1), ("t", 2)])
        server.stop()


if __name__ == "__main__":
    unittest.main()
