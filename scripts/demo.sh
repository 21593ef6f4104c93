#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh [--help] -- the whole of sensorlink in half a minute, on this machine alone.
#
# Installs what is missing, builds, makes a test CA with a server and two sensors in certs/demo
# (once), starts the server on the loopback interface, sends the tutorial's readings, shows how a
# stranger with a certificate from another CA is refused, and what was logged. Ends by itself.
#
#   DEMO_INTERVAL  seconds between two readings (2)
set -euo pipefail
cd "$(dirname "$0")/.."

EX_USAGE=64

usage() {
    sed -n '4,/^set/{/^set/d;s/^# \{0,1\}//p}' scripts/demo.sh
    exit "$1"
}

case "$#:${1:-}" in
0:) ;;
1:-h | 1:--help) usage 0 ;;
*) usage $EX_USAGE >&2 ;;
esac

INTERVAL=${DEMO_INTERVAL:-2}
BUILD=build/demo
BIN=$BUILD/bin
CERTS=certs/demo
DEFAULT_PORT=23456
PORT=$DEFAULT_PORT

say() { printf '%s\n' "$*"; }
headline() { printf '\n== %s\n' "$*"; }

server='' display='' client='' work=''

end() { # PROCESS, or nothing
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# Nothing that was started here outlives it, however it ends.
cleanup() {
    trap - EXIT INT TERM HUP
    end "$client"
    end "$server"
    wait # for what shows their words
    [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'cleanup; exit 130' INT
trap 'cleanup; exit 143' TERM HUP

fail() {
    printf '\ndemo.sh: %s\n' "$*" >&2
    exit 1
}

quietly() { # WORDS COMMAND...
    local words=$1
    shift
    if ! "$@" >"$work/log" 2>&1 </dev/null; then
        tail -n 40 "$work/log" >&2
        fail "$words failed"
    fi
}

# Shows what a program writes to its file, until it ends.
show() { # LABEL PROCESS
    tail -n +1 -F -s 0.1 --pid="$2" "$work/$1.log" 2>/dev/null |
        sed -u "s/^/$(printf '%-9s' "$1") | /" &
}

# Made once; a certificate with less than a day to go is renewed.
make_certificate() { # DIR server|sensor NAME
    if [ ! -e "$1/$3.crt" ]; then
        quietly "making the certificate of $3" scripts/certs.sh "$2" "$1" "$3"
    elif ! openssl x509 -in "$1/$3.crt" -noout -checkend 86400 >/dev/null; then
        quietly "renewing the certificate of $3" scripts/certs.sh renew "$1" "$3"
    fi
}

make_ca() { # DIR
    [ -e "$1/ca.crt" ] || quietly "making a CA in $1" scripts/certs.sh init "$1"
}

make_certificates() {
    make_ca $CERTS
    make_certificate $CERTS server localhost
    make_certificate $CERTS sensor weather-1
    make_certificate $CERTS sensor weather-2
    make_ca $CERTS/stranger
    make_certificate $CERTS/stranger sensor weather-1
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_server() {
    port_taken $PORT && PORT=0
    $BIN/sensorlink-server --listen 127.0.0.1:$PORT --cafile $CERTS/ca.crt \
        --cert $CERTS/localhost.crt --key $CERTS/localhost.key --store "$work/readings.db" \
        >"$work/server.log" 2>&1 </dev/null &
    server=$!
    show server $server
    display=$!
    PORT=$(scripts/await_server.sh "$work/server.log" $server 2>/dev/null) ||
        fail "the server did not start"
}

# The client tries again for ever when its server is gone, so whichever of the two ends first is
# what is waited for; and bash acts on a signal while it waits, not while a program is in front.
run_client() { # LABEL CERTIFICATE-FOLDER NAME CAFILE ARGUMENT...
    local label=$1 certs=$2 name=$3 cafile=$4 code=0 ended='' shown
    shift 4
    $BIN/sensorlink-client --host localhost --port "$PORT" --cafile "$cafile" \
        --cert "$certs/$name.crt" --key "$certs/$name.key" --spool "$work/$label.db" "$@" \
        >"$work/$label.log" 2>&1 </dev/null &
    client=$!
    show "$label" $client
    shown=$!
    wait -n -p ended $client "$server" || code=$?
    if [ "$ended" = "$server" ]; then
        server=''
        fail "the server ended by itself, with exit code $code"
    fi
    client=''
    wait $shown || true
    return "$code"
}

logged() { $BIN/sensorlink-log --store "$work/readings.db" "$@"; }

scripts/install-deps.sh build
work=$(mktemp -d)
say "building ..."
quietly "configuring" cmake --preset default -B $BUILD -G Ninja -DSENSORLINK_TESTS=OFF
quietly "building" cmake --build $BUILD --parallel
make_certificates

headline "The server starts"
start_server

headline "Sensor weather-1 sends the tutorial's readings, $INTERVAL seconds apart"
run_client weather-1 $CERTS weather-1 $CERTS/ca.crt --demo --interval "$INTERVAL" || fail "weather-1 was not served"

headline "Sensor weather-2 sends one reading"
run_client weather-2 $CERTS weather-2 $CERTS/ca.crt --message 'humidity: 48.5 %RH' || fail "weather-2 was not served"

headline "A stranger calls itself weather-1, with a certificate from another CA"
# It trusts the server; otherwise it would give up by itself before the server could refuse it.
cat $CERTS/ca.crt $CERTS/stranger/ca.crt >"$work/both.crt"
if run_client stranger $CERTS/stranger weather-1 "$work/both.crt" \
    --message 'temperature: 99' --timeout 3; then
    fail "the stranger was let in"
fi
grep -q refused "$work/server.log" || fail "the server gave no reason for refusing the stranger"
kill -0 $server 2>/dev/null || fail "the server did not survive the stranger"

headline "What was logged"
logged sensors
say
logged readings
count=$(logged readings --format csv | tail -n +2 | wc -l)
[ "$count" -eq 7 ] || fail "7 readings were to be logged, not $count"

headline "The server ends"
kill -TERM $server
wait $server || fail "the server ended with exit code $?"
server=''
wait "$display" || true
display=''

# Where another program has the usual port, the one that was free just now is named.
listen='' port=''
[ "$PORT" = "$DEFAULT_PORT" ] || listen=" --listen 127.0.0.1:$PORT" port=" --port $PORT"
headline "By hand: the first in one terminal, the others in a second"
cat <<END
$BIN/sensorlink-server$listen --cafile $CERTS/ca.crt --cert $CERTS/localhost.crt --key $CERTS/localhost.key
$BIN/sensorlink-client --host localhost$port --cafile $CERTS/ca.crt --cert $CERTS/weather-1.crt --key $CERTS/weather-1.key --demo
$BIN/sensorlink-log readings
END
