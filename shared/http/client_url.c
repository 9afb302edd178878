#include "shared/http/client_url.h"

#include "shared/base/cleanup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>

MR_DEFINE_CLEANUP(Curl_URL, curl_url_cleanup)

static void curl_text_cleanup(char **text)
{
    curl_free(*text);
}
#define CURL_TEXT __attribute__((cleanup(curl_text_cleanup)))

static enum mr_status malformed(struct mr_err *err, CURLUcode code)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        return mr_fail_oom(err);
    return mr_fail_code(err, MR_CODE_URL_MALFORMED, "must be an absolute URL: %s", curl_url_strerror(code));
}

static enum mr_status too_long(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_URL_MALFORMED, "must be an absolute URL: the %s is too long", what);
}

/* Copies a part; "" if it is absent. */
static enum mr_status copy_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size,
                                const char *what, struct mr_err *err)
{
    CURL_TEXT char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, flags);
    if (code == CURLUE_OUT_OF_MEMORY)
        return mr_fail_oom(err);
    size_t len = text ? strlen(text) : 0;
    if (len >= size)
        return too_long(err, what);
    memcpy(out, text ? text : "", len + 1);
    return MR_OK;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    CURL_TEXT char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

/* One spelling for one host, so that hosts can be compared and addresses read. */
static void normalise_host(char *host)
{
    size_t len = strlen(host);
    struct in6_addr address;
    if (host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
        if (inet_pton(AF_INET6, host, &address) == 1)
            inet_ntop(AF_INET6, &address, host, MR_URL_HOST_MAX);
    } else if (len > 1 && host[len - 1] == '.') {
        host[len - 1] = '\0';
    }
    for (char *c = host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

enum mr_status mr_url_parse(const char *text, struct mr_url *ret, struct mr_err *err)
{
    MR_AUTO(Curl_URL) CURLU *url = curl_url();
    if (!url)
        return mr_fail_oom(err);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK)
        return malformed(err, code);
    struct mr_url parsed = {.has_credentials =
                                has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD),
                            .has_zone = has_part(url, CURLUPART_ZONEID)};
    char port[8];
    MR_TRY(copy_part(url, CURLUPART_SCHEME, 0, parsed.scheme, sizeof parsed.scheme, "scheme", err));
    MR_TRY(copy_part(url, CURLUPART_HOST, 0, parsed.host, sizeof parsed.host, "host", err));
    MR_TRY(copy_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port, "port", err));
    normalise_host(parsed.host);
    parsed.port = (int)strtol(port, NULL, 10);
    *ret = parsed;
    return MR_OK;
}

static CURLUcode resolve(CURLU *url, const char *base, const char *reference, char **ret_text)
{
    const unsigned lenient = CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE | CURLU_ALLOW_SPACE;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, base, lenient);
    if (code != CURLUE_OK)
        return code;
    code = curl_url_set(url, CURLUPART_URL, reference, lenient);
    if (code != CURLUE_OK)
        return code;
    code = curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    return code != CURLUE_OK ? code : curl_url_get(url, CURLUPART_URL, ret_text, 0);
}

enum mr_status mr_url_resolve(const char *base, const char *reference, char **ret, struct mr_err *err)
{
    MR_AUTO(Curl_URL) CURLU *url = curl_url();
    if (!url)
        return mr_fail_oom(err);
    if (!reference[0]) /* libcurl would return the directory of base */
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "must be an absolute URL: it is empty");
    CURL_TEXT char *text = NULL;
    CURLUcode code = resolve(url, base, reference, &text);
    if (code != CURLUE_OK)
        return malformed(err, code);
    *ret = strdup(text);
    return *ret ? MR_OK : mr_fail_oom(err);
}
