#include "shared/http/server_wire.h"

#include "shared/base/clock.h"
#include "shared/http/server_watch.h"

#include <sys/socket.h>

/* The time that the client has left, in ms; at least 1, so that an overdue wait ends by itself. */
static int64_t left_ms(const struct mr_request *req, int64_t waited_us)
{
    int64_t left = req->server->options.client_timeout_ms - waited_us / 1000;
    return left > 1 ? left : 1;
}

/* The time is granted again with every MR_RATE_BYTES. */
static void note_moved(size_t bytes, int64_t began_us, int64_t *waited_us, int64_t *moved)
{
    *waited_us += mr_time_monotonic_us() - began_us;
    *moved += (int64_t)bytes;
    if (*moved >= MR_RATE_BYTES)
        *moved = *waited_us = 0;
}

/* civetweb returns the same for a client that has disconnected and for chunks that it cannot read. */
enum mr_status mr_wire_read_failed(const struct mr_connection *conn, bool in_time, struct mr_err *err)
{
    char byte;
    if (!in_time)
        return mr_fail_code(err, MR_CODE_SLOW_CLIENT, "the body was sent too slowly");
    if (conn->framing.length < 0 && recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0)
        return mr_fail_code(err, MR_CODE_MALFORMED_REQUEST, "the chunks of the body are malformed");
    return mr_fail_code(err, MR_CODE_INCOMPLETE_BODY, "the connection was closed before the body ended");
}

/* civetweb reads until it has all of len, or the body ends: at most what the client must send in the time that it has. */
static enum mr_status read_client(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                  struct mr_err *err)
{
    struct mr_connection *conn = req->conn;
    const int64_t length = conn->framing.length;
    if ((int64_t)len > MR_RATE_BYTES - req->body.moved)
        len = (size_t)(MR_RATE_BYTES - req->body.moved);
    if (length >= 0 && (int64_t)len > length - req->body.received)
        len = (size_t)(length - req->body.received);
    const int64_t began_us = mr_time_monotonic_us();
    mr_wait_begin(conn, MR_PHASE_BODY, left_ms(req, req->body.waited_us));
    int n = mg_read(conn->civetweb, data, len);
    bool in_time = mr_wait_end(conn);
    if (n < 0 || (length >= 0 && (size_t)n != len))
        return mr_wire_read_failed(conn, in_time, err);
    note_moved((size_t)n, began_us, &req->body.waited_us, &req->body.moved);
    *ret_len = (size_t)n;
    return MR_OK;
}

enum mr_status mr_wire_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                            struct mr_err *err)
{
    const struct mr_buf *in = &req->conn->in;
    if (req->body.used == in->len && !req->conn->whole)
        return read_client(req, data, len, ret_len, err);
    if (len > in->len - req->body.used)
        len = in->len - req->body.used;
    if (len)
        memcpy(data, in->data + req->body.used, len);
    req->body.used += len;
    *ret_len = len;
    return MR_OK;
}

static enum mr_status fail_write(struct mr_request *req, bool in_time, struct mr_err *err)
{
    req->out.gone = true;
    return in_time ? mr_fail_code(err, MR_CODE_CLIENT_GONE, "the client disconnected")
                   : mr_fail_as(err, MR_UNAVAILABLE, MR_CODE_SLOW_CLIENT,
                                "the client read the answer too slowly");
}

enum mr_status mr_wire_write(struct mr_request *req, const void *data, size_t len, struct mr_err *err)
{
    const char *bytes = data;
    while (len) {
        size_t part = (size_t)(MR_RATE_BYTES - req->out.moved);
        if (part > len)
            part = len;
        const int64_t began_us = mr_time_monotonic_us();
        mr_wait_begin(req->conn, MR_PHASE_WRITE, left_ms(req, req->out.waited_us));
        int n = mg_write(req->conn->civetweb, bytes, part);
        bool in_time = mr_wait_end(req->conn);
        if (!in_time || n < 0 || (size_t)n != part)
            return fail_write(req, in_time, err);
        note_moved(part, began_us, &req->out.waited_us, &req->out.moved);
        bytes += part;
        len -= part;
    }
    return MR_OK;
}

enum mr_status mr_wire_finish(struct mr_request *req, const void *head, size_t head_len, const void *body,
                              size_t body_len, struct mr_err *err)
{
    struct mr_buf *out = &req->conn->out;
    MR_TRY(mr_buf_reserve(out, head_len + body_len, err));
    MR_TRY(mr_buf_append(out, head, head_len, err));
    return body_len ? mr_buf_append(out, body, body_len, err) : MR_OK;
}
