#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is left of the server's rights once it runs, and that it can do its work with them."""

import base64
import contextlib
import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import types
import unittest

from docs import REPOSITORY, part
from pki import Pair, wait_for
from programs import COMPLAINTS, DEADLINE, EX_CONFIG, EX_USAGE, SERVER, SLOW, WRAP, Program, \
    Sensor, Server, SystemTest, run

# On Debian both are always there.
USER, OTHER_USER = "games", "daemon"
SECURITY = REPOSITORY / "docs" / "security.md"
STREAMS = [digit * 32 for digit in "0123456789abcdef"]


def threads_of(pid):
    """What the kernel says of each thread of a process."""
    return [dict(re.findall(r"^(\w+):\s*(.*)$", path.read_text(), re.M))
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/status")]


class Copies:
    """Certificates in a folder of their own, for a server that finds them replaced."""

    def __init__(self, folder, pki):
        self.pki, self.folder = pki, folder
        pair = pki.server("localhost")
        self.good_ca = types.SimpleNamespace(cert=folder / "ca.crt")
        self.pair = Pair(folder / "server.crt", folder / "server.key")
        self.crl, self.allow = folder / "crl.pem", folder / "allow"
        self.put(self.good_ca.cert, pki.good_ca.cert.read_bytes())
        self.put_pair(pair)
        self.put(self.crl, pki.crl.read_bytes())
        self.put(self.allow, b"*\n")

    def server(self, _name):
        return self.pair

    def put(self, path, content):
        """As careful programs do it: a new file, renamed over the old one."""
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as new:
            new.write(content)
        owner = self.folder.stat()
        os.chown(new.name, owner.st_uid, owner.st_gid)
        os.replace(new.name, path)

    def put_pair(self, pair):
        self.put(self.pair.cert, pair.cert.read_bytes())
        self.put(self.pair.key, pair.key.read_bytes())


class ConfineTest(SystemTest):
    def reload(self, server, expect="trust is reloaded"):
        mark = server.mark()
        server.send_signal(signal.SIGHUP)
        return server.wait_for(expect, since=mark)

    def add_readings(self, server, pair, count=1, stream=STREAMS[0]):
        with Sensor(server, pair) as sensor:
            last, _ = sensor.open(stream)
            sensor.say(*(f"{last + n} - t: {last + n}" for n in range(1, count + 1)))
            sensor.wait_ack(last + count)
            sensor.close()
        return last + count

    def assert_confined(self, server, user):
        """What the server says is what the kernel says, of every thread."""
        says = server.wait_for(r"confined: (.*)")[1].split(", ")
        self.assertEqual(says[0], f"user {user}")
        self.assertEqual([says[1], says[-1]], ["no new privileges", "no core dumps"])
        threads = threads_of(server.pid)
        self.assertGreater(len(threads), 3)
        for thread in threads:
            self.assertEqual(thread["NoNewPrivs"], "1")
            self.assertEqual(thread["Seccomp"], "2" if "seccomp" in says else "0")
        limits = pathlib.Path(f"/proc/{server.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        # A process that can't be dumped isn't its user's to look into.
        self.assertEqual(pathlib.Path(f"/proc/{server.pid}/fd").stat().st_uid, 0)
        if SLOW:
            self.assertIn("neither seccomp nor Landlock is used", server.output)
        else:
            self.assertIn("seccomp", says)
        return threads


@unittest.skipIf(WRAP, "what wraps the server has its own needs")
class TestConfinement(ConfineTest):
    def test_every_thread_of_the_server_is_confined_and_the_log_says_how(self):
        server = self.start_server()
        self.assert_confined(server, pwd.getpwuid(os.geteuid()).pw_name)
        said = re.findall(r"^confinement: (.*)", server.output, re.M)
        self.assertEqual(any("runs as root" in line for line in said), os.geteuid() == 0)
        server.stop()

    @unittest.skipIf(SLOW, "it takes minutes")
    def test_confined_server_moves_a_long_log_in_a_thread_that_is_as_confined(self):
        server = self.start_server()
        user = pwd.getpwuid(os.geteuid()).pw_name
        before = self.assert_confined(server, user)
        # The longest name, value and unit: 17 MB of readings.
        text = "n" * 64 + ": " + "1" * 48 + " " + "\U0001f321" * 16
        count = 90000
        lines = [f"{number} - {text}\n".encode() for number in range(1, count + 1)]
        with Sensor(server, self.pki.sensor("good")) as sensor:
            sensor.open()
            sensor.pump((b"".join(lines[at:at + 60]) for at in range(0, count, 60)),
                        lambda line: line == f"ack {count}")
            sensor.close()
        self.add_readings(server, self.pki.sensor("good"))
        wait_for(lambda: server.store.stat().st_size > 1 << 20, what="the store's file to grow")
        self.assertEqual(len(self.assert_confined(server, user)), len(before) + 1)
        server.stop()
        self.assertEqual(server.query("SELECT sum(readings) FROM streams"), [(count + 1,)])

    def test_confined_server_takes_trust_that_was_replaced_by_renames(self):
        folder = self.new_folder()
        (folder / "trust").mkdir()
        trust = Copies(folder / "trust", self.pki)
        good, stolen = self.pki.sensor("good"), self.pki.sensor("stolen-1")
        server = Server(folder, trust, "--crlfile", trust.crl, "--allow", trust.allow)
        self.addCleanup(server.kill)
        with Sensor(server, good) as sensor:
            old = sensor.socket.getpeercert(binary_form=True)
        self.pki.certs_sh("renew", "localhost")
        self.pki.certs_sh("revoke", "stolen-1")
        trust.put_pair(self.pki.server("localhost"))
        trust.put(trust.crl, self.pki.crl.read_bytes())
        trust.put(trust.good_ca.cert, self.pki.good_ca.cert.read_bytes())
        trust.put(trust.allow, b"good\nstolen-*\n")
        self.reload(server)
        with Sensor(server, good) as sensor:
            self.assertNotEqual(sensor.socket.getpeercert(binary_form=True), old)
            self.assertEqual(sensor.open(), (0, "good"))
        with Sensor(server, stolen) as sensor:
            sensor.wait_bye("client-cert-revoked")
        with Sensor(server, self.pki.sensor("other")) as sensor:
            sensor.wait_bye("client-not-allowed")
        server.stop()

    def test_confined_server_opens_its_log_again_and_stores_until_its_end(self):
        folder = self.new_folder()
        log = folder / "logs" / "server.log"
        log.parent.mkdir()
        server = self.start_server("--log-file", log, folder=folder)
        pair = self.pki.sensor("steady")
        self.add_readings(server, pair)
        for turn in range(1, 4):
            log.rename(log.with_suffix(f".{turn}"))
            server.send_signal(signal.SIGUSR1)
            wait_for(log.exists, DEADLINE, "the new log file")
            number = self.add_readings(server, pair)
            wait_for(lambda at=number: f"t: {at}" in log.read_text(), DEADLINE, "the new line")
        sensor = self.connect(server, pair)
        sensor.open()
        server.send_signal(signal.SIGTERM)
        sensor.wait_bye("shutting-down")
        server.stop()
        # The write-ahead log was moved into the store, and removed.
        self.assertEqual(sorted(path.name for path in folder.glob("readings.db*")),
                         ["readings.db", "readings.db.lock"])
        self.assertEqual(server.numbers(STREAMS[0]), [1, 2, 3, 4])

    @unittest.skipIf(SLOW, "it takes 16 MB, and a build of this kind isn't confined to files")
    def test_confined_server_moves_its_write_ahead_log_into_the_store_as_it_grows(self):
        server = self.start_server("--quiet")
        pair = self.pki.sensor("busy")
        begin = server.store.stat().st_size

        def lines():
            number = 0
            while server.store.stat().st_size == begin:
                yield "".join(f"{number + n} - {'n' * 60}: {number + n}.5\n"
                              for n in range(1, 101)).encode()
                number += 100
            self.sent = number + 1
            yield f"{self.sent} - last: 1\n".encode()

        with Sensor(server, pair) as sensor:
            sensor.open()
            acks = sensor.pump(lines(), lambda line: getattr(self, "sent", 0) and
                               line == f"ack {self.sent}")
            self.assertEqual(acks[-1], f"ack {self.sent}")
        self.assertNotIn("the store fails", server.stop())
        self.assertEqual(server.query("SELECT count(*) FROM readings")[0][0], self.sent)

    def test_confined_server_moves_a_damaged_store_aside_and_goes_on(self):
        folder = self.new_folder()
        server = self.start_server(folder=folder)
        pair = self.pki.sensor("survivor")
        self.add_readings(server, pair, 50)
        server.stop()
        with open(server.store, "r+b") as store:
            store.seek(4096)
            store.write(b"\xff" * 8192)
        again = self.start_server("--on-corrupt=move-aside", folder=folder)
        self.assertIn("it was moved to", again.output)
        self.add_readings(again, pair, stream=STREAMS[1])
        again.stop()
        self.assertEqual(again.numbers(STREAMS[1]), [1])

    def test_server_that_is_told_not_to_be_confined_says_so_and_refuses_strangers(self):
        server = self.start_server("--confine", "no")
        self.assertIn("not confined, because of --confine no", server.output)
        for thread in threads_of(server.pid):
            self.assertEqual((thread["NoNewPrivs"], thread["Seccomp"]), ("0", "0"))
        with contextlib.suppress(OSError):
            self.connect(server, self.pki.leaf("guest", ca=self.pki.ca("other"))).line()
        server.wait_for(r"refused \S+: client-cert-untrusted: ")
        self.assertEqual(server.sensors(), [])
        server.stop()

    def test_confine_takes_two_words(self):
        pair = self.pki.server("localhost")
        done = run(SERVER, "--cafile", self.pki.good_ca.cert, "--cert", pair.cert, "--key",
                   pair.key, "--confine", "maybe")
        self.assertEqual((done.returncode, done.stderr),
                         (EX_USAGE, "sensorlink-server: --confine is yes or no\n"))


@unittest.skipIf(SLOW, "a sanitizer's shadow memory is too large to be read")
class TestKeys(ConfineTest):
    @staticmethod
    def secrets_of(key):
        """The private number as it stands in the file, as the library holds it, and a PEM line."""
        text = key.read_text()
        der = base64.b64decode(re.search(r"-----BEGIN [A-Z ]+-----\s(.*?)-----END", text,
                                         re.DOTALL)[1])
        # The private number of P-256 stands behind its tag and length (RFC 5915).
        at = der.index(b"\x02\x01\x01\x04\x20") + 5
        number = der[at:at + 32]
        return number, number[::-1], text.splitlines()[1].encode()

    @staticmethod
    def count(server, secrets):
        """How often each of them is in the writable memory of the server."""
        maps = pathlib.Path(f"/proc/{server.pid}/maps").read_text()
        counts = [0] * len(secrets)
        with open(f"/proc/{server.pid}/mem", "rb", buffering=0) as memory:
            for begin, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.M):
                with contextlib.suppress(OSError):  # it was given back meanwhile
                    memory.seek(int(begin, 16))
                    part = memory.read(int(end, 16) - int(begin, 16))
                    counts = [n + part.count(secret) for n, secret in zip(counts, secrets)]
        return counts

    def test_key_is_in_memory_once_and_no_more_after_another_took_its_place(self):
        folder = self.new_folder()
        (folder / "trust").mkdir()
        trust = Copies(folder / "trust", self.pki)
        pair = self.pki.sensor("good")
        # Of a confined server nobody but root could read the memory.
        server = Server(folder, trust, "--confine", "no")
        self.addCleanup(server.kill)
        old = self.secrets_of(trust.pair.key)
        for _ in range(3):
            self.add_readings(server, pair)
        wait_for(lambda: self.count(server, old) == [0, 1, 0], DEADLINE, "one copy of the key")
        self.pki.certs_sh("renew", "localhost", "--new-key")
        trust.put_pair(self.pki.server("localhost"))
        new = self.secrets_of(trust.pair.key)
        self.assertNotEqual(old, new)
        self.reload(server)
        self.add_readings(server, pair)
        wait_for(lambda: self.count(server, new) == [0, 1, 0], DEADLINE, "one copy of the new key")
        wait_for(lambda: self.count(server, old) == [0, 0, 0], DEADLINE, "no copy of the old key")
        server.stop()


@unittest.skipIf(WRAP, "what wraps the server has its own needs")
@unittest.skipUnless(os.geteuid() == 0, "it takes root to become another user")
class TestUser(ConfineTest):
    def setUp(self):
        # Not below the folder of the class, which is root's alone.
        place = tempfile.TemporaryDirectory(prefix="sensorlink-user-")
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)
        self.user = pwd.getpwnam(USER)
        for folder in (self.place, self.place / "trust"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def start_as_user(self, trust, *more, **options):
        server = Server(self.place, trust, "--user", USER, *more, **options)
        self.addCleanup(server.kill)
        return server

    def test_server_gives_up_root_for_good_and_keeps_its_port(self):
        trust = Copies(self.place / "trust", self.pki)
        server = self.start_as_user(trust, "--log-file", self.place / "server.log",
                                    listen="127.0.0.1:0")
        groups = {str(entry.gr_gid) for entry in grp.getgrall() if USER in entry.gr_mem}
        for thread in self.assert_confined(server, USER):
            self.assertEqual(thread["Uid"].split(), [str(self.user.pw_uid)] * 4)
            self.assertEqual(thread["Gid"].split(), [str(self.user.pw_gid)] * 4)
            self.assertEqual(set(thread["Groups"].split()), groups | {str(self.user.pw_gid)})
            for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(thread[kind], 16), 0, kind)
        self.assertNotIn("runs as root", server.output)
        if ", seccomp, Landlock" in server.output:
            shown = part(SECURITY, "shown", "confined").text.replace("sensorlink", USER)
            self.assertRegex(server.output, re.sub(r"ABI \d+", r"ABI \\d+", shown.strip()))
        self.assertNotRegex(server.output, "user games can't")
        self.add_readings(server, self.pki.sensor("one"))
        # Nothing was written with root's rights.
        made = [path for path in self.place.rglob("*") if not path.name.endswith(".out")]
        self.assertIn(self.place / "readings.db-wal", made)
        self.assertEqual({path.stat().st_uid for path in made}, {self.user.pw_uid})
        trust.put_pair(self.pki.server("localhost"))
        self.reload(server)
        server.stop()
        self.assertEqual(sorted(path.name for path in self.place.glob("readings.db*")),
                         ["readings.db", "readings.db.lock"])

    def test_server_listens_on_a_port_that_takes_root(self):
        trust = Copies(self.place / "trust", self.pki)
        for port in range(1023, 900, -1):
            server = Program(self.place, SERVER, "--cafile", trust.good_ca.cert, "--cert",
                             trust.pair.cert, "--key", trust.pair.key, "--listen",
                             f"127.0.0.1:{port}", "--user", USER, "--store",
                             self.place / "readings.db")
            self.addCleanup(server.kill)
            wait_for(lambda at=server: "waiting for sensors" in at.output or
                     at.process.poll() is not None, DEADLINE, "the server's start")
            if "the port is taken" not in server.output:
                break
        server.address = ("127.0.0.1", port)
        with Sensor(server, self.pki.sensor("one")) as sensor:
            self.assertEqual(sensor.open(), (0, "one"))
        server.stop()

    def test_key_that_only_root_can_read_is_used_and_its_reload_is_refused(self):
        trust = Copies(self.place / "trust", self.pki)
        os.chown(trust.pair.key, 0, 0)
        server = self.start_as_user(trust)
        self.assertRegex(server.output, r"confinement: --key \S+/server\.key: user games can't "
                                        r"read it \(Permission denied\), so that a reload will be")
        sensor = self.connect(server, self.pki.sensor("one"))
        sensor.open()
        self.reload(server, r"trust isn't reloaded, the old one stays: --key .*Permission denied")
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        server.stop()

    def test_files_that_the_user_cant_read_arent_watched_for_nothing(self):
        hidden = self.new_folder()
        shutil.copy(self.pki.crl, hidden / "crl.pem")
        hidden.chmod(0o700)
        options = ("--user", USER, "--store", self.place / "readings.db", "--crlfile",
                   hidden / "crl.pem", "--watch")
        done = self.run_server(*options)
        self.assertEqual(done.returncode, EX_CONFIG)
        self.assertRegex(done.stderr, r"--watch: --crlfile \S+ can't be read any more")

    def test_store_is_opened_with_the_rights_of_the_user(self):
        done = self.run_server("--user", USER, "--store", self.new_folder() / "readings.db")
        self.assertEqual(done.returncode, 74)
        self.assertRegex(done.stderr, "store .*can't make it: Permission denied")

    def test_log_is_opened_with_the_rights_of_the_user(self):
        done = self.run_server("--user", USER, "--log-file", self.new_folder() / "log")
        self.assertEqual(done.returncode, 73)
        self.assertRegex(done.stderr, "log: Permission denied")

    def test_user_that_the_server_cant_become_is_refused(self):
        uid, gid = self.user.pw_uid, self.user.pw_gid
        for name, more, words in (
                ("no-such-user", {}, "there is no such user"),
                ("root", {}, "that is root, who has every privilege"),
                (OTHER_USER, {"user": uid, "group": gid, "extra_groups": []},
                 f"only root can become another user: start the server as root or as "
                 f"{OTHER_USER}")):
            with self.subTest(name):
                done = self.run_server("--user", name, **more)
                self.assertEqual((done.returncode, done.stderr), (
                    EX_CONFIG, f"sensorlink-server: --user {name}: {words}" +
                    (": name another user\n" if name == "root" else "\n")))

    def run_server(self, *more, **options):
        trust = Copies(self.place / "trust", self.pki)
        # Where another user may go as well.
        program = shutil.copy(SERVER, self.place)
        done = subprocess.run(
            [program, "--cafile", trust.good_ca.cert, "--cert", trust.pair.cert, "--key",
             trust.pair.key, "--listen", "127.0.0.1:0", *map(str, more)], timeout=DEADLINE,
            capture_output=True, text=True, check=False, cwd=self.place, **options)
        self.assertIsNone(COMPLAINTS.search(done.stderr), done.stderr)
        return done


if __name__ == "__main__":
    unittest.main()
