# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_scan.py TIMEOUT 600)
