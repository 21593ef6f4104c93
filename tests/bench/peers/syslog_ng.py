# SPDX-License-Identifier: Apache-2.0
"""syslog-ng: lines over TLS into a file, which it doesn't sync. With flow control nothing is
dropped: the windows of all connections together fit into the destination's queue. Batches are as
large as it profits from."""

from peers import Peer

CONFIG = """\
@version: {version}
options {{ use-dns(no); keep-hostname(yes); stats-freq(0); }};
source sensors {{
    syslog(
        ip("127.0.0.1") port({port}) transport("tls")
        max-connections({connections}) log-iw-size({window}) log-fetch-limit(1000)
        tls(
            key-file("{certificates}/server.key") cert-file("{certificates}/server.crt")
            ca-file("{certificates}/ca.crt") peer-verify(required-trusted)
        )
    );
}};
destination lines {{ file("{file}" log-fifo-size({window}) flush-lines(1000)); }};
log {{ source(sensors); destination(lines); flags(flow-control); }};
"""
CONNECTIONS = 2000
WINDOW = 1000 * CONNECTIONS


class SyslogNg(Peer):
    NAME = "syslog-ng"
    PACKAGES = {"syslog-ng": "syslog-ng-core"}
    MODE = "syslog"

    def begin(self, running, certificates):
        short = ".".join(self.version().split(".")[:2])
        config = running.write("syslog-ng.conf", CONFIG.format(
            version=short, port=running.port, certificates=certificates, file=running.file,
            connections=CONNECTIONS, window=WINDOW))
        modules = []
        if self.unpacked("syslog-ng"):
            modules = ["--module-path", self.fetched / "usr/lib/syslog-ng" / short]
        running.run(*self.command("syslog-ng"), "--foreground", "--no-caps", "--cfgfile", config,
                    "--persist-file", running.folder / "persist", "--pidfile",
                    running.folder / "pid", "--control", running.folder / "control", *modules)


PEER = SyslogNg
