# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_client.py)
sl_system_test(NAME test_client_protocol.py)
sl_system_test(NAME test_client_ends.py)
sl_system_test(NAME test_client_gaps.py)
sl_system_test(NAME test_renewal.py TIMEOUT 600)
