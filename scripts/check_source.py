#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_source.py [--self-test] [ROOT] -- the rules of the house that a text search can see.

    sizes    a function has 70 lines at most, from its brace to its brace; a file 600
    calls    functions that don't know how long their buffer is, that parse numbers without telling
             of errors, or that start a shell
    licence  the first line of every source file (the second of a script) names the licence
    style    no typedef'd struct, no // comment, no #if inside a function, no line over 100 columns

Exit code 1 and a line per fault. --self-test makes trees with one fault each and fails unless each
of them is found.
"""
import pathlib
import re
import sys
import tempfile

FUNCTION_LINES = 70
FILE_LINES = 600
COLUMNS = 100

BANNED = ("strcpy", "strcat", "stpcpy", "sprintf", "vsprintf", "gets", "strtok", "strncpy", "strncat",
          "atoi", "atol", "atoll", "atof", "scanf", "sscanf", "fscanf", "alloca", "tmpnam", "mktemp",
          "system", "popen", "signal", "rand", "srand", "usleep", "gethostbyname", "inet_addr",
          "inet_ntoa", "asctime", "ctime", "gmtime", "localtime")
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")

# Where a banned call is the right one: a folder or a file. Tests are one process with one thread.
ALLOWED = {call: ("tests/",) for call in ("signal", "system", "popen")}

COMMENT_OR_STRING = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def blank(match):
    """Comments and strings keep their lines and lose their words."""
    text = match.group(0)
    return "//" if text.startswith("//") else "\n" * text.count("\n") or '""'


def function_faults(name, lines):
    """clang-format puts the braces of functions, and of little else, in the first column."""
    begin = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            begin = number
        elif begin and line.startswith("}"):
            if number - begin - 1 > FUNCTION_LINES:
                yield f"{name}:{begin}: a function of {number - begin - 1} lines ({FUNCTION_LINES})"
            begin = None
        elif begin and re.match(r"\s*#\s*(if|ifdef|ifndef|elif|else)\b", line):
            yield f"{name}:{number}: #if inside a function: choose a file in CMake instead"


def c_faults(name, text):
    lines = text.splitlines()
    if not lines or lines[0] != "/* SPDX-License-Identifier: Apache-2.0 */":
        yield f"{name}:1: the first line isn't the licence's"
    if len(lines) > FILE_LINES:
        yield f"{name}: {len(lines)} lines ({FILE_LINES})"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield f"{name}:{number}: {len(line)} columns ({COLUMNS})"
    bare = COMMENT_OR_STRING.sub(blank, text)
    yield from function_faults(name, bare.splitlines())
    for number, line in enumerate(bare.splitlines(), 1):
        for call in CALL.findall(line):
            if not name.startswith(ALLOWED.get(call, ())):
                yield f"{name}:{number}: {call}() is banned"
        if "//" in line:
            yield f"{name}:{number}: a // comment"
        if re.match(r"\s*typedef\s+(struct|union|enum)\b", line):
            yield f"{name}:{number}: structs, unions and enums aren't typedef'd"


def script_faults(name, text):
    lines = text.splitlines()
    licence = 1 if lines and lines[0].startswith("#!") else 0
    if len(lines) <= licence or lines[licence] != "# SPDX-License-Identifier: Apache-2.0":
        yield f"{name}:{licence + 1}: the licence's line is missing"


def faults(root):
    root = pathlib.Path(root)
    seen = 0
    for folder in ("include", "src", "tests", "scripts", ".ci"):
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            if not path.is_file() or "/corpus/" in name or "__pycache__" in name:
                continue
            if path.suffix in (".c", ".h"):
                seen += 1
                yield from c_faults(name, path.read_text(encoding="utf-8"))
            elif path.suffix in (".sh", ".py", ".cmake") or path.name in ("CMakeLists.txt", "run"):
                yield from script_faults(name, path.read_text(encoding="utf-8"))
    if not seen:
        yield f"{root}: there are no sources to look at"


LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
GOOD = {
    "src/base/a.c": LICENCE + '/* strcpy() and // */\nint f(void)\n{\n    return puts("gets(");\n}\n',
    "src/base/b.c": LICENCE + "int f(void)\n{\n" + "    g();\n" * FUNCTION_LINES + "}\n",
    "scripts/a.sh": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n",
}
BAD = {
    "no licence": {"src/base/c.c": "int a;\n"},
    "no licence in a script": {"scripts/b.py": "#!/usr/bin/env python3\n"},
    "long function": {
        "src/base/c.c": LICENCE + "int f(void)\n{\n" + "    g();\n" * (FUNCTION_LINES + 1) + "}\n"},
    "long file": {"src/base/c.c": LICENCE + "int a;\n" * FILE_LINES},
    "banned call": {"src/base/c.c": LICENCE + "int f(void)\n{\n    strcpy(a, b);\n}\n"},
    "shell": {"src/base/c.c": LICENCE + "int f(void)\n{\n    return system (a);\n}\n"},
    "line comment": {"src/base/c.c": LICENCE + "int a; // why\n"},
    "long line": {"src/base/c.c": LICENCE + "/* " + COLUMNS * "x" + " */\n"},
    "typedef": {"src/base/c.h": LICENCE + "typedef struct a { int b; } a;\n"},
    "conditional": {"src/base/c.c": LICENCE + "int f(void)\n{\n#ifdef A\n    g();\n#endif\n}\n"},
}


def self_test():
    missed = []
    for title, tree in {"nothing wrong": {}, **BAD}.items():
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**GOOD, **tree}.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            found = list(faults(root))
        if len(found) != len(tree):
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
