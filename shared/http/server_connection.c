#include "shared/http/server_connection.h"

#include "shared/http/server_socket.h"
#include "shared/http/server_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    LINGER_MS = 1000,
    LINGER_BYTES = 8 * 1024 * 1024, /* a client that reads its answer at all has done so by then */
    EMPTY_LINES_MAX = 1024,         /* bytes before the first request */
};

static void link_connection(struct mr_connection *conn)
{
    struct mr_server *server = conn->server;
    pthread_mutex_lock(&server->lock);
    conn->next = server->connections;
    if (conn->next)
        conn->next->prev = conn;
    server->connections = conn;
    server->connection_count++;
    if (atomic_load(&server->stopping) && conn->fd >= 0)
        shutdown(conn->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}

static void unlink_connection(struct mr_connection *conn)
{
    struct mr_server *server = conn->server;
    pthread_mutex_lock(&server->lock);
    *(conn->prev ? &conn->prev->next : &server->connections) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    server->connection_count--;
    server->evicted_count -= conn->evicted;
    pthread_mutex_unlock(&server->lock);
}

/*
 * Waits for a byte that is not of an empty line, and drops what comes before it (RFC 9112 §2.2): civetweb would end
 * the head at the first empty line, but read the request after it.
 */
static void await_request(struct mr_connection *conn)
{
    char bytes[64];
    for (size_t dropped = 0; dropped < EMPTY_LINES_MAX;) {
        struct pollfd waiting = {.fd = conn->fd, .events = POLLIN};
        ssize_t n =
            poll(&waiting, 1, -1) > 0 ? recv(conn->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT) : -1;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return;
        size_t empty = 0;
        while (empty < (size_t)n && (bytes[empty] == '\r' || bytes[empty] == '\n'))
            empty++;
        if (!empty)
            return;
        (void)!recv(conn->fd, bytes, empty, MSG_DONTWAIT);
        dropped += empty;
    }
    shutdown(conn->fd, SHUT_RDWR);
}

struct mr_connection *mr_connection_open(struct mr_server *server, const struct mg_connection *civetweb)
{
    struct mr_connection *conn = calloc(1, sizeof *conn);
    if (!conn || !mr_socket_find(server, civetweb, &conn->fd, conn->address)) {
        free(conn);
        return NULL;
    }
    conn->server = server;
    conn->in = MR_BUF_INIT(MR_SMALL_BODY);
    conn->out = MR_BUF_INIT(SIZE_MAX / 2);
    pthread_cond_init(&conn->served, NULL);
    link_connection(conn);
    mr_watch_make_room(server);
    if (conn->fd >= 0) {
        mr_wait_begin(conn, MR_PHASE_HEAD, server->options.client_timeout_ms);
        await_request(conn);
        mr_wait_begin(conn, MR_PHASE_HEAD, server->options.client_timeout_ms);
    }
    return conn;
}

void mr_connection_close(struct mr_connection *conn)
{
    mr_wait_end(conn);
    unlink_connection(conn);
    mr_socket_forget(conn->server, conn->fd);
    mr_head_free(&conn->head);
    mr_buf_free(&conn->in);
    mr_buf_free(&conn->out);
    pthread_cond_destroy(&conn->served);
    free(conn);
}

enum mr_status mr_connection_replace_socket(struct mr_connection *conn, int substitute, struct mr_err *err)
{
    pthread_mutex_lock(&conn->server->lock); /* mr_connections_shut sees the old socket or none */
    const int fd = conn->fd;
    bool replaced = dup3(substitute, fd, O_CLOEXEC) >= 0;
    int fault = errno;
    if (replaced)
        conn->fd = -1;
    pthread_mutex_unlock(&conn->server->lock);
    if (!replaced)
        return mr_fail_errno(err, MR_EXHAUSTED, fault, "replace a connection's socket");
    mr_socket_forget(conn->server, fd);
    return MR_OK;
}

int64_t mr_connection_consumed(const struct mr_connection *conn)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int waiting = 0;
    if (conn->fd < 0 || getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        ioctl(conn->fd, FIONREAD, &waiting) != 0)
        return 0;
    return (int64_t)info.tcpi_bytes_received - waiting;
}

void mr_connection_linger(struct mr_connection *conn)
{
    if (conn->fd < 0)
        return;
    char scrap[4096];
    shutdown(conn->fd, SHUT_WR);
    mr_wait_begin(conn, MR_PHASE_LINGER, LINGER_MS);
    for (int64_t dropped = 0; dropped < LINGER_BYTES;) {
        struct pollfd waiting = {.fd = conn->fd, .events = POLLIN};
        ssize_t n = poll(&waiting, 1, -1) > 0 ? recv(conn->fd, scrap, sizeof scrap, MSG_DONTWAIT) : -1;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            break;
        if (n > 0)
            dropped += n;
    }
    mr_wait_end(conn);
}

void mr_connections_shut(struct mr_server *server)
{
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->stopping, true);
    if (server->listener >= 0)
        shutdown(server->listener, SHUT_RD);
    for (const struct mr_connection *conn = server->connections; conn; conn = conn->next)
        if (conn->fd >= 0)
            shutdown(conn->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}
