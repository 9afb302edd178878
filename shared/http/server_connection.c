#include "shared/http/server_connection.h"

#include "shared/http/server_intake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    LINGER_MS = 1000,
    LINGER_BYTES = 8 * 1024 * 1024, /* a client that reads its answer at all has done so by then */
    FIRST_READ = 2048,
    NEXT_READ = 16 * 1024,
};

static void link_connection(struct mr_server *server, struct mr_connection *conn)
{
    conn->next = server->connections;
    if (conn->next)
        conn->next->prev = conn;
    server->connections = conn;
    server->connection_count++;
}

static void unlink_connection(struct mr_server *server, struct mr_connection *conn)
{
    *(conn->prev ? &conn->prev->next : &server->connections) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    server->connection_count--;
}

int mr_connection_accept(struct mr_server *server, struct mr_connection **ret)
{
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    int fd = accept4(server->listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return errno == EWOULDBLOCK ? EAGAIN : errno;
    struct mr_connection *conn = calloc(1, sizeof *conn);
    if (!conn) {
        close(fd);
        return ENOMEM;
    }
    conn->fd = fd;
    conn->in = MR_BUF_INIT((size_t)server->options.max_head + MR_SMALL_BODY + NEXT_READ);
    conn->out = MR_BUF_INIT(SIZE_MAX / 2);
    inet_ntop(AF_INET, &peer.sin_addr, conn->address, sizeof conn->address);
    link_connection(server, conn);
    mr_intake_enter(server, conn, MR_PHASE_IDLE, server->options.client_timeout_ms);
    *ret = conn;
    return 0;
}

void mr_connection_uncount(struct mr_server *server, struct mr_connection *conn)
{
    if (!conn->counted)
        return;
    conn->counted = false;
    pthread_mutex_lock(&server->lock);
    if (--server->running == 0)
        pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static void uncharge(struct mr_server *server, struct mr_connection *conn)
{
    server->unread -= conn->charged;
    conn->charged = 0;
}

void mr_connection_close(struct mr_server *server, struct mr_connection *conn)
{
    const struct linger reset = {.l_onoff = 1};
    if (conn->unread || conn->phase == MR_PHASE_WRITE)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (conn->fd >= 0)
        close(conn->fd);
    uncharge(server, conn);
    mr_connection_uncount(server, conn);
    unlink_connection(server, conn);
    mr_head_free(&conn->head);
    mr_buf_free(&conn->in);
    mr_buf_free(&conn->out);
    free(conn);
}

void mr_connection_await(struct mr_server *server, struct mr_connection *conn, uint32_t events)
{
    struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = conn};
    if (epoll_ctl(server->epoll, conn->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, conn->fd, &event) != 0)
        mr_intake_enter(server, conn, MR_PHASE_LINGER, 0); /* out of memory: closed when it is overdue */
    conn->polled = true;
}

bool mr_connection_receive(struct mr_connection *conn, bool *ret_ended)
{
    size_t room = conn->in.max - conn->in.len;
    const size_t wanted = conn->in.len < FIRST_READ ? FIRST_READ : NEXT_READ;
    if (room > wanted)
        room = wanted;
    if (!room || mr_buf_reserve(&conn->in, room, NULL) != MR_OK)
        return false;
    ssize_t n = recv(conn->fd, conn->in.data + conn->in.len, room, MSG_DONTWAIT);
    *ret_ended = n == 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    conn->in.len += (size_t)n;
    conn->in.data[conn->in.len] = '\0';
    return true;
}

static bool finish_answer(struct mr_server *server, struct mr_connection *conn)
{
    const int timeout_ms = server->options.client_timeout_ms;
    uncharge(server, conn);
    mr_connection_uncount(server, conn);
    switch (conn->after) {
    case MR_AFTER_KEEP:
        mr_intake_finish(conn);
        mr_intake_enter(server, conn, MR_PHASE_IDLE,
                        timeout_ms < MR_KEEP_ALIVE_MS ? timeout_ms : MR_KEEP_ALIVE_MS);
        return true;
    case MR_AFTER_LINGER:
        shutdown(conn->fd, SHUT_WR);
        mr_intake_enter(server, conn, MR_PHASE_LINGER, LINGER_MS);
        mr_connection_await(server, conn, EPOLLIN);
        return false;
    case MR_AFTER_CLOSE:
        conn->phase = MR_PHASE_LINGER; /* nothing is left to be read */
        mr_connection_close(server, conn);
        break;
    }
    return false;
}

bool mr_connection_write(struct mr_server *server, struct mr_connection *conn)
{
    const int timeout_ms = server->options.client_timeout_ms;
    if (conn->phase != MR_PHASE_WRITE) {
        mr_intake_enter(server, conn, MR_PHASE_WRITE, timeout_ms);
        conn->charged = conn->out.len;
        server->unread += conn->charged;
    }
    while (conn->out_sent < conn->out.len) {
        ssize_t n = send(conn->fd, conn->out.data + conn->out_sent, conn->out.len - conn->out_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            mr_connection_await(server, conn, EPOLLOUT);
            return false;
        }
        if (n < 0) {
            mr_connection_close(server, conn);
            return false;
        }
        conn->out_sent += (size_t)n;
        conn->moved += (size_t)n;
        if (conn->moved >= MR_RATE_BYTES)
            mr_intake_enter(server, conn, MR_PHASE_WRITE, timeout_ms);
    }
    return finish_answer(server, conn);
}

void mr_connection_drop_input(struct mr_server *server, struct mr_connection *conn)
{
    char scrap[NEXT_READ];
    ssize_t n = recv(conn->fd, scrap, sizeof scrap, MSG_DONTWAIT);
    if (n > 0)
        conn->moved += (size_t)n;
    bool goes_on = n > 0 ? conn->moved < LINGER_BYTES : n < 0 && (errno == EAGAIN || errno == EINTR);
    if (goes_on)
        mr_connection_await(server, conn, EPOLLIN);
    else
        mr_connection_close(server, conn);
}

int mr_connection_give_away(struct mr_server *server, struct mr_connection *conn)
{
    pthread_mutex_lock(&server->lock);
    int fd = conn->fd;
    conn->fd = -1; /* mr_loop_stop shuts it down no more */
    pthread_mutex_unlock(&server->lock);
    (void)!epoll_ctl(server->epoll, EPOLL_CTL_DEL, fd, NULL);
    return fd;
}
