#include "shared/gcp/api.h"

enum { MAX_HEADERS = 8, MAX_AUTHORIZATION = 16 * 1024 };

static enum mr_status send_authorized(const struct mr_api *api, const struct mr_http_request *req,
                                      struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf authorization = MR_BUF_INIT(MAX_AUTHORIZATION);
    enum mr_status status = mr_token_header(api->tokens, &authorization, err);
    if (status != MR_OK)
        return status;
    const char *headers[MAX_HEADERS + 2] = {mr_buf_str(&authorization)};
    size_t count = 1;
    for (const char *const *line = req->headers; line && *line; line++) {
        if (count > MAX_HEADERS)
            return mr_fail(err, MR_INTERNAL, "too many request headers");
        headers[count++] = *line;
    }
    struct mr_http_request authorized = *req;
    authorized.headers = headers;
    return mr_http_perform(api->http, &authorized, res, err);
}

enum mr_status mr_api_send(const struct mr_api *api, const struct mr_http_request *req,
                           struct mr_http_response *res, struct mr_err *err)
{
    if (!api->tokens)
        return mr_http_perform(api->http, req, res, err);
    enum mr_status status = send_authorized(api, req, res, err);
    if (status != MR_OK || res->status != 401)
        return status;
    /* The token may have been revoked before its time; a new one is worth one try. */
    mr_token_invalidate(api->tokens);
    return send_authorized(api, req, res, err);
}

enum mr_status mr_api_once(const struct mr_api *api, const struct mr_http_request *req,
                           struct mr_http_response *res, struct mr_err *err)
{
    enum mr_status status = mr_api_send(api, req, res, err);
    if (status == MR_OK && (res->status < 200 || res->status > 299))
        return mr_api_fail(res, err);
    return status;
}

bool mr_api_may_retry(enum mr_status status, const struct mr_http_response *res)
{
    if (res->status >= 300)
        return mr_http_status_is_transient(res->status);
    return mr_status_is_transient(status);
}

enum mr_status mr_api_call(const struct mr_api *api, const struct mr_http_request *req,
                           const struct mr_retry *policy, struct mr_retry_state *retry,
                           struct mr_http_response *res, struct mr_err *err)
{
    for (;;) {
        enum mr_status status = mr_api_once(api, req, res, err);
        if (status == MR_OK || !mr_api_may_retry(status, res) || !mr_retry_again(policy, retry))
            return status;
    }
}

/* Google's APIs: {"error":{"message":…}}; OAuth: {"error":"…","error_description":"…"}. */
static const char *reason_of(const json_t *body)
{
    const json_t *error = json_object_get(body, "error");
    const char *text = json_string_value(json_object_get(error, "message"));
    if (!text)
        text = json_string_value(json_object_get(body, "error_description"));
    return text ? text : json_string_value(error);
}

enum mr_status mr_api_fail(const struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *reason = reason_of(body);
    return mr_fail(err, mr_http_status_to_status(res->status), "HTTP %d%s%s", res->status, reason ? ": " : "",
                   reason ? reason : "");
}

enum mr_status mr_api_json(const struct mr_http_response *res, json_t **ret, struct mr_err *err)
{
    json_error_t fault;
    json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, &fault);
    if (!json_is_object(body)) {
        json_decref(body);
        return mr_fail(err, MR_UNAVAILABLE, "HTTP %d with a body that is no JSON object", res->status);
    }
    *ret = body;
    return MR_OK;
}
