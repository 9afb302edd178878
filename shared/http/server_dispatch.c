#include "shared/http/server_dispatch.h"

#include "shared/base/clock.h"
#include "shared/http/server_body.h"
#include "shared/http/server_connection.h"
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

/* After a malformed request the connection is closed: where its body ends is unknown. */
static void refuse_malformed(struct mr_request *req, const struct mr_err *cause)
{
    req->out.close = true;
    mr_request_fail(req, mr_http_status_of(cause), cause);
}

static enum mr_status prepare(struct mr_request *req, struct mr_err *err)
{
    MR_TRY(mr_request_prepare(req, err));
    return mr_body_prepare(req, err);
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

static void answer(struct mr_request *req, bool accepting)
{
    struct mr_err cause = {0};
    if (prepare(req, &cause) != MR_OK) {
        refuse_malformed(req, &cause);
    } else if (!accepting) {
        mr_fail_code(&cause, MR_CODE_SHUTTING_DOWN, "the server is shutting down");
        req->out.close = true;
        mr_request_answer_failure(req, 503, &cause);
    } else {
        route(req);
    }
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

/* Leaves the connection ready for the next request, or closes it so that the client can still read the answer. */
static void finish_connection(struct mr_request *req)
{
    if (!req->out.close && req->out.ended && mr_body_finish(req))
        return;
    mg_disable_connection_keep_alive(req->conn);
    if (req->out.ended && req->body.state != MR_BODY_ENDED)
        mr_connection_linger(req->fd);
}

void mr_server_dispatch(struct mr_server *server, struct mg_connection *conn, bool accepting)
{
    struct mr_request req = {
        .server = server,
        .conn = conn,
        .info = mg_get_request_info(conn),
        .fd = mr_connection_socket(server, conn),
        .started_us = mr_time_monotonic_us(),
        .log = *server->options.log,
        .out.headers = MR_BUF_INIT(MR_HEAD_OUT_MAX),
    };
    answer(&req, accepting);
    finish_connection(&req);
    log_request(&req);
    mr_request_release(&req);
    mr_connection_served(conn);
}
