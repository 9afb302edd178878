/* Requests that wait for their answer without a thread. */
#include "shared/base/clock.h"
#include "shared/http/http_metrics.h"
#include "shared/http/problem.h"
#include "shared/http/server_detach.h"
#include "shared/http/server_log.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

enum { PARKED_SCRAP_MAX = 64 << 10, METHOD_MAX = 16, REMOTE_MAX = 64, ANSWER_MAX = 32 << 20 };

struct mr_parked {
    int fd;
    bool log_requests;
    struct mr_log log;
    struct mr_http_metrics *metrics;
    const struct mr_route *route;
    char method[METHOD_MAX];
    char remote[REMOTE_MAX];
    char *path;
    int64_t started_us;
    int64_t request_bytes, user_id;
    struct mr_buf headers; /* of the handler */
    struct mr_buf out;     /* the answer, or what is left of it */
    int http_status;       /* of the answer */
    int64_t response_bytes;
    bool is_cut; /* the client has gone before the end of its answer */
};

static void parked_free(struct mr_parked *parked)
{
    if (!parked)
        return;
    if (parked->fd >= 0)
        close(parked->fd);
    mr_buf_free(&parked->headers);
    mr_buf_free(&parked->out);
    free(parked->path);
    free(parked);
}
static void parked_cleanup(struct mr_parked **parked)
{
    parked_free(*parked);
}

static enum mr_status describe(const struct mr_request *req, struct mr_parked **ret, struct mr_err *err)
{
    struct mr_parked *parked = calloc(1, sizeof *parked);
    if (!parked)
        return mr_fail_oom(err);
    parked->fd = -1;
    parked->headers = MR_BUF_INIT(MR_HEAD_OUT_MAX);
    parked->out = MR_BUF_INIT(ANSWER_MAX);
    parked->log_requests = req->server->options.log_requests;
    parked->log = req->log;
    parked->metrics = req->server->options.metrics;
    parked->route = req->match.route;
    parked->started_us = req->started_us;
    parked->request_bytes = req->body.received;
    parked->user_id = req->conn->user_id;
    snprintf(parked->method, sizeof parked->method, "%s", mr_request_method(req));
    snprintf(parked->remote, sizeof parked->remote, "%s", mr_request_remote(req));
    parked->path = strdup(req->path.text);
    if (!parked->path ||
        mr_buf_append(&parked->headers, mr_buf_str(&req->out.headers), req->out.headers.len, NULL) != MR_OK) {
        parked_free(parked);
        return mr_fail_oom(err);
    }
    *ret = parked;
    return MR_OK;
}

enum mr_status mr_request_park(struct mr_request *req, struct mr_parked **ret, struct mr_err *err)
{
    if (req->out.started)
        return mr_fail(err, MR_INTERNAL, "the request is already answered");
    MR_AUTO(mr_detachment) struct mr_detachment detachment = MR_DETACHMENT_INIT;
    MR_AUTO(parked) struct mr_parked *parked = NULL;
    MR_TRY(describe(req, &parked, err));
    MR_TRY(mr_detachment_reserve(&detachment, req, err));
    MR_TRY(mr_detachment_complete(&detachment, req, &parked->fd, err));
    req->out.parked = true;
    req->out.close = true;
    *ret = MR_TAKE(parked);
    return MR_OK;
}

/* Closing a socket with unread input resets the connection, and the client would lose the answer. */
static void drop_input(int fd)
{
    char scrap[4096];
    for (ssize_t left = PARKED_SCRAP_MAX, n; left > 0; left -= n)
        if ((n = recv(fd, scrap, sizeof scrap, MSG_DONTWAIT)) <= 0)
            return;
}

void mr_parked_close(struct mr_parked *parked)
{
    shutdown(parked->fd, SHUT_WR);
    drop_input(parked->fd);
    const struct mr_request_line line = {.method = parked->method,
                                         .path = parked->path,
                                         .remote = parked->remote,
                                         .status = parked->http_status,
                                         .started_us = parked->started_us,
                                         .request_bytes = parked->request_bytes,
                                         .response_bytes = parked->response_bytes,
                                         .user_id = parked->user_id,
                                         .cut_off = parked->is_cut || parked->out.len > 0};
    mr_http_metrics_answered(parked->metrics, parked->route, parked->http_status,
                             mr_time_monotonic_us() - parked->started_us);
    mr_request_line_log(&parked->log, parked->log_requests, &line);
    parked_free(parked);
}

/* The answer is shorter than any socket's buffer, so sending does not wait. */
void mr_parked_answer(struct mr_parked *parked, int http_status)
{
    parked->http_status = http_status;
    parked->is_cut = mr_buf_appendf(&parked->out, NULL, "HTTP/1.1 %d %s\r\n%sConnection: close\r\n\r\n",
                                    http_status, mr_http_reason(http_status),
                                    http_status == 204 ? "" : "Content-Length: 0\r\n") != MR_OK;
    (void)mr_parked_send(parked);
    mr_parked_close(parked);
}

static enum mr_status write_answer(struct mr_parked *parked, const char *content_type, const char *text,
                                   struct mr_err *err)
{
    MR_TRY(mr_buf_appendf(&parked->out, err,
                          "HTTP/1.1 %d %s\r\nX-Content-Type-Options: nosniff\r\nContent-Type: %s\r\n"
                          "Content-Length: %zu\r\n%sConnection: close\r\n\r\n",
                          parked->http_status, mr_http_reason(parked->http_status), content_type,
                          strlen(text), mr_buf_str(&parked->headers)));
    return mr_buf_append_str(&parked->out, text, err);
}

enum mr_status mr_parked_begin(struct mr_parked *parked, int http_status, const char *content_type,
                               json_t *body, struct mr_err *err)
{
    MR_AUTO_JSON json_t *owned = body;
    MR_AUTO_STR char *text = owned ? json_dumps(owned, MR_JSON_FLAGS) : NULL;
    if (!text)
        return mr_fail_oom(err);
    parked->http_status = http_status;
    parked->response_bytes = (int64_t)strlen(text);
    enum mr_status status = write_answer(parked, content_type, text, err);
    if (status != MR_OK)
        mr_buf_clear(&parked->out);
    return status;
}

bool mr_parked_send(struct mr_parked *parked)
{
    size_t sent = 0;
    while (sent < parked->out.len) {
        ssize_t n =
            send(parked->fd, parked->out.data + sent, parked->out.len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            sent += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    parked->is_cut |= sent < parked->out.len && errno != EAGAIN && errno != EWOULDBLOCK;
    mr_buf_consume(&parked->out, sent);
    return parked->is_cut || parked->out.len == 0;
}

bool mr_parked_is_gone(const struct mr_parked *parked)
{
    struct pollfd end = {.fd = parked->fd, .events = POLLRDHUP};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
