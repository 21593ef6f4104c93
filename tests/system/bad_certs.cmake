# SPDX-License-Identifier: Apache-2.0
#
# Every certificate of scripts/bad-certs.sh before the real programs. Times are for valgrind.
sl_system_test(NAME test_bad_certs.py LABEL scripts TIMEOUT 1200)
