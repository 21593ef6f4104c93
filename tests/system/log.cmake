# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_log.py)
sl_system_test(NAME test_store_queries.py)
