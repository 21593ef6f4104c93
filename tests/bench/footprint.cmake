# SPDX-License-Identifier: Apache-2.0
#
# A program that needs no more of the library than the smallest sensor does.
sl_test_executable(bench_sensor SOURCES bench_sensor.c LINK sensorlink)
target_link_options(bench_sensor PRIVATE -Wl,--as-needed)
