/* Requests that wait for their answer without a thread. */
#include "shared/http/problem.h"
#include "shared/http/server_detach.h"
#include "shared/http/server_log.h"

#include <poll.h>
#include <sys/socket.h>

enum { PARKED_SCRAP_MAX = 64 << 10, METHOD_MAX = 16, REMOTE_MAX = 64 };

struct mr_parked {
    int fd;
    bool log_requests;
    struct mr_log log;
    char method[METHOD_MAX];
    char remote[REMOTE_MAX];
    char *path;
    int64_t started_us;
    int64_t request_bytes;
};

static void parked_free(struct mr_parked *parked)
{
    if (!parked)
        return;
    if (parked->fd >= 0)
        close(parked->fd);
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
    parked->log_requests = req->server->options.log_requests;
    parked->log = req->log;
    parked->started_us = req->started_us;
    parked->request_bytes = req->body.received;
    snprintf(parked->method, sizeof parked->method, "%s", mr_request_method(req));
    snprintf(parked->remote, sizeof parked->remote, "%s", mr_request_remote(req));
    parked->path = strdup(req->path.text);
    if (!parked->path) {
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

/* The answer is shorter than any socket's buffer, so sending does not wait. */
void mr_parked_answer(struct mr_parked *parked, int http_status)
{
    char head[200];
    int len = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n%sConnection: close\r\n\r\n", http_status,
                       mr_http_reason(http_status), http_status == 204 ? "" : "Content-Length: 0\r\n");
    bool is_sent = send(parked->fd, head, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len;
    shutdown(parked->fd, SHUT_WR);
    drop_input(parked->fd);
    const struct mr_request_line line = {.method = parked->method,
                                         .path = parked->path,
                                         .remote = parked->remote,
                                         .status = http_status,
                                         .started_us = parked->started_us,
                                         .request_bytes = parked->request_bytes,
                                         .cut_off = !is_sent};
    mr_request_line_log(&parked->log, parked->log_requests, &line);
    parked_free(parked);
}

bool mr_parked_is_gone(const struct mr_parked *parked)
{
    struct pollfd end = {.fd = parked->fd, .events = POLLRDHUP};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
