#include "shared/http/server_head.h"

#include "shared/base/encoding.h"

#include <ctype.h>

static enum mr_status malformed(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_MALFORMED_REQUEST, "%s", what);
}

bool mr_head_is_token(const char *text)
{
    return *text && strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(text);
}

/* "METHOD TARGET HTTP/1.1", each end now a NUL; the query has been cut off if `query` is not NULL. */
static enum mr_status check_request_line(const struct mg_request_info *info, const char *query,
                                         struct mr_err *err)
{
    const char *method_end = info->request_method + strlen(info->request_method);
    const char *target_end = query ? query + strlen(query) : info->request_uri + strlen(info->request_uri);
    if (info->request_uri != method_end + 1 || info->http_version != target_end + 1 + strlen("HTTP/"))
        return malformed(err, "the request line must be METHOD TARGET HTTP/1.1");
    return MR_OK;
}

/*
 * Of "Name: value CR LF" there is left: Name NUL, blanks, value NUL NUL. A blank before the colon has become a second
 * NUL there, and a line that ended with LF alone has only one at its end. *line_end is the end of the line before,
 * and then of this one.
 */
static enum mr_status check_header(const struct mg_header *header, const char **line_end, struct mr_err *err)
{
    const char *name_end = header->name + strlen(header->name);
    if (header->name != *line_end + 2 || (*line_end)[1] != '\0')
        return malformed(err, "lines of the head must end with CRLF");
    if (!mr_head_is_token(header->name) || name_end + 1 + strspn(name_end + 1, " ") != header->value)
        return malformed(err, "a header name must be a token that ends with its colon");
    *line_end = header->value + strlen(header->value);
    return MR_OK;
}

/* The empty line is now CR NUL, or, where it follows the request line, NUL NUL. civetweb stops before it at a line that
 * it does not understand, such as a continued one. */
static enum mr_status check_end(const struct mg_request_info *info, const char *line_end, const char *limit,
                                struct mr_err *err)
{
    const char cr = info->num_headers ? '\r' : '\0';
    if (limit - line_end >= 4 && line_end[1] == '\0' && line_end[2] == cr && line_end[3] == '\0')
        return MR_OK;
    if (info->num_headers == MG_MAX_HEADERS)
        return mr_fail_code(err, MR_CODE_TOO_MANY_HEADERS, "the request has more than %d headers",
                            MG_MAX_HEADERS);
    return malformed(err, "a header line must be NAME: VALUE");
}

static enum mr_status check(const struct mg_request_info *info, const char *query, const char *limit,
                            size_t *ret_len, struct mr_err *err)
{
    const char *line_end = info->http_version + strlen(info->http_version);
    MR_TRY(check_request_line(info, query, err));
    for (int i = 0; i < info->num_headers; i++)
        MR_TRY(check_header(&info->http_headers[i], &line_end, err));
    MR_TRY(check_end(info, line_end, limit, err));
    *ret_len = (size_t)(line_end - info->request_method) + 4;
    return MR_OK;
}

/* Of the absolute form, which proxies use, the path is what counts (RFC 9112 §3.2.2). */
static char *without_origin(char *target)
{
    char *host = strncasecmp(target, "http://", 7) == 0    ? target + 7
                 : strncasecmp(target, "https://", 8) == 0 ? target + 8
                                                           : NULL;
    if (!host)
        return target;
    char *path = host + strcspn(host, "/?");
    return *path == '/' ? path : NULL;
}

/* `query` is where civetweb has cut it off; NULL: nobody has yet. */
static enum mr_status read_target(char *target, char *query, struct mr_head *ret, struct mr_err *err)
{
    char *path = without_origin(target);
    if (!path)
        return malformed(err, "the request target has no path");
    if (!query && (query = strchr(path, '?')))
        *query++ = '\0';
    ret->path = path;
    ret->query = query ? query : "";
    return MR_OK;
}

static void read_header(char *name, char *value, struct mr_head *ret)
{
    size_t len = strlen(value);
    while (len && value[len - 1] == ' ')
        value[--len] = '\0';
    ret->headers[ret->header_count].name = name;
    ret->headers[ret->header_count].value = value;
    ret->header_count++;
}

enum mr_status mr_head_read(const struct mg_request_info *info, const char *limit, struct mr_head *ret,
                            struct mr_err *err)
{
    /* Without a local URI civetweb does not serve the request, and leaves target and query as they were. */
    const char *query = info->local_uri_raw ? info->query_string : NULL;
    const char *start = info->request_method;
    *ret = (struct mr_head){.method = "", .path = "", .query = ""};
    size_t len = 0;
    MR_TRY(check(info, query, limit, &len, err));
    char *text = malloc(len);
    if (!text)
        return mr_fail_oom(err);
    memcpy(text, start, len);
    ret->text = text;
    ret->len = len;
    ret->method = text;
    ret->minor = strcmp(info->http_version, "1.0") != 0;
    for (int i = 0; i < info->num_headers; i++)
        read_header(text + (info->http_headers[i].name - start), text + (info->http_headers[i].value - start),
                    ret);
    return read_target(text + (info->request_uri - start), query ? text + (query - start) : NULL, ret, err);
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
