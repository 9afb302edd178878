#include "shared/http/server_wire.h"

#include "shared/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { FILL_BYTES = 32 * 1024 };

/* Waits for the client; false when its time is used up. */
static bool wait_for(const struct mr_request *req, short events, int64_t *waited_us)
{
    const int64_t began_us = mr_time_monotonic_us();
    const int64_t left_us = (int64_t)req->server->options.client_timeout_ms * 1000 - *waited_us;
    struct pollfd waiting = {.fd = req->conn->fd, .events = events};
    int ready = left_us > 0 ? poll(&waiting, 1, (int)(left_us / 1000) + 1) : 0;
    *waited_us += mr_time_monotonic_us() - began_us;
    return ready > 0 || (ready < 0 && errno == EINTR);
}

/* The time is granted again with every MR_RATE_BYTES. */
static void note_moved(size_t bytes, int64_t *waited_us, int64_t *moved)
{
    *moved += (int64_t)bytes;
    if (*moved < MR_RATE_BYTES)
        return;
    *moved = *waited_us = 0;
}

/* Replaces what was read of the connection's buffer by the next bytes of the socket. */
static enum mr_status fill(struct mr_request *req, struct mr_err *err)
{
    struct mr_buf *in = &req->conn->in;
    mr_buf_clear(in);
    req->body.used = 0;
    MR_TRY(mr_buf_reserve(in, FILL_BYTES, err));
    for (;;) {
        ssize_t n = recv(req->conn->fd, in->data, FILL_BYTES, MSG_DONTWAIT);
        if (n > 0) {
            in->len = (size_t)n;
            note_moved(in->len, &req->body.waited_us, &req->body.moved);
            return MR_OK;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return mr_fail_code(err, MR_CODE_INCOMPLETE_BODY,
                                "the connection was closed before the body ended");
        if (!wait_for(req, POLLIN, &req->body.waited_us))
            return mr_fail_code(err, MR_CODE_SLOW_CLIENT, "the body was sent too slowly");
    }
}

static size_t take(struct mr_request *req, void *data, size_t len)
{
    struct mr_buf *in = &req->conn->in;
    if (len > in->len - req->body.used)
        len = in->len - req->body.used;
    memcpy(data, in->data + req->body.used, len);
    req->body.used += len;
    return len;
}

static enum mr_status read_chunked(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                   struct mr_err *err)
{
    struct mr_chunks *chunks = &req->conn->chunks;
    const struct mr_buf *in = &req->conn->in;
    *ret_len = 0;
    while (chunks->state != MR_CHUNKS_ENDED && !*ret_len) {
        if (req->body.used == in->len)
            MR_TRY(fill(req, err));
        size_t used = 0, content = 0;
        size_t left = in->len - req->body.used;
        MR_TRY(
            mr_chunks_next(chunks, in->data + req->body.used, left < len ? left : len, &used, &content, err));
        memcpy(data, in->data + req->body.used + used - content, content);
        req->body.used += used;
        *ret_len = content;
    }
    return MR_OK;
}

enum mr_status mr_wire_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                            struct mr_err *err)
{
    const int64_t length = req->conn->framing.length;
    if (length < 0)
        return read_chunked(req, data, len, ret_len, err);
    if ((int64_t)len > length - req->body.received)
        len = (size_t)(length - req->body.received);
    if (len && req->body.used == req->conn->in.len)
        MR_TRY(fill(req, err));
    *ret_len = take(req, data, len);
    return MR_OK;
}

static enum mr_status fail_write(struct mr_request *req, bool late, struct mr_err *err)
{
    req->out.gone = true;
    req->conn->unread = late;
    return late
               ? mr_fail_as(err, MR_UNAVAILABLE, MR_CODE_SLOW_CLIENT, "the client read the answer too slowly")
               : mr_fail_code(err, MR_CODE_CLIENT_GONE, "the client disconnected");
}

enum mr_status mr_wire_write(struct mr_request *req, const void *data, size_t len, struct mr_err *err)
{
    const char *bytes = data;
    while (len) {
        ssize_t n = send(req->conn->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            note_moved((size_t)n, &req->out.waited_us, &req->out.moved);
            bytes += n;
            len -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail_write(req, false, err);
        } else if (!wait_for(req, POLLOUT, &req->out.waited_us)) {
            return fail_write(req, true, err);
        }
    }
    return MR_OK;
}

static enum mr_status keep_rest(struct mr_buf *out, const struct iovec part[2], size_t sent,
                                struct mr_err *err)
{
    for (size_t i = 0; i < 2; i++) {
        size_t skip = sent < part[i].iov_len ? sent : part[i].iov_len;
        sent -= skip;
        MR_TRY(mr_buf_append(out, (const char *)part[i].iov_base + skip, part[i].iov_len - skip, err));
    }
    return MR_OK;
}

enum mr_status mr_wire_finish(struct mr_request *req, const void *head, size_t head_len, const void *body,
                              size_t body_len, struct mr_err *err)
{
    struct iovec parts[2] = {{.iov_base = (void *)head, .iov_len = head_len},
                             {.iov_base = (void *)body, .iov_len = body_len}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = body_len ? 2 : 1};
    ssize_t n = sendmsg(req->conn->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return fail_write(req, false, err);
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == head_len + body_len || keep_rest(&req->conn->out, parts, sent, err) == MR_OK)
        return MR_OK;
    req->out.gone = true; /* the answer is cut off */
    mr_buf_free(&req->conn->out);
    return MR_EXHAUSTED;
}
