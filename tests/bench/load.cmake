# SPDX-License-Identifier: Apache-2.0
#
# The load generator, and a test that it counts right.
sl_test_executable(bench_load
    SOURCES load/main.c load/plan.c load/worker.c load/session.c load/speech.c load/mqtt.c load/lines.c
        load/trusts.c load/histogram.c
    LINK sl_tls sl_link sl_net sl_options)
