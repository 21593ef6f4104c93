# SPDX-License-Identifier: Apache-2.0
#
# The load generator, and a test that it counts right.
sl_test_executable(bench_load
    SOURCES load/main.c load/plan.c load/trusts.c load/worker.c load/schedule.c load/session.c load/socket.c
        load/speech.c load/mqtt.c load/lines.c load/histogram.c
    LINK sl_tls sl_link sl_net sl_options)
sl_system_test(NAME test_load.py LABEL threaded TIMEOUT 600)
set_property(TEST system_test_load APPEND PROPERTY
    ENVIRONMENT "SENSORLINK_BENCH_LOAD=$<TARGET_FILE:bench_load>")
sl_test(NAME test_load_parts LINK sl_link
    SOURCES load/test_load_parts.c load/speech.c load/mqtt.c load/lines.c load/histogram.c)
