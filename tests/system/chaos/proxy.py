# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy between sensors and server whose weather can be chosen.

    proxy = Proxy(server_port)
    await proxy.open()                      # sensors connect to proxy.port
    proxy.cut(link)                         # FIN, or RST with reset=True
    proxy.stall(link, 3.0)                  # nothing passes, nobody is told
    proxy.delay(link, 0.1, 2.0)             # each piece waits 0.1 s, for 2 s
    proxy.trickle(link, 5, 2.0)             # pieces of 5 bytes, for 2 s
    proxy.heal()

A link that stalls keeps what it holds and lets it pass later, as a network does: what the server
then gets may come from a session that the sensor has long given up.
"""

import asyncio
import contextlib
import socket
import struct
import time

PIECE = 16384
TRICKLE_PAUSE_S = 0.002


class Link:
    """One connection through the proxy: two streams and what is wrong with them."""

    def __init__(self, ends):
        self.ends = ends  # the writers to the sensor and to the server
        self.stalled_until = self.delayed_until = self.trickled_until = 0.0
        self.delay_s = 0.0
        self.piece = PIECE

    def heal(self):
        self.stalled_until = self.delayed_until = self.trickled_until = 0.0

    async def wait(self):
        """Returns when the next piece may pass."""
        now = time.monotonic()
        if now < self.delayed_until:
            await asyncio.sleep(self.delay_s)
        if now < self.trickled_until:
            await asyncio.sleep(TRICKLE_PAUSE_S)
        while time.monotonic() < self.stalled_until:
            await asyncio.sleep(0.02)

    def size(self):
        return self.piece if time.monotonic() < self.trickled_until else PIECE


class Proxy:
    def __init__(self, server_port):
        self.server_port = server_port
        self.port = None
        self.links = []
        self.opened = 0
        self._tasks = set()
        self._listener = None

    async def open(self):
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self):
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the weather

    def cut(self, link, reset=False):
        for end in link.ends:
            raw = end.get_extra_info("socket")
            if reset and raw is not None:
                with contextlib.suppress(OSError):  # it may be closed already
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()

    def stall(self, link, seconds):
        link.stalled_until = time.monotonic() + seconds

    def delay(self, link, each_s, seconds):
        link.delay_s, link.delayed_until = each_s, time.monotonic() + seconds

    def trickle(self, link, piece, seconds):
        link.piece, link.trickled_until = piece, time.monotonic() + seconds

    def heal(self):
        for link in self.links:
            link.heal()

    # --- passing on

    async def _accept(self, from_sensor, to_sensor):
        self._tasks.add(asyncio.current_task())
        try:
            await self._serve(from_sensor, to_sensor)
        except (OSError, asyncio.CancelledError):
            pass  # an end went, which is what this proxy is for, or the proxy is closed
        finally:
            to_sensor.transport.abort()
            self._tasks.discard(asyncio.current_task())

    async def _serve(self, from_sensor, to_sensor):
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.server_port)
        for end in (to_sensor, to_server):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link((to_sensor, to_server))
        self.links.append(link)
        self.opened += 1
        try:
            await asyncio.gather(self._pump(link, from_sensor, to_server),
                                 self._pump(link, from_server, to_sensor))
        finally:
            self.links.remove(link)
            to_server.transport.abort()

    @staticmethod
    async def _pump(link, source, sink):
        while data := await source.read(link.size()):
            await link.wait()
            sink.write(data)
            await sink.drain()
        await link.wait()
        if sink.can_write_eof():
            sink.write_eof()
