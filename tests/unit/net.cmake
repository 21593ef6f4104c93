# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_net_address SOURCES test_net_address.c LINK sl_net)
sl_test(NAME test_net_loop SOURCES test_net_loop.c LINK sl_loop LABEL "unit;threaded")
