#include "web/api/header_forms.h"

#include "shared/base/encoding.h"

#include <ctype.h>

enum { MEDIA_TYPE_MAX = 127, ORIGIN_MAX = 260 };

static size_t token_length(const char *text)
{
    size_t len = 0;
    while (isalnum((unsigned char)text[len]) || (text[len] && strchr("!#$%&'*+-.^_`|~", text[len])))
        len++;
    return len;
}

/* Length of a quoted string with its quotes; 0 if there is none. */
static size_t quoted_length(const char *text)
{
    if (*text != '"')
        return 0;
    for (size_t i = 1; text[i]; i++) {
        if (text[i] == '"')
            return i + 1;
        if (text[i] == '\\')
            i++;
        if (text[i] != '\t' && (unsigned char)(text[i] - 0x20) > 0x7e - 0x20)
            return 0;
    }
    return 0;
}

/* Skips "; name=value". */
static bool skip_parameter(const char **text)
{
    const char *at = *text + strspn(*text, " \t");
    if (*at++ != ';')
        return false;
    at += strspn(at, " \t");
    size_t name = token_length(at);
    at += name;
    if (!name || *at++ != '=')
        return false;
    size_t value = *at == '"' ? quoted_length(at) : token_length(at);
    *text = at + value;
    return value > 0;
}

bool mr_media_type_is_valid(const char *text)
{
    if (strlen(text) > MEDIA_TYPE_MAX)
        return false;
    size_t type = token_length(text);
    if (!type || text[type] != '/')
        return false;
    size_t subtype = token_length(text + type + 1);
    const char *rest = text + type + 1 + subtype;
    bool good = subtype > 0;
    while (good && *rest)
        good = skip_parameter(&rest);
    return good;
}

static size_t host_length(const char *text)
{
    size_t len = 0;
    if (*text == '[') {
        len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        return len > 1 && text[len] == ']' ? len + 1 : 0;
    }
    while (isalnum((unsigned char)text[len]) || (text[len] && strchr(".-_", text[len])))
        len++;
    return len;
}

bool mr_origin_is_valid(const char *text)
{
    static const char *const schemes[] = {"http://", "https://"};
    const char *host = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            host = text + strlen(schemes[i]);
    size_t len = host ? host_length(host) : 0;
    if (!len || strlen(text) > ORIGIN_MAX)
        return false;
    int64_t port = 0;
    return !host[len] || (host[len] == ':' && mr_parse_int64(host + len + 1, 1, 65535, &port));
}
