# SPDX-License-Identifier: Apache-2.0
"""Where a benchmark runs, and the server that it runs against.

    place = Place(build, folder)
    with place.server("--quiet") as server:
        done = place.load("--sessions", 10, "--batch", 200, "--seconds", 2, port=server.port)
        server.cpu_seconds(), server.rss_kib(), server.port

Only the standard library, and the programs' support of the system tests.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CERTS_SH = REPOSITORY / "scripts" / "certs.sh"
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))
os.environ.setdefault("SENSORLINK_BIN_DIR", str(REPOSITORY / "build" / "default" / "bin"))

import programs  # noqa: E402 (it wants the folder of the programs)

CERTIFICATES_MAX_AGE_S = 30 * 86400
CPUCLOCK_SCHED = 2  # of another process: what clock_getcpuclockid() makes of its number


class Process(programs.Program):
    """A program in the background that is measured: ours or a peer's."""

    def status_kib(self, field):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", text)[1])

    def rss_kib(self):
        """The memory that it has now."""
        return self.status_kib("VmRSS")

    def peak_kib(self):
        """The most memory that it has had."""
        return self.status_kib("VmHWM")

    def cpu_seconds(self):
        """The time that all its threads have had of processors, up to now."""
        return time.clock_gettime((~self.pid << 3) | CPUCLOCK_SCHED)


class Server(Process):
    """sensorlink-server on a free port of 127.0.0.1, which waits for sensors; a context manager."""

    def __init__(self, place, *options, store=None):
        self.store = pathlib.Path(store or place.new_folder() / "readings.db")
        certificates = place.certificates()
        super().__init__(
            self.store.parent, place.bin / "sensorlink-server", "--cafile", certificates / "ca.crt",
            "--cert", certificates / "server.crt", "--key", certificates / "server.key",
            "--listen", "127.0.0.1:0", "--store", self.store, *options)
        try:
            found = self.wait_for(r"starting up on \S+:(\d+)[^\0]*waiting for sensors")
        except BaseException:
            self.kill()
            raise
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.kill()
        else:
            self.stop()

    def count(self):
        """How many readings are in the store, as SQLite counts them."""
        with contextlib.closing(programs.sqlite3.connect(
                f"file:{self.store}?mode=ro", uri=True, timeout=programs.DEADLINE)) as store:
            return store.execute("SELECT count(*) FROM readings").fetchone()[0]


class Place:
    """Built programs, a folder on a real disk, and certificates."""

    def __init__(self, build, folder):
        self.build = pathlib.Path(build).resolve()
        self.bin, self.bench = self.build / "bin", self.build / "tests" / "bench"
        self.folder = pathlib.Path(folder).resolve()
        self.progress = lambda words: None  # bench.py puts its own here, and failures to keep

    def new_folder(self):
        """An empty one for one run, on the same disk."""
        return pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def certificates(self, count=16):
        """A folder with ca.crt, server.crt, server.key (localhost, 127.0.0.1) and `count` pairs in
        sensors/. Made once for a build with scripts/certs.sh, which takes half a second each."""
        authority = self.bench / "authority"
        begun = authority / "ca.crt"
        if begun.exists() and time.time() - begun.stat().st_mtime > CERTIFICATES_MAX_AGE_S:
            shutil.rmtree(authority)
        made = self.bench / f"certificates-{count}"
        if begun.exists() and made.exists() and made.stat().st_mtime > begun.stat().st_mtime:
            return made
        shutil.rmtree(made, ignore_errors=True)
        if not begun.exists():
            self.bench.mkdir(parents=True, exist_ok=True)
            self.certs("init", authority)
        if not (authority / "server.crt").exists():
            self.certs("server", authority, "server", "localhost", "127.0.0.1")
        draft = self.bench / f"certificates-{count}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "sensors").mkdir(parents=True)
        for name in ("ca.crt", "server.crt", "server.key"):
            shutil.copy(authority / name, draft / name)
        for name in (f"sensor-{number}" for number in range(1, count + 1)):
            if not (authority / f"{name}.crt").exists():
                self.certs("sensor", authority, name)
            for ending in ("crt", "key"):
                shutil.copy(authority / f"{name}.{ending}", draft / "sensors")
        draft.rename(made)
        return made

    @staticmethod
    def certs(*arguments):
        done = subprocess.run([CERTS_SH, *map(str, arguments)], capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"certs.sh {arguments[0]}: {done.stderr}")

    def server(self, *options, store=None):
        """sensorlink-server with a new store, or with `store`; use it with `with`."""
        return Server(self, *options, store=store)

    def load_command(self, *options, port, certificates=None):
        """The command line of bench_load against 127.0.0.1:port."""
        certificates = certificates or self.certificates()
        return [str(each) for each in (
            self.bench / "bench_load", "--connect", f"127.0.0.1:{port}", "--cafile",
            certificates / "ca.crt", "--certs", certificates / "sensors", *options)]

    def load(self, *options, port, certificates=None, begin=None, deadline=120):
        """Runs bench_load to its end; what it printed, as a dict. No session may fail.

        `begin` is called once all sessions are open, before what is measured.
        """
        options += ("--hold",) if begin else ()
        with subprocess.Popen(
                self.load_command(*options, port=port, certificates=certificates), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                if begin and process.stdout.readline():
                    begin()
                said, complaint = process.communicate("\n", timeout=deadline)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise RuntimeError(f"bench_load ended with {process.returncode}: {complaint[-2000:]}")
        return json.loads(said)
