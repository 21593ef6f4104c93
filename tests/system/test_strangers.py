#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A flood of strangers with chains of rogue CAs: each is refused with the right reason, and the
sensor that is in gets every reading acknowledged. How fast is measured by strangers.py, not here.
And addresses that waste the server's time make room for others.
"""

import contextlib
import os
import pathlib
import re
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "strangers"))

import programs  # noqa: E402
import strangers  # noqa: E402

RATE = 5 if programs.SLOW else 50
SECONDS = 3


class StrangersTest(programs.SystemTest):
    def flood(self, *options):
        """Returns what the strangers were told, and what the server says of them."""
        wanted = strangers.options([
            "--bin", str(programs.BIN), "--quiet", "0.2", "--minutes", str(SECONDS / 60), "--rate",
            # From so many addresses that none of them owes much.
            str(RATE), "--addresses", "64", "--pace", "0", "--no-newcomers", *options])
        quiet, flooded, flood, said = strangers.run(programs, self.new_folder(), wanted)
        self.assertGreater(len(quiet.acks), 0)
        self.assertGreater(len(flooded.acks), 0)
        self.assertEqual(flood["begun"], RATE * SECONDS)
        self.assertEqual(sum(flood["told"].values()), RATE * SECONDS)
        return flood["told"], said

    def test_strangers_with_rogue_cas_are_told_why_and_a_sensor_that_is_in_goes_on(self):
        told, said = self.flood("--tls", "1.2")
        self.assertEqual(said, {"handshake-too-many-certs": RATE * SECONDS})
        self.assertEqual(told, {"sslv3 alert bad certificate": RATE * SECONDS})

    def test_strangers_whose_rogue_cas_cant_be_read_are_refused_at_the_limit_of_bytes(self):
        if programs.ssl.TLSVersion.TLSv1_3 not in programs.tls_versions():
            self.skipTest("the server has no TLS 1.3")
        _, said = self.flood("--tls", "1.3")
        self.assertEqual(said, {"handshake-too-large": RATE * SECONDS})

    def test_strangers_with_one_unknown_ca_are_judged(self):
        # The control of the others: it is the number of certificates that they are refused for.
        _, said = self.flood("--tls", "1.2", "--chain", "1", "--curve", "p256")
        self.assertEqual(said, {"client-cert-untrusted": RATE * SECONDS})


class DebtorsTest(programs.SystemTest):
    WASTER = "127.0.0.2"
    SILENT = "127.0.0.3"
    TRIES_MAX = 2000

    def setUp(self):
        # With 16 handshakes at most, one that is under way already is a crowd.
        self.server = self.start_server("--max-handshakes", "16", "--handshake-timeout", "600")
        self.silent = socket.create_connection(self.server.address, programs.DEADLINE,
                                               (self.SILENT, 0))
        self.addCleanup(self.silent.close)
        self.server.wait_for(f"connection from {self.SILENT}")

    def stranger(self):
        """One of an unknown CA from the address that wastes time. Returns its port."""
        context = programs.client_context(self.impostor, programs.ssl.TLSVersion.TLSv1_2)
        with socket.create_connection(self.server.address, programs.DEADLINE,
                                      (self.WASTER, 0)) as raw:
            port = raw.getsockname()[1]
            with contextlib.suppress(OSError), \
                    context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                wrapped.recv(1)
            return port

    def test_address_that_wastes_time_waits_outside_while_it_is_crowded_and_others_come_in(self):
        self.impostor = self.pki.leaf("attic", self.pki.impostor_ca())
        turned_away = f"turned away .* {self.WASTER}:.*processor time for handshakes that fail"
        for _ in range(self.TRIES_MAX):
            self.stranger()
            if re.search(turned_away, self.server.output):
                break
        self.server.wait_for(turned_away)

        with self.connect(self.server, self.pki.sensor("attic")) as sensor:
            sensor.open()
            sensor.say("1 - t: 1")
            sensor.wait_ack(1)
        self.silent.close()
        self.server.wait_for(f"{self.SILENT}:.*: handshake-cut")
        self.server.wait_for(f"{self.WASTER}:{self.stranger()}: client-cert-untrusted")
        self.server.stop()

    def test_handshakes_under_way_end_where_others_of_the_address_wasted_time(self):
        self.impostor = self.pki.leaf("attic", self.pki.impostor_ca())
        # It has said hello, and its certificate comes after the others wasted too much.
        hello, after = memory_client(self.pki.sensor("attic"))
        with socket.create_connection(self.server.address, programs.DEADLINE,
                                      (self.WASTER, 0)) as slow:
            slow.sendall(hello)
            said = b""
            while not said:
                said = after(slow.recv(65536))
            for _ in range(self.TRIES_MAX):
                self.stranger()
                if "processor time for handshakes that fail" in self.server.output:
                    break
            slow.sendall(said)
            port = slow.getsockname()[1]
            self.server.wait_for(f"{self.WASTER}:{port}: handshake-too-costly")
        self.server.stop()


def memory_client(pair):
    """A sensor's hello, and a function from the server's answer to what the sensor says next."""
    incoming, outgoing = programs.ssl.MemoryBIO(), programs.ssl.MemoryBIO()
    context = programs.client_context(pair, programs.ssl.TLSVersion.TLSv1_2)
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def after(answer):
        incoming.write(answer)
        with contextlib.suppress(programs.ssl.SSLWantReadError):
            tls.do_handshake()
        return outgoing.read()

    return after(b""), after


class ThreadsTest(programs.SystemTest):
    def test_threads_for_handshakes_are_as_many_as_told_and_come_after_the_others(self):
        server = self.start_server("--io-threads", "2", "--handshake-threads", "5")
        own = os.getpriority(os.PRIO_PROCESS, 0)

        def as_told():
            # Each thread takes its place when it first runs, which may be after the server's story.
            tasks = pathlib.Path(f"/proc/{server.pid}/task").iterdir()
            given = sorted(os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks)
            others = len(given) - 5  # main, committer, I/O
            return others >= 1 + 1 + 2 and given == [own] * others + [min(own + 10, 19)] * 5

        programs.wait_for(as_told, what="five threads that come after the others")
        server.stop()


if __name__ == "__main__":
    unittest.main()
