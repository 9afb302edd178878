#include "shared/http/guard.h"

#include "shared/base/buf.h"
#include "shared/http/client_url.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* ---- addresses ------------------------------------------------------------------ */

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

/* ---- the allow list --------------------------------------------------------------- */

struct allowed {
    char host[MR_URL_HOST_MAX];
    int port; /* 0: any */
};

struct mr_guard {
    struct allowed *allowed;
    size_t count;
};

/* True if an entry ends in ":digits" behind its host. */
static bool names_port(const char *entry)
{
    const char *bracket = strrchr(entry, ']');
    return strchr(bracket ? bracket : entry, ':') != NULL;
}

/* An entry is read by the parser that reads the URLs, so that both spell a host alike. */
static enum mr_status parse_entry(const char *entry, struct allowed *ret, struct mr_err *err)
{
    struct mr_url url = {0};
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(MR_URL_MAX);
    bool good = !entry[strcspn(entry, "/?#@ \t\\")] && entry[0] != ':' &&
                mr_buf_appendf(&text, NULL, "http://%s/", entry) == MR_OK &&
                mr_url_parse(mr_buf_str(&text), &url, NULL) == MR_OK && !url.has_zone && url.port > 0;
    if (good && names_port(entry)) /* "host:" is no port */
        good = entry[strlen(entry) - 1] != ':';
    if (!good)
        return mr_fail(err, MR_INVALID, "the list of allowed hosts: \"%.100s\" is not host or host:port",
                       entry);
    memcpy(ret->host, url.host, sizeof ret->host);
    ret->port = names_port(entry) ? url.port : 0;
    return MR_OK;
}

static size_t count_commas(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

static enum mr_status parse_list(struct mr_guard *guard, char *list, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    char *rest = list;
    while (status == MR_OK && rest) {
        char *entry = strsep(&rest, ",");
        entry += strspn(entry, " \t");
        size_t len = strlen(entry);
        while (len && strchr(" \t", entry[len - 1]))
            entry[--len] = '\0';
        status = parse_entry(entry, &guard->allowed[guard->count], err);
        guard->count++;
    }
    return status;
}

enum mr_status mr_guard_new(const char *allow_hosts, struct mr_guard **ret, struct mr_err *err)
{
    MR_AUTO(mr_guard) struct mr_guard *guard = calloc(1, sizeof *guard);
    MR_AUTO_STR char *list = strdup(allow_hosts);
    if (!guard || !list)
        return mr_fail_oom(err);
    if (list[strspn(list, " \t")]) {
        guard->allowed = calloc(count_commas(list) + 1, sizeof *guard->allowed);
        if (!guard->allowed)
            return mr_fail_oom(err);
        enum mr_status status = parse_list(guard, list, err);
        if (status != MR_OK)
            return status;
    }
    *ret = MR_TAKE(guard);
    return MR_OK;
}

void mr_guard_free(struct mr_guard *guard)
{
    if (!guard)
        return;
    free(guard->allowed);
    free(guard);
}

bool mr_guard_names_host(const struct mr_guard *guard, const char *host, int port)
{
    for (size_t i = 0; i < guard->count; i++)
        if (strcasecmp(guard->allowed[i].host, host) == 0 &&
            (!guard->allowed[i].port || guard->allowed[i].port == port))
            return true;
    return false;
}

/* ---- the form of a URL ------------------------------------------------------------- */

/* Before the parser, which would call "javascript:…" merely malformed. */
static bool begins_with(const char *url, const char *scheme)
{
    size_t len = strlen(scheme);
    return strncasecmp(url, scheme, len) == 0 && strncmp(url + len, "://", 3) == 0;
}

static enum mr_status check_scheme(const char *url, struct mr_err *err)
{
    if (!begins_with(url, "http") && !begins_with(url, "https"))
        return mr_fail_code(err, MR_CODE_URL_SCHEME, "it has to begin with http:// or https://");
    return MR_OK;
}

/* Control characters are named, for nobody sees them. */
static enum mr_status check_text(const char *url, struct mr_err *err)
{
    size_t len = strnlen(url, MR_URL_MAX + 1);
    if (len > MR_URL_MAX)
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "it is longer than %d bytes", MR_URL_MAX);
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return mr_fail_code(err, MR_CODE_URL_MALFORMED, "it holds a blank or a control character");
    return MR_OK;
}

enum mr_status mr_guard_refuse_address(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_ADDRESS_REFUSED, "the URL leads to an address that is not public");
}

/* Whatever the system itself would read as an address without asking a resolver. */
static bool is_refused_literal(const char *host)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    bool refused = false;
    for (const struct addrinfo *one = found; one; one = one->ai_next)
        refused |= !mr_address_is_public(one->ai_addr, one->ai_addrlen);
    freeaddrinfo(found);
    return refused;
}

/* libcurl would map other scripts to ASCII or not, by the locale; and full-width digits to digits. */
static enum mr_status check_host(const char *host, struct mr_err *err)
{
    if (!host[0])
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "it names no host");
    for (const char *c = host; *c; c++)
        if ((unsigned char)*c >= 0x80)
            return mr_fail_code(err, MR_CODE_URL_MALFORMED,
                                "its host has to be in ASCII: write international names as xn--…");
    return MR_OK;
}

enum mr_status mr_guard_check_url(const struct mr_guard *guard, const char *url, unsigned flags,
                                  struct mr_err *err)
{
    struct mr_url parts;
    enum mr_status status = check_text(url, err);
    if (status == MR_OK)
        status = check_scheme(url, err);
    if (status == MR_OK)
        status = mr_url_parse(url, &parts, err);
    if (status == MR_OK)
        status = check_host(parts.host, err);
    if (status != MR_OK)
        return status;
    if (parts.has_credentials)
        return mr_fail_code(err, MR_CODE_URL_CREDENTIALS, "it must not hold a user name or password");
    if (parts.port <= 0)
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "there is no port 0");
    if (mr_guard_names_host(guard, parts.host, parts.port) && !parts.has_zone)
        return MR_OK;
    if (flags & MR_GUARD_HTTPS_ONLY && strcmp(parts.scheme, "https") != 0)
        return mr_fail_code(err, MR_CODE_URL_SCHEME, "it has to begin with https://");
    if (parts.has_zone || is_refused_literal(parts.host))
        return mr_guard_refuse_address(err);
    return MR_OK;
}
