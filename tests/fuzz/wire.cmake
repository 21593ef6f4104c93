# SPDX-License-Identifier: Apache-2.0
sl_fuzz(NAME fuzz_frame SOURCES fuzz_frame.c CORPUS corpus/frame LINK sl_wire)
sl_fuzz(NAME fuzz_reading SOURCES fuzz_reading.c CORPUS corpus/reading LINK sl_wire m)
sl_fuzz(NAME fuzz_message SOURCES fuzz_message.c CORPUS corpus/message LINK sl_wire)
sl_fuzz(NAME fuzz_session SOURCES fuzz_session.c CORPUS corpus/session LINK sl_link)
sl_fuzz(NAME fuzz_options SOURCES fuzz_options.c CORPUS corpus/options LINK sl_options)
