#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""certificates.py DIR -- makes the certificates that the C tests of TLS use, good ones and bad ones.

Each is DIR/NAME.crt with DIR/NAME.key; what certs.sh would make is made by certs.sh. tests/support/
certificates.cmake runs this as a fixture before the tests, which find DIR in SL_TEST_CERTS.

A folder that is whole and younger than a day is left alone: nothing in it has expired yet. Any other
is made anew beside its place and moved there in one step, under a lock, so that several test
runs at once end up with one whole folder.
"""
import datetime
import fcntl
import pathlib
import shutil
import sys
import tempfile
import time

import pki as make
from pki import DAY, Pair, Pki

STAMP = "complete"
VERSION = "9"  # counts up when the set below changes
SECONDS_OF_A_DAY = 86400
NOW = datetime.datetime.now(datetime.timezone.utc)  # one for all: two lists are of one moment


def is_fresh(folder):
    """Whether this folder is whole, of this version and younger than a day."""
    stamp = folder / STAMP
    try:
        age = time.time() - stamp.stat().st_mtime
        return stamp.read_text() == VERSION and 0 <= age < SECONDS_OF_A_DAY
    except FileNotFoundError:
        return False


def moment(value):
    """As pki.moment(), but counted from NOW."""
    return make.moment(NOW + value if isinstance(value, datetime.timedelta) else value)


def crl(ca, serials=(), this_update=-DAY, next_update=30 * DAY, digest="sha256", entry=b"",
        number=None):
    """A revocation list of that CA as DER; next_update None leaves the date out.

    number is the CRL number, or bytes to stand in its place.
    """
    kind = "rsa" if make.RSA_KEY in make.public_key_of(ca.key)[:40] else "ec"
    algorithm = make.sequence(
        make.oid(make.SIGNATURES[kind, digest]), make.tlv(0x05) if kind == "rsa" else b""
    )
    date = make.moment(-DAY)
    entries = [make.sequence(make.integer(s), date, entry) for s in serials]
    if number is not None:
        value = number if isinstance(number, bytes) else make.integer(number)
        number = make.tlv(0xA0, make.sequence(make.extension("2.5.29.20", value)))
    body = make.sequence(
        make.integer(1),
        algorithm,
        make.subject_of(ca.cert),
        moment(this_update),
        b"" if next_update is None else moment(next_update),
        make.sequence(*entries) if entries else b"",
        number or b"",
    )
    signature = make.openssl("dgst", f"-{digest}", "-sign", ca.key, stdin=body)
    return make.sequence(body, algorithm, make.tlv(0x03, b"\0", signature))


class Folder:
    """Where pairs are put under the names that the tests know."""

    def __init__(self, folder):
        self.folder = folder

    def pair(self, name, pair):
        shutil.copyfile(pair.cert, self.folder / f"{name}.crt")
        shutil.copyfile(pair.key, self.folder / f"{name}.key")
        (self.folder / f"{name}.key").chmod(0o600)

    def text(self, name, *texts):
        (self.folder / name).write_text("".join(texts))

    def lists(self, name, *ders):
        self.text(name, *(make.pem("X509 CRL", der) for der in ders))


def good(pki, out):
    """What a user has: a CA, servers and sensors, through scripts/certs.sh."""
    out.pair("ca", pki.good_ca)
    out.pair("server", pki.server("localhost", "sensors.example", "192.0.2.7", "2001:db8::7"))
    for name in ("attic", "cellar"):
        out.pair(name, pki.sensor(name))
    out.text("empty.crl", pki.crl.read_text())


def bad_sensors(pki, out):
    """What the server must refuse, or admission after it, and what it must take all the same."""
    other = pki.ca("other")
    out.pair("other-ca", other)
    out.pair("sensor-other-ca", pki.leaf("attic", ca=other))
    out.pair("sensor-impostor", pki.impostor("attic"))
    out.pair("sensor-self-signed", pki.self_signed("attic"))
    out.pair("sensor-expired", pki.expired("attic"))
    out.pair("sensor-early", pki.not_yet_valid("attic"))
    out.pair("sensor-server-only", pki.server_only("attic"))
    out.pair("sensor-outlives-ca", pki.leaf("attic", not_after=7300 * DAY))
    out.pair("sensor-no-usage", pki.no_usage("attic"))
    out.pair("sensor-any-usage", pki.leaf("attic", eku=("any",)))
    out.pair("sensor-no-signing", pki.leaf("attic", ku=("keyEncipherment",)))
    out.pair("sensor-wrong-key", pki.wrong_key("attic"))
    out.pair("sensor-sha1", pki.leaf("attic", digest="sha1"))
    make.SIGNATURES["ec", "sha224"] = "1.2.840.10045.4.3.1"
    out.pair("sensor-sha224", pki.leaf("attic", digest="sha224"))
    out.pair("sensor-p521", pki.leaf("attic", key="p521"))
    out.pair("sensor-rogue", pki.rogue_chain())
    for count in (1, 2):
        out.pair(f"sensor-rogue-{count}", pki.rogue_chain(count))
    open_ca = pki.ca("open")
    out.pair("open-ca", open_ca)
    attic = pki.sensor("attic")
    out.pair("attic-with-ca", pki.chain(attic, pki.good_ca))
    out.pair("attic-with-cas", pki.chain(attic, pki.good_ca, other, pki.good_ca))
    out.pair("attic-with-unknown", pki.chain(attic, pki.good_ca, other, open_ca))
    out.text("open-bundle.crt", open_ca.cert.read_text(), pki.good_ca.cert.read_text())
    out.pair("sensor-by-leaf", pki.leaf_that_signs("attic", ca=open_ca))
    between = pki.ca("between", issuer=open_ca)
    out.pair("sensor-by-intermediate", pki.chain(pki.leaf("attic", ca=between), between))


def names(pki, out):
    """Certificates that name their sensor in all kinds of ways."""
    def named(name, **options):
        out.pair(f"name-{name}", pki.leaf("attic", **options))

    named("uri", subject="other", san=[("dns", "dns.example"), ("uri", "urn:sensor:attic")])
    named("uri-upper", san=[("uri", "URN:SENSOR:Attic")])
    named("uri-other", san=[("uri", "https://attic"), ("dns", "attic.example")])
    named("uri-empty", san=[("uri", "urn:sensor:"), ("dns", "attic.example")])
    named("uri-blank", san=[("uri", "urn:sensor:at tic")])
    named("uri-zero", subject=(), san=[("uri", "urn:sensor:attic\0.example")])
    named("uri-twice", san=[("uri", "urn:sensor:attic"), ("uri", "urn:sensor:cellar")])
    named("uri-same-twice", san=[("uri", "urn:sensor:attic"), ("uri", "urn:sensor:attic")])
    named("uri-64", san=[("uri", "urn:sensor:" + "a" * 64)])
    named("uri-65", san=[("uri", "urn:sensor:" + "a" * 65)])
    named("uri-dash", san=[("uri", "urn:sensor:-attic")])
    named("uri-dot", san=[("uri", "urn:sensor:.attic")])
    named("uri-umlaut", san=[("uri", "urn:sensor:d\u00e4ch")])
    named("uri-newline", san=[("uri", "urn:sensor:attic\nroot")])
    named("dns", subject="other", san=[("dns", "attic.example")])
    named("dns-first", san=[("dns", "first.example"), ("dns", "second.example")])
    named("dns-star", san=[("dns", "*.example")])
    named("cn", san=None)
    named("cn-email", san=[("email", "attic@example")])
    named("cn-address", san=[("ip", bytes([192, 0, 2, 1]))])
    named("cn-blank", subject="the attic", san=None)
    named("cn-zero", subject="attic\0.example", san=None)
    named("cn-twice", subject=[("CN", "attic"), ("CN", "cellar")], san=None)
    named("cn-second", subject=[("O", "House"), ("CN", "attic")], san=None)
    named("cn-escape", subject="\x1b[2Jattic", san=None)
    named("none", subject=(), san=None)
    named("no-cn", subject=[("O", "House")], san=None)
    named("long", subject=[("O", "o" * 60), ("OU", "u" * 64), ("OU", "v" * 64), ("CN", "c" * 64)],
          san=None)


def bad_servers(pki, out):
    """What a sensor must refuse."""
    def server(name, **options):
        options.setdefault("eku", ("serverAuth",))
        options.setdefault("san", [("dns", "localhost"), ("ip", bytes([127, 0, 0, 1]))])
        out.pair(f"server-{name}", pki.leaf("localhost", **options))

    server("expired", not_before=-60 * DAY, not_after=-DAY)
    server("early", not_before=DAY, not_after=60 * DAY)
    server("other-name", subject="other", san=[("dns", "other.example")])
    server("address-as-name", san=[("dns", "127.0.0.1")])
    server("client-only", eku=("clientAuth",))
    server("other-ca", ca=Pair(out.folder / "other-ca.crt", out.folder / "other-ca.key"))
    server("wrong-key")
    shutil.copyfile(out.folder / "server.key", out.folder / "server-wrong-key.key")
    out.pair("server-rsa", pki.leaf("localhost", eku=("serverAuth",), key="rsa2048"))


def files(pki, out):
    """Files for sl_trust_load(): bundles, keys, revocation lists."""
    ca = pki.good_ca
    other = Pair(out.folder / "other-ca.crt", out.folder / "other-ca.key")
    text = ca.cert.read_text()
    middle = len(text) // 2
    out.text("two-cas.crt", text, other.cert.read_text())
    out.text("leaf-as-ca.crt", text, (out.folder / "attic.crt").read_text())
    out.text("broken-second.crt", text, text[:middle] + "!!!!" + text[middle + 4:])
    out.text("not-pem.crt", "this is no certificate\n")
    out.text("nothing.crt")
    old = pki.ca("old", not_before=-60 * DAY, not_after=-DAY)
    out.pair("old-ca", old)
    out.pair("early-ca", pki.ca("early", not_before=DAY, not_after=60 * DAY))
    encrypted = make.openssl("pkey", "-in", out.folder / "attic.key", "-aes256", "-passout", "pass:x")
    (out.folder / "encrypted.key").write_bytes(encrypted)
    (out.folder / "encrypted.key").chmod(0o600)
    shutil.copyfile(out.folder / "server.key", out.folder / "readable.key")
    (out.folder / "readable.key").chmod(0o644)

    serial = 0x4000000000000000000000000000BEEF
    revoked = pki.leaf("attic", serial=serial)
    out.pair("sensor-revoked", revoked)
    twin = pki.leaf("attic", ca=other, serial=serial)
    out.pair("sensor-same-serial-other-ca", twin)
    # A CA whose name differs from the good one's in its last byte only.
    near = bytearray(make.subject_of(ca.cert))
    near[-1] ^= 1
    near_ca = pki.ca("near", dn=bytes(near))
    out.pair("sensor-same-serial-near-ca", pki.leaf("attic", ca=near_ca, serial=serial))
    many = [serial ^ (i << 8) for i in range(1, 2000)]
    out.lists("revoked.crl", crl(ca, [serial]))
    out.lists("many.crl", crl(ca, many[:1000] + [serial] + many[1000:]))
    out.lists("two.crl", crl(ca, [serial]), crl(other, [7]))
    out.lists("other-ca.crl", crl(other, [serial]))
    out.lists("old.crl", crl(ca, [serial], this_update=-40 * DAY, next_update=-DAY))
    out.lists("future.crl", crl(ca, [serial], this_update=DAY))
    out.lists("no-next-update.crl", crl(ca, [serial], next_update=None))
    out.lists("forged.crl", crl(Pair(ca.cert, other.key), []))
    out.lists("sha1.crl", crl(ca, [serial], digest="sha1"))
    out.text("not-a-list.crl", text)
    later = datetime.datetime.now(datetime.timezone.utc) - DAY / 2  # the same second for all
    out.lists("number-7.crl", crl(ca, [serial], number=7))
    out.lists("number-6-later.crl", crl(ca, this_update=later, number=6))
    out.lists("number-256-later.crl", crl(ca, this_update=later, number=256))
    out.lists("number-255-later.crl", crl(ca, this_update=later, number=255))
    out.lists("number-8-earlier.crl", crl(ca, this_update=-2 * DAY, number=8))
    out.lists("no-number-later.crl", crl(ca, this_update=later))
    out.lists("no-number-earlier.crl", crl(ca, this_update=-2 * DAY))
    out.lists("number-160-bits.crl", crl(ca, number=2**159 - 1))
    out.lists("number-too-long.crl", crl(ca, number=2**160))
    out.lists("number-negative.crl", crl(ca, number=b"\x02\x01\xff"))
    out.lists("number-no-integer.crl", crl(ca, number=b"\x04\x01\x01"))
    out.lists("number-cut.crl", crl(ca, number=b"\x02\x05\x01"))
    out.lists("both-of-one-ca.crl", crl(ca, number=1), crl(ca, number=2))
    # The same CA with a new certificate: name and key are what signs lists.
    out.pair("renewed-ca", pki.ca("renewed", dn=make.subject_of(ca.cert), key=ca.key))
    out.text("ca-twice.crt", text, text)
    rsa = Pki(pki.folder / "rsa", ca_key="rsa3072")
    out.pair("rsa-ca", rsa.good_ca)
    out.pair("rsa-server", rsa.server("localhost"))
    out.pair("rsa-attic", rsa.sensor("attic"))
    out.lists("rsa.crl", crl(rsa.good_ca, [serial]))


def build(folder):
    """Makes everything below `folder`, and its stamp last."""
    with tempfile.TemporaryDirectory(prefix="sl-pki-") as work:
        pki, out = Pki(work), Folder(folder)
        for part in (good, bad_sensors, names, bad_servers, files):
            part(pki, out)
    (folder / STAMP).write_text(VERSION)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: certificates.py DIR")
    place = pathlib.Path(sys.argv[1]).resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{place}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_fresh(place):
            print(f"{place}: made less than a day ago")
            return
        fresh = pathlib.Path(f"{place}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        build(fresh)
        shutil.rmtree(place, ignore_errors=True)
        fresh.rename(place)
        print(f"{place}: made anew")


if __name__ == "__main__":
    main()
