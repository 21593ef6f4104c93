#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_rooms.py [--self-test] [ROOT] -- the arrows between the rooms of src/ go one way.

    programs -> server, client -> link, tls, store, spool, net -> wire -> base

Looks at every #include in src/ and include/ and at the link list of every target in
src/*/CMakeLists.txt. A room may see itself, the rooms below it and include/sensorlink; rooms of the
same height don't see each other. What a room wraps is its own: only src/tls sees Mbed TLS, and so on.
Exit code 1 and a line per fault. --self-test makes trees with one fault each and fails unless each
of them is found.
"""
import pathlib
import re
import sys
import tempfile

LEVELS = (("base",), ("wire",), ("link", "tls", "store", "spool", "net"), ("server", "client"),
          ("programs",))
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# What may include which outside header: a pattern, and the folders or files that own it.
OWNERS = (
    (re.compile(r"^(mbedtls|psa)/"), ("src/tls/",)),
    (re.compile(r"^sqlite3\.h$"), ("src/store/", "src/spool/")),
    (re.compile(r"^uv(\.h$|/)"), ("src/net/",)),
    (re.compile(r"^(sys/socket|sys/un|netdb)\.h$|^netinet/"), ("src/net/",)),
    # Addresses as text are also names in certificates.
    (re.compile(r"^arpa/"), ("src/net/", "src/tls/")),
    (re.compile(r"^(ini|INIReader)\.h$"), ("src/base/option",)),
    (re.compile(r"^seccomp\.h$"), ("src/server/confine_calls.c",)),
    (re.compile(r"^linux/landlock\.h$"), ("src/server/confine_files.c",)),
)

# Targets that aren't named sl_<room>, and the libraries outside with those who may link them.
ROOM_OF_TARGET = {"options": "base", "checklist": "base", "inspect": "tls", "loop": "net",
                  "sources": "client", "confine": "server"}
LINKERS = {"sl_mbedtls": ("sl_tls",), "sl_sqlite": ("sl_store", "sl_spool"), "sl_uv": ("sl_loop",),
           "sl_inih": ("sl_options",), "sl_seccomp": ("sl_confine",)}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
TARGET = re.compile(r"sl_(room|program)\s*\(([^)]*)\)")


def may_see(room, other):
    """Whether `room` may use what `other` declares."""
    return room == other or LEVEL[other] < LEVEL[room]


def include_faults(root, path):
    name = path.relative_to(root).as_posix()
    room = name.split("/")[1] if name.startswith("src/") else None
    for opening, header in INCLUDE.findall(path.read_text(encoding="utf-8")):
        for pattern, owners in OWNERS:
            if pattern.search(header) and not name.startswith(owners):
                yield f"{name}: only {' and '.join(owners)} may include {header}"
        first = header.split("/")[0]
        if first == "sensorlink":
            continue
        if room is None:
            if opening == '"' or first in LEVEL:
                yield f"{name}: a public header includes {header}, which isn't installed"
        elif first in LEVEL and "/" in header:
            if not may_see(room, first):
                yield f"{name}: {room} may not see {first} ({header})"
        elif opening == '"':
            yield f'{name}: "{header}" names no room: write "room/file.h"'


def room_of_target(target):
    name = target.removeprefix("sl_")
    return ROOM_OF_TARGET.get(name, name)


def link_faults(root, path):
    name = path.relative_to(root).as_posix()
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    for kind, body in TARGET.findall(text):
        words = body.split()
        if kind == "program":
            room, target = "programs", "sl_programs"
        elif "NAME" in words:
            target = "sl_" + words[words.index("NAME") + 1]
            room = room_of_target(target)
        else:
            continue
        if room not in LEVEL:
            yield f"{name}: {target} belongs to no known room"
            continue
        for other in (word for word in words if word.startswith("sl_") and word != target):
            if other in LINKERS:
                if target not in LINKERS[other]:
                    yield f"{name}: {target} may not link {other}"
            elif room_of_target(other) not in LEVEL:
                yield f"{name}: {target} links {other}, which is no room"
            elif not may_see(room, room_of_target(other)):
                yield f"{name}: {target} may not link {other}"


def faults(root):
    root = pathlib.Path(root)
    sources = [path for folder in ("src", "include") for suffix in ("*.c", "*.h")
               for path in sorted((root / folder).rglob(suffix))]
    if not sources:
        yield f"{root}: there are no sources to look at"
    for path in sources:
        yield from include_faults(root, path)
    for path in sorted((root / "src").glob("*")):
        if path.is_dir() and path.name not in LEVEL:
            yield f"src/{path.name}: not a room"
    for path in sorted((root / "src").glob("*/CMakeLists.txt")):
        yield from link_faults(root, path)


GOOD = {
    "include/sensorlink/status.h": "#include <stddef.h>\n",
    "src/base/options.c": '#include <ini.h>\n#include "base/options.h"\n',
    "src/wire/frame.c": '#include "wire/frame.h"\n#include "base/bytes.h"\n',
    "src/tls/session.c": '#include <mbedtls/ssl.h>\n#include "sensorlink/status.h"\n',
    "src/net/socket.c": '#include <sys/socket.h>\n#include <uv.h>\n',
    "src/programs/server.c": '#include "server/server.h"\n',
    "src/base/CMakeLists.txt": "sl_room(NAME base SOURCES a.c)\n"
                               "sl_room(NAME options SOURCES options.c LINK sl_base sl_inih)\n",
    "src/server/confine_calls.c": "#include <seccomp.h>\n",
    "src/server/CMakeLists.txt": "sl_room(NAME confine SOURCES a.c LINK sl_base sl_seccomp)\n"
                                 "sl_room(NAME server SOURCES a.c LINK sl_tls sl_loop sl_confine)\n",
    "src/programs/CMakeLists.txt": "sl_program(NAME sensorlink-log SOURCES log.c LINK sl_store)\n",
}

BAD = {
    "wire includes link": {"src/wire/a.c": '#include "link/sender.h"\n'},
    "base includes wire": {"src/base/a.h": '#include "wire/frame.h"\n'},
    "rooms of one height": {"src/tls/a.c": '  #  include "net/socket.h"\n'},
    "client includes server": {"src/client/a.c": '#include "server/server.h"\n'},
    "angle brackets": {"src/link/a.c": "#include <tls/session.h>\n"},
    "no room named": {"src/link/a.c": '#include "sender.h"\n'},
    "Mbed TLS outside tls": {"src/server/a.c": "#include <mbedtls/ssl.h>\n"},
    "psa outside tls": {"src/client/a.c": "#include <psa/crypto.h>\n"},
    "SQLite outside store": {"src/client/a.c": "#include <sqlite3.h>\n"},
    "libuv outside net": {"src/server/a.c": "#include <uv.h>\n"},
    "sockets outside net": {"src/server/a.c": "#include <sys/socket.h>\n"},
    "addresses outside net": {"src/server/a.c": "#include <arpa/inet.h>\n"},
    "sockets in tls": {"src/tls/a.c": "#include <netinet/in.h>\n"},
    "seccomp outside its file": {"src/server/confine.c": "#include <seccomp.h>\n"},
    "Landlock outside its file": {"src/server/server.c": "#include <linux/landlock.h>\n"},
    "server links seccomp": {
        "src/server/CMakeLists.txt": "sl_room(NAME server SOURCES a.c LINK sl_seccomp)"},
    "ini outside options": {"src/base/log.c": "#include <ini.h>\n"},
    "public header looks inside": {"include/sensorlink/a.h": '#include "base/bytes.h"\n'},
    "unknown room": {"src/attic/a.c": "\n"},
    "link list upwards": {"src/wire/CMakeLists.txt": "sl_room(NAME wire SOURCES a.c LINK sl_link)"},
    "link list sideways": {
        "src/store/CMakeLists.txt": "sl_room(\n NAME store\n SOURCES a.c\n LINK sl_base sl_net)"},
    "link list to Mbed TLS": {
        "src/server/CMakeLists.txt": "sl_room(NAME server SOURCES a.c LINK sl_mbedtls)"},
    "program links SQLite": {
        "src/programs/CMakeLists.txt": "sl_program(NAME p SOURCES p.c LINK sl_sqlite)"},
}


def write_tree(root, tree):
    for name, text in tree.items():
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def self_test():
    missed = []
    for title, tree in {"nothing wrong": {}, **BAD}.items():
        with tempfile.TemporaryDirectory() as root:
            write_tree(root, {**GOOD, **tree})
            found = list(faults(root))
        if bool(found) != bool(tree):
            missed.append(f"self-test '{title}': found {found or 'nothing'}")
    return missed


def main(arguments):
    if arguments[:1] == ["--self-test"]:
        found = self_test()
    else:
        found = list(faults(arguments[0] if arguments else pathlib.Path(__file__).parent.parent))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
