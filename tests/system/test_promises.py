#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README promises and no other test looks at."""

import datetime
import unittest

from client_fixture import ClientTest


class PromisesTest(ClientTest):
    def test_session_ends_with_its_certificate(self):
        pair = self.pki.leaf("brief", not_after=datetime.timedelta(seconds=8))
        server = self.start_server()
        client = self.start_client("--read", "load=/proc/loadavg", "--interval", "100ms",
                                   sensor=pair)
        client.wait_for("acknowledged up to 1")
        server.wait_for("no longer admitted: brief .*: client-cert-expired: ")
        client.wait_for(r"\[client-cert-expired\]")


if __name__ == "__main__":
    unittest.main()
