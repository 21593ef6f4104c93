#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/bad-certs.sh: every row of its table, before the real programs, ends as the table says.

Those who present the certificates are Python's ssl and the openssl command, as the commands in
docs/bad-certificates.md have it, because sensorlink's own programs would present none of them.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from typing import NamedTuple

import docs
from pki import REPOSITORY, Pair, Pki, wait_for
from programs import ALPN, BIN, CLIENT, DEADLINE, EX_CONFIG, EX_TEMPFAIL, SERVER, Sensor, \
    SystemTest, client_context, connect, run, tls_versions

SCRIPT = REPOSITORY / "scripts" / "bad-certs.sh"
PAGE = REPOSITORY / "docs" / "bad-certificates.md"
STAGE = ".bad-certs"
EX_USAGE, EX_CANTCREAT = 64, 73
STREAM = "11111111111111111111111111111111"


class Row(NamedTuple):
    name: str
    role: str
    says: str
    reason: str
    what: str

    def expected(self, version):
        """The reason with this version of TLS; the table has two where that matters."""
        old, _, new = self.reason.partition("/")
        return new if new and version == ssl.TLSVersion.TLSv1_3 else old


BAD = None  # the catalogue's folder, made once


def setUpModule():
    global BAD
    folder = tempfile.TemporaryDirectory(prefix="sensorlink-bad-")
    unittest.addModuleCleanup(folder.cleanup)
    BAD = pathlib.Path(folder.name) / "bad"
    done = bad_certs(BAD)
    if done.returncode != 0:
        raise AssertionError(done.stderr)


def bad_certs(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False,
                          timeout=DEADLINE)


def rows_of(text):
    return [Row(*line.split("\t")) for line in text.splitlines()]


class CatalogueTest(SystemTest):
    """The catalogue's rows, and its good CA as a Pki."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bad = BAD
        cls.rows = rows_of((cls.bad / "catalogue.tsv").read_text())
        cls.pki = Pki(cls.bad)
        cls.sensor = cls.pki.sensor("weather-1")

    def pair(self, row):
        return Pair(self.bad / f"{row.name}.crt", self.bad / f"{row.name}.key")

    def those(self, says):
        found = [row for row in self.rows if row.says == says]
        self.assertGreater(len(found), 15)
        return found

    @classmethod
    def start_catalogue_server(cls):
        return cls.start_shared_server("--crlfile", cls.bad / "crl.pem", cafile=cls.bad / "ca.crt")


class TableTest(CatalogueTest):
    def test_table_has_rows_for_both_roles_and_none_that_isnt_tried_below(self):
        self.assertGreaterEqual(len(self.rows), 36)
        self.assertEqual(len({row.name for row in self.rows}), len(self.rows))
        self.assertEqual({(row.role, row.says) for row in self.rows}, {
            ("sensor", "server"), ("server", "client"), ("sensor", "load"), ("server", "load"),
            ("ca", "load"), ("crl", "load")})

    def test_table_is_what_list_prints_and_the_page_shows(self):
        done = bad_certs("--list")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(rows_of(done.stdout), self.rows)
        made = docs.made_catalogue()
        self.assertEqual(len(made), 3)
        for (path, kind, name), table in made.items():
            self.assertEqual(docs.part(path, kind, name).text, table,
                             "run: python3 tests/support/docs.py BUILD/bin")
        shown = [row[0].strip("`") for says in ("server", "client", "load")
                 for row in docs.part(PAGE, "catalogue", says).rows()]
        self.assertEqual(sorted(shown), sorted(row.name for row in self.rows))

    def test_every_reason_of_the_table_exists(self):
        known = {identifier for _, entries in docs.reasons() for identifier, _ in entries.values()}
        for row in self.rows:
            if row.says != "load":
                self.assertLessEqual(set(row.reason.split("/")), known, row.name)

    def test_every_row_has_its_files_and_keys_are_private(self):
        kinds = {"sensor": ("crt", "key"), "server": ("crt", "key"), "ca": ("crt",), "crl": ("crl",)}
        expected = {"ca.crt", "crl.pem", "catalogue.tsv", "good"}
        for row in self.rows:
            expected |= {f"{row.name}.{kind}" for kind in kinds[row.role]}
        self.assertEqual(set(os.listdir(self.bad)), expected)
        open_ones = {key.name for key in self.bad.rglob("*.key") if key.stat().st_mode & 0o077}
        self.assertEqual(open_ones, {"sensor-key-readable.key", "server-key-readable.key"})


class ScriptTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory(prefix="sensorlink-test-")))

    def test_catalogue_is_replaced_by_a_second_run(self):
        place = self.folder / "bad"
        shutil.copytree(BAD, place)
        (place / STAGE / "scratch").mkdir(parents=True)  # as a run leaves it that was killed
        done = bad_certs(place)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"\AMade \d+ bad certificates .*\n\Z")
        self.assertEqual(sorted(os.listdir(place)), sorted(os.listdir(BAD)))
        for name in ("ca.crt", "sensor-expired.key", "good/weather-1.crt"):
            self.assertNotEqual((place / name).read_bytes(), (BAD / name).read_bytes(), name)

    def test_killed_run_leaves_no_table_and_the_next_one_makes_all(self):
        place = self.folder / "bad"
        with subprocess.Popen([SCRIPT, place], stdout=subprocess.DEVNULL,
                              start_new_session=True) as script:
            wait_for((place / STAGE / "good" / "ca.crt").exists, DEADLINE, "the first CA")
            os.killpg(script.pid, signal.SIGKILL)
        self.assertFalse((place / "catalogue.tsv").exists())
        self.assertEqual(bad_certs(place).returncode, 0)
        self.assertEqual((place / "catalogue.tsv").read_text(), bad_certs("--list").stdout)

    def test_folder_with_other_things_is_left_alone(self):
        (self.folder / "mine").write_text("precious")
        done = bad_certs(self.folder)
        self.assertEqual(done.returncode, EX_CANTCREAT)
        self.assertRegex(done.stderr, r"\Abad-certs\.sh: .* holds other things: .*\n\Z")
        self.assertEqual(os.listdir(self.folder), ["mine"])

    def test_wrong_command_lines_are_one_sentence(self):
        for arguments in ((), ("",), ("--lists",), (self.folder / "a", self.folder / "b")):
            done = bad_certs(*arguments)
            self.assertEqual(done.returncode, EX_USAGE, arguments)
            self.assertRegex(done.stderr, r"\Abad-certs\.sh: .*\n\Z")
        self.assertIn("--list", bad_certs("--help").stdout)
        self.assertEqual(os.listdir(self.folder), [])


class SensorsTest(CatalogueTest):
    """Sensors that the server judges."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.versions = tls_versions()
        cls.server = cls.start_catalogue_server()
        cls.good = 0

    def setUp(self):
        self.assert_still_serves()  # So weather-1 is known, whose name comes in another spelling.

    def assert_still_serves(self):
        """A good sensor gets in, and nothing but its readings was ever logged."""
        type(self).good += 1
        with Sensor(self.server, self.sensor) as sensor:
            self.assertEqual(sensor.open(), (self.good - 1, "weather-1"))
            sensor.say(f"{self.good} - good: {self.good}")
            sensor.wait_ack(self.good)
            sensor.close()
        self.assertEqual(self.server.sensors(), ["weather-1"])
        self.assertEqual(self.server.readings(),
                         [("good", number) for number in range(1, self.good + 1)])

    def wait_reason(self, port, mark):
        """Refused at the handshake, or ended since it was let in: the server says why."""
        found = self.server.wait_for(
            rf"(?:refused|ending \S+) \(?127\.0\.0\.1:{port}\)?: (\S+): .{{20,}}\n", since=mark)
        return found[1]

    def present(self, pair, version):
        """Tries to log a reading, whatever it takes; returns the server's reason."""
        context = client_context(pair, version)
        mark = self.server.mark()
        with contextlib.closing(connect(self.server.address)) as raw:
            port = raw.getsockname()[1]
            with contextlib.suppress(OSError):
                with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                    wrapped.sendall(f"stream {STREAM}\n1 - bad: 1\n".encode())
                    while wrapped.recv(65536):
                        pass
        return self.wait_reason(port, mark)

    def test_server_refuses_every_bad_sensor_of_the_catalogue(self):
        for row in self.those("server"):
            for version in self.versions:
                with self.subTest(row.name, tls=version.name):
                    self.assertEqual(self.present(self.pair(row), version), row.expected(version))
        self.assert_still_serves()

    def test_server_refuses_them_too_when_they_come_by_hand(self):
        command = docs.part(PAGE, "run", "s_client").text
        self.assertEqual(command.count("sensor-expired"), 1)
        command = command.replace(":23456", f":{self.server.address[1]}")
        for row in self.those("server"):
            with self.subTest(row.name):
                mark = self.server.mark()
                done = subprocess.run(
                    ["bash", "-c", command.replace("sensor-expired", row.name)], cwd=self.bad.parent,
                    capture_output=True, check=False, timeout=DEADLINE)
                self.assertIn(b"depth=", done.stderr)  # It has seen the server's certificate.
                found = self.server.wait_for(r"connection from 127\.0\.0\.1:(\d+)", since=mark)
                self.assertEqual(self.wait_reason(found[1], mark),
                                 row.expected(self.versions[-1]))
        self.assert_still_serves()


class ServersTest(CatalogueTest):
    """Servers that the sensor judges."""

    def arguments(self, port, host="localhost"):
        return ["--host", host, "--port", port, "--cafile", self.bad / "ca.crt", "--cert",
                self.sensor.cert, "--key", self.sensor.key, "--message", "t: 1"]

    def serve(self, pair, version):
        """A server for one sensor; returns its port and what becomes (a list, with its thread)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(pair.cert, pair.key)
        context.set_alpn_protocols([ALPN])
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(DEADLINE)
        outcome = []

        def answer():
            with listener, contextlib.closing(listener.accept()[0]) as raw:
                raw.settimeout(DEADLINE)
                try:
                    with context.wrap_socket(raw, server_side=True) as session:
                        outcome.append(session.recv(1000))
                except OSError:
                    outcome.append(None)

        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        return listener.getsockname()[1], outcome, thread

    def present(self, pair, version, host):
        """The client's reason for not using this server; it must send nothing to it."""
        port, outcome, thread = self.serve(pair, version)
        client = self.start(CLIENT, *self.arguments(port, host))
        reason = client.wait_for(r"(?:no connection|not welcome): .{20,} \[([a-z-]+)\]")[1]
        client.kill()
        thread.join()
        self.assertEqual(outcome, [None], "the sensor went through with the handshake")
        return reason

    def test_client_refuses_every_bad_server_of_the_catalogue(self):
        for row in self.those("client"):
            hosts = ["localhost"]
            if row.reason == "server-name-mismatch":
                hosts.append("127.0.0.1")
            for version in tls_versions():
                for host in hosts:
                    with self.subTest(row.name, tls=version.name, host=host):
                        self.assertEqual(self.present(self.pair(row), version, host),
                                         row.expected(version))

    def test_client_uses_the_good_server(self):
        # The control of the above: with nothing wrong, it isn't refused.
        server = self.start_catalogue_server()
        done = run(CLIENT, *self.arguments(server.address[1]), "--timeout", "20",
                   cwd=self.new_folder())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(server.readings("weather-1"), [("t", 1)])


class LoadTest(CatalogueTest):
    """What the programs find in their own files."""

    def runs(self, row):
        """(program, arguments) of each program that would use the files of this row."""
        good, bad = self.bad / "good", self.bad
        files = {"--cafile": bad / "ca.crt"}
        own = {SERVER: "localhost", CLIENT: "weather-1"}
        more = {SERVER: ["--listen", "127.0.0.1:0", "--store", "r.db"],
                CLIENT: ["--host", "localhost", "--port", "1", "--message", "t: 1"]}
        programs = {"sensor": [CLIENT], "server": [SERVER], "crl": [SERVER], "ca": [SERVER, CLIENT]}
        for program in programs[row.role]:
            used = {**files, "--cert": good / f"{own[program]}.crt",
                    "--key": good / f"{own[program]}.key"}
            if row.role == "ca":
                used["--cafile"] = bad / f"{row.name}.crt"
            elif row.role == "crl":
                used["--crlfile"] = bad / f"{row.name}.crl"
            else:
                used["--cert"], used["--key"] = self.pair(row)
            yield program, [each for pair in used.items() for each in pair] + more[program]

    def test_programs_refuse_every_bad_file_of_the_catalogue(self):
        for row in self.those("load"):
            for program, arguments in self.runs(row):
                with self.subTest(row.name, program=program.name):
                    done = run(program, *arguments, cwd=self.new_folder())
                    self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                    self.assertIn(row.reason, done.stderr)
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_programs_dont_become_what_their_certificates_may_not_be(self):
        """The page says so: what the other side would refuse, our own programs don't even try."""
        for name, words in (("sensor-expired", "has expired"), ("sensor-is-server", "isn't meant"),
                            ("sensor-rsa-2048", "isn't an EC key"),
                            ("sensor-other-ca", "isn't signed by")):
            row = next(row for row in self.rows if row.name == name)
            for program, arguments in self.runs(row):
                done = run(program, *arguments, cwd=self.new_folder())
                self.assertEqual(done.returncode, EX_CONFIG, done.stderr)
                self.assertIn(words, done.stderr)


class PageTest(CatalogueTest):
    """The page's commands, as they stand there, but for the port."""

    def setUp(self):
        self.place = self.new_folder()
        (self.place / "scripts").symlink_to(REPOSITORY / "scripts")
        (self.place / "build" / "default").mkdir(parents=True)
        (self.place / "build" / "default" / "bin").symlink_to(BIN)
        (self.place / "bad").symlink_to(self.bad)

    def command(self, name, port=23456):
        text = docs.part(PAGE, "run", name).text.replace("23456", str(port))
        return text.replace("--host localhost", f"--host localhost --port {port}")

    def by_hand(self, name, port=23456):
        done = subprocess.run(["bash", "-c", self.command(name, port)], cwd=self.place, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=DEADLINE)
        return done.returncode, done.stdout

    def test_page_every_block_is_run(self):
        tried = {part.name for part in docs.parts(PAGE) if part.kind == "run"}
        self.assertEqual(tried, {"make", "server", "s_client", "s_server", "client", "load",
                                 "verify"})
        self.assertEqual([part for part in docs.parts(PAGE) if part.fence == "sh" and
                          part.kind != "run"], [])

    def test_page_catalogue_is_made_by_its_command(self):
        (self.place / "bad").unlink()
        code, output = self.by_hand("make")
        self.assertEqual(code, 0, output)
        self.assertTrue((self.place / "bad" / "catalogue.tsv").exists())

    def test_page_server_refuses_the_sensor_of_s_client_in_these_words(self):
        command = self.command("server").strip() + " --listen 127.0.0.1:0"
        server = self.start("env", "bash", "-c", f"exec {command}", folder=self.place)
        port = server.wait_for(r"starting up on 127\.0\.0\.1:(\d+)")[1]
        server.wait_for("waiting for sensors")
        self.by_hand("s_client", port)
        line = server.wait_for(r"refused .*\n")[0]
        shown = docs.part(PAGE, "shown", "s_client").text
        facts = r":\d+|serial \w+|CA \w+|\d{4}-\d\d-\d\dT\S+Z"
        self.assertEqual(re.sub(facts, "", line), re.sub(facts, "", shown))
        self.assertEqual(server.stop().count("no more data"), 0)

    def test_page_client_refuses_the_server_of_s_server(self):
        # One process, so that it can be ended: its name is put in, not set.
        name, _, command = self.command("s_server", "127.0.0.1:0").partition("\n")
        command = command.replace("$NAME", name.removeprefix("NAME="))
        server = self.start("env", "bash", "-c", f"exec {command}", folder=self.place,
                            stdin=subprocess.PIPE)  # at the end of its input it would end
        port = server.wait_for(r"ACCEPT 127\.0\.0\.1:(\d+)")[1]
        code, output = self.by_hand("client", port)
        self.assertEqual(code, EX_TEMPFAIL, output)
        self.assertIn("[server-cert-expired]", output)

    def test_page_client_refuses_a_key_that_others_can_read(self):
        code, output = self.by_hand("load")
        self.assertEqual(code, EX_CONFIG, output)
        self.assertIn("can be read by others", output)

    def test_page_openssl_is_content_with_some(self):
        _, output = self.by_hand("verify")
        for name, words in (("sensor-no-usage", "OK"), ("sensor-two-names", "OK"),
                            ("sensor-expired", "verification failed"),
                            ("sensor-by-sensor", "verification failed")):
            self.assertRegex(output, rf"{name}\.crt: {words}")


if __name__ == "__main__":
    unittest.main()
