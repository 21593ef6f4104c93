#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fuzz_one.sh FUZZER CORPUS -- one libFuzzer for FUZZ_SECONDS (8) beyond its committed corpus.
# What it finds new stays in a temporary folder; a crash's input is kept beside the fuzzer.
set -eu
fuzzer=$1
corpus=$2
if [ -z "$(ls -A "$corpus" 2>/dev/null)" ]; then
    echo "$corpus: no inputs" >&2
    exit 1
fi
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"$fuzzer" -max_total_time="${FUZZ_SECONDS:-8}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$fuzzer-" "$new" "$corpus"
