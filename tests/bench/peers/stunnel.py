# SPDX-License-Identifier: Apache-2.0
"""stunnel: TLS to TCP before a server that knows nothing of it (line_server.py)."""

import sys

from peers import Peer, free_port
from peers.python_ssl import SERVER

CONFIG = """\
foreground = yes
pid =
syslog = no
debug = err
output = {folder}/stunnel.log

[sensors]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{inner}
cert = {certificates}/server.crt
key = {certificates}/server.key
CAfile = {certificates}/ca.crt
verifyChain = yes
"""


class Stunnel(Peer):
    NAME = "stunnel"
    PACKAGES = {"stunnel": "stunnel4"}
    VERSION = ("-version",)

    def begin(self, running, certificates):
        inner = free_port()
        running.run(sys.executable, SERVER, inner, running.file)
        running.wait_listening(inner)
        config = running.write("stunnel.conf", CONFIG.format(
            folder=running.folder, port=running.port, inner=inner, certificates=certificates))
        running.run(*self.command("stunnel"), config)


PEER = Stunnel
