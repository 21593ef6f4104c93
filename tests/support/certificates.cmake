# SPDX-License-Identifier: Apache-2.0
#
# sl_use_certificates(TEST...): these tests find certificates, made before they run, in the folder
# SL_TEST_CERTS. See certificates.py. TEST: names given to sl_test().
include_guard(GLOBAL)

add_test(NAME make_certificates COMMAND "${SENSORLINK_PYTHON}"
    "${CMAKE_CURRENT_LIST_DIR}/certificates.py" "${CMAKE_BINARY_DIR}/tests/certificates")
sl_test_properties(make_certificates support 300)
set_tests_properties(make_certificates PROPERTIES FIXTURES_SETUP certificates)

add_library(sl_test_certificates STATIC "${CMAKE_CURRENT_LIST_DIR}/certificates.c")
target_include_directories(sl_test_certificates PUBLIC "${PROJECT_SOURCE_DIR}/tests")
target_link_libraries(sl_test_certificates PUBLIC sl_tls sl_cmocka PRIVATE sl_flags)

function(sl_use_certificates)
    foreach(test IN LISTS ARGN)
        set_property(TEST ${test} APPEND PROPERTY FIXTURES_REQUIRED certificates)
        set_property(TEST ${test} APPEND PROPERTY
            ENVIRONMENT "SL_TEST_CERTS=${CMAKE_BINARY_DIR}/tests/certificates")
    endforeach()
endfunction()
