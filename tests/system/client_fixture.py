# SPDX-License-Identifier: Apache-2.0
"""What the tests of sensorlink-client share: programs that run, and a server in Python.

The Python server speaks the acknowledged protocol just as a test's script says, so it can do what
no real server does: lose readings, forget to answer, say goodbye at a chosen moment.
"""

import csv
import io
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
import time
import unittest

from pki import Pki, wait_for
from programs import refuse_complaints

BIN = pathlib.Path(os.environ["SENSORLINK_BIN_DIR"])
CLIENT = BIN / "sensorlink-client"
SERVER = BIN / "sensorlink-server"
LOG = BIN / "sensorlink-log"
DEADLINE = 30.0

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE = 0, 64, 65, 66, 69
EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 73, 74, 75, 77, 78


class Program:
    """A program that runs in the background; its output grows in a file."""

    def __init__(self, arguments, folder, stdin=subprocess.DEVNULL):
        self._output = tempfile.NamedTemporaryFile(dir=folder, suffix=".out", delete=False)
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments], stdin=stdin, stdout=self._output,
            stderr=subprocess.STDOUT, cwd=folder)

    @property
    def output(self):
        return pathlib.Path(self._output.name).read_text(errors="replace")

    def wait_for(self, text):
        """Waits until the output has a match for the regular expression; returns it."""
        def look():
            found = re.search(text, self.output)
            if not found and self.process.poll() is not None:
                found = re.search(text, self.output)
                if not found:
                    raise AssertionError(
                        f"ended with {self.process.returncode} before '{text}':\n{self.output}")
            return found
        try:
            return wait_for(look, DEADLINE, f"'{text}'")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None

    def wait(self):
        """Waits for the end; returns the exit code."""
        return self.process.wait(timeout=DEADLINE)

    def end(self, signum=signal.SIGTERM):
        """Sends the signal and waits; returns the exit code."""
        self.process.send_signal(signum)
        return self.wait()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()
        self._output.close()
        refuse_complaints(self.output)


class Session:
    """One TLS session of the Python server, from its own side."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(DEADLINE)
        self._file = connection.makefile("rb")
        self.clocks = []  # what the sensor told of its clock, which is no line of a script's

    def line(self):
        """The next line without its end, or None at the end of the stream."""
        try:
            line = self._file.readline()
        except OSError:
            return None
        if line.startswith(b"clock "):
            self.clocks.append(line.decode().rstrip("\n"))
            return self.line()
        return line.decode().rstrip("\n") if line else None

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def say(self, *lines):
        self.connection.sendall("".join(line + "\n" for line in lines).encode())

    def welcome(self, last):
        """Takes the `stream` line and answers; returns the stream's id."""
        word, stream = self.line().split(" ")
        assert word == "stream" and re.fullmatch("[0-9a-f]{32}", stream), stream
        self.say(f"welcome {last} {time.time():.3f} weather-1")
        return stream

    def close(self):
        self._file.close()
        self.connection.close()


class PythonServer:
    """Answers the first session with the first of the scripts, and so on; the last one repeats."""

    def __init__(self, pki, *scripts):
        pair = pki.server("localhost")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.cert, pair.key)
        self.context.load_verify_locations(pki.good_ca.cert)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.set_alpn_protocols(["sensorlink/1"])
        self.scripts = scripts
        self.accepted = []  # moments
        self.failures = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            script = self.scripts[min(len(self.accepted), len(self.scripts) - 1)]
            self.accepted.append(time.monotonic())
            self._serve(connection, script)

    def _serve(self, connection, script):
        connection.settimeout(DEADLINE)
        try:
            session = Session(self.context.wrap_socket(connection, server_side=True))
        except OSError:
            connection.close()
            return
        try:
            script(session)
        except (OSError, AssertionError, AttributeError, ValueError) as error:
            self.failures.append(error)
        finally:
            session.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(DEADLINE)


class ClientTest(unittest.TestCase):
    """A folder for each test, and one set of certificates for all of a class."""

    @classmethod
    def setUpClass(cls):
        cls._certs = tempfile.TemporaryDirectory(prefix="sensorlink-pki-")
        cls.addClassCleanup(cls._certs.cleanup)
        cls.pki = Pki(cls._certs.name)
        cls.sensor = cls.pki.sensor("weather-1")
        cls.server_pair = cls.pki.server("localhost")

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sensorlink-client-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.spool = self.folder / "spool.db"
        self.store = self.folder / "readings.db"
        self.port = None

    # --- servers

    def start_server(self, *more, listen="127.0.0.1", pair=None):
        """A real server; on the port of the one before it, if there was one."""
        pair = pair or self.server_pair
        host = f"[{listen}]" if ":" in listen else listen
        server = Program(
            [SERVER, "--cafile", self.pki.good_ca.cert, "--cert", pair.cert, "--key", pair.key,
             "--listen", f"{host}:{self.port or 0}", "--store", self.store, *more], self.folder)
        self.addCleanup(server.close)
        self.port = int(server.wait_for(rf"starting up on {re.escape(host)}:(\d+)").group(1))
        server.wait_for("waiting for sensors")
        return server

    def start_python_server(self, *scripts):
        server = PythonServer(self.pki, *scripts)
        self.addCleanup(server.close)
        self.port = server.port
        return server

    # --- the client

    def arguments(self, *more, host="localhost", sensor=None, port=None, cafile=None):
        sensor = sensor or self.sensor
        return [CLIENT, "--host", host, "--port", port or self.port, "--cafile",
                cafile or self.pki.good_ca.cert, "--cert", sensor.cert, "--key", sensor.key, "--spool",
                self.spool, "--retry-min", "50ms", "--retry-max", "200ms", *more]

    def start_client(self, *more, stdin=subprocess.DEVNULL, **options):
        client = Program(self.arguments(*more, **options), self.folder, stdin=stdin)
        self.addCleanup(client.close)
        return client

    def run_client(self, *more, stdin=b"", expect=EX_OK, **options):
        """Runs it to its end with `stdin` as bytes; checks the exit code; returns the output."""
        done = subprocess.run(
            [str(argument) for argument in self.arguments(*more, **options)], input=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, timeout=DEADLINE,
            check=False)
        output = done.stdout.decode(errors="replace")
        self.assertEqual(done.returncode, expect, output)
        return output

    # --- what the server has

    def rows(self):
        """The store's readings as dictionaries."""
        done = subprocess.run(
            [LOG, "--store", self.store, "readings", "--format", "csv"], capture_output=True,
            text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return list(csv.DictReader(io.StringIO(done.stdout)))

    def values(self):
        return [(row["name"], row["value"]) for row in self.rows()]
