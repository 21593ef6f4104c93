# SPDX-License-Identifier: Apache-2.0
sl_test(NAME test_receiver SOURCES test_receiver.c LINK sl_link)
sl_test(NAME test_sender SOURCES test_sender.c LINK sl_link)
