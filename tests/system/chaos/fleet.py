# SPDX-License-Identifier: Apache-2.0
"""The programs under test as the harness runs them: one server with its disk and its clock, and
sensors that feed numbered readings."""

import asyncio
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time

import programs
from pki import free_port
from verdict import Produced, reading_name

MIB = 1 << 20
GRACE_S = 60 if not programs.SLOW else 240
TMPFS_BYTES = 256 * MIB
MAX_BURST = 40

# What a sanitizer prints when it found something.
ALARMS = ("ThreadSanitizer", "AddressSanitizer", "LeakSanitizer", "runtime error:",
          "Assertion")


class Fault(AssertionError):
    """A program did what it never may."""


def command(program, *arguments):
    return programs.command(program, *arguments)


async def launch(log, *words, stdin=subprocess.DEVNULL, env=None):
    """Starts a program whose output goes to the end of a file."""
    with open(log, "ab") as output:
        return await asyncio.create_subprocess_exec(
            *words, stdin=stdin, stdout=output, stderr=subprocess.STDOUT, env=env,
            cwd=log.parent)


def tail(path, size=3000):
    return path.read_bytes()[-size:].decode(errors="replace") if path.exists() else ""


class Disk:
    """Where the store is; it can be full.

    As root, in a mount namespace of our own, it is a tmpfs, which is full when its size is set to
    what is used. Otherwise it is a plain folder, and full means that the server may not make a
    file larger than the largest one is (RLIMIT_FSIZE).
    """

    def __init__(self, folder, tmpfs):
        self.folder, self.is_tmpfs, self.is_full = folder, tmpfs, False
        self._emptied_at = -GRACE_S
        folder.mkdir()
        if tmpfs:
            self._mount("-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "chaos", folder)

    @staticmethod
    def _mount(*arguments):
        subprocess.run(["mount", *map(str, arguments)], check=True, timeout=10,
                       capture_output=True)

    def _resize(self, size):
        self._mount("-o", f"remount,size={size}", self.folder)

    def fill(self, pid):
        self.is_full = True
        if self.is_tmpfs:
            self._shrink()
        self.limit(pid)

    def _shrink(self):
        for _ in range(100):
            status = os.statvfs(self.folder)
            with contextlib.suppress(subprocess.CalledProcessError):
                self._resize((status.f_blocks - status.f_bfree) * status.f_frsize)
                return  # otherwise the server wrote between the two lines above
        raise RuntimeError(f"{self.folder} can't be made smaller")

    def was_full_lately(self):
        return self.is_full or time.monotonic() - self._emptied_at < GRACE_S

    def empty(self, pid):
        self.is_full, self._emptied_at = False, time.monotonic()
        if self.is_tmpfs:
            self._resize(TMPFS_BYTES)
        self.limit(pid)

    def limit(self, pid):
        """Makes a server feel the state of a disk that is a plain folder."""
        if self.is_tmpfs or pid is None:
            return
        limit_file_size(pid, list(self.folder.iterdir()) if self.is_full else None)


def limit_file_size(pid, files):
    """No file of that process grows beyond the largest of `files`; None lifts the limit."""
    soft = resource.RLIM_INFINITY
    if files is not None:
        soft = max((path.stat().st_size for path in files), default=0)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


class Clock:
    """The server's wall clock, through the library made of clock_step.c."""

    def __init__(self, folder, library):
        self.library, self._path = library, folder / "clock"
        self._path.write_bytes(struct.pack("=q", 0))

    def step_to(self, offset_s):
        with open(self._path, "r+b") as file:
            file.write(struct.pack("=q", int(offset_s * 1e6)))

    def environment(self):
        if not self.library:
            return None
        return dict(os.environ, LD_PRELOAD=str(self.library),
                    SENSORLINK_CLOCK_STEP=str(self._path))


class Station:
    """The server, kept running until it is told to stay down."""

    def __init__(self, folder, pki, disk, clock):
        self.folder, self.disk, self.clock = folder, disk, clock
        self.store, self.log = disk.folder / "readings.db", folder / "server.log"
        self.port = free_port()
        pair = pki.server("localhost")
        self._words = command(
            programs.SERVER, "--cafile", pki.good_ca.cert, "--cert", pair.cert, "--key", pair.key,
            "--store", self.store, "--listen", f"127.0.0.1:{self.port}", "--quiet",
            "--max-connections-per-address", 4000, "--handshake-timeout", 5, "--drain-timeout", 2)
        self.process = None
        self.starts = self.refused_starts = self._logged = 0

    @property
    def pid(self):
        return self.process.pid if self.process and self.process.returncode is None else None

    async def start(self):
        self._logged = self.log.stat().st_size if self.log.exists() else 0
        self.process = await launch(self.log, *self._words, env=self.clock.environment())
        self.starts += 1
        self.disk.limit(self.pid)

    async def signal(self, signum):
        """Ends the server by a signal; returns its exit code."""
        await self.look()
        if self.pid:
            self.process.send_signal(signum)
        return await self._ended()

    def has_begun(self):
        """Whether it said that it waits for sensors; before that, a signal just ends it."""
        return b"waiting for sensors" in self.log.read_bytes()[self._logged:]

    async def reload(self):
        """SIGHUP, once it listens: before that, the signal would end it, as it ends any program
        that hasn't begun."""
        for _ in range(1000):
            await self.look()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                self.process.send_signal(signal.SIGHUP)
                return
            await asyncio.sleep(0.05)
        raise Fault(f"the server doesn't listen:\n{tail(self.log)}")

    async def _ended(self):
        try:
            return await asyncio.wait_for(self.process.wait(), GRACE_S)
        except asyncio.TimeoutError:
            raise Fault(f"the server doesn't end:\n{tail(self.log)}") from None

    async def look(self):
        """Starts it again where it couldn't start or work because its disk is full."""
        code = self.process.returncode
        if code is None:
            return
        if code not in (programs.EX_IOERR, programs.EX_CONFIG) or not self.disk.was_full_lately():
            raise Fault(f"the server ended by itself with {code}:\n{tail(self.log)}")
        self.refused_starts += 1
        await self.start()


class Spool:
    """What a spool file held when nobody had it open: looked at in a copy, so that the recovery
    of the file is left to the client."""

    def __init__(self, path):
        self.stream, self.last, self.waiting = None, 0, 0
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            for suffix in ("", "-wal"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{suffix}", f"{folder}/spool{suffix}")
            copy = pathlib.Path(folder) / "spool"
            if copy.exists() and copy.stat().st_size + _size(f"{copy}-wal") > 0:
                with contextlib.closing(sqlite3.connect(copy)) as database:
                    self._read(database)

    def _read(self, database):
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            return  # killed before the spool was made
        self.stream, self.last, forgotten = database.execute(
            "SELECT stream, last, forgotten FROM meta").fetchone()
        rows = database.execute("SELECT seq, text FROM readings ORDER BY seq").fetchall()
        self.waiting = len(rows)
        if [seq for seq, _ in rows] != list(range(forgotten + 1, self.last + 1)):
            raise Fault(f"the spool has {len(rows)} rows, last {self.last}, forgotten {forgotten}")
        for seq, text in rows:
            if text.rpartition(" ")[2] != str(seq):
                raise Fault(f"number {seq} in the spool is '{text}'")


def _size(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


class Sensor:
    """One sensor: a client with its spool, fed through --stdin.

    What counts as produced is what reached the spool: after each end of the client the feeding
    goes on behind the spool's last number. A spool that gave a number back, or that
    lost its stream, is a fault at once.
    """

    def __init__(self, name, folder, pki, port, rng, pace_s):
        self.name, self.rng, self.pace_s = name, rng, pace_s
        self.folder, self.spool, self.log = folder, folder / "spool.db", folder / "client.log"
        folder.mkdir()
        pair = pki.sensor(name)
        self._words = command(
            programs.CLIENT, "--host", "localhost", "--port", port, "--cafile", pki.good_ca.cert,
            "--cert", pair.cert, "--key", pair.key, "--spool", self.spool, "--stdin", "--quiet",
            "--retry-min", "0.05", "--retry-max", "0.4", "--retry-refused", "0.5",
            "--ack-timeout", 2, "--connect-timeout", 3)
        self.process = self.stream = None
        self.kept = 0     # highest value known to be in the spool
        self.fed = 0      # highest value written to the client's standard input
        self.refed = 0    # values written to a client that was killed before it kept them
        self.waited = 0   # values in the spool when its client was killed
        self.starts = 0
        self._feeder = None
        self._feeding = True

    @property
    def pid(self):
        return self.process.pid if self.process and self.process.returncode is None else None

    def produced(self):
        return Produced(self.name, self.stream, self.kept)

    async def start(self):
        self.process = await launch(self.log, *self._words, stdin=subprocess.PIPE)
        self.starts += 1
        self.fed = self.kept
        self._feeder = asyncio.create_task(self._feed(self.process.stdin))

    async def _feed(self, pipe):
        with contextlib.suppress(ConnectionError):
            while self._feeding:
                await self._write(pipe, self.rng.randint(1, MAX_BURST))
                await asyncio.sleep(self.rng.expovariate(1 / self.pace_s))
            await self._write(pipe, 1)  # every sensor has a word after the last fault
            pipe.close()

    async def _write(self, pipe, count):
        name = reading_name(self.name)
        pipe.write("".join(f"{name}: {value}\n" for value in
                           range(self.fed + 1, self.fed + count + 1)).encode())
        self.fed += count
        await pipe.drain()

    async def kill(self):
        await self.look()
        self.process.kill()
        await self.process.wait()
        self.waited += (await self._clear_up()).waiting

    async def _clear_up(self):
        """After the client's end: no more is fed to it, and its spool says what it kept."""
        self._feeder.cancel()
        await asyncio.gather(self._feeder, return_exceptions=True)
        self.process.stdin.close()
        spool = self.look_into_spool()
        self.refed += self.fed - self.kept
        return spool

    def look_into_spool(self):
        spool = Spool(self.spool)
        if self.stream not in (None, spool.stream):
            raise Fault(f"{self.name}: stream {self.stream} became {spool.stream}")
        if not self.kept <= spool.last <= self.fed:
            raise Fault(f"{self.name}: the spool ends at {spool.last}, where it had {self.kept} "
                        f"and {self.fed} were fed")
        self.stream, self.kept = spool.stream, spool.last
        return spool

    async def look(self):
        """A client ends when it is told to, and not before.

        But one that starts between the renewal of its key and that of its certificate meets two
        files that don't belong together, rightly refuses them, and is started again.
        """
        code = self.process.returncode
        if code is None:
            return
        last = tail(self.log).rstrip().rpartition("\n")[2]
        if code != programs.EX_CONFIG or "doesn't belong to --cert" not in last:
            raise Fault(f"{self.name}'s client ended by itself with {code}:\n{tail(self.log)}")
        await self._clear_up()
        await self.start()

    def fill_disk(self):
        limit_file_size(self.pid, [path for path in self.folder.iterdir()
                                   if path.name.startswith("spool.db")])

    def empty_disk(self):
        if self.pid:
            limit_file_size(self.pid, None)

    async def drain(self):
        """No more readings: the client leaves when the server has them all."""
        self._feeding = False
        await self._feeder
        end = asyncio.get_running_loop().time() + GRACE_S
        while self.process.returncode is None:
            if asyncio.get_running_loop().time() > end:
                raise Fault(f"{self.name} isn't rid of its readings:\n{tail(self.log)}")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.process.wait(), 2)
            if self.pid:
                self.process.send_signal(signal.SIGHUP)  # a pause after `bye` may be long
        if self.process.returncode != 0:
            raise Fault(f"{self.name}'s client ended with {self.process.returncode}:\n"
                        f"{tail(self.log)}")
        if self.look_into_spool().last != self.fed:
            raise Fault(f"{self.name}: {self.fed} were fed, {self.kept} are in the spool")
