# SPDX-License-Identifier: Apache-2.0
"""scripts/certs.sh, run as a user runs it and judged by the openssl command."""

import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import pki  # noqa: E402

USAGE, DATAERR, NOINPUT, UNAVAILABLE, CANTCREAT, TEMPFAIL = 64, 65, 66, 69, 73, 75

# A stand-in for a command that certs.sh calls. It counts the calls of all such
# commands and kills the whole run after the one whose turn it is.
SHIM = """#!/bin/bash
PATH=${{PATH#*:}}
read -r count <"$SHIM_COUNT"
count=$((count + 1))
echo $count >"$SHIM_COUNT"
{name} "$@"
status=$?
if [ $count -eq "$SHIM_TURN" ]; then kill -9 0; fi
exit $status
"""


def days_between(cert):
    """The days from notBefore to notAfter, or from lastUpdate to nextUpdate."""
    dates = [line.split(b"=")[1].decode().strip() for line in cert.splitlines()]
    seconds = [
        int(subprocess.run(["date", "-u", "-d", d, "+%s"], capture_output=True, check=True).stdout)
        for d in dates
    ]
    return (seconds[1] - seconds[0]) / 86400


class CertsTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="certs test ")
        self.addCleanup(temporary.cleanup)
        self.top = pathlib.Path(temporary.name)
        self.dir = self.top / "my CA"

    def certs(self, *words, **options):
        return subprocess.run(
            [pki.CERTS_SH, *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options,
        )

    def do(self, command, *words):
        done = self.certs(command, self.dir, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertLessEqual(len(done.stdout.splitlines()), 2 if command != "list" else 1000)
        return done.stdout

    def refuse(self, status, pattern, *words, **options):
        """The run ends with this status and with one sentence, and prints nothing else."""
        done = self.certs(*words, **options)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Acerts\.sh: .*\.\n\Z")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertRegex(done.stderr, pattern)

    def x509(self, name, *options):
        cert = self.dir / f"{name}.crt"
        return pki.openssl("x509", "-in", cert, "-noout", *options).decode()

    def extension(self, name, extension):
        lines = self.x509(name, "-ext", extension).splitlines()
        return [line.strip() for line in lines]

    def serial(self, name):
        return self.x509(name, "-serial").strip().split("=")[1]

    def verifies(self, name, *options):
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", self.dir / "ca.crt",
             "-CRLfile", self.dir / "crl.pem", "-crl_check", *options, self.dir / f"{name}.crt"],
            capture_output=True, text=True, check=False,
        )
        return done.returncode == 0

    def key_fits(self, name, key=None):
        ours = pki.openssl("pkey", "-in", key or self.dir / f"{name}.key", "-pubout").decode()
        return self.x509(name, "-pubkey") == ours

    def request(self, *options, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        csr = self.top / "sensor.csr"
        pki.openssl("req", "-new", "-newkey", *kind, "-nodes", "-keyout",
                    self.top / "sensor.key", "-out", csr, *options)
        return csr

    def rows(self, *options):
        """What list prints: {name: [(role, serial, expires, days, state), ...]}."""
        header, *lines = self.do("list", *options).splitlines()
        self.assertEqual(header.split(), ["NAME", "ROLE", "SERIAL", "EXPIRES", "DAYS", "STATE"])
        out = {}
        for line in lines:
            name, *fields = line.replace("number ", "number_").split()
            out.setdefault(name, []).append(tuple(fields))
        return out


class TestContents(CertsTest):
    def test_ca_is_p256_for_ten_years_with_path_length_zero_and_crl_signing(self):
        self.do("init")
        self.assertEqual(self.extension("ca", "basicConstraints"),
                         ["X509v3 Basic Constraints: critical", "CA:TRUE, pathlen:0"])
        self.assertEqual(self.extension("ca", "keyUsage"),
                         ["X509v3 Key Usage: critical", "Certificate Sign, CRL Sign"])
        self.assertIn("ASN1 OID: prime256v1", self.x509("ca", "-text"))
        dates = self.x509("ca", "-startdate", "-enddate").encode()
        self.assertEqual(days_between(dates), 3650)
        self.assertTrue(self.key_fits("ca"))

    def test_two_cas_have_two_names(self):
        self.do("init")
        first = self.x509("ca", "-subject")
        self.dir = self.top / "second"
        self.do("init")
        self.assertNotEqual(first, self.x509("ca", "-subject"))

    def test_init_makes_an_empty_crl_for_thirty_days(self):
        self.do("init")
        crl = pki.openssl("crl", "-in", self.dir / "crl.pem", "-noout", "-text",
                          "-CAfile", self.dir / "ca.crt").decode()
        self.assertIn("No Revoked Certificates", crl)
        dates = pki.openssl("crl", "-in", self.dir / "crl.pem", "-noout",
                            "-lastupdate", "-nextupdate")
        self.assertEqual(days_between(dates), 30)

    def test_sensor_is_a_tls_client_for_ninety_days_and_nothing_else(self):
        self.do("init")
        self.do("sensor", "attic.north-2_b")
        name = "attic.north-2_b"
        self.assertEqual(self.extension(name, "subjectAltName")[1:],
                         ["URI:urn:sensor:attic.north-2_b"])
        self.assertEqual(self.extension(name, "keyUsage"),
                         ["X509v3 Key Usage: critical", "Digital Signature"])
        self.assertEqual(self.extension(name, "extendedKeyUsage")[1:],
                         ["TLS Web Client Authentication"])
        self.assertEqual(self.extension(name, "basicConstraints"),
                         ["X509v3 Basic Constraints: critical", "CA:FALSE"])
        self.assertIn("ASN1 OID: prime256v1", self.x509(name, "-text"))
        self.assertEqual(days_between(self.x509(name, "-startdate", "-enddate").encode()), 90)
        self.assertTrue(self.key_fits(name))
        self.assertTrue(self.verifies(name, "-purpose", "sslclient"))
        self.assertFalse(self.verifies(name, "-purpose", "sslserver"))

    def test_server_has_its_names_and_addresses_and_is_no_client(self):
        self.do("init")
        self.do("server", "home.example", "10.0.0.7", "2001:db8::7", "*.home.example",
                "HOME.example", "::ffff:10.0.0.8")
        self.assertEqual(
            self.extension("home.example", "subjectAltName")[1:],
            ["DNS:home.example, IP Address:10.0.0.7, IP Address:2001:DB8:0:0:0:0:0:7, "
             "DNS:*.home.example, IP Address:0:0:0:0:0:FFFF:A00:8"])
        self.assertTrue(self.verifies("home.example", "-purpose", "sslserver",
                                      "-verify_ip", "2001:db8::7"))
        self.assertFalse(self.verifies("home.example", "-purpose", "sslclient"))

    def test_localhost_is_also_reached_by_both_loopback_addresses(self):
        self.do("init")
        self.do("server", "localhost")
        for option in (("-verify_hostname", "localhost"), ("-verify_ip", "127.0.0.1"),
                       ("-verify_ip", "::1")):
            self.assertTrue(self.verifies("localhost", *option), option)

    def test_server_named_by_an_address_has_it_as_address(self):
        self.do("init")
        self.do("server", "192.0.2.7")
        self.assertEqual(self.extension("192.0.2.7", "subjectAltName")[1:],
                         ["IP Address:192.0.2.7"])

    def test_rsa3072_ca_signs_p256_leaves_with_sha256(self):
        self.do("init", "--ca-key", "rsa3072")
        self.do("sensor", "attic")
        self.assertIn("Public-Key: (3072 bit)", self.x509("ca", "-text"))
        self.assertIn("sha256WithRSAEncryption", self.x509("attic", "-text"))
        self.assertIn("ASN1 OID: prime256v1", self.x509("attic", "-text"))
        self.do("revoke", "attic")
        self.assertFalse(self.verifies("attic"))

    def test_serial_numbers_are_sixteen_positive_bytes_and_differ(self):
        self.do("init")
        serials = {self.serial("ca")}
        for name in ("a", "b", "c", "d"):
            self.do("sensor", name)
            serials.add(self.serial(name))
        self.assertEqual(len(serials), 5)
        for serial in serials:
            self.assertRegex(serial, r"\A[4-7][0-9A-F]{31}\Z")

    def test_days_and_crl_days_are_obeyed(self):
        self.do("init", "--days", "400", "--crl-days", "7")
        self.do("sensor", "attic", "--days", "3")
        self.assertEqual(days_between(self.x509("ca", "-startdate", "-enddate").encode()), 400)
        self.assertEqual(days_between(self.x509("attic", "-startdate", "-enddate").encode()), 3)
        crl = ["crl", "-in", self.dir / "crl.pem", "-noout", "-lastupdate", "-nextupdate"]
        self.assertEqual(days_between(pki.openssl(*crl)), 7)
        self.do("crl", "--crl-days", "9")
        self.assertEqual(days_between(pki.openssl(*crl)), 9)

    def test_keys_and_folders_are_for_their_owner_only_whatever_the_umask(self):
        self.certs("init", self.dir, umask=0)
        self.certs("sensor", self.dir, "attic", umask=0)
        self.certs("renew", self.dir, "attic", "--new-key", umask=0)
        keys = [path for path in self.dir.rglob("*") if ".key" in path.name]
        self.assertEqual(len(keys), 3)
        for path in keys:
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
        for path in (self.dir, self.dir / "ca", self.dir / "ca" / "issued"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o700, path)

    def test_nothing_made_is_ever_committed(self):
        if not shutil.which("git"):
            self.skipTest("git is not installed")
        repository = self.top / "clone"
        shutil.copytree(pki.REPOSITORY / "certs", repository / "certs",
                        ignore=shutil.ignore_patterns("demo"))
        subprocess.run(["git", "init", "-q", repository], check=True)
        self.dir = repository / "certs" / "profiles" / "mine"
        self.do("init")
        self.dir = repository / "certs" / "demo"
        self.do("init")
        self.do("sensor", "README.md")
        listed = subprocess.run(["git", "-C", repository, "ls-files", "-o", "--exclude-standard"],
                                capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(sorted(listed), ["certs/.gitignore", "certs/README.md",
                                          "certs/profiles/openssl.cnf"])


class TestSigning(CertsTest):
    def setUp(self):
        super().setUp()
        self.do("init")

    def test_the_command_in_help_makes_a_request_that_is_signed_without_the_key(self):
        text = self.certs("--help").stdout
        command = re.search(r"^  (openssl req .*?)\\\n(.*)$", text, re.MULTILINE)
        line = (command[1] + command[2]).replace("NAME", "cellar")
        subprocess.run(line, shell=True, cwd=self.top, check=True, capture_output=True)
        self.do("sign", self.top / "cellar.csr")
        self.assertTrue(self.verifies("cellar", "-purpose", "sslclient"))
        self.assertTrue(self.key_fits("cellar", self.top / "cellar.key"))
        self.assertFalse((self.dir / "cellar.key").exists())
        self.assertEqual((self.top / "cellar.key").stat().st_mode & 0o777, 0o600)

    def test_everything_but_name_and_key_of_the_request_is_ignored(self):
        csr = self.request(
            "-subj", "/O=Evil/CN=whatever", "-addext", "basicConstraints=CA:TRUE",
            "-addext", "keyUsage=keyCertSign", "-addext", "extendedKeyUsage=serverAuth",
            "-addext", "subjectAltName=DNS:home.example,URI:urn:sensor:cellar")
        self.do("sign", csr)
        self.assertEqual(self.x509("cellar", "-subject").replace(" ", ""), "subject=CN=cellar\n")
        self.assertEqual(self.extension("cellar", "subjectAltName")[1:],
                         ["URI:urn:sensor:cellar"])
        self.assertEqual(self.extension("cellar", "basicConstraints")[1:], ["CA:FALSE"])
        self.assertEqual(self.extension("cellar", "keyUsage")[1:], ["Digital Signature"])
        self.assertEqual(self.extension("cellar", "extendedKeyUsage")[1:],
                         ["TLS Web Client Authentication"])

    def test_request_with_a_bad_name_no_name_or_two_is_refused(self):
        cases = [
            (["-subj", "/CN=..%2Fx"], "is not a name"),
            (["-subj", "/CN=a b"], "is not a name"),
            (["-subj", "/CN=a\nb"], "is not a name"),
            (["-subj", "/CN=ca"], "can't be a name"),
            (["-subj", "/O=x"], "must hold one name"),
            (["-subj", "/CN=a/CN=b"], "must hold one name"),
            (["-subj", "/CN=a", "-addext", "subjectAltName=URI:urn:sensor:b,URI:urn:sensor:c"],
             "must hold one name"),
        ]
        for options, sentence in cases:
            with self.subTest(options=options):
                csr = self.request(*options)
                self.refuse(DATAERR, sentence, "sign", self.dir, csr)
        self.assertEqual(sorted(self.rows()), ["ca.crt", "crl.pem"])

    def test_request_with_a_key_that_is_not_p256_is_refused(self):
        for kind in (("rsa:2048",), ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")):
            csr = self.request("-subj", "/CN=cellar", kind=kind)
            self.refuse(DATAERR, "not on the curve P-256", "sign", self.dir, csr)

    def test_request_whose_signature_is_wrong_is_refused(self):
        csr = self.request("-subj", "/CN=cellar")
        der = pki.der_of(csr)
        csr.write_text(pki.pem("CERTIFICATE REQUEST", der.replace(b"cellar", b"attic1")))
        self.refuse(DATAERR, "signature is wrong", "sign", self.dir, csr)
        csr.write_text("not a request\n")
        self.refuse(DATAERR, "not a certificate request", "sign", self.dir, csr)
        self.refuse(NOINPUT, "missing", "sign", self.dir, self.top / "nothing")

    def test_request_for_a_name_that_is_taken_is_refused(self):
        self.do("sensor", "cellar")
        csr = self.request("-subj", "/CN=CELLAR")
        self.refuse(CANTCREAT, 'already a sensor "cellar"', "sign", self.dir, csr)

    def test_relative_request_is_found_from_where_the_user_stands(self):
        self.request("-subj", "/CN=cellar")
        done = self.certs("sign", "my CA", "sensor.csr", cwd=self.top)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.verifies("cellar"))


class TestLife(CertsTest):
    def setUp(self):
        super().setUp()
        self.do("init")
        self.do("sensor", "attic")

    def test_revoked_sensor_is_on_the_crl_and_others_are_not(self):
        self.do("sensor", "cellar")
        self.do("revoke", "attic")
        self.assertFalse(self.verifies("attic"))
        self.assertTrue(self.verifies("cellar"))
        self.assertIn("changed", self.do("revoke", "ATTIC"))

    def test_revoking_covers_every_renewed_certificate(self):
        self.do("renew", "attic")
        old = next(self.dir.glob("attic.crt.*"))
        self.do("revoke", "attic")
        shutil.copy(old, self.dir / "old.crt")
        self.assertFalse(self.verifies("attic"))
        self.assertFalse(self.verifies("old"))

    def test_crl_keeps_what_was_revoked_and_counts_up(self):
        self.do("revoke", "attic")
        self.do("crl")
        self.assertFalse(self.verifies("attic"))
        number = pki.openssl("crl", "-in", self.dir / "crl.pem", "-noout", "-crlnumber")
        self.assertEqual(int(number.split(b"=")[1], 16), 3)

    def test_renewal_keeps_the_key_and_the_old_certificate(self):
        old, key = self.serial("attic"), (self.dir / "attic.key").read_bytes()
        before = (self.dir / "attic.crt").read_bytes()
        self.do("renew", "attic", "--days", "10")
        self.assertNotEqual(self.serial("attic"), old)
        self.assertEqual((self.dir / f"attic.crt.{old}").read_bytes(), before)
        self.assertEqual((self.dir / "attic.key").read_bytes(), key)
        self.assertTrue(self.key_fits("attic") and self.verifies("attic"))
        self.assertEqual(self.extension("attic", "subjectAltName")[1:], ["URI:urn:sensor:attic"])

    def test_renewal_with_new_key_keeps_the_old_key_beside_it(self):
        old, key = self.serial("attic"), (self.dir / "attic.key").read_bytes()
        self.do("renew", "attic", "--new-key")
        self.assertEqual((self.dir / f"attic.key.{old}").read_bytes(), key)
        self.assertNotEqual((self.dir / "attic.key").read_bytes(), key)
        self.assertTrue(self.key_fits("attic") and self.verifies("attic"))

    def test_renewed_server_keeps_its_names(self):
        self.do("server", "localhost", "home.example", "10.0.0.7")
        before = self.extension("localhost", "subjectAltName")
        self.do("renew", "localhost")
        self.assertEqual(self.extension("localhost", "subjectAltName"), before)
        self.assertTrue(self.verifies("localhost", "-purpose", "sslserver"))

    def test_sensor_that_keeps_its_key_is_renewed_with_it_or_by_a_new_request(self):
        csr = self.request("-subj", "/CN=cellar")
        self.do("sign", csr)
        self.do("renew", "cellar")
        self.assertTrue(self.key_fits("cellar", self.top / "sensor.key"))
        self.do("renew", "cellar", "--csr", self.request("-subj", "/CN=cellar"))
        self.assertTrue(self.key_fits("cellar", self.top / "sensor.key"))
        self.refuse(DATAERR, 'for "cellar", not for "attic"',
                    "renew", self.dir, "attic", "--csr", csr)

    def test_renewal_by_request_puts_the_key_made_here_aside(self):
        old = self.serial("attic")
        self.do("renew", "attic", "--csr", self.request("-subj", "/CN=attic"))
        self.assertFalse((self.dir / "attic.key").exists())
        self.assertTrue((self.dir / f"attic.key.{old}").exists())

    def test_revoked_key_gets_no_new_certificate(self):
        self.do("revoke", "attic")
        self.refuse(DATAERR, "revoked: give it another key", "renew", self.dir, "attic")
        self.do("renew", "attic", "--new-key")
        self.assertTrue(self.verifies("attic"))

    def test_list_shows_states_days_and_roles(self):
        self.do("server", "localhost", "--days", "20")
        self.do("sensor", "gone")
        self.do("revoke", "gone")
        rows = self.rows()
        serial = self.serial("attic")
        self.assertEqual(rows["attic"][0][:2] + rows["attic"][0][4:], ("sensor", serial, "valid"))
        self.assertIn(int(rows["attic"][0][3]), (89, 90))
        self.assertEqual(rows["localhost"][0][0], "server")
        self.assertIn(int(rows["localhost"][0][3]), (19, 20))
        self.assertEqual(rows["gone"][0][4], "revoked")
        self.assertEqual(rows["ca.crt"][0][0::4], ("CA", "valid"))
        self.assertEqual(rows["crl.pem"][0][:2], ("CRL", "number_02"))

    def test_list_says_expired_when_the_end_has_passed(self):
        index = self.dir / "ca" / "index.txt"
        index.write_text(re.sub(r"^V\t\d+Z", "V\t200229120000Z", index.read_text()))
        role, _, expires, days, state = self.rows()["attic"][0]
        self.assertEqual((role, expires, state), ("sensor", "2020-02-29", "expired"))
        self.assertLess(int(days), -2000)

    def test_list_hides_what_no_longer_counts_unless_asked(self):
        self.do("revoke", "attic")
        self.do("renew", "attic", "--new-key")
        self.do("renew", "attic")
        states = [row[4] for row in self.rows()["attic"]]
        self.assertEqual(states, ["valid", "valid"])
        states = [row[4] for row in self.rows("--all")["attic"]]
        self.assertEqual(states, ["revoked", "valid", "valid"])


class TestRefusals(CertsTest):
    def test_name_twice_in_any_spelling_and_any_role_is_refused(self):
        self.do("init")
        self.do("sensor", "Attic")
        before = (self.dir / "Attic.crt").read_bytes()
        self.refuse(CANTCREAT, 'already a sensor "Attic"', "sensor", self.dir, "Attic")
        self.refuse(CANTCREAT, 'already a sensor "Attic"', "sensor", self.dir, "aTTIC")
        self.refuse(CANTCREAT, 'already a sensor "Attic"', "server", self.dir, "attic")
        self.assertEqual((self.dir / "Attic.crt").read_bytes(), before)

    def test_second_init_leaves_the_ca_alone(self):
        self.do("init")
        before = (self.dir / "ca.key").read_bytes()
        self.refuse(CANTCREAT, "already a CA", "init", self.dir)
        self.assertEqual((self.dir / "ca.key").read_bytes(), before)

    def test_bad_sensor_names_are_refused_and_leave_nothing(self):
        self.do("init")
        before = sorted(self.dir.rglob("*"))
        for name in ("", ".", "..", "../x", "a/b", "a b", "a\nb", ".hidden", "_x", "caf\u00e9",
                     "a" * 65, "a,URI:urn:sensor:b", "a=b", "$(id)", "ca", "CA"):
            with self.subTest(name=name):
                done = self.certs("sensor", self.dir, name)
                self.assertEqual(done.returncode, DATAERR, done.stderr)
                self.assertRegex(done.stderr, r"is not a name|can't be a name")
        self.refuse(USAGE, "no option -x", "sensor", self.dir, "-x")
        self.refuse(DATAERR, "is not a name", "sensor", self.dir, "--", "-x")
        self.assertEqual(sorted(self.dir.rglob("*")), before)
        self.do("sensor", "a" * 64)

    def test_bad_server_names_and_addresses_are_refused(self):
        self.do("init")
        for name in ("10.0.0.256", "1.2.3", "01.2.3.4", "1:2:3", ":::", ":1:2:3:4:5:6:7:8",
                     "1::2::3", "1:2:3:4:5:6:7:8::", "12345::", "::1%eth0", "fe80::g",
                     "a..b", "-a.b", "a b", "a,b", "x.*", ""):
            with self.subTest(name=name):
                self.refuse(DATAERR, "is not an IP|neither a DNS name",
                            "server", self.dir, "home", "--", name)
        self.assertEqual(sorted(self.rows()), ["ca.crt", "crl.pem"])

    def test_every_command_without_a_ca_says_so(self):
        csr = self.request("-subj", "/CN=x")
        for words in (["server", "x"], ["sensor", "x"], ["sign", csr], ["revoke", "x"], ["crl"],
                      ["renew", "x"], ["list"]):
            with self.subTest(words=words):
                self.refuse(NOINPUT, "no CA in", words[0], self.dir, *words[1:])
                self.refuse(NOINPUT, "no CA in", words[0], self.top, *words[1:])
        self.assertFalse(self.dir.exists())

    def test_signing_without_the_ca_key_says_so(self):
        self.do("init")
        (self.dir / "ca.key").rename(self.top / "away")
        self.refuse(NOINPUT, "ca.key is missing", "sensor", self.dir, "attic")
        (self.top / "away").rename(self.dir / "ca.key")
        self.do("sensor", "attic")

    def test_unknown_name_is_refused(self):
        self.do("init")
        self.refuse(NOINPUT, 'no sensor "x"', "revoke", self.dir, "x")
        self.refuse(NOINPUT, 'no sensor "x"', "renew", self.dir, "x")

    def test_wrong_usage_is_refused(self):
        for words in ([], ["bake", "x"], ["init"], ["init", "a", "b"], ["sensor", "x"],
                      ["init", "x", "--ca-key", "rsa1024"], ["init", "x", "--days"],
                      ["sensor", "x", "y", "--days", "0"], ["sensor", "x", "y", "--days", "1x"],
                      ["sensor", "x", "y", "--crl-days", "3"], ["list", "x", "--frob"],
                      ["renew", "x", "y", "--new-key", "--csr", "z"], ["init", ""]):
            with self.subTest(words=words):
                self.refuse(USAGE, "See certs.sh --help", *words, cwd=self.top)
        self.assertEqual(list(self.top.iterdir()), [])

    def test_leaf_that_would_outlive_the_ca_is_refused(self):
        self.do("init", "--days", "30")
        self.refuse(DATAERR, "would outlive the CA", "sensor", self.dir, "attic")
        self.do("sensor", "attic", "--days", "29")

    def test_folder_that_cannot_be_made_is_refused(self):
        (self.top / "file").write_text("")
        self.refuse(CANTCREAT, "not a folder", "init", self.top / "file")
        self.refuse(CANTCREAT, "can't be made", "init", self.top / "file" / "x")

    def test_folder_with_files_open_to_others_is_refused_and_untouched(self):
        self.dir.mkdir()
        self.dir.chmod(0o755)
        (self.dir / "file").write_text("")
        self.refuse(CANTCREAT, "open to others", "init", self.dir)
        self.assertEqual(self.dir.stat().st_mode & 0o777, 0o755)

    def test_missing_or_old_openssl_is_refused(self):
        tools = self.top / "bin"
        tools.mkdir()
        for tool in ("bash", "cat", "dirname", "flock", "readlink"):
            (tools / tool).symlink_to(shutil.which(tool))
        environment = {"PATH": str(tools)}
        self.refuse(UNAVAILABLE, "openssl is missing", "init", self.dir, env=environment)
        (tools / "openssl").write_text("#!/bin/bash\necho OpenSSL 1.1.1w  11 Sep 2023\n")
        (tools / "openssl").chmod(0o755)
        self.refuse(UNAVAILABLE, "not OpenSSL 3.0", "init", self.dir, env=environment)

    def test_help_fits_a_screen(self):
        done = self.certs("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertLessEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)

    def test_disk_that_fills_up_leaves_everything_as_it_was(self):
        self.do("init")
        shims = self.top / "shims"
        shims.mkdir()
        before = sorted(self.dir.rglob("*"))
        environment = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}"}
        for command in ("cp", "install", "sync", "mv"):
            with self.subTest(command):
                (shims / command).write_text(
                    "#!/bin/bash\necho No space left on device >&2\nexit 1\n")
                (shims / command).chmod(0o755)
                done = self.certs("sensor", self.dir, "attic", env=environment)
                (shims / command).unlink()
                self.assertEqual((done.returncode, done.stdout), (CANTCREAT, ""))
                self.assertIn("No space left", done.stderr)
                self.assertIn("give the same command again", done.stderr)
                self.assertEqual(sorted(self.dir.rglob("*")), before)
        self.do("sensor", "attic")

    def test_script_is_found_through_a_link_from_elsewhere(self):
        link = self.top / "certs"
        link.symlink_to(pki.CERTS_SH)
        done = subprocess.run([link, "init", self.dir], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_users_own_openssl_configuration_is_not_used(self):
        broken = self.top / "openssl.cnf"
        broken.write_text("[[[\n$ENV::NOTHING = \n")
        done = self.certs("init", self.dir, env={**os.environ, "OPENSSL_CONF": str(broken)})
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class TestOrdinaryUser(CertsTest):
    """Root may write anywhere, so as root these run as the user nobody."""

    def setUp(self):
        super().setUp()
        self.options = {}
        if os.geteuid() == 0:
            copy = self.top / "clone"
            (copy / "scripts").mkdir(parents=True)
            shutil.copy(pki.CERTS_SH, copy / "scripts")
            shutil.copytree(pki.REPOSITORY / "certs" / "profiles", copy / "certs" / "profiles")
            subprocess.run(["chmod", "-R", "a+rX", self.top], check=True)
            self.options = {"user": 65534, "group": 65534, "extra_groups": []}
            self.script = copy / "scripts" / "certs.sh"
        else:
            self.script = pki.CERTS_SH
        self.home = self.top / "home"
        self.home.mkdir()
        if os.geteuid() == 0:
            os.chown(self.home, 65534, 65534)
        self.dir = self.home / "my CA"

    def certs(self, *words, **options):
        return subprocess.run(
            [self.script, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, cwd="/", **self.options, **options,
        )

    def test_everything_works_as_an_ordinary_user(self):
        self.do("init")
        self.do("server", "localhost")
        self.do("sensor", "attic")
        self.do("renew", "attic")
        self.do("revoke", "attic")
        self.do("crl")
        self.assertEqual(self.rows()["attic"][0][4], "revoked")

    def test_unwritable_folder_is_refused(self):
        self.do("init")
        before = sorted(self.dir.rglob("*"))
        self.dir.chmod(0o500)
        try:
            self.refuse(CANTCREAT, "can't be written", "sensor", self.dir, "attic")
        finally:
            self.dir.chmod(0o700)
        self.assertEqual(sorted(self.dir.rglob("*")), before)
        self.home.chmod(0o500)
        try:
            self.refuse(CANTCREAT, "can't be made", "init", self.home / "second")
        finally:
            self.home.chmod(0o700)

    def test_somebody_elses_folder_is_refused(self):
        self.do("init")
        if os.geteuid() != 0:
            self.skipTest("only root can give a folder away")
        os.chown(self.dir, 0, 0)
        self.refuse(NOINPUT, "can't be opened", "list", self.dir)


class TestInterruption(CertsTest):
    """Kills a run after every command that it calls, and runs it again."""

    def setUp(self):
        super().setUp()
        self.shims = self.top / "shims"
        self.shims.mkdir()
        for name in ("openssl", "mv", "cp", "rm", "sync", "mkdir", "chmod", "install"):
            shim = self.shims / name
            shim.write_text(SHIM.format(name=name))
            shim.chmod(0o755)

    def killed(self, turn, *words):
        """Runs certs.sh until the turn-th call; false when it ended before that."""
        count = self.top / "count"
        count.write_text("0\n")
        environment = {
            **os.environ, "PATH": f"{self.shims}:{os.environ['PATH']}",
            "SHIM_COUNT": str(count), "SHIM_TURN": str(turn),
        }
        done = self.certs(*words, env=environment, start_new_session=True)
        self.assertIn(done.returncode, (0, -signal.SIGKILL), done.stderr)
        return done.returncode != 0

    def each_kill(self, prepare, command, *words):
        """Yields once per place of death, with the run repeated and done."""
        turn = 1
        while True:
            self.dir = self.top / f"CA {turn}"
            prepare()
            if not self.killed(turn, command, self.dir, *words):
                break
            again = self.certs(command, self.dir, *words)
            yield f"{command} killed after call {turn}", again
            self.assertFalse((self.dir / "ca" / "stage").exists())
            self.assertFalse((self.dir / "ca" / "commit").exists())
            turn += 1
        self.assertGreater(turn, 15)

    def started(self):
        if not (self.top / "template").exists():
            here, self.dir = self.dir, self.top / "template"
            self.do("init")
            self.do("sensor", "first")
            self.dir = here
        shutil.copytree(self.top / "template", self.dir)

    def assert_done_or_already(self, again, what):
        """The repeated run made it, completed it, or found it complete."""
        if again.returncode != 0:
            self.assertEqual(again.returncode, CANTCREAT, what + ": " + again.stderr)
            self.assertIn("There is already a", again.stderr)

    def test_init_killed_anywhere_is_completed_by_the_same_command(self):
        for what, again in self.each_kill(lambda: None, "init"):
            with self.subTest(what):
                self.assert_done_or_already(again, what)
                self.assertTrue(self.key_fits("ca"))
                self.do("sensor", "attic")
                self.assertTrue(self.verifies("attic"))

    def test_sensor_killed_anywhere_is_completed_by_the_same_command(self):
        for what, again in self.each_kill(self.started, "sensor", "attic"):
            with self.subTest(what):
                self.assert_done_or_already(again, what)
                self.assertTrue(self.key_fits("attic") and self.verifies("attic"))
                self.assertEqual(len(self.rows("--all")["attic"]), 1)

    def test_revoke_killed_anywhere_is_completed_by_the_same_command(self):
        for what, again in self.each_kill(self.started, "revoke", "first"):
            with self.subTest(what):
                self.assertEqual(again.returncode, 0, again.stderr)
                self.assertFalse(self.verifies("first"))

    def test_renew_killed_anywhere_is_completed_by_the_same_command(self):
        for what, again in self.each_kill(self.started, "renew", "first", "--new-key"):
            with self.subTest(what):
                self.assertEqual(again.returncode, 0, again.stderr)
                self.assertTrue(self.key_fits("first") and self.verifies("first"))
                for old in self.dir.glob("first.crt.*"):
                    self.assertTrue((self.dir / old.name.replace(".crt.", ".key.")).exists())

    def test_another_command_completes_what_was_begun(self):
        for turn in range(1, 100, 2):
            self.dir = self.top / f"CA {turn}"
            self.started()
            if not self.killed(turn, "sensor", self.dir, "attic"):
                break
            done = self.certs("list", self.dir)
            self.assertEqual(done.returncode, 0, done.stderr)
            if "attic" in done.stdout:
                self.assertTrue(self.key_fits("attic") and self.verifies("attic"))
            else:
                self.assertEqual(list(self.dir.glob("attic*")), [])
        self.assertGreater(turn, 10)

    def test_second_run_at_once_is_told_to_wait(self):
        self.do("init")
        with open(self.dir / "ca" / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refuse(TEMPFAIL, "Another certs.sh", "sensor", self.dir, "attic")
            self.refuse(TEMPFAIL, "Another certs.sh", "init", self.dir)
        self.do("sensor", "attic")

    def test_refused_second_run_leaves_the_firsts_stage_alone(self):
        self.do("init")
        stage = self.dir / "ca" / "stage" / "scratch"
        stage.mkdir(parents=True)
        with open(self.dir / "ca" / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refuse(TEMPFAIL, "Another certs.sh", "list", self.dir)
        self.assertTrue(stage.exists())
        self.do("list")
        self.assertFalse(stage.parent.exists())


class TestPki(CertsTest):
    """The bad certificates of tests/support/pki.py are what they say."""

    def setUp(self):
        super().setUp()
        self.pki = pki.Pki(self.top / "pki")

    def errors(self, pair, *options, ca=None):
        """The error numbers of openssl verify (x509_vfy.h)."""
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", (ca or self.pki.good_ca).cert, *options, pair.cert],
            capture_output=True, text=True, check=False,
        )
        return set(map(int, re.findall(r"^error (\d+) at", done.stderr, re.MULTILINE)))

    def test_leaf_is_as_good_as_one_of_certs_sh_unless_told_otherwise(self):
        for pair in (self.pki.leaf("attic"), self.pki.sensor("attic")):
            self.assertEqual(self.errors(pair, "-x509_strict", "-purpose", "sslclient"), set())

    def test_bad_leaves_fail_for_their_one_reason(self):
        client = ("-purpose", "sslclient")
        self.assertEqual(self.errors(self.pki.expired("a"), *client), {10})
        self.assertEqual(self.errors(self.pki.not_yet_valid("a"), *client), {9})
        self.assertEqual(self.errors(self.pki.server_only("a"), *client), {26})
        self.assertEqual(self.errors(self.pki.self_signed("a"), *client), {18})
        self.assertEqual(self.errors(self.pki.leaf("a", ca=self.pki.ca("other"))), {20})
        self.assertEqual(self.errors(self.pki.impostor("a")), {7})

    def test_impostor_ca_has_the_good_ones_name_and_another_key(self):
        impostor = self.pki.impostor_ca()
        good = self.pki.good_ca
        self.assertEqual(pki.subject_of(impostor.cert), pki.subject_of(good.cert))
        self.assertNotEqual(pki.public_key_of(impostor.key), pki.public_key_of(good.key))

    def test_zero_bytes_are_in_the_names(self):
        self.assertIn(b"urn:sensor:attic\0.example",
                      pki.der_of(self.pki.zero_in_uri("attic").cert))
        self.assertIn(b"attic\0.example", pki.der_of(self.pki.zero_in_cn("attic").cert))

    def test_leaf_that_signs_has_a_path_length_and_no_ca_bit(self):
        ca = self.pki.ca("root")
        chain = self.pki.leaf_that_signs("attic", ca=ca)
        text = chain.cert.read_text().split("-----END CERTIFICATE-----\n")
        self.assertEqual(len(text), 3)
        between = pki.openssl("x509", "-noout", "-ext", "basicConstraints",
                              stdin=(text[1] + "-----END CERTIFICATE-----\n").encode())
        self.assertIn(b"CA:FALSE, pathlen:1", between)
        self.assertEqual(self.errors(chain, "-untrusted", chain.cert, ca=ca), {79})

    def test_rogue_chain_is_eleven_kilobytes_of_expired_brainpool_cas(self):
        chain = self.pki.rogue_chain()
        blocks = chain.cert.read_text().count("BEGIN CERTIFICATE")
        size = len(chain.cert.read_text()) * 3 // 4
        self.assertEqual(blocks, 25)
        self.assertTrue(11000 < size < 12500, size)

    def test_free_port_can_be_listened_on_and_wait_for_gives_up(self):
        for host in ("127.0.0.1", "::1"):
            self.assertGreater(pki.free_port(host), 1023)
        self.assertEqual(pki.wait_for(lambda: 7), 7)
        with self.assertRaisesRegex(AssertionError, "the moon"):
            pki.wait_for(lambda: False, deadline=0.05, what="the moon")


if __name__ == "__main__":
    unittest.main()
