#include "shared/http/server_internal.h"

#include "shared/base/encoding.h"
#include "shared/http/problem.h"

enum {
    KEEP_ALIVE_MS = 5000,
    ACCEPT_QUEUE = 256, /* accepted connections that wait for a thread */
    LISTEN_BACKLOG = 1024,
    MAX_HEAD_MIN = 1024, /* civetweb's own least */
    OPTION_TEXT = 32,
};

/* ---- one request ----------------------------------------------------------- */

static bool enter(struct mr_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool open = !server->draining;
    server->running += open;
    pthread_mutex_unlock(&server->lock);
    return open;
}

static void leave(struct mr_server *server)
{
    pthread_mutex_lock(&server->lock);
    if (--server->running == 0)
        pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static void fail_request(struct mr_request *req, int http_status, enum mr_status status, const char *message)
{
    struct mr_err cause;
    mr_fail(&cause, status, "%s", message);
    mr_request_fail(req, http_status, &cause);
}

static void run_handler(struct mr_request *req)
{
    struct mr_err err = {0};
    enum mr_status status = req->match.route->handler(req->server->options.app, req, &err);
    if (status == MR_OK && !req->out.ended)
        status = mr_fail(&err, MR_INTERNAL, "the handler gave no whole answer");
    if (status != MR_OK)
        mr_request_fail(req, mr_http_status_of(&err), &err);
}

/* Broken requests are closed upon: where their body ends is not certain. */
static void refuse_broken(struct mr_request *req, const struct mr_err *cause)
{
    req->out.close = true;
    mr_request_fail(req, mr_http_status_of(cause), cause);
}

static void dispatch(struct mr_request *req, bool open)
{
    const struct mr_server_options *options = &req->server->options;
    struct mr_err err = {0};
    if (mr_request_prepare(req, &err) != MR_OK) {
        refuse_broken(req, &err);
    } else if (!open) {
        struct mr_err cause;
        mr_fail_code(&cause, MR_CODE_SHUTTING_DOWN, "shutting down");
        req->out.close = true;
        mr_request_answer_failure(req, 503, &cause);
    } else {
        switch (mr_route_find(options->routes, options->route_count, mr_request_method(req), &req->path,
                              &req->match)) {
        case MR_ROUTE_FOUND:
            run_handler(req);
            break;
        case MR_ROUTE_OTHER_METHOD:
            fail_request(req, 405, MR_INVALID, "this path is not served under this method");
            break;
        case MR_ROUTE_NOT_FOUND:
            fail_request(req, 404, MR_NOT_FOUND, "nothing is served under this path");
            break;
        }
    }
}

static void log_request(const struct mr_request *req)
{
    const struct mr_server_options *options = &req->server->options;
    if (!options->log_requests && req->out.status < 500)
        return;
    char message[128];
    snprintf(message, sizeof message, "%s %d", mr_request_method(req), req->out.status);
    mr_log_write(&req->log, req->out.status >= 500 ? MR_LOG_WARNING : MR_LOG_INFO, message,
                 "{s:s, s:s, s:i, s:f, s:I, s:I, s:s, s:b}", "method", mr_request_method(req), "path",
                 req->path.text, "status", req->out.status, "ms",
                 (double)(mr_time_monotonic_us() - req->started_us) / 1000.0, "request_bytes",
                 (json_int_t)req->body.received, "response_bytes", (json_int_t)req->out.sent, "remote",
                 mr_request_remote(req), "cut_off", !req->out.ended);
}

/* Leaves the connection so that either the next request or the client's reading of this answer is safe. */
static void finish_connection(struct mr_request *req)
{
    if (!req->out.close && req->out.ended && mr_body_finish(req))
        return;
    mg_disable_connection_keep_alive(req->conn);
    if (req->out.ended && req->body.state != MR_BODY_ENDED)
        mr_peer_linger(req->fd);
}

/* What a civetweb thread hands to its lane. */
struct job {
    struct mr_server *server;
    struct mg_connection *conn;
    int http_status; /* of a head that civetweb refused */
    const char *reason;
};

static void serve(void *ctx)
{
    const struct job *job = ctx;
    struct mr_request req = {
        .server = job->server,
        .conn = job->conn,
        .info = mg_get_request_info(job->conn),
        .fd = mr_peer_socket(job->server, job->conn),
        .started_us = mr_time_monotonic_us(),
        .log = *job->server->options.log,
        .out.headers = MR_BUF_INIT(MR_HEAD_OUT_MAX),
    };
    bool open = enter(job->server);
    dispatch(&req, open);
    finish_connection(&req);
    log_request(&req);
    mr_request_release(&req);
    mr_peer_served(job->conn);
    if (open)
        leave(job->server);
}

static void refuse(void *ctx)
{
    const struct job *job = ctx;
    mr_server_refuse(job->server, job->conn, job->http_status, job->reason);
}

/* ---- civetweb's callbacks -------------------------------------------------- */

static struct mr_server *server_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

static void *on_thread(const struct mg_context *context, int kind)
{
    struct mr_server *server = mg_get_user_data(context);
    return kind == 1 ? mr_lane_at(server->lanes, atomic_fetch_add(&server->lanes_taken, 1)) : NULL;
}

static int on_request(struct mg_connection *conn)
{
    struct job job = {.server = server_of(conn), .conn = conn};
    mr_lane_run(mg_get_thread_pointer(conn), serve, &job);
    return 200; /* handled; the number is only for civetweb's own log */
}

static int on_refusal(struct mg_connection *conn, int http_status, const char *reason)
{
    struct job job = {.server = server_of(conn), .conn = conn, .http_status = http_status, .reason = reason};
    mr_lane_run(mg_get_thread_pointer(conn), refuse, &job);
    return 0;
}

static int on_connection(const struct mg_connection *conn, void **ret_data)
{
    mr_peer_open(server_of(conn), ret_data);
    return 0;
}

static void on_close(const struct mg_connection *conn)
{
    mr_peer_close(server_of(conn), conn);
}

static int on_message(const struct mg_connection *conn, const char *message)
{
    struct mr_server *server = server_of(conn);
    if (!atomic_load(&server->started) && !server->start_fault[0]) /* the first says why */
        snprintf(server->start_fault, sizeof server->start_fault, "%s", message);
    else if (atomic_load(&server->started) && !atomic_load(&server->stopping))
        mr_log_write(server->options.log, MR_LOG_WARNING, message, NULL);
    return 1;
}

/* ---- start and end --------------------------------------------------------- */

static enum mr_status start_civetweb(struct mr_server *server, struct mr_err *err)
{
    const struct mr_server_options *options = &server->options;
    char ports[OPTION_TEXT], threads[OPTION_TEXT], head[OPTION_TEXT], timeout[OPTION_TEXT],
        keep_alive[OPTION_TEXT], queue[OPTION_TEXT], backlog[OPTION_TEXT];
    snprintf(ports, sizeof ports, "%s%d", options->loopback_only ? "127.0.0.1:" : "", options->port);
    snprintf(threads, sizeof threads, "%d", options->threads);
    snprintf(head, sizeof head, "%d", options->max_head);
    snprintf(timeout, sizeof timeout, "%d", options->client_timeout_ms);
    snprintf(keep_alive, sizeof keep_alive, "%d", mr_server_keep_alive_ms(server));
    snprintf(queue, sizeof queue, "%d", ACCEPT_QUEUE);
    snprintf(backlog, sizeof backlog, "%d", LISTEN_BACKLOG);
    /* clang-format off */
    const char *settings[] = {
        "listening_ports", ports,
        "num_threads", threads,
        "max_request_size", head,
        "request_timeout_ms", timeout,
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", keep_alive,
        "connection_queue", queue,
        "listen_backlog", backlog,
        "tcp_nodelay", "1",
        "decode_url", "no", /* segments are split before they are decoded */
        "enable_auth_domain_check", "no",
        "enable_directory_listing", "no",
        NULL,
    };
    /* clang-format on */
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_refusal,
        .init_thread = on_thread,
        .init_connection = on_connection,
        .connection_close = on_close,
        .log_message = on_message,
    };
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = server, .configuration_options = settings};
    char text[160] = "";
    unsigned code = 0;
    struct mg_error_data fault = {.code = &code, .text = text, .text_buffer_size = sizeof text};
    server->civetweb = mg_start2(&init, &fault);
    if (!server->civetweb)
        return mr_fail(err, MR_UNAVAILABLE, "listen on port %d: %s", options->port,
                       server->start_fault[0] ? server->start_fault : text);
    atomic_store(&server->started, true);
    return MR_OK;
}

static enum mr_status find_port(struct mr_server *server, struct mr_err *err)
{
    struct mg_server_port ports[2];
    if (mg_get_server_ports(server->civetweb, 2, ports) < 1)
        return mr_fail(err, MR_INTERNAL, "the listening port is unknown");
    server->port = ports[0].port;
    return MR_OK;
}

static void init_lock(struct mr_server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum mr_status mr_server_start(const struct mr_server_options *options, struct mr_server **ret,
                               struct mr_err *err)
{
    if (options->threads < 1 || options->client_timeout_ms < 1 || options->max_head < MAX_HEAD_MIN)
        return mr_fail(err, MR_INVALID, "threads, client_timeout_ms or max_head out of bounds");
    struct mr_server *server = calloc(1, sizeof *server);
    if (!server)
        return mr_fail_oom(err);
    server->options = *options;
    init_lock(server);
    mg_init_library(0);
    size_t lanes = (size_t)options->threads;
    enum mr_status status = mr_slow_clients_new(options->client_timeout_ms, &server->slow_clients, err);
    if (status == MR_OK && (status = mr_lanes_start(lanes, &server->lanes, err)) == MR_OK) {
        server->lane_count = lanes;
        status = start_civetweb(server, err);
    }
    if (status == MR_OK)
        status = find_port(server, err);
    if (status != MR_OK) {
        mr_server_stop(server);
        return status;
    }
    *ret = server;
    return MR_OK;
}

int mr_server_port(const struct mr_server *server)
{
    return server->port;
}

int mr_server_keep_alive_ms(const struct mr_server *server)
{
    int timeout_ms = server->options.client_timeout_ms;
    return timeout_ms < KEEP_ALIVE_MS ? timeout_ms : KEEP_ALIVE_MS;
}

bool mr_server_drain(struct mr_server *server, int deadline_ms)
{
    int64_t due_us = mr_time_monotonic_us() + (int64_t)deadline_ms * 1000;
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    pthread_mutex_lock(&server->lock);
    server->draining = true;
    int waited = 0;
    while (server->running && waited == 0)
        waited = pthread_cond_timedwait(&server->idle, &server->lock, &due);
    bool drained = server->running == 0;
    pthread_mutex_unlock(&server->lock);
    return drained;
}

void mr_server_stop(struct mr_server *server)
{
    if (!server)
        return;
    atomic_store(&server->stopping, true);
    if (server->civetweb) {
        mr_peers_shut(server);
        mg_stop(server->civetweb);
    }
    mr_lanes_stop(server->lanes, server->lane_count);
    mr_slow_clients_free(server->slow_clients);
    mg_exit_library();
    pthread_cond_destroy(&server->idle);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
