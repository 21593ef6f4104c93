#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documents tell the truth: what they list is what programs and sources have, their commands
work as they stand there, and their transcripts are what a real server answers."""

import configparser
import contextlib
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

import docs
from client_fixture import BIN, CLIENT, DEADLINE, LOG, SERVER, ClientTest, Program
from docs import PROGRAMS, REPOSITORY, part, parts

README = REPOSITORY / "README.md"
PROTOCOL = REPOSITORY / "docs" / "protocol.md"
REASONS = REPOSITORY / "docs" / "reasons.md"
SECURITY = REPOSITORY / "docs" / "security.md"
MAP = REPOSITORY / "src" / "README.md"
REMAKE = "run: python3 tests/support/docs.py BUILD/bin"


def run(command, folder, stdin=b"", **environment):
    """A shell command to its end; (exit code, output of both streams)."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, input=stdin, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE,
        env={**os.environ, **environment})
    return done.returncode, done.stdout.decode(errors="replace")


class ListsTest(unittest.TestCase):
    """Tables and lists that are made from programs and sources."""

    def test_tables_are_what_the_programs_and_sources_say(self):
        made = docs.made_tables(BIN)
        self.assertEqual(len(made), 11, "three lists of options, two of codes, six of reasons")
        for (path, kind, name), table in made.items():
            with self.subTest(document=path.name, table=f"{kind}: {name}"):
                self.assertEqual(part(path, kind, name).text, table, REMAKE)

    def test_lists_of_options_are_as_long_as_the_programs(self):
        """So that a help text that can't be read any more isn't taken for one without options."""
        for program, source in zip(PROGRAMS, ("server.c", "client.c", "log.c")):
            text = docs.source(f"src/programs/{source}")
            names = set(re.findall(
                r'^ +(?:\{|(?:hidden\()?(?:flag|text|list|number|seconds(?:_up_to)?)\()"([a-z-]+)",', text,
                re.MULTILINE))
            options = docs.options_of(docs.help_of(BIN, program))
            self.assertGreater(len(names), 9, program)
            self.assertEqual({option[0][2:].split(" ")[0] for option in options}, names, program)

    def test_reasons_are_all_there(self):
        count = len(re.findall(r"^    SL_REASON_\w+,$", docs.source("src/tls/reason.h"),
                               re.MULTILINE)) - 1  # NONE
        self.assertEqual(sum(len(entries) for _, entries in docs.reasons()), count)
        self.assertGreater(count, 40)
        faults = re.search(r"enum fault \{(.*?)\}", docs.source("src/link/receiver.c"),
                           re.DOTALL)[1]
        self.assertEqual(len(docs.faults()), len(re.findall(r"FAULT_\w+", faults)))
        flaws = re.search(r"enum sl_flaw \{(.*?)\}", docs.source("src/wire/reading.h"),
                          re.DOTALL)[1]
        self.assertEqual(len(docs.flaws()), len(re.findall(r"^ +SL_FLAW_\w+", flaws, re.M)) - 1)

    def test_reasons_of_the_client_are_those_in_its_sources(self):
        text = docs.source("src/client/dial.c") + docs.source("src/client/client.c")
        text += docs.source("src/client/uplink.c") + docs.source("src/client/renewal.c")
        found = set(re.findall(r'sl_failure_set\([^"]*"([a-z]+(?:-[a-z]+)*)"', text))
        found |= set(re.findall(r'\.reason = "([a-z-]+)"', text))
        found |= set(re.findall(r'tell\(client, SL_\w+, "([a-z-]+)"', text))
        found |= set(re.findall(r'broken\(sender, "([a-z-]+)"', docs.source("src/link/sender.c")))
        listed = {reason for row in part(REASONS, "reasons", "client").rows()
                  for reason in re.findall(r"`([a-z-]+)`", row[0])}
        self.assertIn("ack-ahead", found)
        self.assertEqual(listed, found)

    def test_reasons_of_gaps_are_those_in_the_client(self):
        found = set(re.findall(r'pack_gap\([^;]*"([a-z-]+)"\)', docs.source("src/client/uplink.c")))
        for path in (REPOSITORY / "src" / "client").glob("*.h"):
            found |= set(re.findall(r'#define SL_GAP_\w+ "([a-z-]+)"', path.read_text("utf-8")))
        listed = {row[0].strip("`") for row in part(REASONS, "reasons", "gaps").rows()}
        self.assertEqual(listed, found)

    def test_every_reason_is_named_by_a_test(self):
        """So that the lists hold nothing that nobody has ever seen come."""
        tests = [path.read_text("utf-8") for kind in ("py", "c")
                 for path in sorted((REPOSITORY / "tests").rglob(f"test_*.{kind}"))
                 if path != pathlib.Path(__file__).resolve()]
        # test_bad_certs.py expects what the catalogue's table says.
        tests += [f'"{reason}"' for table in docs.made_catalogue().values()
                  for reason in re.findall(r"`([a-z-]+)`(?=[^|\n]*\|\n)", table)]
        # A word alone may be any word: it has to be all of a string.
        named = set(re.findall('"([a-z]+)"', "\n".join(tests)))
        for string in re.findall(r'"([^"\n]+)"', "\n".join(tests)):
            named |= set(re.findall(r"(?<![\w-])[a-z]+(?:-[a-z]+)+(?![\w-])", string))
        listed = {reason for each in parts(REASONS) if each.kind == "reasons"
                  for row in each.rows() for reason in re.findall("`([a-z-]+)`", row[0])}
        self.assertGreater(len(listed), 90)
        self.assertEqual(listed - named, set())

    def test_exit_codes_of_the_log_reader_are_those_in_its_source(self):
        text = docs.source("src/programs/log.c") + docs.source("src/programs/log_commands.c")
        found = {getattr(os, name) for name in re.findall(r"\bEX_[A-Z]+\b", text)}
        listed = {int(row[0]) for row in part(README, "exit codes", "sensorlink-log").rows()}
        self.assertEqual(listed - {1}, found)

    def test_limits_are_those_of_the_sources(self):
        for document, kind in ((PROTOCOL, "limits"), (PROTOCOL, "retry")):
            rows = part(document, kind).rows()
            self.assertGreater(len(rows), 4)
            for row in rows:
                if not row[2]:
                    continue
                name, path = re.findall(r"`([^`]+)`", row[2])
                with self.subTest(limit=name):
                    self.assertEqual(re.search(r"\d+", row[1])[0], docs.constant(path, name))

    def test_bounds_are_defaults_of_the_server(self):
        defaults = {name.split(" ")[0]: default for name, default, _ in
                    docs.options_of(docs.help_of(BIN, "sensorlink-server"))}
        for _, value, option in part(SECURITY, "bounds").rows():
            self.assertEqual(defaults[option.strip("`")], value, option)

    def test_files_that_the_server_keeps_open_to_itself_are_those_of_its_source(self):
        named = re.findall(r'\{"(--[a-z-]+)", config->[a-z_.]+, (true|false)\}',
                           docs.source("src/server/server.c"))
        row = re.search(r"^\| Landlock \| (.*?), and reaches no other file", SECURITY.read_text(
            encoding="utf-8"), re.MULTILINE)[1]
        read, written = row.split("reads and writes")
        for text, write in ((read, "false"), (written, "true")):
            self.assertEqual(set(re.findall(r"`(--[a-z-]+)`", text)),
                             {option for option, writes in named if writes == write})

    def test_suites_are_those_of_the_policy(self):
        text = docs.source("src/tls/compat.c")
        suites = set(re.findall(r"MBEDTLS_(TLS_ECDHE_ECDSA_WITH_\w+|TLS1_3_\w+?_SHA\d+)\b", text))
        suites = {name.replace("TLS1_3_", "TLS_") for name in suites if "SIG" not in name}
        listed = set()
        for line in PROTOCOL.read_text(encoding="utf-8").splitlines():
            if line.startswith("| suites, "):
                prefix, *rest = re.findall(r"`(\w+)`", line)
                listed |= {prefix + each for each in rest}
        self.assertEqual(listed, suites)

    def test_options_named_anywhere_exist(self):
        known = {"--csr", "--new-key", "--days", "--crl-days", "--ca-key", "--all", "--output",
                 "--preset", "--build", "--install", "--now", "--system", "--home-dir", "--shell",
                 "--quick", "--leg", "--cflags", "--libs", "--list"}
        known |= set(re.findall(r"^#   (--[a-z-]+)", docs.source("scripts/bench.sh"), re.MULTILINE))
        for script in ("chaos/chaos.py", "chaos/storm.py", "strangers/strangers.py"):
            known |= set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"',
                                    docs.source(f"tests/system/{script}")))
        for program in PROGRAMS:
            known |= {name.split(" ")[0] for name, _, _ in
                      docs.options_of(docs.help_of(BIN, program))}
        for script in (REPOSITORY / "tests" / "system" / "chaos").glob("*.py"):
            known |= set(re.findall(r'add_argument\("(--[a-z-]+)"', script.read_text("utf-8")))
        for path in docs.documents():
            text = path.read_text(encoding="utf-8")
            for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)):
                self.assertIn(option, known, path)


class ManualTest(unittest.TestCase):
    def test_manual_pages_list_what_the_programs_have(self):
        for page, text in docs.made_manuals(BIN).items():
            with self.subTest(page=page.name):
                self.assertEqual(page.read_text(encoding="utf-8"), text, REMAKE)
                self.assertIn(".It Fl \\-store Ar FILE" if "client" not in page.name
                              else ".It Fl \\-spool Ar FILE", text)

    def test_manual_pages_have_their_sections_in_mdocs_order(self):
        order = ["NAME", "SYNOPSIS", "DESCRIPTION", "SOURCES", "OPTIONS", "SIGNALS", "MANY SENSORS",
                 "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
        for program in PROGRAMS:
            text = docs.source(f"docs/manual/{program}.1")
            sections = re.findall(r"^\.Sh (.*)$", text, re.MULTILINE)
            self.assertEqual(sections, [name for name in order if name in sections])
            self.assertLessEqual({"NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS"}, set(sections))
            for begin, end in (("Bl", "El"), ("Bd", "Ed")):
                self.assertEqual(len(re.findall(rf"^\.{begin} ", text, re.M)),
                                 len(re.findall(rf"^\.{end}$", text, re.M)), program)

    def test_manual_pages_are_formatted_without_a_complaint(self):
        formatter = shutil.which("mandoc") or shutil.which("groff")
        for program in PROGRAMS:
            page = REPOSITORY / "docs" / "manual" / f"{program}.1"
            for line in page.read_text(encoding="utf-8").splitlines():
                self.assertRegex(line, r"^(\.\\\"|\.[A-Z][a-z]( |$)|[^.\'])")
        if not formatter:
            self.skipTest("there is neither mandoc nor groff; only the pages' lines were looked at")
        for program in PROGRAMS:
            page = REPOSITORY / "docs" / "manual" / f"{program}.1"
            command = [formatter, "-T", "utf8"]
            command += ["-W", "warning"] if formatter.endswith("mandoc") else ["-mdoc", "-ww", "-z"]
            done = subprocess.run([*command, page], capture_output=True, text=True,
                                  timeout=DEADLINE, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


class PagesTest(unittest.TestCase):
    """What can be said about the pages by reading them."""

    def test_relative_links_resolve(self):
        count = 0
        for path in docs.documents():
            text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
                if re.match(r"[a-z]+:", target):
                    continue
                count += 1
                self.assertTrue((path.parent / target).exists(), f"{path}: {target}")
        self.assertGreater(count, 20)

    def test_every_promise_names_tests_that_exist(self):
        names = set()
        for path in [*(REPOSITORY / "tests").rglob("test_*.py"),
                     *(REPOSITORY / "tests").rglob("test_*.c")]:
            text = path.read_text(encoding="utf-8")
            names |= set(re.findall(r"^    def (test_\w+)\(self\)", text, re.MULTILINE))
            names |= set(re.findall(r"^static void (test_\w+)\(void \*", text, re.MULTILINE))
        text = (REPOSITORY / "docs" / "threats.md").read_text(encoding="utf-8")
        rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][1:]
        promised = [row for row in rows if not row[1].strip().startswith("**no**")]
        self.assertGreater(len(promised), 10)
        self.assertGreater(len(rows) - len(promised), 5)
        for row in promised:
            tests = re.findall(r"`(test_\w+)`", row[3])
            self.assertTrue(tests, row[0])
            self.assertEqual(set(tests) - names, set(), row[0])

    def test_files_and_folders_that_the_map_names_exist(self):
        text = MAP.read_text(encoding="utf-8")
        paths = re.findall(r"(?<![\w/])((?:\w+/)+\w+\.[ch])\b", text)
        self.assertGreater(len(paths), 20)
        for path in paths:
            places = [REPOSITORY / "src" / path, REPOSITORY / path, REPOSITORY / "include" / path]
            self.assertTrue(any(place.exists() for place in places), path)
        for room in (REPOSITORY / "src").iterdir():
            if room.is_dir():
                self.assertIn(f"`{room.name}/`", text)

    def test_functions_that_the_map_names_exist(self):
        names = set(re.findall(r"\bsl_\w+(?=\(\))", MAP.read_text(encoding="utf-8")))
        self.assertGreater(len(names), 8)
        sources = "".join(path.read_text(encoding="utf-8") for path in
                          [*(REPOSITORY / "src").rglob("*.h"),
                           *(REPOSITORY / "include").rglob("*.h")])
        for name in names:
            self.assertRegex(sources, rf"\b{name}\(")

    def test_every_shell_block_is_run_or_says_why_not(self):
        tried = {part.name for part in parts(README) if part.kind == "run"}
        self.assertEqual(tried, set(ReadmeTest.BLOCKS))
        for each in parts(README):
            if each.fence == "sh":
                self.assertIn(each.kind, ("run", "build", "not run"), each.text)
                if each.kind == "not run":
                    self.assertTrue(each.name, each.text)

    def test_build_commands_name_what_is_there(self):
        lines = part(README, "build").text.splitlines()
        self.assertEqual(lines[0], "scripts/install-deps.sh build")
        self.assertTrue(os.access(REPOSITORY / "scripts" / "install-deps.sh", os.X_OK))
        self.assertEqual(lines[2:], ["cmake --build build/default"])
        with tempfile.TemporaryDirectory() as folder:
            code, output = run(f"{lines[1]} -B {folder}", REPOSITORY)
            self.assertEqual(code, 0, output)
            self.assertIn(f"Build files have been written to: {folder}", output)
        for script in ("demo.sh", "test.sh"):
            self.assertTrue(os.access(REPOSITORY / "scripts" / script, os.X_OK))


class ReadmeTest(ClientTest):
    """The README's commands, as they stand there, but for the port."""

    BLOCKS = ("certificates", "server", "client", "check", "log", "openssl", "request", "sign",
              "more-certificates")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = pathlib.Path(cls._certs.name) / "readme"
        cls.made.mkdir()
        (cls.made / "scripts").symlink_to(REPOSITORY / "scripts")
        (cls.made / "build" / "default").mkdir(parents=True)
        (cls.made / "build" / "default" / "bin").symlink_to(BIN)
        code, output = run(part(README, "run", "certificates").text, cls.made)
        if code != 0:
            raise AssertionError(output)

    def setUp(self):
        super().setUp()
        shutil.copytree(self.made, self.folder, symlinks=True, dirs_exist_ok=True)
        self.port = None

    def block(self, name):
        text = part(README, "run", name).text
        if self.port:
            text = text.replace(":23456", f":{self.port}")
            text = text.replace("--host localhost", f"--host localhost --port {self.port}")
        return text

    def run_block(self, name):
        code, output = run(self.block(name), self.folder)
        self.assertEqual(code, 0, f"{name}: {output}")
        return output

    def start(self, more=""):
        command = self.block("server").strip() + " --listen 127.0.0.1:0 " + more
        server = Program(["bash", "-c", f"exec {command}"], self.folder)
        self.addCleanup(server.close)
        self.port = int(server.wait_for(r"starting up on 127\.0\.0\.1:(\d+)").group(1))
        server.wait_for("waiting for sensors")
        return server

    @staticmethod
    def without_places(story):
        """A server's story without what differs from machine to machine."""
        story = re.sub(r"working on \S+ \(\S+\)", "working on HOST", story)
        story = re.sub(r"(?m)^confined: user .+$", "confined", story)
        story = re.sub(r"(?m)^confinement: .+\n", "", story)
        story = re.sub(r"(\[[0-9a-f:]+\]|\d+\.\d+\.\d+\.\d+):\d+", "ADDRESS", story)
        return re.sub(r"TLSv1\.[23], TLS[A-Z0-9_-]+", "SUITE", story).splitlines()

    def test_readme_by_hand_works_and_the_server_tells_its_story(self):
        server = self.start()
        output = self.run_block("client")
        self.assertIn("everything is on the server's disk", output)
        server.wait_for("6 readings logged")
        self.assertEqual(self.without_places(server.output),
                         self.without_places(part(README, "shown", "server").text))
        logged = self.run_block("log")
        self.assertEqual(len(re.findall(r"^\S+Z +weather-1 +temperature +\d\d ", logged, re.M)), 6)
        self.assertIn("received,time,sensor,name,value,unit,stream,seq\n", logged)
        self.assertEqual(server.end(), 0)

    @staticmethod
    def without_moments(report):
        """A report of --check without what differs from run to run."""
        for moment in (r"CA [0-9a-f]{16}", r"\d{4}-\d\d-\d\d", r"T[0-9:.]+Z", r"\d+ days", r"\d+\.\d+ m?s",
                       r"port \d+", r"TLSv1\.[23] with TLS[A-Z0-9-]+", "ahead of|behind",
                       r"(?:\[::1\]|127\.0\.0\.1):\d+"):
            report = re.sub(moment, "...", report)
        return report.splitlines()

    def test_readme_check_reports_in_these_words(self):
        self.start()
        self.run_block("client")
        self.assertEqual(self.without_moments(self.run_block("check")),
                         self.without_moments(part(README, "shown", "check").text))

    def test_readme_openssl_is_logged_as_plain_lines(self):
        server = self.start()
        self.run_block("openssl")
        server.wait_for("no more data from weather-1 .*, 2 readings logged")
        self.assertRegex(server.output, "authenticated .* as weather-1 with .*, plain lines")
        self.assertEqual([(row["name"], row["value"], row["unit"], row["stream"])
                          for row in self.rows()],
                         [("temperature", "22", "", "plain"), ("humidity", "48.5", "%RH", "plain")])

    def test_readme_openssl_without_a_certificate_is_refused_in_these_words(self):
        server = self.start()
        command = self.block("openssl")
        start = command.index("-cert ")
        run(command[:start], self.folder)
        server.wait_for("refused .*")
        shown = self.without_places(part(README, "shown", "refusal").text)
        self.assertEqual(len(shown), 1)
        # What is known about the peer follows in brackets.
        self.assertIn(shown[0], "\n".join(self.without_places(server.output)))
        self.assertEqual(self.rows(), [])

    def test_readme_openssl_refuses_a_server_of_another_name(self):
        self.start()
        command = self.block("openssl").replace("-verify_hostname localhost",
                                                "-verify_hostname other.example")
        code, output = run(command, self.folder)
        self.assertNotEqual(code, 0, output)
        self.assertEqual(self.rows(), [])

    def test_readme_raspberry_pi_keeps_its_key_and_sends_real_files(self):
        self.start()
        self.run_block("request")
        self.assertFalse((self.folder / "certs" / "home" / "attic.key").exists())
        self.assertIn("attic", self.run_block("sign"))
        self.assertFalse((self.folder / "certs" / "home" / "attic.key").exists())
        output = self.run_configured(self.fake_sensors(part(README, "file", "client.conf").text))
        rows = {row["name"]: (row["sensor"], row["value"], row["unit"]) for row in self.rows()}
        self.assertEqual(rows["cpu"], ("attic", "48.312", "Cel"), output)
        self.assertEqual(rows["attic"], ("attic", "20.875", "Cel"))
        self.assertEqual(rows["humidity"], ("attic", "43.217", "%RH"))
        self.assertEqual(rows["disk"][2], "%")
        self.assertEqual(len(rows), 4)

    def fake_sensors(self, config):
        """The configuration with files of the kernel replaced by ones with its kind of contents."""
        contents = {"thermal_zone0/temp": "48312\n", "temperature": "20875\n",
                    "in_humidityrelative_input": "43217\n"}
        for name, content in contents.items():
            path = self.folder / name.replace("/", "-")
            path.write_text(content)
            config, count = re.subn(rf"/sys/\S*/{name}(?=\*)", str(path), config)
            self.assertEqual(count, 1, name)
        return config

    def run_configured(self, config):
        """Runs the client once with the configuration and this machine's places."""
        places = {"/etc/sensorlink/ca.crt": "certs/home/ca.crt",
                  "/etc/sensorlink/attic.crt": "certs/home/attic.crt",
                  "/etc/sensorlink/attic.key": "attic.key",
                  "/var/lib/sensorlink/spool.db": "spool.db",
                  "server.example": f"localhost\nport = {self.port}"}
        for place, here in places.items():
            self.assertIn(place, config)
            config = config.replace(place, here)
        (self.folder / "client.conf").write_text(config)
        unit = self.unit()
        command = unit["Service"]["ExecStart"]
        self.assertEqual(command, "/usr/local/bin/sensorlink-client --config "
                                  "/etc/sensorlink/client.conf")
        code, output = run(f"{CLIENT} --config client.conf --count 1 --timeout 20s", self.folder)
        self.assertEqual(code, 0, output)
        return output

    def unit(self):
        unit = configparser.ConfigParser()
        unit.optionxform = str
        unit.read_string(part(README, "file", "sensorlink.service").text)
        return unit

    def test_readme_systemd_unit_is_taken_by_systemd(self):
        unit = self.unit()
        self.assertEqual(unit.sections(), ["Unit", "Service", "Install"])
        self.assertEqual(unit["Service"]["StateDirectory"], "sensorlink")
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze; only the unit's sections were looked at")
        path = self.folder / "sensorlink.service"
        path.write_text(part(README, "file", "sensorlink.service").text.replace(
            "/usr/local/bin", str(BIN)).replace("User=sensorlink", "User=root"))
        code, output = run(f"systemd-analyze verify ./{path.name}", self.folder,
                           SYSTEMD_LOG_LEVEL="warning")
        self.assertEqual([line for line in output.splitlines() if path.name in line], [])
        self.assertEqual(code, 0, output)

    def test_readme_allow_list_is_taken_and_lets_its_sensor_in(self):
        (self.folder / "sensors.allow").write_text(part(README, "file", "sensors.allow").text)
        self.start("--allow sensors.allow")
        self.run_block("client")
        self.assertEqual(len(self.rows()), 6)

    def test_readme_more_certificates_are_made(self):
        output = self.run_block("more-certificates")
        self.assertIn("barn.example", output)
        self.assertIn("192.168.1.10", subprocess.run(
            ["openssl", "x509", "-in", self.folder / "certs/home/barn.example.crt", "-noout",
             "-text"], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout)


class TranscriptTest(ClientTest):
    """Plays transcripts from the documents against a real server."""

    def play(self, text):
        context = ssl.create_default_context(cafile=self.pki.good_ca.cert)
        context.load_cert_chain(self.sensor.cert, self.sensor.key)
        context.set_alpn_protocols(["sensorlink/1"])
        with contextlib.closing(context.wrap_socket(
                socket.create_connection(("127.0.0.1", self.port), DEADLINE),
                server_hostname="localhost")) as connection:
            answers, said, heard = connection.makefile("rb"), "", []
            for line in text.splitlines():
                who, line = re.match(r"(sensor|server)  (.*?)(?:   +.*)?$", line).groups()
                if who == "sensor":
                    said += line + "\n"
                    continue
                connection.sendall(said.encode())  # all at once: one record, one acknowledgement
                said = ""
                heard.append((line, answers.readline().decode().rstrip("\n")))
        self.assertEqual(said, "", "a transcript ends with a line of the server's")
        for expected, line in heard:
            self.assertEqual(self.without_time(line), self.without_time(expected))

    @staticmethod
    def without_time(line):
        return re.sub(r"^(welcome \d+) \d+(?:\.\d+)? ", r"\1 TIME ", line)

    def test_transcripts_are_what_the_server_answers(self):
        self.start_server()
        self.play(part(PROTOCOL, "transcript", "session").text)
        self.play(part(PROTOCOL, "transcript", "next").text)
        self.assertEqual([(row["seq"], row["value"]) for row in self.rows()],
                         [("1", "22"), ("2", "48.5"), ("10", "21"), ("11", "20")])

    def test_transcript_of_the_readme_is_what_the_server_answers(self):
        self.start_server()
        self.play(part(README, "transcript", "short").text)

    def test_readings_are_taken_and_refused_as_the_table_says(self):
        self.start_server()
        rows = part(PROTOCOL, "readings").rows()
        self.assertGreater(len(rows), 10)
        said = "sensor  stream 00112233445566778899aabbccddeeff\nserver  welcome 0 1.5 weather-1\n"
        taken = []
        for seq, (line, result) in enumerate(rows, 1):
            # Blanks at the ends are part of it.
            said += f"sensor  {seq} - {line[1:-1]}\n"
            refused = re.fullmatch(r"refused `([a-z-]+)`", result)
            if refused:
                text = {name: text for name, text in docs.flaws().values()}[refused[1]]
                said += f"server  refused {seq} {refused[1]} {text}\nserver  ack {seq}\n"
            else:
                taken.append(result.strip("`"))
                said += f"server  ack {seq}\n"
        # Two blanks within a line would be taken for the beginning of a remark.
        self.play_literally(said)
        stored = [f"{row['name']}: {row['value']} {row['unit']}".strip() for row in self.rows()]
        self.assertEqual(stored, taken)

    def play_literally(self, text):
        context = ssl.create_default_context(cafile=self.pki.good_ca.cert)
        context.load_cert_chain(self.sensor.cert, self.sensor.key)
        context.set_alpn_protocols(["sensorlink/1"])
        with contextlib.closing(context.wrap_socket(
                socket.create_connection(("127.0.0.1", self.port), DEADLINE),
                server_hostname="localhost")) as connection:
            answers = connection.makefile("rb")
            for line in text.splitlines():
                who, line = line[:6], line[8:]
                if who == "sensor":
                    connection.sendall((line + "\n").encode())
                    continue
                answer = answers.readline().decode().rstrip("\n")
                self.assertEqual(self.without_time(answer), self.without_time(line))


class ExitCodesTest(ClientTest):
    """The server's exit codes, but for want of memory; the client's are in test_client.py."""

    def codes(self, *arguments, drop=()):
        pair = self.server_pair
        options = {"--cafile": self.pki.good_ca.cert, "--cert": pair.cert, "--key": pair.key,
                   "--listen": "127.0.0.1:0", "--store": self.store}
        for name, value in zip(arguments[::2], arguments[1::2]):
            options[name] = value
        words = [word for name, value in options.items() if name not in drop
                 for word in (name, value)]
        done = subprocess.run([SERVER, *map(str, words)], cwd=self.folder, timeout=DEADLINE,
                              capture_output=True, check=False)
        return done.returncode

    def test_server_ends_with_the_codes_in_the_readme(self):
        seen = {self.codes(drop=("--cafile",)), self.codes("--log-file", "/nowhere/log"),
                self.codes("--store", "/nowhere/store.db"), self.codes("--cert", "/nowhere.crt")}
        server = self.start_server()
        seen.add(self.codes())
        seen.add(server.end())
        listed = {int(row[0]) for row in part(README, "exit codes", "sensorlink-server").rows()}
        self.assertEqual(seen, {0, 64, 73, 74, 75, 78})
        self.assertEqual(seen, listed - {71})

    def test_log_reader_without_a_store_ends_with_66(self):
        code, output = run(f"{LOG} --store nothing.db readings", self.folder)
        self.assertEqual(code, 66, output)


if __name__ == "__main__":
    unittest.main()
