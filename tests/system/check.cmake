# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_check.py LABEL threaded TIMEOUT 600)
