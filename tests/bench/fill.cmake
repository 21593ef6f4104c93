# SPDX-License-Identifier: Apache-2.0
#
# Makes large stores for reading_back.py, through the store itself.
sl_test_executable(bench_fill SOURCES bench_fill.c LINK sl_store sl_test_peer)
