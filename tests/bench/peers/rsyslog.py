# SPDX-License-Identifier: Apache-2.0
"""rsyslog: imtcp with the driver that stands on OpenSSL, into a file, which it doesn't sync."""

from peers import Peer

CONFIG = """\
global(
    workDirectory="{folder}"
    defaultNetstreamDriverCAFile="{certificates}/ca.crt"
    defaultNetstreamDriverCertFile="{certificates}/server.crt"
    defaultNetstreamDriverKeyFile="{certificates}/server.key"
)
module(
    load="imtcp" maxSessions="2000"
    streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"
)
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{file}")
"""


class Rsyslog(Peer):
    NAME = "rsyslog"
    PACKAGES = {"rsyslogd": "rsyslog"}
    MODULES = {"rsyslog/lmnsd_ossl.so": "rsyslog-openssl"}
    MODE = "syslog"
    VERSION = ("-v",)

    def begin(self, running, certificates):
        config = running.write("rsyslog.conf", CONFIG.format(
            folder=running.folder, port=running.port, certificates=certificates,
            file=running.file))
        modules = []
        if self.unpacked("rsyslogd"):
            modules = ["-M", self.module("rsyslog/imtcp.so").parent]
        running.run(*self.command("rsyslogd"), "-n", "-f", config, "-i", running.folder / "pid",
                    *modules)


PEER = Rsyslog
