#include "shared/gcp/answer.h"

/* Google's APIs: {"error":{"message":…}}; OAuth: {"error":"…","error_description":"…"}. */
static const char *reason_of(const json_t *body)
{
    const json_t *error = json_object_get(body, "error");
    const char *text = json_string_value(json_object_get(error, "message"));
    if (!text)
        text = json_string_value(json_object_get(body, "error_description"));
    return text ? text : json_string_value(error);
}

enum mr_status mr_answer_fail(const struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *reason = reason_of(body);
    return mr_fail(err, mr_http_status_to_status(res->status), "HTTP %d%s%s", res->status, reason ? ": " : "",
                   reason ? reason : "");
}

enum mr_status mr_answer_check(const struct mr_http_response *res, struct mr_err *err)
{
    if (res->status < 200 || res->status > 299)
        return mr_answer_fail(res, err);
    return MR_OK;
}

enum mr_status mr_answer_json(const struct mr_http_response *res, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    if (!json_is_object(body))
        return mr_fail(err, MR_UNAVAILABLE, "HTTP %d: the body is not a JSON object", res->status);
    *ret = MR_TAKE(body);
    return MR_OK;
}

bool mr_answer_may_retry(enum mr_status status, const struct mr_http_response *res)
{
    if (res->status >= 300)
        return mr_http_status_is_transient(res->status);
    return mr_status_is_transient(status);
}

enum mr_status mr_answer_own_fault(enum mr_status status, struct mr_err *err)
{
    if (status == MR_OK || status == MR_CANCELED || mr_status_is_transient(status))
        return status;
    if (err) {
        err->status = MR_UNAVAILABLE;
        err->code = MR_CODE_UNAVAILABLE;
    }
    return MR_UNAVAILABLE;
}
