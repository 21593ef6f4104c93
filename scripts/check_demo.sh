#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# check_demo.sh -- runs the demo as a newcomer would: twice, then the commands that it prints, and
# once each with a server that dies and with a signal in the middle. Nothing it starts may outlive
# it. Prints "ok WORDS" or "failed WORDS" for each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70

DEADLINE_S=60
BUILDING_S=900
work=$(mktemp -d) || exit 73
bad=0 job='' session=''

# A session of its own is how everything that the demo starts is found again.
processes() { # [NAME]: those of the session
    local stat name rest fields
    for stat in /proc/[0-9]*/stat; do
        read -r _ rest 2>/dev/null <"$stat" || continue
        name=${rest%)*}
        read -ra fields <<<"${rest##*) }"
        if [ "${fields[3]}" = "$session" ] && [ "${fields[0]}" != Z ] &&
            [[ "${name#(}" == "${1:-}"* ]]; then
            stat=${stat%/stat}
            printf '%s\n' "${stat#/proc/}"
        fi
    done
}

cleanup() {
    local process
    [ -z "$job" ] || kill -TERM "$job" 2>/dev/null
    if [ -n "$session" ]; then
        for process in $(processes); do
            kill -KILL "$process" 2>/dev/null
        done
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

try() { # WORDS COMMAND...
    local words=$1
    shift
    if "$@"; then
        printf 'ok %s\n' "$words"
    else
        tail -n 60 "$work"/*.log
        printf 'failed %s\n' "$words"
        bad=1
        return 1
    fi
}

wait_until() { # COMMAND...
    local end=$((SECONDS + DEADLINE_S))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return
        sleep 0.1
    done
}

# Begins a demo of its own session; its end is waited for with `wait $job`.
begin() { # INTERVAL SECONDS
    session=
    rm -f "$work/session" "$work/demo.log"
    # shellcheck disable=SC2016 # the inner shell's variables
    DEMO_INTERVAL=$1 timeout "$2" setsid --wait bash -c 'echo $$ >"$1"; exec scripts/demo.sh' \
        demo "$work/session" >"$work/demo.log" 2>&1 </dev/null &
    job=$!
    wait_until test -s "$work/session" && session=$(cat "$work/session")
}

ends_with() { # CODE
    local code
    wait "$job"
    code=$?
    job=
    [ "$code" -eq "$1" ] || {
        printf 'exit code %d, not %d\n' "$code" "$1"
        return 1
    }
}

nothing_left() {
    local left
    left=$(processes)
    left+=$(ls -A "$work/tmp")
    [ -z "$left" ] || printf 'left behind: %s\n' "$left"
    [ -n "$session" ] && [ -z "$left" ]
}

runs() { begin 0.1 "$BUILDING_S" && ends_with 0 && nothing_left; }

sends_slowly() {
    begin 30 "$DEADLINE_S" && wait_until grep -q 'weather-1 .*temperature: 15' "$work/demo.log"
}

ends_when_the_server_dies() {
    local server
    sends_slowly && server=$(processes sensorlink-serv) && [ -n "$server" ] &&
        kill -KILL "$server" && ends_with 1 && nothing_left &&
        grep -q 'the server ended by itself, with exit code 137' "$work/demo.log"
}

ends_when_told() {
    sends_slowly && kill -TERM "$session" && ends_with 143 && nothing_left
}

refuses_arguments() {
    scripts/demo.sh --halp >"$work/demo.log" 2>&1
    [ $? -eq 64 ] && scripts/demo.sh --help >"$work/demo.log" && grep -q DEMO_INTERVAL "$work/demo.log"
}

# The commands are those on the screen, in a folder that has what they name.
by_hand() {
    local commands
    mkdir "$work/hand" && ln -s "$PWD/build" "$PWD/certs" "$work/hand" || return
    mapfile -t commands < <(sed -n '/^== By hand/,$p' "$work/demo.log" | tail -n +2)
    [ ${#commands[@]} -eq 3 ] || return
    (cd "$work/hand" && exec timeout $((2 * DEADLINE_S)) bash -c "exec ${commands[0]}") \
        >"$work/server.log" 2>&1 </dev/null &
    job=$!
    scripts/await_server.sh "$work/server.log" "$job" >/dev/null &&
        (cd "$work/hand" && timeout "$DEADLINE_S" bash -c "${commands[1]}") >"$work/client.log" 2>&1 &&
        (cd "$work/hand" && timeout "$DEADLINE_S" bash -c "${commands[2]}") >"$work/log.log" 2>&1 &&
        [ "$(grep -c 'weather-1 .*temperature' "$work/log.log")" -eq 6 ] &&
        kill -TERM "$job" && ends_with 0
}

mkdir "$work/tmp" && export TMPDIR=$work/tmp
try "demo: refuses other arguments, and helps" refuses_arguments
try "demo: runs" runs || exit 1
try "demo: runs again" runs || exit 1
try "demo: its commands by hand" by_hand
try "demo: ends when the server dies" ends_when_the_server_dies
try "demo: ends when told to" ends_when_told
exit $bad
