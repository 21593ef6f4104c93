#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check_install.sh -- installs sensorlink, as a static and as a shared library, into temporary
# prefixes and builds and runs tests/install against each, through CMake and through pkg-config,
# with nothing of this tree in sight but the prefix. Also looks at what is in the prefix, and at
# what the shared library shows; and builds the client with Mbed TLS found by pkg-config. Prints
# "ok WORDS" or "failed WORDS" for each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70

PROGRAMS=(sensorlink-server sensorlink-client sensorlink-log)
VERSION=$(sed -n 's/^project(sensorlink VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
work=$(mktemp -d) || exit 73
server='' port=''
bad=0

cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

try() { # WORDS COMMAND...
    local words=$1
    shift
    if "$@" >"$work/log" 2>&1 </dev/null; then
        printf 'ok %s\n' "$words"
    else
        cat "$work/log"
        printf 'failed %s\n' "$words"
        bad=1
        return 1
    fi
}

install_to() { # PREFIX BUILD ON|OFF
    cmake --preset default -B "$2" -G Ninja -DBUILD_SHARED_LIBS="$3" -DSENSORLINK_TESTS=OFF \
        -DSENSORLINK_WERROR=ON -DCMAKE_INSTALL_LIBDIR=lib &&
        cmake --build "$2" && cmake --install "$2" --prefix "$1"
}

programs_work() { # PREFIX
    local program
    for program in "${PROGRAMS[@]}"; do
        "$1/bin/$program" --version || return
    done
}

# A server of the installation on a free port, for the outside programs to talk to.
start_server() { # PREFIX
    scripts/certs.sh init "$work/certs" && scripts/certs.sh server "$work/certs" localhost &&
        scripts/certs.sh sensor "$work/certs" outside || return
    : >"$work/server.log" # here, not in the background: what an earlier server said is no answer
    "$1/bin/sensorlink-server" --listen 127.0.0.1:0 --cafile "$work/certs/ca.crt" \
        --cert "$work/certs/localhost.crt" --key "$work/certs/localhost.key" \
        --store "$work/readings.db" >"$work/server.log" 2>&1 </dev/null &
    server=$!
    port=$(scripts/await_server.sh "$work/server.log" "$server")
}

stop_server() {
    kill -TERM "$server" && wait "$server"
    local code=$?
    server=
    return "$code"
}

outside() { # PROGRAM
    "$1" localhost "$port" "$work/certs/ca.crt" "$work/certs/outside.crt" "$work/certs/outside.key"
}

by_cmake() { # PREFIX FOLDER
    cmake -S tests/install -B "$2" -G Ninja -DCMAKE_PREFIX_PATH="$1" -DCMAKE_BUILD_TYPE=Release &&
        cmake --build "$2" && outside "$2/outside"
}

by_pkgconfig() { # PREFIX FOLDER
    local flags
    mkdir -p "$2"
    flags=$(PKG_CONFIG_PATH=$1/lib/pkgconfig pkg-config --cflags --libs sensorlink) || return
    # shellcheck disable=SC2086 # a list of words
    gcc -std=c11 -Wall -Wextra -Werror tests/install/outside.c -o "$2/outside" $flags &&
        LD_LIBRARY_PATH=$1/lib outside "$2/outside"
}

readings_logged() { # PREFIX COUNT
    local count
    count=$("$1/bin/sensorlink-log" --store "$work/readings.db" readings --sensor outside \
        --format csv | tail -n +2 | wc -l)
    [ "$count" -eq "$2" ]
}

# Every file and link of the installation; headers are those of the tree.
expected_files() { # static|shared
    local program header
    for program in "${PROGRAMS[@]}"; do
        printf '%s\n' "bin/$program" "share/man/man1/$program.1"
    done
    for header in include/sensorlink/*.h; do
        printf '%s\n' "$header"
    done
    if [ "$1" = static ]; then
        printf '%s\n' lib/libsensorlink.a
    else
        printf '%s\n' lib/libsensorlink.so "lib/libsensorlink.so.${VERSION%%.*}" \
            "lib/libsensorlink.so.$VERSION"
    fi
    printf '%s\n' lib/pkgconfig/sensorlink.pc \
        lib/cmake/Sensorlink/Sensorlink{Config,ConfigVersion,Dependencies,Targets,Targets-relwithdebinfo}.cmake
}

installs_expected() { # PREFIX static|shared
    (cd "$1" && find . ! -type d -printf '%P\n') | LC_ALL=C sort >"$work/installed"
    expected_files "$2" | LC_ALL=C sort | diff - "$work/installed"
}

# What the shared library shows, and what the public headers declare, are the same names.
shows_declared() { # PREFIX
    nm -D --defined-only "$1/lib/libsensorlink.so" | awk '$2 ~ /[TDBRV]/ { print $3 }' |
        sed 's/@.*//' | sort >"$work/shown"
    local header
    for header in "$1"/include/sensorlink/*.h; do
        gcc -std=c11 -E -P "-I$1/include" "$header"
    done | grep -o 'sl_[a-z0-9_]*(' | tr -d '(' | sort -u >"$work/declared"
    [ -s "$work/declared" ] && diff "$work/declared" "$work/shown"
}

# Position independent, read-only relocations bound at start, no executable stack.
hardened() { # FILE
    local headers
    headers=$(readelf -W -h -l -d "$1") || return
    grep -q 'Type: *DYN' <<<"$headers" && grep -q 'GNU_RELRO' <<<"$headers" &&
        grep -q 'BIND_NOW\|FLAGS_1.*NOW' <<<"$headers" &&
        ! grep -q 'GNU_STACK.*E ' <<<"$headers"
}

# Files for pkg-config as Debian 13 ships them, where the system has none.
describe_mbedtls() { # FOLDER
    local module
    mkdir -p "$1"
    for module in mbedtls mbedx509 mbedcrypto; do
        pkg-config --exists "$module" ||
            printf 'Name: %s\nDescription: %s\nVersion: 0\nLibs: -l%s\n' \
                "$module" "$module" "$module" >"$1/$module.pc"
    done
}

# Mbed TLS is found as CMake package or by headers and libraries everywhere else.
by_mbedtls_pkgconfig() { # FOLDER
    local -x PKG_CONFIG_PATH=$1/pc
    describe_mbedtls "$1/pc" &&
        cmake --preset default -B "$1" -G Ninja -DCMAKE_DISABLE_FIND_PACKAGE_MbedTLS=ON \
            -DSENSORLINK_TESTS=OFF | tee "$1/configure" &&
        grep -q 'Mbed TLS .* (pkg-config)' "$1/configure" &&
        cmake --build "$1" --target sensorlink-client && "$1/bin/sensorlink-client" --version
}

for kind in static shared; do
    prefix=$work/$kind
    shared=OFF
    [ $kind = static ] || shared=ON
    try "$kind: installs" install_to "$prefix" "build/install-$kind" $shared || continue
    try "$kind: installs what is expected" installs_expected "$prefix" $kind
    try "$kind: the programs run" programs_work "$prefix"
    try "$kind: the server starts" start_server "$prefix" || continue
    try "$kind: outside program by CMake package" by_cmake "$prefix" "$work/$kind-cmake"
    try "$kind: outside program by pkg-config" by_pkgconfig "$prefix" "$work/$kind-pkgconfig"
    try "$kind: the server ends in order" stop_server
    try "$kind: what the outside programs sent is logged" readings_logged "$prefix" 6
    rm -rf "$work"/readings.db* "$work/certs"
done
try "shared: shows what the headers declare" shows_declared "$work/shared"
try "shared: the library is hardened" hardened "$work/shared/lib/libsensorlink.so"
try "builds with Mbed TLS by pkg-config" by_mbedtls_pkgconfig "$work/by-pkgconfig"
for program in "${PROGRAMS[@]}"; do
    try "$program is hardened" hardened "$work/static/bin/$program"
done
exit $bad
