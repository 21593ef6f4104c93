/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h -- looks at the outside of what goes one way during the handshake: is it TLS at all, is
 * there an alert in the clear, and how many certificates (chain.h)?
 *
 * The library says none of it. Record headers (RFC 8446, section 5.1; RFC 5246, section 6.2.1) are
 * readable before encryption begins, which is when refusals happen. Nothing here decides about
 * trust.
 *
 * Memory   The caller owns struct sl_record; start with `{0}`, and in its chain the CAs that we
 *          have. Nothing allocates.
 * Threads  As for the session.
 */
#ifndef SL_TLS_RECORD_H
#define SL_TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/chain.h"

enum { SL_RECORD_HEADER = 5, SL_ALERT_NONE = -1 };

struct sl_record {
    uint8_t first[8]; /* the first bytes that came at all */
    size_t first_len;
    uint8_t header[SL_RECORD_HEADER]; /* of the record under way */
    size_t header_len;
    size_t left;      /* bytes left of its body */
    size_t body;      /* bytes seen of its body */
    uint8_t alert[2]; /* level and description of the last alert in the clear */
    bool alerted;
    struct sl_chain chain;
};

/* Looks at the next bytes of the stream. */
void sl_record_look(struct sl_record *record, const uint8_t *bytes, size_t len);

/* The description (RFC 8446, section 6) of the last alert seen in the clear, or SL_ALERT_NONE. */
int sl_record_alert(const struct sl_record *record);

/*
 * "alert unknown_ca: the CA of our certificate isn't trusted there", as far as the alert has a
 * name.
 */
void sl_record_print_alert(int description, char *text, size_t size);

/* What the first bytes look like. */
enum sl_record_speech {
    SL_SPEECH_NOTHING,
    SL_SPEECH_TLS,
    SL_SPEECH_HTTP,
    SL_SPEECH_TEXT,
    SL_SPEECH_OTHER
};
enum sl_record_speech sl_record_speech(const struct sl_record *record);

#endif
