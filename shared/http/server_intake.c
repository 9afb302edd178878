#include "shared/http/server_intake.h"

#include "shared/http/server_connection.h"
#include "shared/http/server_error.h"
#include "shared/http/server_pool.h"
#include "shared/http/server_remote.h"
#include "shared/http/server_watch.h"
#include "shared/http/server_wire.h"

#include <ctype.h>

static enum mr_status malformed(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_MALFORMED_REQUEST, "%s", what);
}

/* Before the first request of a connection there is nothing (server_connection.c). Before a later one, one empty line
 * may be: of several, civetweb would end the head at the first, but read the request after the last. */
static enum mr_status check_start(struct mr_connection *conn, const char *start, struct mr_err *err)
{
    if (!conn->buffer)
        conn->buffer = start;
    if (start == conn->buffer || (start == conn->buffer + 2 && memcmp(conn->buffer, "\r\n", 2) == 0))
        return MR_OK;
    return malformed(err, "blanks or lines stand before the request");
}

/* Without its socket a connection cannot be watched. */
static enum mr_status take_head(struct mr_connection *conn, struct mr_err *err)
{
    const struct mg_request_info *info = mg_get_request_info(conn->civetweb);
    if (conn->fd < 0)
        return mr_fail_code(err, MR_CODE_CLIENT_GONE, "the client's socket was not found");
    MR_TRY(check_start(conn, info->request_method, err));
    MR_TRY(mr_head_read(info, conn->buffer + conn->server->options.max_head, &conn->head, err));
    /* Without headers, what follows a head that ends with two LF may be zeros: of room that nothing was put in. */
    if (!conn->head.header_count && mr_connection_consumed(conn) - conn->taken < (int64_t)conn->head.len)
        return malformed(err, "lines of the head must end with CRLF");
    MR_TRY(mr_head_framing(&conn->head, &conn->framing, err));
    mr_remote_of(&conn->head, conn->server->options.proxies, conn->address, conn->remote);
    conn->taken += (int64_t)conn->head.len + (conn->framing.length > 0 ? conn->framing.length : 0);
    return MR_OK;
}

/* The route, or NULL if the path has none for the method. */
static const struct mr_route *find_route(const struct mr_server *server, const struct mr_head *head)
{
    struct mr_path path;
    struct mr_route_match match;
    if (mr_path_parse(head->path, &path, NULL) != MR_OK ||
        mr_route_find(server->options.routes, server->options.route_count, head->method, &path, &match) !=
            MR_ROUTE_FOUND)
        return NULL;
    return match.route;
}

/* True if the request will be refused whatever its body is. */
static bool is_hopeless(const struct mr_server *server, const struct mr_route *route,
                        const struct mr_framing *framing)
{
    if (!route)
        return framing->length > MR_SMALL_BODY || framing->expect_continue;
    return framing->length > (route->max_body < 0 ? server->options.max_body : route->max_body);
}

static void send_continue(struct mr_connection *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    mr_wait_begin(conn, MR_PHASE_WRITE, conn->server->options.client_timeout_ms);
    (void)!mg_write(conn->civetweb, text, sizeof text - 1);
    mr_wait_end(conn);
}

/* A chunked body that ends just with the last byte of the buffer counts as a large one. */
static enum mr_status take_body(struct mr_connection *conn, struct mr_err *err)
{
    const int64_t length = conn->framing.length;
    const size_t wanted = length < 0 || length > MR_SMALL_BODY ? MR_SMALL_BODY : (size_t)length;
    conn->whole = !wanted;
    if (!wanted)
        return MR_OK;
    if (conn->framing.expect_continue)
        send_continue(conn);
    MR_TRY(mr_buf_reserve(&conn->in, wanted, err));
    mr_wait_begin(conn, MR_PHASE_BODY, conn->server->options.client_timeout_ms);
    int n = mg_read(conn->civetweb, conn->in.data, wanted);
    bool in_time = mr_wait_end(conn);
    if (n < 0 || (length >= 0 && (size_t)n < wanted))
        return mr_wire_read_failed(conn, in_time, err);
    conn->in.len = (size_t)n;
    conn->in.data[n] = '\0';
    conn->whole = length < 0 ? (size_t)n < wanted : length <= MR_SMALL_BODY;
    return MR_OK;
}

static enum mr_status take_in(struct mr_connection *conn, struct mr_err *err)
{
    MR_TRY(take_head(conn, err));
    const struct mr_route *route = find_route(conn->server, &conn->head);
    conn->class = route ? route->class : MR_ROUTE_NORMAL;
    if (is_hopeless(conn->server, route, &conn->framing))
        return MR_OK;
    MR_TRY(take_body(conn, err));
    if (!conn->whole)
        conn->class = MR_ROUTE_SLOW;
    return MR_OK;
}

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

static void write_answer(struct mr_connection *conn)
{
    mr_watch_unread(conn, conn->out.len);
    for (size_t sent = 0; sent < conn->out.len;) {
        size_t part = conn->out.len - sent < MR_RATE_BYTES ? conn->out.len - sent : MR_RATE_BYTES;
        mr_wait_begin(conn, MR_PHASE_WRITE, conn->server->options.client_timeout_ms);
        int n = mg_write(conn->civetweb, conn->out.data + sent, part);
        if (!mr_wait_end(conn) || n < 0 || (size_t)n != part) {
            conn->after = MR_AFTER_CLOSE;
            break;
        }
        sent += part;
    }
    mr_watch_unread(conn, 0);
}

static enum mr_status run(struct mr_connection *conn, struct mr_err *err)
{
    if (!enter(conn->server))
        return mr_fail_code(err, MR_CODE_SHUTTING_DOWN, "the server is shutting down");
    bool served = mr_pool_run(conn->server->pools[conn->class], conn);
    if (served)
        write_answer(conn);
    leave(conn->server);
    return served ? MR_OK
                  : mr_fail_code(err, MR_CODE_OVERLOADED, "too many requests of this kind wait for a thread");
}

/* `allow` is the header of that name; NULL: none. */
static void refuse(struct mr_connection *conn, const struct mr_err *cause, const char *allow)
{
    /* Clients of HTTP/2, like those of gRPC, show nobody our answer. */
    const bool is_hidden = cause->code == MR_CODE_HTTP_VERSION_NOT_SUPPORTED;
    conn->refused = true;
    conn->after = MR_AFTER_LINGER;
    mr_buf_free(&conn->out);
    mr_log_write(conn->server->options.log, is_hidden ? MR_LOG_NOTICE : MR_LOG_INFO, cause->message,
                 "{s:i, s:s, s:s}", "status", mr_http_status_of(cause), "code", mr_code_name(cause->code),
                 "remote", conn->remote[0] ? conn->remote : conn->address);
    if (mr_server_refusal(&conn->server->options.cors, &conn->head, cause, allow, &conn->out) == MR_OK)
        write_answer(conn);
}

/* Leaves the connection ready for the next request, or closes it so that the client can still read the answer. */
static void finish(struct mr_connection *conn)
{
    const int timeout_ms = conn->server->options.client_timeout_ms;
    mr_head_free(&conn->head);
    mr_buf_free(&conn->in);
    mr_buf_free(&conn->out);
    conn->framing = (struct mr_framing){0};
    conn->remote[0] = '\0';
    conn->whole = false;
    if (conn->after == MR_AFTER_KEEP && !conn->closing) {
        mr_wait_begin(conn, MR_PHASE_HEAD, timeout_ms < MR_KEEP_ALIVE_MS ? timeout_ms : MR_KEEP_ALIVE_MS);
        return;
    }
    mg_disable_connection_keep_alive(conn->civetweb);
    if (conn->after == MR_AFTER_LINGER)
        mr_connection_linger(conn);
}

void mr_intake_serve(struct mr_connection *conn)
{
    struct mr_err cause = {0};
    mr_wait_end(conn);
    if (conn->evicted)
        conn->after = MR_AFTER_CLOSE;
    else if (take_in(conn, &cause) != MR_OK || run(conn, &cause) != MR_OK)
        refuse(conn, &cause, NULL);
    finish(conn);
}

/* A version that is one, but not ours. */
static bool is_other_version(const char *version)
{
    return version && isdigit((unsigned char)version[0]) && version[1] == '.' &&
           isdigit((unsigned char)version[2]) && !version[3] && strcmp(version, "1.0") != 0 &&
           strcmp(version, "1.1") != 0;
}

static bool is_our_version(const char *version)
{
    return version && (strcmp(version, "1.0") == 0 || strcmp(version, "1.1") == 0);
}

/* A method that civetweb does not know, like TRACE: it has read the request line by then, and nothing more. */
static bool is_other_method(const struct mg_request_info *info)
{
    return info && info->request_method && info->request_uri && is_our_version(info->http_version) &&
           mr_head_is_token(info->request_method) && !mr_route_knows_method(info->request_method);
}

static void explain_method(const struct mr_server *server, const char *target, char allow[MR_ALLOW_MAX],
                           struct mr_err *ret)
{
    struct mr_path path;
    char raw[MR_PATH_MAX];
    snprintf(raw, sizeof raw, "%.*s", (int)strcspn(target, "?"), target);
    if (mr_path_parse(raw, &path, NULL) == MR_OK)
        mr_route_allow(server->options.routes, server->options.route_count, &path, allow);
    if (allow[0])
        mr_fail_code(ret, MR_CODE_METHOD_NOT_ALLOWED, "this path does not support this method");
    else
        mr_fail(ret, MR_NOT_FOUND, "nothing is served under this path");
}

/* civetweb calls a head malformed if it is broken, too slow, or fills its whole buffer. */
static void explain(struct mr_connection *conn, bool in_time, char allow[MR_ALLOW_MAX], struct mr_err *ret)
{
    const struct mg_request_info *info = mg_get_request_info(conn->civetweb);
    const int max_head = conn->server->options.max_head;
    if (!in_time)
        mr_fail_code(ret, MR_CODE_SLOW_CLIENT, "the head was sent too slowly");
    else if (info && is_other_version(info->http_version))
        mr_fail_code(ret, MR_CODE_HTTP_VERSION_NOT_SUPPORTED,
                     "the version must be HTTP/1.0 or HTTP/1.1: HTTP/2 and gRPC are not spoken here");
    else if (mr_connection_consumed(conn) - conn->taken >= max_head)
        mr_fail_code(ret, MR_CODE_HEAD_TOO_LARGE, "the head is larger than %d bytes", max_head);
    else if (is_other_method(info))
        explain_method(conn->server, info->request_uri, allow, ret);
    else
        malformed(ret, "the request line or a header is malformed, or has a tab");
}

void mr_intake_refuse(struct mr_connection *conn)
{
    struct mr_err cause = {0};
    bool in_time = mr_wait_end(conn);
    conn->after = MR_AFTER_CLOSE;
    if (!conn->evicted && !atomic_load(&conn->server->stopping)) {
        char allow[MR_ALLOW_MAX] = "";
        explain(conn, in_time, allow, &cause);
        refuse(conn, &cause, allow[0] ? allow : NULL);
    }
    finish(conn);
}
