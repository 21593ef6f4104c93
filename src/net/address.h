/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h -- IPv4 and IPv6 addresses with a port: parsed, printed, compared, resolved.
 *
 * Memory   Plain values; an address list is freed with sl_addresses_clear().
 * Threads  Pure but for sl_addresses_resolve(), which may block on name lookup.
 */
#ifndef SL_NET_ADDRESS_H
#define SL_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"

enum { SL_ADDRESS_TEXT_SIZE = 72 };

struct sl_address {
    struct sockaddr_storage at;
    socklen_t len;
};

struct sl_addresses {
    struct sl_address *at;
    size_t count;
};

/*
 * Reads `127.0.0.1:23456`, `[::1]:23456`, `[::]:23456` for every address, and a port alone
 * `:23456` or an address alone (then `default_port`). Numeric only.
 * SL_BAD_INPUT  Not such a text.
 */
SL_MUST_USE enum sl_status sl_address_parse(const char *text, uint16_t default_port,
                                            struct sl_address *address);

/* `127.0.0.1:23456` or `[::1]:23456`; v4-mapped addresses print as IPv4. Returns `text`. */
const char *sl_address_print(const struct sl_address *address,
                             char text[static SL_ADDRESS_TEXT_SIZE]);

/* The address alone, without brackets and port. Returns `text`. */
const char *sl_address_print_host(const struct sl_address *address,
                                  char text[static SL_ADDRESS_TEXT_SIZE]);

uint16_t sl_address_port(const struct sl_address *address);

/*
 * What counts as one address for limits: the IPv4 address, or the /64 of an IPv6 address. Equal keys for
 * addresses that count together.
 */
struct sl_address_key {
    uint8_t at[16];
};
struct sl_address_key sl_address_key(const struct sl_address *address);

/*
 * Looks a name or numeric address up, IPv6 and IPv4, in the order of RFC 6724.
 * SL_OK         At least one; the caller clears the list.
 * SL_IO         Not found, or the name service doesn't answer; `error` has one sentence.
 */
SL_MUST_USE enum sl_status sl_addresses_resolve(const char *host, uint16_t port,
                                                struct sl_addresses *addresses, char *error,
                                                size_t error_size);
void sl_addresses_clear(struct sl_addresses *addresses);

/* This host's own name and the address that it resolves to (for the console); "localhost" where unknown. */
void sl_address_self(char *name, size_t name_size, char address[static SL_ADDRESS_TEXT_SIZE]);

#endif
