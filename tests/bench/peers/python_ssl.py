# SPDX-License-Identifier: Apache-2.0
"""Python's ssl: what a page of Python can do, a thread a connection (line_server.py)."""

import pathlib
import platform
import sys

from peers import Peer

SERVER = pathlib.Path(__file__).with_name("line_server.py")


class PythonSsl(Peer):
    NAME = "Python's ssl"

    def version(self):
        return platform.python_version()

    def begin(self, running, certificates):
        running.run(sys.executable, SERVER, running.port, running.file, certificates / "ca.crt",
                    certificates / "server.crt", certificates / "server.key")


PEER = PythonSsl
