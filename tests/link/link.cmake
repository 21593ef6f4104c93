# SPDX-License-Identifier: Apache-2.0
#
# Real sessions over a link in memory; see ends.h.
include("${PROJECT_SOURCE_DIR}/tests/support/certificates.cmake")

add_library(sl_test_ends STATIC ends.c raw_peer.c
    "${PROJECT_SOURCE_DIR}/tests/support/memory_transport.c")
target_include_directories(sl_test_ends PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(sl_test_ends
    PUBLIC sl_test_certificates sl_link sl_store sl_tls sl_sqlite PRIVATE sl_flags)

sl_test(NAME test_link_exchange SOURCES test_link_exchange.c LINK sl_test_ends TIMEOUT 900)
sl_use_certificates(test_link_exchange)

sl_test(NAME test_link_refusal SOURCES test_link_refusal.c LINK sl_test_ends TIMEOUT 600)
target_link_options(test_link_refusal PRIVATE -Wl,--wrap=realloc)
sl_use_certificates(test_link_refusal)

sl_test(NAME test_link_session SOURCES test_link_session.c LINK sl_test_ends TIMEOUT 600)
sl_use_certificates(test_link_session)

sl_test(NAME test_link_threads SOURCES test_link_threads.c LINK sl_test_ends
    LABEL "link;threaded" TIMEOUT 600)
sl_use_certificates(test_link_threads)

sl_test(NAME test_link_resumption SOURCES test_link_resumption.c LINK sl_test_ends TIMEOUT 600)
sl_use_certificates(test_link_resumption)

sl_test(NAME test_link_unguarded SOURCES test_link_unguarded.c LINK sl_test_ends TIMEOUT 600)
sl_use_certificates(test_link_unguarded)

sl_test(NAME test_link_farewell SOURCES test_link_farewell.c LINK sl_test_ends sl_server)
sl_use_certificates(test_link_farewell)
