#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sensorlink-server as its operator meets it: the console, options, limits, signals, the store."""

import base64
import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

from pki import wait_for
from programs import DEADLINE, EX_CONFIG, EX_IOERR, EX_TEMPFAIL, EX_USAGE, LOG, SERVER, SLOW, \
    WRAP, Sensor, Server, SystemTest, client_context, connect, few_files, run

# Enough for a sensor never to run out of readings while a test lasts.
ENDLESS = 50_000_000


def readings_without_end(first=1, lines=400):
    """Chunks of lines for Sensor.pump()."""
    for at in range(first, ENDLESS, lines):
        yield "".join(f"{n} - n: {n}\n" for n in range(at, at + lines)).encode()


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


class ServerTest(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.attic = cls.pki.sensor("attic")

    def good_reading(self, server, stream="a" * 32, **options):
        """One more reading over a new session of this stream; returns its number."""
        with Sensor(server, self.attic, **options) as sensor:
            last, _ = sensor.open(stream)
            sensor.say(f"{last + 1} - t: {last + 1}")
            sensor.wait_ack(last + 1)
            sensor.close()
        return last + 1


class ConsoleTest(ServerTest):
    def test_console_tells_the_tutorials_story_in_order(self):
        server = self.start_server()
        sensor = self.connect(server, self.attic)
        sensor.open()
        for number, value in enumerate((15, 22, 21, 26, 25, 19), 1):
            sensor.say(f"{number} - temperature: {value}")
        sensor.wait_ack(6)
        version = sensor.socket.version()
        sensor.close()
        server.wait_for("no more data")
        output = server.stop()
        peer = rf"127\.0\.0\.1:{sensor.port}"
        story = (
            rf"\Aworking on {re.escape(socket.gethostname())}\S* \([0-9a-f.:]+\)\n"
            rf"starting up on 127\.0\.0\.1:{server.address[1]}\n"
            r"(confined: user [^\n]+\n(confinement: [^\n]+\n)*|not confined, [^\n]+\n)"
            r"waiting for sensors\n"
            rf"connection from {peer}\n"
            rf"authenticated {peer} as attic with {re.escape(version)}, TLS[-_0-9A-Z]+, "
            r"sensorlink/1\n"
            r"attic  temperature: 15\nattic  temperature: 22\nattic  temperature: 21\n"
            r"attic  temperature: 26\nattic  temperature: 25\nattic  temperature: 19\n"
            rf"no more data from attic \({peer}\), 6 readings logged\n"
            r"told to end: finishing what was received, then leaving\n"
            r"everything received is stored; goodbye\n\Z")
        self.assertRegex(output, story)

    def test_console_shows_no_readings_when_quiet(self):
        server = self.start_server("--quiet")
        self.good_reading(server)
        output = server.stop()
        self.assertNotIn("t: 1", output)
        self.assertIn("authenticated", output)
        self.assertEqual(server.readings(), [("t", 1)])

    def test_console_puts_the_time_before_each_line_when_told(self):
        server = self.start_server("--stamp")
        self.good_reading(server)
        output = server.stop()
        for line in output.splitlines():
            self.assertRegex(line, r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* \S|\Aattic  t: 1\Z")
        self.assertIn(time.strftime("%Y-%m-", time.gmtime()), output)

    def test_log_file_is_opened_anew_after_sigusr1(self):
        folder = self.new_folder()
        log, old = folder / "server.log", folder / "server.log.1"
        server = self.start_server("--log-file", log, folder=folder)
        self.good_reading(server)
        log.rename(old)
        server.send_signal(signal.SIGUSR1)
        wait_for(log.exists, DEADLINE, "the new log file")
        number = self.good_reading(server)
        wait_for(lambda: f"t: {number}" in log.read_text(), DEADLINE, "the reading in the new log")
        self.assertNotIn(f"t: {number}", old.read_text())
        server.stop()
        self.assertIn("waiting for sensors", old.read_text())
        self.assertIn("everything received is stored", log.read_text())

    def test_output_never_holds_key_material(self):
        server = self.start_server("--stamp")
        self.good_reading(server)
        with contextlib.suppress(OSError):
            self.connect(server, self.pki.expired("attic")).line()
        server.wait_for("refused")
        output = server.stop().encode() + server.store.read_bytes()
        for pair in (self.pki.server("localhost"), self.attic):
            body = re.search(r"-----BEGIN [A-Z ]+-----\s(.*?)-----END", pair.key.read_text(),
                             re.DOTALL)[1]
            secret = base64.b64decode(body)
            # The private number of P-256 stands behind its tag and length (RFC 5915).
            number = re.search(rb"\x02\x01\x01\x04\x20(.{32})", secret, re.DOTALL)[1]
            for form in (number, number.hex().encode(), number.hex().upper().encode(),
                         body.strip().splitlines()[0].encode(), b"PRIVATE KEY"):
                self.assertNotIn(form, output)


class PipedServer(Server):
    """A server on whose standard output, a pipe, somebody reads while `read` is true."""

    def __init__(self, *arguments):
        self.read, self.heard = True, b""
        self.pipe, theirs = os.pipe()
        os.set_blocking(self.pipe, False)
        try:
            super().__init__(*arguments, stdout=theirs)
        finally:
            os.close(theirs)

    @property
    def output(self):
        with contextlib.suppress(BlockingIOError):
            while self.read and (data := os.read(self.pipe, 65536)):
                self.heard += data
        return self.heard.decode() + super().output

    def kill(self):
        super().kill()
        os.close(self.pipe)


class DeafConsoleTest(ServerTest):
    def test_server_whose_output_nobody_reads_goes_on_acknowledging(self):
        server = PipedServer(self.new_folder(), self.pki)
        self.addCleanup(server.kill)
        enough = 8000 if SLOW else 20000  # lines that fill the pipe, and more
        for number in range(2):
            server.read = False
            sensor = self.connect(server, self.attic)
            sensor.open(f"{number:032x}")
            lines = sensor.pump(
                readings_without_end(),
                lambda line: line.startswith("ack ") and int(line[4:]) >= enough)
            self.assertRegex(lines[-1], r"\Aack \d+\Z")
            sensor.close()
            server.read = True
            server.output  # makes room
            self.good_reading(server)
            server.wait_for(
                r"(?m)^lines left out here because they couldn't be written: \d{3,}\n\w")
            server.heard = b""
        server.read = False
        server.stop()


class ListenTest(ServerTest):
    def test_several_addresses_of_both_families_are_served(self):
        if not has_ipv6():
            self.skipTest("this machine has no IPv6 loopback")
        server = self.start_server("--listen", "[::1]:0", "--listen", "127.0.0.1:0")
        ports = server.ports()
        self.assertEqual(len(set(ports)), 3)
        addresses = [("127.0.0.1", ports[0]), ("::1", ports[1]), ("127.0.0.1", ports[2])]
        for number, address in enumerate(addresses, 1):
            self.assertEqual(self.good_reading(server, address=address), number)
        output = server.stop()
        self.assertIn(f"starting up on [::1]:{ports[1]}\n", output)
        self.assertRegex(output, r"connection from \[::1\]:\d+\n")

    def test_both_families_are_served_on_one_address(self):
        if not has_ipv6():
            self.skipTest("this machine has no IPv6 loopback")
        server = self.start_server(listen="[::]:0")
        port = server.ports()[0]
        self.good_reading(server, address=("::1", port))
        self.good_reading(server, address=("127.0.0.1", port))
        # An IPv4 address is shown as one.
        self.assertRegex(server.stop(), r"connection from 127\.0\.0\.1:\d+\n")


class LimitTest(ServerTest):
    def silent(self, server, count):
        """Connections that say nothing."""
        made = [connect(server.address) for _ in range(count)]
        for raw in made:
            self.addCleanup(raw.close)
        return made

    def turned_away(self, server, which, raw):
        raw.settimeout(DEADLINE)
        with contextlib.suppress(ConnectionError):
            self.assertEqual(raw.recv(1), b"")
        server.wait_for(
            rf"turned away \d+ connection\(s\), the last from 127\.0\.0\.1:\d+: {which} is reached")

    def limited(self, which, *options):
        """Two may come in, a third one not before one of them has gone."""
        server = self.start_server(*options)
        first, second = self.silent(server, 2)
        server.wait_for(rf"connection from 127\.0\.0\.1:{second.getsockname()[1]}\n")
        self.turned_away(server, which, self.silent(server, 1)[0])
        first.close()
        server.wait_for(r"refused \S+: handshake-cut")
        self.good_reading(server)
        server.stop()

    def test_connections_beyond_the_limit_are_turned_away(self):
        self.limited("--max-connections", "--max-connections", "2")

    @unittest.skipIf(WRAP, "what wraps the server opens files of its own")
    def test_connections_beyond_the_open_files_are_turned_away_and_the_store_keeps_its_own(self):
        server = self.start_server("--max-connections", "20", "--io-threads", "1",
                                   "--handshake-threads", "1", prepare=few_files(80))
        server.wait_for(r"the system allows 80 open files: 8 connections may come in, and not the "
                        r"20 of --max-connections; raise the limit")
        sensor = self.connect(server, self.attic)
        sensor.open()
        self.turned_away(server, "--max-connections", self.silent(server, 8)[-1])
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        server.stop()

    def test_connections_of_one_address_beyond_the_limit_are_turned_away(self):
        self.limited("--max-connections-per-address", "--max-connections-per-address", "2")

    def test_handshakes_beyond_the_limit_are_turned_away(self):
        self.limited("--max-handshakes", "--max-handshakes", "2")

    def test_sensors_that_are_in_dont_count_as_handshakes(self):
        server = self.start_server("--max-handshakes", "1")
        sensors = []
        for number in range(3):
            sensors.append(self.connect(server, self.attic))
            self.assertEqual(sensors[-1].open(f"{number:032x}")[0], 0)
        for sensor in sensors:
            sensor.say("1 - t: 1")
            sensor.wait_ack(1)
        server.stop()
        self.assertNotIn("turned away", server.output)

    def test_limit_of_one_address_leaves_others_in(self):
        server = self.start_server("--max-connections-per-address", "1", listen="0.0.0.0:0")
        self.silent(server, 1)
        server.wait_for("connection from ")
        raw = socket.create_connection(server.address, timeout=DEADLINE,
                                       source_address=("127.0.0.2", 0))
        context = client_context(self.attic)
        with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
            wrapped.sendall(b"stream " + b"b" * 32 + b"\n")
            self.assertTrue(wrapped.recv(100).startswith(b"welcome 0 "))
        server.wait_for(r"authenticated 127\.0\.0\.2:\d+ as attic")
        server.stop()


class EndTest(ServerTest):
    """SIGTERM, SIGINT and SIGKILL while sensors send at full speed."""

    def flood(self, server, pump_until=lambda line: False, count=3):
        """Sensors that send until their session ends. Returns [(stream, lines)] when joined."""
        results = []

        def run_one(number):
            stream = f"{number:032x}"
            with Sensor(server, self.attic) as sensor:
                sensor.open(stream)
                results.append((stream, sensor.pump(readings_without_end(), pump_until)))

        threads = [threading.Thread(target=run_one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()

        def join():
            for thread in threads:
                thread.join(3 * DEADLINE)
                self.assertFalse(thread.is_alive(), "a sensor hangs")
            self.assertEqual(len(results), count)
            return results
        return join

    def acknowledged(self, lines):
        return max((int(line.split()[1]) for line in lines if line.startswith("ack ")), default=0)

    def wait_stored(self, server, count, streams, before=None):
        """Waits until each of so many streams has `count` readings more than before."""
        before = before or {}

        def look():
            lasts = server.query('SELECT stream, "last" FROM streams')
            return sum(last >= before.get(stream, 0) + count for stream, last in lasts) >= streams
        wait_for(look, DEADLINE, f"{count} readings of each stream")

    def assert_whole(self, server, stream, least):
        """The stream's numbers are 1..last without a hole or a double, `least` of them or more."""
        count, distinct, first, last = server.query(
            "SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM readings "
            "WHERE stream = ?", stream)[0]
        self.assertEqual((count, distinct, first), (last, last, 1))
        self.assertGreaterEqual(last, least)
        self.assertEqual(server.query('SELECT "last" FROM streams WHERE stream = ?', stream),
                         [(last,)])

    def drain(self, signum, word):
        server = self.start_server("--quiet")
        join = self.flood(server)
        self.wait_stored(server, 400 if SLOW else 2000, streams=3)
        output = server.stop(signum)
        self.assertIn(f"{word}: finishing what was received, then leaving\n", output)
        self.assertTrue(output.endswith("everything received is stored; goodbye\n"), output[-500:])
        for stream, lines in join():
            self.assertRegex(lines[-1], r"\Abye \d+ shutting-down \S.*\Z")
            # Everything acknowledged is stored, and everything stored was acknowledged.
            self.assert_whole(server, stream, self.acknowledged(lines))
            self.assertEqual(server.query('SELECT "last" FROM streams WHERE stream = ?', stream),
                             [(self.acknowledged(lines),)])
        check = run(LOG, "--store", server.store, "verify")
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_sigterm_drains_while_sensors_send_at_full_speed(self):
        self.drain(signal.SIGTERM, "told to end")

    def test_sigint_drains_while_sensors_send_at_full_speed(self):
        self.drain(signal.SIGINT, "interrupted")

    def test_end_isnt_held_up_by_strangers_or_by_sensors_that_dont_read(self):
        server = self.start_server("--quiet", "--drain-timeout", "1s")
        silent = connect(server.address)
        self.addCleanup(silent.close)
        idle = self.connect(server, self.attic)
        idle.open()
        deaf = self.connect(server, self.attic)
        deaf.open("d" * 32)
        deaf.socket.settimeout(2)
        with self.assertRaises(TimeoutError):
            for first in range(1, ENDLESS, 400):
                deaf.send("".join(f"{n} - n: nan\n" for n in range(first, first + 400)).encode())
        begin = time.monotonic()
        server.stop()
        if not SLOW:
            self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(idle.wait_bye("shutting-down"), [])

    def test_everything_acknowledged_is_there_after_kill_and_restart(self):
        folder = self.new_folder()
        acknowledged = {}
        for _ in range(2 if SLOW else 4):
            server = self.start_server("--quiet", folder=folder)
            before = dict(server.query('SELECT stream, "last" FROM streams'))
            for stream, last in acknowledged.items():
                self.assertGreaterEqual(before[stream], last)
            results, heard = [], set()
            sensors = [self.connect(server, self.attic) for _ in range(2)]

            def send(number, sensor):
                stream = f"{number:032x}"

                def listen(line):
                    if line.startswith("ack "):
                        heard.add(stream)
                    return False
                last, _ = sensor.open(stream)
                results.append((stream, sensor.pump(readings_without_end(last + 1), listen)))
            threads = [threading.Thread(target=send, args=item) for item in enumerate(sensors)]
            for thread in threads:
                thread.start()
            self.wait_stored(server, 400 if SLOW else 1500, streams=2, before=before)
            # Stored isn't heard yet, and a reset may take an acknowledgement with it.
            wait_for(lambda: len(heard) == 2, DEADLINE, "an acknowledgement of each stream")
            server.kill()
            for thread in threads:
                thread.join(3 * DEADLINE)
                self.assertFalse(thread.is_alive())
            self.assertEqual(len(results), 2)
            for stream, lines in results:
                acknowledged[stream] = max(acknowledged.get(stream, 0), self.acknowledged(lines))
            self.assertTrue(all(acknowledged.values()))
        server = self.start_server("--quiet", folder=folder)
        for stream, last in acknowledged.items():
            self.assert_whole(server, stream, last)
        server.stop()
        check = run(LOG, "--store", server.store, "verify")
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)

    def test_small_queue_holds_sensors_back_and_loses_nothing(self):
        server = self.start_server("--quiet", "--max-queued", "1", "--io-threads", "2")
        enough = 300 if SLOW else 5000
        join = self.flood(
            server, lambda line: line.startswith("ack ") and int(line[4:]) >= enough, count=6)
        results = join()
        server.stop()
        for stream, lines in results:
            self.assertGreaterEqual(self.acknowledged(lines), enough)
            self.assert_whole(server, stream, self.acknowledged(lines))

    def test_second_signal_changes_nothing(self):
        server = self.start_server()
        server.send_signal(signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError):
            server.send_signal(signal.SIGTERM)
        # By then it may have let go of its handlers: either way it ends at once and in order.
        self.assertIn(server.wait(), (0, -signal.SIGTERM))


class StoreTest(ServerTest):
    def test_store_is_readable_by_its_owner_only(self):
        server = self.start_server()
        self.good_reading(server)
        for path in (server.store, *server.store.parent.glob("readings.db-*")):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
        server.stop()

    def test_restart_goes_on_where_the_stream_was(self):
        folder = self.new_folder()
        for number in (1, 2, 3):
            server = self.start_server(folder=folder)
            self.assertEqual(self.good_reading(server), number)
            server.stop()
        self.assertEqual(server.numbers("a" * 32), [1, 2, 3])

    def test_sqlite3_shell_reads_the_store_beside_the_server(self):
        if not shutil.which("sqlite3"):
            self.skipTest("no sqlite3 shell")
        server = self.start_server()
        self.good_reading(server)
        done = subprocess.run(
            ["sqlite3", "-readonly", server.store, "SELECT sensor, name, value FROM readings"],
            capture_output=True, text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.stdout, "attic|t|1\n", done.stderr)
        server.stop()


class RevokedTest(ServerTest):
    def test_revoked_sensor_is_refused_and_others_arent(self):
        self.pki.sensor("lost")
        self.pki.certs_sh("revoke", "lost")
        server = self.start_server("--crlfile", self.pki.crl)
        self.good_reading(server)
        for version in (None, ssl.TLSVersion.TLSv1_2):
            mark = server.mark()
            sensor = self.connect(server, self.pki.sensor("lost"), version=version)
            sensor.say("stream " + "c" * 32, "1 - bad: 1")
            self.assertEqual(sensor.wait_bye("client-cert-revoked"), [])
            server.wait_for(r"refused \S+: client-cert-revoked: .*subject CN=lost", since=mark)
        self.assertEqual(server.sensors(), ["attic"])
        server.stop()


class SilenceTest(SystemTest):
    def test_silent_strangers_of_one_address_lock_nobody_out(self):
        server = self.start_server("--max-handshakes", "32", "--handshake-timeout", "60s")
        strangers = []
        self.addCleanup(lambda: [raw.close() for raw in strangers])
        for _ in range(64):
            raw = socket.socket()
            strangers.append(raw)
            raw.bind(("127.0.0.9", 0))
            raw.settimeout(DEADLINE)
            raw.connect(server.address)
        server.wait_for("an address's share of --max-handshakes is reached")
        with Sensor(server, self.pki.sensor("honest")) as sensor:
            self.assertEqual(sensor.open(), (0, "honest"))
        server.stop()


class OptionTest(ServerTest):
    """Each fault is one sentence on standard error and an exit code of sysexits.h."""

    def setUp(self):
        self.place = self.new_folder()
        self.pair = self.pki.server("localhost")

    def arguments(self, **changes):
        """Good options, changed; None leaves one out."""
        options = {"cafile": self.pki.good_ca.cert, "cert": self.pair.cert, "key": self.pair.key,
                   "listen": "127.0.0.1:0", "store": self.place / "readings.db", **changes}
        return [text for name, value in options.items() if value is not None
                for text in ("--" + name.replace("_", "-"), value)]

    def fails(self, code, sentence, *more, **changes):
        done = run(SERVER, *self.arguments(**changes), *more)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertRegex(done.stderr, rf"\Asensorlink-server: [^\n]*{sentence}[^\n]*\n\Z")
        self.assertNotIn("waiting for sensors", done.stdout)

    def test_unknown_or_bad_options_are_usage_errors(self):
        self.fails(EX_USAGE, "--no-client-cert", "--no-client-cert")
        self.fails(EX_USAGE, "--quiett", "--quiett")
        self.fails(EX_USAGE, "leftover", "leftover")
        self.fails(EX_USAGE, "--max-connections", max_connections="0")
        self.fails(EX_USAGE, "--max-connections", max_connections="many")
        self.fails(EX_USAGE, "--handshake-timeout", handshake_timeout="-1s")
        self.fails(EX_USAGE, "--max-line", max_line="513")
        self.fails(EX_USAGE, "--store", "--store")

    def test_missing_options_are_named(self):
        for name in ("cafile", "cert", "key"):
            self.fails(EX_USAGE, f"--{name} is missing", **{name: None})

    def test_files_that_arent_there_are_named(self):
        for name in ("cafile", "cert", "key", "crlfile"):
            with self.subTest(name):
                self.fails(EX_CONFIG, "nowhere.pem.*No such file",
                           **{name: self.place / "nowhere.pem"})

    def test_files_that_are_something_else_are_named(self):
        other = self.place / "other"
        other.write_text("not a certificate\n")
        other.chmod(0o600)
        for name in ("cafile", "cert", "key", "crlfile"):
            with self.subTest(name):
                self.fails(EX_CONFIG, "other", **{name: other})

    def test_key_readable_by_others_is_refused(self):
        for mode in (0o640, 0o604, 0o660):
            key = self.place / "open.key"
            shutil.copy(self.pair.key, key)
            key.chmod(mode)
            self.fails(EX_CONFIG, "chmod 600", key=key)

    def test_key_of_another_certificate_is_refused(self):
        self.fails(EX_CONFIG, "doesn't belong to --cert", key=self.attic.key)

    def test_certificate_of_a_sensor_is_refused(self):
        self.fails(EX_CONFIG, "isn't meant for a server", cert=self.attic.cert, key=self.attic.key)

    def test_expired_and_not_yet_valid_certificates_are_refused(self):
        for pair, sentence in ((self.pki.expired("localhost", eku=("serverAuth",)), "has expired"),
                               (self.pki.not_yet_valid("localhost", eku=("serverAuth",)),
                                "isn't valid yet")):
            self.fails(EX_CONFIG, sentence, cert=pair.cert, key=pair.key)

    def test_certificate_of_another_ca_is_refused(self):
        pair = self.pki.leaf("localhost", ca=self.pki.ca("other"), eku=("serverAuth",))
        self.fails(EX_CONFIG, "isn't signed by a CA of --cafile", cert=pair.cert, key=pair.key)

    def test_revocation_list_of_another_ca_is_refused(self):
        other = type(self.pki)(self.place / "other-pki")
        other.certs_sh("list")
        self.fails(EX_CONFIG, "isn't signed by a CA of --cafile", crlfile=other.crl)

    def test_addresses_that_cant_be_used_are_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.fails(EX_IOERR, f"{address}: the port is taken", listen=address)
        self.fails(EX_IOERR, r"192\.0\.2\.77", listen="192.0.2.77:0")
        for text in ("127.0.0.1:99999", "here:and:there", "127.0.0.1:", "[::1"):
            self.fails(EX_CONFIG, "isn't an address and port", listen=text)

    def test_store_in_use_is_refused_with_the_holders_number(self):
        server = self.start_server(folder=self.place)
        holder = r"\d+" if WRAP else server.pid
        self.fails(EX_TEMPFAIL, rf"another server has it open \(process {holder}\)")
        self.good_reading(server)
        server.stop()

    def test_store_that_is_none_is_left_as_it_is(self):
        text = self.place / "text"
        text.write_text("temperature: 22\n" * 100)
        self.fails(EX_CONFIG, "text", store=text)
        self.assertEqual(text.read_text(), "temperature: 22\n" * 100)
        self.fails(EX_IOERR, "nowhere", store=self.place / "nowhere" / "readings.db")

    def test_log_file_that_cant_be_made_is_named(self):
        done = run(SERVER, *self.arguments(log_file=self.place / "nowhere" / "log"))
        self.assertEqual(done.returncode, 73)
        self.assertRegex(done.stderr, r"\A.*nowhere/log: No such file or directory\n\Z")

    def test_help_fits_a_small_terminal(self):
        done = run(SERVER, "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertLess(len(lines), 24)  # with the prompt below
        self.assertLessEqual(max(map(len, lines)), 80)
        for name in ("--cafile", "--cert", "--key", "--crlfile", "--listen", "--store", "--config"):
            self.assertIn(name, done.stdout)
        whole = run(SERVER, "--help-all").stdout
        self.assertLessEqual(max(map(len, whole.splitlines())), 80)
        self.assertIn("--max-connections-per-address", whole)

    def test_version_names_the_tls_library_and_what_it_can_do(self):
        done = run(SERVER, "--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(
            done.stdout, r"(?i)\Asensorlink-server \d+\.\d+\.\d+, mbed ?TLS \d\.\d+\.\d+ "
            r"\(TLS 1\.2(, TLS 1\.3)?\)\n\Z")

    def test_options_come_from_a_file_too(self):
        config = self.place / "server.conf"
        config.write_text(
            f"# a comment\ncafile = {self.pki.good_ca.cert}\ncert = {self.pair.cert}\n"
            f"key = {self.pair.key}\nquiet = yes\nmax-connections = 2\n")
        server = self.start(SERVER, "--config", config, "--listen", "127.0.0.1:0", "--store",
                            self.place / "readings.db", folder=self.place)
        server.wait_for("waiting for sensors")
        server.stop()
        config.write_text("no-such-option = 1\n")
        self.fails(EX_USAGE, "no-such-option", config=config)


if __name__ == "__main__":
    unittest.main()
