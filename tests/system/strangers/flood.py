#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""flood.py PORT CHAIN KEY RATE SECONDS ADDRESSES TLS -- strangers who try a chain of rogue CAs.

RATE of them a second begin, whatever becomes of those before, each from one of ADDRESSES addresses
127.0.1.1, 127.0.1.2 and so on. Each goes as far in the handshake as it gets, and then waits for the
server to end it. Printed at the end, as JSON: how many began, what they were told, how long they
lasted. A process of its own, so that its work doesn't stand in the way of whoever measures.
"""

import collections
import json
import select
import socket
import ssl
import statistics
import sys
import time

PATIENCE_S = 30
OUT = select.EPOLLOUT
IN = select.EPOLLIN


class Stranger:
    """One connection; step() until `told` says how it ended."""

    def __init__(self, context, source, target):
        self.context, self.begun = context, time.monotonic()
        self.told, self.waits, self.tls, self.over = None, OUT, None, False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.bind((source, 0))
        self.socket.connect_ex(target)

    def step(self):
        try:
            self.go_on()
        except ssl.SSLWantReadError:
            self.waits = IN
        except ssl.SSLWantWriteError:
            self.waits = OUT
        except ssl.SSLEOFError:
            self.told = "cut"
        except ssl.SSLError as error:
            self.told = (error.reason or "no reason").lower().replace("_", " ")
        except OSError:
            self.told = "cut"

    def go_on(self):
        if not self.tls:
            self.tls = self.context.wrap_socket(self.socket, do_handshake_on_connect=False,
                                                server_hostname="localhost")
        if not self.over:
            self.tls.do_handshake()
            self.over = True
        # In TLS 1.3 a stranger's own handshake is over before it is judged.
        while self.tls.recv(4096):
            pass
        self.told = "closed"

    def close(self):
        (self.tls or self.socket).close()


class Flood:
    def __init__(self, context, port, addresses):
        self.context, self.target, self.addresses = context, ("127.0.0.1", port), addresses
        self.epoll, self.open = select.epoll(), {}
        self.begun, self.told, self.lasted = 0, collections.Counter(), []

    def begin(self):
        source = f"127.0.1.{1 + self.begun % self.addresses}"
        stranger = Stranger(self.context, source, self.target)
        self.open[stranger.socket.fileno()] = stranger
        self.epoll.register(stranger.socket.fileno(), OUT)
        self.begun += 1

    def end(self, number):
        stranger = self.open.pop(number)
        self.told[stranger.told] += 1
        self.lasted.append(time.monotonic() - stranger.begun)
        self.epoll.unregister(number)
        stranger.close()

    def look(self, wait_s):
        for number, _ in self.epoll.poll(max(wait_s, 0)):
            stranger = self.open[number]
            before = stranger.waits
            stranger.step()
            if stranger.told:
                self.end(number)
            elif stranger.waits != before:
                self.epoll.modify(number, stranger.waits)

    def run(self, rate, seconds):
        begin = time.monotonic()
        last = begin + seconds + PATIENCE_S
        while (now := time.monotonic()) < last:
            due = int(min(now - begin, seconds) * rate)
            while self.begun < due:
                self.begin()
            if now - begin >= seconds and not self.open:
                break
            self.look(0.1 if now - begin >= seconds else begin + (due + 1) / rate - now)
        for number, stranger in list(self.open.items()):
            stranger.told = "nothing"
            self.end(number)


def main():
    port, chain, key, rate, seconds, addresses, tls = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    version = ssl.TLSVersion.TLSv1_3 if tls == "1.3" else ssl.TLSVersion.TLSv1_2
    context.maximum_version = context.minimum_version = version
    context.set_ecdh_curve("prime256v1")  # a short hello leaves more of the limit to the chain
    context.load_cert_chain(chain, key)
    flood = Flood(context, int(port), int(addresses))
    flood.run(float(rate), float(seconds))
    # Short, so that a pipe takes it whole: nobody reads it before this process has ended.
    print(json.dumps({"begun": flood.begun, "told": flood.told, "most_s": max(flood.lasted),
                      "median_s": statistics.median(flood.lasted)}))


if __name__ == "__main__":
    main()
