#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""line_server.py PORT FILE [CAFILE CERT KEY] -- the server of a tutorial, which logs lines.

A thread a connection; each line goes to FILE behind the name of who sent it, the certificate's
common name or the address. With three more arguments it speaks TLS and demands a certificate.
"""

import contextlib
import os
import socketserver
import ssl
import sys

CHUNK = 65536


class Handler(socketserver.BaseRequestHandler):
    def name(self):
        if self.server.context:
            subject = self.request.getpeercert()["subject"]
            return dict(pair for each in subject for pair in each)["commonName"].encode()
        return self.client_address[0].encode()

    def handle(self):
        rest = b""
        with contextlib.suppress(OSError):
            if self.server.context:
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
            name = self.name()
            while data := self.request.recv(CHUNK):
                *lines, rest = (rest + data).split(b"\n")
                os.write(self.server.file, b"".join(b"%s %s\n" % (name, line) for line in lines))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024


def main():
    port, file, *tls = sys.argv[1:]
    with Server(("127.0.0.1", int(port)), Handler) as server:
        server.file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        server.context = None
        if tls:
            server.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls[0])
            server.context.verify_mode = ssl.CERT_REQUIRED
            server.context.load_cert_chain(tls[1], tls[2])
        server.serve_forever()


if __name__ == "__main__":
    main()
