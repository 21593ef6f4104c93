# SPDX-License-Identifier: Apache-2.0
sl_fuzz(NAME fuzz_identity SOURCES fuzz_identity.c CORPUS corpus/identity LINK sl_tls sl_wire)
sl_fuzz(NAME fuzz_record SOURCES fuzz_record.c CORPUS corpus/record LINK sl_tls)
