#include "shared/http/public_address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/*
 * https://www.iana.org/assignments/iana-ipv4-special-registry: what is not "Globally Reachable", with
 * multicast, and with blocks of protocols in which no host serves files.
 */
static const struct {
    uint32_t prefix;
    int bits;
} refused_v4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8, this network */
    {0x0a000000, 8},  /* 10.0.0.0/8, private */
    {0x64400000, 10}, /* 100.64.0.0/10, shared by carriers */
    {0x7f000000, 8},  /* 127.0.0.0/8, loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16, link-local: metadata servers */
    {0xac100000, 12}, /* 172.16.0.0/12, private */
    {0xc0000000, 24}, /* 192.0.0.0/24, IETF protocols */
    {0xc0000200, 24}, /* 192.0.2.0/24, documentation */
    {0xc0586300, 24}, /* 192.88.99.0/24, 6to4 relays */
    {0xc0a80000, 16}, /* 192.168.0.0/16, private */
    {0xc6120000, 15}, /* 198.18.0.0/15, benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0/24, documentation */
    {0xcb007100, 24}, /* 203.0.113.0/24, documentation */
    {0xe0000000, 4},  /* 224.0.0.0/4, multicast */
    {0xf0000000, 4},  /* 240.0.0.0/4, reserved, and the broadcast */
};

enum verdict { REFUSED, PUBLIC, HOLDS_V4 /* an IPv4 address in the last four bytes decides */ };

/*
 * https://www.iana.org/assignments/iana-ipv6-special-registry: the first match decides. Only 2000::/3 is
 * given out for global unicast; whatever is not in the table is refused.
 */
static const struct {
    uint8_t prefix[16];
    int bits;
    enum verdict verdict;
} rules_v6[] = {
    {{[10] = 0xff, [11] = 0xff}, 96, HOLDS_V4}, /* ::ffff:0:0/96, IPv4-mapped */
    {{0x00, 0x64, 0xff, 0x9b}, 96, HOLDS_V4},   /* 64:ff9b::/96, NAT64 */
    {{0x20, 0x01}, 23, REFUSED},                /* 2001::/23, IETF protocols: Teredo, ORCHID … */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, REFUSED},    /* 2001:db8::/32, documentation */
    {{0x20, 0x02}, 16, REFUSED},                /* 2002::/16, 6to4 */
    {{0x3f, 0xff}, 20, REFUSED},                /* 3fff::/20, documentation */
    {{0x20}, 3, PUBLIC},                        /* 2000::/3, global unicast */
};

static bool v4_is_public(const uint8_t bytes[4])
{
    uint32_t address =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    for (size_t i = 0; i < sizeof refused_v4 / sizeof *refused_v4; i++)
        if ((address ^ refused_v4[i].prefix) >> (32 - refused_v4[i].bits) == 0)
            return false;
    return true;
}

static bool has_prefix(const uint8_t address[16], const uint8_t prefix[16], int bits)
{
    int whole = bits / 8, rest = bits % 8;
    return memcmp(address, prefix, (size_t)whole) == 0 &&
           (rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0);
}

static bool v6_is_public(const uint8_t address[16])
{
    for (size_t i = 0; i < sizeof rules_v6 / sizeof *rules_v6; i++)
        if (has_prefix(address, rules_v6[i].prefix, rules_v6[i].bits))
            return rules_v6[i].verdict == PUBLIC ||
                   (rules_v6[i].verdict == HOLDS_V4 && v4_is_public(address + 12));
    return false;
}

bool mr_address_is_public(const struct sockaddr *address, socklen_t len)
{
    uint8_t bytes[16];
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return v4_is_public(bytes);
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return v6_is_public(bytes);
    }
    return false;
}
