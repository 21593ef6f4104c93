# SPDX-License-Identifier: Apache-2.0
#
# How long a reading takes until it is safe at the sensor.
sl_test_executable(bench_spool SOURCES bench_spool.c load/histogram.c LINK sl_spool)
