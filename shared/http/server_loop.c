#include "shared/http/server_loop.h"
#include "shared/base/clock.h"

#include "shared/http/server_connection.h"
#include "shared/http/server_error.h"
#include "shared/http/server_intake.h"
#include "shared/http/server_listen.h"
#include "shared/http/server_pool.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
    EVENTS = 64,
    ACCEPTS = 64, /* at once */
    CHECK_MS = 1000,
    PAUSE_MS = 100,
    UNREAD_MAX = 64 << 20, /* bytes of answers that wait for their clients */
};

static void refuse(struct mr_server *server, struct mr_connection *conn, const struct mr_err *cause)
{
    conn->after = MR_AFTER_LINGER;
    mr_buf_free(&conn->out);
    conn->out_sent = 0;
    if (mr_server_refusal(cause, &conn->out) != MR_OK) {
        mr_connection_close(server, conn);
        return;
    }
    mr_log_write(server->options.log, MR_LOG_INFO, cause->message, "{s:s, s:s}", "code",
                 mr_code_name(cause->code), "remote", conn->address);
    mr_connection_write(server, conn);
}

static void dispatch(struct mr_server *server, struct mr_connection *conn)
{
    struct mr_err cause = {0};
    pthread_mutex_lock(&server->lock);
    bool draining = server->draining;
    server->running += !draining;
    pthread_mutex_unlock(&server->lock);
    if (draining) {
        mr_fail_code(&cause, MR_CODE_SHUTTING_DOWN, "the server is shutting down");
        refuse(server, conn, &cause);
        return;
    }
    conn->counted = true;
    mr_intake_enter(server, conn, MR_PHASE_BUSY, 0);
    if (mr_pool_push(server->pools[conn->class], conn))
        return;
    mr_connection_uncount(server, conn);
    mr_fail_code(&cause, MR_CODE_OVERLOADED, "too many requests of this kind wait for a thread");
    refuse(server, conn, &cause);
}

/* After bytes arrived, or when a request is over: pipelined ones may have arrived with it. */
static void advance(struct mr_server *server, struct mr_connection *conn)
{
    struct mr_err cause = {0};
    bool ready = false;
    if (mr_intake_advance(server, conn, &ready, &cause) != MR_OK)
        refuse(server, conn, &cause);
    else if (ready)
        dispatch(server, conn);
    else
        mr_connection_await(server, conn, EPOLLIN);
}

static void on_readable(struct mr_server *server, struct mr_connection *conn)
{
    bool ended = false;
    if (!mr_connection_receive(conn, &ended)) {
        mr_connection_close(server, conn);
    } else if (!ended) {
        advance(server, conn);
    } else if (conn->phase == MR_PHASE_BODY) {
        struct mr_err cause;
        mr_fail_code(&cause, MR_CODE_INCOMPLETE_BODY, "the connection was closed before the body ended");
        refuse(server, conn, &cause);
    } else {
        mr_connection_close(server, conn);
    }
}

static void on_event(struct mr_server *server, struct mr_connection *conn)
{
    switch (conn->phase) {
    case MR_PHASE_IDLE:
    case MR_PHASE_HEAD:
    case MR_PHASE_BODY:
        on_readable(server, conn);
        break;
    case MR_PHASE_WRITE:
        if (mr_connection_write(server, conn))
            advance(server, conn);
        break;
    case MR_PHASE_LINGER:
        mr_connection_drop_input(server, conn);
        break;
    case MR_PHASE_BUSY:
        break;
    }
}

static void on_overdue(struct mr_server *server, struct mr_connection *conn)
{
    bool asks = conn->phase == MR_PHASE_HEAD || conn->phase == MR_PHASE_BODY;
    if (!asks) {
        mr_connection_close(server, conn);
        return;
    }
    struct mr_err cause;
    mr_fail_code(&cause, MR_CODE_SLOW_CLIENT, "the %s was sent too slowly",
                 conn->phase == MR_PHASE_HEAD ? "head" : "body");
    refuse(server, conn, &cause);
}

static void check_overdue(struct mr_server *server, int64_t now_us)
{
    if (now_us < server->next_check_us)
        return;
    server->next_check_us = now_us + CHECK_MS * 1000;
    for (struct mr_connection *conn = server->connections, *next; conn; conn = next) {
        next = conn->next;
        if (conn->phase == MR_PHASE_BUSY)
            continue;
        if (conn->due_us <= now_us)
            on_overdue(server, conn);
        else if (conn->due_us < server->next_check_us)
            server->next_check_us = conn->due_us;
    }
    mr_listen_pause(server, false);
}

/* Closes the connection that has waited longest for its client; false if all are busy. */
static bool evict(struct mr_server *server, bool writers_only)
{
    struct mr_connection *oldest = NULL;
    for (struct mr_connection *conn = server->connections; conn; conn = conn->next)
        if (conn->phase != MR_PHASE_BUSY && (!writers_only || conn->phase == MR_PHASE_WRITE) &&
            (!oldest || conn->since_us < oldest->since_us))
            oldest = conn;
    if (oldest)
        mr_connection_close(server, oldest);
    return oldest != NULL;
}

static void pause_accepting(struct mr_server *server)
{
    mr_listen_pause(server, true);
    const int64_t soon_us = mr_time_monotonic_us() + PAUSE_MS * 1000;
    if (soon_us < server->next_check_us)
        server->next_check_us = soon_us;
}

static void accept_some(struct mr_server *server)
{
    for (int i = 0; i < ACCEPTS; i++) {
        if (server->connection_count >= server->options.max_connections && !evict(server, false)) {
            pause_accepting(server);
            return;
        }
        struct mr_connection *conn = NULL;
        int fault = mr_connection_accept(server, &conn);
        if (fault == EAGAIN)
            return;
        if (conn)
            advance(server, conn);
        else if (fault != ECONNABORTED && !evict(server, false)) {
            pause_accepting(server); /* out of descriptors or memory */
            return;
        }
    }
}

static void take_back(struct mr_server *server, struct mr_connection *conn)
{
    if (conn->fd < 0) {
        mr_connection_close(server, conn);
        return;
    }
    if (mr_connection_write(server, conn))
        advance(server, conn);
    while (server->unread > UNREAD_MAX && evict(server, true))
        ;
}

static bool take_all_back(struct mr_server *server)
{
    uint64_t count;
    (void)!read(server->wake, &count, sizeof count);
    pthread_mutex_lock(&server->lock);
    struct mr_connection *returned = server->returned;
    server->returned = NULL;
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    for (struct mr_connection *next; returned; returned = next) {
        next = returned->next_queued;
        returned->next_queued = NULL;
        take_back(server, returned);
    }
    return !stopping;
}

static int wait_ms(const struct mr_server *server)
{
    int64_t left_us = server->next_check_us - mr_time_monotonic_us();
    return left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

/* Connections are closed only after the events of a round, which may name them, have been looked at. */
static void *loop_main(void *arg)
{
    struct mr_server *server = arg;
    struct epoll_event events[EVENTS];
    for (bool goes_on = true; goes_on;) {
        int count = epoll_wait(server->epoll, events, EVENTS, wait_ms(server));
        bool accepts = false;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &server->listener)
                accepts = true;
            else if (events[i].data.ptr != &server->wake)
                on_event(server, events[i].data.ptr);
        }
        goes_on = take_all_back(server);
        if (accepts)
            accept_some(server);
        check_overdue(server, mr_time_monotonic_us());
    }
    return NULL;
}

static enum mr_status open_epoll(struct mr_server *server, struct mr_err *err)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event listener = {.events = EPOLLIN, .data.ptr = &server->listener};
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &server->wake};
    if (server->epoll < 0 || server->wake < 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &listener) != 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->wake, &wake) != 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "open the server's loop");
    return MR_OK;
}

enum mr_status mr_loop_start(struct mr_server *server, struct mr_err *err)
{
    MR_TRY(mr_listen_open(server, err));
    MR_TRY(open_epoll(server, err));
    int fault = pthread_create(&server->loop, NULL, loop_main, server);
    if (fault)
        return mr_fail_errno(err, MR_EXHAUSTED, fault, "start the server's loop");
    server->loop_runs = true;
    return MR_OK;
}

static void wake_up(struct mr_server *server)
{
    const uint64_t one = 1;
    (void)!write(server->wake, &one, sizeof one);
}

void mr_loop_return(struct mr_server *server, struct mr_connection *conn)
{
    pthread_mutex_lock(&server->lock);
    bool first = !server->returned;
    conn->next_queued = server->returned;
    server->returned = conn;
    pthread_mutex_unlock(&server->lock);
    if (first)
        wake_up(server);
}

void mr_loop_stop(struct mr_server *server)
{
    if (!server->loop_runs)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    wake_up(server);
    pthread_join(server->loop, NULL);
    pthread_mutex_lock(&server->lock);
    for (const struct mr_connection *conn = server->connections; conn; conn = conn->next)
        if (conn->fd >= 0)
            shutdown(conn->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
}

void mr_loop_close(struct mr_server *server)
{
    while (server->connections)
        mr_connection_close(server, server->connections);
    const int fds[] = {server->listener, server->epoll, server->wake};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}
