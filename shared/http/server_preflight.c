#include "shared/http/server_preflight.h"

#include "shared/http/server_cors.h"

enum { WANTED_HEADERS_MAX = 1024 };

bool mr_preflight_is_one(const struct mr_request *req)
{
    return strcmp(mr_request_method(req), "OPTIONS") == 0 &&
           mr_request_header(req, "Access-Control-Request-Method") &&
           mr_cors_allowed(&req->server->options.cors, mr_request_header(req, "Origin"));
}

enum mr_status mr_preflight_answer(struct mr_request *req, struct mr_err *err)
{
    const char *wanted = mr_request_header(req, "Access-Control-Request-Headers");
    MR_TRY(
        mr_respond_header(req, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE", err));
    if (wanted && strlen(wanted) <= WANTED_HEADERS_MAX) /* "*" would not include Authorization */
        MR_TRY(mr_respond_header(req, "Access-Control-Allow-Headers", wanted, err));
    MR_TRY(mr_respond_header(req, "Access-Control-Max-Age", "7200", err));
    return mr_respond_empty(req, 204, err);
}
