#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chaos.py [--minutes M] [--seed N] [--sensors K] -- breaks everything around sensorlink that can
break, and then counts: lost, twice, out of order, under a wrong name.

K sensors, each with a certificate, a spool and a `sensorlink-client --stdin` of its own, feed
numbered readings through a proxy to one server. Meanwhile, drawn from the seed: server and clients
are killed with SIGKILL, connections are cut, stalled, delayed and trickled, the server's and the
sensors' disks fill and empty, the server's clock steps, certificates are renewed, also with
new keys, and the server is ended in order. Then all is healed, the clients drain, and what was
produced is compared with what is stored (verdict.py says how).

Exit code 0 where all counts are 0, 1 where one isn't or a program did what it never may. The seed
repeats the faults and their order; how they fall between two instructions of a program is up to
the machine.
"""

import argparse
import asyncio
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
NAMESPACE = "SENSORLINK_CHAOS_NAMESPACE"

# How often a kind of fault is in the deck that is dealt from; once through the deck, each was met.
DECK = {
    "server killed": 9, "client killed": 12, "server ended": 1, "cut": 4, "reset": 3,
    "all cut": 1, "stalled": 4, "delayed": 3, "trickled": 3, "server's disk full": 1,
    "sensor's disk full": 2, "clock stepped": 3, "certificate renewed": 2,
    "server's certificate renewed": 1,
}
KILLS = ("server killed", "client killed")


def options():
    parser = argparse.ArgumentParser(
        description="Breaks everything around sensorlink that can break, and counts what is lost.")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long faults go on [1]")
    parser.add_argument("--seed", type=int, help="repeats a run's faults [drawn]")
    parser.add_argument("--sensors", type=int, default=8, help="[8]")
    parser.add_argument("--pace", type=float, help="mean seconds between two faults [0.12]")
    parser.add_argument("--bin", default=os.environ.get("SENSORLINK_BIN_DIR"),
                        help="folder of the programs [$SENSORLINK_BIN_DIR]")
    parser.add_argument("--disk", choices=("tmpfs", "limit"), default="tmpfs",
                        help="how the server's disk fills, where a tmpfs can be had [tmpfs]")
    parser.add_argument("--keep", help="leave spools, store and logs in this new folder")
    wanted = parser.parse_args()
    if not wanted.bin or not (pathlib.Path(wanted.bin) / "sensorlink-server").exists():
        parser.error("--bin must name the folder of the built programs, such as build/gcc/bin")
    if wanted.seed is None:
        wanted.seed = random.SystemRandom().randrange(1 << 31)
    return wanted


def enter_namespace():
    """Runs this again where it may mount a tmpfs that nobody else sees; returns whether it may."""
    if os.environ.get(NAMESPACE):
        return os.environ[NAMESPACE] == "yes"
    os.environ[NAMESPACE] = "no"
    words = ["unshare", "--mount", "--propagation", "private"]
    probe = [*words, "sh", "-c", 'mount -t tmpfs -o size=1m chaos "$0" && '
             'mount -o remount,size=2m "$0"', tempfile.gettempdir()]
    if shutil.which("unshare") and subprocess.run(
            probe, capture_output=True, timeout=10, check=False).returncode == 0:
        os.environ[NAMESPACE] = "yes"
        os.execvp(words[0], [*words, sys.executable, __file__, *sys.argv[1:]])
    return False


class Chaos:
    def __init__(self, wanted, folder, tmpfs, fleet):
        self.wanted, self.folder, self.fleet = wanted, folder, fleet
        self.rng = random.Random(wanted.seed)
        self.slow = fleet.programs.SLOW
        self.pace_s = wanted.pace or (0.8 if self.slow else 0.12)
        self.pki = fleet.programs.Pki(folder / "pki")
        self.disk = fleet.Disk(folder / "store", tmpfs)
        self.clock = fleet.Clock(folder, self._build_clock())
        self.station = fleet.Station(folder, self.pki, self.disk, self.clock)
        self.counts = collections.Counter()
        self.sensors, self.proxy = [], None
        self.stored_before_healing = 0
        self._signing = asyncio.Lock()
        self._aside = set()
        self._actions = {
            "server killed": self._kill_server, "client killed": self._kill_client,
            "server ended": self._end_server, "cut": lambda: self._cut(False),
            "reset": lambda: self._cut(True), "all cut": self._cut_all, "stalled": self._stall,
            "delayed": self._delay, "trickled": self._trickle,
            "server's disk full": self._fill_disk, "sensor's disk full": self._fill_sensor,
            "clock stepped": self._step_clock, "certificate renewed": self._renew_sensor,
            "server's certificate renewed": self._renew_server,
        }

    def _build_clock(self):
        """The library that steps the clock; a sanitizer's runtime would have to come before it."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if self.slow or not compiler:
            return None
        library = self.folder / "clock_step.so"
        subprocess.run([compiler, "-D_GNU_SOURCE", "-std=c11", "-shared", "-fPIC", "-O1", "-o",
                        library, HERE / "clock_step.c"], check=True, timeout=60)
        return library

    # --- the run

    async def run(self):
        self.proxy = self.fleet.Proxy(self.station.port)
        await self.proxy.open()
        for number in range(1, self.wanted.sensors + 1):
            name = f"sensor-{number:02}"
            self.sensors.append(self.fleet.Sensor(
                name, self.folder / name, self.pki, self.proxy.port,
                random.Random(f"{self.wanted.seed}/{name}"), 0.2 if self.slow else 0.05))
        try:
            await self.station.start()
            for sensor in self.sensors:
                await sensor.start()
            await self._break_things()
            await self._heal()
        finally:
            await self._end_everything()

    async def _break_things(self):
        end = time.monotonic() + self.wanted.minutes * 60
        deck = []
        while time.monotonic() < end:
            await asyncio.sleep(self.rng.expovariate(1 / self.pace_s))
            await self.station.look()
            for sensor in self.sensors:
                await sensor.look()
            if not deck:
                deck = self._new_deck()
            kind = deck.pop()
            if await self._actions[kind]() is not False:
                self.counts[kind] += 1
            self._check_asides()
            self._progress(end)

    def _new_deck(self):
        deck = [kind for kind, count in DECK.items() for _ in range(count)]
        if not self.clock.library:
            deck = [kind for kind in deck if kind != "clock stepped"]
        self.rng.shuffle(deck)
        return deck

    def _progress(self, end):
        if sys.stdout.isatty():
            kills = sum(self.counts[kind] for kind in KILLS)
            left = max(0, end - time.monotonic())
            print(f"\r\033[K{left:.0f} s to go: {kills} kills, "
                  f"{self.counts.total() - kills} other faults, "
                  f"{sum(sensor.fed for sensor in self.sensors)} readings fed", end="", flush=True)

    async def _heal(self):
        if sys.stdout.isatty():
            print("\r\033[Khealed, draining", end="", flush=True)
        for task in list(self._aside):
            await task
        self.proxy.heal()
        self.disk.empty(self.station.pid)
        await self.station.look()
        for sensor in self.sensors:
            await sensor.look()
            sensor.empty_disk()
        self.stored_before_healing = self._stored()
        await asyncio.gather(*(sensor.drain() for sensor in self.sensors))
        code = await self.station.signal(signal.SIGTERM)
        if code != 0:
            raise self.fleet.Fault(f"the server's exit code is {code}")

    def _stored(self):
        done = self.fleet.programs.run(
            self.fleet.programs.LOG, "--store", self.station.store, "readings", "--format", "csv")
        if done.returncode != 0:
            raise self.fleet.Fault(f"the store can't be read: {done.stderr}")
        return done.stdout.count("\n") - 1

    async def _end_everything(self):
        for task in list(self._aside):
            task.cancel()
        for one in (*self.sensors, self.station):
            if one.pid:
                one.process.kill()
                await one.process.wait()
        await self.proxy.close()

    # --- faults; False where there was nothing to break

    async def _kill_server(self):
        await self.station.signal(signal.SIGKILL)
        await asyncio.sleep(self.rng.uniform(0, 0.3))
        await self.station.start()

    async def _end_server(self):
        early = not self.station.has_begun()
        code = await self.station.signal(signal.SIGTERM)
        # Where its last transaction met a full disk, not everything it received is stored.
        full = self.disk.was_full_lately() and code == self.fleet.programs.EX_IOERR
        if code != 0 and not full and not (early and code == -signal.SIGTERM):
            raise self.fleet.Fault(f"told to end, the server's exit code is {code}")
        await self.station.start()

    async def _kill_client(self):
        sensor = self.rng.choice(self.sensors)
        await sensor.kill()
        await sensor.start()

    def _links(self):
        """One link or, one time in three, all of them."""
        links = list(self.proxy.links)
        if not links or self.rng.random() < 1 / 3:
            return links
        return [self.rng.choice(links)]

    async def _cut(self, reset):
        links = self.proxy.links
        if not links:
            return False
        self.proxy.cut(self.rng.choice(links), reset)
        return True

    async def _cut_all(self):
        for link in list(self.proxy.links):
            self.proxy.cut(link)

    async def _stall(self):
        links = self._links()
        for link in links:
            self.proxy.stall(link, self.rng.uniform(0.1, 6))
        return bool(links)

    async def _delay(self):
        links = self._links()
        for link in links:
            self.proxy.delay(link, self.rng.uniform(0.01, 0.3), self.rng.uniform(0.5, 3))
        return bool(links)

    async def _trickle(self):
        links = self._links()
        for link in links:
            self.proxy.trickle(link, self.rng.randint(1, 40), self.rng.uniform(0.5, 3))
        return bool(links)

    async def _fill_disk(self):
        if self.disk.is_full:
            return False
        self.disk.fill(self.station.pid)
        self._later(self.rng.uniform(0.3, 2), lambda: self.disk.empty(self.station.pid))
        return True

    async def _fill_sensor(self):
        sensor = self.rng.choice(self.sensors)
        sensor.fill_disk()
        self._later(self.rng.uniform(0.3, 2), sensor.empty_disk)

    async def _step_clock(self):
        # Forward and back, but never before the certificates were made.
        self.clock.step_to(self.rng.uniform(0, 7200))

    async def _renew_sensor(self):
        name = self.rng.choice(self.sensors).name
        more = ["--new-key"] if self.rng.random() < 0.5 else []
        self._run_aside(self._renew(name, *more))

    async def _renew_server(self):
        """A renewed certificate is taken up by SIGHUP, or by a new start."""
        await self._renew("localhost")
        if self.rng.random() < 0.5:
            await self.station.reload()
        else:
            await self._end_server()

    async def _renew(self, name, *more):
        async with self._signing:
            await asyncio.to_thread(self.pki.certs_sh, "renew", name, *more)

    def _later(self, seconds, action):
        async def act():
            await asyncio.sleep(seconds)
            action()
        self._run_aside(act())

    def _run_aside(self, work):
        task = asyncio.create_task(work)
        self._aside.add(task)

    def _check_asides(self):
        for task in [task for task in self._aside if task.done()]:
            self._aside.discard(task)
            task.result()

    # --- the verdict

    def judge(self):
        programs = self.fleet.programs
        log = [*programs.command(programs.LOG, "--store", self.station.store)]
        with subprocess.Popen([*log, "readings", "--format", "csv"], stdout=subprocess.PIPE,
                              text=True) as reader:
            verdict = self.fleet.judge([one.produced() for one in self.sensors], reader.stdout)
        gaps = programs.run(programs.LOG, "--store", self.station.store, "gaps", "--format", "csv")
        verify = programs.run(programs.LOG, "--store", self.station.store, "verify")
        alarms = [f"{path}: {alarm}" for path in self.folder.rglob("*.log")
                  for alarm in self.fleet.ALARMS if alarm in path.read_text(errors="replace")]
        self._report(verdict, gaps.stdout.count("\n") - 1, verify, alarms)
        good = sum(verdict.counts.values()) == 0 and reader.returncode == 0
        return good and gaps.stdout.count("\n") == 1 and verify.returncode == 0 and not alarms

    def _report(self, verdict, gaps, verify, alarms):
        kills = sum(self.counts[kind] for kind in KILLS)
        sensors = self.sensors
        lines = [
            f"kills: {kills} ({', '.join(f'{kind} {self.counts[kind]}' for kind in KILLS)})",
            "other faults: " + ", ".join(
                f"{kind} {self.counts[kind]}" for kind in DECK if kind not in KILLS),
            f"connections {self.proxy.opened}, starts on a full disk that failed "
            f"{self.station.refused_starts}, disk: {'tmpfs' if self.disk.is_tmpfs else 'limit'}",
            f"produced {sum(one.kept for one in sensors)}, stored {verdict.rows}, "
            f"of those before healing {self.stored_before_healing}",
            f"waiting in spools at kills {sum(one.waited for one in sensors)}, fed and not kept at "
            f"kills, fed again {sum(one.refed for one in sensors)}",
            ", ".join(f"{what} {count}" for what, count in verdict.counts.items()) +
            f", gaps {gaps}",
            f"verify: exit code {verify.returncode}",
        ]
        lines += verdict.examples + alarms
        if verify.returncode != 0:
            lines.append(verify.stdout + verify.stderr)
        print("\n".join(lines))


def imports(bin_dir):
    """What needs to know where the programs are."""
    os.environ["SENSORLINK_BIN_DIR"] = str(pathlib.Path(bin_dir).resolve())
    sys.path[:0] = [str(HERE), str(HERE.parents[1] / "support")]
    import fleet
    import proxy
    import verdict
    fleet.Proxy, fleet.judge = proxy.Proxy, verdict.judge
    return fleet


def run(wanted, folder, tmpfs):
    fleet = imports(wanted.bin)
    chaos = Chaos(wanted, folder, tmpfs, fleet)
    begin = time.monotonic()
    try:
        asyncio.run(chaos.run())
        if sys.stdout.isatty():
            print("\r\033[K", end="")
        print(f"seed {wanted.seed}, {wanted.sensors} sensors, {wanted.minutes * 60:.0f} s of "
              f"faults, {time.monotonic() - begin:.0f} s in all")
        good = chaos.judge()
    except fleet.Fault as fault:
        print(f"seed {wanted.seed}: {fault}")
        good = False
    except BaseException:
        print(f"seed {wanted.seed}")
        raise
    if wanted.keep:
        shutil.copytree(folder, wanted.keep)
    return good


def main():
    wanted = options()
    tmpfs = wanted.disk == "tmpfs" and enter_namespace()
    if sys.stdout.isatty():
        print(f"seed {wanted.seed}")
    with tempfile.TemporaryDirectory(prefix="sensorlink-chaos-") as name:
        try:
            good = run(wanted, pathlib.Path(name), tmpfs)
        finally:
            if tmpfs:
                subprocess.run(["umount", f"{name}/store"], check=False, capture_output=True)
    print("nothing lost, nothing twice" if good else "NOT GOOD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
