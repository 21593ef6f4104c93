#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh [NAME]... -- everything that can be said about the sources without running them.
#
#   rooms       which room includes and links which (check_rooms.py)
#   source      sizes, banned calls, licence lines (check_source.py)
#   registered  every file of tests is named where the build looks for tests
#   headers     every header compiles alone and twice, the public ones also as C++
#   format      clang-format 14, with .clang-format
#   tidy        clang-tidy, with .clang-tidy
#   cppcheck    cppcheck, with .cppcheck
#   shell       shellcheck
#   python      Python sources compile
#
# Prints "ok NAME" or what is wrong and then "failed NAME". Exit code 0 when nothing is wrong.
# What clang-format and clang-tidy say depends on their version; theirs here is 14, as in Debian 12.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70

ALL=(rooms source registered headers format tidy cppcheck shell python)
VERSION=14
JOBS=$(nproc)

c_files() { find src include tests -name '*.[ch]' -not -path '*/corpus/*' | sort; }

# The compiler is asked as the build asks it. A header of one of our libraries may be missing on
# a machine that builds only a part, which then fails here as well.
check_header() {
    local header=$1 name=${1#src/} language=c standard=-std=c11
    name=${name#include/}
    if [ "${2:-}" = c++ ]; then
        language=c++ standard=-std=c++11
    fi
    printf '#include "%s"\n#include "%s"\nextern int used;\n' "$name" "$name" |
        clang -fsyntax-only -x "$language" "$standard" -Wall -Wextra -Wpedantic -Werror \
            -D_GNU_SOURCE -Isrc -Iinclude - || {
        printf '%s does not compile alone as %s\n' "$header" "$language"
        return 1
    }
}

check_rooms() { scripts/check_rooms.py --self-test && scripts/check_rooms.py; }
check_source() { scripts/check_source.py --self-test && scripts/check_source.py; }

check_headers() {
    local header bad=0 seen=0
    while read -r header; do
        seen=$((seen + 1))
        check_header "$header" || bad=1
        [[ $header != include/* ]] || check_header "$header" c++ || bad=1
    done < <(find src include -name '*.h' | sort)
    [ "$bad" -eq 0 ] && [ "$seen" -gt 0 ]
}

# Of the files named on standard input, those that no fragment of tests names.
unregistered() {
    local file fragments
    fragments=$(cat tests/CMakeLists.txt tests/*/CMakeLists.txt tests/*/*.cmake | sed 's/#.*//')
    while read -r file; do
        grep -q "[ (/\"]${file##*/}\([ )\"]\|$\)" <<<"$fragments" || printf '%s\n' "$file"
    done
}

# A file that nobody runs would be missed by nobody. The first line is the check of the check.
check_registered() {
    [ "$(unregistered <<<"tests/unit/est_frame.c")" ] || return
    local files missed
    files=$(find tests \( -name 'test_*.c' -o -name 'test_*.py' -o -name 'fuzz_*.c' \) | sort)
    missed=$(unregistered <<<"$files")
    [ -z "$missed" ] || printf 'run by no test:\n%s\n' "$missed"
    [ -n "$files" ] && [ -z "$missed" ]
}

# The tool of that version, under the name it has where another one is the default.
versioned() {
    if command -v "$1-$VERSION" >/dev/null; then
        printf '%s\n' "$1-$VERSION"
    else
        printf '%s\n' "$1"
    fi
}

check_format() { c_files | xargs "$(versioned clang-format)" --dry-run -Werror; }

# What clang-tidy looks at are the sources that the build knows.
check_tidy() {
    cmake --preset clang -B build/check -G Ninja >build/check.configure 2>&1 || {
        tail -n 20 build/check.configure
        return 1
    }
    python3 -c 'import json
for entry in json.load(open("build/check/compile_commands.json")): print(entry["file"])' |
        sort -u | xargs -P "$JOBS" -n 1 "$(versioned clang-tidy)" -p build/check --quiet 2>&1 |
        grep -v -E '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header|^$'
    return "${PIPESTATUS[2]}"
}

check_cppcheck() {
    cppcheck --quiet --std=c11 --language=c --library=posix --library=gnu -j "$JOBS" \
        --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppressions-list=.cppcheck --suppress=missingIncludeSystem \
        -D_GNU_SOURCE '-DSENSORLINK_VERSION="0"' -U__cplusplus -Isrc -Iinclude -Itests src tests
}

check_shell() {
    { find scripts tests .ci -name '*.sh' && printf '%s\n' .ci/run; } | sort | xargs shellcheck
}

check_python() {
    find scripts tests -name '*.py' -print0 | xargs -0 python3 -c 'import ast, sys
for name in sys.argv[1:]: ast.parse(open(name, encoding="utf-8").read(), name)'
}

mkdir -p build
names=("$@")
[ ${#names[@]} -gt 0 ] || names=("${ALL[@]}")
failed=0
for name in "${names[@]}"; do
    if [[ " ${ALL[*]} " != *" $name "* ]]; then
        printf "check.sh: there is no check '%s'; there are: %s\n" "$name" "${ALL[*]}" >&2
        exit 64
    fi
    if "check_$name"; then
        printf 'ok %s\n' "$name"
    else
        printf 'failed %s\n' "$name"
        failed=1
    fi
done
exit $failed
