#include "shared/http/server_head.h"

#include "shared/base/encoding.h"

#include <ctype.h>

static enum mr_status malformed(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_MALFORMED_REQUEST, "%s", what);
}

enum mr_status mr_head_find_end(const char *data, size_t len, size_t *scanned, size_t *ret_len,
                                struct mr_err *err)
{
    *ret_len = 0;
    for (size_t i = *scanned; i < len; i++) {
        if (data[i] == '\0')
            return malformed(err, "the head contains a NUL");
        if (i && (data[i - 1] == '\r') != (data[i] == '\n'))
            return malformed(err, "lines of the head must end with CRLF");
        if (data[i] != '\n' || i == 0)
            continue;
        /* An empty line before the request line is ignored: RFC 9112 §2.2. */
        if (i >= 3 && data[i - 2] == '\n' && strspn(data, "\r\n") < i) {
            *ret_len = i + 1;
            break;
        }
    }
    *scanned = len;
    return len && data[0] == '\n' ? malformed(err, "lines of the head must end with CRLF") : MR_OK;
}

bool mr_head_is_token(const char *text)
{
    return *text && strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(text);
}

static bool is_value(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

/* The next line of *rest without its CRLF; NULL after the last. */
static char *take_line(char **rest)
{
    char *line = *rest;
    char *end = strstr(line, "\r\n");
    if (!end)
        return NULL;
    *end = '\0';
    *rest = end + 2;
    return line;
}

static enum mr_status read_version(const char *text, int *ret_minor, struct mr_err *err)
{
    if (strlen(text) != strlen("HTTP/1.1") || strncmp(text, "HTTP/", 5) != 0 ||
        !isdigit((unsigned char)text[5]) || text[6] != '.' || !isdigit((unsigned char)text[7]))
        return malformed(err, "the request line must be METHOD TARGET HTTP/1.1");
    if (text[5] != '1')
        return mr_fail_code(err, MR_CODE_HTTP_VERSION_NOT_SUPPORTED,
                            "the version must be HTTP/1.0 or HTTP/1.1");
    *ret_minor = text[7] > '0';
    return MR_OK;
}

/* Of the absolute form, which proxies use, the path is what counts (RFC 9112 §3.2.2). */
static char *without_origin(char *target)
{
    static char root[] = "/";
    char *host = strncasecmp(target, "http://", 7) == 0    ? target + 7
                 : strncasecmp(target, "https://", 8) == 0 ? target + 8
                                                           : NULL;
    if (!host)
        return target;
    char *path = host + strcspn(host, "/?");
    return *path == '/' ? path : *path ? NULL : root;
}

static enum mr_status read_target(char *target, struct mr_head *ret, struct mr_err *err)
{
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return malformed(err, "the request target contains a control character");
    char *path = without_origin(target);
    if (!path)
        return malformed(err, "the request target has no path");
    char *query = strchr(path, '?');
    if (query)
        *query++ = '\0';
    ret->path = path;
    ret->query = query ? query : "";
    return MR_OK;
}

static enum mr_status read_request_line(char *line, struct mr_head *ret, struct mr_err *err)
{
    char *target = line ? strchr(line, ' ') : NULL;
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version)
        return malformed(err, "the request line must be METHOD TARGET HTTP/1.1");
    *target++ = '\0';
    *version++ = '\0';
    if (!mr_head_is_token(line) || !*target)
        return malformed(err, "the request line must be METHOD TARGET HTTP/1.1");
    ret->method = line;
    MR_TRY(read_version(version, &ret->minor, err));
    return read_target(target, ret, err);
}

/* A name ends with its colon: a blank before it, or a continued line, is read in different ways (RFC 9112 §5). */
static enum mr_status read_header(char *line, struct mr_head *ret, struct mr_err *err)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return malformed(err, "a header line must be NAME: VALUE");
    *colon = '\0';
    if (!mr_head_is_token(line))
        return malformed(err, "a header name must be a token that ends with its colon");
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t len = strlen(value);
    while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        value[--len] = '\0';
    if (!is_value(value))
        return malformed(err, "a header value contains a control character");
    if (ret->header_count == MR_HEADERS_MAX)
        return mr_fail_code(err, MR_CODE_TOO_MANY_HEADERS, "the request has more than %d headers",
                            MR_HEADERS_MAX);
    ret->headers[ret->header_count].name = line;
    ret->headers[ret->header_count].value = value;
    ret->header_count++;
    return MR_OK;
}

enum mr_status mr_head_parse(const char *data, size_t len, struct mr_head *ret, struct mr_err *err)
{
    *ret = (struct mr_head){.method = "", .path = "", .query = ""};
    size_t blank = strspn(data, "\r\n");
    ret->text = strndup(data + blank, len - blank);
    if (!ret->text)
        return mr_fail_oom(err);
    char *rest = ret->text;
    MR_TRY(read_request_line(take_line(&rest), ret, err));
    for (char *line; (line = take_line(&rest)) && *line;)
        MR_TRY(read_header(line, ret, err));
    return MR_OK;
}

void mr_head_free(struct mr_head *head)
{
    free(head->text);
    *head = (struct mr_head){0};
}

const char *mr_head_find(const struct mr_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

bool mr_head_is_host(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr(".-_:[]", *text))
            return false;
    return true;
}

/* The only header of that name; NULL if there is none. */
static enum mr_status find_single(const struct mr_head *head, const char *name, const char **ret,
                                  struct mr_err *err)
{
    const char *found = NULL;
    for (size_t i = 0; i < head->header_count; i++) {
        if (strcasecmp(head->headers[i].name, name) != 0)
            continue;
        if (found)
            return mr_fail_code(err, MR_CODE_MALFORMED_REQUEST, "%s is given more than once", name);
        found = head->headers[i].value;
    }
    *ret = found;
    return MR_OK;
}

static enum mr_status check_host(const struct mr_head *head, struct mr_err *err)
{
    const char *host = NULL;
    MR_TRY(find_single(head, "Host", &host, err));
    if (!host && head->minor >= 1)
        return malformed(err, "Host is missing");
    return !host || mr_head_is_host(host) ? MR_OK
                                          : malformed(err, "Host must be a name and an optional port");
}

enum mr_status mr_head_framing(const struct mr_head *head, struct mr_framing *ret, struct mr_err *err)
{
    const char *length = NULL, *encoding = NULL, *expect = mr_head_find(head, "Expect");
    *ret = (struct mr_framing){0};
    MR_TRY(check_host(head, err));
    MR_TRY(find_single(head, "Content-Length", &length, err));
    MR_TRY(find_single(head, "Transfer-Encoding", &encoding, err));
    if (length && encoding)
        return malformed(err, "Content-Length and Transfer-Encoding exclude each other");
    if (encoding && (strcasecmp(encoding, "chunked") != 0 || head->minor < 1))
        return malformed(err, "Transfer-Encoding must be chunked, and needs HTTP/1.1");
    if (encoding)
        ret->length = -1;
    if (length && (!*length || strspn(length, "0123456789") != strlen(length) ||
                   !mr_parse_int64(length, 0, INT64_MAX, &ret->length)))
        return malformed(err, "Content-Length must be a whole number");
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return mr_fail_code(err, MR_CODE_EXPECTATION_FAILED, "Expect must be 100-continue");
    ret->expect_continue = expect && head->minor >= 1 && ret->length != 0;
    return MR_OK;
}
