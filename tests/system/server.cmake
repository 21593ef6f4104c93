# SPDX-License-Identifier: Apache-2.0
#
# The server as its users and strangers meet it. Times are for sanitizers and valgrind.
sl_system_test(NAME test_refusals.py LABEL threaded TIMEOUT 1200)
sl_system_test(NAME test_sessions.py LABEL threaded TIMEOUT 1200)
sl_system_test(NAME test_server.py LABEL threaded TIMEOUT 1200)
sl_system_test(NAME test_end_to_end.py LABEL threaded TIMEOUT 1200)
