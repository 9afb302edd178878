#include "shared/http/server_error.h"

#include "shared/http/problem.h"
#include "shared/http/server_connection.h"
#include "shared/http/server_wire.h"

enum { REFUSAL_MAX = 4096 };

static enum mr_status answer_problem(struct mr_request *req, int http_status, const struct mr_err *cause,
                                     struct mr_err *err)
{
    MR_AUTO_JSON json_t *problem = NULL;
    MR_TRY(mr_problem_json(http_status, cause, &problem, err));
    MR_AUTO_STR char *text = json_dumps(problem, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    return mr_respond_bytes(req, http_status, "application/problem+json", text, strlen(text), err);
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
    mr_buf_clear(&req->out.headers); /* they belonged to the other answer */
    struct mr_err fault = {0};
    if (answer_failure(req, http_status, cause, &fault) == MR_OK)
        return;
    req->out.close = true;
    if (!req->out.gone)
        mr_log_err(&req->log, MR_LOG_ERROR, "cannot answer the request", &fault, NULL);
}

/* civetweb has no request here, only a connection: the answer is written directly. */
static enum mr_status write_refusal(struct mr_request *req, int http_status, const char *reason,
                                    struct mr_err *err)
{
    struct mr_err cause;
    mr_fail(&cause, http_status == 408 ? MR_TIMEOUT : MR_INVALID, "%s", reason);
    MR_AUTO_JSON json_t *problem = NULL;
    MR_TRY(mr_problem_json(http_status, &cause, &problem, err));
    MR_AUTO_STR char *text = json_dumps(problem, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    MR_AUTO(mr_buf) struct mr_buf answer = MR_BUF_INIT(REFUSAL_MAX);
    MR_TRY(mr_buf_appendf(&answer, err,
                          "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
                          "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n"
                          "Connection: close\r\n\r\n%s",
                          http_status, mr_http_reason(http_status), strlen(text), text));
    return mr_wire_write(req, answer.data, answer.len, err);
}

void mr_server_refuse(struct mr_server *server, struct mg_connection *conn, int http_status,
                      const char *reason)
{
    if (http_status == 400 && strcmp(reason, "Malformed message") == 0) {
        http_status = mr_connection_head_fault(server, conn);
        reason = mr_http_reason(http_status);
    }
    struct mr_request req = {.server = server, .conn = conn, .fd = mr_connection_socket(server, conn)};
    if (write_refusal(&req, http_status, reason, NULL) == MR_OK)
        mr_connection_linger(req.fd);
    mr_log_write(server->options.log, MR_LOG_INFO, reason, "{s:i, s:s}", "status", http_status, "remote",
                 mg_get_request_info(conn)->remote_addr);
}
