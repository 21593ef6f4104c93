# SPDX-License-Identifier: Apache-2.0
"""What the documents say, and what the sources and programs say, in one shape to compare.

A comment line in a Markdown file names what stands below it, for tests only:

    <!-- options: sensorlink-server -->     a table, a shell block, a transcript, ...

`python3 tests/support/docs.py BIN` writes the tables and lists that are made from the programs and
sources into the documents; tests/system/test_docs.py fails where that would change anything.
"""

import os
import pathlib
import re
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ("sensorlink-server", "sensorlink-client", "sensorlink-log")

MARK = re.compile(r"^<!-- (?P<kind>[a-z ]+?)(?:: (?P<name>.*))? -->$")


def documents():
    """Every Markdown file of the project."""
    found = [REPOSITORY / "README.md", REPOSITORY / "src" / "README.md",
             REPOSITORY / "certs" / "README.md"]
    return found + sorted((REPOSITORY / "docs").rglob("*.md"))


class Part:
    """What follows a mark: a fenced block (`text` without its fences) or a table's rows."""

    def __init__(self, kind, name, text, fence=None):
        self.kind, self.name, self.text, self.fence = kind, name, text, fence

    def rows(self):
        """The cells of a table's rows, without its header."""
        split = (re.split(r"(?<!\\)\|", line.strip())[1:-1] for line in self.text.splitlines())
        return [[cell.strip().replace(r"\|", "|") for cell in cells] for cells in split][2:]


def parts(path):
    """The marked parts of a document, and its fenced blocks without a mark (kind None)."""
    out, mark, block, fence = [], None, None, None
    table = []

    def close_table():
        if table:
            out.append(Part(*mark, "".join(table)))
            table.clear()

    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if block is not None:
            if line.startswith("```"):
                out.append(Part(*(mark or (None, None)), "".join(block), fence))
                block = mark = None
            else:
                block.append(line)
            continue
        if mark and line.startswith("|"):
            table.append(line)
            continue
        if table:
            close_table()
            mark = None
        found = MARK.match(line.strip())
        if found:
            mark = (found["kind"], found["name"])
        elif line.startswith("```"):
            block, fence = [], line.strip("`\n")
        elif line.strip():
            mark = None
    close_table()
    return out


def part(path, kind, name=None):
    """The one part of that kind and name."""
    found = [each for each in parts(path) if each.kind == kind and each.name == name]
    if len(found) != 1:
        raise AssertionError(f"{path.name}: {len(found)} parts '{kind}: {name}', not one")
    return found[0]


# --- what the programs say ---------------------------------------------------------


def help_of(bin_dir, program):
    """The longest help that the program has."""
    for option in ("--help-all", "--help"):
        done = subprocess.run([os.path.join(bin_dir, program), option], capture_output=True,
                              text=True, timeout=30, check=False)
        if done.returncode == 0:
            return done.stdout
    raise AssertionError(f"{program} has no help: {done.stderr}")


def options_of(help_text):
    """(option with its argument, default, words) of each option in a help text."""
    section = re.search(r"^Options.*?\n(.*?)(?:\n\n|\Z)", help_text, re.DOTALL | re.MULTILINE)[1]
    out = []
    for line in section.splitlines():
        begun = re.match(r"  (--\S+(?: \S+)?)(?:  +(.*))?$", line)
        if begun:
            out.append([begun[1], begun[2] or ""])
        else:
            out[-1][1] = (out[-1][1] + " " + line.strip()).strip()
    for each in out:
        default = re.search(r" \[(.*)\]$", each[1])
        each[1:] = [default[1], each[1][: default.start()]] if default else ["", each[1]]
    return out


def exit_codes_of(help_text):
    """(code, words) of each exit code in a help text."""
    section = help_text.split("Exit codes", 1)
    if len(section) != 2:
        return []
    lines = re.sub(r"\n {6}(?=\S)", " ", section[1])  # A long one goes on in the next line.
    return re.findall(r"^ +(\d+)  (.*)$", lines, re.MULTILINE)


# --- what the sources say ----------------------------------------------------------


def source(path):
    return (REPOSITORY / path).read_text(encoding="utf-8")


def c_table(text, name):
    """{enumerator: (id, sentence)} of a C array `name` of designated {"id", "text"} entries."""
    body = re.search(rf"\b{name}\[[^\]]*\] = \{{(.*?)^\}};", text, re.DOTALL | re.MULTILINE)[1]
    out = {}
    for key, entry in re.findall(r"\[(\w+)\] =\s*\{(.*?)\}(?=,|\s*$)", body, re.DOTALL):
        identifier, sentence = re.match(r'\s*"([^"]*)",\s*(.*)$', entry, re.DOTALL).groups()
        out[key] = (identifier, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', sentence)))
    return out


def reasons():
    """[(title, {enumerator: (id, sentence)})] of src/tls/reason.c, in the groups of reason.h."""
    table = c_table(source("src/tls/reason.c"), "table")
    body = re.search(r"enum sl_reason \{(.*?)\};", source("src/tls/reason.h"), re.DOTALL)[1]
    groups = []
    for title, name in re.findall(r"/\* (.*?)\. \*/|(SL_REASON_\w+)", body):
        if title:
            groups.append((title, {}))
        elif name in table and groups:
            groups[-1][1][name] = table[name]
    return groups


def faults():
    """What ends an acknowledged session."""
    return c_table(source("src/link/receiver.c"), "faults")


def flaws():
    """Why one reading is refused."""
    table = c_table(source("src/wire/reading.c"), "flaws")
    return {name: entry for name, entry in table.items() if name != "SL_FLAW_NONE"}


def constant(path, name):
    """The value of an enumerator or macro, as it stands there."""
    found = re.search(rf"\b{name}(?: =|(?<=#define {name})) ([^,;\n}}/]+)", source(path))
    return found[1].strip() if found else None


# --- what is written into the documents --------------------------------------------


def cell(text):
    return text.replace("|", r"\|")


def options_table(options):
    rows = "".join(f"| `{name}` | {f'`{default}`' if default else ''} | {cell(words)} |\n"
                   for name, default, words in options)
    return "| option | default | |\n|---|---|---|\n" + rows


def codes_table(program, codes):
    rows = "".join(f"| {code} | {cell(words)} |\n" for code, words in codes)
    return f"| {program} | |\n|---|---|\n" + rows


def reasons_table(entries):
    rows = "".join(f"| `{identifier}` | {cell(sentence)} |\n" for identifier, sentence in entries)
    return "| reason | what it says |\n|---|---|\n" + rows


def roff(text):
    """Text fit for a line of mdoc: no control line, no escapes, a minus that can be copied."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return "\\&" + text if text[:1] in ".'" else text


def options_list(options):
    """An mdoc list of options."""
    out = [".Bl -tag -width Ds"]
    for name, default, words in options:
        option, _, argument = name[2:].partition(" ")
        out.append(f".It Fl \\-{roff(option)}" + (f" Ar {roff(argument)}" if argument else ""))
        out.append(roff(words[:1].upper() + words[1:]) + ".")
        if default:
            out.append(f"Default: {roff(default)}.")
    return "\n".join(out + [".El", ""])


def codes_list(codes):
    """An mdoc list of exit codes."""
    out = [".Bl -tag -width Ds"]
    for code, words in codes:
        out += [f".It {code}", roff(words[:1].upper() + words[1:]) + "."]
    return "\n".join(out + [".El", ""])


def made_tables(bin_dir):
    """{(document, kind, name): text} of every table that is made."""
    out = {}
    readme = REPOSITORY / "README.md"
    for program in PROGRAMS:
        text = help_of(bin_dir, program)
        out[readme, "options", program] = options_table(options_of(text))
        if exit_codes_of(text):
            out[readme, "exit codes", program] = codes_table(program, exit_codes_of(text))
    document = REPOSITORY / "docs" / "reasons.md"
    for title, entries in reasons():
        out[document, "reasons", title] = reasons_table(entries.values())
    out[document, "reasons", "faults"] = reasons_table(faults().values())
    out[document, "reasons", "flaws"] = reasons_table(flaws().values())
    return out


def made_catalogue():
    """The tables of docs/bad-certificates.md, in the shape of made_tables()."""
    document = REPOSITORY / "docs" / "bad-certificates.md"
    listed = subprocess.run([REPOSITORY / "scripts" / "bad-certs.sh", "--list"],
                            capture_output=True, text=True, timeout=30, check=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    out = {}
    for teller, title in (("server", "reason"), ("client", "reason"), ("load", "words")):
        lines = "".join(
            f"| `{name}` | {cell(what)} | "
            + (f"`{reason.replace('/', '`, `')}`" if title == "reason" else cell(reason)) + " |\n"
            for name, _, says, reason, what in rows if says == teller)
        out[document, "catalogue", teller] = f"| name | what is wrong | {title} |\n|---|---|---|\n{lines}"
    return out


def made_manuals(bin_dir):
    """{page: text} of the manual pages with their lists made anew."""
    out = {}
    for program in PROGRAMS:
        page = REPOSITORY / "docs" / "manual" / f"{program}.1"
        help_text = help_of(bin_dir, program)
        codes = exit_codes_of(help_text) or [
            row[:2] for row in part(REPOSITORY / "README.md", "exit codes", program).rows()]
        text = page.read_text(encoding="utf-8")
        for name, made in (("options", options_list(options_of(help_text))),
                           ("exit codes", codes_list([(code, words.replace("`", ""))
                                                      for code, words in codes]))):
            text = re.sub(rf'(\.\\" begin {name}\n).*?(\.\\" end {name}\n)',
                          lambda found, made=made: found[1] + made + found[2], text,
                          flags=re.DOTALL)
        out[page] = text
    return out


def with_table(text, kind, name, table):
    """The document's text with the marked table replaced."""
    mark = f"<!-- {kind}: {name} -->\n"
    before, found, after = text.partition(mark)
    if not found:
        raise AssertionError(f"there is no mark {mark.strip()}")
    rest = after.splitlines(keepends=True)
    while rest and rest[0].startswith("|"):
        rest.pop(0)
    return before + mark + table + "".join(rest)


def main(bin_dir):
    for (path, kind, name), table in {**made_tables(bin_dir), **made_catalogue()}.items():
        path.write_text(with_table(path.read_text(encoding="utf-8"), kind, name, table),
                        encoding="utf-8")
    for path, text in made_manuals(bin_dir).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
