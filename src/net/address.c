/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.c -- see address.h.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* sockaddr_storage is read and written by copies, so that no aliasing rule is bent. */

static struct sockaddr_in as_v4(const struct sl_address *address)
{
    struct sockaddr_in v4;
    memcpy(&v4, &address->at, sizeof v4);
    return v4;
}

static struct sockaddr_in6 as_v6(const struct sl_address *address)
{
    struct sockaddr_in6 v6;
    memcpy(&v6, &address->at, sizeof v6);
    return v6;
}

static struct sl_address from_sockaddr(const void *at, socklen_t len)
{
    struct sl_address address = {.len = len};
    memcpy(&address.at, at, len);
    return address;
}

/* The IPv4 address, v4-mapped or not. */
static bool find_v4(const struct sl_address *address, struct in_addr *v4)
{
    if (address->at.ss_family == AF_INET) {
        *v4 = as_v4(address).sin_addr;
        return true;
    }
    if (address->at.ss_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6 = as_v6(address);
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return false;
    memcpy(v4, &v6.sin6_addr.s6_addr[12], sizeof *v4);
    return true;
}

static bool parse_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool parse_v4(const char *host, uint16_t port, struct sl_address *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) != 1)
        return false;
    *address = from_sockaddr(&v4, sizeof v4);
    return true;
}

/* An IPv6 address, with the name of an interface after a % (RFC 4007, section 11). */
static bool parse_v6(char *host, uint16_t port, struct sl_address *address)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    char *zone = strchr(host, '%');
    if (zone != NULL) {
        *zone++ = '\0';
        v6.sin6_scope_id = if_nametoindex(zone);
        if (v6.sin6_scope_id == 0)
            return false;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return false;
    *address = from_sockaddr(&v6, sizeof v6);
    return true;
}

enum sl_status sl_address_parse(const char *text, uint16_t default_port, struct sl_address *address)
{
    char host[SL_ADDRESS_TEXT_SIZE];
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof host)
        return SL_BAD_INPUT;
    memcpy(host, text, len + 1);

    uint16_t port = default_port;
    bool ok = false;
    char *first_colon = strchr(host, ':');
    if (host[0] == '[') {
        char *end = strchr(host, ']');
        if (end == NULL || (end[1] != '\0' && (end[1] != ':' || !parse_port(end + 2, &port))))
            return SL_BAD_INPUT;
        *end = '\0';
        ok = parse_v6(host + 1, port, address);
    } else if (first_colon != NULL && strchr(first_colon + 1, ':') != NULL) {
        ok = parse_v6(host, port, address);
    } else {
        if (first_colon != NULL) {
            if (!parse_port(first_colon + 1, &port))
                return SL_BAD_INPUT;
            *first_colon = '\0';
        }
        char every[] = "::";
        ok = host[0] == '\0' ? parse_v6(every, port, address) : parse_v4(host, port, address);
    }
    return ok ? SL_OK : SL_BAD_INPUT;
}

const char *sl_address_print_host(const struct sl_address *address,
                                  char text[static SL_ADDRESS_TEXT_SIZE])
{
    struct in_addr v4;
    if (find_v4(address, &v4)) {
        inet_ntop(AF_INET, &v4, text, SL_ADDRESS_TEXT_SIZE);
        return text;
    }
    if (address->at.ss_family != AF_INET6) {
        snprintf(text, SL_ADDRESS_TEXT_SIZE, "unknown");
        return text;
    }
    struct sockaddr_in6 v6 = as_v6(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, SL_ADDRESS_TEXT_SIZE);
    char zone[IF_NAMESIZE];
    if (v6.sin6_scope_id != 0 && if_indextoname(v6.sin6_scope_id, zone) != NULL) {
        size_t len = strlen(text);
        snprintf(text + len, SL_ADDRESS_TEXT_SIZE - len, "%%%s", zone);
    }
    return text;
}

const char *sl_address_print(const struct sl_address *address,
                             char text[static SL_ADDRESS_TEXT_SIZE])
{
    enum { LONGEST_HOST = INET6_ADDRSTRLEN + IF_NAMESIZE };
    char host[SL_ADDRESS_TEXT_SIZE];
    sl_address_print_host(address, host);
    bool bracketed = strchr(host, ':') != NULL;
    snprintf(text, SL_ADDRESS_TEXT_SIZE, "%s%.*s%s:%u", bracketed ? "[" : "", (int)LONGEST_HOST,
             host, bracketed ? "]" : "", (unsigned)sl_address_port(address));
    return text;
}

uint16_t sl_address_port(const struct sl_address *address)
{
    if (address->at.ss_family == AF_INET)
        return ntohs(as_v4(address).sin_port);
    if (address->at.ss_family == AF_INET6)
        return ntohs(as_v6(address).sin6_port);
    return 0;
}

struct sl_address_key sl_address_key(const struct sl_address *address)
{
    struct sl_address_key key = {0};
    struct in_addr v4;
    if (find_v4(address, &v4)) {
        /* As v4-mapped: it can't be taken for the first half of an IPv6 address. */
        key.at[10] = 0xff;
        key.at[11] = 0xff;
        memcpy(&key.at[12], &v4, sizeof v4);
    } else if (address->at.ss_family == AF_INET6) {
        struct sockaddr_in6 v6 = as_v6(address);
        memcpy(key.at, v6.sin6_addr.s6_addr, 8);
    }
    return key;
}

static enum sl_status resolve_failed(const char *host, int code, char *error, size_t error_size)
{
    int system_error = errno;
    char detail[128];
    const char *why = NULL;
    switch (code) {
    case EAI_NONAME:
    case EAI_NODATA:
        why = "no such name; check its spelling, or give an address";
        break;
    case EAI_AGAIN:
        why = "the name service doesn't answer";
        break;
    case EAI_SYSTEM:
        why = strerror_r(system_error, detail, sizeof detail);
        break;
    default:
        why = gai_strerror(code);
    }
    /* A name has 253 characters at most; more of a wrong one helps nobody. */
    snprintf(error, error_size, "can't find the host '%.128s': %s", host, why);
    return code == EAI_MEMORY ? SL_NOMEM : SL_IO;
}

enum sl_status sl_addresses_resolve(const char *host, uint16_t port, struct sl_addresses *addresses,
                                    char *error, size_t error_size)
{
    *addresses = (struct sl_addresses){0};
    if (host[0] == '\0') {
        snprintf(error, error_size, "can't find a host without a name");
        return SL_BAD_INPUT;
    }
    char service[6];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, service, &hints, &found);
    if (code == 0 && found == NULL)
        code = EAI_NODATA;
    if (code != 0)
        return resolve_failed(host, code, error, error_size);

    size_t count = 0;
    for (const struct addrinfo *at = found; at != NULL && count < SL_ADDRESSES_MAX;
         at = at->ai_next)
        count++;
    addresses->at = calloc(count, sizeof *addresses->at);
    if (addresses->at == NULL) {
        freeaddrinfo(found);
        snprintf(error, error_size, "can't find the host '%.128s': no memory", host);
        return SL_NOMEM;
    }
    for (const struct addrinfo *at = found; at != NULL && addresses->count < count;
         at = at->ai_next)
        addresses->at[addresses->count++] = from_sockaddr(at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
    return SL_OK;
}

void sl_addresses_clear(struct sl_addresses *addresses)
{
    free(addresses->at);
    *addresses = (struct sl_addresses){0};
}

/* Whether an interface's address is one to show, better than the one found so far. */
static bool reachable(const struct ifaddrs *at, int family)
{
    if (at->ifa_addr == NULL || at->ifa_addr->sa_family != family)
        return false;
    if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0)
        return false;
    if (family != AF_INET6)
        return true;
    struct sockaddr_in6 v6;
    memcpy(&v6, at->ifa_addr, sizeof v6);
    return !IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr);
}

static bool find_own(const struct ifaddrs *all, int family, char text[static SL_ADDRESS_TEXT_SIZE])
{
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        if (!reachable(at, family))
            continue;
        struct sl_address address =
            from_sockaddr(at->ifa_addr, family == AF_INET ? sizeof(struct sockaddr_in)
                                                          : sizeof(struct sockaddr_in6));
        sl_address_print_host(&address, text);
        return true;
    }
    return false;
}

void sl_address_self(char *name, size_t name_size, char address[static SL_ADDRESS_TEXT_SIZE])
{
    char full[256] = "";
    if (gethostname(full, sizeof full - 1) != 0 || full[0] == '\0')
        snprintf(full, sizeof full, "localhost");
    snprintf(name, name_size, "%s", full);

    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        all = NULL;
    if (!find_own(all, AF_INET, address) && !find_own(all, AF_INET6, address))
        snprintf(address, SL_ADDRESS_TEXT_SIZE, "127.0.0.1");
    freeifaddrs(all);
}
