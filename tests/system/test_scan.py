#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sslscan, which others use to find weak servers, against ours: it must find nothing."""

import re
import shutil
import unittest
import xml.etree.ElementTree as xml

from programs import SystemTest, run, tls_versions

SUITES = {
    "ECDHE-ECDSA-AES128-CCM", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_AES_128_CCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"}
GROUPS = {"x25519", "secp256r1", "secp384r1"}


@unittest.skipUnless(shutil.which("sslscan"), "sslscan isn't installed")
class TestScan(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = cls.start_shared_server("--quiet")
        pair = cls.pki.sensor("scanner")
        done = run("sslscan", "--xml=-", f"--certs={pair.cert}", f"--pk={pair.key}",
                   f"127.0.0.1:{server.address[1]}")
        cls.found = xml.fromstring(done.stdout[done.stdout.index("<?xml"):]).find("ssltest")

    def those(self, tag, **wanted):
        return [one for one in self.found.iter(tag)
                if all(one.get(key) == value for key, value in wanted.items())]

    def test_scan_finds_new_versions_of_tls_only(self):
        enabled = {f"TLSv{one.get('version')}" for one in self.those("protocol", type="tls")
                   if one.get("enabled") == "1"}
        self.assertEqual(enabled, {version.name.replace("_", ".") for version in tls_versions()})
        self.assertEqual(self.those("protocol", type="ssl", enabled="1"), [])

    def test_scan_finds_our_suites_and_groups_only(self):
        suites = {one.get("cipher") for one in self.those("cipher")}
        self.assertIn("ECDHE-ECDSA-AES128-GCM-SHA256", suites)
        self.assertLessEqual(suites, SUITES)
        groups = {re.split(r"[ (]", one.get("name"))[0].lower() for one in self.those("group")}
        self.assertLessEqual(groups, GROUPS)

    def test_scan_finds_no_renegotiation_compression_or_heartbleed(self):
        self.assertEqual(self.those("renegotiation", supported="1"), [])
        self.assertEqual(self.those("compression", supported="1"), [])
        self.assertNotEqual(self.those("heartbleed", vulnerable="0"), [])
        self.assertEqual(self.those("heartbleed", vulnerable="1"), [])


if __name__ == "__main__":
    unittest.main()
