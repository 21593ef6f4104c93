# SPDX-License-Identifier: Apache-2.0
"""What client and library weigh, on disk and in memory. The sizes are what `size` says; a second
column has those of a build for size (build/small), where scripts/bench.sh made one."""

import re
import subprocess
import tempfile

from machine import row, said
from server import Process, programs

NAME = "footprint"
TITLE = "size of client and library, on disk and in memory"

ROOMS = ("base", "wire", "link", "tls", "spool", "net", "client")  # the library's
PROTOCOL = ("wire", "link", "client")  # file by file: the part that others have as well
REST_S = 3


def sizes(paths):
    """(text, data, bss) of object files or programs, each."""
    done = subprocess.run(["size", *map(str, paths)], capture_output=True, text=True, check=True)
    return [tuple(map(int, line.split()[:3])) for line in done.stdout.splitlines()[1:]]


def objects(build, room):
    return sorted((build / "src" / room / "CMakeFiles" / f"sl_{room}.dir").glob("*.o"))


def code(build, paths):
    """KiB of code and constants of a build's files, 0 where there is no such build."""
    return sum(text for text, _, _ in sizes(paths)) / 1024 if build.exists() else 0


def size_row(what, place, find):
    """`find` names a build's files; the build for size stands beside the usual one."""
    small = place.build.parent / "small"
    beside = f"for size: {code(small, find(small)):.1f} KiB" if small.exists() else ""
    return row(what, [code(place.build, find(place.build))], "KiB", peer=beside)


def files(place):
    """The code of the library, room by room and, for the protocol, file by file."""
    yield size_row("library's code: all", place, lambda build: [
        each for room in ROOMS for each in objects(build, room)])
    for room in ROOMS:
        yield size_row(f"room {room}", place, lambda build, room=room: objects(build, room))
    for room in PROTOCOL:
        for each in objects(place.build, room):
            name = each.name.removesuffix(".o")
            yield size_row(f"file {room}/{name}", place, lambda build, room=room, name=name: [
                build / "src" / room / "CMakeFiles" / f"sl_{room}.dir" / f"{name}.o"])


def stripped(place, path):
    """KiB of a program on disk without its symbols."""
    with tempfile.NamedTemporaryFile(dir=place.folder) as file:
        subprocess.run(["strip", "-o", file.name, path], check=True)
        return [programs.pathlib.Path(file.name).stat().st_size / 1024]


def private_kib(process):
    """Memory that no other process shares with it."""
    text = programs.pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE)))


def memory(what, process, server, note):
    """Rows about a sensor that has been at work for a while and has nothing to do."""
    before = server.count()
    programs.time.sleep(REST_S)
    if server.count() <= before:
        raise RuntimeError(f"{what} logs nothing: {process.output[-500:]}")
    return [row(f"resident memory, {what}", [process.rss_kib() / 1024], "MiB",
                peer=f"of it not shared: {private_kib(process) / 1024:.1f} MiB", note=note)]


def client_memory(place, server, certificates):
    folder = place.new_folder()
    source = folder / "temperature"
    source.write_text("21500\n")
    pair = certificates / "sensors" / "sensor-1"
    client = Process(
        folder, place.bin / "sensorlink-client", "--host", "localhost", "--port", server.port,
        "--cafile", certificates / "ca.crt", "--cert", f"{pair}.crt", "--key", f"{pair}.key",
        "--spool", folder / "spool.db", "--read", f"temperature:Cel={source}*0.001",
        "--interval", "0.5s")
    try:
        client.wait_for("connected")
        return memory("client with one --read and a spool", client, server,
                      "resident memory counts the pages of shared libraries that are in use")
    finally:
        client.kill()


def library_memory(place, server, certificates):
    pair = certificates / "sensors" / "sensor-2"
    sensor = Process(place.new_folder(), place.bench / "bench_sensor", server.port,
                     certificates / "ca.crt", f"{pair}.crt", f"{pair}.key", stdin=subprocess.PIPE)
    try:
        return memory("library in a program, readings in memory", sensor, server,
                      "tests/bench/bench_sensor.c")
    finally:
        sensor.kill()


def measure(place, runs, peers):
    del runs, peers  # sizes don't vary, and peers aren't clients
    if not said("size", "--version"):
        raise RuntimeError("there is no command size (package binutils)")
    yield row("sensorlink-client, stripped", stripped(place, place.bin / "sensorlink-client"),
              "KiB")
    yield row("a program with the library, stripped", stripped(place, place.bench / "bench_sensor"),
              "KiB", note="tests/bench/bench_sensor.c")
    certificates = place.certificates()
    with place.server("--quiet") as server:
        yield from client_memory(place, server, certificates)
        yield from library_memory(place, server, certificates)
    yield from files(place)
