# SPDX-License-Identifier: Apache-2.0
"""The real programs, started and stopped by system tests, and sensors written in Python.

    server = Server(folder, pki)                  # listens on a free port of 127.0.0.1
    with Sensor(server, pki.sensor("attic")) as sensor:
        sensor.open()
        sensor.say("1 - temperature: 15")
        sensor.wait_ack(1)
    server.stop()                                 # SIGTERM; exit code 0 or the test fails

SENSORLINK_BIN_DIR is where the programs are; SENSORLINK_WRAP, if set, is a command to put before
them, such as valgrind. Nothing here waits without a deadline.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import resource
import select
import shlex
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import tempfile
import time
import unittest
import warnings

from pki import Pki, wait_for

BIN = pathlib.Path(os.environ["SENSORLINK_BIN_DIR"])
WRAP = shlex.split(os.environ.get("SENSORLINK_WRAP", ""))
SERVER, CLIENT, LOG = BIN / "sensorlink-server", BIN / "sensorlink-client", BIN / "sensorlink-log"

EX_USAGE, EX_IOERR, EX_TEMPFAIL, EX_CONFIG = 64, 74, 75, 78

ALPN = "sensorlink/1"
STREAM = "0123456789abcdef0123456789abcdef"


def _is_slow():
    image = SERVER.read_bytes()
    return bool(WRAP) or b"__asan_init" in image or b"__tsan_init" in image


# Under valgrind or a sanitizer everything takes many times as long: tests send less.
SLOW = _is_slow()
DEADLINE = 120.0 if SLOW else 30.0


def command(program, *arguments):
    return [*WRAP, str(program), *map(str, arguments)]


def run(program, *arguments, stdin=b"", **options):
    """Runs a program to its end; returns subprocess's result with text in it."""
    done = subprocess.run(
        command(program, *arguments), input=stdin, capture_output=True, timeout=DEADLINE,
        check=False, **options)
    done.stdout, done.stderr = (
        text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return done


def tls_versions():
    """The TLS versions that the server says it can do, as Python's ssl names them."""
    text = run(SERVER, "--version").stdout
    versions = [ssl.TLSVersion.TLSv1_2]
    if "1.3" in text[text.index("("):]:
        versions.append(ssl.TLSVersion.TLSv1_3)
    return versions


COMPLAINTS = re.compile(
    r"WARNING: ThreadSanitizer|ERROR: (?:Address|Leak|Thread)Sanitizer|runtime error:")


def refuse_complaints(output):
    """Fails where a sanitizer complained: an exit code says so, but not that of a killed program."""
    if COMPLAINTS.search(output):
        raise AssertionError(f"a sanitizer complains:\n{output[-20000:]}")


def few_files(count):
    """What makes a program have so many descriptors at most, even root's; for `prepare`."""
    pr_capbset_drop, cap_sys_resource = 24, 24  # linux/prctl.h, linux/capability.h

    def prepare():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
        ctypes.CDLL(None).prctl(pr_capbset_drop, cap_sys_resource, 0, 0, 0)
    return prepare


class Program:
    """A program in the background, whose output (both kinds) grows in a file."""

    def __init__(self, folder, program, *arguments, stdin=subprocess.DEVNULL, stdout=None,
                 prepare=None):
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".out", delete=False) as output:
            self._path = pathlib.Path(output.name)
            self.process = subprocess.Popen(
                command(program, *arguments), stdin=stdin, stdout=stdout or output,
                stderr=output, cwd=folder, preexec_fn=prepare)

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        return self._path.read_text(errors="replace")

    def mark(self):
        """The length of the output by now, for wait_for(since=)."""
        return len(self.output)

    def wait_for(self, pattern, since=0, deadline=DEADLINE):
        """Waits until the output has a match for the regular expression; returns it."""
        def look():
            ended = self.process.poll() is not None
            found = re.search(pattern, self.output[since:])
            if ended and not found:
                raise AssertionError(
                    f"ended with {self.process.returncode} before '{pattern}':\n{self.output}")
            return found
        try:
            return wait_for(look, deadline, f"'{pattern}'")
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- output\n{self.output[-20000:]}") from None

    def send_signal(self, signum):
        self.process.send_signal(signum)

    def wait(self, deadline=DEADLINE):
        """Waits for the end; returns the exit code."""
        try:
            return self.process.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline} s:\n{self.output[-20000:]}") \
                from None

    def stop(self, signum=signal.SIGTERM):
        """Ends it in an orderly way, which must succeed. Returns the output."""
        if self.process.poll() is None:
            self.send_signal(signum)
        code = self.wait()
        if code != 0:
            raise AssertionError(f"exit code {code}:\n{self.output[-20000:]}")
        return self.output

    def kill(self):
        """SIGKILL, as a power cut would be for the program. Does nothing after its end."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=DEADLINE)
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        refuse_complaints(self.output)

    def peak_memory(self):
        """The most memory it has had, in bytes."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server(Program):
    """sensorlink-server, waiting for sensors when the constructor returns."""

    def __init__(self, folder, pki, *more, store=None, listen="127.0.0.1:0", cafile=None,
                 pair=None, **options):
        self.store = pathlib.Path(store or folder / "readings.db")
        self.pki = pki
        pair = pair or pki.server("localhost")
        listening = ["--listen", listen] if listen else []
        # What valgrind does would be refused to it.
        confining = ["--confine", "no"] if WRAP else []
        super().__init__(
            folder, SERVER, "--cafile", cafile or pki.good_ca.cert, "--cert", pair.cert, "--key",
            pair.key, "--store", self.store, *listening, *confining, *more, **options)
        self.log = None
        for at, option in enumerate(more):
            if option == "--log-file":
                self.log = pathlib.Path(more[at + 1])
        try:
            self.wait_for("waiting for sensors")
            self.address = ("127.0.0.1", self.ports()[0])
        except BaseException:
            self.kill()
            raise

    @property
    def output(self):
        """The console, or the log file where the server writes one; complaints in any case."""
        text = super().output
        if getattr(self, "log", None) and self.log.exists():
            text += self.log.read_text(errors="replace")
        return text

    def ports(self):
        return [int(port) for port in re.findall(r"starting up on \S+:(\d+)", self.output)]

    # --- what is in the store

    def query(self, sql, *values):
        with contextlib.closing(
                sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=DEADLINE)) as store:
            return store.execute(sql, values).fetchall()

    def readings(self, sensor=None):
        """(name, value) of each reading in the order of storing."""
        return [(name, value) for name, value, of in
                self.query("SELECT name, value, sensor FROM readings")
                if sensor in (None, of)]

    def numbers(self, stream=STREAM):
        """The sequence numbers of a stream's readings."""
        return [seq for seq, in
                self.query("SELECT seq FROM readings WHERE stream = ? ORDER BY seq", stream)]

    def gaps(self, stream=STREAM):
        return self.query(
            'SELECT g.first, g."last", g.reason FROM gaps g JOIN streams s ON s.id = g.stream '
            "WHERE s.stream = ? ORDER BY g.first", stream)

    def sensors(self):
        return sorted(name for name, in self.query("SELECT name FROM sensors"))


def client_context(pair=None, version=None, alpn=True, ciphers=None):
    """A sensor's side of TLS that takes any server, because the tests are about the other side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Level 0: OpenSSL itself is to forbid nothing, so that the server must.
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is what is asked for
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = version
            context.minimum_version = version
    if pair:
        context.load_cert_chain(pair.cert, pair.key)
    if alpn:
        context.set_alpn_protocols([ALPN])
    return context


def reset(raw):
    """Closes a TCP connection with RST."""
    with contextlib.suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def connect(address):
    raw = socket.create_connection(address, timeout=DEADLINE)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


class Sensor:
    """A sensor in Python, with sensorlink/1 (the default) or plain lines (alpn=False)."""

    def __init__(self, server, pair, alpn=True, version=None, address=None, context=None,
                 session=None):
        context = context or client_context(pair, version, alpn)
        raw = connect(address or server.address)
        try:
            self.port = raw.getsockname()[1]
            self.socket = context.wrap_socket(
                raw, server_hostname="localhost", suppress_ragged_eofs=False, session=session)
        except BaseException:
            raw.close()
            raise
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def close(self):
        """Says close_notify, and waits for the server's."""
        with contextlib.suppress(OSError):
            self.socket.unwrap()
        self.socket.close()

    def cut(self):
        """FIN without close_notify."""
        raw = self.detach()
        raw.shutdown(socket.SHUT_WR)
        raw.close()

    def reset(self):
        reset(self.detach())

    def detach(self):
        """The TCP connection without its TLS."""
        return socket.socket(fileno=self.socket.detach())

    def send(self, data):
        self.socket.sendall(data)

    def say(self, *lines):
        self.send("".join(line + "\n" for line in lines).encode())

    def line(self, deadline=DEADLINE):
        """The server's next line, or None where it ended the session in an orderly way."""
        end = time.monotonic() + deadline
        while b"\n" not in self._rest:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            data = self.socket.recv(65536)
            if not data:
                assert not self._rest, self._rest
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        self.socket.settimeout(DEADLINE)
        return line.decode()

    def pump(self, chunks, enough):
        """Sends without a pause what chunks() yields (16 KB each at most), and reads meanwhile.

        Returns all lines that came up to the one for which enough(line) is true, or to the end of
        the session, however that ended.
        """
        lines, chunk, end = [], b"", time.monotonic() + 2 * DEADLINE
        chunks = iter(chunks)
        self.socket.setblocking(False)
        try:
            while True:
                assert time.monotonic() < end, f"not done in time, the last: {lines[-3:]}"
                chunk = chunk or next(chunks, b"")
                waiting = 0
                try:
                    if chunk and self.socket.send(chunk):
                        chunk = b""
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    waiting += 1
                try:
                    data = self.socket.recv(65536)
                    self._rest += data
                    if not data:
                        return lines
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    waiting += 1
                *whole, self._rest = self._rest.split(b"\n")
                for line in whole:
                    lines.append(line.decode())
                    if enough(lines[-1]):
                        return lines
                if waiting == 2 or (waiting == 1 and not chunk):
                    select.select([self.socket], [self.socket] if chunk else [], [], 1.0)
        except (ConnectionError, ssl.SSLError):
            return lines
        finally:
            self.socket.settimeout(DEADLINE)

    def lines_to_end(self):
        """All lines up to the orderly end of the session."""
        return list(iter(self.line, None))

    def open(self, stream=STREAM):
        """Says `stream`, takes `welcome`; returns (last, the name that the server uses)."""
        self.say(f"stream {stream}")
        line = self.line()
        found = re.fullmatch(r"welcome (\d+) \d{10}(?:\.\d{1,6})? (\S+)", line or "")
        if not found:
            raise AssertionError(f"expected welcome, got {line!r}")
        return int(found[1]), found[2]

    def wait_ack(self, number):
        """Takes lines up to `ack number`; returns those that weren't `ack`. Acks must grow."""
        others, last = [], -1
        while last < number:
            line = self.line()
            found = re.fullmatch(r"ack (\d+)", line or "")
            if line is None:
                raise AssertionError(f"session ended at ack {last}, waiting for {number}")
            if found:
                assert int(found[1]) >= last, f"ack {found[1]} after {last}"
                last = int(found[1])
            else:
                others.append(line)
        assert last == number, f"ack {last} where {number} was the last"
        return others

    def wait_bye(self, reason):
        """Takes lines up to `bye` with this reason, then the orderly end; returns those before."""
        lines = self.lines_to_end()
        if not lines or not re.fullmatch(rf"bye \d+ {reason} .+", lines[-1]):
            raise AssertionError(f"expected bye ... {reason}, got {lines[-3:]}")
        return lines[:-1]


class SystemTest(unittest.TestCase):
    """A folder and certificates for a class of tests; what is started is ended."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sensorlink-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.pki = Pki(cls.folder / "pki")
        cls._folders = 0

    @classmethod
    def new_folder(cls):
        cls._folders += 1
        folder = cls.folder / f"run-{cls._folders}"
        folder.mkdir()
        return folder

    @classmethod
    def start_shared_server(cls, *more, **options):
        """A server for all tests of the class; that it ends well is checked at the end."""
        server = Server(cls.new_folder(), cls.pki, *more, **options)
        cls.addClassCleanup(server.kill)
        cls.addClassCleanup(server.stop)
        return server

    def start_server(self, *more, folder=None, **options):
        server = Server(folder or self.new_folder(), self.pki, *more, **options)
        self.addCleanup(server.kill)
        return server

    def start(self, program, *arguments, folder=None, **options):
        started = Program(folder or self.new_folder(), program, *arguments, **options)
        self.addCleanup(started.kill)
        return started

    def connect(self, server, pair, **options):
        sensor = Sensor(server, pair, **options)
        self.addCleanup(sensor.__exit__)
        return sensor
