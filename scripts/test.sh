#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# test.sh [--quick] [--leg NAME]... [--list] -- builds sensorlink and runs its tests.
#
# Installs missing packages first. Each leg builds in build/<leg> and says in one line how many
# cases passed; a failing one shows the output of what failed. The last line is the sum,
# "N passed, N failed", with ", N skipped" when there is something to say about that.
#
#   --quick     only the leg gcc
#   --leg NAME  only this leg; may be repeated
#   --list      names the legs
#
# Exit code 0 when everything passed. A leg whose tools are missing is a failure where CI is set in
# the environment; elsewhere it counts as skipped and says what is missing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70

EX_USAGE=64
ALL_LEGS=(gcc clang asan tsan valgrind check fuzz install)
JOBS=$(nproc)
CI=${CI:-}

say() { printf '%s\n' "$*"; }

usage() {
    sed -n '4,/^set/s/^# \{0,1\}//p' "$0"
    exit "$1"
}

legs=()
while [ $# -gt 0 ]; do
    case $1 in
    --quick) legs+=(gcc) ;;
    --leg)
        [ $# -ge 2 ] || usage $EX_USAGE >&2
        legs+=("$2")
        shift
        ;;
    --list)
        printf '%s\n' "${ALL_LEGS[@]}"
        exit 0
        ;;
    -h | --help) usage 0 ;;
    *) usage $EX_USAGE >&2 ;;
    esac
    shift
done
[ ${#legs[@]} -gt 0 ] || legs=("${ALL_LEGS[@]}")
for leg in "${legs[@]}"; do
    if [[ " ${ALL_LEGS[*]} " != *" $leg "* ]]; then
        say "test.sh: there is no leg '$leg'; there are: ${ALL_LEGS[*]}" >&2
        exit $EX_USAGE
    fi
done

passed=0 failed=0 skipped=0
leg_passed=0 leg_failed=0 leg_skipped=0

count() { # PASSED FAILED SKIPPED
    leg_passed=$((leg_passed + $1))
    leg_failed=$((leg_failed + $2))
    leg_skipped=$((leg_skipped + $3))
}

# On a terminal the line of a running leg says what it is doing; in a pipe there is none.
doing() {
    [ -t 1 ] && printf '\r\033[K%-9s %s' "$leg" "$*"
    return 0
}

# Runs a step whose output matters only when it fails. A step that fails is a failed case.
step() { # WORDS COMMAND...
    local words=$1 log=build/$leg.log
    shift
    doing "$words"
    mkdir -p build
    if ! "$@" >"$log" 2>&1 </dev/null; then
        doing "$words failed"
        say
        say "--- $leg: $words failed ($*)"
        grep -v '^\[[0-9]*/[0-9]*\] ' "$log" | tail -n 120
        count 0 1 0
        return 1
    fi
}

# Configures and builds with a preset of CMakePresets.json.
build() { # PRESET [CMAKE OPTION...]
    local preset=$1
    shift
    step configuring cmake --preset "$preset" -G Ninja "$@" &&
        step building cmake --build "build/$preset"
}

# Runs ctest in build/<preset> and counts the cases of all programs.
run_ctest() { # PRESET [CTEST OPTION...]
    local preset=$1 junit=$PWD/build/$1.xml counts
    shift
    doing testing
    rm -f "$junit"
    "${WRAP[@]}" ctest --test-dir "build/$preset" --output-junit "$junit" -j "$JOBS" \
        --test-output-size-passed 100000000 --test-output-size-failed 100000000 \
        --no-tests=ignore "$@" >"build/$leg.log" 2>&1 </dev/null
    count_junit "$junit"
}

count_junit() { # JUNIT
    local counts errors=build/$leg.failures
    if [ ! -s "$1" ]; then
        say "--- $leg: ctest wrote no result"
        tail -n 40 "build/$leg.log"
        count 0 1 0
        return
    fi
    counts=$(scripts/count_tests.py "$1" 2>"$errors")
    if [ -s "$errors" ]; then
        doing "failed or skipped"
        [ -t 1 ] && say
        cat "$errors"
    fi
    # shellcheck disable=SC2086 # three numbers
    count ${counts:-0 1 0}
}

WRAP=()

leg_gcc() { build gcc && run_ctest gcc; }

leg_clang() { build clang && run_ctest clang -L '^(unit|link|fuzz)$'; }

# Tests of scripts alone run none of our C, so that once is enough.
leg_asan() { build asan && run_ctest asan -LE '^scripts$'; }

# gcc's thread sanitizer wants its shadow memory at fixed addresses, which some kernels' address
# randomisation takes away.
leg_tsan() {
    build tsan || return
    if setarch -R true 2>/dev/null; then
        WRAP=(setarch -R)
    fi
    run_ctest tsan -L '^(unit|link|system)$' -LE '^scripts$'
    WRAP=()
}

leg_valgrind() {
    build valgrind && run_ctest valgrind -L '^(unit|valgrind)$'
}

leg_fuzz() { build fuzz && run_ctest fuzz -L '^fuzz$'; }

# The next are scripts that print "ok WORDS" or "failed WORDS" for each thing they look at.
run_script() {
    local log=build/$leg.log
    doing running
    mkdir -p build
    "$@" >"$log" 2>&1 </dev/null
    local code=$?
    count "$(grep -c '^ok ' "$log")" "$(grep -c '^failed ' "$log")" 0
    if [ $code -ne 0 ] && [ "$leg_failed" -eq 0 ]; then
        count 0 1 0
    fi
    if [ "$leg_failed" -gt 0 ]; then
        doing failed
        say
        grep -v '^ok ' "$log"
    fi
}

leg_check() { run_script scripts/check.sh; }
leg_install() {
    run_script scripts/check_install.sh
    run_script scripts/check_demo.sh
}

# Prints what a leg needs and the machine hasn't.
lacks() {
    local tool tools=(cmake ninja python3 openssl)
    case $1 in
    gcc | asan | tsan | install) tools+=(gcc) ;;
    clang | fuzz) tools+=(clang) ;;
    valgrind) tools+=(gcc valgrind) ;;
    check) tools+=(clang clang-format clang-tidy cppcheck shellcheck) ;;
    esac
    for tool in "${tools[@]}"; do
        command -v "$tool" >/dev/null || printf '%s ' "$tool"
    done
}

run_leg() {
    local begin=$SECONDS missing verdict
    leg_passed=0 leg_failed=0 leg_skipped=0
    missing=$(lacks "$leg")
    if [ -n "$missing" ] && [ -z "$CI" ]; then
        say "$(printf '%-9s not run: this machine lacks %s' "$leg" "$missing")"
        skipped=$((skipped + 1))
        return
    elif [ -n "$missing" ]; then
        say "--- $leg: this machine lacks $missing"
        count 0 1 0
    else
        "leg_$leg"
    fi
    if [ $((leg_passed + leg_failed)) -eq 0 ]; then
        say "--- $leg: no test was run"
        count 0 1 0
    fi
    [ -t 1 ] && printf '\r\033[K'
    verdict="$leg_passed passed, $leg_failed failed"
    [ "$leg_skipped" -gt 0 ] && verdict="$verdict, $leg_skipped skipped"
    say "$(printf '%-9s %s (%d s)' "$leg" "$verdict" $((SECONDS - begin)))"
    passed=$((passed + leg_passed))
    failed=$((failed + leg_failed))
    skipped=$((skipped + leg_skipped))
}

# Without these nothing can be tested; without the tools that follow, some legs can't.
scripts/install-deps.sh build test || exit
groups=()
for leg in "${legs[@]}"; do
    case $leg in
    clang | valgrind | fuzz) groups+=(tools) ;;
    check) groups+=(tools check) ;;
    esac
done
if [ ${#groups[@]} -gt 0 ] && ! scripts/install-deps.sh "${groups[@]}" && [ -n "$CI" ]; then
    say "0 passed, 1 failed"
    exit 69
fi

for leg in "${legs[@]}"; do
    run_leg
done

sum="$passed passed, $failed failed"
[ "$skipped" -gt 0 ] && sum="$sum, $skipped skipped"
say "$sum"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
