#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sensorlink-log on real stores: what it prints, and how it ends.

The stores are made by tests/support/make_store.c, through the server's own
store, because only that one knows what a server writes.
"""

import csv
import datetime
import io
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ["SENSORLINK_BIN_DIR"])
LOG = BIN / "sensorlink-log"
MAKE_STORE = BIN.parent / "tests" / "support" / "make_store"

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_IOERR = 64, 65, 66, 74
DEADLINE = 20.0
A = "a" * 32
B = "b" * 32

STORY = f"""
received 1764000000.25
stream weather-1 {A}
reading 1764000000 temperature: 22 Cel
reading 1764000000.5 humidity: 48.50 %RH
commit
received 1764000001
stream cellar plain
reading - load: 0.1234567890123456789
commit
received 1764000003
stream weather-1 {A}
gap 3 5 spool-full
reading 1764000002 temperature: -1E+3
reading 1764000003 odd: 7 a,"b
commit
"""

ROWS = [
    ["received", "time", "sensor", "name", "value", "unit", "stream", "seq"],
    ["1764000000.25", "1764000000", "weather-1", "temperature", "22", "Cel", A, "1"],
    ["1764000000.25", "1764000000.5", "weather-1", "humidity", "48.5", "%RH", A, "2"],
    ["1764000001", "", "cellar", "load", "0.1234567890123456789", "", "plain", "1"],
    ["1764000003", "1764000002", "weather-1", "temperature", "-1e3", "", A, "6"],
    ["1764000003", "1764000003", "weather-1", "odd", "7", 'a,"b', A, "7"],
]


class LogTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sl-log-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.store = self.folder / "readings.db"

    def make(self, script=STORY):
        subprocess.run(
            [MAKE_STORE, self.store], input=script, text=True, check=True,
            stdout=subprocess.DEVNULL, timeout=DEADLINE,
        )

    def start_maker(self):
        maker = subprocess.Popen(
            [MAKE_STORE, self.store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(self.end, maker)
        return maker

    def end(self, process):
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        process.kill()
        process.wait()

    def tell(self, maker, script):
        """Gives the maker lines that end with a commit; returns when it is on disk."""
        maker.stdin.write(script.strip() + "\n")
        maker.stdin.flush()
        self.assertEqual(maker.stdout.readline(), "ok\n")

    def log(self, *arguments, code=0, store=None, **options):
        done = subprocess.run(
            [LOG, "--store", store or self.store, *map(str, arguments)],
            capture_output=True, text=True, timeout=DEADLINE, check=False, **options,
        )
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def rows(self, *arguments):
        out = self.log("readings", "--format", "csv", *arguments).stdout
        return list(csv.reader(io.StringIO(out)))

    def seqs(self, *arguments):
        return [f"{row[2]}/{row[7]}" for row in self.rows(*arguments)[1:]]


class Readings(LogTest):
    def test_csv_has_its_columns_in_the_order_of_storing(self):
        self.make()
        self.assertEqual(self.rows(), ROWS)

    def test_csv_is_text_as_documented_to_the_letter(self):
        self.make()
        out = self.log("readings", "--format", "csv").stdout.splitlines()
        self.assertEqual(out[0], "received,time,sensor,name,value,unit,stream,seq")
        self.assertEqual(out[1], f"1764000000.25,1764000000,weather-1,temperature,22,Cel,{A},1")
        self.assertEqual(out[5], f'1764000003,1764000003,weather-1,odd,7,"a,""b",{A},7')

    def test_json_is_one_array_with_numbers_and_nulls(self):
        self.make()
        out = self.log("readings", "--format", "json").stdout
        readings = json.loads(out, parse_float=str)
        self.assertEqual(len(readings), 5)
        self.assertEqual(list(readings[0]), ROWS[0])
        self.assertEqual(readings[0]["value"], 22)
        self.assertEqual(readings[2]["value"], "0.1234567890123456789")
        self.assertIsNone(readings[2]["time"])
        self.assertIsNone(readings[2]["unit"])

    def test_senml_is_valid_by_rfc_8428(self):
        self.make()
        pack = json.loads(self.log("readings", "--format", "senml").stdout)
        base, names = "", []
        for record in pack:
            self.assertLessEqual(set(record), {"bn", "n", "u", "v", "t"})
            base = record.get("bn", base)
            name = base + record["n"]
            self.assertRegex(name, r"\A[A-Za-z0-9][A-Za-z0-9\-:./_]*\Z")
            self.assertIsInstance(record["v"], (int, float))
            self.assertGreaterEqual(record["t"], 2**28)
            names.append(name)
        self.assertEqual(names[0], "urn:sensor:weather-1:temperature")
        self.assertEqual(names[2], "urn:sensor:cellar:load")
        self.assertEqual(pack[2]["t"], 1764000001)
        self.assertEqual(pack[0]["u"], "Cel")

    def test_influx_is_line_protocol_in_nanoseconds(self):
        self.make()
        out = self.log("readings", "--format", "influx").stdout.splitlines()
        self.assertEqual(out, [
            "temperature,sensor=weather-1,unit=Cel value=22 1764000000000000000",
            "humidity,sensor=weather-1,unit=%RH value=48.5 1764000000500000000",
            "load,sensor=cellar value=0.1234567890123456789 1764000001000000000",
            "temperature,sensor=weather-1 value=-1e3 1764000002000000000",
            'odd,sensor=weather-1,unit=a\\,"b value=7 1764000003000000000',
        ])

    def test_table_is_aligned_and_without_colours_in_a_pipe(self):
        self.make()
        out = self.log("readings").stdout
        self.assertNotIn("\033", out)
        lines = out.splitlines()
        self.assertEqual(lines[0].split(), ["time", "sensor", "name", "value", "unit", "seq"])
        self.assertEqual(
            lines[1].split(), ["2025-11-24T16:00:00.000Z", "weather-1", "temperature", "22", "Cel", "1"])
        self.assertEqual(lines[0].index("unit"), lines[1].index("Cel"))

    def test_filters_sensor_name_since_until_and_last(self):
        self.make()
        self.assertEqual(self.seqs("--sensor", "cellar"), ["cellar/1"])
        self.assertEqual(self.seqs("--name", "temperature"), ["weather-1/1", "weather-1/6"])
        self.assertEqual(self.seqs("--unit", "Cel"), ["weather-1/1"])
        self.assertEqual(self.seqs("--since", "1764000002"), ["weather-1/6", "weather-1/7"])
        self.assertEqual(self.seqs("--until", "2025-11-24T16:00:00.5Z"), ["weather-1/1"])
        self.assertEqual(
            self.seqs("--since", "1764000000.5", "--until", "1764000002"), ["weather-1/2", "cellar/1"])
        self.assertEqual(self.seqs("--last", "2"), ["weather-1/6", "weather-1/7"])
        self.assertEqual(self.seqs("--last", "1", "--name", "load"), ["cellar/1"])
        self.assertEqual(self.seqs("--last", "0"), [])

    def test_relative_times_are_ago(self):
        now = time.time()
        self.make(f"stream s plain\nreceived {now:.0f}\n"
                  f"reading {now - 90000:.0f} old: 1\nblock\nreading {now - 60:.0f} new: 2\ncommit")
        for ago in ("-1h", "1h", "2m", "100s", "1d", "1w"):
            expected = ["s/1", "s/2"] if ago == "1w" else ["s/2"]
            self.assertEqual(self.seqs("--since", ago), expected, ago)
        today = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        self.assertEqual(self.seqs("--since", today.date().isoformat()), [])
        self.assertEqual(self.seqs("--until", "-1d"), ["s/1"])
        self.assertEqual(self.seqs("--until=now"), ["s/1", "s/2"])

    def test_empty_store_says_so_and_is_no_fault(self):
        self.make("")
        done = self.log("readings")
        self.assertEqual((done.stdout, done.stderr), ("", "no readings yet\n"))
        self.assertEqual(self.rows(), ROWS[:1])
        self.assertEqual(json.loads(self.log("readings", "--format", "json").stdout), [])
        self.assertEqual(self.log("sensors").stderr, "no sensors yet\n")
        self.assertEqual(self.log("gaps").stderr, "no gaps yet\n")
        self.assertEqual(self.log("verify").stderr, "no streams yet\n")

    def test_python_reads_the_same_from_the_view(self):
        self.make()
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as database:
            rows = database.execute(
                "SELECT received, time, sensor, name, value, unit, stream, seq FROM readings").fetchall()
        database.close()
        self.assertEqual(rows[0], (1764000000.25, 1764000000.0, "weather-1", "temperature", 22, "Cel", A, 1))
        self.assertEqual(rows[2][1], None)
        self.assertEqual([row[7] for row in rows], [1, 2, 1, 6, 7])


class Lists(LogTest):
    def test_sensors_are_listed_with_their_counts(self):
        self.make()
        out = self.log("sensors", "--format", "csv").stdout
        rows = list(csv.DictReader(io.StringIO(out)))
        self.assertEqual([(r["sensor"], r["readings"], r["streams"]) for r in rows],
                         [("cellar", "1", "1"), ("weather-1", "4", "1")])
        self.assertEqual(rows[1]["first_seen"], "1764000000.25")
        self.assertEqual(rows[1]["last_seen"], "1764000003")
        self.assertEqual(json.loads(self.log("sensors", "--format", "json").stdout)[0]["readings"], 1)
        self.assertIn("2025-11-24T16:00:03.000Z", self.log("sensors").stdout)

    def sensors(self):
        out = self.log("sensors", "--format", "csv").stdout
        return {row["sensor"]: (row["cert_days"], row["clock"])
                for row in csv.DictReader(io.StringIO(out))}

    def test_sensors_are_listed_with_days_left_of_their_certificates_and_their_clocks(self):
        now = time.time()
        self.make(f"received {now:.0f}\n"
                  f"until {now + 5.5 * 86400:.0f}\nstream barn {A}\nclock 12345\ncommit\n"
                  f"until {now - 0.5 * 86400:.0f}\nstream old {A}\nclock -1764000000250000\ncommit\n"
                  f"until {now + 0.5 * 86400:.0f}\nstream silent {A}\ncommit\n")
        self.assertEqual(self.sensors(), {"barn": ("5", "0.012345"), "silent": ("0", ""),
                                          "old": ("-1", "-1764000000.25")})
        rows = json.loads(self.log("sensors", "--format", "json").stdout)
        self.assertEqual([(row["cert_days"], row["clock"]) for row in rows],
                         [(5, 0.012345), (-1, -1764000000.25), (0, None)])
        lines = self.log("sensors").stdout.splitlines()
        self.assertEqual(lines[0].split()[-2:], ["cert_days", "clock"])
        self.assertRegex(lines[1], r" 5 +\+0\.012 s$")
        self.assertRegex(lines[2], r" -1 +-1764000000\.250 s$")
        self.assertRegex(lines[3], r" 0 +-$")

    def test_sensors_of_a_store_of_version_1_are_listed_without_them(self):
        self.make()
        with sqlite3.connect(self.store) as database:
            for column in ("cert_until", "clock_offset", "clock_told"):
                database.execute(f"ALTER TABLE sensors DROP COLUMN {column}")
            database.execute("PRAGMA user_version = 1")
        database.close()
        self.assertEqual(self.sensors(), {"cellar": ("", ""), "weather-1": ("", "")})
        self.assertEqual(self.rows(), ROWS)
        self.make("stream cellar plain\ncommit")  # as a server does: now it is of version 2
        self.assertEqual(self.sensors()["weather-1"], ("", ""))
        self.assertRegex(self.sensors()["cellar"][0], r"^\d+$")

    def test_gaps_are_listed_with_their_reason(self):
        self.make()
        gaps = json.loads(self.log("gaps", "--format", "json").stdout)
        self.assertEqual(gaps, [{"received": 1764000003, "sensor": "weather-1", "stream": A,
                                 "first": 3, "last": 5, "reason": "spool-full"}])
        self.assertEqual(self.log("gaps", "--sensor", "cellar").stdout, "")

    def test_verify_of_a_sound_store_is_zero_with_one_line_a_stream(self):
        self.make()
        self.assertEqual(self.log("verify").stdout.splitlines(), [
            f"weather-1 {A} 1..7: 4 readings, 3 in gaps, complete",
            "cellar plain 1..1: 1 readings, 0 in gaps, complete",
        ])

    def test_verify_of_a_store_with_a_hole_is_one(self):
        self.make()
        with sqlite3.connect(self.store) as database:
            database.execute("DELETE FROM gaps")
        database.close()
        out = self.log("verify", code=1).stdout
        self.assertIn(f"weather-1 {A} 1..7: 4 readings, 0 in gaps, 3 MISSING from 3 on\n", out)

    def test_verify_of_a_sensor_that_the_store_does_not_know_is_no_verdict(self):
        self.make()
        done = self.log("verify", "--sensor", "weather-l", code=EX_NOINPUT)
        self.assertEqual(done.stdout, "")
        self.assertIn("knows no sensor 'weather-l'", done.stderr)
        self.assertEqual(self.log("verify", "--sensor", "cellar").stdout,
                         "cellar plain 1..1: 1 readings, 0 in gaps, complete\n")


class Plot(LogTest):
    def test_plot_has_a_line_for_each_stretch_of_time(self):
        self.make("stream s plain\nreceived 1764000000\n" + "\n".join(
            f"reading {1764000000 + at} t: {value} Cel"
            for at, value in ((0, 10), (1, 20), (30, 30), (61, 40))) + "\ncommit")
        lines = self.log("plot", "--sensor", "s", "--name", "t").stdout.splitlines()
        self.assertEqual(lines[0], "s t [Cel]: 4 readings, a line is 5 s: o mean, - least to greatest")
        self.assertEqual(lines[1].split(), ["time", "(UTC)", "mean", "10", "40"])
        self.assertEqual(len(lines), 2 + 13)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertEqual(lines[2], "2025-11-24T16:00:00          15  --------o-------")
        self.assertEqual(lines[3], "2025-11-24T16:00:05")
        self.assertEqual(lines[8], "2025-11-24T16:00:30          30  " + " " * 30 + "o")
        self.assertEqual(lines[14], "2025-11-24T16:01:00          40  " + " " * 45 + "o")

    def test_plot_takes_any_numbers_and_times(self):
        self.make("stream s plain\nreceived 1764000000\nreading 0 t: 1.7e308\nblock\n"
                  "reading 253402300799 t: -1.7e308\nblock\nreading 1 t: 1.7e308\ncommit\n"
                  "stream one plain\nreading - t: 7\ncommit")
        lines = self.log("plot", "--sensor", "s").stdout.splitlines()
        self.assertLessEqual(len(lines), 23)
        self.assertIn("inf", lines[2])
        self.assertEqual(len(self.log("plot", "--sensor", "one").stdout.splitlines()), 3)

    def test_plot_of_several_series_asks_which(self):
        self.make()
        done = self.log("plot", code=EX_USAGE)
        self.assertEqual(done.stdout, "")
        self.assertIn("weather-1 temperature [Cel] as well as weather-1 humidity [%RH]", done.stderr)

    def test_plot_of_a_name_with_several_units_asks_which_and_takes_one(self):
        self.make("stream s plain\nreceived 1764000000\nreading - t: 15 Cel\nreading - t: 288 K\n"
                  "reading - t: 16 Cel\nreading - t: 7\ncommit")
        done = self.log("plot", "--sensor", "s", "--name", "t", code=EX_USAGE)
        self.assertEqual(done.stdout, "")
        self.assertIn("s t [Cel] as well as s t [K]: choose with --sensor, --name and --unit\n",
                      done.stderr)
        for unit, words in (("Cel", "s t [Cel]: 2 readings,"), ("K", "s t [K]: 1 readings,"),
                            ("-", "s t: 1 readings,")):
            with self.subTest(unit=unit):
                plot = self.log("plot", "--sensor", "s", "--name", "t", "--unit", unit).stdout
                self.assertTrue(plot.startswith(words), plot)
        self.assertEqual(self.log("plot", "--unit", "k").stderr, "no readings to plot\n")

    def test_plot_of_nothing_says_so(self):
        self.make("")
        done = self.log("plot")
        self.assertEqual((done.stdout, done.stderr), ("", "no readings to plot\n"))


class Tail(LogTest):
    def start_tail(self, *arguments):
        tail = subprocess.Popen(
            [LOG, "--store", self.store, "tail", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.addCleanup(self.end, tail)
        return tail

    def test_tail_follows_a_live_store_and_ends_after_its_count(self):
        maker = self.start_maker()
        self.tell(maker, "stream s plain\nreceived 1764000000\nreading - old: 1\ncommit")
        tail = self.start_tail("--format", "json", "--count", "2")
        self.assertEqual(json.loads(tail.stdout.readline())["name"], "old")
        self.tell(maker, "reading - new: 2\ncommit")
        self.assertEqual(json.loads(tail.stdout.readline())["name"], "new")
        self.assertIsNone(tail.poll())
        self.tell(maker, "reading - newer: 3\nreading - newest: 4\ncommit")
        out, error = tail.communicate(timeout=DEADLINE)
        self.assertEqual([json.loads(line)["name"] for line in out.splitlines()], ["newer"])
        self.assertEqual((tail.returncode, error), (0, ""))

    def test_tail_shows_the_last_ten_first_or_as_many_as_told(self):
        self.make("stream s plain\nreceived 1764000000\n" +
                  "\n".join(f"reading - n: {i}" for i in range(1, 16)) + "\ncommit")
        for arguments, first in ((["--last", "3"], 13), ([], 6)):
            tail = self.start_tail("--format", "influx", *arguments)
            for value in range(first, 16):
                self.assertIn(f" value={value} ", tail.stdout.readline())
            tail.terminate()
            self.assertEqual(tail.wait(timeout=DEADLINE), -signal.SIGTERM)

    def test_tail_filters_by_sensor(self):
        maker = self.start_maker()
        self.tell(maker, "stream a plain\nreceived 1764000000\nreading - x: 1\ncommit")
        tail = self.start_tail("--sensor", "b", "--format", "csv", "--count", "1")
        self.assertEqual(tail.stdout.readline().strip(), ",".join(ROWS[0]))
        self.tell(maker, "reading - x: 2\nstream b plain\nreading - y: 3\ncommit")
        out, _ = tail.communicate(timeout=DEADLINE)
        self.assertEqual(len(out.splitlines()), 1)
        self.assertIn(",b,y,3,", out)

    def test_tail_ends_by_itself_when_nobody_reads_it_any_more(self):
        self.make()
        tail = self.start_tail("--format", "csv")
        tail.stdout.readline()
        tail.stdout.close()
        tail.stdout = None
        self.assertEqual(tail.wait(timeout=DEADLINE), 0)
        self.assertEqual(tail.stderr.read(), "")


class Endings(LogTest):
    def test_no_such_store_is_66(self):
        done = self.log("readings", code=EX_NOINPUT)
        self.assertIn(str(self.store), done.stderr)
        self.assertIn("No such file", done.stderr)

    def test_not_a_store_is_65_and_left_as_it_is(self):
        for content in (b"", b"temperature: 22\n", os.urandom(8192)):
            self.store.write_bytes(content)
            self.log("readings", code=EX_DATAERR)
            self.assertEqual(self.store.read_bytes(), content)

    def test_wrong_usage_is_64_with_one_sentence(self):
        self.make()
        for arguments in (
            [], ["nonsense"], ["readings", "tail"], ["readings", "--format", "xml"],
            ["sensors", "--format", "senml"], ["verify", "--format", "csv"], ["plot", "--format", "csv"],
            ["readings", "--since", "yesterday-ish"], ["readings", "--since", "-"],
            ["readings", "--until", "2026-13-01"], ["readings", "--last", "-1"],
            ["readings", "--count", "3"], ["gaps", "--last", "3"], ["readings", "--nonsense"],
        ):
            with self.subTest(arguments):
                done = self.log(*arguments, code=EX_USAGE)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Asensorlink-log: [^\n]+\n\Z")

    def test_full_disk_under_the_output_is_74(self):
        self.make()
        for command in (["readings"], ["sensors"], ["gaps"], ["verify"], ["tail", "--count", "1"]):
            with self.subTest(command), open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run(
                    [LOG, "--store", self.store, *command], stdout=full, stderr=subprocess.PIPE,
                    text=True, timeout=DEADLINE, check=False)
                self.assertEqual(done.returncode, EX_IOERR)
                self.assertIn("No space left on device", done.stderr)

    def test_closed_pipe_ends_quietly(self):
        self.make("stream s plain\nreceived 1764000000\n" +
                  "\n".join(f"reading - n: {i}" for i in range(20000)) + "\ncommit")
        for form in ("table", "csv", "json", "senml", "influx"):
            with self.subTest(form):
                log = subprocess.Popen(
                    [LOG, "--store", self.store, "readings", "--format", form],
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(self.end, log)
                log.stdout.readline()
                log.stdout.close()
                log.stdout = None
                self.assertEqual(log.wait(timeout=DEADLINE), 0)
                self.assertEqual(log.stderr.read(), "")

    def test_help_fits_a_terminal_and_names_every_command(self):
        out = self.log("--help").stdout
        lines = out.splitlines()
        self.assertLess(len(lines), 24)  # with the prompt below
        self.assertLessEqual(max(map(len, lines)), 80)
        for word in ("sensors", "readings", "gaps", "tail", "plot", "verify", "--store", "--since", "--format"):
            self.assertIn(word, out)

    def test_version_is_the_programs(self):
        self.assertRegex(self.log("--version").stdout, r"\Asensorlink-log \d+\.\d+\.\d+\n\Z")

    @unittest.skipUnless(os.getuid() == 0, "only root can become somebody else")
    def test_folder_that_is_not_writable_gets_a_clear_sentence(self):
        self.make()
        self.store.chmod(0o644)
        self.folder.chmod(0o755)
        program = self.folder / "sensorlink-log"
        shutil.copy(LOG, program)
        self.assertEqual(sorted(p.name for p in self.folder.glob("readings.db-*")), [])
        done = subprocess.run(
            [program, "--store", self.store, "readings"], user=65534, group=65534, extra_groups=[],
            capture_output=True, text=True, timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, EX_NOINPUT, done.stderr)
        self.assertIn("isn't writable for this user", done.stderr)

    def test_reading_beside_a_server_does_not_hinder_it(self):
        maker = self.start_maker()
        self.tell(maker, "stream s plain\nreceived 1764000000\nreading - x: 1\ncommit")
        for value in range(2, 6):
            self.assertEqual(len(self.rows()), value)
            self.tell(maker, f"reading - x: {value}\ncommit")
        maker.stdin.close()
        self.assertEqual(maker.wait(timeout=DEADLINE), 0)
        maker.stdin = None
        self.assertEqual(self.seqs(), [f"s/{i}" for i in range(1, 6)])


if __name__ == "__main__":
    unittest.main()
