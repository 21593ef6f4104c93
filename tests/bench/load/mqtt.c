/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mqtt.c -- MQTT 3.1.1: CONNECT, and PUBLISH with QoS 1, a reading each; see speech.h.
 */
#include <stdio.h>
#include <unistd.h>

#include "speech.h"

enum {
    CONNECT = 0x10,
    CONNACK = 0x20,
    PUBLISH_QOS1 = 0x32,
    PUBACK = 0x40,
    CLEAN_SESSION = 0x02,
    LEVEL_3_1_1 = 4,
    SHORT = 2 /* the remaining length of both answers that may come */
};

static char *put_u16(char *out, uint16_t value)
{
    out[0] = (char)(value >> 8);
    out[1] = (char)(value & 0xff);
    return out + 2;
}

static char *put_string(char *out, const char *text)
{
    size_t len = strlen(text);

    out = put_u16(out, (uint16_t)len);
    memcpy(out, text, len);
    return out + len;
}

/* A name that no other session has, no will, and no keep-alive. */
static size_t mqtt_hello(struct talk *talk, char *out)
{
    char name[32];
    char *end = out + 2;

    (void)snprintf(name, sizeof name, "bench-%d-%u", (int)getpid(), talk->number);
    end = put_string(end, "MQTT");
    *end++ = LEVEL_3_1_1;
    *end++ = CLEAN_SESSION;
    end = put_u16(end, 0);
    end = put_string(end, name);
    out[0] = CONNECT;
    out[1] = (char)(end - out - 2);
    return (size_t)(end - out);
}

/* `1764000000.000312 temperature: 21.53 Cel` on the session's topic. */
static size_t mqtt_record(struct talk *talk, unsigned count, char *out)
{
    char topic[32];
    char *end = out;

    (void)snprintf(topic, sizeof topic, "sensors/%u", talk->number);
    for (unsigned i = 0; i < count; i++) {
        char *packet = end;

        talk->packet_id = talk->packet_id == UINT16_MAX ? 1 : (uint16_t)(talk->packet_id + 1);
        end = put_string(end + 2, topic);
        end = put_u16(end, talk->packet_id);
        end = put_unix(end, talk_time(talk));
        *end++ = ' ';
        end = put_line(end, talk_line(talk));
        packet[0] = PUBLISH_QOS1;
        packet[1] = (char)(end - packet - 2); /* below 128: one byte */
    }
    talk->sent += count;
    return (size_t)(end - out);
}

/* One whole answer. The broker acknowledges in order, so that counting is enough. */
static bool take_packet(struct talk *talk, char *fault)
{
    unsigned char kind = (unsigned char)talk->packet[0];
    unsigned char code = (unsigned char)talk->packet[3];

    if (kind == PUBACK && talk->welcomed && talk->acknowledged < talk->sent) {
        talk->acknowledged++;
        return true;
    }
    if (kind == CONNACK && !talk->welcomed && code == 0) {
        talk->welcomed = true;
        return true;
    }
    (void)snprintf(fault, FAULT_SPACE, "broker's packet 0x%02x, code %u, isn't expected", kind,
                   code);
    return false;
}

static bool mqtt_take(struct talk *talk, struct sl_bytes in, char fault[static FAULT_SPACE])
{
    for (size_t i = 0; i < in.len; i++) {
        talk->packet[talk->packet_len++] = in.at[i];
        if (talk->packet_len == 2 && talk->packet[1] != SHORT) {
            (void)snprintf(fault, FAULT_SPACE, "a long packet of the broker's isn't expected");
            return false;
        }
        if (talk->packet_len < PACKET_SIZE)
            continue;
        talk->packet_len = 0;
        if (!take_packet(talk, fault))
            return false;
    }
    return true;
}

const struct speech speech_mqtt = {"mqtt", false, mqtt_hello, mqtt_record, mqtt_take};
