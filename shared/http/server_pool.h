/*
 * Request threads: they serve the requests of one class of routes, in the order in which they were received; but a
 * client who has its share of the threads waits for one of them. They start when they are needed, and stay. Their
 * stacks of 2 MiB are enough for handlers that call TLS and JSON; Debian's civetweb gives its own threads 100 KiB.
 */
#ifndef MR_HTTP_SERVER_POOL_H
#define MR_HTTP_SERVER_POOL_H

#include "shared/http/server_state.h"

struct mr_pool_bounds {
    int threads;       /* at most */
    int queue_max;     /* connections that wait for a thread */
    int share_percent; /* of both, for the requests of one client (conn->remote); at least one of each */
};

/* The threads call serve(connection). One is started. MR_EXHAUSTED without memory or threads. */
MR_MUST_CHECK enum mr_status mr_pool_start(const struct mr_pool_bounds *bounds,
                                           void (*serve)(struct mr_connection *conn), struct mr_pool **ret,
                                           struct mr_err *err);
/* Ends the threads, which must be idle, and frees. Accepts NULL. */
void mr_pool_stop(struct mr_pool *pool);

/* Has the connection's request served, and returns when it is; false at once if too many wait, or too many
 * of this client. Any thread. */
bool mr_pool_run(struct mr_pool *pool, struct mr_connection *conn);

#endif
