# SPDX-License-Identifier: Apache-2.0
#
# The store asks peers for their names. Peers are made by src/tls, or by a double in tests.
add_library(sl_test_peer STATIC "${PROJECT_SOURCE_DIR}/tests/support/test_peer.c")
target_include_directories(sl_test_peer PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(sl_test_peer PUBLIC sl_base PRIVATE sl_flags)

sl_test(NAME test_block SOURCES test_block.c LINK sl_store sl_test_peer)
sl_test(NAME test_store SOURCES test_store.c LINK sl_store sl_test_peer)
sl_test(NAME test_store_file SOURCES test_store_file.c LINK sl_store sl_test_peer)
sl_test(NAME test_store_seen SOURCES test_store_seen.c LINK sl_store sl_test_peer)
sl_test(NAME test_store_reader SOURCES test_store_reader.c LINK sl_store sl_test_peer)
sl_test(NAME test_store_range SOURCES test_store_range.c LINK sl_store sl_test_peer sl_sqlite)
sl_test(NAME test_store_format SOURCES test_store_format.c LINK sl_store)

# Makes stores for tests/system/test_log.py, through the store itself.
sl_test_executable(make_store SOURCES "${PROJECT_SOURCE_DIR}/tests/support/make_store.c"
    LINK sl_store sl_test_peer)
set_target_properties(make_store PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/support")
