#include "shared/http/server_error.h"

#include "shared/http/problem.h"
#include "shared/http/server_cors.h"

static enum mr_status answer_problem(struct mr_request *req, int http_status, const struct mr_err *cause,
                                     struct mr_err *err)
{
    MR_AUTO_JSON json_t *problem = NULL;
    MR_TRY(mr_problem_json(http_status, cause, &problem, err));
    MR_AUTO_STR char *text = json_dumps(problem, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    return mr_respond_bytes(req, http_status, MR_PROBLEM_TYPE, text, strlen(text), err);
}

/* Headers that a status requires, whoever writes the body. */
static enum mr_status add_status_headers(struct mr_request *req, int http_status, const struct mr_err *cause,
                                         struct mr_err *err)
{
    char retry_after[16];
    snprintf(retry_after, sizeof retry_after, "%d", cause->retry_after_s > 0 ? cause->retry_after_s : 1);
    const struct {
        int status;
        const char *name, *value;
    } headers[] = {
        {401, "WWW-Authenticate", "Bearer"},
        {mr_request_header(req, "Content-Encoding") ? 415 : 0, "Accept-Encoding", "identity"},
        {429, "Retry-After", retry_after},
        {503, "Retry-After", retry_after},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (headers[i].status == http_status)
            return mr_respond_header(req, headers[i].name, headers[i].value, err);
    if (http_status != 405)
        return MR_OK;
    char allow[MR_ALLOW_MAX];
    mr_route_allow(req->server->options.routes, req->server->options.route_count, &req->path, allow);
    return mr_respond_header(req, "Allow", allow, err);
}

void mr_request_fail(struct mr_request *req, int http_status, const struct mr_err *cause)
{
    if (http_status >= 500 && !req->out.gone)
        mr_log_err(&req->log, MR_LOG_ERROR, "request failed", cause, "{s:s, s:s}", "method",
                   mr_request_method(req), "path", req->path.text);
    mr_request_answer_failure(req, http_status, cause);
}

static enum mr_status answer_failure(struct mr_request *req, int http_status, const struct mr_err *cause,
                                     struct mr_err *err)
{
    mr_answer_error *answer = req->server->options.answer_error;
    MR_TRY(add_status_headers(req, http_status, cause, err));
    return (answer ? answer : answer_problem)(req, http_status, cause, err);
}

void mr_request_answer_failure(struct mr_request *req, int http_status, const struct mr_err *cause)
{
    if (req->out.started) {
        req->out.close = true; /* the client sees a truncated answer */
        return;
    }
    req->out.code = cause->code;
    snprintf(req->out.reason, sizeof req->out.reason, "%.*s", MR_REASON_MAX - 1, cause->message);
    mr_buf_clear(&req->out.headers); /* they belonged to the other answer */
    struct mr_err fault = {0};
    if (answer_failure(req, http_status, cause, &fault) == MR_OK)
        return;
    req->out.close = true;
    if (!req->out.gone)
        mr_log_err(&req->log, MR_LOG_ERROR, "cannot answer the request", &fault, NULL);
}

enum mr_status mr_server_refusal(const struct mr_cors *cors, const struct mr_head *head,
                                 const struct mr_err *cause, const char *allow, struct mr_buf *ret)
{
    const int http_status = mr_http_status_of(cause);
    MR_AUTO_JSON json_t *problem = NULL;
    MR_TRY(mr_problem_json(http_status, cause, &problem, NULL));
    MR_AUTO_STR char *text = json_dumps(problem, JSON_COMPACT);
    if (!text)
        return MR_EXHAUSTED;
    MR_TRY(mr_buf_appendf(ret, NULL,
                          "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
                          "X-Content-Type-Options: nosniff\r\n%s%s%s%s",
                          http_status, mr_http_reason(http_status),
                          http_status == 503 ? "Retry-After: 1\r\n" : "", allow ? "Allow: " : "",
                          allow ? allow : "", allow ? "\r\n" : ""));
    MR_TRY(mr_cors_append(cors, head, "", ret, NULL));
    return mr_buf_appendf(ret, NULL, "Content-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(text),
                          text);
}
