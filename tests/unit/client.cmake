# SPDX-License-Identifier: Apache-2.0
include("${PROJECT_SOURCE_DIR}/tests/support/certificates.cmake")
sl_test(NAME test_backoff SOURCES test_backoff.c LINK sl_client)
sl_test(NAME test_client SOURCES test_client.c LINK sl_client)
target_link_options(test_client PRIVATE -Wl,--wrap=sl_clock_wall_us)
sl_test(NAME test_number SOURCES test_number.c LINK sl_sources)
sl_test(NAME test_spec SOURCES test_spec.c LINK sl_sources)
sl_test(NAME test_renewal SOURCES test_renewal.c LINK sl_test_certificates sl_client)
target_link_options(test_renewal PRIVATE
    -Wl,--wrap=sl_clock_wall_us,--wrap=sl_clock_monotonic_ms)
sl_use_certificates(test_renewal)
sl_test(NAME test_submit SOURCES test_submit.c LINK sl_test_certificates sl_client)
target_link_options(test_submit PRIVATE -Wl,--wrap=sl_clock_monotonic_ms)
sl_use_certificates(test_submit)
