#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--check of both programs: what it calls well, what it warns of, what it calls a fault, and that it
leaves everything as it was. A fault is what the program itself doesn't start with."""

import contextlib
import fcntl
import os
import pathlib
import pty
import pwd
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import termios
import threading
import time
import unittest
from datetime import timedelta

from client_fixture import DEADLINE, EX_CONFIG, EX_OK, EX_TEMPFAIL, EX_USAGE, SERVER, \
    ClientTest
from certificates import crl
from pki import pem, wait_for
from programs import few_files

DAY = timedelta(days=1)
NOBODY = 65534
STREAM = "f" * 32  # of checks


def points(output):
    """(verdict, what about, sentence) of each point; the last line must count them."""
    *lines, last = output.splitlines()
    found = [re.fullmatch(r"(ok|warning|fault) +(open files|\S+) +(.+)", line) for line in lines]
    assert all(found), output
    found = [each.groups() for each in found]
    counts = [sum(verdict == word for verdict, _, _ in found)
              for word in ("ok", "warning", "fault")]
    said = re.fullmatch(r"(\d+) ok, (\d+) warnings?, (\d+) faults?", last)
    assert said and [int(count) for count in said.groups()] == counts, output
    return found


def on_a_terminal(arguments, columns, **environment):
    """What a program prints on a terminal of so many columns."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([str(argument) for argument in arguments], stdout=child,
                          env={**os.environ, **environment}) as program:
        os.close(child)
        output = b""
        with contextlib.suppress(OSError):  # Linux answers so once nobody writes any more
            while data := os.read(parent, 65536):
                output += data
        os.close(parent)
        program.wait(timeout=DEADLINE)
    # The time is another one each time.
    return re.sub(r"it shows \S+", "it shows NOW", output.decode().replace("\r\n", "\n"))


class CheckTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.port = self.free_port = self.closed_port()
        self.busy = False  # programs run that write when they like

    def start_server(self, *more, **options):
        self.busy = True
        return super().start_server(*more, **options)

    def start_client(self, *more, **options):
        self.busy = True
        return super().start_client(*more, **options)

    @staticmethod
    def closed_port():
        with socket.create_server(("127.0.0.1", 0)) as server:
            return server.getsockname()[1]

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def database(self, name, *statements):
        path = self.folder / name
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return path

    def contents(self):
        """Each file of the folder, and its state where nobody writes to it now."""
        return {path.name: None if self.busy else (path.stat().st_mtime_ns, path.stat().st_size)
                for path in self.folder.iterdir()}

    def check(self, arguments, expect=EX_OK, **options):
        """Runs a check; the points. It must leave the folder as it is."""
        before = self.contents()
        done = subprocess.run([str(argument) for argument in arguments], capture_output=True,
                              text=True, timeout=DEADLINE, check=False, cwd=self.folder, **options)
        self.assertEqual((done.returncode, done.stderr), (expect, ""), done.stdout)
        self.assertEqual(self.contents(), before)
        self.assertNotIn("\033", done.stdout)
        found = points(done.stdout)
        self.assertEqual(any(verdict == "fault" for verdict, _, _ in found), expect == EX_CONFIG)
        return found

    def assert_point(self, found, verdict, about, sentence):
        said = [text for each, what, text in found if (each, what) == (verdict, about)]
        self.assertTrue(any(re.search(sentence, text) for text in said),
                        f"no {verdict} {about} {sentence} in {found}")

    def warnings(self, found):
        """What is warned of; what this kernel, user and build can't confine isn't looked at."""
        return [about for verdict, about, _ in found
                if verdict == "warning" and about != "confinement"]


class ServerCheckTest(CheckTest):
    def options(self, **changes):
        """The options of a good server; None takes one away."""
        pair = self.server_pair
        options = {"cafile": self.pki.good_ca.cert, "cert": pair.cert, "key": pair.key,
                   "crlfile": self.pki.crl, "store": self.store,
                   "listen": f"127.0.0.1:{self.free_port}"}
        options.update(changes)
        return [f"--{name.replace('_', '-')}={value}" for name, value in options.items()
                if value is not None]

    def check_server(self, *more, expect=EX_OK, run=None, **changes):
        return self.check([SERVER, *self.options(**changes), "--check", *more], expect,
                          **(run or {}))

    def test_server_that_is_all_well_is_told_so_and_nothing_is_made(self):
        allow = self.write("allow", "# all\nweather-*\nattic rate=1\n")
        found = self.check_server(allow=allow, log_file=self.folder / "server.log")
        self.assertEqual(self.warnings(found), [])
        for about, sentence in (
                ("--cafile", r"ca\.crt: the CA '.+', good until \d{4}-\d\d-\d\d \(\d{4} days left\), "
                             "which may sign revocation lists"),
                ("--cert", r"localhost\.crt: 'CN=localhost', signed by '.+', good until .+ "
                           r"\(\d+ days left\)"),
                ("--cert", "for the names and addresses localhost, 127.0.0.1"),
                ("--key", r"EC key of 256 bits, .+\(mode 600\), which belongs to --cert"),
                ("--crlfile", r"crl\.pem: of '.+', 0 revoked, 0 days old, good until"),
                ("--allow", "2 lines of sensors"),
                ("--store", "isn't there yet: the server makes it"),
                ("--listen", rf"127\.0\.0\.1:{self.free_port} is free"),
                ("--log-file", "isn't there yet"),
                ("open files", "--max-connections 10000"),
                ("confinement", "^user [^,]+, no new privileges, .*no core dumps$"),
                ("clock", r"it shows 20\d\d-")):
            self.assert_point(found, "ok", about, sentence)

    def test_server_that_runs_is_looked_at_without_disturbing_it(self):
        self.port = None
        server = self.start_server()
        client = self.start_client("--stdin", stdin=subprocess.PIPE)
        client.process.stdin.write(b"t: 1\nt: 2\n")
        client.process.stdin.flush()
        wait_for(lambda: len(self.values()) == 2, DEADLINE, "two readings")
        found = self.check_server(listen=f"127.0.0.1:{self.port}")
        self.assertEqual(self.warnings(found), ["--listen"])
        self.assert_point(found, "ok", "--store", "2 readings of 1 sensor$")
        self.assert_point(found, "warning", "--listen", "the port is taken .*this very server")
        client.process.stdin.write(b"t: 3\n")
        client.process.stdin.close()
        self.assertEqual(client.wait(), EX_OK, client.output)
        self.assertEqual(client.output.count("connected to"), 1)
        self.assertEqual(server.end(), EX_OK)
        self.busy = False
        self.assert_point(self.check_server(), "ok", "--store", "3 readings of 1 sensor$")
        self.assertNotIn("readings.db-wal", self.contents())

    def test_files_with_strange_names_are_looked_at_and_nothing_is_made_beside_them(self):
        folder = self.folder / "a?b%41#c"
        folder.mkdir()
        self.store, self.spool = folder / "r?mode=rw.db", folder / "s#1.db"
        self.port = None
        server = self.start_server()
        self.run_client("--message", "t: 1")
        self.assertEqual(server.end(), EX_OK)
        before = sorted(folder.iterdir())
        self.assert_point(self.check_server(), "ok", "--store", "1 reading of 1 sensor$")
        found = self.check([*self.arguments(), "--check"])
        self.assert_point(found, "ok", "--spool", "of weather-1, 0 readings waiting")
        self.assertEqual(sorted(folder.iterdir()), before)

    def test_server_calls_a_fault_what_it_does_not_start_with(self):
        folder = self.folder
        expired = self.pki.leaf("localhost", eku=("serverAuth",), not_before=-9 * DAY,
                                not_after=-DAY)
        early = self.pki.leaf("localhost", eku=("serverAuth",), not_before=DAY, not_after=9 * DAY)
        other = self.pki.ca("other")
        both = self.write("both.crt", self.pki.good_ca.cert.read_text() + other.cert.read_text())
        strange = self.pki.leaf("localhost", ca=other, eku=("serverAuth",))
        readable = self.write("readable.key", self.server_pair.key.read_text())
        readable.chmod(0o640)
        cases = [
            (dict(cafile=folder / "none"), "--cafile", "none can't be read: No such file"),
            (dict(cafile=self.sensor.cert), "--cafile", "'CN=weather-1' isn't a CA certificate"),
            (dict(cert=folder / "none"), "--cert", "none can't be read: No such file"),
            (dict(cert=expired.cert, key=expired.key), "--cert", "has expired: renew it with"),
            (dict(cert=early.cert, key=early.key), "--cert", "isn't valid yet: is .* clock right"),
            (dict(cert=strange.cert, key=strange.key), "--cert", "isn't signed by a CA of --cafile"),
            (dict(cert=self.sensor.cert, key=self.sensor.key), "--cert", "isn't meant for a server"),
            (dict(key=readable), "--key", r"can be read by others \(mode 640\): run chmod 600"),
            (dict(key=self.sensor.key), "--key", "doesn't belong to --cert"),
            (dict(key=self.server_pair.cert), "--key", "can be read by others|isn't an unenc"),
            (dict(crlfile=folder / "none"), "--crlfile", "none can't be read"),
            (dict(crlfile=self.server_pair.cert), "--crlfile", "must be a PEM file made by"),
            (dict(cafile=other.cert, cert=strange.cert, key=strange.key), "--crlfile",
             "isn't signed by a CA of --cafile"),
            (dict(cafile=both), "--crlfile", "holds none of the CA 'CN=other' of --cafile: add it"),
            (dict(crlfile=None, crl_policy="require"), "--crl-policy", "^require needs revocation"),
            (dict(ticket_keys=readable), "--ticket-keys", r"can be read by others \(mode 640\)"),
            (dict(ticket_keys=self.server_pair.key), "--ticket-keys", "isn't a file of ticket keys"),
            (dict(ticket_keys=folder / "no" / "keys"), "--ticket-keys", "can't make it in its folder"),
            (dict(user="no-such-user"), "--user", "^no-such-user: there is no such user$"),
            (dict(allow=self.write("allow", "attic\nattic colour=red\n")), "--allow",
             "line 2: after the name come .*'colour=red'"),
            (dict(allow=folder / "none"), "--allow", "can't be read"),
            (dict(store=folder / "no" / "folder.db"), "--store", "can't make it in its folder: No"),
            (dict(store=":memory:"), "--store", "isn't a file"),
            (dict(store=folder), "--store", "this isn't a file"),
            (dict(store=self.database("other.db", "CREATE TABLE t(a)", "PRAGMA application_id=7")),
             "--store", "another program's database"),
            (dict(store=self.database("new.db", f"PRAGMA application_id={0x534c6c67}",
                                      "PRAGMA user_version=99", "CREATE TABLE t(a)")),
             "--store", "made by a later sensorlink"),
            (dict(store=self.write("text", "not a database, and much longer than a header is\n" * 9)),
             "--store", "file is not a database"),
            (dict(listen="localhost:1"), "--listen", "isn't an address and port such as"),
            (dict(listen="192.0.2.77:0"), "--listen", "this machine doesn't have that address"),
            (dict(log_file=folder / "no" / "log"), "--log-file", "can't make it in its folder"),
        ]
        for changes, about, sentence in cases:
            with self.subTest(about=about, sentence=sentence):
                found = self.check_server(expect=EX_CONFIG, **changes)
                self.assert_point(found, "fault", about, sentence)
                started = subprocess.run(
                    [SERVER, *map(str, self.options(**changes))], capture_output=True, check=False,
                    timeout=DEADLINE, cwd=folder)
                self.assertNotEqual(started.returncode, EX_OK, started.stdout)

    def test_server_finds_files_that_its_user_may_not_use(self):
        """As another user where the tests run as root, who may do anything."""
        certs, data = self.folder / "certs", self.folder / "data"
        certs.mkdir()
        data.mkdir()
        copies = {}
        for name, path in (("cafile", self.pki.good_ca.cert), ("crlfile", self.pki.crl),
                           ("cert", self.server_pair.cert), ("key", self.server_pair.key)):
            copies[name] = pathlib.Path(shutil.copy(path, certs))
        store, log, config = data / "r.db", data / "log", dict(copies, store=data / "r.db")
        self.port, self.store = None, store
        self.assertEqual(self.start_server().end(), EX_OK)
        log.touch()
        server = shutil.copy(SERVER, certs)  # where it is built may be closed to others
        as_user = {}
        if os.geteuid() == 0:
            as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        command = [server, *self.options(log_file=log, **config)]
        self.assertEqual(self.warnings(self.check([*command, "--check"], **as_user)), [])
        lock = data / "r.db.lock"
        for path, mode, about, sentence in (
                (copies["key"], 0, "--key", "can't be read: Permission denied"),
                (copies["crlfile"], 0, "--crlfile", "can't be read: Permission denied"),
                (store, 0o400, "--store", "can't be read and written by this user: Permission"),
                (lock, 0o400, "--store", r"r\.db\.lock, which belongs to it, can't be read and "),
                (data, 0o500, "--store", "can't make the files that belong beside it"),
                (log, 0o400, "--log-file", "can't be written by this user: Permission denied")):
            with self.subTest(path=path.name):
                before = path.stat().st_mode
                path.chmod(mode)
                found = self.check([*command, "--check"], EX_CONFIG, **as_user)
                self.assert_point(found, "fault", about, sentence)
                if path != data:  # SQLite makes its log when it is first needed
                    started = subprocess.run(
                        [*map(str, command)], capture_output=True, check=False, timeout=DEADLINE,
                        cwd=self.folder, **as_user)
                    self.assertNotEqual(started.returncode, EX_OK, started.stdout)
                path.chmod(before)

    def test_server_says_all_faults_at_once(self):
        found = self.check_server(
            expect=EX_CONFIG, key=self.sensor.key, crlfile=self.folder / "none", listen="nowhere",
            store=":memory:")
        self.assertEqual([about for verdict, about, _ in found if verdict == "fault"],
                         ["--key", "--crlfile", "--store", "--listen"])

    def test_server_warns_of_what_ends_soon_and_exits_with_0(self):
        soon = self.pki.leaf("localhost", eku=("serverAuth",), san=[("dns", "localhost")],
                             not_after=13 * DAY)
        found = self.check_server(cert=soon.cert, key=soon.key)
        self.assertEqual(self.warnings(found), ["--cert"])
        self.assert_point(found, "warning", "--cert", r"\(1[23] days left\): renew it with")
        found = self.check_server("--expiry-warning=12d", cert=soon.cert, key=soon.key)
        self.assertEqual(self.warnings(found), [])
        found = self.check_server("--expiry-warning=100d")
        self.assertEqual(self.warnings(found), ["--cert"])
        later = self.pki.leaf("localhost", eku=("serverAuth",), san=[("dns", "localhost")],
                              not_after=15 * DAY)
        self.assertEqual(self.warnings(self.check_server(cert=later.cert, key=later.key)), [])

    def test_server_warns_of_a_ca_without_a_list_of_names_and_of_nobody_allowed(self):
        found = self.check_server(crlfile=None)
        self.assert_point(found, "warning", "--crlfile", "stolen sensor can't be kept out")
        both = self.write("both.crt", self.pki.good_ca.cert.read_text() +
                          self.pki.ca("second").cert.read_text())
        found = self.check_server("--crl-policy=if-present", cafile=both)
        self.assert_point(found, "warning", "--crlfile", "no list is of the CA 'CN=second'")
        long = self.write("long.crt", self.server_pair.cert.read_text() +
                          self.pki.good_ca.cert.read_text())
        found = self.check_server(cert=long)
        self.assert_point(found, "warning", "--cert", "^1 more certificate is in its file and sent")
        nameless = self.pki.leaf("server", san=None, eku=("serverAuth",))
        found = self.check_server(cert=nameless.cert, key=nameless.key)
        self.assert_point(found, "warning", "--cert", "carries no name and no address")
        unused = self.pki.leaf("localhost", eku=None, san=[("dns", "localhost")])
        found = self.check_server(cert=unused.cert, key=unused.key)
        self.assertEqual(self.warnings(found), ["--cert"])
        self.assert_point(found, "warning", "--cert", "sensors will refuse it, for no extended key")
        found = self.check_server(allow=self.write("allow", "# nobody yet\n"))
        self.assert_point(found, "warning", "--allow", "nobody can come in")

    def test_server_warns_of_a_list_in_its_grace(self):
        ended = self.folder / "ended.pem"
        ended.write_text(pem("X509 CRL", crl(self.pki.good_ca, this_update=-9 * DAY,
                                             next_update=-DAY)))
        found = self.check_server("--crl-grace=2d", crlfile=ended)
        self.assertEqual(self.warnings(found), ["--crlfile"])
        self.assert_point(found, "warning", "--crlfile", "holds for (1 day|23 hours) more only")
        found = self.check_server("--crl-grace=2h", crlfile=ended, expect=EX_CONFIG)
        self.assert_point(found, "fault", "--crlfile", "out of date since .*longer than --crl-grace")

    def test_server_looks_at_ticket_keys_and_makes_none(self):
        keys = self.folder / "ticket.keys"
        found = self.check_server(ticket_keys=keys)
        self.assert_point(found, "ok", "--ticket-keys", "isn't there yet: the server makes it$")
        found = self.check_server("--resume-max-age=0", ticket_keys=keys)
        self.assert_point(found, "warning", "--ticket-keys", "isn't used, for --resume-max-age 0")
        self.port = None
        self.assertEqual(self.start_server("--ticket-keys", keys).end(), EX_OK)
        self.busy = False
        self.assert_point(self.check_server(ticket_keys=keys), "ok", "--ticket-keys",
                          "ticket.keys holds keys, readable by their owner only$")

    def test_server_tells_what_it_would_be_confined_to(self):
        found = self.check_server("--confine=no")
        self.assert_point(found, "warning", "confinement", "none, because of --confine no")
        if os.geteuid() != 0:
            found = self.check_server("--user=root", expect=EX_CONFIG)
            self.assert_point(found, "fault", "--user", "only root can become another user")
            return
        self.assert_point(self.check_server(), "warning", "confinement", "the server runs as root")
        # What root may read and the user may not is good for a start, and for no reload.
        nobody = pwd.getpwuid(NOBODY).pw_name
        os.chown(self.folder, NOBODY, NOBODY)
        found = self.check_server("--user", nobody)
        self.assert_point(found, "ok", "--user", f"^{nobody}: all of this is looked at as that user")
        self.assert_point(found, "ok", "confinement", f"^user {nobody}, no new privileges")
        self.assert_point(found, "warning", "confinement",
                          rf"--key .*: user {nobody} can't read it .*a reload will be refused: "
                          "what is revoked later comes in until a restart")
        os.chown(self.folder, 0, 0)
        found = self.check_server("--user", nobody, expect=EX_CONFIG)
        self.assert_point(found, "fault", "--store", "by this user: Permission denied")

    def test_server_warns_of_too_few_descriptors(self):
        few = few_files(200)
        threads = ("--io-threads", "2", "--handshake-threads", "3")  # 4 of each
        found = self.check_server(*threads, "--max-connections=117", run={"preexec_fn": few})
        self.assert_point(found, "warning", "open files",
                          "allows 200, and --max-connections 117 needs 201: raise")
        found = self.check_server(*threads, "--max-connections=116", run={"preexec_fn": few})
        self.assertEqual(self.warnings(found), [])

    def test_configuration_file_is_a_point_and_a_wrong_command_line_still_one(self):
        config = self.write("server.conf", "quiet = yes\n")
        self.assert_point(self.check_server("--config", config), "ok", "--config", "is read")
        done = subprocess.run([SERVER, "--check", "--cert", "x"], capture_output=True, check=False)
        self.assertEqual(done.returncode, EX_USAGE)

    def test_terminal_gets_colours_and_sentences_that_keep_their_column(self):
        arguments = [SERVER, *self.options(crlfile=None), "--check"]
        output = on_a_terminal(arguments, 80, NO_COLOR="")
        self.assertIn("\033[32mok     \033[0m  --cafile ", output)
        self.assertIn("\033[33mwarning\033[0m  --crlfile ", output)
        plain = re.sub(r"\033\[\d+m", "", output)
        self.assertEqual(on_a_terminal(arguments, 80, NO_COLOR="1"), plain)
        lines = plain.splitlines()
        self.assertLess(20, len(lines))
        self.assertEqual({line[23] for line in lines[:-1]}, {" "})
        words = [line for line in lines if len(line[24:].split(" ")) > 1]
        self.assertLessEqual(max(map(len, words)), 80)
        wide = re.sub(r"\033\[\d+m", "", on_a_terminal(arguments, 1000))
        self.assertEqual(re.sub(r"\n {24}", " ", plain), wide)


class ClientCheckTest(CheckTest):
    def check_client(self, *more, expect=EX_OK, **options):
        return self.check([*self.arguments(*more, **options), "--check"], expect)

    def test_client_that_is_all_well_is_told_so_and_nothing_is_made(self):
        number = self.write("raw", "45123\n")
        found = self.check_client("--read", f"cpu:Cel={number}*0.001", "--exec",
                                  "x=touch ran; echo 1", "--clock-floor", "floor")
        self.assertEqual({verdict for verdict, _, _ in found}, {"ok"})
        for about, sentence in (
                ("--cafile", r"ca\.crt: the CA '.+', good until [^,]+$"),
                ("--cert", r"weather-1\.crt: 'CN=weather-1', signed by '.+', good until"),
                ("--cert", "it names the sensor weather-1$"),
                ("--key", "which belongs to --cert"),
                ("--spool", "isn't there yet: the client makes it"),
                ("--read", "gives now: cpu: 45.123 Cel$"),
                ("--exec", "x: --check doesn't run 'touch ran; echo 1'"),
                ("--clock-floor", "isn't there yet"),
                ("clock", r"it shows 20\d\d-")):
            self.assert_point(found, "ok", about, sentence)

    def test_client_tells_whose_spool_it_is_and_what_waits_in_it(self):
        self.run_client("--message", "t: 1", "--message", "t: 2", "--timeout", "10ms",
                        expect=EX_TEMPFAIL)
        found = self.check_client()
        self.assert_point(found, "ok", "--spool", "of no sensor yet, 2 readings waiting")
        self.port = None
        self.start_server()
        self.run_client("--message", "t: 3")
        self.assert_point(self.check_client(), "ok", "--spool", "of weather-1, 0 readings waiting")
        found = self.check_client(sensor=self.pki.sensor("attic"), expect=EX_CONFIG)
        self.assert_point(found, "fault", "--spool",
                          "belongs to weather-1, and this certificate is attic's: give each")

    def test_client_that_was_killed_has_its_readings_counted(self):
        client = self.start_client("--message", "t: 1", "--message", "t: 2", "--message", "t: 3")
        client.wait_for(r"t: 3\n(?s:.*)no connection")
        # The log that a client leaves behind is read with shared memory, which stays beside it.
        client.process.kill()
        client.wait()
        self.assertIn("spool.db-wal", self.contents())
        done = subprocess.run([*map(str, self.arguments()), "--check"], capture_output=True,
                              text=True, check=False, timeout=DEADLINE)
        self.assertEqual(done.returncode, EX_OK, done.stdout)
        self.assert_point(points(done.stdout), "ok", "--spool", "3 readings waiting")

    def test_client_that_runs_is_not_disturbed(self):
        self.port = None
        self.start_server()
        client = self.start_client("--stdin", stdin=subprocess.PIPE)
        client.process.stdin.write(b"t: 1\n")
        client.process.stdin.flush()
        wait_for(lambda: self.values() == [("t", "1")], DEADLINE, "a reading")
        found = self.check_client("--online")
        self.assertEqual(self.warnings(found), ["--spool"])
        self.assert_point(found, "warning", "--spool", "is in use, .*fine if that is this sensor's")
        client.process.stdin.write(b"t: 2\n")
        client.process.stdin.close()
        self.assertEqual(client.wait(), EX_OK, client.output)
        self.assertEqual(client.output.count("connected to"), 1)
        self.assertEqual(self.values(), [("t", "1"), ("t", "2")])

    def test_client_calls_a_fault_what_it_can_not_work_with(self):
        expired = self.pki.expired("weather-1")
        words = self.write("words", "no number here\n")
        future = self.write("future", f"{int(time.time()) + 9 * 86400}\n")
        text = self.write("text", "not a database, and much longer than a header is\n" * 9)
        other = self.database("other.db", "CREATE TABLE t(a)", "PRAGMA application_id=7")
        newer = self.database("newer.db", f"PRAGMA application_id={0x534C5350}",
                              "PRAGMA user_version=99", "CREATE TABLE t(a)")
        cases = [
            (["--cert", "none"], "--cert", "none can't be read: No such file"),
            (["--cert", expired.cert, "--key", expired.key], "--cert", "has expired: renew it"),
            (["--key", self.server_pair.key], "--key", "doesn't belong to --cert"),
            (["--cert", self.server_pair.cert, "--key", self.server_pair.key], "--cert",
             "isn't meant for a sensor"),
            (["--cafile", self.pki.ca("other").cert], "--cert", "isn't signed by a CA of --cafile"),
            (["--spool", "no/folder.db"], "--spool", "can't make it in its folder"),
            (["--spool", other], "--spool", "a database of another program"),
            (["--spool", newer], "--spool", "a later version of sensorlink made it"),
            (["--spool", text], "--spool", "not a spool or is damaged"),
            (["--read", f"a={words}"], "--read", "words gives no reading of a: there is no number"),
            (["--read", "a=none"], "--read", "none gives no reading of a: No such file"),
            (["--message", "warm"], "--message", "'warm' is no reading: "),
            (["--clock-floor", words], "--clock-floor", "isn't a line with Unix seconds; remove it"),
            (["--clock-floor", future], "clock", "which is before 20.*: set it"),
        ]
        for more, about, sentence in cases:
            with self.subTest(about=about, sentence=sentence):
                options = self.arguments()
                for name, value in zip(more[::2], more[1::2]):
                    if name in options:  # instead of the good one
                        at = options.index(name)
                        del options[at:at + 2]
                    options += [name, value]
                found = self.check([*options, "--check"], EX_CONFIG)
                self.assert_point(found, "fault", about, sentence)

    def test_client_warns_of_a_name_that_servers_refuse(self):
        nameless = self.pki.leaf("weather-1", san=[("uri", "urn:sensor:weather 1")])
        found = self.check_client(sensor=nameless)
        self.assert_point(found, "warning", "--cert", "a server will refuse it: client-name-bad: ")
        soon = self.pki.leaf("weather-1", not_after=13 * DAY)
        self.assert_point(self.check_client(sensor=soon), "warning", "--cert", "renew it with")

    def test_online_is_for_check_only(self):
        output = self.run_client("--online", "--demo", expect=EX_USAGE)
        self.assertIn("--online is for --check only", output)


class OnlineCheckTest(CheckTest):
    def check_online(self, *more, expect=EX_OK, **options):
        return self.check([*self.arguments(*more, **options), "--check", "--online"], expect)

    def start(self, *more, **options):
        self.port = None
        return self.start_server(*more, **options)

    def assert_nothing_stored(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as store:
            for table in ("sensors", "streams", "blocks", "gaps"):
                self.assertEqual(store.execute(f"SELECT count(*) FROM {table}").fetchone(), (0,))

    def test_online_check_tells_all_of_a_server_that_admits_the_sensor(self):
        server = self.start()
        for _ in range(2):
            found = self.check_online()
            for about, sentence in (
                    ("--host", rf"^localhost port {self.port}: connected to \S+:{self.port}$"),
                    ("TLS", r"^TLSv1\.[23] with TLS\S+$"),
                    ("certificate", r"^the server's, for localhost, .*: 'CN=localhost', signed by "
                                    r"'.+', good until \d{4}-\d\d-\d\d \(\d+ days left\)$"),
                    ("admission", r"^the server admits this sensor as weather-1; its answer took "
                                  r"\d+\.\d ms$"),
                    ("clock", r"^it is 0\.\d{3} s (ahead of|behind) the server's$")):
                self.assert_point(found, "ok", about, sentence)
        server.wait_for("authenticated .* as weather-1")
        self.assertEqual(server.end(), EX_OK)
        self.assert_nothing_stored()

    def test_online_check_tells_a_revoked_sensor_why_it_is_refused(self):
        sensor = self.pki.sensor("stolen")
        self.pki.certs_sh("revoke", "stolen")
        server = self.start("--crlfile", self.pki.crl)
        found = self.check_online(expect=EX_CONFIG, sensor=sensor)
        self.assert_point(found, "ok", "TLS", "TLSv1")
        self.assert_point(found, "ok", "certificate", "CN=localhost")
        self.assert_point(found, "fault", "admission", r"is revoked; .*\[client-cert-revoked\]$")
        server.wait_for("refused .*: client-cert-revoked")

    def test_online_check_tells_a_sensor_off_the_allow_list_so(self):
        self.start("--allow", self.write("allow", "attic\n"))
        found = self.check_online(expect=EX_CONFIG)
        self.assert_point(found, "fault", "admission", r"allow list.*\[client-not-allowed\]$")

    def test_online_check_of_a_sensor_of_another_ca_finds_a_fault(self):
        """The server's alert, or in TLS 1.3 with some versions of Mbed TLS its silent end."""
        server = self.start()
        other = self.pki.ca("other")
        both = self.write("both.crt", self.pki.good_ca.cert.read_text() + other.cert.read_text())
        sensor = self.pki.leaf("weather-1", ca=other)
        options = self.arguments(sensor=sensor)
        options[options.index("--cafile") + 1] = both
        done = self.check([*options, "--check", "--online"], EX_CONFIG)
        faults = [point for point in done if point[0] == "fault"]
        self.assertEqual(len(faults), 1, done)
        self.assertRegex(faults[0][2], r"\[(peer-refused|not-welcomed|client-[a-z-]+)\]$")
        server.wait_for("refused .*: client-cert-untrusted")

    def test_online_check_finds_a_server_of_another_name(self):
        self.start(pair=self.pki.leaf("elsewhere", eku=("serverAuth",),
                                      san=[("dns", "elsewhere.example")]))
        found = self.check_online(expect=EX_CONFIG)
        self.assert_point(found, "fault", "--host", r"another name.*\[server-name-mismatch\]$")

    def test_online_check_finds_that_nobody_listens(self):
        found = self.check_online(expect=EX_CONFIG)
        self.assert_point(found, "fault", "--host", r"Connection refused \[connect-failed\]$")

    def serve_tcp(self, answer):
        """A server without TLS: says `answer` to whoever comes, and waits for their end."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.settimeout(DEADLINE)
                        connection.sendall(answer)
                        while connection.recv(4096):
                            pass
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join, DEADLINE)
        self.addCleanup(listener.close)
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)

    def test_online_check_finds_that_the_port_is_not_one_of_tls(self):
        self.serve_tcp(b"220 mail.example ESMTP\r\n")
        found = self.check_online(expect=EX_CONFIG)
        self.assert_point(found, "fault", "--host", "doesn't speak TLS: is it the right port")

    def test_online_check_ends_where_the_other_side_says_nothing(self):
        self.serve_tcp(b"")
        found = self.check_online("--connect-timeout", "300ms", expect=EX_CONFIG)
        self.assert_point(found, "fault", "--host", r"doesn't answer in the handshake "
                                                    r"\[handshake-timeout\]$")

    def test_online_check_ends_where_the_server_never_welcomes(self):
        self.start_python_server(lambda session: session.lines(2))
        found = self.check_online("--connect-timeout", "300ms", expect=EX_CONFIG)
        self.assert_point(found, "fault", "admission", r"doesn't answer \[welcome-timeout\]$")

    def test_online_check_measures_the_clocks_and_sends_no_reading(self):
        heard = []

        def script(session):
            heard.append(session.line())
            session.say(f"welcome 0 {time.time() + 3600:.3f} weather-1")
            heard.append(session.line())
            heard.append(session.clocks)
        self.run_client("--message", "t: 1", "--timeout", "10ms", expect=EX_TEMPFAIL)
        server = self.start_python_server(script)
        found = self.check_online()
        self.assert_point(found, "ok", "--spool", "1 reading waiting")
        self.assert_point(found, "warning", "clock", r"it is 3(599|600)\.\d+ s behind .*set the one")
        server.close()
        self.assertEqual(heard, [f"stream {STREAM}", None, []])

    def test_online_check_is_not_tried_before_faults_are_mended(self):
        server = self.start_python_server(lambda session: None)
        found = self.check_online("--clock-floor", self.write("floor", "x\n"), expect=EX_CONFIG)
        self.assert_point(found, "warning", "--online", "isn't tried before the faults above")
        self.assertEqual(server.accepted, [])


if __name__ == "__main__":
    unittest.main()
