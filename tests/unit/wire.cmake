# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_frame SOURCES test_frame.c LINK sl_wire)
sl_test(NAME test_reading SOURCES test_reading.c LINK sl_wire)
sl_test(NAME test_value SOURCES test_value.c LINK sl_wire)
sl_test(NAME test_message SOURCES test_message.c LINK sl_wire)
