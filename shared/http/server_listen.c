#include "shared/http/server_listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { BACKLOG = 4096, UNSENT_MAX = 128 * 1024 };

/* Accepted sockets inherit these. TCP_NOTSENT_LOWAT bounds what the kernel holds for a client that does not read. */
static void set_options(int fd)
{
    const int on = 1, unsent = UNSENT_MAX;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

enum mr_status mr_listen_open(struct mr_server *server, struct mr_err *err)
{
    const struct mr_server_options *options = &server->options;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options->port),
                                  .sin_addr.s_addr =
                                      htonl(options->loopback_only ? INADDR_LOOPBACK : INADDR_ANY)};
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->listener < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "open a socket");
    set_options(server->listener);
    if (bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, BACKLOG) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &len) != 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "listen on port %d", options->port);
    server->port = ntohs(address.sin_port);
    return MR_OK;
}

void mr_listen_pause(struct mr_server *server, bool paused)
{
    if (server->paused == paused)
        return;
    struct epoll_event event = {.events = paused ? 0 : EPOLLIN, .data.ptr = &server->listener};
    (void)!epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listener, &event);
    server->paused = paused;
}
