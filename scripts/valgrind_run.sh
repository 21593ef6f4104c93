#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# valgrind_run.sh BIN VALGRIND [OPTION...] -- server, client and log reader under valgrind: three
# acknowledged readings, one stranger, an orderly end. Valgrind's options must make an error an exit
# code other than 0. Run by ctest.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$1
shift
wrap=("$@")
work=$(mktemp -d)
server=''

cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    cat "$work"/*.log >&2
    printf 'valgrind_run.sh: %s\n' "$*" >&2
    exit 1
}

client() { # CERTIFICATE-FOLDER ARGUMENT...
    local certs=$1
    shift
    "${wrap[@]}" "$bin/sensorlink-client" --host localhost --port "$port" \
        --cafile "$work/both.crt" --cert "$certs/sensor.crt" --key "$certs/sensor.key" \
        --spool "$work/spool.db" "$@"
}

scripts/certs.sh init "$work/certs"
scripts/certs.sh server "$work/certs" localhost
scripts/certs.sh sensor "$work/certs" sensor
scripts/certs.sh init "$work/other"
scripts/certs.sh sensor "$work/other" sensor
# The stranger trusts the server: it is the server that is to refuse, not the stranger to give up.
cat "$work/certs/ca.crt" "$work/other/ca.crt" >"$work/both.crt"

"${wrap[@]}" "$bin/sensorlink-server" --listen 127.0.0.1:0 --cafile "$work/certs/ca.crt" \
    --cert "$work/certs/localhost.crt" --key "$work/certs/localhost.key" \
    --confine no --store "$work/readings.db" >"$work/server.log" 2>&1 </dev/null &
server=$!
port=$(scripts/await_server.sh "$work/server.log" $server 60) || fail "the server did not start"

printf 'temperature: %s\n' 15 22 21 | client "$work/certs" --stdin --timeout 60 ||
    fail "the client ended with exit code $?"

code=0
client "$work/other" --message 'temperature: 99' --timeout 20 >"$work/stranger.log" 2>&1 ||
    code=$?
[ $code -ne 0 ] || fail "the stranger was let in"
grep -q refused "$work/server.log" || fail "the server gave no reason for refusing the stranger"
[ $code -ne 99 ] || fail "valgrind found fault with the stranger's client"

kill -TERM "$server"
wait "$server" || fail "the server ended with exit code $?"
server=''

"${wrap[@]}" "$bin/sensorlink-log" --store "$work/readings.db" readings --format csv \
    >"$work/readings.csv" || fail "the log reader ended with exit code $?"
[ "$(wc -l <"$work/readings.csv")" -eq 4 ] || fail "three readings were to be logged"
