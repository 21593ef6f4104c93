#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reloading: by itself when a file changes (--watch), and without anybody waiting for it."""

import pathlib
import re
import shutil
import signal
import statistics
import sys
import time
import unittest

import pki as make
from certificates import crl
from pki import wait_for
from programs import EX_CONFIG, SERVER, SLOW, Sensor, SystemTest, run

CHANGED = "trust is reloaded, because a file was changed"
FAULT = "trust isn't reloaded, the old one stays: "


class TestWatch(SystemTest):
    def watched(self, *files):
        """A folder with copies of the good CA's files, and a server that watches them."""
        folder = self.new_folder()
        self.pki.server("localhost")
        for name in ("ca.crt", "crl.pem", "localhost.crt", "localhost.key"):
            shutil.copy(self.pki.good / name, folder / name)
        server = self.start_server(
            "--watch", "--crlfile", folder / "crl.pem", *files, cafile=folder / "ca.crt",
            pair=make.Pair(folder / "localhost.crt", folder / "localhost.key"))
        return folder, server

    @staticmethod
    def bytes_read(server):
        return int(re.search(r"rchar: (\d+)", pathlib.Path(f"/proc/{server.pid}/io").read_text())[1])

    def bring(self, path, folder):
        """As rsync and certs.sh do: a new file is renamed into the old one's place."""
        fresh = folder / (path.name + ".part")
        shutil.copy(path, fresh)
        fresh.rename(folder / path.name)

    def test_revoked_sensor_leaves_as_soon_as_the_new_list_is_there(self):
        good, stolen = self.pki.sensor("good"), self.pki.sensor("stolen")
        folder, server = self.watched()
        first, second = self.connect(server, good), self.connect(server, stolen)
        for sensor in (first, second):
            sensor.open()
        self.pki.certs_sh("revoke", "stolen")
        self.bring(self.pki.crl, folder)
        second.wait_bye("client-cert-revoked")
        server.wait_for(CHANGED)
        first.say("1 - t: 1")
        first.wait_ack(1)
        server.stop()
        self.assertEqual(server.output.count("trust is reloaded"), 1)

    def test_files_that_dont_belong_together_yet_keep_the_old_trust(self):
        folder, server = self.watched()
        with Sensor(server, self.pki.sensor("looker")) as sensor:
            old = sensor.socket.getpeercert(binary_form=True)
        self.pki.certs_sh("renew", "localhost", "--new-key")
        self.bring(self.pki.good / "localhost.crt", folder)
        server.wait_for(FAULT + ".*localhost.key doesn't belong to --cert .*localhost.crt")
        with Sensor(server, self.pki.sensor("looker")) as sensor:
            self.assertEqual(sensor.socket.getpeercert(binary_form=True), old)
        # Something else changes meanwhile, and it is still so: that isn't said again.
        read = self.bytes_read(server)
        (folder / "ca.crt").touch()
        wait_for(lambda: self.bytes_read(server) > read + 1500, what="the files are read again")
        mark = server.mark()
        self.bring(self.pki.good / "localhost.key", folder)
        server.wait_for(CHANGED, since=mark)
        with Sensor(server, self.pki.sensor("looker")) as sensor:
            self.assertNotEqual(sensor.socket.getpeercert(binary_form=True), old)
        server.stop()
        self.assertEqual(server.output.count(FAULT), 1)

    def test_allow_list_is_written_in_place(self):
        allow = self.new_folder() / "allow"
        allow.write_text("here\n")
        _, server = self.watched("--allow", allow)
        sensor = self.connect(server, self.pki.sensor("here"))
        sensor.open()
        allow.write_text("he re\n")
        server.wait_for(FAULT + ".*allow, line 1: after the name come")
        allow.write_text("there\n")
        sensor.wait_bye("client-not-allowed")
        server.stop()

    def test_fault_is_said_again_to_who_asks_by_signal(self):
        folder, server = self.watched()
        (folder / "crl.pem").write_text("no list\n")
        server.wait_for(FAULT)
        mark = server.mark()
        server.send_signal(signal.SIGHUP)
        server.wait_for(FAULT, since=mark)
        server.stop()

    def test_folder_that_isnt_there_is_refused_at_the_start(self):
        pair = self.pki.server("localhost")
        done = run(SERVER, "--watch", "--cafile", self.pki.good_ca.cert, "--cert", pair.cert,
                   "--key", pair.key, "--allow", "/nowhere/allow", "--store",
                   self.new_folder() / "r.db")
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertIn("--watch: the folder of /nowhere/allow can't be watched", done.stderr)


class TestLongList(SystemTest):
    """A list of 100,000 entries (under sanitizers and valgrind fewer) is loaded, and nobody waits."""

    ENTRIES = 10_000 if SLOW else 100_000

    @classmethod
    def long_list(cls, path, number):
        """Replaces `path` by a list of ENTRIES serial numbers of 16 bytes, and one more."""
        serials = [(0x41 << 120) + (i << 64) for i in range(cls.ENTRIES)] + [0x4711]
        fresh = path.with_suffix(".new")
        fresh.write_text(make.pem("X509 CRL", crl(cls.pki.good_ca, serials, number=number)))
        fresh.rename(path)

    @staticmethod
    def acknowledge(sensor, number):
        """Seconds from a reading to its acknowledgement."""
        began = time.monotonic()
        sensor.say(f"{number} - t: {number}")
        sensor.wait_ack(number)
        return time.monotonic() - began

    @classmethod
    def during_reload(cls, server, sensor, pair, first):
        """(seconds of a reload, [seconds of acknowledgements], sessions begun) while it lasted."""
        mark, began = server.mark(), time.monotonic()
        server.send_signal(signal.SIGHUP)
        times, sessions = [], 0
        while "trust is reloaded" not in server.output[mark:]:
            times.append(cls.acknowledge(sensor, first + len(times)))
            with Sensor(server, pair) as another:
                another.open(f"{first:032x}")
            sessions += "trust is reloaded" not in server.output[mark:]
            assert time.monotonic() < began + 120, server.output
        return time.monotonic() - began, times, sessions

    def test_nobody_waits_while_a_long_list_is_loaded(self):
        path = self.new_folder() / "crl.pem"
        pair, revoked = self.pki.sensor("good"), self.pki.leaf("stolen", serial=0x4711)
        self.long_list(path, 1)
        server = self.start_server("--crlfile", path, "--quiet")
        sensor = self.connect(server, pair)
        sensor.open()
        said = 1
        for _ in range(10):
            _, times, sessions = self.during_reload(server, sensor, pair, said)
            said += len(times)
            # A session that begins takes a turn of the thread that would be reading: more than one
            # can't be had of it before it is done. A busy machine may need another try.
            if sessions > 1:
                break
        else:
            self.fail("nobody was let in while the list was loaded")
        with Sensor(server, revoked) as stolen:
            stolen.wait_bye("client-cert-revoked")
        self.assertEqual(server.numbers(), list(range(1, said)))
        server.stop()

    def test_server_ends_in_order_while_a_list_is_loaded(self):
        path = self.new_folder() / "crl.pem"
        self.long_list(path, 1)
        server = self.start_server("--crlfile", path)
        server.send_signal(signal.SIGHUP)
        server.stop()


def measure(rounds=20):
    """Prints how long a reload takes, and what sensors notice of it."""
    test = TestLongList()
    TestLongList.setUpClass()
    try:
        path, pair = test.new_folder() / "crl.pem", test.pki.sensor("good")
        test.long_list(path, 1)
        server = test.start_server("--crlfile", path, "--quiet")
        sensor = test.connect(server, pair)
        sensor.open()
        quiet, said = [], 1
        for _ in range(200):
            quiet.append(test.acknowledge(sensor, said))
            said += 1
        reloads, busy = [], []
        for _ in range(rounds):
            took, times, _ = test.during_reload(server, sensor, pair, said)
            reloads.append(took)
            busy += times
            said += len(times)
        print(f"{test.ENTRIES} entries, {path.stat().st_size / 1e6:.1f} MB; {rounds} reloads, median "
              f"{statistics.median(reloads) * 1e3:.0f} ms")
        for name, times in (("quiet", quiet), ("during a reload", busy)):
            print(f"from a reading to its acknowledgement, {name}: median "
                  f"{statistics.median(times) * 1e3:.1f} ms, longest {max(times) * 1e3:.1f} ms, "
                  f"of {len(times)}")
        server.stop()
    finally:
        test.doCleanups()
        TestLongList.doClassCleanups()


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        measure()
    else:
        unittest.main()
