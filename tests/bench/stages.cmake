# SPDX-License-Identifier: Apache-2.0
#
# What each stage of a reading's way costs the server's worker, in one thread; see stages.c.
sl_test_executable(bench_stages SOURCES stages.c LINK sl_server)
