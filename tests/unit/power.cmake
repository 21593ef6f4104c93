# SPDX-License-Identifier: Apache-2.0
#
# The power goes at each write of a scripted run: nothing committed is missing, nothing is twice.
add_library(sl_test_forgetful STATIC "${PROJECT_SOURCE_DIR}/tests/support/forgetful_vfs.c"
    "${PROJECT_SOURCE_DIR}/tests/support/forgetful_locks.c")
target_include_directories(sl_test_forgetful PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(sl_test_forgetful PUBLIC sl_sqlite PRIVATE sl_flags Threads::Threads)

sl_test(NAME test_power_spool SOURCES test_power_spool.c LINK sl_spool sl_test_forgetful
    TIMEOUT 900)
sl_test(NAME test_power_store SOURCES test_power_store.c LINK sl_store sl_test_peer sl_test_forgetful
    LABEL "unit;threaded" TIMEOUT 900)
sl_test(NAME test_power_corrupt SOURCES test_power_corrupt.c LINK sl_store sl_test_peer)

# The thread that moves the write-ahead log, on the same disk.
sl_test(NAME test_store_checkpoint SOURCES test_store_checkpoint.c
    LINK sl_store sl_test_peer sl_test_forgetful LABEL "unit;threaded" TIMEOUT 300)
