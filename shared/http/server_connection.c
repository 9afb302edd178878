#include "shared/http/server_connection.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    LINGER_MS = 1000,
    LINGER_BYTES = 8 * 1024 * 1024, /* a client that reads its answer at all has done so by then */
    KEEP_ALIVE_MS = 5000,
};

struct mr_connection {
    struct mr_connection *prev, *next; /* in the server's list */
    int fd;                            /* -1: not searched for, not found, or replaced */
    int64_t waiting_since_us;          /* for the next request's head */
    bool served;                       /* an earlier request: now the keep-alive timeout applies */
};

int mr_connection_keep_alive_ms(const struct mr_server *server)
{
    int timeout_ms = server->options.client_timeout_ms;
    return timeout_ms < KEEP_ALIVE_MS ? timeout_ms : KEEP_ALIVE_MS;
}

/* Calls visit with each open descriptor of this process until it returns true; returns that one, or -1. */
static int find_descriptor(bool (*visit)(int fd, const void *ctx), const void *ctx)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -1;
    int found = -1;
    for (const struct dirent *entry; found < 0 && (entry = readdir(dir));) {
        int64_t fd = -1;
        if (mr_parse_int64(entry->d_name, 0, INT32_MAX, &fd) && visit((int)fd, ctx))
            found = (int)fd;
    }
    closedir(dir);
    return found;
}

static bool is_socket_of(int fd, const void *ctx)
{
    const struct mg_request_info *info = ctx;
    struct sockaddr_in local, remote;
    socklen_t local_len = sizeof local, remote_len = sizeof remote;
    char text[INET_ADDRSTRLEN];
    return getpeername(fd, (struct sockaddr *)&remote, &remote_len) == 0 && remote.sin_family == AF_INET &&
           ntohs(remote.sin_port) == info->remote_port &&
           getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 &&
           ntohs(local.sin_port) == info->server_port &&
           inet_ntop(AF_INET, &remote.sin_addr, text, sizeof text) && strcmp(text, info->remote_addr) == 0;
}

static bool is_listener(int fd, const void *ctx)
{
    const struct mr_server *server = ctx;
    struct sockaddr_in local;
    int listening = 0;
    socklen_t local_len = sizeof local, listening_len = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_len) == 0 && listening &&
           getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 && local.sin_family == AF_INET &&
           ntohs(local.sin_port) == server->port;
}

void mr_connection_open(struct mr_server *server, void **ret_data)
{
    atomic_fetch_add(&server->connection_count, 1);
    struct mr_connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return; /* the connection works without; its reads and writes have only civetweb's own timeouts */
    connection->fd = -1;
    connection->waiting_since_us = mr_time_monotonic_us();
    *ret_data = connection;
}

int mr_connection_socket(struct mr_server *server, struct mg_connection *conn)
{
    struct mr_connection *connection = mg_get_user_connection_data(conn);
    const struct mg_request_info *info = mg_get_request_info(conn);
    if (!connection || !info)
        return -1;
    if (connection->fd >= 0)
        return connection->fd;
    connection->fd = find_descriptor(is_socket_of, info);
    if (connection->fd < 0)
        return -1;
    pthread_mutex_lock(&server->lock);
    connection->next = server->connections;
    if (connection->next)
        connection->next->prev = connection;
    server->connections = connection;
    pthread_mutex_unlock(&server->lock);
    return connection->fd;
}

static void forget_locked(struct mr_server *server, struct mr_connection *connection)
{
    *(connection->prev ? &connection->prev->next : &server->connections) = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    connection->prev = connection->next = NULL;
    connection->fd = -1;
}

enum mr_status mr_connection_replace_socket(struct mr_server *server, struct mg_connection *conn,
                                            int substitute, struct mr_err *err)
{
    struct mr_connection *connection = mg_get_user_connection_data(conn);
    pthread_mutex_lock(
        &server->lock); /* mr_connections_shut sees the socket, or does not see the connection */
    bool replaced = dup3(substitute, connection->fd, O_CLOEXEC) >= 0;
    int fault = errno;
    if (replaced)
        forget_locked(server, connection);
    pthread_mutex_unlock(&server->lock);
    return replaced ? MR_OK : mr_fail_errno(err, MR_EXHAUSTED, fault, "replace a connection's socket");
}

void mr_connection_close(struct mr_server *server, const struct mg_connection *conn)
{
    atomic_fetch_sub(&server->connection_count, 1);
    struct mr_connection *connection = mg_get_user_connection_data(conn);
    if (!connection)
        return;
    if (connection->fd >= 0) {
        pthread_mutex_lock(&server->lock);
        forget_locked(server, connection);
        pthread_mutex_unlock(&server->lock);
    }
    free(connection);
}

void mr_connections_shut(struct mr_server *server)
{
    int listener = find_descriptor(is_listener, server);
    if (listener >= 0)
        shutdown(listener, SHUT_RD);
    pthread_mutex_lock(&server->lock);
    for (const struct mr_connection *connection = server->connections; connection;
         connection = connection->next)
        shutdown(connection->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}

void mr_connection_linger(int fd)
{
    if (fd < 0)
        return;
    shutdown(fd, SHUT_WR);
    int64_t end_us = mr_time_monotonic_us() + (int64_t)LINGER_MS * 1000;
    char scrap[16 * 1024];
    for (int64_t dropped = 0; dropped < LINGER_BYTES;) {
        int64_t left_us = end_us - mr_time_monotonic_us();
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (left_us <= 0 || poll(&waiting, 1, (int)(left_us / 1000) + 1) <= 0)
            return;
        ssize_t n = recv(fd, scrap, sizeof scrap, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return;
        dropped += n;
    }
}

void mr_connection_served(struct mg_connection *conn)
{
    struct mr_connection *connection = mg_get_user_connection_data(conn);
    if (!connection)
        return;
    connection->served = true;
    connection->waiting_since_us = mr_time_monotonic_us();
}

/* Bytes read from the socket so far; 0 if the kernel does not report it. */
static int64_t consumed(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int waiting = 0;
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        ioctl(fd, FIONREAD, &waiting) != 0)
        return 0;
    return (int64_t)info.tcpi_bytes_received - waiting;
}

int mr_connection_head_fault(struct mr_server *server, struct mg_connection *conn)
{
    const struct mr_connection *connection = mg_get_user_connection_data(conn);
    if (!connection)
        return 400;
    int allowed_ms =
        connection->served ? mr_connection_keep_alive_ms(server) : server->options.client_timeout_ms;
    if (mr_time_monotonic_us() - connection->waiting_since_us >= (int64_t)allowed_ms * 1000)
        return 408;
    /* A long head has filled civetweb's whole buffer. (After earlier requests on the connection a broken head
     * may be reported as a long one.) */
    return consumed(mr_connection_socket(server, conn)) >= server->options.max_head ? 431 : 400;
}
