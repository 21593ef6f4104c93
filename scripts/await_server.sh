#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# await_server.sh LOG PID [SECONDS] -- waits until the server that writes LOG says that it is waiting
# for sensors, and prints the port that it listens on. Exit code 1, with the log on standard error,
# when it ends before or the time (20 seconds) is over.
set -eu
log=$1
pid=$2
tenths=$((${3:-20} * 10))
while [ $tenths -gt 0 ] && kill -0 "$pid" 2>/dev/null; do
    if grep -qi waiting "$log"; then
        sed -n 's/.*starting up on .*[: ]\([0-9][0-9]*\)[^0-9]*$/\1/p' "$log" | tail -n 1
        exit 0
    fi
    sleep 0.1
    tenths=$((tenths - 1))
done
cat "$log" >&2
exit 1
