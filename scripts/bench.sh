#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh [--peers | --fetch-peers] [OPTION]... -- builds sensorlink and measures it.
#
# Installs what the build lacks, builds in build/default (for size in build/small) and prints a
# table for each point; with peers that takes a quarter of an hour. docs/benchmarks.md says what is
# measured and how to read it.
#
#   --peers          compare with the peers that are here, a Debian package each; which package is
#                    missing is said
#   --fetch-peers    the same, but download missing ones first, into build/peers; nothing is
#                    installed
#   --only NAME      only this point; may be repeated
#   --runs N         take the median of so many runs [3]
#   --folder DIR     where stores and files are written [build]; what its disk does is measured too
#   --json FILE      write the rows there as well
#   --markdown FILE  write the tables between the marks of FILE, such as docs/benchmarks.md
#   --list           name the points and the peers
#
# Exit code 0 when everything could be measured, whether or not goals are met.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70

PEERS=(mosquitto mosquitto-clients syslog-ng-core rsyslog rsyslog-openssl stunnel4)
FETCHED=build/peers

say() { printf '%s\n' "$*" >&2; }

usage() {
    sed -n '4,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
    exit 0
}

# A step whose output matters only when it fails.
step() { # COMMAND...
    local log=build/bench.log
    mkdir -p build
    if ! "$@" >"$log" 2>&1 </dev/null; then
        say "bench.sh: this failed: $*"
        grep -v '^\[[0-9]*/[0-9]*\] ' "$log" | tail -n 40 >&2
        exit 70
    fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# Unpacks packages and those that they need and the system lacks into a folder. rsyslog and
# syslog-ng exclude each other as installed packages; unpacked ones don't.
fetch_peers() {
    local package needed archive
    mkdir -p "$FETCHED/archives"
    for package in "${PEERS[@]}"; do
        installed "$package" && continue
        needed=$(LC_ALL=C apt-get -s -q install --no-install-recommends "$package" 2>/dev/null |
            sed -n 's/^Inst \([^ ]*\) .*/\1/p')
        if [ -z "$needed" ]; then
            say "bench.sh: apt-get knows no package $package (try apt-get update)"
            continue
        fi
        # shellcheck disable=SC2086 # names
        (cd "$FETCHED/archives" && apt-get -q download $needed) >build/bench.log 2>&1 ||
            say "bench.sh: apt-get could not download $package: $(tail -n 1 build/bench.log)"
    done
    for archive in "$FETCHED"/archives/*.deb; do
        [ -e "$archive" ] && step dpkg -x "$archive" "$FETCHED"
    done
}

options=()
for option in "$@"; do
    case $option in
    -h | --help) usage ;;
    --fetch-peers)
        fetch_peers
        options+=(--peers)
        ;;
    *) options+=("$option") ;;
    esac
done

scripts/install-deps.sh build test || exit
step cmake --preset default -G Ninja
step cmake --build build/default
step cmake --preset default -B build/small -G Ninja -DCMAKE_BUILD_TYPE=MinSizeRel \
    -DSENSORLINK_TESTS=OFF
step cmake --build build/small
exec python3 tests/bench/bench.py --build build/default --fetched "$FETCHED" "${options[@]}"
