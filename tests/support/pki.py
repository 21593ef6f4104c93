# SPDX-License-Identifier: Apache-2.0
"""Certificates, good and bad, made when a system test runs.

The good ones come from scripts/certs.sh, as a user's do. The bad ones are
put together here, field by field, because no well-behaved tool will make a
name with a zero byte in it or a leaf with a path length; the openssl command
makes every key and every signature.

    pki = Pki(folder)
    sensor = pki.sensor("attic")                 # through scripts/certs.sh
    other = pki.leaf("attic", ca=pki.ca("other"))
    old = pki.expired("attic")
    subprocess.run([client, "--cert", old.cert, "--key", old.key, ...])

Everything is made on demand, below the folder given, and thrown away with it.
"""

import base64
import contextlib
import datetime
import hashlib
import os
import pathlib
import re
import socket
import subprocess
import time
from typing import NamedTuple

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CERTS_SH = REPOSITORY / "scripts" / "certs.sh"

DAY = datetime.timedelta(days=1)


class Pair(NamedTuple):
    """A certificate (or chain) and its private key, both PEM files."""

    cert: pathlib.Path
    key: pathlib.Path


# --- general helpers ----------------------------------------------------------


def free_port(host="127.0.0.1"):
    """A TCP port that was free on host a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wait_for(condition, deadline=10.0, what="the condition"):
    """Calls condition() until it returns something true, and returns that.

    deadline is in seconds from now; when it has passed, the test fails.
    """
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {deadline} s")
        time.sleep(0.01)


def openssl(*arguments, stdin=b""):
    """Runs openssl and returns its standard output; raises with its complaint."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


# --- DER (X.690) ----------------------------------------------------------------


def tlv(tag, *contents):
    """One DER element."""
    body = b"".join(contents)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*contents):
    return tlv(0x30, *contents)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    out = bytes([first * 40 + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | (arc & 0x7F))
        out += bytes(reversed(groups))
    return tlv(0x06, out)


def children(der):
    """The whole elements that the one element in der contains."""
    out, (at, end) = [], _span(der, 0)
    while at < end:
        stop = _span(der, at)[1]
        out.append(der[at:stop])
        at = stop
    return out


def _span(der, at):
    """Where the contents of the element at `at` begin and end."""
    size, begin = der[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(der[begin : begin + count], "big")
        begin += count
    return begin, begin + size


def pem(label, der):
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = "\n".join(text[i : i + 64] for i in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def der_of(path):
    """The DER of the first PEM block of a file."""
    block = re.search(r"-----BEGIN [^-]+-----(.*?)-----END", path.read_text(), re.DOTALL)
    return base64.b64decode(block[1])


# --- the fields of a certificate (RFC 5280) ---------------------------------------

ATTRIBUTES = {"CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11"}
GENERAL_NAMES = {"email": 0x81, "dns": 0x82, "uri": 0x86, "ip": 0x87}
KEY_USAGES = {"digitalSignature": 0, "keyEncipherment": 2, "keyCertSign": 5, "cRLSign": 6}
EXTENDED_KEY_USAGES = {
    "serverAuth": "1.3.6.1.5.5.7.3.1",
    "clientAuth": "1.3.6.1.5.5.7.3.2",
    "codeSigning": "1.3.6.1.5.5.7.3.3",
    "any": "2.5.29.37.0",
}
SIGNATURES = {
    ("ec", "sha1"): "1.2.840.10045.4.1",
    ("ec", "sha256"): "1.2.840.10045.4.3.2",
    ("ec", "sha384"): "1.2.840.10045.4.3.3",
    ("ec", "sha512"): "1.2.840.10045.4.3.4",
    ("rsa", "sha1"): "1.2.840.113549.1.1.5",
    ("rsa", "sha256"): "1.2.840.113549.1.1.11",
    ("rsa", "sha384"): "1.2.840.113549.1.1.12",
}
RSA_KEY = oid("1.2.840.113549.1.1.1")


def raw(value):
    return value.encode() if isinstance(value, str) else value


def distinguished_name(subject):
    """A Name from a CN (text or bytes), from (attribute, value) pairs, or none from ()."""
    if isinstance(subject, (str, bytes)):
        subject = [("CN", subject)]
    return sequence(
        *(
            tlv(0x31, sequence(oid(ATTRIBUTES[kind]), tlv(0x0C, raw(value))))
            for kind, value in subject
        )
    )


def subject_alt_name(san):
    """GeneralNames from (kind, value) pairs; an IP address is given as its bytes."""
    return sequence(*(tlv(GENERAL_NAMES[kind], raw(value)) for kind, value in san))


def basic_constraints_value(text):
    """From openssl's notation. As DER demands, CA:FALSE is left out."""
    ca = tlv(0x01, b"\xff") if "CA:TRUE" in text else b""
    limit = re.search(r"pathlen:(\d+)", text)
    return sequence(ca, integer(int(limit[1])) if limit else b"")


def key_usage_value(usages):
    bits = 0
    for usage in usages:
        bits |= 0x80 >> KEY_USAGES[usage]
    unused = (bits & -bits).bit_length() - 1 if bits else 0
    return tlv(0x03, bytes([unused, bits]) if bits else b"\0")


def moment(value):
    """A Time from a datetime, or from a timedelta counted from now."""
    if isinstance(value, datetime.timedelta):
        value = datetime.datetime.now(datetime.timezone.utc) + value
    if 1950 <= value.year < 2050:
        return tlv(0x17, value.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, f"{value.year:04}{value:%m%d%H%M%SZ}".encode())


def extension(dotted, value, critical=False):
    return sequence(oid(dotted), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def public_key_of(key):
    return openssl("pkey", "-in", key, "-pubout", "-outform", "DER")


def key_id(public_key):
    """The SHA-1 of the bits of a SubjectPublicKeyInfo, as openssl's "hash" makes it."""
    bits = children(public_key)[1]
    begin, end = _span(bits, 0)
    return hashlib.sha1(bits[begin + 1 : end]).digest()


def subject_of(cert):
    """The subject of a PEM certificate, as DER."""
    return children(children(der_of(cert))[0])[5]


class Pki:
    """A folder of certificates: one good CA and as many bad things as asked for."""

    def __init__(self, folder, ca_key="p256"):
        self.folder = pathlib.Path(folder)
        self.good = self.folder / "good"
        self._ca_key = ca_key
        self._made = 0

    # --- the good CA, through scripts/certs.sh

    def certs_sh(self, command, *arguments):
        """Runs scripts/certs.sh on the good CA's folder, which is made if need be."""
        if not (self.good / "ca.crt").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._run("init", "--ca-key", self._ca_key)
        return self._run(command, *arguments)

    def _run(self, command, *arguments):
        done = subprocess.run(
            [CERTS_SH, command, self.good, *map(str, arguments)],
            capture_output=True, text=True, check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"certs.sh {command}: {done.stderr}")
        return done.stdout

    @property
    def good_ca(self):
        if not (self.good / "ca.crt").exists():
            self.certs_sh("list")
        return Pair(self.good / "ca.crt", self.good / "ca.key")

    @property
    def crl(self):
        """The good CA's revocation list; pki.certs_sh("revoke", name) renews it."""
        return self.good_ca.cert.parent / "crl.pem"

    def sensor(self, name):
        return self._named("sensor", name)

    def server(self, name="localhost", *names):
        return self._named("server", name, *names)

    def _named(self, role, name, *names):
        pair = Pair(self.good / f"{name}.crt", self.good / f"{name}.key")
        if not pair.cert.exists():
            self.certs_sh(role, name, *names)
        return pair

    # --- anything else

    def key(self, kind="p256"):
        """A new private key: rsaBITS, p256, p384, p521 or one of openssl's curve names."""
        path = self._new_path("key", "key")
        curve = {"p256": "P-256", "p384": "P-384", "p521": "P-521"}.get(kind, kind)
        if kind.startswith("rsa"):
            options = ["RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}"]
        else:
            options = ["EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
        openssl("genpkey", "-algorithm", *options, "-out", path)
        return path

    def leaf(
        self,
        name,
        ca=None,
        subject=None,
        san="default",
        eku=("clientAuth",),
        ku=("digitalSignature",),
        basic_constraints="CA:FALSE",
        not_before=-DAY,
        not_after=30 * DAY,
        key="p256",
        digest="sha256",
        serial=None,
        key_ids=True,
        issuer_name=None,
    ):
        """A certificate that is a good sensor's unless told otherwise.

        ca        Pair of the issuer (default: the good CA), or "self"
        subject   CN as text or bytes (default: name), (attribute, value) pairs, ()
                  for an empty name, or the DER of a Name as subject_of() gives
        san       (kind, value) pairs with kind uri, dns, email or ip; bytes for the
                  extension's own DER; None for no extension
        eku, ku   names, () for an empty extension, None for no extension
        basic_constraints  as openssl writes it ("CA:FALSE,pathlen:1"), or None
        not_before, not_after  a datetime, or a timedelta counted from now
        key       a kind for key(), or the path of a key
        issuer_name  DER, instead of the issuer's name as the issuer writes it
        """
        key = key if isinstance(key, os.PathLike) else self.key(key)
        own = public_key_of(key)
        subject = self._subject(name if subject is None else subject)
        issuer, signer, issuer_key = subject, key, own
        if ca != "self":
            ca = ca or self.good_ca
            issuer, signer, issuer_key = subject_of(ca.cert), ca.key, public_key_of(ca.key)
        if san == "default":
            san = [("uri", f"urn:sensor:{name}")]
        extensions = self._extensions(san, eku, ku, basic_constraints)
        if key_ids:
            extensions.append(extension("2.5.29.14", tlv(0x04, key_id(own))))
            extensions.append(extension("2.5.29.35", sequence(tlv(0x80, key_id(issuer_key)))))
        kind = "rsa" if RSA_KEY in issuer_key[:40] else "ec"
        algorithm = sequence(
            oid(SIGNATURES[kind, digest]), tlv(0x05) if kind == "rsa" else b""
        )
        body = sequence(
            tlv(0xA0, integer(2)),
            integer(serial or int.from_bytes(b"\x40" + os.urandom(15), "big")),
            algorithm,
            issuer_name or issuer,
            sequence(moment(not_before), moment(not_after)),
            subject,
            own,
            tlv(0xA3, sequence(*extensions)) if extensions else b"",
        )
        signature = openssl("dgst", f"-{digest}", "-sign", signer, stdin=body)
        cert = self._new_path(name, "crt")
        cert.write_text(
            pem("CERTIFICATE", sequence(body, algorithm, tlv(0x03, b"\0", signature)))
        )
        return Pair(cert, key)

    def ca(self, name, dn=None, issuer=None, key="p256", pathlen=None, **options):
        """Another CA, or with issuer= an intermediate one.

        dn is its subject (default: name) in any form that leaf(subject=) takes;
        dn=subject_of(pki.good_ca.cert) makes an impostor of the good CA.
        """
        limit = "" if pathlen is None else f",pathlen:{pathlen}"
        options.setdefault("basic_constraints", "CA:TRUE" + limit)
        options.setdefault("ku", ("keyCertSign", "cRLSign"))
        return self.leaf(
            name, ca=issuer or "self", subject=name if dn is None else dn, san=None,
            eku=None, key=key, **options,
        )

    def self_signed(self, name, **options):
        return self.leaf(name, ca="self", **options)

    def chain(self, leaf, *others):
        """The leaf's certificate followed by the others', as one file, with the leaf's key."""
        path = self._new_path("chain", "crt")
        path.write_text("".join(pair.cert.read_text() for pair in (leaf, *others)))
        return Pair(path, leaf.key)

    # --- what the server must refuse, by name

    def expired(self, name, **options):
        return self.leaf(name, not_before=-60 * DAY, not_after=-DAY, **options)

    def not_yet_valid(self, name, **options):
        return self.leaf(name, not_before=DAY, not_after=60 * DAY, **options)

    def server_only(self, name):
        return self.leaf(name, eku=("serverAuth",))

    def no_usage(self, name):
        return self.leaf(name, eku=None, ku=None)

    def wrong_key(self, name):
        """A good sensor's certificate with a key that isn't its own."""
        return Pair(self.leaf(name).cert, self.key())

    def impostor_ca(self):
        """A CA with another key under the good CA's very name."""
        return self.ca("impostor", dn=subject_of(self.good_ca.cert), key_ids=False)

    def impostor(self, name):
        """A sensor of the impostor CA; nothing but the signature tells it from a good one."""
        return self.leaf(name, ca=self.impostor_ca(), key_ids=False)

    def zero_in_uri(self, name):
        """Its URI reads urn:sensor:NAME to whoever stops at a zero byte."""
        return self.leaf(name, subject=(), san=[("uri", f"urn:sensor:{name}\0.example")])

    def zero_in_cn(self, name):
        return self.leaf(name, subject=f"{name}\0.example", san=None)

    def several_uris(self, *names):
        return self.leaf(names[0], san=[("uri", f"urn:sensor:{name}") for name in names])

    def leaf_that_signs(self, name, ca=None, ku=None):
        """A chain: NAME signed by a leaf with CA:FALSE,pathlen:1, signed by ca.

        Mbed TLS up to 3.6.6 takes that leaf for a CA unless its key usage (ku)
        forbids it, or ca has pathlen:0 as the good CA does: to meet the fault
        itself give a ca=pki.ca(...) that the server trusts.
        """
        between = self.leaf("between", ca=ca, basic_constraints="CA:FALSE,pathlen:1", ku=ku)
        return self.chain(self.leaf(name, ca=between), between)

    def rogue_chain(self, count=24, curve="brainpoolP512r1"):
        """A leaf and `count` expired CA certificates that all carry its issuer's name.

        Mbed TLS checks a signature with every one of them at every level: 24
        of them (11.7 KB) keep an unguarded server busy for seconds.
        """
        key = self.key(curve)
        rogues = [
            self.ca("rogue", dn="rogue", key=key, ku=None, key_ids=False,
                    not_before=-3650 * DAY, not_after=-365 * DAY)
            for _ in range(count)
        ]
        return self.chain(self.leaf("stranger", ca=rogues[0], key_ids=False), *rogues)

    # --- inside

    def _new_path(self, name, suffix):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made += 1
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:40]
        return self.folder / f"{self._made:03}-{stem}.{suffix}"

    @staticmethod
    def _subject(subject):
        is_der = isinstance(subject, bytes) and subject[:1] == b"\x30"
        return subject if is_der else distinguished_name(subject)

    @staticmethod
    def _extensions(san, eku, ku, basic_constraints):
        out = []
        if basic_constraints is not None:
            out.append(extension("2.5.29.19", basic_constraints_value(basic_constraints), True))
        if ku is not None:
            out.append(extension("2.5.29.15", key_usage_value(ku), True))
        if eku is not None:
            usages = (oid(EXTENDED_KEY_USAGES[usage]) for usage in eku)
            out.append(extension("2.5.29.37", sequence(*usages)))
        if san is not None:
            value = san if isinstance(san, bytes) else subject_alt_name(san)
            out.append(extension("2.5.29.17", value))
        return out
