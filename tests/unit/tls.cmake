# SPDX-License-Identifier: Apache-2.0
include("${PROJECT_SOURCE_DIR}/tests/support/certificates.cmake")

sl_test(NAME test_record SOURCES test_record.c LINK sl_tls)
sl_test(NAME test_reason SOURCES test_reason.c LINK sl_tls)
sl_test(NAME test_identity SOURCES test_identity.c LINK sl_test_certificates sl_tls)
sl_test(NAME test_revocation SOURCES test_revocation.c LINK sl_test_certificates sl_tls)
sl_test(NAME test_trust SOURCES test_trust.c LINK sl_test_certificates sl_inspect)
sl_test(NAME test_ticket SOURCES test_ticket.c LINK sl_test_certificates sl_tls)
sl_test(NAME test_expiry SOURCES test_expiry.c LINK sl_test_certificates sl_tls)
sl_use_certificates(test_identity test_revocation test_trust test_ticket test_expiry)

# Peers come out of real handshakes only, so this one uses what tests/link is made of.
sl_test(NAME test_admission SOURCES test_admission.c LINK sl_test_ends)
target_link_options(test_admission PRIVATE -Wl,--wrap=calloc)
sl_use_certificates(test_admission)
