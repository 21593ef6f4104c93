# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_trust.py LABEL threaded TIMEOUT 600)
sl_system_test(NAME test_expiry.py LABEL threaded TIMEOUT 600)
sl_system_test(NAME test_reload.py LABEL threaded TIMEOUT 600)
