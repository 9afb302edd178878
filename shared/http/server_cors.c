#include "shared/http/server_cors.h"

enum { WANTED_HEADERS_MAX = 1024 };

static const char allow_origin[] = "Access-Control-Allow-Origin: ";

/* What Access-Control-Allow-Origin says to this origin; NULL: nothing. */
static const char *allowed(const struct mr_cors *cors, const char *origin)
{
    if (!cors->origins || !origin)
        return NULL;
    for (const char *p = cors->origins + strspn(cors->origins, ", "); *p; p += strspn(p, ", ")) {
        size_t len = strcspn(p, ", ");
        if (len == 1 && *p == '*')
            return "*";
        if (len == strlen(origin) && memcmp(p, origin, len) == 0)
            return origin;
        p += len;
    }
    return NULL;
}

enum mr_status mr_cors_append(const struct mr_cors *cors, const struct mr_head *head, const char *own,
                              struct mr_buf *out, struct mr_err *err)
{
    if (!cors->origins || !cors->origins[0] || strstr(own, allow_origin))
        return MR_OK;
    const char *origin = allowed(cors, mr_head_find(head, "Origin"));
    if (!origin || strcmp(origin, "*") != 0)
        MR_TRY(mr_buf_append_str(out, "Vary: Origin\r\n", err));
    if (!origin)
        return MR_OK;
    return mr_buf_appendf(out, err, "%s%s\r\nAccess-Control-Expose-Headers: %s\r\n", allow_origin, origin,
                          cors->exposed);
}

bool mr_cors_is_preflight(const struct mr_request *req)
{
    return strcmp(mr_request_method(req), "OPTIONS") == 0 &&
           mr_request_header(req, "Access-Control-Request-Method") &&
           allowed(&req->server->options.cors, mr_request_header(req, "Origin"));
}

enum mr_status mr_cors_answer(struct mr_request *req, struct mr_err *err)
{
    const char *wanted = mr_request_header(req, "Access-Control-Request-Headers");
    MR_TRY(
        mr_respond_header(req, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE", err));
    if (wanted && strlen(wanted) <= WANTED_HEADERS_MAX) /* "*" would not include Authorization */
        MR_TRY(mr_respond_header(req, "Access-Control-Allow-Headers", wanted, err));
    MR_TRY(mr_respond_header(req, "Access-Control-Max-Age", "7200", err));
    return mr_respond_empty(req, 204, err);
}
