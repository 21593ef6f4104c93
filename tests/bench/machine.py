# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks ran on: processor, kernel, file system, versions; and the rows they make."""

import os
import pathlib
import platform
import re
import sqlite3
import statistics
import subprocess


def row(what, values, unit, goal="", met=None, peer="", note=""):
    """A line of a table: the median of several runs and their spread.

    `goal` is in words; `met` is whether it is, or None where that can't be said.
    """
    return {"what": what, "value": statistics.median(values), "unit": unit, "min": min(values),
            "max": max(values), "goal": goal, "met": met, "peer": peer, "note": note}


def said(*command, errors=subprocess.DEVNULL):
    """What a command prints, or "" where there is no such command."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True,
                              timeout=30, check=False).stdout.strip()
    except OSError:
        return ""


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^(?:model name|Model)\s*: (.*)$", text, re.MULTILINE)
    name = found[1] if found else platform.machine()
    virtual = " (virtual machine)" if re.search(r"^flags\s*:.*\bhypervisor\b", text, re.M) else ""
    return f"{os.cpu_count()} × {name}{virtual}"


def system():
    text = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)[1]
    return f"{name}, Linux {platform.release()}"


def file_system(folder):
    kind = said("findmnt", "-no", "FSTYPE", "-T", str(folder)) or "unknown"
    return kind + (" (memory: a sync costs nothing)" if kind == "tmpfs" else "")


def compiler(build):
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    path = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", cache, re.MULTILINE)[1]
    kind = re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)$", cache, re.MULTILINE)[1]
    return f"{said(path, '--version').splitlines()[0]}, {kind}"


def facts(place, peers=()):
    """{what: text} for the head of the tables."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    out = {
        "processor": processor(),
        "memory": f"{memory:.0f} GiB",
        "system": system(),
        "disk": file_system(place.folder),
        "sensorlink": said(place.bin / "sensorlink-server", "--version").partition(" ")[2],
        "commit": said("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always",
                       "--dirty"),
        "SQLite": sqlite3.sqlite_version,
        "compiler": compiler(place.build),
    }
    out.update({peer.NAME: peer.version() for peer in peers})
    return {what: text for what, text in out.items() if text}
