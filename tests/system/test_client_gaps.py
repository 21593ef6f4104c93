#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing silent: what a sensor gave up or couldn't keep, what clocks can't be, damaged stores."""

import array
import contextlib
import csv
import errno
import fcntl
import io
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import termios
import time
import unittest

from client_fixture import (
    DEADLINE, EX_CONFIG, EX_DATAERR, EX_IOERR, EX_TEMPFAIL, EX_USAGE, LOG, SERVER, ClientTest, Program)
from pki import free_port, wait_for


def lines(first, last):
    return b"".join(b"t: %d\n" % number for number in range(first, last + 1))


class GapTest(ClientTest):
    def log(self, *arguments, expect=0):
        done = subprocess.run([LOG, "--store", self.store, *arguments], capture_output=True,
                              text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout

    def gaps(self):
        """The store's gaps as (first, last, reason)."""
        rows = csv.DictReader(io.StringIO(self.log("gaps", "--format", "csv")))
        return [(int(row["first"]), int(row["last"]), row["reason"]) for row in rows]

    def check_complete(self, values):
        """Nothing is missing that isn't declared, and the readings are these."""
        self.log("verify")
        self.assertEqual([row["value"] for row in self.rows()], [str(value) for value in values])

    def hold_back(self, *more, limit=120 * 1024, stdin=subprocess.DEVNULL):
        """A client whose files may grow to `limit` only; and the limit from before."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if before[1] != resource.RLIM_INFINITY:
            self.skipTest("this machine limits the size of files itself")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            return self.start_client(*more, stdin=stdin), before
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


class CapTest(GapTest):
    def test_client_full_spool_drops_the_oldest_and_the_gap_outlives_a_kill(self):
        self.port = free_port()
        client = self.start_client("--stdin", "--spool-full", "drop-oldest",
                                   "--spool-max-readings", "10", stdin=subprocess.PIPE)
        client.process.stdin.write(lines(1, 30))
        client.process.stdin.flush()
        client.wait_for(r"the spool is full with 10 readings.*\[spool-full\]")
        client.end(signal.SIGKILL)
        self.start_server("--quiet")
        self.run_client("--message", "t: 99", "--timeout", "20")
        (first, last, reason), = self.gaps()
        self.assertEqual((first, reason), (1, "spool-full"))
        # What is dropped is committed before it is said; what came after that may be lost.
        self.assertIn(last, range(1, 21))
        self.check_complete([*range(last + 1, last + 11), 99])

    def test_client_full_spool_that_blocks_takes_no_more_and_loses_nothing(self):
        self.port = free_port()
        client = self.start_client("--stdin", "--spool-max-readings", "10", "--timeout", "25",
                                   stdin=subprocess.PIPE)
        client.process.stdin.write(lines(1, 500))
        client.process.stdin.close()
        client.wait_for("the spool is full with 10 readings: nothing more is taken")
        self.start_server("--quiet")
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual(self.gaps(), [])
        self.check_complete(range(1, 501))

    def test_client_sampler_drops_the_oldest_by_itself(self):
        self.port = free_port()
        path = self.folder / "value"
        path.write_text("7\n")
        client = self.start_client("--read", f"t={path}", "--interval", "10ms",
                                   "--spool-max-readings", "5")
        client.wait_for(r"\[spool-full\]")
        self.start_server("--quiet")
        client.wait_for("connected to")
        self.assertEqual(client.end(), EX_DATAERR, client.output)
        self.assertIn((1, "spool-full"), [(gap[0], gap[2]) for gap in self.gaps()])
        self.log("verify")

    def test_client_reading_too_old_is_a_gap_and_a_younger_one_is_sent(self):
        self.port = free_port()
        self.run_client("--stdin", "--timeout", "200ms", expect=EX_TEMPFAIL, stdin=(
            b"1700000000 t: 1\n1700000001 t: 2\nt: 3\n1700000002 t: 4\n"))
        self.start_server("--quiet")
        output = self.run_client("--message", "t: 5", "--spool-max-age", "1h", "--timeout", "20",
                                 expect=EX_DATAERR)
        self.assertIn("[too-old]", output)
        self.assertEqual(self.gaps(), [(1, 2, "too-old")])
        self.check_complete([3, 4, 5])  # the fourth isn't the oldest: it is sent, old as it is

    def test_client_drops_what_was_sent_and_the_server_knows_better(self):
        """Sent and not acknowledged, then dropped: what the server has of it, it keeps."""
        seen = []

        def takes_three_and_goes(session):
            session.welcome(0)
            seen.extend(session.lines(5))
            ready.append(True)
            session.line()  # the end of it

        def knows_three(session):
            session.welcome(3)
            while True:
                line = session.line()
                if line is None:
                    return
                seen.append(line)
                words = line.split(" ")
                session.say("ack " + (words[2] if words[0] == "gap" else words[0]))

        ready = []
        server = self.start_python_server(takes_three_and_goes, knows_three)
        client = self.start_client("--stdin", "--spool-full=drop-oldest", "--window", "5",
                                   "--spool-max-readings", "5", "--ack-timeout", "500ms",
                                   "--timeout", "20", stdin=subprocess.PIPE)
        client.process.stdin.write(lines(1, 5))
        client.process.stdin.flush()
        wait_for(lambda: ready, DEADLINE, "five readings")
        client.process.stdin.write(lines(6, 12))
        client.process.stdin.close()
        self.assertEqual(client.wait(), EX_DATAERR, client.output)
        server.close()
        self.assertEqual(server.failures, [])
        # The third, which the server has, was dropped: the gap from there proves nothing, and is
        # cut by the server to begin at the fourth.
        self.assertEqual([line.split(" ")[0] for line in seen[:5]], ["1", "2", "3", "4", "5"])
        self.assertEqual(seen[5], "gap 3 7 spool-full")
        self.assertEqual([line.split(" ")[0] for line in seen[6:]], ["8", "9", "10", "11", "12"])

    def test_server_cuts_a_gap_to_what_it_does_not_have(self):
        self.start_server("--quiet")
        self.run_client("--message", "t: 1", "--message", "t: 2", "--timeout", "20")
        # The spool forgets that the server has them, and gives them up: an acknowledgement lost.
        with sqlite3.connect(self.spool) as db:
            db.execute("UPDATE meta SET forgotten = 0, swept = 0, last = 4")
            db.execute("INSERT INTO gaps VALUES (1, 4, 'spool-full')")
        db.close()
        self.run_client("--message", "t: 5", "--timeout", "20")
        self.assertEqual(self.gaps(), [(3, 4, "spool-full")])
        self.check_complete([1, 2, 5])

    def test_client_spool_options_that_cannot_be_are_one_sentence(self):
        self.port = free_port()
        for options in (["--spool-full", "explode"], ["--spool-max-readings", "0"],
                        ["--spool-max-age", "-1"]):
            with self.subTest(options=options):
                output = self.run_client("--message", "t: 1", *options, expect=EX_USAGE)
                self.assertEqual(output.count("\n"), 1, output)
                self.assertIn(options[0], output)


class FullDiskTest(GapTest):
    def test_client_on_a_full_disk_counts_what_it_could_not_keep_as_a_gap(self):
        self.port = free_port()
        client, before = self.hold_back("--stdin", "--spool-full=drop-oldest", "--timeout", "25",
                                        stdin=subprocess.PIPE)
        pipe = client.process.stdin
        pipe.write(lines(1, 20000))
        pipe.flush()

        def all_taken():
            left = array.array("i", [0])
            fcntl.ioctl(pipe.fileno(), termios.FIONREAD, left)
            return left[0] == 0

        # More than the small disk and the memory for 4,096 hold together.
        wait_for(all_taken, DEADLINE, "the client to take everything")
        resource.prlimit(client.process.pid, resource.RLIMIT_FSIZE, before)
        missed = int(client.wait_for(r"(\d+) readings couldn't be kept.*\[not-kept\]").group(1))
        client.wait_for("the spool works again")
        pipe.write(lines(20001, 20010))
        pipe.close()
        self.start_server("--quiet")
        self.assertEqual(client.wait(), EX_DATAERR, client.output)
        self.assertEqual(client.output.count("wait in memory"), 1, client.output)
        (first, last, reason), = self.gaps()
        self.assertEqual((last - first + 1, reason), (missed, "not-kept"))
        self.check_complete([*range(1, first), *range(last + 1, 20011)])

    @unittest.skipUnless(os.getuid() == 0, "only root can mount a file system of its own")
    def test_client_on_a_full_file_system_keeps_what_it_has_and_goes_on_when_there_is_room(self):
        self.port = free_port()
        disk = self.folder / "disk"
        disk.mkdir()
        self.spool = disk / "spool.db"
        client = Program(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             'mount -t tmpfs -o size=1m spool "$0" && exec "$@"', disk,
             *self.arguments("--stdin", "--timeout", "25")], self.folder, stdin=subprocess.PIPE)
        self.addCleanup(client.close)
        client.process.stdin.write(lines(1, 100))
        client.process.stdin.flush()
        client.wait_for("no connection")
        # The client's own file system, which nobody else sees mounted.
        ballast = pathlib.Path(f"/proc/{client.process.pid}/root{disk}/ballast")
        with self.assertRaises(OSError) as full, open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        self.assertEqual(full.exception.errno, errno.ENOSPC)
        client.process.stdin.write(lines(101, 3000))
        client.process.stdin.close()
        client.wait_for("nothing more is taken until it works again")
        ballast.unlink()
        client.wait_for("the spool works again")
        self.start_server("--quiet")
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual(self.gaps(), [])
        self.check_complete(range(1, 3001))


class SpoiledSpoolTest(GapTest):
    """A spool's file that was damaged where nothing but its readings is looked at."""

    def spoil(self, change):
        self.port = free_port()
        self.run_client("--message", "t: 1", "--message", "t: 2", "--message", "t: 3", "--timeout",
                        "100ms", expect=EX_TEMPFAIL)
        with contextlib.closing(sqlite3.connect(self.spool)) as spool, spool:
            self.assertEqual(spool.execute(change).rowcount, 1)

    def test_client_declares_a_gap_where_its_spool_holds_no_reading(self):
        self.spoil("UPDATE readings SET text = 'no reading' WHERE seq = 2")
        self.start_server("--quiet")
        self.run_client("--message", "t: 4", "--timeout", "20")
        self.assertEqual(self.gaps(), [(2, 2, "unreadable")])
        self.check_complete([1, 3, 4])

    def test_client_that_cant_read_its_spool_says_so_and_sends_nothing(self):
        self.spoil("UPDATE readings SET text = hex(zeroblob(5000)) WHERE seq = 2")
        self.start_server("--quiet")
        client = self.start_client("--message", "t: 4")
        client.wait_for(r"the spool is damaged at reading 2 \[spool-failed\]")
        self.assertEqual(client.end(), EX_TEMPFAIL, client.output)
        self.assertEqual(self.gaps(), [])
        self.check_complete([])


class StreamTest(GapTest):
    def test_client_shows_its_last_reading_where_an_acknowledgement_was_lost(self):
        """The server has more than the client was told: the last of it is sent again."""
        seen = []

        def silent(session):
            session.welcome(0)
            session.lines(2)
            # Stored, but nobody says so.

        def knows_two(session):
            session.welcome(2)
            seen.append(session.line())
            session.say("ack 2")
            session.line()

        server = self.start_python_server(silent, knows_two)
        self.run_client("--message", "t: 1", "--message", "t: 2", "--timeout", "20")
        server.close()
        self.assertEqual(server.failures, [])
        self.assertRegex(seen[0], r"^2 \S+ t: 2$")

    def test_client_with_a_copied_spool_that_went_its_own_way_is_refused(self):
        self.port = free_port()
        self.run_client("--message", "t: 1", "--timeout", "100ms", expect=EX_TEMPFAIL)
        copy = self.folder / "copy.db"
        shutil.copy(self.spool, copy)
        server = self.start_server("--quiet")
        self.run_client("--message", "t: 2", "--timeout", "20")
        shutil.copy(copy, self.spool)
        output = self.run_client("--message", "t: 3", "--timeout", "1", expect=EX_TEMPFAIL)
        self.assertIn("[stream-diverged]", output)
        self.check_complete([1, 2])
        server.end()

    def test_client_with_a_copied_spool_that_is_the_same_goes_on(self):
        self.port = free_port()
        self.run_client("--message", "t: 1", "--timeout", "100ms", expect=EX_TEMPFAIL)
        copy = self.folder / "copy.db"
        shutil.copy(self.spool, copy)
        self.start_server("--quiet")
        client = self.start_client("--stdin", "--timeout", "20")  # sends the first one
        self.assertEqual(client.wait(), 0, client.output)
        shutil.copy(copy, self.spool)
        self.run_client("--message", "t: 2", "--timeout", "20")
        self.check_complete([1, 2])


class ClockTest(GapTest):
    def test_client_clock_before_its_floor_is_said_and_nothing_is_dialled(self):
        floor = self.folder / "floor"
        floor.write_text("4000000000\n")  # the year 2096
        server = self.start_python_server(lambda session: None)
        output = self.run_client("--message", "t: 1", "--clock-floor", floor, "--timeout", "500ms",
                                 expect=EX_TEMPFAIL)
        self.assertRegex(output, r"this machine's clock says \d{4}-\d\d-\d\d, but 2096-10-02 is "
                                 r"past: it was seen before; set the clock.*\[clock-behind\]")
        self.assertEqual(server.accepted, [])
        self.assertEqual(floor.read_text(), "4000000000\n")
        floor.unlink()
        server.close()
        self.port = None
        self.start_server("--quiet")
        self.run_client("--message", "t: 2", "--clock-floor", floor, "--timeout", "20")
        self.assertEqual([row["time"] == "" for row in self.rows()], [True, False])

    def test_client_clock_floor_is_what_both_clocks_agree_on(self):
        floor = self.folder / "floor"
        self.start_server("--quiet")
        self.run_client("--message", "t: 1", "--clock-floor", floor, "--timeout", "20")
        self.assertAlmostEqual(int(floor.read_text()), time.time(), delta=30)
        self.assertEqual(floor.stat().st_mode & 0o777, 0o600)

    def test_client_clock_floor_is_not_written_through_a_link_that_lay_there(self):
        floor, victim = self.folder / "floor", self.folder / "victim"
        victim.write_text("precious\n")
        (self.folder / "floor.new").symlink_to(victim)
        self.start_server("--quiet")
        self.run_client("--message", "t: 1", "--clock-floor", floor, "--timeout", "20")
        self.assertEqual(victim.read_text(), "precious\n")
        self.assertFalse(floor.is_symlink())
        self.assertAlmostEqual(int(floor.read_text()), time.time(), delta=30)

    def test_client_does_not_believe_a_server_from_the_future(self):
        floor = self.folder / "floor"

        def from_the_future(session):
            session.line()
            session.say("welcome 0 4000000000 weather-1")
            session.line()
            session.say("ack 1")
            session.line()

        server = self.start_python_server(from_the_future)
        output = self.run_client("--message", "t: 1", "--clock-floor", floor, "--timeout", "20")
        server.close()
        self.assertEqual(server.failures, [])
        self.assertRegex(output, r"this machine's clock is \d+\.\d s behind the server's")
        self.assertLessEqual(int(floor.read_text()), time.time())

    def test_client_says_how_far_its_clock_is_from_the_servers(self):
        for offset, words in ((-90, "ahead of"), (90, "behind")):
            with self.subTest(offset=offset):
                clocks = []

                def script(session, offset=offset, clocks=clocks):
                    session.line()
                    session.say(f"welcome 0 {time.time() + offset:.3f} weather-1")
                    session.line()
                    session.say("ack 1")
                    session.line()
                    clocks += session.clocks
                server = self.start_python_server(script)
                output = self.run_client("--message", "t: 1", "--timeout", "20")
                server.close()
                found = re.search(rf"this machine's clock is (\S+) s {words} the server's", output)
                self.assertTrue(found, output)
                self.assertAlmostEqual(float(found.group(1)), 90, delta=2)
                self.assertEqual(len(clocks), 1, "the server is told once")
                told = re.fullmatch(r"clock ([+-]\d+(?:\.\d{1,6})?)", clocks[0])
                self.assertAlmostEqual(float(told.group(1)), offset, delta=2)
                self.spool.unlink()

    def test_client_tells_no_offset_to_a_server_without_a_clock(self):
        clocks = []

        def script(session):
            session.line()
            session.say("welcome 0 - weather-1")
            session.line()
            session.say("ack 1")
            session.line()
            clocks.extend(session.clocks)

        server = self.start_python_server(script)
        self.run_client("--message", "t: 1", "--timeout", "20")
        server.close()
        self.assertEqual((clocks, server.failures), ([], []))

    def test_client_clock_floor_that_is_another_file_is_left_alone(self):
        self.port = free_port()
        floor = self.folder / "floor"
        floor.write_text("my diary\n")
        output = self.run_client("--message", "t: 1", "--clock-floor", floor, expect=EX_CONFIG)
        self.assertEqual(output.count("\n"), 1, output)
        self.assertEqual(floor.read_text(), "my diary\n")


class DamageTest(GapTest):
    def damage(self, table, count=1):
        """Overwrites the first page of a table."""
        db = sqlite3.connect(self.store)
        page, = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        db.close()
        with open(self.store, "r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\x5a" * 4096 * count)

    def fill(self):
        server = self.start_server("--quiet")
        self.run_client("--stdin", "--timeout", "20", stdin=lines(1, 500))
        self.assertEqual(server.end(), 0)

    def try_server(self, *more):
        """Starts a server that should end by itself; its exit code and what it said."""
        server = Program(
            [SERVER, "--cafile",
             self.pki.good_ca.cert, "--cert", self.server_pair.cert, "--key", self.server_pair.key,
             "--listen", f"127.0.0.1:{self.port}", "--store", self.store, *more], self.folder)
        self.addCleanup(server.close)
        return server.wait(), server.output

    def test_server_with_a_damaged_store_says_what_to_do_and_exits_74(self):
        self.fill()
        self.damage("blocks")
        before = self.store.read_bytes()
        code, output = self.try_server()
        self.assertEqual(code, EX_IOERR, output)
        self.assertIn(".recover", output)
        self.assertIn("--on-corrupt=move-aside", output)
        self.assertEqual(self.store.read_bytes(), before)

    def test_server_moves_a_damaged_store_aside_and_goes_on(self):
        self.fill()
        self.damage("blocks")
        before = self.store.read_bytes()
        server = self.start_server("--quiet", "--on-corrupt=move-aside")
        aside = re.search(r"it was moved to (\S+\.corrupt-\d{8}T\d{6}Z)", server.output).group(1)
        with open(aside, "rb") as file:
            self.assertEqual(file.read(), before)
        output = self.run_client("--message", "t: 501", "--timeout", "20")
        self.assertIn("server-behind", output)
        self.assertEqual(self.gaps(), [(1, 500, "forgotten")])
        self.check_complete([501])

    def test_server_that_meets_damage_later_acknowledges_nothing(self):
        self.fill()
        db = sqlite3.connect(self.store)
        with db:  # more than is checked at the start
            db.execute("WITH RECURSIVE n(i) AS (SELECT 5000 UNION ALL SELECT i + 1 FROM n LIMIT "
                       "1200) INSERT INTO blocks(id, stream, sensor, first, last, received, "
                       "oldest, newest, readings) SELECT i, 1, 1, i, i, 1, 1, 1, zeroblob(60000) "
                       "FROM n")
        db.close()
        self.damage("streams")
        server = self.start_server("--quiet")
        output = self.run_client("--message", "t: 501", "--timeout", "1", expect=EX_TEMPFAIL)
        self.assertNotIn("acknowledged up to", output)
        self.assertIn("[store-failed]", output)
        server.wait_for("the store fails: .*malformed.*nothing is acknowledged")
        self.assertEqual(server.output.count("the store fails"), 1)
        # It says so to whoever stops it, too.
        self.assertEqual(server.end(), EX_IOERR)

    def test_server_on_corrupt_takes_two_words(self):
        self.port = free_port()
        code, output = self.try_server("--on-corrupt", "delete")
        self.assertEqual(code, EX_USAGE, output)
        self.assertIn("refuse or move-aside", output)


if __name__ == "__main__":
    unittest.main()
