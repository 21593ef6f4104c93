# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_confine.py LABEL threaded TIMEOUT 600)
