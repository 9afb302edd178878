#include "shared/http/server_detach.h"

#include "shared/http/server_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* Detached sockets get high numbers: the search for a connection's socket (server_socket.c) goes upwards through the
 * open descriptors and must not visit thousands of streams. */
enum { DETACHED_FD_MIN = MR_KNOWN_SOCKETS };

static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, DETACHED_FD_MIN);
    if (copy < 0 && (errno == EINVAL || errno == EMFILE)) /* such numbers are over the limit */
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy;
}

/* A socket whose other end is closed: it can be read, shut down and closed without effect. */
static int dead_socket(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    close(pair[1]);
    return pair[0];
}

void mr_detachment_close(struct mr_detachment *detachment)
{
    if (detachment->dead >= 0)
        close(detachment->dead);
    if (detachment->copy >= 0)
        close(detachment->copy);
    *detachment = MR_DETACHMENT_INIT;
}

/* civetweb cannot give a socket away: it shuts its descriptor down and closes it when the connection ends. So the
 * caller gets a duplicate, and the dead socket replaces civetweb's own, in one step. */
enum mr_status mr_detachment_reserve(struct mr_detachment *detachment, const struct mr_request *req,
                                     struct mr_err *err)
{
    if (req->conn->fd < 0)
        return mr_fail(err, MR_UNAVAILABLE, "the client's socket was not found");
    detachment->dead = dead_socket();
    if (detachment->dead >= 0)
        detachment->copy = duplicate(req->conn->fd);
    if (detachment->copy < 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "detach a connection");
    return MR_OK;
}

enum mr_status mr_detachment_complete(struct mr_detachment *detachment, struct mr_request *req, int *ret_fd,
                                      struct mr_err *err)
{
    MR_TRY(mr_connection_replace_socket(req->conn, detachment->dead, err));
    req->out.ended = true;
    *ret_fd = detachment->copy;
    detachment->copy = -1;
    return MR_OK;
}

static enum mr_status answer_head_request(struct mr_request *req, int http_status, const char *content_type,
                                          int *ret_fd, struct mr_err *err)
{
    MR_TRY(mr_respond_begin(req, http_status, content_type, -1, err));
    *ret_fd = -1;
    return mr_respond_end(req, err);
}

enum mr_status mr_respond_detach(struct mr_request *req, int http_status, const char *content_type,
                                 int *ret_fd, struct mr_err *err)
{
    if (strcmp(mr_request_method(req), "HEAD") == 0)
        return answer_head_request(req, http_status, content_type, ret_fd, err);
    MR_AUTO(mr_detachment) struct mr_detachment detachment = MR_DETACHMENT_INIT;
    MR_TRY(mr_detachment_reserve(&detachment, req, err));
    req->out.until_close = true;
    MR_TRY(mr_respond_begin(req, http_status, content_type, -1, err));
    return mr_detachment_complete(&detachment, req, ret_fd, err);
}
