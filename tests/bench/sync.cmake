# SPDX-License-Identifier: Apache-2.0
#
# What the disk alone takes, beside which times of acknowledgements are read.
sl_test_executable(bench_sync SOURCES bench_sync.c load/histogram.c)
