#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# install-deps.sh [build] [test] [tools] [check] [root] -- installs the Debian packages that are missing.
#
#   build  what it takes to build sensorlink and run the demo (the default)
#   test   what the tests need besides
#   tools  the other compiler, its sanitizers and fuzzer, valgrind
#   check  linters and the formatter
#   root   what makes another Debian in a folder
#
# Installs with apt-get, as root or through sudo, and does nothing at all when nothing is missing.
# Where it can't install it names the packages and exits 69 (EX_UNAVAILABLE). On a system that has
# the programs and libraries under other names, SENSORLINK_DEPS=installed says so.
set -euo pipefail

EX_USAGE=64
EX_UNAVAILABLE=69

BUILD=(gcc libc6-dev cmake ninja-build pkgconf libmbedtls-dev libsqlite3-dev libuv1-dev libinih-dev
    libseccomp-dev openssl)
TEST=(libcmocka-dev python3 sqlite3 locales git mandoc sslscan)
TOOLS=(clang libclang-rt-dev llvm valgrind libc6-dbg)
CHECK=(clang-format clang-tidy cppcheck shellcheck)
ROOT=(debootstrap debian-archive-keyring util-linux)

say() { printf '%s\n' "$*" >&2; }

usage() {
    sed -n '4,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
    exit 0
}

wanted=()
for group in "${@:-build}"; do
    case $group in
    build) wanted+=("${BUILD[@]}") ;;
    test) wanted+=("${TEST[@]}") ;;
    tools) wanted+=("${TOOLS[@]}") ;;
    root) wanted+=("${ROOT[@]}") ;;
    check) wanted+=("${CHECK[@]}") ;;
    -h | --help) usage ;;
    *)
        say "install-deps.sh: '$group' is none of build, test, tools, check, root"
        exit $EX_USAGE
        ;;
    esac
done

[ "${SENSORLINK_DEPS:-}" = installed ] && exit 0

# What stands on standard output is what dpkg doesn't have installed.
missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            printf '%s\n' "$package"
    done
}

give_up() {
    say "sensorlink needs these packages, and $1: ${missing[*]}"
    exit $EX_UNAVAILABLE
}

missing=("${wanted[@]}")
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    give_up "this system has no apt to install them (SENSORLINK_DEPS=installed if you have them)"
fi
mapfile -t missing < <(missing_packages "${wanted[@]}")
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "you are not root and there is no sudo"
    as_root=(sudo)
    if [ ! -t 0 ]; then
        as_root=(sudo -n)
        sudo -n true 2>/dev/null || give_up "sudo asks for a password and there is no terminal"
    fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# apt says on the status descriptor how far it is, as kind:package:percent:words. On a terminal
# that becomes one line that is written over and over.
show_progress() {
    local kind percent
    while IFS=: read -r kind _ percent _; do
        case $kind in
        dlstatus) printf '\rinstalling %d packages: loading %3.0f %% ' ${#missing[@]} "$percent" ;;
        pmstatus) printf '\rinstalling %d packages: set up  %3.0f %% ' ${#missing[@]} "$percent" ;;
        esac
    done >&2
    printf '\r%60s\r' '' >&2
}

apt() {
    local command=("${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive
        apt-get -q -y -o DPkg::Lock::Timeout=300 "$@")
    if [ -t 2 ]; then
        { "${command[@]}" -o APT::Status-Fd=3 3>&1 >>"$log" 2>&1 </dev/null; } | show_progress
    else
        "${command[@]}" >>"$log" 2>&1 </dev/null
    fi
}

update() {
    updated=yes
    apt update
}

install() { apt install --no-install-recommends "${missing[@]}"; }

known() { LC_ALL=C apt-get -s -q install --no-install-recommends "${missing[@]}" >/dev/null 2>&1; }

say "installing ${missing[*]}"
updated=no
known || update || true
if ! install && { [ $updated = yes ] || ! update || ! install; }; then
    tail -n 20 "$log" >&2
    give_up "apt-get could not install them (its words are above)"
fi
