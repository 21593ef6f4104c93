/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h -- IPv4 and IPv6 addresses with a port: parsed, printed, compared, resolved.
 *
 * Memory   Plain values; an address list is freed with sl_addresses_clear().
 * Limits   A list holds SL_ADDRESSES_MAX addresses at most, however many a name has.
 * Threads  Any. All but sl_addresses_resolve() return at once; that one waits for the name service.
 */
#ifndef SL_NET_ADDRESS_H
#define SL_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sensorlink/status.h"

enum {
    SL_ADDRESS_TEXT_SIZE = 72, /* the longest: a scoped IPv6 address, brackets, port, zero */
    SL_ADDRESS_ERROR_SIZE = 320,
    SL_ADDRESSES_MAX = 64
};

struct sl_address {
    struct sockaddr_storage at;
    socklen_t len;
};

struct sl_addresses {
    struct sl_address *at;
    size_t count;
};

/*
 * Reads `127.0.0.1:23456`, `[::1]:23456`, `[fe80::1%eth0]:23456`; an address alone (`::1` and
 * `[::1]` are the same), then the port is `default_port`; and a port alone, `:23456`, then it is
 * every address, `[::]`. Numeric only, IPv4 in four decimal parts.
 *
 * SL_OK         `*address` is set.
 * SL_BAD_INPUT  Not such a text; `*address` is unchanged.
 */
SL_MUST_USE enum sl_status sl_address_parse(const char *text, uint16_t default_port,
                                            struct sl_address *address);

/* `127.0.0.1:23456` or `[::1]:23456`; v4-mapped addresses print as IPv4. Returns `text`. */
const char *sl_address_print(const struct sl_address *address,
                             char text[static SL_ADDRESS_TEXT_SIZE]);

/* The address alone, without brackets and port. Returns `text`. */
const char *sl_address_print_host(const struct sl_address *address,
                                  char text[static SL_ADDRESS_TEXT_SIZE]);

/* The port; 0 for what is neither IPv4 nor IPv6. */
uint16_t sl_address_port(const struct sl_address *address);

/*
 * What counts as one address for limits: the IPv4 address, v4-mapped or not, or the /64 of an IPv6
 * address, because that is what one customer gets. Equal bytes for addresses that count together.
 */
struct sl_address_key {
    uint8_t at[16];
};
struct sl_address_key sl_address_key(const struct sl_address *address);

/*
 * Looks a name or numeric address up, IPv6 and IPv4, in the order of RFC 6724.
 *
 * SL_OK         At least one; the caller clears the list.
 * SL_IO         Not found, or the name service doesn't answer.
 * SL_BAD_INPUT  An empty name.
 * SL_NOMEM      No memory.
 * On all but SL_OK the list is empty and `error` has one sentence; SL_ADDRESS_ERROR_SIZE is room
 * enough.
 */
SL_MUST_USE enum sl_status sl_addresses_resolve(const char *host, uint16_t port,
                                                struct sl_addresses *addresses, char *error,
                                                size_t error_size);

/* Frees the list; it is empty then. */
void sl_addresses_clear(struct sl_addresses *addresses);

/*
 * This host's name and an address that others may reach it by, for the console: the first IPv4
 * address of an interface that is up and isn't loopback, else such an IPv6 address, else
 * `127.0.0.1`. No name service is asked, so a broken one can't hold a program up. The name is cut
 * to `name_size` and is `localhost` where unknown.
 */
void sl_address_self(char *name, size_t name_size, char address[static SL_ADDRESS_TEXT_SIZE]);

#endif
