#include "shared/http/server_watch.h"

#include "shared/base/clock.h"

#include <sys/socket.h>

enum {
    UNREAD_MAX = 64 << 20, /* bytes of answers that wait for their clients */
    CHECK_MS = 60000,      /* the watchdog's longest sleep */
};

static void set_unread_locked(struct mr_connection *conn, size_t bytes)
{
    conn->server->unread = conn->server->unread - conn->unread + bytes;
    conn->unread = bytes;
}

/* The descriptor is open: its owner must take the lock before it is closed. What the kernel holds for a client that
 * does not read is dropped. After SHUT_RD an answer can still be sent. */
static void shut_locked(struct mr_connection *conn, int how)
{
    const struct linger reset = {.l_onoff = 1};
    conn->shut = true;
    set_unread_locked(conn, 0);
    if (conn->phase == MR_PHASE_WRITE)
        setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    shutdown(conn->fd, conn->phase == MR_PHASE_WRITE ? SHUT_RDWR : how);
}

static bool waits_locked(const struct mr_connection *conn)
{
    return conn->phase != MR_PHASE_BUSY && !conn->shut;
}

static void shut_overdue_locked(struct mr_server *server, int64_t now_us)
{
    server->next_check_us = now_us + CHECK_MS * 1000LL;
    for (struct mr_connection *conn = server->connections; conn; conn = conn->next) {
        if (!waits_locked(conn))
            continue;
        if (conn->due_us <= now_us)
            shut_locked(conn, SHUT_RD);
        else if (conn->due_us < server->next_check_us)
            server->next_check_us = conn->due_us;
    }
}

/* False if nobody waits for its client. */
static bool evict_locked(struct mr_server *server, bool writers_only)
{
    struct mr_connection *oldest = NULL;
    for (struct mr_connection *conn = server->connections; conn; conn = conn->next)
        if (waits_locked(conn) && (!writers_only || conn->phase == MR_PHASE_WRITE) &&
            (!oldest || conn->since_us < oldest->since_us))
            oldest = conn;
    if (!oldest)
        return false;
    shut_locked(oldest, SHUT_RDWR);
    server->evicted_count += !oldest->evicted;
    oldest->evicted = true;
    return true;
}

static void make_room_locked(struct mr_server *server)
{
    if (server->connection_count - server->evicted_count > server->options.max_connections)
        evict_locked(server, false);
}

void mr_watch_make_room(struct mr_server *server)
{
    pthread_mutex_lock(&server->lock);
    make_room_locked(server);
    pthread_mutex_unlock(&server->lock);
}

void mr_watch_unread(struct mr_connection *conn, size_t bytes)
{
    struct mr_server *server = conn->server;
    pthread_mutex_lock(&server->lock);
    set_unread_locked(conn, bytes);
    while (server->unread > UNREAD_MAX && evict_locked(server, true))
        ;
    pthread_mutex_unlock(&server->lock);
}

void mr_wait_begin(struct mr_connection *conn, enum mr_phase phase, int64_t ms)
{
    struct mr_server *server = conn->server;
    if (conn->fd < 0)
        return;
    pthread_mutex_lock(&server->lock);
    conn->phase = phase;
    conn->shut = false;
    conn->since_us = mr_time_monotonic_us();
    conn->due_us = conn->since_us + ms * 1000;
    if (phase == MR_PHASE_HEAD)
        make_room_locked(server); /* there may have been nobody to be shut down before */
    if (conn->due_us < server->next_check_us) {
        server->next_check_us = conn->due_us;
        pthread_cond_signal(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
}

bool mr_wait_end(struct mr_connection *conn)
{
    struct mr_server *server = conn->server;
    pthread_mutex_lock(&server->lock);
    bool in_time = !conn->shut;
    conn->phase = MR_PHASE_BUSY;
    pthread_mutex_unlock(&server->lock);
    return in_time;
}

static void *watchdog(void *arg)
{
    struct mr_server *server = arg;
    pthread_mutex_lock(&server->lock);
    while (!server->watch_ended) {
        shut_overdue_locked(server, mr_time_monotonic_us());
        const int64_t due_us = server->next_check_us;
        const struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
        pthread_cond_timedwait(&server->changed, &server->lock, &due);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

enum mr_status mr_watch_start(struct mr_server *server, struct mr_err *err)
{
    int fault = pthread_create(&server->watchdog, NULL, watchdog, server);
    if (fault)
        return mr_fail_errno(err, MR_EXHAUSTED, fault, "start the watchdog of slow clients");
    server->watchdog_runs = true;
    return MR_OK;
}

void mr_watch_stop(struct mr_server *server)
{
    if (!server->watchdog_runs)
        return;
    pthread_mutex_lock(&server->lock);
    server->watch_ended = true;
    pthread_cond_signal(&server->changed);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->watchdog, NULL);
}
