# SPDX-License-Identifier: Apache-2.0
#
# A few seconds of strangers; docs/security.md has the figures of longer ones.
sl_system_test(NAME test_strangers.py LABEL threaded TIMEOUT 600)
