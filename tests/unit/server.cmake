# SPDX-License-Identifier: Apache-2.0
#
# Parts of the server that work without TLS are compiled into their tests: their peers come from
# tests/support/test_peer.c, which must not meet the real ones of src/tls in one program.
set(server "${PROJECT_SOURCE_DIR}/src/server")

sl_test(NAME test_queue SOURCES test_queue.c LINK sl_base LABEL "unit;threaded")
sl_test(NAME test_door SOURCES test_door.c "${server}/door.c" LINK sl_net LABEL "unit;threaded")
sl_test(NAME test_wheel SOURCES test_wheel.c "${server}/wheel.c" LINK sl_base)
sl_test(NAME test_changes SOURCES test_changes.c "${server}/changes.c" LINK sl_loop)
sl_test(NAME test_batch SOURCES test_batch.c "${server}/batch.c" LINK sl_store sl_test_peer)
sl_test(NAME test_committer SOURCES test_committer.c "${server}/committer.c" "${server}/batch.c"
    LINK sl_store sl_test_peer sl_sqlite LABEL "unit;threaded")
sl_test(NAME test_reminder SOURCES test_reminder.c "${server}/reminder.c" LINK sl_test_peer)
target_link_options(test_reminder PRIVATE -Wl,--wrap=sl_clock_monotonic_ms)
sl_test(NAME test_user SOURCES test_user.c LINK sl_confine)
sl_test(NAME test_confine SOURCES test_confine.c LINK sl_confine Threads::Threads)
sl_test(NAME test_confine_calls SOURCES test_confine_calls.c LINK sl_confine)
if(SENSORLINK_HAS_MALLOPT)
    sl_test(NAME test_memory SOURCES test_memory.c "${server}/memory.c" LINK sl_base)
endif()
