# SPDX-License-Identifier: Apache-2.0
#
# A hundred sensors whose server restarts; docs/reliability.md has the figures of thousands.
sl_test_executable(storm SOURCES chaos/storm.c LINK Sensorlink::sensorlink)
sl_system_test(NAME test_storm.py LABEL threaded TIMEOUT 1200)
set_property(TEST system_test_storm APPEND PROPERTY
    ENVIRONMENT "SENSORLINK_STORM=$<TARGET_FILE:storm>")
