# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_spool SOURCES test_spool.c LINK sl_spool)
sl_test(NAME test_spool_disk SOURCES test_spool_disk.c LINK sl_spool)
sl_test(NAME test_spool_gaps SOURCES test_spool_gaps.c LINK sl_spool)
