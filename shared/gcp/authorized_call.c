#include "shared/gcp/authorized_call.h"

#include "shared/gcp/answer.h"

enum { AUTHORIZATION_MAX = 16 * 1024 };

static enum mr_status get_token(const struct mr_caller *caller, struct mr_buf *ret_header, struct mr_err *err)
{
    static const struct mr_need need = {.permission = "access token", .resource = "this service account"};
    struct mr_err failure = {0};
    if (mr_token_header(caller->tokens, ret_header, &failure) == MR_OK)
        return MR_OK;
    mr_refusals_report(caller->refusals, &need, 0, failure.message);
    return mr_fail_from(err, &failure);
}

static enum mr_status send_with_token(const struct mr_caller *caller, const struct mr_http_request *req,
                                      struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf authorization = MR_BUF_INIT(AUTHORIZATION_MAX);
    MR_TRY(get_token(caller, &authorization, err));
    const char *headers[MR_AUTHORIZED_HEADERS_MAX + 2] = {mr_buf_str(&authorization)};
    size_t count = 1;
    for (const char *const *line = req->headers; line && *line; line++) {
        if (count > MR_AUTHORIZED_HEADERS_MAX)
            return mr_fail(err, MR_INTERNAL, "too many request headers");
        headers[count++] = *line;
    }
    struct mr_http_request authorized = *req;
    authorized.headers = headers;
    return mr_http_perform(caller->http, &authorized, res, err);
}

enum mr_status mr_authorized_send(const struct mr_caller *caller, const struct mr_http_request *req,
                                  struct mr_http_response *res, struct mr_err *err)
{
    if (!caller->tokens)
        return mr_http_perform(caller->http, req, res, err);
    MR_TRY(send_with_token(caller, req, res, err));
    if (res->status != 401)
        return MR_OK;
    /* The token may have been revoked before it expired: try once with a new one. */
    mr_token_invalidate(caller->tokens);
    return send_with_token(caller, req, res, err);
}

enum mr_status mr_authorized_once(const struct mr_caller *caller, const struct mr_need *need,
                                  const struct mr_http_request *req, struct mr_http_response *res,
                                  struct mr_err *err)
{
    enum mr_status status = mr_authorized_send(caller, req, res, err);
    if (status != MR_OK)
        return need ? mr_answer_own_fault(status, err) : status;
    return mr_refusals_judge(caller->refusals, need, res, err);
}

enum mr_status mr_authorized_call(const struct mr_caller *caller, const struct mr_need *need,
                                  const struct mr_http_request *req, const struct mr_retry *policy,
                                  struct mr_retry_state *retry, struct mr_http_response *res,
                                  struct mr_err *err)
{
    for (;;) {
        enum mr_status status = mr_authorized_once(caller, need, req, res, err);
        if (status == MR_OK || !mr_answer_may_retry(status, res) || !mr_retry_again(policy, retry))
            return status;
    }
}
