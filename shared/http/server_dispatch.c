#include "shared/http/server_dispatch.h"

#include "shared/base/clock.h"
#include "shared/http/server_body.h"
#include "shared/http/server_error.h"
#include "shared/http/server_log.h"
#include "shared/http/server_request.h"

static void fail_request(struct mr_request *req, int http_status, enum mr_status status, const char *message)
{
    struct mr_err cause;
    mr_fail(&cause, status, "%s", message);
    mr_request_fail(req, http_status, &cause);
}

static enum mr_status run_handler(struct mr_request *req, struct mr_err *err)
{
    MR_TRY(req->match.route->handler(req->server->options.app, req, err));
    if (!req->out.ended)
        return mr_fail(err, MR_INTERNAL, "the handler did not complete its answer");
    return MR_OK;
}

static void route(struct mr_request *req)
{
    const struct mr_server_options *options = &req->server->options;
    struct mr_err cause = {0};
    switch (mr_route_find(options->routes, options->route_count, mr_request_method(req), &req->path,
                          &req->match)) {
    case MR_ROUTE_FOUND:
        if (run_handler(req, &cause) != MR_OK)
            mr_request_fail(req, mr_http_status_of(&cause), &cause);
        break;
    case MR_ROUTE_OTHER_METHOD:
        fail_request(req, 405, MR_INVALID, "this path does not support this method");
        break;
    case MR_ROUTE_NOT_FOUND:
        fail_request(req, 404, MR_NOT_FOUND, "nothing is served under this path");
        break;
    }
}

static void answer(struct mr_request *req)
{
    struct mr_err cause = {0};
    mr_body_prepare(req);
    if (mr_request_prepare(req, &cause) == MR_OK) {
        route(req);
        return;
    }
    req->out.close = true;
    mr_request_fail(req, mr_http_status_of(&cause), &cause);
}

static void log_request(const struct mr_request *req)
{
    const struct mr_request_line line = {.method = mr_request_method(req),
                                         .path = req->path.text,
                                         .remote = mr_request_remote(req),
                                         .status = req->out.status,
                                         .started_us = req->started_us,
                                         .request_bytes = req->body.received,
                                         .response_bytes = req->out.sent,
                                         .cut_off = !req->out.ended};
    if (!req->out.parked)
        mr_request_line_log(&req->log, req->server->options.log_requests, &line);
}

/* What becomes of the connection. A client that still sends must be able to read the answer. */
static enum mr_after after(struct mr_request *req)
{
    bool finished = mr_body_can_finish(req);
    if (req->out.ended && finished)
        return req->out.close ? MR_AFTER_CLOSE : MR_AFTER_KEEP;
    return req->out.ended ? MR_AFTER_LINGER : MR_AFTER_CLOSE;
}

void mr_server_dispatch(struct mr_connection *conn)
{
    conn->after = MR_AFTER_CLOSE;
    if (atomic_load(&conn->server->stopping))
        return;
    struct mr_request req = {
        .server = conn->server,
        .conn = conn,
        .head = &conn->head,
        .started_us = mr_time_monotonic_us(),
        .log = *conn->server->options.log,
        .out.headers = MR_BUF_INIT(MR_HEAD_OUT_MAX),
        .out.close = conn->closing,
    };
    answer(&req);
    conn->after = after(&req);
    log_request(&req);
    free(req.query_text);
    mr_buf_free(&req.out.headers);
}
