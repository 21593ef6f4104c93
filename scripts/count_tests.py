#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count_tests.py JUNIT.xml... -- counts the individual cases in what ctest ran.

One ctest test is one program with many cases in it. cmocka and unittest print their own cases and
those are counted; a program that is neither counts as one case. A case that began and never ended
(a crash) failed, and a program that failed without a failing case (a leak found at exit, a time
limit) adds one failure of its own. With CI set in the environment a skipped case is a failure
too, unless ALLOWED_SKIPS has its name.

Standard output: "<passed> <failed> <skipped>". Standard error: the output of what failed, and the
names of what was skipped.
Exit code 1 when something failed or nothing ran at all.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

CMOCKA_BEGIN = re.compile(r"\[ RUN      \] (\S+)")
CMOCKA_END = re.compile(r"\[\s*(OK|FAILED|ERROR|SKIPPED)\s*\] (\S+)")
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?\s*$", re.MULTILINE)
UNITTEST_SKIPPED = re.compile(r"^(\w+) \([^\n]*\)(?:\n[^\n]*)? \.\.\. skipped ", re.MULTILINE)
OUTPUT_LINES = 200

# What a machine of the continuous integration may lack, and what is then not tested there.
NO_IPV6 = "containers are often without IPv6"
NO_TLS13 = "Mbed TLS 2.28 has no TLS 1.3"
NO_FILTER = "a sanitizer or valgrind makes system calls of its own, so these builds aren't confined"
NO_MOUNT = "containers often forbid to mount anything"
NO_CLOCK = "a sanitizer's runtime would have to come before the library that steps the clock"
ALLOWED_SKIPS = {
    "test_readme_systemd_unit_is_taken_by_systemd": "systemd-analyze comes only with all of systemd",
    "test_spool_full_disk_says_so_and_goes_on_when_there_is_room": NO_MOUNT,
    "test_spool_takes_new_readings_where_the_disk_has_no_room_to_delete_a_backlog": NO_MOUNT,
    "test_spool_whose_disk_was_full_gives_the_room_of_forgotten_ones_back_soon": NO_MOUNT,
    "test_client_connects_over_ipv6": NO_IPV6,
    "test_several_addresses_of_both_families_are_served": NO_IPV6,
    "test_both_families_are_served_on_one_address": NO_IPV6,
    "test_strangers_whose_rogue_cas_cant_be_read_are_refused_at_the_limit_of_bytes": NO_TLS13,
    "test_confined_process_reaches_no_other_files": NO_FILTER,
    "test_confined_process_makes_no_other_calls": NO_FILTER,
    "test_confined_process_has_no_io_uring_from_the_start": NO_FILTER,
    "test_landlock_alone_forbids_connections_and_signals": NO_FILTER,
    "test_confined_server_moves_its_write_ahead_log_into_the_store_as_it_grows": NO_FILTER,
    "test_confined_server_moves_a_long_log_in_a_thread_that_is_as_confined": NO_FILTER,
    "test_key_is_in_memory_once_and_no_more_after_another_took_its_place": NO_FILTER,
    "test_ends_are_warned_of_once_a_day_while_the_server_runs": NO_CLOCK,
    "test_client_whose_clock_went_ahead_says_by_how_much": NO_CLOCK,
}


def cmocka_cases(text):
    """(passed, failed, names of the skipped) of what a cmocka program printed, or None."""
    began, ended = [], {}
    for line in text.splitlines():
        begin = CMOCKA_BEGIN.search(line)
        if begin:
            began.append(begin.group(1))
            ended.setdefault(begin.group(1), [])
            continue
        end = CMOCKA_END.search(line)
        # cmocka lists failures again at the end; only the first end of a begun case counts.
        if end and end.group(2) in ended and len(ended[end.group(2)]) < began.count(end.group(2)):
            ended[end.group(2)].append(end.group(1))
    if not began:
        return None
    ends = [end for each in ended.values() for end in each]
    passed = ends.count("OK")
    skipped = [name for name, each in ended.items() for end in each if end == "SKIPPED"]
    return passed, len(began) - passed - len(skipped), skipped


def unittest_cases(text):
    """(passed, failed, names of the skipped) of what a unittest program printed, or None."""
    ran = UNITTEST_RAN.findall(text)
    if not ran:
        return None
    bad = skipped = 0
    for details in UNITTEST_END.findall(text[UNITTEST_RAN.search(text).start():]):
        for kind, count in re.findall(r"(\w+)=(\d+)", details):
            if kind == "skipped":
                skipped += int(count)
            elif kind in ("failures", "errors"):
                bad += int(count)
    names = UNITTEST_SKIPPED.findall(text)[:skipped]
    names += ["a case whose name isn't known"] * (skipped - len(names))
    return max(0, sum(map(int, ran)) - bad - skipped), bad, names


def program_cases(case):
    """(passed, failed, names of the skipped, text) of one ctest test."""
    text = "".join(part.text or "" for part in case.findall("system-out"))
    status = case.get("status")
    if status in ("disabled", "notrun"):
        return 0, 1, [], "could not be run\n" + text
    counts = cmocka_cases(text) or unittest_cases(text)
    succeeded = status == "run"
    if counts is None:
        counts = (1, 0, []) if succeeded else (0, 1, [])
    passed, failed, skipped = counts
    if not succeeded and failed == 0:
        failed = 1
    if succeeded and failed > 0:
        text += "\nThe program's exit code was 0 although a case failed.\n"
    if succeeded and passed + failed + len(skipped) == 0:
        failed, text = 1, text + "\nThe program ran no case.\n"
    return passed, failed, skipped, text


def main(paths):
    total = [0, 0, 0]
    ci = bool(os.environ.get("CI"))
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            passed, failed, skipped, text = program_cases(case)
            refused = [name for name in skipped if ci and name not in ALLOWED_SKIPS]
            counts = (passed, failed + len(refused), len(skipped) - len(refused))
            total = [a + b for a, b in zip(total, counts)]
            for name in skipped:
                verdict = "a failure in CI" if name in refused else ALLOWED_SKIPS.get(name, "")
                print(f"--- {case.get('name')}: skipped {name}{verdict and ': ' + verdict}",
                      file=sys.stderr)
            if failed:
                lines = text.rstrip().splitlines()
                print(f"--- {case.get('name')}: {failed} failed", file=sys.stderr)
                if len(lines) > OUTPUT_LINES:
                    print(f"    ... {len(lines) - OUTPUT_LINES} lines before", file=sys.stderr)
                print("\n".join(lines[-OUTPUT_LINES:]), file=sys.stderr)
    print(*total)
    return 1 if total[1] or not sum(total) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
