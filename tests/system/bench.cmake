# SPDX-License-Identifier: Apache-2.0
#
# The benchmarks' tables and what the runner makes of failures; nothing is measured.
sl_system_test(NAME test_bench.py LABEL scripts TIMEOUT 60)
