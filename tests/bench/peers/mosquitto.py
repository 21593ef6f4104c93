# SPDX-License-Identifier: Apache-2.0
"""mosquitto: MQTT with QoS 1, and a subscriber with QoS 1 that writes what comes to a file.

The broker keeps nothing on disk and drops nothing: without limits of what is under way and of what
waits. The subscriber comes in over plain TCP, which is the least that it can cost.
"""

from peers import Peer, free_port

CONFIG = """\
user root
persistence false
sys_interval 0
log_type error
log_type warning
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true

listener {inner} 127.0.0.1

listener {port} 127.0.0.1
cafile {certificates}/ca.crt
certfile {certificates}/server.crt
keyfile {certificates}/server.key
require_certificate true
use_identity_as_username true
"""


class Mosquitto(Peer):
    NAME = "mosquitto"
    PACKAGES = {"mosquitto": "mosquitto", "mosquitto_sub": "mosquitto-clients"}
    MODE = "mqtt"
    VERSION = ("-h",)

    def begin(self, running, certificates):
        inner = free_port()
        config = running.write("mosquitto.conf", CONFIG.format(
            inner=inner, port=running.port, certificates=certificates))
        running.run(*self.command("mosquitto"), "-c", config)
        running.wait_listening(inner)
        with open(running.file, "wb") as file:
            running.run(*self.command("mosquitto_sub"), "-h", "127.0.0.1", "-p", inner, "-q", "1",
                        "-t", "#", "-v", "-i", "log", stdout=file)
        running.wait_listening()


PEER = Mosquitto
