# SPDX-License-Identifier: Apache-2.0
"""Peers of the server: programs that take lines over mutual TLS and bring them into a file.

    for peer in peers.found(fetched):
        with peer.start(place) as running:
            place.load("--mode", peer.MODE, ..., port=running.port)
            running.wait_lines(20000)
            running.cpu_seconds(), running.lines()

One file a peer, each with a class of what is fixed for it. A peer is looked for in the system and
where scripts/bench.sh unpacks packages.
"""

import contextlib
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from machine import said
from server import Process, programs
from pki import free_port, wait_for

NAMES = ("mosquitto", "syslog_ng", "rsyslog", "stunnel", "python_ssl")
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")
BLOCK = 1 << 20
STEP_S = 0.02


class Peer:
    """What the peers have in common; the files beside this one have the rest."""

    NAME = ""
    PACKAGES = {}  # {program: Debian package}
    MODULES = {}  # {file below a folder of libraries: Debian package}
    MODE = "raw"  # what bench_load is to speak with it
    VERSION = ("--version",)

    def __init__(self, fetched):
        self.fetched = pathlib.Path(fetched).resolve()
        self.paths = {name: self.find(name) for name in self.PACKAGES}

    def find(self, name):
        places = [*SYSTEM_FOLDERS, *(f"{self.fetched}{folder}" for folder in SYSTEM_FOLDERS)]
        return shutil.which(name, path=os.pathsep.join(places))

    def missing(self):
        """The packages that aren't here."""
        out = [self.PACKAGES[name] for name, path in self.paths.items() if not path]
        return out + [package for file, package in self.MODULES.items() if not self.module(file)]

    def module(self, file):
        """Where that file of a program's own libraries is, or None."""
        for root in (pathlib.Path("/"), self.fetched):
            for path in root.glob(f"usr/lib/*-linux-*/{file}"):
                return path
        return None

    def unpacked(self, name):
        """Whether that program was unpacked and not installed."""
        return self.paths[name].startswith(str(self.fetched))

    def libraries(self):
        """Folders of shared libraries below the place of unpacked packages."""
        return [each for pattern in ("usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib/*-ng")
                for each in sorted(self.fetched.glob(pattern))]

    def command(self, name):
        """The beginning of the command line of one of the programs."""
        if not self.unpacked(name):
            return [self.paths[name]]
        found = os.pathsep.join(map(str, self.libraries()))
        return ["/usr/bin/env", f"LD_LIBRARY_PATH={found}", self.paths[name]]

    def version(self):
        text = said(*self.command(next(iter(self.PACKAGES))), *self.VERSION,
                    errors=subprocess.STDOUT)
        return re.search(r"\d+(?:\.\d+)+", text)[0]

    def start(self, place):
        """The running peer, a context manager."""
        running = Running(place)
        try:
            self.begin(running, place.certificates())
            running.wait_listening()
        except BaseException:
            running.end()
            raise
        return running

    def begin(self, running, certificates):
        """Starts the programs that listen on running.port and write to running.file."""
        raise NotImplementedError


class Running:
    """The processes of a peer and the file that they fill."""

    def __init__(self, place):
        self.folder = place.new_folder()
        self.file = self.folder / "lines.log"
        self.port = free_port()
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def run(self, *command, **options):
        self.processes.append(Process(self.folder, *command, **options))

    def write(self, name, text):
        """A file of configuration in the peer's folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def wait_listening(self, port=None):
        def connect():
            for process in self.processes:
                if process.process.poll() is not None:
                    raise RuntimeError(f"ended at once: {process.output[-2000:]}")
            with contextlib.suppress(OSError):
                programs.socket.create_connection(("127.0.0.1", port or self.port), 1).close()
                return True
            return False
        wait_for(connect, 20, f"a listener on {port or self.port}")

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.processes)

    def rss_kib(self):
        return sum(process.rss_kib() for process in self.processes)

    def lines(self):
        """How many lines the file has."""
        count = 0
        with contextlib.suppress(FileNotFoundError), open(self.file, "rb") as file:
            while block := file.read(BLOCK):
                count += block.count(b"\n")
        return count

    def size(self):
        return self.file.stat().st_size if self.file.exists() else 0

    def wait_lines(self, count, deadline=60):
        """Waits until the file has `count` lines; when it was last written to, in seconds of the
        wall clock. Fails where it doesn't grow any more and hasn't as many."""
        end, before = time.monotonic() + deadline, -1
        while time.monotonic() < end:
            size = self.size()
            if size == before:
                if self.lines() == count:
                    return self.file.stat().st_mtime
                time.sleep(10 * STEP_S)
            before = size
            time.sleep(STEP_S)
        raise RuntimeError(f"the file has {self.lines()} lines of {count}")

    def end(self):
        for process in reversed(self.processes):
            with contextlib.suppress(AssertionError):
                process.stop()
            process.kill()


def all_of(fetched):
    for name in NAMES:
        yield importlib.import_module(f"peers.{name}").PEER(fetched)


def found(fetched):
    """Those whose packages are here; for the others a line on standard error says which isn't."""
    out = []
    for peer in all_of(fetched):
        if peer.missing():
            print(f"bench: {peer.NAME} is left out, as this system lacks the package "
                  f"{' and '.join(peer.missing())} (--fetch-peers downloads it)", file=sys.stderr)
        else:
            out.append(peer)
    return out
