#include "shared/http/server_socket.h"

#include "shared/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

enum {
    UNUSED_MAX = 1024,       /* unused numbers after which no more descriptors are expected */
    UNSENT_MAX = 128 * 1024, /* bytes that the kernel takes for a client that does not read */
    LEARN_MS = 5000,
};

/* Calls is_wanted with each open socket until it returns true; returns that one, or -1. */
static int find_socket(const struct mr_server *server, bool (*is_wanted)(int fd, const void *ctx),
                       const void *ctx)
{
    for (int fd = 0, unused = 0; unused < UNUSED_MAX; fd++) {
        if (fd < MR_KNOWN_SOCKETS && atomic_load_explicit(&server->known[fd], memory_order_relaxed))
            unused = 0;
        else if (is_wanted(fd, ctx))
            return fd;
        else
            unused = errno == EBADF ? unused + 1 : 0;
    }
    return -1;
}

struct ends {
    struct sockaddr_in remote;
    in_port_t port; /* ours */
};

/* Sets errno, if not to EBADF, when the descriptor is open. */
static bool is_between(int fd, const void *ctx)
{
    const struct ends *ends = ctx;
    struct sockaddr_in local = {0}, remote = {0};
    socklen_t local_len = sizeof local, remote_len = sizeof remote;
    errno = 0;
    return getpeername(fd, (struct sockaddr *)&remote, &remote_len) == 0 && remote.sin_family == AF_INET &&
           remote.sin_port == ends->remote.sin_port &&
           remote.sin_addr.s_addr == ends->remote.sin_addr.s_addr &&
           getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 && local.sin_port == ends->port;
}

static bool is_listener(int fd, const void *ctx)
{
    const struct ends *ends = ctx;
    struct sockaddr_in local = {0};
    int listening = 0;
    socklen_t local_len = sizeof local, listening_len = sizeof listening;
    errno = 0;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_len) == 0 && listening &&
           getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 && local.sin_family == AF_INET &&
           local.sin_port == ends->port;
}

void mr_sockets_learn(struct mr_server *server, const struct mg_connection *civetweb)
{
    const struct mg_request_info *info = mg_get_request_info(civetweb);
    if (!info || atomic_load(&server->info_offset))
        return;
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->info_offset, (size_t)((const char *)info - (const char *)civetweb));
    pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static bool wait_for_offset(struct mr_server *server)
{
    const struct timespec due = mr_time_deadline(LEARN_MS);
    int waited = 0;
    pthread_mutex_lock(&server->lock);
    while (!atomic_load(&server->info_offset) && waited == 0)
        waited = pthread_cond_timedwait(&server->idle, &server->lock, &due);
    pthread_mutex_unlock(&server->lock);
    return atomic_load(&server->info_offset) != 0;
}

enum mr_status mr_sockets_prepare(struct mr_server *server, struct mr_err *err)
{
    const struct ends ends = {.port = htons((uint16_t)server->port)};
    const int unsent = UNSENT_MAX;
    char fault[100] = "";
    server->listener = find_socket(server, is_listener, &ends);
    if (server->listener < 0)
        return mr_fail(err, MR_UNAVAILABLE, "listen on port %d: the socket was not found", server->port);
    setsockopt(server->listener, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent); /* is inherited */
    struct mg_connection *ourselves = mg_connect_client("127.0.0.1", server->port, 0, fault, sizeof fault);
    if (!ourselves)
        return mr_fail(err, MR_UNAVAILABLE, "connect to port %d: %s", server->port, fault);
    mg_close_connection(ourselves);
    return wait_for_offset(server) ? MR_OK
                                   : mr_fail(err, MR_UNAVAILABLE,
                                             "connect to port %d: the connection was not seen", server->port);
}

static void set_known(struct mr_server *server, int fd, bool known)
{
    if (fd >= 0 && fd < MR_KNOWN_SOCKETS)
        atomic_store_explicit(&server->known[fd], known, memory_order_relaxed);
}

static int find_client(const struct mr_server *server, const struct mg_request_info *info)
{
    struct ends ends = {.port = htons((uint16_t)server->port),
                        .remote.sin_port = htons((uint16_t)info->remote_port)};
    if (inet_pton(AF_INET, info->remote_addr, &ends.remote.sin_addr) != 1)
        return -1;
    return find_socket(server, is_between, &ends);
}

bool mr_socket_find(struct mr_server *server, const struct mg_connection *civetweb, int *ret_fd,
                    char ret_address[MR_ADDRESS_MAX])
{
    const size_t offset = atomic_load(&server->info_offset);
    if (!offset)
        return false;
    const void *place = (const char *)civetweb + offset;
    const struct mg_request_info *info = place;
    snprintf(ret_address, MR_ADDRESS_MAX, "%s", info->remote_addr);
    *ret_fd = find_client(server, info);
    set_known(server, *ret_fd, true);
    return true;
}

void mr_socket_forget(struct mr_server *server, int fd)
{
    set_known(server, fd, false);
}
