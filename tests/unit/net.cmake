# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_net_address SOURCES test_net_address.c LINK sl_net)
sl_test(NAME test_net_socket SOURCES test_net_socket.c LINK sl_net)
sl_test(NAME test_net_loop SOURCES test_net_loop.c LINK sl_loop LABEL "unit;threaded")
sl_test(NAME test_net_listener SOURCES test_net_listener.c LINK sl_loop)
target_link_options(test_net_listener PRIVATE -Wl,--wrap=socket -Wl,--wrap=bind)
sl_test(NAME test_net_process SOURCES test_net_process.c LINK sl_loop)
sl_test(NAME test_net_resolve SOURCES test_net_resolve.c LINK sl_loop LABEL "unit;threaded")
target_link_options(test_net_resolve PRIVATE -Wl,--wrap=getaddrinfo)
