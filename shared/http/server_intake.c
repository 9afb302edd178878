#include "shared/http/server_intake.h"
#include "shared/base/clock.h"

#include <sys/socket.h>

void mr_intake_enter(struct mr_server *server, struct mr_connection *conn, enum mr_phase phase, int ms)
{
    conn->phase = phase;
    conn->moved = 0;
    conn->since_us = mr_time_monotonic_us();
    conn->due_us = conn->since_us + (int64_t)ms * 1000;
    if (phase != MR_PHASE_BUSY && conn->due_us < server->next_check_us)
        server->next_check_us = conn->due_us;
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
static bool is_hopeless(const struct mr_server *server, const struct mr_route *route, int64_t length)
{
    if (!route)
        return length > MR_SMALL_BODY;
    return length > (route->max_body < 0 ? server->options.max_body : route->max_body);
}

static void send_continue(struct mr_connection *conn)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    (void)!send(conn->fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    conn->framing.expect_continue = false;
}

static enum mr_status take_head(struct mr_server *server, struct mr_connection *conn, bool *ret_ready,
                                struct mr_err *err)
{
    size_t len = 0;
    MR_TRY(mr_head_find_end(conn->in.data, conn->in.len, &conn->scanned, &len, err));
    if ((len ? len : conn->in.len) > (size_t)server->options.max_head)
        return mr_fail_code(err, MR_CODE_HEAD_TOO_LARGE, "the head is larger than %d bytes",
                            server->options.max_head);
    if (!len)
        return MR_OK;
    MR_TRY(mr_head_parse(conn->in.data, len, &conn->head, err));
    MR_TRY(mr_head_framing(&conn->head, &conn->framing, err));
    mr_buf_consume(&conn->in, len);
    conn->scanned = 0;
    const struct mr_route *route = find_route(server, &conn->head);
    conn->class = route ? route->class : MR_ROUTE_NORMAL;
    mr_intake_enter(server, conn, MR_PHASE_BODY, server->options.client_timeout_ms);
    if (is_hopeless(server, route, conn->framing.length) || (!route && conn->framing.expect_continue))
        *ret_ready = true;
    else if (conn->framing.expect_continue)
        send_continue(conn);
    return MR_OK;
}

static enum mr_status scan_chunks(struct mr_connection *conn, struct mr_err *err)
{
    while (conn->scanned < conn->in.len && conn->chunks.state != MR_CHUNKS_ENDED) {
        size_t used = 0, content = 0;
        MR_TRY(mr_chunks_next(&conn->chunks, conn->in.data + conn->scanned, conn->in.len - conn->scanned,
                              &used, &content, err));
        conn->scanned += used;
    }
    conn->whole = conn->chunks.state == MR_CHUNKS_ENDED;
    conn->body_size = conn->scanned;
    return MR_OK;
}

static enum mr_status take_body(struct mr_connection *conn, bool *ret_ready, struct mr_err *err)
{
    if (conn->framing.length < 0) {
        MR_TRY(scan_chunks(conn, err));
    } else if (conn->framing.length <= MR_SMALL_BODY) {
        conn->body_size = (size_t)conn->framing.length;
        conn->whole = conn->in.len >= conn->body_size;
    }
    bool large = !conn->whole && conn->in.len >= MR_SMALL_BODY;
    if (large)
        conn->class = MR_ROUTE_SLOW;
    *ret_ready = conn->whole || large;
    return MR_OK;
}

enum mr_status mr_intake_advance(struct mr_server *server, struct mr_connection *conn, bool *ret_ready,
                                 struct mr_err *err)
{
    *ret_ready = false;
    if (conn->phase == MR_PHASE_IDLE && conn->in.len)
        mr_intake_enter(server, conn, MR_PHASE_HEAD, server->options.client_timeout_ms);
    if (conn->phase == MR_PHASE_HEAD)
        MR_TRY(take_head(server, conn, ret_ready, err));
    if (conn->phase == MR_PHASE_BODY && !*ret_ready)
        MR_TRY(take_body(conn, ret_ready, err));
    return MR_OK;
}

void mr_intake_finish(struct mr_connection *conn)
{
    mr_buf_consume(&conn->in, conn->body_size);
    if (!conn->in.len)
        mr_buf_free(&conn->in);
    mr_buf_free(&conn->out);
    mr_head_free(&conn->head);
    conn->framing = (struct mr_framing){0};
    conn->chunks = (struct mr_chunks){0};
    conn->scanned = conn->body_size = conn->out_sent = 0;
    conn->whole = false;
    conn->served = true;
}
