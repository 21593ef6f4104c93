# SPDX-License-Identifier: Apache-2.0
#
# Three runs of 20 s with fixed seeds, and the harness's own tests.
sl_system_test(NAME test_chaos.py LABEL threaded TIMEOUT 1200)
