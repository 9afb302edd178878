#include "shared/http/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* Detached sockets get high numbers: the search for a connection's socket (server_peer.c) goes upwards
 * through the open descriptors and must not walk over thousands of streams. */
enum { DETACHED_FD_MIN = 2048 };

static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, DETACHED_FD_MIN);
    if (copy < 0 && (errno == EINVAL || errno == EMFILE)) /* the process may not have numbers that high */
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy;
}

/* A socket that is at its end: reading gives nothing, shutting it down and closing it does no harm. */
static int dead_socket(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    close(pair[1]);
    return pair[0];
}

/*
 * civetweb has no way to give a socket away: it will shut its descriptor down and close it when the
 * connection ends. So the stream gets a duplicate, and the dead socket takes the place of civetweb's own, in
 * one step.
 */
enum mr_status mr_respond_detach(struct mr_request *req, int http_status, const char *content_type,
                                 int *ret_fd, struct mr_err *err)
{
    if (strcmp(mr_request_method(req), "HEAD") == 0) {
        enum mr_status status = mr_respond_begin(req, http_status, content_type, -1, err);
        if (status == MR_OK)
            *ret_fd = -1;
        return status == MR_OK ? mr_respond_end(req, err) : status;
    }
    if (req->fd < 0)
        return mr_fail(err, MR_UNAVAILABLE, "the client's socket was not found");
    MR_AUTO_FD int dead = dead_socket();
    MR_AUTO_FD int copy = dead < 0 ? -1 : duplicate(req->fd);
    if (copy < 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "detach a connection");
    req->out.until_close = true;
    enum mr_status status = mr_respond_begin(req, http_status, content_type, -1, err);
    if (status == MR_OK)
        status = mr_peer_replace(req->server, req->conn, dead, err);
    if (status != MR_OK)
        return status;
    req->fd = -1;
    req->out.ended = true;
    *ret_fd = copy;
    copy = -1;
    return MR_OK;
}
