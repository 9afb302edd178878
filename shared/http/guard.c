#include "shared/http/guard.h"

#include "shared/base/buf.h"
#include "shared/http/client_url.h"
#include "shared/http/public_address.h"

#include <netdb.h>
#include <string.h>
#include <strings.h>

struct allowed {
    char host[MR_URL_HOST_MAX];
    int port; /* 0: any */
};

struct mr_guard {
    struct allowed *allowed;
    size_t count;
};

/* True if an entry has a port after its host. */
static bool names_port(const char *entry)
{
    const char *bracket = strrchr(entry, ']');
    return strchr(bracket ? bracket : entry, ':') != NULL;
}

/* An entry is read by the parser of URLs, so that both normalise a host in the same way. */
static enum mr_status parse_entry(const char *entry, struct allowed *ret, struct mr_err *err)
{
    struct mr_url url = {0};
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(MR_URL_MAX);
    bool good = !entry[strcspn(entry, "/?#@ \t\\")] && entry[0] != ':' &&
                mr_buf_appendf(&text, NULL, "http://%s/", entry) == MR_OK &&
                mr_url_parse(mr_buf_str(&text), &url, NULL) == MR_OK && !url.has_zone && url.port > 0;
    if (good && names_port(entry)) /* "host:" is invalid */
        good = entry[strlen(entry) - 1] != ':';
    if (!good)
        return mr_fail(err, MR_INVALID, "FETCH_ALLOW_HOSTS: \"%.100s\" must be host or host:port", entry);
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
    char *rest = list;
    while (rest) {
        char *entry = strsep(&rest, ",");
        entry += strspn(entry, " \t");
        size_t len = strlen(entry);
        while (len && strchr(" \t", entry[len - 1]))
            entry[--len] = '\0';
        MR_TRY(parse_entry(entry, &guard->allowed[guard->count++], err));
    }
    return MR_OK;
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
        MR_TRY(parse_list(guard, list, err));
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

/* Checked before the parser, which would report "javascript:…" as malformed. */
static bool begins_with(const char *url, const char *scheme)
{
    size_t len = strlen(scheme);
    return strncasecmp(url, scheme, len) == 0 && strncmp(url + len, "://", 3) == 0;
}

static enum mr_status check_scheme(const char *url, struct mr_err *err)
{
    if (!begins_with(url, "http") && !begins_with(url, "https"))
        return mr_fail_code(err, MR_CODE_URL_SCHEME, "must begin with http:// or https://");
    return MR_OK;
}

/* Control characters are named, because they are invisible. */
static enum mr_status check_text(const char *url, struct mr_err *err)
{
    size_t len = strnlen(url, MR_URL_MAX + 1);
    if (len > MR_URL_MAX)
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "must not be longer than %d bytes", MR_URL_MAX);
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return mr_fail_code(err, MR_CODE_URL_MALFORMED, "must not contain blanks or control characters");
    return MR_OK;
}

enum mr_status mr_guard_refuse_address(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_ADDRESS_REFUSED, "the host of the URL has no public address");
}

/* Anything that the system reads as an address without a resolver. */
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

/* libcurl would map other scripts to ASCII depending on the locale, and full-width digits to digits. */
static enum mr_status check_host(const char *host, struct mr_err *err)
{
    if (!host[0])
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "must name a host");
    for (const char *c = host; *c; c++)
        if ((unsigned char)*c >= 0x80)
            return mr_fail_code(err, MR_CODE_URL_MALFORMED,
                                "the host must be ASCII: write international names as xn--…");
    return MR_OK;
}

enum mr_status mr_guard_check_url(const struct mr_guard *guard, const char *url, unsigned flags,
                                  struct mr_err *err)
{
    struct mr_url parts;
    MR_TRY(check_text(url, err));
    MR_TRY(check_scheme(url, err));
    MR_TRY(mr_url_parse(url, &parts, err));
    MR_TRY(check_host(parts.host, err));
    if (parts.has_credentials)
        return mr_fail_code(err, MR_CODE_URL_CREDENTIALS, "must not contain a user name or password");
    if (parts.port <= 0)
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "the port must not be 0");
    if (mr_guard_names_host(guard, parts.host, parts.port) && !parts.has_zone)
        return MR_OK;
    if (flags & MR_GUARD_HTTPS_ONLY && strcmp(parts.scheme, "https") != 0)
        return mr_fail_code(err, MR_CODE_URL_SCHEME, "must begin with https://");
    if (parts.has_zone || is_refused_literal(parts.host))
        return mr_guard_refuse_address(err);
    return MR_OK;
}
