#include "shared/http/server_dispatch.h"

#include "shared/base/clock.h"
#include "shared/http/http_metrics.h"
#include "shared/http/server_body.h"
#include "shared/http/server_error.h"
#include "shared/http/server_log.h"
#include "shared/http/server_preflight.h"
#include "shared/http/server_request.h"

static bool is_listed(const char *names, const char *name)
{
    const size_t len = strlen(name);
    for (; *names; names += strspn(names, " ")) {
        size_t one = strcspn(names, " ");
        if (one == len && memcmp(names, name, len) == 0)
            return true;
        names += one;
    }
    return false;
}

static const char *known_parameters(const struct mr_server_options *options, mr_handler *handler)
{
    for (size_t i = 0; i < options->query_count; i++)
        if (options->queries[i].handler == handler)
            return options->queries[i].names;
    return options->queries ? "" : "*";
}

static enum mr_status check_query(const struct mr_request *req, struct mr_err *err)
{
    const char *known = known_parameters(&req->server->options, req->match.route->handler);
    if (strcmp(known, "*") == 0)
        return MR_OK;
    for (size_t i = 0; i < req->query_count; i++)
        if (!is_listed(known, req->query[i].name))
            return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "%.64s is not a parameter of this route",
                                req->query[i].name);
    return MR_OK;
}

static enum mr_status run_handler(struct mr_request *req, struct mr_err *err)
{
    MR_TRY(check_query(req, err));
    MR_TRY(req->match.route->handler(req->server->options.app, req, err));
    if (!req->out.ended)
        return mr_fail(err, MR_INTERNAL, "the handler did not complete its answer");
    return MR_OK;
}

static void route(struct mr_request *req)
{
    const struct mr_server_options *options = &req->server->options;
    struct mr_err cause = {0};
    if (mr_preflight_is_one(req)) {
        if (mr_preflight_answer(req, &cause) != MR_OK)
            mr_request_fail(req, mr_http_status_of(&cause), &cause);
        return;
    }
    switch (mr_route_find(options->routes, options->route_count, mr_request_method(req), &req->path,
                          &req->match)) {
    case MR_ROUTE_FOUND:
        if (run_handler(req, &cause) != MR_OK)
            mr_request_fail(req, mr_http_status_of(&cause), &cause);
        break;
    case MR_ROUTE_OTHER_METHOD:
        mr_fail_code(&cause, MR_CODE_METHOD_NOT_ALLOWED, "this path does not support this method");
        mr_request_fail(req, mr_http_status_of(&cause), &cause);
        break;
    case MR_ROUTE_NOT_FOUND:
        mr_fail(&cause, MR_NOT_FOUND, "nothing is served under this path");
        mr_request_fail(req, mr_http_status_of(&cause), &cause);
        break;
    }
}

/* "OPTIONS *" asks what the server as a whole can do (RFC 9110 §9.3.7). */
static bool is_of_the_server(const struct mr_request *req)
{
    return strcmp(mr_request_method(req), "OPTIONS") == 0 && strcmp(req->head->path, "*") == 0;
}

static void answer_for_the_server(struct mr_request *req)
{
    char allow[MR_ALLOW_MAX];
    struct mr_err cause = {0};
    snprintf(req->path.text, sizeof req->path.text, "*");
    mr_route_allow_all(req->server->options.routes, req->server->options.route_count, allow);
    if (mr_respond_header(req, "Allow", allow, &cause) != MR_OK ||
        mr_respond_empty(req, 204, &cause) != MR_OK)
        mr_request_fail(req, mr_http_status_of(&cause), &cause);
}

static void answer(struct mr_request *req)
{
    struct mr_err cause = {0};
    mr_body_prepare(req);
    if (is_of_the_server(req)) {
        answer_for_the_server(req);
        return;
    }
    if (mr_request_prepare(req, &cause) == MR_OK) {
        route(req);
        return;
    }
    req->out.close = true;
    mr_request_fail(req, mr_http_status_of(&cause), &cause);
}

static void note_request(const struct mr_request *req)
{
    const struct mr_request_line line = {.method = mr_request_method(req),
                                         .path = req->path.text,
                                         .remote = mr_request_remote(req),
                                         .status = req->out.status,
                                         .started_us = req->started_us,
                                         .request_bytes = req->body.received,
                                         .response_bytes = req->out.sent,
                                         .cut_off = !req->out.ended,
                                         .code = req->out.reason[0] ? mr_code_name(req->out.code) : NULL,
                                         .reason = req->out.reason[0] ? req->out.reason : NULL,
                                         .user_id = req->conn->user_id};
    if (req->out.parked)
        return;
    mr_http_metrics_answered(req->server->options.metrics, req->match.route, req->out.status,
                             mr_time_monotonic_us() - req->started_us);
    mr_request_line_log(&req->log, req->server->options.log_requests, &line);
}

/* civetweb takes the trailer of a chunked body for the next request, so none is read after such a body. */
static bool is_chunked(const struct mr_connection *conn)
{
    return conn->framing.length < 0;
}

/* What becomes of the connection. A client that still sends must be able to read the answer. */
static enum mr_after after(struct mr_request *req)
{
    bool finished = mr_body_can_finish(req) && !is_chunked(req->conn);
    if (req->out.ended && finished)
        return req->out.close ? MR_AFTER_CLOSE : MR_AFTER_KEEP;
    return req->out.ended ? MR_AFTER_LINGER : MR_AFTER_CLOSE;
}

void mr_server_dispatch(struct mr_connection *conn)
{
    conn->after = MR_AFTER_CLOSE;
    conn->user_id = 0;
    if (atomic_load(&conn->server->stopping))
        return;
    struct mr_request req = {
        .server = conn->server,
        .conn = conn,
        .head = &conn->head,
        .started_us = mr_time_monotonic_us(),
        .log = *conn->server->options.log,
        .out.headers = MR_BUF_INIT(MR_HEAD_OUT_MAX),
        .out.close = conn->closing || is_chunked(conn),
    };
    answer(&req);
    conn->after = after(&req);
    note_request(&req);
    free(req.query_text);
    mr_buf_free(&req.out.headers);
}
