# SPDX-License-Identifier: Apache-2.0
sl_system_test(NAME test_docs.py)
sl_system_test(NAME test_promises.py)
