#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sensorlink-client with a real server: its sources, its exit codes, and what survives what."""

import os
import pathlib
import pty
import resource
import select
import shutil
import signal
import socket
import subprocess
import time
import unittest

from client_fixture import (
    CLIENT, DEADLINE, EX_CONFIG, EX_DATAERR, EX_IOERR, EX_NOINPUT, EX_NOPERM, EX_TEMPFAIL,
    EX_UNAVAILABLE, EX_USAGE, ClientTest, Program)
from pki import free_port, wait_for


class SourceTest(ClientTest):
    def test_client_demo_sends_the_tutorials_six_temperatures(self):
        server = self.start_server()
        output = self.run_client("--demo", "--interval", "20ms", "--timeout", "20")
        self.assertEqual(
            self.values(), [("temperature", value) for value in "15 22 21 26 25 19".split()])
        self.assertRegex(output, r"connected to 127\.0\.0\.1:\d+ as weather-1 \(TLSv1\.[23], ")
        self.assertIn("temperature: 15\n", output)
        self.assertIn("acknowledged up to 6\n", output)
        self.assertIn("no more data", output)
        server.wait_for("no more data from weather-1")

    def test_client_message_is_on_disk_when_it_exits(self):
        self.start_server()
        self.run_client("--message", "humidity: 48.50 %RH", "--message", "t: -1", "--timeout", "20")
        rows = self.rows()
        self.assertEqual([(r["name"], r["value"], r["unit"]) for r in rows],
                         [("humidity", "48.5", "%RH"), ("t", "-1", "")])
        self.assertLess(abs(float(rows[0]["time"]) - time.time()), 60)

    def test_client_message_that_is_no_reading_is_said_and_exits_65(self):
        self.start_server()
        output = self.run_client("--message", "no reading", "--message", "t: 1", "--timeout", "20",
                                 expect=EX_DATAERR)
        self.assertIn("'no reading' is not a reading", output)
        self.assertEqual(self.values(), [("t", "1")])

    def test_client_stdin_takes_good_lines_and_reports_bad_ones_by_number(self):
        self.start_server()
        lines = (b"temperature: 1\r\n"
                 b"nonsense\n"
                 b"\n"
                 b"1763899200.25 t: 2 Cel\n"
                 b"2025-11-23T12:00:00Z t: 3\n"
                 b"2025-11-23 13:00:00+01:00 t: 4\n"
                 b"- t: 5\n"
                 b"t: nan\n"
                 b"t: 0x10\n"
                 b"\xff\xfe: 1\n"
                 b"t: 6\0\n" +
                 b"t: " + b"7" * 100000 + b"\n"
                 b"last: 8")
        output = self.run_client("--stdin", "--timeout", "20", stdin=lines, expect=EX_DATAERR)
        self.assertEqual(self.values(), [("temperature", "1"), ("t", "2"), ("t", "3"), ("t", "4"),
                                         ("t", "5"), ("last", "8")])
        self.assertEqual([row["time"] for row in self.rows()][1:5],
                         ["1763899200.25", "1763899200", "1763899200", ""])
        for number in (2, 8, 9, 10, 11, 12):
            self.assertIn(f"line {number} is not a reading", output)
        self.assertEqual(output.count("is not a reading"), 6)
        self.assertIn("6 lines of the input couldn't be taken", output)
        self.assertNotIn("\0", output)

    def test_client_stdin_with_a_name_takes_bare_numbers(self):
        self.start_server()
        self.run_client("--stdin", "--name", "t", "--timeout", "20",
                        stdin=b"1\n-2.5 Cel\n1763899200 3\nother: 4\n")
        self.assertEqual([(r["name"], r["value"], r["unit"]) for r in self.rows()],
                         [("t", "1", ""), ("t", "-2.5", "Cel"), ("t", "3", ""), ("other", "4", "")])

    def test_client_stdin_without_a_name_refuses_bare_numbers(self):
        self.start_server()
        output = self.run_client("--stdin", "--timeout", "20", stdin=b"22\n", expect=EX_DATAERR)
        self.assertIn("--name", output)

    def test_client_stdin_from_a_pipe_sends_each_line_as_it_comes(self):
        server = self.start_server()
        client = self.start_client("--stdin", stdin=subprocess.PIPE)
        for number in (1, 2, 3):
            client.process.stdin.write(f"t: {number}\n".encode())
            client.process.stdin.flush()
            server.wait_for(f"t: {number}\n")
        client.process.stdin.close()
        self.assertEqual(client.wait(), 0, client.output)

    def test_client_stdin_from_a_file_of_a_hundred_thousand_lines_is_stored_whole(self):
        self.start_server("--quiet")
        path = self.folder / "many"
        path.write_text("".join(f"n: {number}\n" for number in range(100000)))
        with open(path, "rb") as file:
            client = self.start_client("--stdin", "--timeout", "25", stdin=file)
            self.assertEqual(client.wait(), 0, client.output)
        rows = self.rows()
        self.assertEqual([int(row["value"]) for row in rows], list(range(100000)))
        self.assertEqual([int(row["seq"]) for row in rows], list(range(1, 100001)))
        self.assertNotIn("sent ", client.output)  # no terminal, no progress

    def test_client_progress_is_shown_on_a_terminal(self):
        client, screen = self.run_on_terminal()
        self.assertEqual(client, 0, screen)
        self.assertRegex(screen, r"sent \d+, acknowledged \d+, waiting \d+, \d+/s")

    def test_client_tells_whoever_types_what_is_acknowledged(self):
        self.start_server("--quiet")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        client = subprocess.Popen([str(a) for a in self.arguments("--stdin")], stdin=theirs,
                                  stdout=theirs, stderr=theirs, cwd=self.folder)
        os.close(theirs)
        self.addCleanup(client.kill)
        screen = b""
        for typed, answer in ((b"t: 22\n", b"acknowledged up to 1\r\n"),
                              (b"t: 23\n", b"acknowledged up to 2\r\n"), (b"\x04", b"")):
            os.write(ours, typed)
            while answer not in screen:
                self.assertTrue(select.select([ours], [], [], DEADLINE)[0], screen)
                screen += os.read(ours, 4096)
        self.assertEqual(client.wait(DEADLINE), 0, screen)
        self.assertEqual(screen.count(b"t: 22"), 1, screen)  # the terminal's own echo

    def run_on_terminal(self):
        """Drains a backlog with the client on a terminal; its exit code and what it drew."""
        path = self.folder / "many"
        path.write_text("".join(f"n: {number}\n" for number in range(200000)))
        self.start_server("--quiet")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        # A window of a few readings makes draining slow enough to be seen.
        arguments = [str(a) for a in self.arguments("--stdin", "--timeout", "25", "--window", "20")]
        with open(path, "rb") as file:
            client = subprocess.Popen(arguments, stdin=file, stdout=theirs, stderr=theirs,
                                      cwd=self.folder, env={**os.environ, "TERM": "xterm"})
        os.close(theirs)
        self.addCleanup(client.kill)
        screen = b""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and b"waiting" not in screen:
            try:
                screen += os.read(ours, 4096)
            except OSError:
                break
        client.send_signal(signal.SIGTERM)
        end = time.monotonic() + DEADLINE
        while client.poll() is None and time.monotonic() < end:
            try:
                screen += os.read(ours, 4096)
            except OSError:
                client.wait(DEADLINE)
        return 0 if client.returncode in (0, EX_TEMPFAIL) else client.returncode, screen.decode()

    def test_client_read_takes_the_first_number_of_a_real_file(self):
        self.start_server()
        path = self.folder / "temp1_input"
        path.write_text("  +21500 mC\n")
        self.run_client("--read", "load=/proc/loadavg", "--read", f"room:Cel={path}*0.001",
                        "--interval", "20ms", "--count", "3", "--timeout", "20")
        rows = self.rows()
        self.assertEqual([row["name"] for row in rows], ["load", "room"] * 3)
        self.assertTrue(all(float(row["value"]) >= 0 for row in rows if row["name"] == "load"))
        self.assertEqual({(row["value"], row["unit"]) for row in rows if row["name"] == "room"},
                         {("21.5", "Cel")})

    def test_client_read_that_fails_is_said_once_and_again_when_it_works(self):
        server = self.start_server()
        path = self.folder / "late"
        client = self.start_client("--read", f"late={path}", "--read", "load=/proc/loadavg",
                                   "--interval", "20ms")
        client.wait_for("late: .*No such file")
        server.wait_for(r"(?s)(load: .*){5}")
        path.write_text("5\n")
        client.wait_for("late: works again")
        server.wait_for("late: 5")
        path.write_text("nothing here\n")
        client.wait_for("late: there is no number")
        self.assertEqual(client.output.count("No such file"), 1, client.output)
        self.assertEqual(client.end(), 0, client.output)

    def test_client_read_of_a_fifo_without_a_writer_holds_nothing_up(self):
        server = self.start_server()
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        client = self.start_client("--read", f"f={fifo}", "--read", "load=/proc/loadavg",
                                   "--interval", "20ms")
        server.wait_for(r"(?s)(load: .*){3}")
        self.assertEqual(client.end(), 0, client.output)

    def test_client_exec_takes_the_first_number_a_command_prints(self):
        self.start_server()
        output = self.run_client(
            "--exec", "n:Cel=echo temp1 is 45.5C; echo 7", "--exec", "bad=exit 3",
            "--interval", "50ms", "--count", "2", "--timeout", "20", expect=EX_DATAERR)
        self.assertEqual([(r["name"], r["value"], r["unit"]) for r in self.rows()],
                         [("n", "45.5", "Cel")] * 2)
        self.assertEqual(output.count("exit code 3"), 1, output)

    def test_client_exec_that_hangs_is_killed_and_the_others_go_on(self):
        server = self.start_server()
        client = self.start_client("--exec", "slow=sleep 1000", "--exec", "n=echo 1", "--interval",
                                   "20ms", "--exec-timeout", "300ms")
        server.wait_for(r"(?s)(n: 1.*){3}")
        client.wait_for("slow: the command takes too long")
        self.assertEqual(client.end(), 0, client.output)


class DeliveryTest(ClientTest):
    def test_client_without_a_server_exits_75_in_time_and_the_next_run_sends(self):
        self.port = free_port()
        output = self.run_client("--message", "t: 1", "--timeout", "300ms", expect=EX_TEMPFAIL)
        self.assertIn("Connection refused", output)
        self.assertIn("the spool keeps it", output)
        self.start_server()
        self.run_client("--message", "t: 2", "--timeout", "20")
        self.assertEqual(self.values(), [("t", "1"), ("t", "2")])
        self.assertEqual([row["seq"] for row in self.rows()], ["1", "2"])

    def test_client_killed_with_a_full_spool_loses_nothing(self):
        self.port = free_port()
        client = self.start_client("--stdin", stdin=subprocess.PIPE)
        client.process.stdin.write(b"".join(b"t: %d\n" % number for number in range(5000)))
        client.process.stdin.flush()
        wait_for(lambda: self.spooled() == 5000, DEADLINE, "5,000 readings in the spool's log")
        client.end(signal.SIGKILL)
        self.start_server("--quiet")
        self.run_client("--message", "t: 5000", "--timeout", "20")
        self.assertEqual([int(row["value"]) for row in self.rows()], list(range(5001)))

    def spooled(self):
        """How many readings a copy of the spool has; its owner keeps the file itself locked."""
        code = ("import sqlite3, shutil, sys\n"
                "for end in ('', '-wal'):\n"
                "    shutil.copy(sys.argv[1] + end, sys.argv[2] + end)\n"
                "print(sqlite3.connect(sys.argv[2]).execute('select last from meta').fetchone()[0])")
        copy = self.folder / "copy.db"
        done = subprocess.run(["python3", "-c", code, str(self.spool), str(copy)],
                              capture_output=True, text=True, check=False)
        return int(done.stdout) if done.returncode == 0 else -1

    def test_client_and_server_killed_again_and_again_lose_nothing_and_double_nothing(self):
        server = self.start_server()
        client = None
        for turn in range(4):
            client = self.start_client("--read", "up=/proc/uptime", "--interval", "10ms")
            client.wait_for(r"(?s)(acknowledged.*){3}")
            if turn % 2:
                server.end(signal.SIGKILL)
                client.wait_for("no connection")
                server = self.start_server()
                client.wait_for(r"(?s)no connection.*connected to.*acknowledged")
            client.end(signal.SIGKILL)
        last = self.start_client("--read", "up=/proc/uptime", "--interval", "10ms")
        last.wait_for("acknowledged")
        self.assertEqual(last.end(), 0, last.output)
        rows = self.rows()
        self.assertEqual([int(row["seq"]) for row in rows], list(range(1, len(rows) + 1)))
        self.assertEqual(len({row["stream"] for row in rows}), 1)
        times = [float(row["time"]) for row in rows]
        self.assertEqual(times, sorted(times))

    def test_client_second_on_the_same_spool_is_told_so(self):
        self.start_server()
        client = self.start_client("--read", "load=/proc/loadavg", "--interval", "50ms")
        client.wait_for("acknowledged")
        output = self.run_client("--message", "t: 1", expect=EX_UNAVAILABLE)
        self.assertIn("another program has the spool", output)
        self.assertEqual(output.count("\n"), 1, output)
        self.assertEqual(client.end(), 0, client.output)

    def test_client_told_to_end_without_a_server_says_what_the_spool_keeps(self):
        self.port = free_port()
        client = self.start_client("--message", "t: 1")
        client.wait_for("no connection")
        self.assertEqual(client.end(), EX_TEMPFAIL, client.output)
        self.assertIn("leaving: 1 reading is not acknowledged yet; the spool keeps it",
                      client.output)

    def test_client_told_to_end_with_everything_acknowledged_exits_0(self):
        self.start_server()
        for signum in (signal.SIGTERM, signal.SIGINT):
            client = self.start_client("--read", "load=/proc/loadavg", "--interval", "10s")
            client.wait_for("acknowledged")
            self.assertEqual(client.end(signum), 0, client.output)

    def test_client_damaged_spool_is_left_alone_and_exits_78(self):
        self.port = free_port()
        self.spool.write_bytes(b"this is no spool" * 300)
        output = self.run_client("--message", "t: 1", expect=EX_CONFIG)
        self.assertIn("left as it is", output)
        self.assertEqual(self.spool.read_bytes(), b"this is no spool" * 300)

    def test_client_on_a_full_disk_takes_nothing_and_goes_on_when_there_is_room(self):
        self.start_server("--quiet")
        path = self.folder / "many"
        path.write_text("".join(f"n: {number}\n" for number in range(20000)))
        small = (120 * 1024, resource.RLIM_INFINITY)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if before[1] != resource.RLIM_INFINITY:
            self.skipTest("this machine limits the size of files itself")
        with open(path, "rb") as file:
            resource.setrlimit(resource.RLIMIT_FSIZE, small)  # the client inherits it
            try:
                client = self.start_client("--stdin", "--timeout", "25", stdin=file)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
        client.wait_for("nothing more is taken until it works again")
        resource.prlimit(client.process.pid, resource.RLIMIT_FSIZE, before)
        self.assertEqual(client.wait(), 0, client.output)
        self.assertIn("the spool works again", client.output)
        self.assertEqual([int(row["value"]) for row in self.rows()], list(range(20000)))

    def test_client_whose_disk_stays_full_says_what_is_lost_and_exits_74(self):
        self.port = free_port()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60 * 1024, before[1]))
        try:
            client = self.start_client("--stdin", stdin=subprocess.PIPE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        client.process.stdin.write(b"".join(b"t: %d\n" % number for number in range(4000)))
        client.process.stdin.flush()
        client.wait_for("nothing more is taken until it works again")
        self.assertEqual(client.end(), EX_IOERR, client.output)
        self.assertRegex(client.output, r"leaving: \d+ readings couldn't be written to the spool")

    def test_client_quiet_prints_nothing_when_all_is_well(self):
        self.start_server()
        self.assertEqual(
            self.run_client("--message", "t: 1", "--timeout", "20", "--quiet"), "")


class TrustTest(ClientTest):
    def expect_refused_server(self, word, *more, **options):
        output = self.run_client("--message", "t: 1", "--timeout", "400ms", *more,
                                 expect=EX_TEMPFAIL, **options)
        self.assertIn(word, output)
        self.assertNotIn("connected to", output)
        self.assertEqual(self.rows(), [])

    def test_client_server_with_another_name_is_refused(self):
        pair = self.pki.leaf("elsewhere", san=[("dns", "elsewhere")], eku=("serverAuth",))
        self.start_server(pair=pair)
        self.expect_refused_server("server-name-mismatch")
        self.expect_refused_server("server-name-mismatch", host="127.0.0.1")

    def test_client_server_of_another_ca_is_refused(self):
        self.start_server()
        other = self.pki.ca("other")
        sensor = self.pki.leaf("weather-1", ca=other)
        arguments = [CLIENT, "--host", "localhost", "--port", self.port, "--cafile", other.cert,
                     "--cert", sensor.cert, "--key", sensor.key, "--spool", self.spool,
                     "--message", "t: 1", "--timeout", "400ms"]
        client = Program(arguments, self.folder)
        self.addCleanup(client.close)
        self.assertEqual(client.wait(), EX_TEMPFAIL, client.output)
        self.assertIn("server-cert-untrusted", client.output)
        self.assertEqual(self.rows(), [])

    def test_client_connects_by_address_that_the_certificate_carries(self):
        self.start_server()
        self.run_client("--message", "t: 1", "--timeout", "20", host="127.0.0.1")
        self.assertEqual(self.values(), [("t", "1")])

    @unittest.skipUnless(socket.has_ipv6 and pathlib.Path("/proc/net/if_inet6").exists(),
                         "no IPv6 here")
    def test_client_connects_over_ipv6(self):
        self.start_server(listen="::1")
        output = self.run_client("--message", "t: 1", "--timeout", "20", host="::1")
        self.assertRegex(output, r"connected to \[::1\]:\d+ as weather-1")
        self.assertEqual(self.values(), [("t", "1")])

    def test_client_with_a_certificate_the_server_does_not_want_backs_off_far_and_exits_77(self):
        revoked = self.pki.sensor("revoked-1")
        self.pki.certs_sh("revoke", "revoked-1")
        self.start_server("--crlfile", self.pki.crl)
        output = self.run_client("--message", "t: 1", "--timeout", "3", sensor=revoked,
                                 expect=EX_NOPERM)
        self.assertIn("not welcome", output)
        self.assertNotIn("connected to", output)
        self.assertRegex(output, r"asking again in (1[5-9]\d|2\d\d|300) s")
        self.assertEqual(self.rows(), [])


    def test_client_takes_up_a_renewed_certificate_without_a_restart(self):
        revoked = self.pki.sensor("renewed-1")
        cert, key = self.folder / "own.crt", self.folder / "own.key"
        shutil.copy(revoked.cert, cert)
        shutil.copy(revoked.key, key)
        self.pki.certs_sh("revoke", "renewed-1")
        self.start_server("--crlfile", self.pki.crl)
        client = self.start_client("--message", "t: 1", sensor=type(revoked)(cert, key))
        client.wait_for("not welcome")
        cert.write_text("half a certificate")
        client.process.send_signal(signal.SIGHUP)
        client.wait_for(r"renewal-unusable")
        shutil.copy(self.sensor.cert, cert)
        shutil.copy(self.sensor.key, key)
        wait_for(lambda: client.output.count("not welcome") == 2, DEADLINE, "the second refusal")
        client.process.send_signal(signal.SIGHUP)
        self.assertEqual(client.wait(), 0, client.output)
        self.assertIn("as weather-1", client.output)
        self.assertEqual(self.values(), [("t", "1")])


class CommandLineTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()

    def test_client_command_line_faults_are_one_sentence_and_exit_64(self):
        for more, word in (
            ((), "there is no source"),
            (("--demo", "--stdin"), "more than one source"),
            (("--message", "t: 1", "--name", "t"), "--name is for --stdin"),
            (("--demo", "--count", "3"), "--count"),
            (("--read", "load"), "expected NAME[:UNIT]=PATH"),
            (("--exec", "1x=echo"), "expected NAME[:UNIT]=COMMAND"),
            (("--stdin", "--name", "1x"), "--name"),
            (("--nonsense",), "nonsense"),
            (("--demo", "--interval", "0"), "interval"),
        ):
            with self.subTest(more=more):
                output = self.run_client(*more, expect=EX_USAGE)
                self.assertIn(word, output)
                self.assertEqual(output.count("\n"), 1, output)
                self.assertTrue(output.startswith("sensorlink-client: "), output)

    def test_client_without_its_files_says_which_one(self):
        arguments = self.arguments("--demo")
        arguments[arguments.index("--cert") + 1] = self.folder / "no-such.crt"
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True,
                              timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, EX_NOINPUT)
        self.assertIn("no-such.crt", done.stderr)

    def test_client_with_a_key_of_another_certificate_exits_78(self):
        other = self.pki.sensor("other-1")
        arguments = self.arguments("--demo")
        arguments[arguments.index("--key") + 1] = other.key
        done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True,
                              timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, EX_CONFIG, done.stderr)

    def test_client_help_fits_a_terminal_and_version_names_the_library(self):
        show = lambda option: subprocess.run(  # noqa: E731
            [CLIENT, option], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout
        lines = show("--help").splitlines()
        self.assertLess(len(lines), 24)  # with the prompt below
        self.assertLessEqual(max(len(line) for line in lines), 80)
        for word in ("--retry-refused", "Exit codes", "--config"):
            self.assertIn(word, show("--help-all"))
        self.assertRegex(show("--version").lower(),
                         r"^sensorlink-client \d+\.\d+\.\d+, mbed tls \d+\.\d+\.\d+ \(tls 1\.2")

    def test_client_takes_its_options_from_a_file(self):
        self.port = None
        self.start_server()
        config = self.folder / "client.conf"
        config.write_text(
            f"host = localhost\nport = {self.port}\ncafile = {self.pki.good_ca.cert}\n"
            f"cert = {self.sensor.cert}\nkey = {self.sensor.key}\nspool = {self.spool}\n"
            "message = t: 1\ntimeout = 20\n")
        client = Program([CLIENT, "--config", config], self.folder)
        self.addCleanup(client.close)
        self.assertEqual(client.wait(), 0, client.output)
        self.assertEqual(self.values(), [("t", "1")])


if __name__ == "__main__":
    unittest.main()
