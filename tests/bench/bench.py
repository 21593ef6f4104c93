#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py -- measures what was built, a point after the other, and prints a table of each.

scripts/bench.sh builds and then runs this; docs/benchmarks.md says how to read what it prints. A
point is a module beside this one with

    NAME, TITLE          in the tables, and for --only
    measure(place, runs, peers)   returns or yields rows, made by machine.row()
"""

import argparse
import contextlib
import datetime
import importlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
POINTS = {  # module: how many seconds it may take, with peers and three runs
    "ingest": 320, "latency": 90, "handshakes": 80, "sessions": 110, "restart": 80,
    "reading_back": 90, "spool": 80, "footprint": 20,
}


def options(arguments=None):
    parser = argparse.ArgumentParser(prog="bench.sh", description="Measures sensorlink.")
    parser.add_argument("--build", default="build/default", help="folder of the build")
    parser.add_argument("--fetched", default="build/peers", help="folder of unpacked packages")
    parser.add_argument("--peers", action="store_true", help="compare with the peers that are here")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this point")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is taken [3]")
    parser.add_argument("--folder", default="build", help="where stores and files are written")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables into its marks")
    parser.add_argument("--list", action="store_true", help="name the points and the peers")
    wanted = parser.parse_args(arguments)
    if wanted.runs < 1:
        parser.error("--runs must be at least 1")
    names = [module.replace("_", "-") for module in POINTS]
    for name in wanted.only or []:
        if name not in names:
            parser.error(f"there is no point '{name}'; there are: {', '.join(names)}")
    wanted.points = [module for module in POINTS
                     if not wanted.only or module.replace("_", "-") in wanted.only]
    return wanted


def progress(words):
    """What is being done, on a terminal; nothing in a pipe."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{words[:100]}")
        sys.stderr.flush()


def say(words, file=sys.stdout):
    progress("")
    print(words, file=file, flush=True)


class Failures(list):
    """What went wrong, while the rest went on."""

    @contextlib.contextmanager
    def kept(self, what):
        """Within it a failure is said and remembered."""
        try:
            yield
        except Exception as error:  # whatever it is, the other points are to be measured
            self.append(what)
            say(f"bench: {what} failed: {type(error).__name__}: {error}", sys.stderr)


def measure(module, place, runs, peers):
    """One point's rows and how long it took; those it had made when it failed aren't lost."""
    name, rows, begin = module.replace("_", "-"), [], time.monotonic()
    point = {"name": name, "title": name, "rows": rows, "budget": POINTS[module]}
    with place.failures.kept(name):
        code = importlib.import_module(module)
        point["title"] = code.TITLE
        for row in code.measure(place, runs, peers):
            rows.append(row)
    point["seconds"] = round(time.monotonic() - begin, 1)
    return point


def command(wanted):
    words = ["scripts/bench.sh"]
    words += ["--peers"] if wanted.peers else []
    words += [word for name in wanted.only or [] for word in ("--only", name)]
    words += [f"--runs {wanted.runs}"] if wanted.runs != 3 else []
    words += ["--folder DIR"] if wanted.folder != "build" else []  # whose disk is told beside it
    return " ".join(words)


def run(wanted, place):
    """Measures and prints; returns everything for --json and --markdown."""
    import machine
    import peers
    import tables
    found = peers.found(wanted.fetched) if wanted.peers else []
    facts = {"date": str(datetime.date.today()), "command": command(wanted),
             **machine.facts(place, found)}
    say(tables.of_facts(facts))
    points = []
    for module in wanted.points:
        points.append(measure(module, place, wanted.runs, found))
        say("\n" + tables.of_point(points[-1]))
    return {"machine": facts, "points": points, "failed": place.failures}


def list_all(wanted):
    import peers
    for module in wanted.points:
        say(f"{module.replace('_', '-'):<14} {importlib.import_module(module).TITLE}")
    for peer in peers.all_of(wanted.fetched):
        say(f"{peer.NAME:<14} " + (f"lacks {' '.join(peer.missing())}" if peer.missing()
                                   else peer.version()))


def main(arguments=None):
    wanted = options(arguments)
    os.environ["SENSORLINK_BIN_DIR"] = str(pathlib.Path(wanted.build).resolve() / "bin")
    sys.path.insert(0, str(HERE))
    import server
    import tables
    if wanted.list:
        list_all(wanted)
        return 0
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=wanted.folder) as folder:
        place = server.Place(wanted.build, folder)
        place.progress, place.failures = progress, Failures()
        result = run(wanted, place)
    if wanted.json:
        pathlib.Path(wanted.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if wanted.markdown:
        tables.write(pathlib.Path(wanted.markdown), result, whole=not wanted.only)
    say(f"\n{time.monotonic() - begin:.0f} s in all"
        + (f"; failed: {', '.join(place.failures)}" if place.failures else ""))
    return 1 if place.failures else 0


if __name__ == "__main__":
    # Told to end, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
