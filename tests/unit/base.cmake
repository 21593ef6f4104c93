# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_bytes SOURCES test_bytes.c LINK sl_base)
sl_test(NAME test_list SOURCES test_list.c LINK sl_base)
sl_test(NAME test_utf8 SOURCES test_utf8.c LINK sl_base)
sl_test(NAME test_clock SOURCES test_clock.c LINK sl_base)
sl_test(NAME test_log SOURCES test_log.c LINK sl_base LABEL "unit;threaded")
sl_test(NAME test_options SOURCES test_options.c LINK sl_options)
sl_test(NAME test_checklist SOURCES test_checklist.c LINK sl_checklist)
