# SPDX-License-Identifier: Apache-2.0
#
# What a handshake costs beside what it is made of; see primitives.c.
sl_test_executable(bench_primitives SOURCES primitives.c LINK sl_test_ends)
