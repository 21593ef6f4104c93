#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a sensor that is in may say to sensorlink-server, and what it gets for saying anything else.

The sensors are Python's ssl and `openssl s_client`, as outside clients would be.
"""

import contextlib
import datetime
import hashlib
import re
import select
import sqlite3
import subprocess
import time
import unittest

from pki import wait_for
from programs import ALPN, DEADLINE, SLOW, SystemTest

SEQ_MAX = 2**63 - 1
FLOOD = 30_000 if SLOW else 1_000_000


class SessionTest(SystemTest):
    """A server and a sensor for the class; each test has a stream of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.attic = cls.pki.leaf("attic")
        cls.server = cls.start_shared_server()

    def setUp(self):
        self.stream = hashlib.sha256(self.id().encode()).hexdigest()[:32]

    def sensor(self, **options):
        return self.connect(self.server, self.attic, **options)

    def open(self):
        sensor = self.sensor()
        self.assertEqual(sensor.open(self.stream), (0, "attic"))
        return sensor

    def numbers(self):
        return self.server.numbers(self.stream)

    def gaps(self):
        return self.server.gaps(self.stream)


class AcknowledgedTest(SessionTest):
    def test_readings_are_stored_in_order_and_acknowledged(self):
        sensor = self.open()
        sensor.say("1 - temperature: 15", "2 1763899200.25 humidity: 48.50 %RH", "3 0 t: -1e3")
        self.assertEqual(sensor.wait_ack(3), [])
        rows = self.server.query(
            "SELECT seq, time, sensor, name, value, unit FROM readings WHERE stream = ?",
            self.stream)
        self.assertEqual(rows, [(1, None, "attic", "temperature", 15, None),
                                (2, 1763899200.25, "attic", "humidity", 48.5, "%RH"),
                                (3, 0, "attic", "t", -1000, None)])
        self.server.wait_for(r"attic  humidity: 48\.5 %RH\n")

    def test_welcome_has_the_servers_clock(self):
        sensor = self.sensor()
        sensor.say(f"stream {self.stream}")
        told = float(sensor.line().split()[2])
        self.assertLess(abs(told - time.time()), DEADLINE)

    def test_stream_of_checks_is_welcomed_takes_nothing_and_leaves_nothing(self):
        before = self.server.query("SELECT count(*) FROM streams")
        first, second = self.sensor(), self.sensor()
        for sensor in (first, second):
            self.assertEqual(sensor.open("f" * 32), (0, "attic"))
        second.close()
        first.say("1 - t: 1")  # wasn't taken over by the second one
        self.assertEqual(first.wait_bye("check-stream"), [])
        with self.sensor() as hasty:
            hasty.say("stream " + "f" * 32, "gap 1 2 test", "3 - t: 1")
            self.assertRegex(hasty.line(), r"\Awelcome 0 ")
            self.assertEqual(hasty.wait_bye("check-stream"), [])
        self.assertEqual(self.server.query("SELECT count(*) FROM streams"), before)

    def test_welcome_after_reconnecting_names_the_last_number_stored(self):
        sensor = self.open()
        sensor.say("1 - t: 1", "2 - t: 2", "gap 3 7 test")
        sensor.wait_ack(7)
        sensor.close()
        again = self.sensor()
        self.assertEqual(again.open(self.stream), (7, "attic"))
        again.say("8 - t: 8")
        again.wait_ack(8)
        self.assertEqual(self.numbers(), [1, 2, 8])
        self.assertEqual(self.gaps(), [(3, 7, "test")])

    def test_welcome_is_the_only_answer_before_the_first_reading(self):
        sensor = self.open()
        sensor.say("1 - t: 1")
        self.assertEqual(sensor.line(), "ack 1")

    def clock_of(self, sensor):
        [(offset_us, told_us)] = self.server.query(
            "SELECT clock_offset, clock_told FROM sensors WHERE name = ?", sensor)
        return offset_us, told_us

    def test_clock_is_noted_with_the_readings_and_not_answered(self):
        sensor = self.connect(self.server, self.pki.leaf("clock-1"))
        sensor.open(self.stream)
        self.assertEqual(self.clock_of("clock-1"), (None, None))
        sensor.say("clock +7", "1 - t: 1", "clock -0.25", "2 - t: 2")
        self.assertEqual(sensor.wait_ack(2), [])
        offset_us, told_us = self.clock_of("clock-1")
        self.assertEqual(offset_us, -250000)
        self.assertLess(abs(told_us / 1e6 - time.time()), DEADLINE)
        self.assertEqual(self.numbers(), [1, 2])

    def test_clock_told_without_readings_is_noted_at_the_end(self):
        sensor = self.connect(self.server, self.pki.leaf("clock-2"))
        sensor.open(self.stream)
        sensor.say(*(f"clock +{number}.5" for number in range(2000)))
        sensor.close()
        self.assertEqual(self.clock_of("clock-2")[0], 1999500000)

    def test_clock_waits_for_readings_to_go_to_disk_with(self):
        sensor = self.connect(self.server, self.pki.leaf("clock-3"))
        sensor.open(self.stream)
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        # The first number sent again is compared in the store, later ones are just acknowledged.
        for _ in range(30):
            sensor.say("1 - t: 1", "clock +3")
            self.assertEqual(sensor.line(), "ack 1")
        self.assertIn(self.clock_of("clock-3")[0], (None, 3000000))
        for number in range(30):
            sensor.say(f"clock +{number}", "1 - t: 1")
            self.assertEqual(sensor.line(), "ack 1")
            self.assertIn(self.clock_of("clock-3")[0], (None, 3000000))
        sensor.say("2 - t: 2")
        sensor.wait_ack(2)
        self.assertEqual(self.clock_of("clock-3")[0], 29000000)

    def test_clock_that_is_none_ends_the_session(self):
        for line in ("clock", "clock 5", "clock +5 s", "clock +0.1234567", "clock -100000000001"):
            with self.subTest(line=line):
                sensor = self.sensor()
                sensor.open(self.stream)
                sensor.say(line)
                self.assertEqual(sensor.wait_bye("bad-offset"), [])

    def test_end_of_a_sensors_certificate_is_noted(self):
        end = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        for days in (3, 4):
            pair = self.pki.leaf("renewed", not_after=end + datetime.timedelta(days))
            with self.connect(self.server, pair) as sensor:
                sensor.open(self.stream)
            [(until_us,)] = self.server.query(
                "SELECT cert_until FROM sensors WHERE name = 'renewed'")
            # The second of notAfter is the last good one.
            self.assertEqual(until_us, int((end.timestamp() + days * 86400 + 1) * 1e6))

    def test_number_sent_again_is_acknowledged_again_and_stored_once(self):
        sensor = self.open()
        sensor.say("1 - t: 1", "2 - t: 2", "3 - t: 3")
        sensor.wait_ack(3)
        for again in ("2 - t: 2", "1 - t: 1", "3 - t: 3"):
            sensor.say(again)
            self.assertEqual(sensor.line(), "ack 3")
        sensor.say("4 - t: 4")
        self.assertEqual(sensor.line(), "ack 4")
        self.assertEqual(self.numbers(), [1, 2, 3, 4])

    def test_number_sent_again_with_another_reading_ends_the_session_and_changes_nothing(self):
        sensor = self.open()
        sensor.say("1 - t: 1", "2 - t: 2")
        sensor.wait_ack(2)
        sensor.say("2 - bad: 99", "3 - bad: 99")
        sensor.wait_bye("stream-diverged")
        self.assertEqual(self.numbers(), [1, 2])
        self.assertNotIn(("bad", 99), self.server.readings())

    def test_gap_that_reaches_back_counts_from_the_next_number(self):
        sensor = self.open()
        sensor.say("1 - t: 1", "2 - t: 2")
        sensor.wait_ack(2)
        sensor.say("gap 1 5 spool-full")
        sensor.wait_ack(5)
        self.assertEqual((self.numbers(), self.gaps()), ([1, 2], [(3, 5, "spool-full")]))

    def test_gap_up_to_the_highest_number_leaves_none(self):
        sensor = self.open()
        sensor.say(f"gap 1 {SEQ_MAX} test")
        sensor.wait_ack(SEQ_MAX)
        sensor.say(f"{SEQ_MAX} - t: 1")
        self.assertEqual(sensor.line(), f"ack {SEQ_MAX}")
        sensor.say(f"{SEQ_MAX + 1} - t: 1")
        sensor.wait_bye("bad-sequence")
        self.assertEqual(self.gaps(), [(1, SEQ_MAX, "test")])

    def test_readings_that_are_none_are_refused_and_recorded_as_gaps(self):
        bad = [
            (b"t: nan", "not-a-number|not-finite"), (b"t: inf", "not-a-number|not-finite"),
            (b"t: -Infinity", "not-a-number|not-finite"), (b"t: 1e999", "not-finite"),
            (b"t: 0x10", "not-a-number"), (b"t: 1,5", "not-a-number"),
            (b"t: 1.5.2", "not-a-number"),
            (b"t: --1", "not-a-number"), (b"t: ", "no-value"), (b"t:", "no-value"),
            (b": 22", "bad-name"), (b"9t: 22", "bad-name"), (b"a b: 22", "bad-name"),
            (b"t" * 65 + b": 1", "bad-name"), (b"no colon", "no-colon"),
            (b"t: 1 too many", "bad-unit"), (b"t: 1 " + b"u" * 17, "bad-unit"),
            (b"t: 1\0", "not-text"), (b"t\0: 1", "not-text"), (b"t: 1 \xff", "not-text"),
            (b"t: 1 \xc0\x80", "not-text"), (b"t: 1 \xed\xa0\x80", "not-text"),
            (b"\xfe\xff: 1", "not-text"), (b"t: 1 \x1b[2J", "not-text"),
            ("t: 1 \u202e".encode(), "bad-unit|not-text"),
        ]
        sensor = self.open()
        sensor.send(b"".join(b"%d - %s\n" % (number, line)
                             for number, (line, _) in enumerate(bad, 1)))
        sensor.say(f"{len(bad) + 1} - t: 1")
        answers = sensor.wait_ack(len(bad) + 1)
        self.assertEqual(len(answers), len(bad), answers)
        for number, ((line, reason), answer) in enumerate(zip(bad, answers), 1):
            self.assertRegex(answer, rf"\Arefused {number} ({reason}) \S.*\Z", line)
        self.assertEqual(self.numbers(), [len(bad) + 1])
        recorded = [(first, last, reason) for first, last, reason in self.gaps()]
        self.assertEqual([gap for first, last, _ in recorded for gap in range(first, last + 1)],
                         list(range(1, len(bad) + 1)))
        # Neighbours with the same reason share a row; each number stands under its own reason.
        reasons = {seq: reason for first, last, reason in recorded
                   for seq in range(first, last + 1)}
        for number, (line, reason) in enumerate(bad, 1):
            self.assertRegex(reasons[number], rf"\A({reason})\Z", line)
        # What a sensor sends can't move a terminal's cursor.
        self.assertNotRegex(self.server.output, r"[\x00-\x08\x0b-\x1f\x7f]")

    def ends(self, reason, *lines, stream=None):
        """The lines end the session with the reason; what came before them is stored."""
        self.stream = stream or self.stream
        sensor = self.open()
        sensor.say("1 - t: 1")
        sensor.send(b"".join(line if isinstance(line, bytes) else line.encode() + b"\n"
                             for line in lines) + b"2 - bad: 1\n")
        before = sensor.wait_bye(reason)
        self.assertEqual(before[-1:], ["ack 1"], before)
        self.assertEqual((self.numbers(), self.gaps()), ([1], []))
        self.server.wait_for(rf"ending attic \(127.0.0.1:{sensor.port}\): {reason}: .")

    def test_lines_outside_the_grammar_end_the_session_and_what_came_before_is_stored(self):
        cases = [
            ("sequence-jump", "3 - t: 1"), ("sequence-jump", f"{SEQ_MAX} - t: 1"),
            ("sequence-jump", "gap 3 4 test"),
            ("bad-sequence", "0 - t: 1"), ("bad-sequence", "-1 - t: 1"),
            ("bad-sequence", "+2 - t: 1"), ("bad-sequence", "02 - t: 1"),
            ("bad-sequence", f"{SEQ_MAX + 1} - t: 1"), ("bad-sequence", f"{2**64 + 2} - t: 1"),
            ("bad-sequence", "2.0 - t: 1"), ("bad-sequence", "gap 4 3 test"),
            ("bad-sequence", "gap 0 3 test"), ("bad-sequence", f"gap 2 {SEQ_MAX + 1} test"),
            ("bad-reason", "gap 2 3 Test"), ("bad-reason", "gap 2 3 " + "a" * 49),
            ("bad-time", "2 yesterday t: 1"), ("bad-time", "2 1.1234567 t: 1"),
            ("bad-time", "2 nan t: 1"),
            ("not-a-message", "ack 1"), ("not-a-message", "welcome 1 0 attic"),
            ("not-a-message", "refused 2 x y"), ("not-a-message", "bye 0 idle x"),
            ("not-a-message", "temperature: 22"), ("not-a-message", "2"),
            ("not-a-message", ""), ("not-a-message", b"\0\n"), ("not-a-message", b"\xff\xfe\n"),
            ("not-a-message", "gap 2"), ("stream-twice", "stream " + "a" * 32),
            ("line-too-long", "2 - t: 1 " + "u" * 504), ("line-too-long", b"2" * 4096 + b"\n"),
        ]
        for number, (reason, line) in enumerate(cases):
            with self.subTest(line=line[:60]):
                self.ends(reason, line, stream=f"{number:032x}")

    def test_line_without_end_ends_the_session_at_the_limit(self):
        sensor = self.open()
        lines = sensor.pump((b"7" * 16000 for _ in range(1000)), lambda line: "bye" in line)
        self.assertRegex(lines[-1], r"\Abye \d+ line-too-long .")

    def test_line_of_just_512_bytes_is_taken(self):
        sensor = self.open()
        line = "1 - t: 1"
        sensor.send(line.encode() + b" " * (510 - len(line)) + b"\r\n")
        sensor.wait_ack(1)
        self.assertEqual(self.numbers(), [1])

    def test_session_that_begins_with_anything_but_its_stream_ends(self):
        for line in ("1 - t: 1", "temperature: 22", "stream", "stream " + "a" * 31,
                     "stream " + "a" * 33, "stream " + "A" * 32, "stream plain", "GET / HTTP/1.1"):
            with self.subTest(line=line):
                sensor = self.sensor()
                sensor.say(line, "1 - bad: 1")
                self.assertEqual(sensor.wait_bye("stream-expected"), [])
        self.assertNotIn(("bad", 1), self.server.readings())

    def test_name_is_the_certificates_whatever_the_sensor_says(self):
        sensor = self.sensor()
        sensor.say("stream " + self.stream + " cellar")
        sensor.wait_bye("stream-expected")
        sensor = self.open()
        sensor.say("1 - sensor: 1", "2 - cellar.attic: 2", "3 - welcome: 3")
        sensor.wait_ack(3)
        sensor.close()
        plain = self.sensor(alpn=False)
        plain.say("cellar: 1")
        plain.close()
        wait_for(lambda: ("cellar", 1) in self.server.readings("attic"), DEADLINE)
        self.assertNotIn("cellar", self.server.sensors())

    def test_line_split_over_many_records_is_one_line(self):
        sensor = self.open()
        for byte in b"1 1763899200.5 temperature: 22.5 Cel\n":
            sensor.send(bytes([byte]))
        sensor.wait_ack(1)
        self.assertIn(("temperature", 22.5), self.server.readings())

    def test_many_lines_in_one_record_are_many_readings(self):
        sensor = self.open()
        sensor.send("".join(f"{n} - t: {n}\n" for n in range(1, 701)).encode())
        sensor.wait_ack(700)
        self.assertEqual(self.numbers(), list(range(1, 701)))

    def test_lines_that_end_like_those_of_windows_are_taken(self):
        sensor = self.open()
        sensor.send(b"1 - t: 1\r\n2 - t: 2 Cel\r\n")
        sensor.wait_ack(2)
        self.assertEqual(self.numbers(), [1, 2])

    def test_readings_sent_before_the_welcome_are_taken_after_it(self):
        sensor = self.sensor()
        sensor.send(f"stream {self.stream}\n".encode()
                    + "".join(f"{n} - t: {n}\n" for n in range(1, 101)).encode())
        self.assertRegex(sensor.line(), r"\Awelcome 0 \d+(\.\d+)? attic\Z")
        sensor.wait_ack(100)
        self.assertEqual(self.numbers(), list(range(1, 101)))

    def test_second_session_of_a_stream_takes_it_over_and_the_first_one_is_told(self):
        first = self.open()
        first.say("1 - t: 1", "2 - t: 2")
        first.wait_ack(2)
        second = self.sensor()
        self.assertEqual(second.open(self.stream), (2, "attic"))
        self.assertEqual(first.wait_bye("stream-taken-over"), [])
        second.say("3 - t: 3", "4 - t: 4")
        second.wait_ack(4)
        self.assertEqual(self.numbers(), [1, 2, 3, 4])

    def test_session_whose_stream_was_moved_on_beside_it_ends_and_stores_nothing_more(self):
        sensor = self.open()
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        with contextlib.closing(sqlite3.connect(self.server.store)) as store, store:
            store.execute("UPDATE streams SET last = 2 WHERE stream = ?", (self.stream,))
        sensor.say("2 - t: 2")
        self.assertEqual(sensor.wait_bye("stream-conflict"), [])
        self.assertEqual(self.numbers(), [1])

    def test_same_stream_number_of_another_sensor_is_another_stream(self):
        sensor = self.open()
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        other = self.connect(self.server, self.pki.leaf("loft"))
        self.assertEqual(other.open(self.stream), (0, "loft"))
        other.say("1 - loft: 1")
        other.wait_ack(1)
        self.assertEqual(self.server.readings("loft"), [("loft", 1)])
        self.assertNotIn(("loft", 1), self.server.readings("attic"))

    def test_close_notify_in_the_middle_of_a_line_keeps_whole_lines_only(self):
        sensor = self.open()
        sensor.say("1 - t: 1")
        sensor.send(b"2 - t: 2")
        sensor.close()
        self.server.wait_for(rf"no more data from attic \(127.0.0.1:{sensor.port}\), 1 reading")
        self.assertEqual(self.numbers(), [1])


class FloodTest(SystemTest):
    def test_a_million_lines_without_a_pause_are_all_stored_in_bounded_memory(self):
        server = self.start_server("--quiet")
        sensor = self.connect(server, self.pki.leaf("attic"))
        sensor.open()
        before = server.peak_memory()
        numbers = iter(range(1, FLOOD + 1, 500))
        chunks = ("".join(f"{n} - n: {n}\n" for n in range(first, min(first + 500, FLOOD + 1)))
                  .encode() for first in numbers)
        lines = sensor.pump(chunks, lambda line: line == f"ack {FLOOD}")
        self.assertEqual(lines[-1], f"ack {FLOOD}")
        acks = [int(re.fullmatch(r"ack (\d+)", line)[1]) for line in lines]
        self.assertEqual(acks, sorted(set(acks)))
        if not SLOW:
            self.assertLess(server.peak_memory() - before, 32 << 20)
        self.assertEqual(
            server.query("SELECT count(*), count(DISTINCT seq), min(seq), max(seq), "
                         "sum(value = seq) FROM readings"),
            [(FLOOD, FLOOD, 1, FLOOD, FLOOD)])
        sensor.close()
        server.stop()

    def test_sensor_that_never_reads_is_held_back_and_loses_nothing(self):
        # Answers (a refusal for each line) pile up until the server stops reading: TCP holds.
        server = self.start_server("--quiet", "--drain-timeout", "1s")
        sensor = self.connect(server, self.pki.leaf("attic"))
        sensor.open()
        before = server.peak_memory()
        sensor.socket.settimeout(5 if SLOW else 1)
        sent = 0
        with self.assertRaises(TimeoutError, msg="the server took it all"):
            while sent < 4_000_000:
                lines = (f"{n} - n: nan\n" for n in range(sent + 1, sent + 501))
                sensor.send("".join(lines).encode())
                sent += 500
        if not SLOW:
            self.assertLess(server.peak_memory() - before, 32 << 20)
        good = self.connect(server, self.pki.leaf("cellar"))
        good.open("4" * 32)
        good.say("1 - t: 1")
        good.wait_ack(1)
        good.close()
        server.stop()
        self.assertEqual(server.readings(), [("t", 1)])


class IdleTest(SystemTest):
    def test_idle_sensor_is_told_so_and_ended(self):
        server = self.start_server("--idle-timeout", "1s")
        sensor = self.connect(server, self.pki.leaf("attic"))
        sensor.open()
        sensor.say("1 - t: 1")
        sensor.wait_ack(1)
        self.assertEqual(sensor.wait_bye("idle"), [])
        plain = self.connect(server, self.pki.leaf("attic"), alpn=False)
        self.assertIsNone(plain.line())
        self.assertEqual(len(re.findall(r"ending attic \(\S+\): idle: ", server.output)), 2)
        server.stop()

    def test_idle_sensor_is_ended_however_busy_others_keep_the_server(self):
        server = self.start_server("--quiet", "--idle-timeout", "2s", "--io-threads", "1")
        idle = self.connect(server, self.pki.leaf("attic"))
        idle.open()
        busy = self.connect(server, self.pki.leaf("cellar"))
        busy.open("5" * 32)
        end, number = time.monotonic() + DEADLINE / 3, 0
        # An answer each few hundredths of a second: more often than the server looks at its clock.
        while not select.select([idle.socket], [], [], 0.02)[0]:
            self.assertLess(time.monotonic(), end, "the idle one was forgotten")
            number += 1
            busy.say(f"{number} - t: 1")
            busy.wait_ack(number)
        self.assertEqual(idle.wait_bye("idle"), [])
        busy.close()
        server.stop()

    def test_max_line_is_kept(self):
        server = self.start_server("--max-line", "64")
        sensor = self.connect(server, self.pki.leaf("attic"))
        sensor.open()
        sensor.say("1 - t: 1".ljust(63), "2 - t: 2".ljust(64))
        self.assertEqual(sensor.wait_bye("line-too-long"), ["ack 1"])
        server.stop()


class PlainTest(SessionTest):
    """Plain lines: what `openssl s_client` and any TLS library can send."""

    def setUp(self):
        super().setUp()
        self.name = "p" + self.stream[:12]
        self.pair = self.pki.leaf(self.name)

    def plain(self, pair=None):
        return self.connect(self.server, pair or self.pair, alpn=False)

    def logged(self):
        return self.server.readings(self.name)

    def wait_logged(self, count):
        wait_for(lambda: len(self.logged()) >= count, DEADLINE, f"{count} readings of {self.name}")
        return self.logged()

    def test_plain_lines_of_the_tutorial_are_logged_in_order_and_not_answered(self):
        values = (15, 22, 21, 26, 25, 19)
        sensor = self.plain()
        for value in values:
            sensor.say(f"temperature: {value}")
        self.assertEqual(self.wait_logged(6), [("temperature", value) for value in values])
        # The clock is the server's.
        rows = self.server.query(
            "SELECT received, time, stream, seq FROM readings WHERE sensor = ?", self.name)
        self.assertEqual([row[1:] for row in rows], [(None, "plain", n) for n in range(1, 7)])
        self.assertLess(abs(rows[0][0] - time.time()), DEADLINE)
        sensor.socket.unwrap()
        story = self.server.wait_for(
            rf"(?s)authenticated (\S+) as {self.name} with TLSv1\.[23], \S+, plain lines\n.*"
            rf"no more data from {self.name} \(\1\), 6 readings logged")[0]
        self.assertEqual(re.findall(rf"{self.name}  temperature: (\d+)", story),
                         [str(value) for value in values])

    def test_plain_numbers_go_on_in_the_next_session(self):
        for value in (1, 2):
            sensor = self.plain()
            sensor.say(f"t: {value}")
            self.wait_logged(value)
            sensor.close()
        rows = self.server.query("SELECT seq, value FROM readings WHERE sensor = ?", self.name)
        self.assertEqual(rows, [(1, 1), (2, 2)])

    def test_last_plain_line_without_end_counts_where_the_session_ends_in_order(self):
        sensor = self.plain()
        sensor.send(b"t: 1\nt: 2")
        sensor.close()
        self.assertEqual(self.wait_logged(2), [("t", 1), ("t", 2)])

    def test_last_plain_line_without_end_is_lost_where_the_session_is_cut(self):
        sensor = self.plain()
        sensor.send(b"t: 1\nt: 2")
        sensor.cut()
        self.server.wait_for(rf"{self.name} \(\S+\) was cut off in the middle of a line")
        self.server.wait_for(rf"no more data from {self.name} \(\S+\), 1 reading logged")
        self.assertEqual(self.logged(), [("t", 1)])

    def test_bad_plain_lines_are_reported_and_the_rest_goes_on(self):
        lines = (b"t: 1\nnonsense\n\nt: nan\r\nt: inf\nt: 1e999\nt: 0x10\n: 5\nt: 1\0\n"
                 b"t: 1 \xff\nt: \xf0\x9f\x98\x80\nt: 2 Cel\n")
        sensor = self.plain()
        sensor.send(lines)
        sensor.close()
        self.server.wait_for(rf"no more data from {self.name} \(\S+\), 2 readings logged")
        self.assertEqual(self.logged(), [("t", 1), ("t", 2)])
        told = re.findall(rf"{self.name} \(\S+\): line (\d+) isn't logged: (\S+): ",
                          self.server.output)
        self.assertEqual([int(number) for number, _ in told], [2, 4, 5, 6, 7, 8, 9, 10, 11])
        reasons = [reason for _, reason in told]
        self.assertEqual(reasons[0], "no-colon")
        self.assertEqual(reasons[3:7], ["not-finite", "not-a-number", "bad-name", "not-text"])

    def test_over_long_plain_line_ends_the_session_and_what_came_before_is_logged(self):
        sensor = self.plain()
        sensor.send(b"t: 1\n" + b"t: " + b"7" * 600 + b"\nt: 2\n")
        self.assertIsNone(sensor.line())
        self.server.wait_for(rf"ending {self.name} \(\S+\): line-too-long: ")
        self.assertEqual(self.logged(), [("t", 1)])

    def test_two_plain_sensors_at_once_are_told_apart(self):
        other_name = self.name + "-b"
        other = self.plain(self.pki.leaf(other_name))
        sensor = self.plain()
        for value in range(50):
            sensor.say(f"a: {value}")
            other.say(f"b: {value}")
        self.assertEqual(self.wait_logged(50), [("a", value) for value in range(50)])
        wait_for(lambda: len(self.server.readings(other_name)) == 50, DEADLINE)
        self.assertEqual(self.server.readings(other_name), [("b", value) for value in range(50)])

    def test_two_plain_sessions_of_one_sensor_are_both_logged(self):
        first, second = self.plain(), self.plain()
        for value in range(20):
            first.say(f"a: {value}")
            second.say(f"b: {value}")
        logged = self.wait_logged(40)
        for name in "ab":
            self.assertEqual([row for row in logged if row[0] == name],
                             [(name, value) for value in range(20)])
        seqs = self.server.query(
            "SELECT seq FROM readings WHERE sensor = ? ORDER BY seq", self.name)
        self.assertEqual([seq for seq, in seqs], list(range(1, 41)))

    def test_sensor_that_offers_other_protocols_only_is_refused(self):
        mark = self.server.mark()
        client = self.s_client("-alpn", "http/1.1,h2")
        client.communicate(b"t: 1\n", timeout=DEADLINE)
        self.server.wait_for(r"refused \S+: no-common-protocol: ", since=mark)
        self.assertNotIn(self.name, self.server.sensors())

    def s_client(self, *more):
        client = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect",
             "%s:%d" % self.server.address, "-CAfile", str(self.pki.good_ca.cert),
             "-verify_return_error", "-cert", str(self.pair.cert), "-key", str(self.pair.key),
             *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(client.wait, DEADLINE)
        self.addCleanup(client.kill)
        return client

    def test_openssl_s_client_can_log_plain_lines(self):
        client = self.s_client()
        output, errors = client.communicate(b"temperature: 15\ntemperature: 22 Cel\n",
                                            timeout=DEADLINE)
        self.assertEqual(client.returncode, 0, errors)
        self.assertEqual(output, b"")
        self.assertEqual(self.wait_logged(2), [("temperature", 15), ("temperature", 22)])
        self.server.wait_for(rf"no more data from {self.name} \(\S+\), 2 readings logged")

    def test_openssl_s_client_can_speak_the_acknowledged_protocol(self):
        client = self.s_client("-alpn", ALPN)
        client.stdin.write(f"stream {self.stream}\n1 - t: 1\n".encode())
        client.stdin.flush()
        self.assertRegex(client.stdout.readline(), rb"\Awelcome 0 ")
        self.assertEqual(client.stdout.readline(), b"ack 1\n")
        client.communicate(timeout=DEADLINE)
        self.assertEqual(self.logged(), [("t", 1)])


if __name__ == "__main__":
    unittest.main()
