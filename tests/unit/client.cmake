# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_backoff SOURCES test_backoff.c LINK sl_client)
